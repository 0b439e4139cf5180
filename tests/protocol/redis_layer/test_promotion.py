"""A replica is promoted whose clock is behind: it gives mailbox ids that the interface server has read past."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty, NotingInterface, NotingWorker
from tests.support.waiting import until
from trunkline.protocol import codec
from trunkline.protocol.messages import Outcome
from trunkline.protocol.names import ChannelName, ConnectionId
from trunkline.protocol.redis_layer import RedisInterfaceLayer
from trunkline.protocol.redis_layer.scripts import SCRIPTS
from trunkline.protocol.redis_layer.sender import RedisSender

JOBS = ChannelName("jobs")
LINKS = (
    "trunkline-interface",
    "trunkline-mailbox",
    "trunkline-worker",
    "trunkline-reader",
    "trunkline-lease",
)
AHEAD_MS = 3_600_000
"""So much the clock of the Redis that was promoted is behind the other's."""

Case = tuple[Faulty, NotingInterface, NotingWorker]


def replication_id(faulty: Faulty) -> object:
    info = faulty.client.info("replication")
    assert isinstance(info, dict)
    return info["master_replid"]


def later_id() -> str:
    return f"{int(time.time() * 1000) + AHEAD_MS}-0"


def promote(faulty: Faulty, interface: NotingInterface, last_id: str) -> None:
    """Another Redis takes over, in whose mailbox the last entry is an older one; every connection is cut."""
    mailbox = faulty.keys.mailbox(interface.id)
    with faulty.client.pipeline(transaction=True) as step:
        step.delete(mailbox)
        step.xadd(mailbox, {"b": b""}, id=last_id, maxlen=0, approximate=False)
        step.execute()
    faulty.client.replicaof("127.0.0.1", "1")
    faulty.client.replicaof("NO", "ONE")
    faulty.cut(LINKS)


@pytest.fixture
async def case(faulty: Faulty) -> Case:
    """An interface server that has read an entry which only the Redis of before had."""
    interface, worker = await faulty.interface(), await faulty.worker(JOBS)
    seen = codec.encode_mailbox([codec.encode_send(ConnectionId("c"), -1, "before")])
    faulty.client.xadd(faulty.keys.mailbox(interface.id), {"b": seen}, id=later_id())
    assert await interface.receive() == ["before"]
    return faulty, interface, worker


def layer_of(interface: NotingInterface) -> RedisInterfaceLayer:
    assert isinstance(interface.layer, RedisInterfaceLayer)
    return interface.layer


