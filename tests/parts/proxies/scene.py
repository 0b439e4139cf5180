"""Two interface servers and a worker behind a proxy, all of them real processes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from tests.parts.proxies.programs import Certificate, Proxy, Server, start
from tests.support.own_processes import end_well
from tests.support.processes import Interface, Processes
from tests.support.redis_server import RedisServer
from tests.support.waiting import until
from trunkline.protocol.messages import LeaseInfo

APP = "tests.parts.proxies.app"
TRUSTED = "127.0.0.1"
"""Where the proxies connect from. Clients of other loopback addresses are told apart by what the proxies say."""


class Scene:
    """The processes.

    Args:
        redis: of the cluster.
        folder: for files and logs.
        flags: of the interface servers.

    Attributes:
        processes: the cluster.
        certificate: what the proxies show.
    """

    def __init__(self, redis: RedisServer, folder: Path, *flags: str) -> None:
        self.processes = Processes(redis.url, redis.fresh_prefix(), folder)
        for _ in range(2):
            self.processes.interface("--trusted-proxies", TRUSTED, *flags)
        self.processes.worker(routing=APP)
        self.certificate = make_certificate(folder)
        self._folder = folder
        self._proxies: dict[str, Proxy] = {}

    async def proxy(self, name: str) -> Proxy:
        """The proxy of a name, started when it is first asked for."""
        if name not in self._proxies:
            await self.processes.ready()
            folder = self._folder / name
            folder.mkdir()
            self._proxies[name] = start(name, folder, await self.servers(), self.certificate)
        return self._proxies[name]

    async def servers(self) -> list[Server]:
        """The interface servers as a proxy knows them."""
        servers = []
        for interface in self.processes.interfaces:
            lease = await self._lease(interface)
            port = urlsplit(interface.address).port
            assert port is not None
            servers.append(Server(port, int(lease.admin.rpartition(":")[2])))
        return servers

    async def _lease(self, interface: Interface) -> LeaseInfo:
        """That of an interface server that lets clients in."""

        async def held() -> list[LeaseInfo]:
            lease = await self.processes.lets_in(interface)
            return [lease] if lease is not None else []

        return (await until(held, 30.0, f"{interface.name} lets clients in"))[0]

    def end(self) -> None:
        """Ends all.

        Raises:
            AssertionError: something went wrong in one of them, or one ended that should not have.
        """
        vanished = [name for name, proxy in self._proxies.items() if proxy.process.vanished]
        for proxy in self._proxies.values():
            proxy.process.stop()
        end_well(self.processes)
        assert not vanished


def make_certificate(folder: Path) -> Certificate:
    """A certificate for ``localhost`` that signs itself."""
    chain, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
            f"-addext subjectAltName=DNS:localhost -keyout {key} -out {chain}"
        ).split(),
        check=True,
        capture_output=True,
        timeout=20,
    )
    return Certificate(chain, key)


def from_address(address: str) -> aiohttp.ClientSession:
    """A client at an address of its own."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(address, 0), limit=0))
