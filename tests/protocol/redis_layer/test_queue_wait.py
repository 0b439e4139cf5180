"""How long entries wait for workers."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.asyncio.connection import AbstractConnection

from tests.protocol.redis_layer.conftest import Faulty
from trunkline.protocol.errors import LayerUnavailable
from trunkline.protocol.names import CONNECT, RECEIVE
from trunkline.protocol.redis_layer.queue_wait import QueueWait
from trunkline.protocol.settings import LayerSettings

LONG_AGO = "1000-0"


async def test_the_age_is_that_of_the_oldest_entry_nobody_was_given(faulty: Faulty) -> None:
    queues = QueueWait(faulty.settings)
    assert await queues.waits_s() == {}
    stream = faulty.keys.stream(RECEIVE)
    faulty.client.xgroup_create(stream, "workers", "0", mkstream=True)
    faulty.client.xgroup_create(faulty.keys.stream(CONNECT), "workers", "0", mkstream=True)
    assert await queues.waits_s() == {CONNECT: 0.0, RECEIVE: 0.0}

    faulty.client.xadd(stream, {"b": b"x"}, id=LONG_AGO)
    faulty.client.xadd(stream, {"b": b"x"})
    waits_s = await queues.waits_s()
    assert waits_s[CONNECT] == 0.0
    assert waits_s[RECEIVE] > 1e9

    # A worker has the old one, and takes its time.
    faulty.client.xreadgroup("workers", "w1", {stream: ">"}, count=1)
    assert 0.0 <= (await queues.waits_s())[RECEIVE] < 60.0
    faulty.client.xreadgroup("workers", "w1", {stream: ">"}, count=1)
    assert (await queues.waits_s())[RECEIVE] == 0.0
    await queues.close()


async def test_a_redis_that_is_away_or_refuses_us_says_so(faulty: Faulty, tmp_path: Path) -> None:
    queues = QueueWait(faulty.settings)
    faulty.client.set(faulty.keys.stream(RECEIVE), "no stream")
    with pytest.raises(LayerUnavailable, match="WRONGTYPE"):
        await queues.waits_s()
    await queues.close()

    away = QueueWait(LayerSettings.model_validate({"redis_url": f"unix://{tmp_path / 'nobody'}"}))
    with pytest.raises(LayerUnavailable):
        await away.waits_s()
    await away.close()


async def test_a_connection_that_was_reset_under_redis_py_is_made_again(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues = QueueWait(faulty.settings)
    assert await queues.waits_s() == {}

    async def reset(*_: object, **__: object) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    with monkeypatch.context() as patch:
        patch.setattr(AbstractConnection, "send_packed_command", reset)
        with pytest.raises(LayerUnavailable, match="the handler is closed"):
            await queues.waits_s()

    assert await queues.waits_s() == {}
    await queues.close()
