"""What becomes of a cluster whose Redis has no memory left."""

from __future__ import annotations

from tests.protocol.layer_harness import body
from tests.protocol.redis_layer.conftest import Faulty
from tests.support.waiting import until
from trunkline.protocol.messages import Outcome
from trunkline.protocol.names import RECEIVE


async def test_a_full_redis_is_emptied_by_its_workers_and_then_takes_what_waited(faulty: Faulty) -> None:
    interface = await faulty.interface()
    worker = await faulty.worker(RECEIVE)
    for number in range(50):
        interface.publish(RECEIVE, body(f"{number}" + "x" * 20_000))
    deliveries = await worker.take(50)
    faulty.client.config_set("maxmemory", int(faulty.client.info("memory")["used_memory"]) - 200_000)
    try:
        interface.publish(RECEIVE, body("waits"))
        await until(lambda: interface.told == ["away"])
        # The answers are as large: only if mailboxes are trimmed without any room to spare is there an end to it.
        answer = interface.post("c", "x" * 20_000)
        counted = [await worker.commit(Outcome(one, [answer])) for one in deliveries]

        await until(lambda: faulty.bodies(RECEIVE) == [body("waits")], 10)
    finally:
        faulty.client.config_set("maxmemory", 0)

    assert counted == [1] * 50
    await until(lambda: interface.told == ["away", "back"])  # and no flapping between them
    assert len(await interface.receive(50)) == 50
