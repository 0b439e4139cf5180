"""A shard whose messages are watched: publisher and mailbox say to the watch what comes and goes.

Subclasses, so that an interface server which watches nothing runs the very code of one that cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from trunkline.protocol.layer import InterfaceLayer, Publication
from trunkline.protocol.names import GroupName

from .publisher import Publisher
from .shard import Shard
from .shared import Shared
from .tenure import Tenure
from .watch import Watch


class WatchedPublisher(Publisher):
    """Publishes some messages with marks.

    Args:
        watch: chooses them.
        layer: as `Publisher`.
        tenure: as `Publisher`, its loop and settings.
    """

    __slots__ = ("_watch",)

    def __init__(self, watch: Watch, layer: InterfaceLayer, tenure: Tenure) -> None:
        super().__init__(layer, tenure.loop, tenure.settings.linger_ms / 1000)
        self._watch = watch

    def add(self, publication: Publication) -> None:
        """See `Publisher.add`. What is published again keeps the marks it has, or has not."""
        if not self.closed and publication.owner.publication is not publication:
            publication = self._watch.departs(publication)
        super().add(publication)

    def flush(self) -> None:
        """See `Publisher.flush`."""
        super().flush()
        self._watch.left()


class WatchedShard(Shard):
    """A shard.

    Args:
        watch: is told.
        number: as `Shard`.
        layer: as `Shard`.
        tenure: as `Shard`.
    """

    __slots__ = ("_watch",)

    def __init__(self, watch: Watch, number: int, layer: InterfaceLayer, tenure: Tenure) -> None:
        super().__init__(number, layer, tenure)
        self.publisher = WatchedPublisher(watch, layer, tenure)
        self._watch = watch

    def mailbox(self, operations: list[list[Any]], token: str) -> None:
        """See `Shard.mailbox`."""
        arrived_s = perf_counter()
        super().mailbox(operations, token)
        self._watch.arrived(operations, token, arrived_s, self._members)

    def _members(self, group: str) -> int:
        return len(list(self.tenure.groups.members(GroupName(group))))


def begin_tenure(
    shared: Shared, layers: Sequence[InterfaceLayer], on_fenced: Callable[[Tenure], None]
) -> Tenure:
    """A tenure as the settings want it; arguments as for `Tenure`."""
    if shared.watch is None:
        return Tenure(shared, layers, on_fenced)
    return Tenure(shared, layers, on_fenced, partial(WatchedShard, shared.watch))
