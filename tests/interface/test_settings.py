"""Settings of an interface server."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol.errors import ConfigError
from trunkline.protocol.settings import parse


def read(*argv: str) -> InterfaceSettings:
    return parse(InterfaceSettings, argv, "trunkline interface")


def test_defaults_are_safe() -> None:
    settings = read()

    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.allowed_origins == []
    assert settings.trusted_proxies == []
    assert not settings.deflate
    assert settings.max_message_bytes == 65_536
    assert settings.static_roots() == []


def test_lists_are_given_with_commas_or_by_repetition(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    monkeypatch.setenv("TRUNKLINE_TRUSTED_PROXIES", "10.0.0.0/8, unix")

    settings = read(
        "--allowed-origins=https://a.example,https://B.example:8000",
        f"--static=/={tmp_path}",
        f"--static=/files={tmp_path / 'files'}",
    )

    assert settings.allowed_origins == ["https://a.example", "https://b.example:8000"]
    assert settings.trusted_proxies == ["10.0.0.0/8", "unix"]
    assert [root.prefix for root in settings.static_roots()] == ["/files/", "/"]
    assert settings.static_roots()[0].folder == (tmp_path / "files").resolve()


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--port=70000", "--port"),
        ("--allowed-origins=a.example", "SCHEME://HOST"),
        ("--allowed-origins=https://a.example/path", "SCHEME://HOST"),
        ("--trusted-proxies=10.0.0.0/99", "ADDRESS/BITS"),
        ("--static=files", "URL=DIR"),
        ("--static=/files=no-such-folder", "there is no folder"),
        ("--tls-cert=no-such-file", "no such file"),
        ("--max-message-bytes=0", "--max-message-bytes"),
        ("--ping-interval-s=0", "--ping-interval-s"),
        ("--queue-events=none", "--queue-events"),
        ("--nonsense=1", "nonsense"),
    ],
)
def test_a_wrong_value_is_refused_by_name(argument: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        read(argument)


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("")
    with pytest.raises(ConfigError, match="both or neither"):
        read(f"--tls-cert={tmp_path / 'cert.pem'}")


def test_a_unix_socket_cannot_be_shared() -> None:
    with pytest.raises(ConfigError, match="cannot be shared"):
        read("--unix-socket=a.sock", "--reuse-port")
