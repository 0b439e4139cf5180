"""The example echo."""

from __future__ import annotations

from tests.support.sockets import Client
from tests.support.stack import Run


async def test_text_and_bytes_come_back_as_what_they_were_on_any_path(run: Run) -> None:
    frames: list[str | bytes] = ["text", b"bytes", "", b"", "ünïcödé \N{GRINNING FACE}", bytes(range(256))]
    async with Client() as client:
        async with run("examples.echo.routing") as running:
            sockets = [await client.open(running.url(path)) for path in ("/", "/any/where?at=all")]
            for socket in sockets:
                for frame in frames:
                    await socket.send(frame)
            for socket in sockets:
                await socket.hears(len(frames))
        for socket in sockets:
            assert await socket.ended() == frames
