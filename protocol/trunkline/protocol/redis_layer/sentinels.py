"""The Sentinels of a Redis: asked on each new connection where its primary is now.

As https://redis.io/docs/latest/develop/reference/sentinel-clients/ wants it: one after the other until one answers,
that one first the next time, and what it tells is believed only if the Redis there says that it is a primary itself
(see `connections`).
"""

from __future__ import annotations

import logging
from typing import Any

from ..redis_layout import BySentinel
from ..redis_parts import Address
from .witnesses import Witnesses

log = logging.getLogger(__name__)


class Sentinels(Witnesses):
    """Asks the Sentinels of one Redis.

    Args:
        place: who they are, and whom they watch.
    """

    __slots__ = ("_place",)

    def __init__(self, place: BySentinel) -> None:
        super().__init__(place.sentinels)
        self._place = place

    @property
    def _question(self) -> tuple[str, ...]:
        return ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._place.service)

    def _url(self, witness: Address) -> str:
        return self._place.sentinel(witness)

    def _read(self, witness: Address, answer: Any) -> Address | str:
        if answer is None:
            return "it watches no such service"
        host, port = answer
        return Address(host.decode(), int(port))

    def _nobody(self) -> str:
        return f"no Sentinel tells where the Redis {self._place.service!r} is"

    def _moved(self, witness: Address, primary: Address) -> None:
        log.info("redis service=%s primary is at %s, says Sentinel %s", self._place.service, primary, witness)
