"""TLS in front of something that speaks none: certificates made for the test, and a terminator."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of one authority and what it signed.

    Attributes:
        authority: certificate to trust.
        server: certificate of ``localhost``.
        key: its key.
    """

    authority: Path
    server: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """For the terminator."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.server, self.key)
        return context


def certificates(folder: Path) -> Certificates:
    """Makes an authority and a certificate for ``localhost`` and nothing else."""
    new = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    for command in (
        f"{new} -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem -addext keyUsage=critical,keyCertSign",
        f"{new} -subj /CN=localhost -keyout server.key -out server.csr",
        "openssl x509 -req -days 2 -in server.csr -extfile names -out server.pem "
        "-CA ca.pem -CAkey ca.key -CAcreateserial",
    ):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True, timeout=20)
    return Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")


@asynccontextmanager
async def terminated(socket: Path, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Listens with TLS on 127.0.0.1 and passes on to a Unix socket; gives the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(socket))
        for source, sink in ((reader, inner_writer), (inner_reader, writer)):
            task = asyncio.create_task(_copy(source, sink))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass  # One side has gone; the other shall hear of it.
    finally:
        writer.transport.abort()
