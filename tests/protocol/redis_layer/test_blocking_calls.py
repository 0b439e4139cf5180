"""A thread's calls over a connection of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, NoScriptError
from redis.retry import Retry

from tests.protocol.redis_layer.conftest import Faulty
from trunkline.protocol.redis_layer import connections
from trunkline.protocol.redis_layer.blocking_calls import BlockingCalls


@pytest.fixture
def client(faulty: Faulty) -> Iterator[redis.Redis]:
    made = connections.blocking_client(faulty.settings.place, "trunkline-calls", 5.0, Retry(NoBackoff(), 0))
    yield made
    made.close()


@pytest.fixture
def calls(client: redis.Redis) -> Iterator[BlockingCalls]:
    made = BlockingCalls(client)
    yield made
    made.close()


async def test_calls_share_one_connection_which_is_no_other_threads(
    client: redis.Redis, calls: BlockingCalls
) -> None:
    ours = calls.ask(["CLIENT", "ID"])

    assert calls.ask(["CLIENT", "ID"]) == ours
    assert calls.ask(["CLIENT", "GETNAME"]) == b"trunkline-calls"
    assert client.client_id() != ours


async def test_an_error_of_redis_is_raised_and_the_connection_stays(calls: BlockingCalls) -> None:
    ours = calls.ask(["CLIENT", "ID"])

    with pytest.raises(NoScriptError):
        calls.ask(["EVALSHA", "0" * 40, 0])

    assert calls.ask(["CLIENT", "ID"]) == ours


async def test_a_lost_connection_fails_one_call_and_the_next_makes_another(
    client: redis.Redis, calls: BlockingCalls
) -> None:
    ours = calls.ask(["CLIENT", "ID"])
    client.client_kill_filter(_id=ours)

    with pytest.raises(ConnectionError):
        calls.ask(["CLIENT", "ID"])

    assert calls.ask(["CLIENT", "ID"]) not in (ours, None)


async def test_it_may_be_closed_twice_and_used_again(calls: BlockingCalls) -> None:
    ours = calls.ask(["CLIENT", "ID"])

    calls.close()
    calls.close()

    assert calls.ask(["CLIENT", "ID"]) != ours
