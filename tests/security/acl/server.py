"""A Redis with the ACL that is shipped, and nobody else let in but the test itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis

from tests.support import redis_server as servers
from tests.support.commands import ROOT
from tests.support.process import START_WITHIN_S, Process

ACL_FILE = ROOT / "deploy" / "redis-acl.conf"
PASSWORD = "s3cr/et?p@ss#w[rd%"
"""With everything that a URL must escape."""
_ADMIN = "admin-of-the-test"


def acl_line() -> str:
    """The line of the product's user."""
    (line,) = [line for line in ACL_FILE.read_text().splitlines() if line.startswith("user trunkline ")]
    return line


class AclServer:
    """A Redis that runs.

    Attributes:
        socket: its Unix socket.
        admin: may do everything.
    """

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        # Its untyped method is all that is needed of it.
        self.admin: Any = redis.Redis(unix_socket_path=str(socket), username=_ADMIN, password=_ADMIN)

    def url(self, user: str = "trunkline", password: str = PASSWORD) -> str:
        """URL for a user."""
        return f"unix://{user}:{quote(password, safe='')}@{self.socket}"

    def user_without(self, command: str) -> str:
        """Makes a user that has all of the shipped permissions but one; gives its URL."""
        rules = acl_line().replace(">CHANGE-ME", f">{PASSWORD}").split()[2:]
        kept = [rule for rule in rules if rule != f"+{command}"]
        assert len(kept) == len(rules) - 1, command
        self.admin.execute_command("ACL", "SETUSER", "lacking", *kept)
        return self.url("lacking")

    def user_with(self, *more: str) -> str:
        """Makes a user that has all of the shipped permissions and some more; gives its URL."""
        rules = acl_line().replace(">CHANGE-ME", f">{PASSWORD}").split()[2:]
        self.admin.execute_command("ACL", "SETUSER", "operator", *rules, *more)
        return self.url("operator")

    def user_for_keys(self, pattern: str) -> str:
        """Makes a user that has all of the shipped permissions, for other keys; gives its URL."""
        rules = acl_line().replace(">CHANGE-ME", f">{PASSWORD}").replace("~trunkline:*", pattern).split()[2:]
        self.admin.execute_command("ACL", "SETUSER", "stranger", *rules)
        return self.url("stranger")

    def refusals(self) -> list[str]:
        """What Redis has refused since the last time it was asked, but for the CLIENT SETINFO of redis-py."""
        found = self.admin.execute_command("ACL", "LOG")
        self.admin.execute_command("ACL", "LOG", "RESET")
        # 6.2 does not tell which of CLIENT's subcommands it was.
        return [str(item) for item in found if item[b"object"] not in (b"client", b"client|setinfo")]


@contextmanager
def acl_server() -> Iterator[AclServer]:
    """Starts the server with the file as it is shipped, but for the password."""
    binary = servers.find_binary()
    assert binary is not None, servers.MISSING
    with servers.folder() as folder:
        shipped = folder / "redis-acl.conf"
        shipped.write_text(ACL_FILE.read_text().replace(">CHANGE-ME", f">{PASSWORD}"))
        conf = folder / "redis.conf"
        lines = [
            "port 0",
            f"unixsocket {folder / 's'}",
            f"dir {folder}",
            'save ""',
            f"include {shipped}",
            f"user {_ADMIN} on >{_ADMIN} ~* &* +@all",
        ]
        conf.write_text("\n".join(lines) + "\n")
        process = Process("redis", [binary, str(conf)], folder / "redis.log")
        server = AclServer(folder / "s")
        try:
            _wait(server, process)
            yield server
        finally:
            server.admin.close()
            process.stop()


def _wait(server: AclServer, process: Process) -> None:
    deadline_s = time.monotonic() + START_WITHIN_S
    with closing(redis.Redis.from_url(server.url())) as client:
        while process.exit_code is None and time.monotonic() < deadline_s:
            try:
                client.info()
                return
            except redis.ConnectionError:
                time.sleep(0.02)
    raise AssertionError(f"redis-server does not answer:\n{process.text()}")
