"""The tracks of new connections, and the channels that the events of each go to.

A track is one object for all of its connections: when it has no worker any more, its channels become those of the main
track for all of them at once, and its own again when a worker is back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from trunkline.protocol.names import CONNECT, DISCONNECT, RECEIVE, REQUEST, ChannelName
from trunkline.protocol.tracks import MAIN, Share, on_track


class Track:
    """A track.

    Args:
        name: of it; empty for the main one.

    Attributes:
        name: of it.
        connect: the channel of connects, as the track names it.
        receive: of frames.
        disconnect: of disconnects.
        request: of HTTP requests.
    """

    __slots__ = ("connect", "disconnect", "name", "receive", "request")

    connect: ChannelName
    receive: ChannelName
    disconnect: ChannelName
    request: ChannelName

    def __init__(self, name: str) -> None:
        self.name = name
        self.publish_on(name)

    def publish_on(self, name: str) -> None:
        """Takes the channels of this or of another track."""
        self.connect = on_track(CONNECT, name)
        self.receive = on_track(RECEIVE, name)
        self.disconnect = on_track(DISCONNECT, name)
        self.request = on_track(REQUEST, name)


class Tracks:
    """All tracks an interface server has heard of.

    Args:
        draw: a number from 0 up to, not including, 1, evenly distributed.

    Attributes:
        main: the one without a name.
    """

    __slots__ = ("_by_name", "_draw", "_shares", "main")

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self.main = Track(MAIN)
        self._by_name: dict[str, Track] = {}
        self._shares: list[tuple[float, Track]] = []
        self._draw = draw

    def update(self, shares: Sequence[Share], now_ms: int) -> None:
        """Takes note of what each track gets, and of who has workers.

        Args:
            shares: of all tracks there are. One that is forgotten is as one without workers.
            now_ms: Redis' clock.
        """
        alive = {share.name: share.percent for share in shares if share.alive(now_ms)}
        for name in alive.keys() - self._by_name.keys():
            self._by_name[name] = Track(name)
        for name, track in self._by_name.items():
            track.publish_on(name if name in alive else MAIN)
        self._shares = [(percent / 100, self._by_name[name]) for name, percent in alive.items() if percent]

    def pick(self) -> Track:
        """The track of a new connection. Of shares that are more than everything the first by name get theirs."""
        if not self._shares:
            return self.main
        drawn = self._draw()
        for share, track in self._shares:
            if drawn < share:
                return track
            drawn -= share
        return self.main
