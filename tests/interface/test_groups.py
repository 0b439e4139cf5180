"""Local members of groups."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from trunkline.interface.groups import Groups
from trunkline.protocol.names import GroupName

CHAT = GroupName("chat")
NEWS = GroupName("news")


def test_members_hear_in_the_order_in_which_they_joined() -> None:
    groups: Groups[str] = Groups()
    for member in "cab":
        groups.add(CHAT, member, "1-0")

    assert list(groups.members(CHAT)) == ["c", "a", "b"]
    assert list(groups.members(NEWS)) == []
    assert groups.tokens() == {CHAT: "1-0"}
    assert len(groups) == 1


def test_the_last_member_that_leaves_gives_the_newest_token() -> None:
    groups: Groups[str] = Groups()
    groups.add(CHAT, "a", "1-0")
    groups.add(CHAT, "b", "2-0")
    groups.add(CHAT, "a", "3-0")

    assert groups.discard(CHAT, "a") == []
    assert groups.discard(CHAT, "a") == []
    assert groups.discard(NEWS, "b") == []
    assert groups.discard(CHAT, "b") == [(CHAT, 0, "3-0")]
    assert len(groups) == 0


def test_a_connection_that_goes_leaves_all_its_groups() -> None:
    groups: Groups[str] = Groups()
    groups.add(CHAT, "a", "1-0")
    groups.add(NEWS, "a", "2-0")
    groups.add(NEWS, "b", "3-0")

    assert groups.drop("a") == [(CHAT, 0, "1-0")]
    assert groups.drop("a") == []
    assert list(groups.members(NEWS)) == ["b"]


def test_an_add_for_somebody_who_is_gone_leaves_the_group_again_only_if_nobody_is_in_it() -> None:
    groups: Groups[str] = Groups()

    groups.entry = "1-0"
    groups.vain(CHAT, "1-0")
    assert groups.settle() == [(CHAT, 0, "1-0")]
    groups.add(CHAT, "a", "2-0")
    groups.entry = "3-0"
    groups.vain(CHAT, "3-0")
    assert groups.settle() == []
    assert groups.discard(CHAT, "a") == [(CHAT, 0, "3-0")]


def test_within_one_entry_a_group_that_somebody_joins_behind_the_last_who_left_is_not_left() -> None:
    groups: Groups[str] = Groups()
    groups.entry = "1-0"
    groups.add(CHAT, "a", "1-0")
    assert groups.drop("a") == []
    groups.vain(NEWS, "1-0")
    groups.add(CHAT, "b", "1-0")

    assert groups.settle() == [(NEWS, 0, "1-0")]
    assert groups.settle() == []
    assert groups.discard(CHAT, "b") == [(CHAT, 0, "1-0")]


def test_within_an_entry_a_group_of_an_older_token_is_left_at_once() -> None:
    groups: Groups[str] = Groups()
    groups.add(CHAT, "a", "1-0")
    groups.entry = "2-0"
    assert groups.discard(CHAT, "a") == [(CHAT, 0, "1-0")]
    assert groups.settle() == []


def test_a_member_of_as_many_groups_as_it_may_be_in_joins_no_further_one() -> None:
    groups: Groups[str] = Groups(limit=1)
    groups.entry = "1-0"
    assert groups.add(CHAT, "a", "1-0")
    assert groups.settle() == []

    # In vain: the interface server is in the group by now and must leave it again.
    groups.entry = "2-0"
    assert not groups.add(NEWS, "a", "2-0")
    assert groups.settle() == [(NEWS, 0, "2-0")]
    assert list(groups.members(NEWS)) == []

    assert groups.add(CHAT, "a", "3-0")
    assert groups.add(NEWS, "b", "4-0")
    assert groups.discard(CHAT, "a") == [(CHAT, 0, "3-0")]
    assert groups.add(NEWS, "a", "5-0")
    assert list(groups.members(NEWS)) == ["b", "a"]


class GroupsMachine(RuleBasedStateMachine):
    """Against the plainest model there is."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: Groups[int] = Groups()
        self.model: dict[str, set[int]] = {}
        self.token = 0

    names = st.sampled_from(["g", "h", "i"])
    members = st.integers(0, 3)

    @rule(group=names, member=members)
    def add(self, group: str, member: int) -> None:
        self.token += 1
        self.groups.add(GroupName(group), member, f"{self.token}-0")
        self.model.setdefault(group, set()).add(member)

    @rule(group=names, member=members)
    def discard(self, group: str, member: int) -> None:
        was = member in self.model.get(group, set())
        self.model.get(group, set()).discard(member)
        left = self.groups.discard(GroupName(group), member)
        assert bool(left) == (was and not self.model[group])

    @rule(member=members)
    def drop(self, member: int) -> None:
        held = {group for group, members in self.model.items() if member in members}
        for members in self.model.values():
            members.discard(member)
        left = {group for group, _, _ in self.groups.drop(member)}
        assert left == {group for group in held if not self.model[group]}

    @invariant()
    def both_know_the_same(self) -> None:
        for group, members in self.model.items():
            assert set(self.groups.members(GroupName(group))) == members
        assert set(self.groups.tokens()) == {group for group, members in self.model.items() if members}


TestGroupsMachine = GroupsMachine.TestCase


def test_the_largest_group_is_told() -> None:
    groups: Groups[str] = Groups()
    assert groups.largest == 0
    for group, member in (("a", "m"), ("b", "m"), ("b", "n")):
        groups.add(GroupName(group), member, "1-1")

    assert groups.largest == 2
