"""Settings of `channels_app`.

``BENCH_LAYER`` names the class of the channel layer, ``BENCH_REDIS`` its Redis; without them there is no layer.
"""

from __future__ import annotations

import os
from typing import Any

CAPACITY = 1_000_000
"""Messages a channel holds. By default it is 100, and a channel beyond it raises at whoever sends."""

SECRET_KEY = "not one"
INSTALLED_APPS = ["channels"]
ASGI_APPLICATION = "channels_app.application"
CHANNEL_LAYERS: dict[str, Any] = {}

if "BENCH_LAYER" in os.environ:
    CHANNEL_LAYERS["default"] = {
        "BACKEND": os.environ["BENCH_LAYER"],
        "CONFIG": {"hosts": [os.environ["BENCH_REDIS"]]},
    }
    if os.environ["BENCH_LAYER"].endswith(".core.RedisChannelLayer"):
        CHANNEL_LAYERS["default"]["CONFIG"]["capacity"] = CAPACITY
