"""The Redis of a cluster under test: it writes everything down, survives a full disk, and may have a replica."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import redis

from tests.faults.redises.kind import Heir
from tests.support import full_disk
from tests.support.process import Process
from tests.support.redis_server import Redis
from tests.support.servers import accept_no_more
from tests.support.waiting import until


class OwnRedis(Redis):
    """See `Redis`; besides, it survives a full disk.

    Args:
        folder: for its socket and files.
        binary: the server program.
    """

    def __init__(self, folder: Path, binary: str) -> None:
        super().__init__(folder, binary, appendonly=True)

    def _start(self) -> Process:
        return Process("redis", full_disk.survived(self._command), self.folder / "redis.log")

    def stop(self) -> None:
        """Ends it."""
        self.process.resume()
        self.process.kill()


class Replica(Heir):
    """A replica of a Redis that has none but for this.

    Args:
        master: copied, later replaced.
        folder: for its socket and files, beside the master's.
    """

    def __init__(self, master: OwnRedis, folder: Path, binary: str) -> None:
        super().__init__(master, Redis(folder, binary, appendonly=False))
        self.replica.wait_until_it_answers()
        self._carriers: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def follow(self) -> None:
        """Begins to copy; returns when it has what the master has."""
        # A replica asks for host and port, the master listens on a Unix socket only.
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        with closing(redis.Redis.from_url(self.primary.url)) as client:
            client.config_set("repl-diskless-sync", "yes")
            client.config_set("repl-diskless-sync-delay", "0")
        with closing(redis.Redis.from_url(self.replica.url)) as client:
            client.replicaof("127.0.0.1", port)
            await until(_is_linked(client), 20, "the replica has everything")

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_master, to_master = await asyncio.open_unix_connection(str(self.primary.folder / "s"))
        for source, sink in ((reader, to_master), (from_master, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._carriers.add(task)
            task.add_done_callback(self._carriers.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass  # The master was killed, which is what this is for.
        finally:
            sink.close()
            with suppress(ConnectionError):
                await sink.wait_closed()

    async def inherit(self) -> None:
        """See `Heir.inherit`: it takes the master's place under its address."""
        self.primary.process.kill()
        await accept_no_more([self._server])
        carriers = list(self._carriers)
        for task in carriers:
            task.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
        with closing(redis.Redis.from_url(self.replica.url)) as client:
            client.replicaof("NO", "ONE")
        (self.replica.folder / "s").rename(self.primary.folder / "s")
        self.primary.process = self.replica.process


def _is_linked(client: redis.Redis) -> Callable[[], bool]:
    def linked() -> bool:
        info = client.info("replication")
        return isinstance(info, dict) and info.get("master_link_status") == "up"

    return linked
