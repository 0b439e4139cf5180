"""Settings of an interface server: each declared once, with its flag, variable, default, help and validation."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode

from trunkline.protocol.codec import MAX_BODY_BYTES
from trunkline.protocol.settings import Port, PositiveSeconds, ProcessSettings

_ORIGIN = re.compile(r"[a-z][a-z0-9+.\-]*://(\[[0-9a-f:.]+\]|[^/:?#@\s]+)(:\d{1,5})?")
_URL_PREFIX = re.compile(r"/[^?#\s]*")
UNIX = "unix"
"""Stands for every peer on the Unix socket in the list of trusted proxies."""


class StaticRoot(NamedTuple):
    """Files the interface serves itself.

    Attributes:
        prefix: begin of the URL path, with a slash at both ends (``/`` is the root).
        folder: where the files are, absolute and without symbolic links.
    """

    prefix: str
    folder: Path


def _split(value: Any) -> Any:
    # One text from the environment or several flags; both may hold several items with commas between.
    texts = [value] if isinstance(value, str) else value
    return [part.strip() for text in texts for part in str(text).split(",") if part.strip()]


def _check_origin(value: str) -> str:
    lowered = value.lower()
    if lowered in ("*", "null") or _ORIGIN.fullmatch(lowered):
        return lowered
    raise ValueError(f"{value!r} is no origin: expected SCHEME://HOST[:PORT] without a path, or '*'")


def _check_network(value: str) -> str:
    if value != UNIX:
        try:
            ipaddress.ip_network(value)
        except ValueError as error:
            raise ValueError(f"{value!r}: {error}; expected an address, ADDRESS/BITS, or '{UNIX}'") from error
    return value


def _check_static(value: str) -> str:
    static_root(value)
    return value


def static_root(value: str) -> StaticRoot:
    """Reads one ``URL=DIR``.

    Raises:
        ValueError: it is no such thing, or there is no such folder.
    """
    prefix, separator, folder = value.partition("=")
    if not separator or not _URL_PREFIX.fullmatch(prefix) or not folder:
        raise ValueError(f"{value!r}: expected URL=DIR where URL begins with '/'")
    path = Path(folder)
    if not path.is_dir():
        raise ValueError(f"{value!r}: there is no folder {folder}")
    return StaticRoot(prefix.rstrip("/") + "/", path.resolve())


def _check_file(value: str) -> str:
    if value and not Path(value).is_file():
        raise ValueError("there is no such file")
    return value


Items = Annotated[list[str], NoDecode, BeforeValidator(_split)]
Origins = Annotated[list[Annotated[str, AfterValidator(_check_origin)]], NoDecode, BeforeValidator(_split)]
Networks = Annotated[list[Annotated[str, AfterValidator(_check_network)]], NoDecode, BeforeValidator(_split)]
Statics = Annotated[list[Annotated[str, AfterValidator(_check_static)]], NoDecode, BeforeValidator(_split)]
File = Annotated[str, AfterValidator(_check_file)]
Rate = Annotated[float, Field(ge=0, le=1_000_000)]
Bytes = Annotated[int, Field(ge=1, le=1024**3)]
# Half of what the codec takes: an entry holds one such message and what goes with it.
MessageBytes = Annotated[int, Field(ge=1, le=MAX_BODY_BYTES // 2)]


class InterfaceSettings(ProcessSettings):
    """What ``trunkline interface`` can be told."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 or :: for all")
    port: Port = Field(8000, description="port to listen on; 0 lets the kernel choose")
    unix_socket: str = Field("", description="listen on this Unix socket instead of host and port")
    reuse_port: bool = Field(False, description="share the port with other interface servers (SO_REUSEPORT)")
    backlog: Annotated[int, Field(ge=1, le=65_535)] = Field(
        1024, description="connections the kernel may hold before they are accepted"
    )
    tls_cert: File = Field("", description="certificate chain as a PEM file; turns TLS on")
    tls_key: File = Field("", description="private key of the certificate as a PEM file")

    allowed_origins: Origins = Field(
        [], description="origins besides the own host whose pages may open a WebSocket; '*' for any"
    )
    require_origin: bool = Field(
        False, description="refuse handshakes without an Origin header, so all but browsers"
    )
    trusted_proxies: Networks = Field(
        [],
        description=f"networks of proxies whose X-Forwarded-… and Forwarded headers count; '{UNIX}' for the socket",
    )
    max_connections: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        0, description="open connections at most; 0 derives it from the file-descriptor limit"
    )
    connections_per_address: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        0,
        description="open connections of one address (IPv6: of one /64) at most, 429 beyond; 0 for any number",
    )
    address_rate: Rate = Field(
        0.0, description="new connections of one address a second, 429 beyond; 0 for any number"
    )
    address_burst: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        100, description="new connections of one address at once, beyond which --address-rate counts"
    )
    request_timeout_s: PositiveSeconds = Field(
        10.0, description="seconds a client may take to send the head of a request, and an idle one may stay"
    )
    max_path_bytes: Annotated[int, Field(ge=1, le=8000)] = Field(
        2048, description="length of path and query at most; 414 beyond"
    )

    handshake_timeout_s: PositiveSeconds = Field(
        10.0, description="seconds the connect handler may take until the handshake is answered with 503"
    )
    max_wait_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        5.0,
        description="seconds an entry may wait for a worker until handshakes and requests are refused with 503 "
        "and open sockets are read in turns; 0 for any time",
    )
    close_timeout_s: PositiveSeconds = Field(
        5.0, description="seconds a client may take to answer a close before its connection is cut off"
    )
    max_message_bytes: MessageBytes = Field(
        65_536, description="an inbound message at most; close code 1009 beyond"
    )
    message_rate: Rate = Field(
        0.0,
        description="messages, pings and pongs of a connection a second, each 4 KiB and each 16 frames of a message "
        "one more; close code 1008 beyond; 0 for any number",
    )
    message_burst: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        100, description="messages of a connection at once, beyond which --message-rate counts"
    )
    groups_per_connection: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        1000, description="groups a connection may be in; close code 1008 beyond; 0 for any number"
    )
    deflate: bool = Field(False, description="offer permessage-deflate; costs CPU for each message")
    ping_interval_s: PositiveSeconds = Field(25.0, description="seconds without received data until a ping")
    ping_timeout_s: PositiveSeconds = Field(
        20.0, description="further seconds until the connection is cut off"
    )
    linger_ms: Annotated[float, Field(ge=0, le=100)] = Field(
        1.5,
        description="milliseconds that messages gather at most, to be published together, while so many come that it "
        "pays; 0 for never",
    )
    queue_events: Annotated[int, Field(ge=1, le=65_536)] = Field(
        64, description="messages of a connection that wait for a worker before reading of its socket pauses"
    )
    queue_bytes: Bytes = Field(
        262_144, description="bytes of such messages that wait before reading of the socket pauses"
    )
    outbound_bytes: Bytes = Field(
        1_048_576, description="unsent bytes of a connection before --outbound-policy has its say"
    )
    outbound_policy: Literal["close", "drop_oldest", "latest_only"] = Field(
        "close",
        description="what happens to a client that reads too slowly, unless its connect handler says otherwise: it is "
        "closed (1013), loses its oldest unsent messages, or gets the newest only",
    )

    http_timeout_s: PositiveSeconds = Field(
        30.0, description="seconds until a plain HTTP request without an answer gets 504"
    )
    http_max_body_bytes: MessageBytes = Field(
        1_048_576, description="body of an HTTP request at most; 413 beyond"
    )
    static: Statics = Field([], description="URL=DIR: serve the files of DIR below URL; repeatable")

    @model_validator(mode="after")
    def _check_together(self) -> InterfaceSettings:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("--tls-cert and --tls-key: expected both or neither")
        if self.unix_socket and self.reuse_port:
            raise ValueError(
                "--unix-socket and --reuse-port: a Unix socket cannot be shared; expected one of them"
            )
        return self

    def static_roots(self) -> list[StaticRoot]:
        """The static folders, the longest prefix first."""
        return sorted(map(static_root, self.static), key=lambda root: -len(root.prefix))
