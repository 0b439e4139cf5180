"""The Prometheus that ``trunkline up --prometheus`` starts: found on PATH, told of the cluster, in the run directory.

Its configuration is ``deploy/prometheus.yml`` with the rules beside it, as anybody else would use them; only the
address that is asked for targets and the interval are this cluster's own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from trunkline.protocol.errors import ConfigError
from trunkline.protocol.process.targets import PATH as TARGETS

from . import ports
from .rundir import RunDir
from .settings import UpSettings

NAME = "prometheus"
HOST = "127.0.0.1"
"""Where its page is: it has no password, and tells everything."""

ANSWER_S = 5.0
"""Seconds that its page may take: it has said that it is ready."""

OLDEST = (2, 28)
"""HTTP service discovery came with it (https://github.com/prometheus/prometheus/releases/tag/v2.28.0)."""

HINT = (
    "install it (apt-get install prometheus), put one from https://prometheus.io/download/ on PATH, or leave "
    "--prometheus (PROMETHEUS=1) out"
)
FILE = "prometheus.yml"
RULES = "prometheus/rules.yml"

_VERSION = re.compile(r"version (\d+)\.(\d+)\.")
_ADDRESS = "http://127.0.0.1:9400/targets"
_INTERVAL = re.compile(r"(?<=_interval: )5s$", re.MULTILINE)


def find_binary(path: str | None = None) -> str:
    """Finds a Prometheus that is new enough.

    Args:
        path: directories to search, as in ``PATH``; None takes that.

    Raises:
        ConfigError: there is none; the text says what to do.
    """
    found = shutil.which(NAME, path=path)
    if found is None:
        raise ConfigError(f"--prometheus: there is no {NAME} on PATH; {HINT}")
    try:
        done = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=10, check=False)
        answer = done.stdout + done.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        answer = str(error)
    version = _VERSION.search(answer)
    if version is None:
        shown = answer.strip().partition("\n")[0] or "no answer"
        raise ConfigError(f"--prometheus: {found} does not tell its version ({shown}); {HINT}")
    if (int(version[1]), int(version[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ConfigError(
            f"--prometheus: {found} is version {version[1]}.{version[2]}, and {oldest} or newer is needed; {HINT}"
        )
    return found


def alerts_page(page: str) -> str:
    """Where a running Prometheus shows its alerts: ``/alerts``, but ``/classic/alerts`` in Debian's package, which has
    the old pages alone. Where it sends those who open its address tells which.

    Args:
        page: its address, with a slash at the end.
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine
    try:
        with direct.open(page, timeout=ANSWER_S) as answer:
            return urljoin(str(answer.url), "alerts")
    except (urllib.error.URLError, TimeoutError):
        return urljoin(page, "alerts")


def source() -> Path:
    """The folder with ``prometheus.yml`` and the rules: in an installed package, or in the repository."""
    installed = Path(__file__).parent / "monitoring"
    return installed if installed.is_dir() else Path(__file__).parents[2]


def configuration(text: str, address: str, interval_s: float) -> str:
    """``prometheus.yml`` for a cluster.

    Args:
        text: the file as it is for everybody.
        address: ``host:port`` to ask for targets.
        interval_s: seconds between two scrapes, looks for targets and evaluations of rules.

    Raises:
        ValueError: what should be exchanged is not in the file.
    """
    own, intervals = _INTERVAL.subn(f"{round(interval_s * 1000)}ms", text)
    if own.count(f"url: {_ADDRESS}\n") != 1 or intervals != 3:
        raise ValueError(f"prometheus.yml: expected {_ADDRESS} once and three intervals of 5s")
    return own.replace(f"url: {_ADDRESS}\n", f"url: http://{address}{TARGETS}\n")


@dataclass(frozen=True, slots=True)
class Watcher:
    """A Prometheus that is about to start.

    Attributes:
        command: its command line; what it gathers survives ``down``.
        page: address of its page.
    """

    command: list[str]
    page: str


def plan(binary: str, run_dir: RunDir, settings: UpSettings) -> Watcher:
    """Chooses its port, and writes its configuration and rules into the run directory.

    Args:
        binary: its program.
        run_dir: of the cluster.
        settings: of the cluster, with the port that its processes share for targets.

    Raises:
        ConfigError: the port that was asked for is taken.
    """
    port = ports.free(HOST, settings.prometheus_port, "--prometheus-port")
    folder, own = source(), run_dir.prometheus
    for directory in (own, (own / RULES).parent):
        directory.mkdir(mode=0o700, exist_ok=True)
    address = ports.local_address(settings.admin_host, settings.targets_port)
    text = configuration((folder / FILE).read_text(), address, settings.prometheus_interval_s)
    (own / FILE).write_text(text)
    (own / RULES).write_text((folder / RULES).read_text())
    command = [binary, f"--config.file={own / FILE}", f"--storage.tsdb.path={own / 'data'}"]
    return Watcher([*command, f"--web.listen-address={HOST}:{port}"], f"http://{HOST}:{port}/")
