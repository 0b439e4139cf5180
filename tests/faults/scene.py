"""The scene of a case: the cluster under load, whom the fault strikes, and when."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.faults.cluster import Cluster, Node, Role
from tests.faults.load import Load, Talker


@dataclass(slots=True)
class Scene:
    """What a fault acts on.

    Attributes:
        cluster: of the case.
        load: under way.
        struck_s: when the fault began, by the loop's clock; 0 before.
        mended_s: when its cause was gone (Redis answers again, memory is free); 0 if recovery counts from its begin.
        fenced: interface servers that start over and must be waited for.
        buried: workers that were declared dead and must be waited for.
        leaving: processes that were told to end.
    """

    cluster: Cluster
    load: Load
    struck_s: float = 0.0
    mended_s: float = 0.0
    fenced: list[Node] = field(default_factory=list)
    buried: list[Node] = field(default_factory=list)
    leaving: list[Node] = field(default_factory=list)

    def victim(self, role: Role) -> Node:
        """Whom cases of this role strike: the first. The witness is with the second interface server."""
        return (self.cluster.workers if role == "worker" else self.cluster.interfaces)[0]

    def struck(self) -> None:
        """The fault begins; of several the first counts."""
        self.struck_s = self.struck_s or asyncio.get_running_loop().time()

    def mended(self) -> None:
        """Its cause is gone."""
        self.mended_s = asyncio.get_running_loop().time()

    @property
    def victims(self) -> list[Talker]:
        """The connections of the interface server that cases strike."""
        return [talker for talker in self.load.talkers if talker.interface == 0]
