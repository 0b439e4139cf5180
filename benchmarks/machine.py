"""What the figures were measured on, in words that fit any machine."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from trunkline.worker import job


def describe() -> list[str]:
    """Lines of a list: machine and interpreter."""
    cpu = cpu_model(Path("/proc/cpuinfo").read_text())
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return [
        f"{os.cpu_count()} cores, {cpu}, {memory_bytes / 2**30:.0f} GiB, "
        f"{platform.system()} {re.split(r'[-+]', platform.release())[0]}",
        f"{platform.python_implementation()} {platform.python_version()}, Trunkline's hot paths {_made()}",
    ]


def _made() -> str:
    return "interpreted" if str(job.__file__).endswith(".py") else "compiled (docs/compiled.md)"


def cpu_model(cpuinfo: str) -> str:
    """The processor's name from the text of /proc/cpuinfo."""
    found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else platform.machine()
