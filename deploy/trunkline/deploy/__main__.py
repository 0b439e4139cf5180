"""``python -m trunkline.deploy`` is the ``trunkline`` command; the supervisor starts its processes so."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
