"""The page about overload tells every limit of an interface server and every reason to turn a client away."""

from __future__ import annotations

import re
from pathlib import Path

from trunkline.interface.backlog import POLICIES
from trunkline.interface.door import ANSWERS
from trunkline.interface.entrance import LIMITS
from trunkline.interface.settings import InterfaceSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "overload.md").read_text()


def rows(heading: str) -> set[str]:
    """The first cells of the first table under a heading."""
    table = re.search(r"(?:^\|.*\n)+", PAGE[PAGE.index(f"## {heading}") :], re.MULTILINE)
    assert table is not None
    return set(re.findall(r"^\| `(\w+)`", table[0], re.MULTILINE))


def test_every_reason_to_turn_a_client_away_is_explained() -> None:
    code = "\n".join(file.read_text() for file in (ROOT / "interface").rglob("*.py"))
    given = set(re.findall(r'turned_away\("(\w+)"\)', code)) | ANSWERS.keys() | LIMITS
    assert rows("Reasons") == given


def test_every_policy_is_explained() -> None:
    assert rows("Clients that read too slowly") == POLICIES.keys()


def test_every_limit_stands_with_its_flag_and_its_default() -> None:
    for name in (
        "max_connections",
        "connections_per_address",
        "address_rate",
        "message_rate",
        "groups_per_connection",
        "max_message_bytes",
        "queue_events",
        "queue_bytes",
        "outbound_bytes",
        "outbound_policy",
        "max_wait_s",
        "request_timeout_s",
        "capacity",
        "mailbox_capacity",
    ):
        assert name in InterfaceSettings.model_fields
        assert f"`--{name.replace('_', '-')}`" in PAGE
    defaults = InterfaceSettings.model_validate({})
    assert (defaults.connections_per_address, defaults.address_rate, defaults.message_rate) == (0, 0.0, 0.0)
    assert (defaults.queue_events, defaults.max_wait_s, defaults.outbound_policy) == (64, 5.0, "close")
    assert defaults.groups_per_connection == 1000