async def test_what_a_worker_posts_before_the_interface_is_back_is_read(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty, interface, worker = case
    layer = layer_of(interface)
    stood = str(int(time.time() * 1000)) + "-0"
    recover, up = layer._recovery.register, layer._mailbox.link._on_up

    def behind(step: Callable[[], Any]) -> Callable[[], Any]:
        async def wait() -> Any:
            mailbox = faulty.keys.mailbox(interface.id)
            await until(lambda: faulty.client.xlen(mailbox), what="an entry that was posted meanwhile")
            return await step()

        return wait

    monkeypatch.setattr(type(layer._recovery), "register", lambda self: behind(recover)())
    monkeypatch.setattr(layer._mailbox.link, "_on_up", behind(up))
    promote(faulty, interface, stood)

    await worker.apply(interface.post("c", "meanwhile"))
    await until(lambda: interface.told[-1:] == ["back"])
    await worker.apply(interface.post("c", "after"))

    assert await interface.receive(3) == ["before", "meanwhile", "after"]


async def test_what_is_sent_from_outside_before_the_interface_is_back_is_read(case: Case) -> None:
    faulty, interface, worker = case
    promote(faulty, interface, str(int(time.time() * 1000)) + "-0")
    sender = RedisSender(faulty.settings)

    # Nobody else gets a turn before this is done.
    sender.apply([interface.post("c", "meanwhile")])
    sender.close()

    assert await interface.receive(2) == ["before", "meanwhile"]
    await worker.apply(interface.post("c", "after"))
    assert await interface.receive(3) == ["before", "meanwhile", "after"]


async def test_what_is_committed_from_a_thread_before_the_interface_is_back_is_read(case: Case) -> None:
    faulty, interface, worker = case
    interface.publish(JOBS, body("job"))
    (job,) = await worker.take(1)
    promote(faulty, interface, str(int(time.time() * 1000)) + "-0")

    worker.layer.commit_now([Outcome(job, [interface.post("c", "meanwhile")])], lambda count: None)

    assert await interface.receive(2) == ["before", "meanwhile"]


async def test_a_replica_that_attaches_to_a_redis_makes_no_other_redis_of_it(faulty: Faulty) -> None:
    """Nor does a backup. Redis takes another replication id then, though nothing was lost."""
    interface, worker = await faulty.interface(), await faulty.worker(JOBS)
    await worker.apply(interface.post("c", "one"))
    await interface.receive(1)
    before = replication_id(faulty)
    with socket.socket(socket.AF_UNIX) as replica:
        replica.connect(faulty.settings.redis_url.removeprefix("unix://"))
        replica.sendall(b"PSYNC ? -1\r\n")  # what the first replica of a master says
        await until(lambda: replication_id(faulty) != before)
        await faulty.worker(JOBS)  # whoever arrives notes where mailboxes stand
        await worker.apply(interface.post("c", "two"))
        await worker.apply(interface.post("c", "three"))
        await interface.receive(3)

        mark = layer_of(interface)._mailbox.mark
        faulty.cut(["trunkline-interface"])
        await until(lambda: interface.told[-1:] == ["back"])

    await worker.apply(interface.post("c", "four"))
    assert await interface.receive(4) == ["one", "two", "three", "four"]
    assert layer_of(interface)._mailbox.mark == mark


async def test_nobody_is_content_with_a_replica(case: Case) -> None:
    """It would post behind the promotion without having arrived there."""
    faulty, interface, worker = case
    faulty.client.replicaof("127.0.0.1", "1")
    with pytest.raises(redis.exceptions.ResponseError, match="READONLY"):
        script = SCRIPTS["arrive"]
        faulty.client.eval(script.text, 1, faulty.keys.stood, faulty.keys.base, "")
    faulty.client.replicaof("NO", "ONE")
    await worker.apply(interface.post("c", "after"))
    assert await interface.receive(2) == ["before", "after"]


async def test_what_was_read_and_not_lost_is_not_read_again(faulty: Faulty) -> None:
    interface, worker = await faulty.interface(), await faulty.worker(JOBS)
    await worker.apply(interface.post("c", "before"))
    await interface.receive()
    mark = layer_of(interface)._mailbox.mark

    faulty.client.replicaof("127.0.0.1", "1")
    faulty.client.replicaof("NO", "ONE")
    faulty.cut(LINKS)
    await until(lambda: layer_of(interface)._mailbox.mark != mark)
    await worker.apply(interface.post("c", "after"))

    assert await interface.receive(2) == ["before", "after"]


async def test_a_mailbox_whose_connection_is_older_than_what_the_other_link_tells_begins_anew(
    case: Case,
) -> None:
    """Its read waits for ids that will not come for an hour."""
    faulty, interface, worker = case
    mailbox = layer_of(interface)._mailbox
    promote(faulty, interface, str(int(time.time() * 1000)) + "-0")
    await until(lambda: interface.told[-1:] == ["back"] and mailbox.link.up)
    await worker.apply(interface.post("c", "after"))
    await interface.receive(2)

    older = mailbox.link._wire
    mailbox.fall_back("another 1-0", "1-0", mailbox.mark, mailbox.read_id)
    assert mailbox.read_id == "1-0"
    mailbox.fall_back("older 0-0", "0-0", "what it was", mailbox.read_id)
    assert mailbox.mark == "another 1-0"
    await until(lambda: mailbox.link._wire is not older)
