"""How many connections there may be, and half-open ones."""

from __future__ import annotations

import asyncio
import resource
import time

import pytest

from tests.interface.conftest import MakeRig, Rig
from tests.support.client_frames import RawClient, frame
from tests.support.waiting import until
from trunkline.interface import door, limits
from trunkline.interface.frames import TEXT

HALF_OPEN = 10_000


def test_the_limit_follows_from_the_descriptors_with_a_reserve() -> None:
    assert limits.connection_limit(0, 1024) == 1024 - limits.RESERVED_FILES
    assert limits.connection_limit(100, 1024) == 100
    assert limits.connection_limit(5000, 1024) == 1024 - limits.RESERVED_FILES
    assert limits.connection_limit(0, 10) == 1


@pytest.mark.parametrize(
    ("soft", "hard", "answer", "wanted"),
    [
        (1024, 4096, 4096, 4096),
        (4096, 4096, 4096, None),
        (1024, resource.RLIM_INFINITY, limits.MAX_FILES, limits.MAX_FILES),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, limits.MAX_FILES, None),
    ],
)
def test_the_soft_limit_is_raised_to_the_hard_one(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, answer: int, wanted: int | None
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda which, pair: calls.append(pair[0]))

    assert limits.raise_file_limit() == answer
    assert calls == ([wanted] if wanted is not None else [])


def test_where_it_cannot_be_raised_the_soft_limit_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(which: int, pair: tuple[int, int]) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)

    assert limits.raise_file_limit() == 256


async def test_one_connection_too_many_is_told_503_and_room_is_given_back(make_rig: MakeRig) -> None:
    rig = await make_rig(max_connections=2)
    async with RawClient(*rig.address) as first, RawClient(*rig.address) as second:
        await first.upgrade()
        await second.upgrade()
        async with RawClient(*rig.address) as third:
            answer = await third.head("GET / HTTP/1.1\nHost: a")
            assert answer.startswith("HTTP/1.1 503 ")
            assert "Retry-After: " in answer
            assert b"the server is full" in await third.reader.read()
        assert rig.turned_away("connections") == 1
        second.send(frame(8))
        await second.close_code()
        assert await second.ended()

        async with RawClient(*rig.address) as fourth:
            assert "101" in await fourth.upgrade()
        first.send(frame(TEXT, b"undisturbed"))
        assert await first.receive() == (0x81, b"undisturbed")


async def test_those_turned_away_do_not_linger_in_numbers(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MAX_FAREWELLS", 0)
    monkeypatch.setattr(door, "FAREWELL_S", 60.0)
    rig = await make_rig(max_connections=1)
    async with RawClient(*rig.address) as first, RawClient(*rig.address) as second:
        await first.upgrade()
        assert (await second.reader.read()).startswith(b"HTTP/1.1 503 ")


async def test_who_says_nothing_after_being_turned_away_is_cut_off(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "FAREWELL_S", 0.05)
    rig = await make_rig(max_connections=1)
    async with RawClient(*rig.address) as first, RawClient(*rig.address) as second:
        await first.upgrade()
        await second.reader.readuntil(b"\r\n\r\n")
        await second.ended()


async def test_a_head_that_does_not_come_in_time_ends_the_connection(make_rig: MakeRig) -> None:
    rig = await make_rig(request_timeout_s=0.1)
    async with RawClient(*rig.address) as slow, RawClient(*rig.address) as silent:
        slow.send(b"GET / HTTP/1.1\r\nHost:")
        assert await slow.ended()
        assert await silent.ended()


async def has_accepted(rig: Rig, number: int) -> None:
    """Waits until so many connections are open that have not been upgraded."""
    await until(lambda: rig.shared.sockets.guests >= number)


async def test_ten_thousand_half_open_handshakes_hurt_nobody(make_rig: MakeRig) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Both ends of each connection are in this process.
    number = min(HALF_OPEN, (hard - 500) // 2)
    rig = await make_rig(request_timeout_s=60)
    loop = asyncio.get_running_loop()
    half_open: list[asyncio.Transport] = []
    try:
        async with RawClient(*rig.address) as client:
            await client.upgrade()
            for start in range(0, number, 500):
                made = await asyncio.gather(
                    *(
                        loop.create_connection(asyncio.Protocol, *rig.address)
                        for _ in range(min(500, number - start))
                    )
                )
                half_open += [transport for transport, _ in made]
                for transport, _ in made:
                    transport.write(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n")
                started_s = time.perf_counter()
                client.send(frame(TEXT, b"%d" % start))
                assert await client.receive() == (0x81, b"%d" % start)
                assert time.perf_counter() - started_s < 2
                # A kernel whose queue is full lets the client try again a second later.
                await has_accepted(rig, len(half_open))
            async with RawClient(*rig.address) as another:
                assert "101" in await another.upgrade()
    finally:
        for transport in half_open:
            transport.abort()
        await asyncio.sleep(0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
