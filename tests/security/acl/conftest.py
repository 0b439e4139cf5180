"""The Redis layer as the user of the shipped ACL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.layer_contract import conftest as contract
from tests.security.acl.server import AclServer, acl_server
from trunkline.protocol.settings import LayerSettings


@pytest.fixture(scope="package")
def server() -> Iterator[AclServer]:
    """The Redis."""
    with acl_server() as running:
        yield running


@pytest.fixture
def acl_settings(server: AclServer) -> Iterator[LayerSettings]:
    """Settings of the shipped user with the default prefix, which the ACL names; the test must have been refused
    nothing."""
    server.admin.flushall()
    server.refusals()
    yield LayerSettings.model_validate(
        {"redis_url": server.url(), "interface_lease_s": 1.0, "worker_lease_s": 0.6}
    )
    assert server.refusals() == []


@pytest.fixture
def layer_settings(acl_settings: LayerSettings) -> LayerSettings:
    """What the contract suite runs on."""
    return acl_settings


# The contract suite's own fixtures, which find the settings above.
globals().update(
    {name: value for name, value in vars(contract).items() if name.startswith(("cluster", "make_"))}
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves out what the contract suite does with the other layer."""
    here = Path(__file__).parent
    items[:] = [
        item
        for item in items
        if not item.path.is_relative_to(here)
        or getattr(item, "callspec", None) is None
        or "memory" not in item.name
    ]
