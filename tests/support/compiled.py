"""Whether the tests run with the hot paths compiled (``make compiled``), and what cannot be tested then."""

from __future__ import annotations

import pytest

from trunkline.worker import job

COMPILED = not str(job.__file__).endswith(".py")
"""`trunkline` is a wheel of this environment then, and not the checkout."""

interpreted = pytest.mark.skipif(COMPILED, reason="replaces methods, which compiled code does not look up")
"""Of a test that makes our own code fail where nothing else can."""
