"""What is done to a process while one of its commands is held in the proxy. Each returns when the cluster has drawn its
conclusions and the process, if it lives, has got its due."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.faults.cluster import Node
from tests.faults.proxy import Held
from tests.faults.scene import Scene

ProcessFault = Callable[[Scene, Node, Held], Awaitable[None]]


async def sigkill(scene: Scene, victim: Node, held: Held) -> None:
    """It dies where it stands."""
    scene.struck()
    victim.process.kill()
    held.cut()


async def sigstop(scene: Scene, victim: Node, held: Held) -> None:
    """It sleeps until it was declared dead and others have what it held; then it wakes up in mid-sentence."""
    scene.struck()
    victim.process.pause()
    await scene.until_buried(victim)
    victim.process.resume()
    held.go()


async def partition(scene: Scene, victim: Node, held: Held) -> None:
    """Redis hears nothing of it, nor it of Redis, until it was declared dead; then the connections are reset."""
    scene.struck()
    victim.proxy.partition()
    held.go()
    await scene.until_buried(victim)
    victim.proxy.heal()


async def sigterm(scene: Scene, victim: Node, held: Held) -> None:
    """It is asked to end in the middle of a step."""
    scene.struck()
    victim.process.terminate()
    held.go()
    scene.leaving.append(victim)


async def reset(scene: Scene, victim: Node, held: Held) -> None:
    """The connection of this step breaks; the process's other connections do not."""
    scene.struck()
    held.cut()


async def reset_all(scene: Scene, victim: Node, held: Held) -> None:
    """All connections of the process break at this step."""
    scene.struck()
    held.cut()
    victim.proxy.cut_all()


PROCESS_FAULTS: dict[str, ProcessFault] = {
    "SIGKILL": sigkill,
    "SIGSTOP": sigstop,
    "SIGTERM": sigterm,
    "reset": reset,
    "partition": partition,
}
"""The five that strike at every step."""
ENDS_SOCKETS = frozenset({"SIGKILL", "SIGSTOP", "SIGTERM", "partition"})
"""Those that cost an interface server its connections."""
