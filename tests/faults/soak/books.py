"""The books: what clients sent and heard against the ledger that handlers wrote, connection by connection. Pure.

The ledger is the order of all commits, so it tells everything exactly: each frame is in it once and in order, a
disconnect once and last, and a member hears what was said in its rooms between its join and its leave, in that very
order. A connection whose end is in order is forgotten; should the ledger name it again, that is a fault by itself. So
the books stay as small as the number of connections.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.faults.soak.app import TALLIED
from tests.faults.soak.page import End, Page

LATE_S = 60.0
"""Whatever is owed for longer is lost. No fault of the soak, and no two of them, last so long."""
KEPT = 40
"""Faults that are spelt out; all are counted."""
CLOSE_CODE = 1000


class Books:
    """The books of a soak.

    Attributes:
        counts: faults by kind.
        faults: the first of them in words.
        totals: connections, frames, replies, group messages, background messages and disconnects that were in order.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.totals: Counter[str] = Counter()
        self._pages: dict[str, Page] = {}
        self._rooms: dict[str, dict[str, Page]] = {}

    def __len__(self) -> int:
        return len(self._pages)

    def unsettled(self) -> Iterator[Page]:
        """Connections that are not over in every respect."""
        return iter(self._pages.values())

    def fault(self, kind: str, text: str) -> None:
        """Notes a fault."""
        self.counts[kind] += 1
        if len(self.faults) < KEPT:
            self.faults.append(f"{kind}: {text}")

    # ---- as the client sees it ----

    def opening(self, name: str, now_s: float) -> None:
        """A client begins a handshake."""
        self._pages[name] = Page(name, now_s)

    def opened(self, name: str, now_s: float) -> None:
        """It was accepted."""
        page = self._pages[name]
        page.open, page.since_s = True, now_s
        self.totals["connections"] += 1

    def sent(self, name: str, now_s: float) -> int:
        """It sends a frame; gives its number."""
        page = self._pages[name]
        if page.replied == page.sent:
            page.since_s = now_s
        page.sent += 1
        return page.sent - 1

    def heard(self, name: str, text: str, now_s: float) -> bool:
        """It heard something; tells whether that was a reply."""
        page = self._pages[name]
        if text.startswith("!"):
            page.ahead.append((text, now_s))
            self._match(page)
            return False
        page.since_s = now_s
        number, counted = map(int, text.split())
        if number != page.replied or number >= page.sent:
            kind = "doubled" if number < page.replied else "lost" if number < page.sent else "invented"
            self.fault(kind, f"{name} heard reply {number} and expected {page.replied}, of {page.sent}")
        # Relative to the one before, so that one write too many is one fault, and not all that follow.
        if counted != page.told + 1:
            self.fault("session", f"{name} heard that {counted} frames were counted, behind {page.told}")
        page.told, page.replied = counted, max(page.replied, number + 1)
        self.totals["replies"] += 1
        return True

    def ended(self, name: str, end: End, now_s: float) -> None:
        """Its client hears no more."""
        page = self._pages[name]
        page.end, page.since_s = end, now_s
        self._match(page)
        self._forget_if_settled(page)

    # ---- as the ledger has it ----

    def read(self, event: Mapping[str, Any], now_s: float) -> None:
        """Takes an event of the ledger, in its order."""
        kind, name = str(event["kind"]), str(event["name"])
        page = self._pages.get(name)
        if page is None:
            self.fault("late", f"{name} was over when the ledger got {dict(event)}")
            return
        if not page.ended or page.gone is None:
            page.since_s = now_s
        if kind == "tally":
            self._tally(page, int(event["number"]))
        elif page.gone is not None:
            self.fault("late", f"{name} was disconnected when the ledger got {dict(event)}")
        elif kind == "here":
            self._here(page, str(event["room"]))
        elif not page.here:
            self.fault("reordered", f"{name} had not been connected when the ledger got {dict(event)}")
        elif kind == "note":
            self._note(page, event, now_s)
        else:
            self._gone(page, int(event["code"]), int(event["counted"]))
        self._forget_if_settled(page)

    def _here(self, page: Page, room: str) -> None:
        if page.here:
            self.fault("doubled", f"{page.name} was connected twice")
        page.here = True
        self._enter(page, room)

    def _note(self, page: Page, event: Mapping[str, Any], now_s: float) -> None:
        number, verb, room = int(event["number"]), str(event["verb"]), str(event["room"])
        if number != page.noted or number >= page.sent:
            kind = "doubled" if number < page.noted else "lost" if number < page.sent else "invented"
            self.fault(kind, f"{page.name} had frame {number} handled behind {page.noted} of {page.sent}")
        counted = int(event["counted"])
        if counted != page.counted + 1:
            self.fault("session", f"{page.name} counted {counted} with frame {number}, behind {page.counted}")
        page.counted, page.noted = counted, max(page.noted, number + 1)
        self.totals["frames"] += 1
        if verb in TALLIED:
            page.tallies.add(number)
        elif verb == "join":
            self._enter(page, room)
        elif verb in ("leave", "visit"):
            self._leave(page, room)
        elif verb == "say":
            self._say(room, f"!{page.name} {number}", now_s)

    def _tally(self, page: Page, number: int) -> None:
        if number in page.tallies:
            page.tallies.remove(number)
            self.totals["background"] += 1
        else:
            self.fault("doubled", f"{page.name} had its background message {number} handled again, or early")

    def _gone(self, page: Page, code: int, counted: int) -> None:
        page.gone = code
        self.totals["disconnects"] += 1
        for room in tuple(page.rooms):
            self._leave(page, room)
        if counted != page.noted:
            self.fault(
                "session", f"{page.name} was gone behind {counted} frames, and {page.noted} were handled"
            )

    # ---- groups ----

    def _enter(self, page: Page, room: str) -> None:
        page.rooms.add(room)
        self._rooms.setdefault(room, {})[page.name] = page

    def _leave(self, page: Page, room: str) -> None:
        page.rooms.discard(room)
        members = self._rooms.get(room, {})
        members.pop(page.name, None)
        if not members:
            self._rooms.pop(room, None)

    def _say(self, room: str, text: str, now_s: float) -> None:
        for member in tuple(self._rooms.get(room, {}).values()):
            if not member.ended or member.ahead:
                member.owed.append((text, now_s))
                self._match(member)

    def _match(self, page: Page) -> None:
        before = len(page.ahead)
        for kind, text in page.match():
            self.fault(kind, f"{page.name} and the group message {text!r}")
        self.totals["group messages"] += before - len(page.ahead)

    # ---- time ----

    def look(self, now_s: float) -> None:
        """Finds what is owed for too long. To be called every few seconds."""
        for page in tuple(self._pages.values()):
            while page.ahead and now_s - page.ahead[0][1] > LATE_S:
                self.fault(
                    "invented", f"{page.name} heard {page.ahead.popleft()[0]!r}, which is not in the ledger"
                )
                self._match(page)
            while not page.ended and page.owed and now_s - page.owed[0][1] > LATE_S:
                self.fault("lost", f"{page.name} has not heard {page.owed.popleft()[0]!r}")
            if now_s - page.since_s > LATE_S:
                self._overdue(page)

    def _overdue(self, page: Page) -> None:
        if not page.ended:
            if page.replied < page.sent and not page.reported:
                page.reported = True
                self.fault("stuck", f"{page.name} has {page.replied} replies to {page.sent} frames")
            return
        for number in page.tallies:
            self.fault("lost", f"{page.name} misses its background message {number}")
        if page.gone is None and (page.here or page.open):
            self.fault("disconnect", f"{page.name} ({page.end.value}) was never disconnected")
        self._forget(page)

    def _forget_if_settled(self, page: Page) -> None:
        if page.settled:
            self._forget(page)

    def _forget(self, page: Page) -> None:
        # Whose close the server has answered and handled itself had every frame read before it.
        if page.end is End.CLOSED and page.gone == CLOSE_CODE and page.noted != page.sent:
            self.fault(
                "lost", f"{page.name} sent {page.sent} frames before its close, {page.noted} were handled"
            )
        if page.open and page.noted < page.replied:
            self.fault("lost", f"{page.name} heard {page.replied} replies, {page.noted} frames were handled")
        for room in tuple(page.rooms):
            self._leave(page, room)
        del self._pages[page.name]
