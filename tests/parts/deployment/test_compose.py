"""deploy/compose.yaml, as ``docker compose`` itself reads it, and the files it mounts, as their programs read them."""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from tests.parts.deployment.chart import render
from tests.parts.deployment.conftest import need
from tests.parts.deployment.dockerfile import read
from tests.support.commands import ROOT
from tests.support.process import START_WITHIN_S, Process
from tests.support.redis_server import MISSING, find_binary, folder
from tests.support.waiting import until
from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol.settings import ProcessSettings, parse
from trunkline.worker.settings import WorkerSettings

pytestmark = [pytest.mark.parts, pytest.mark.timeout(300)]

DEPLOY = ROOT / "deploy"
FILE = DEPLOY / "compose.yaml"
PASSWORD = "0123abcd"
TIERS: dict[str, type[ProcessSettings]] = {"interface": InterfaceSettings, "worker": WorkerSettings}


def env_file(folder: Path, **changed: str) -> Path:
    """``.env`` as the page has it: the example, with passwords put in."""
    text = (DEPLOY / ".env.example").read_text()
    for name, value in changed.items():
        text = re.sub(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
    (folder / "env").write_text(text)
    return folder / "env"


def config(compose: str, env: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [
        compose,
        "--env-file",
        env,
        "--file",
        FILE,
        "config",
        "--format",
        "json",
        *flags,
    ]
    return subprocess.run(command, env={"PATH": ""}, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def project(compose: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The file with everything put in."""
    env = env_file(tmp_path_factory.mktemp("compose"), REDIS_PASSWORD=PASSWORD, GRAFANA_PASSWORD=PASSWORD)
    done = config(compose, env)
    assert (done.returncode, done.stderr) == (0, "")
    read_in: dict[str, Any] = json.loads(done.stdout)
    return read_in


def test_a_missing_password_is_named_with_where_to_put_it(compose: str, tmp_path: Path) -> None:
    done = config(compose, env_file(tmp_path))
    assert done.returncode != 0
    assert "REDIS_PASSWORD is missing a value: put one into deploy/.env" in done.stderr


def test_the_example_has_every_variable_and_no_other() -> None:
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", FILE.read_text()))
    assert set(re.findall(r"^([A-Z_]+)=", (DEPLOY / ".env.example").read_text(), re.MULTILINE)) == used


def test_defaults_are_those_of_the_example(compose: str, tmp_path: Path, project: dict[str, Any]) -> None:
    bare = tmp_path / "bare"
    bare.write_text(f"REDIS_PASSWORD={PASSWORD}\nGRAFANA_PASSWORD={PASSWORD}\n")
    assert json.loads(config(compose, bare).stdout) == project


def test_each_service_has_a_fixed_version_a_health_check_and_a_bound_on_its_logs(
    project: dict[str, Any],
) -> None:
    for name, service in project["services"].items():
        assert re.search(r":v?\d+\.\d+", service["image"]), name
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        assert service["restart"] == "unless-stopped", name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name


def test_every_file_that_is_mounted_is_there(project: dict[str, Any]) -> None:
    mounted = [mount for service in project["services"].values() for mount in service.get("volumes", [])]
    assert {mount["source"] for mount in mounted if mount["type"] == "volume"} == project["volumes"].keys()
    for mount in mounted:
        if mount["type"] == "bind":
            assert mount["read_only"]
            assert Path(mount["source"]).exists(), mount["source"]


def test_the_proxy_alone_is_public_and_redis_sees_the_inside_only(project: dict[str, Any]) -> None:
    published = {
        name: [port.get("host_ip") for port in service["ports"]]
        for name, service in project["services"].items()
        if "ports" in service
    }
    assert published.pop("proxy") == ["0.0.0.0"]
    assert {address for addresses in published.values() for address in addresses} == {"127.0.0.1"}
    assert project["networks"]["inside"]["internal"] is True
    for name in ("redis", "interface"):
        assert project["services"][name]["networks"].keys() == {"inside"}


def test_what_is_scaled_has_no_name_and_no_port_of_this_machine(project: dict[str, Any]) -> None:
    for tier in TIERS:
        service = project["services"][tier]
        assert service["scale"] == 2
        assert not {"container_name", "ports"} & service.keys()


@pytest.mark.parametrize("tier", TIERS)
def test_the_processes_understand_what_they_are_told(
    project: dict[str, Any], tier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = project["services"][tier]
    mount = service["volumes"][0]
    for name, value in read(DEPLOY / "Dockerfile")[-1].pairs("ENV").items():
        if name.startswith("TRUNKLINE_"):
            monkeypatch.setenv(name, value)
    for name, value in service["environment"].items():
        if name.startswith("TRUNKLINE_"):
            assert name.removeprefix("TRUNKLINE_").lower() in TIERS[tier].model_fields, name
            monkeypatch.setenv(name, value.replace(mount["target"], mount["source"]))
    verb, *arguments = service["command"]
    settings = parse(TIERS[tier], arguments, "test")
    assert verb == tier
    assert settings.redis_url == f"redis://:{PASSWORD}@redis:6379/0"
    assert seconds(service["stop_grace_period"]) > settings.drain_s
    if isinstance(settings, InterfaceSettings):
        (subnet,) = project["networks"]["inside"]["ipam"]["config"]
        assert settings.trusted_proxies == [str(ipaddress.ip_network(subnet["subnet"]))]
    if isinstance(settings, WorkerSettings):
        assert (Path(mount["source"]).parent / settings.module.replace(".", "/")).with_suffix(".py").exists()


def seconds(text: str) -> int:
    found = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text)
    assert found is not None
    return int(found[1] or 0) * 60 + int(found[2] or 0)


def test_everything_starts_behind_what_it_needs(project: dict[str, Any]) -> None:
    behind = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in project["services"].items()
    }
    assert behind["interface"] == behind["worker"] == {"redis": "service_healthy"}
    assert behind["proxy"] == {"interface": "service_healthy"}


# ---- what it mounts ----


def test_haproxy_takes_its_file_and_looks_for_the_services_by_their_names(project: dict[str, Any]) -> None:
    (mount,) = project["services"]["proxy"]["volumes"]
    done = subprocess.run(
        [need("haproxy"), "-c", "-f", mount["source"]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    text = Path(mount["source"]).read_text()
    image = read(DEPLOY / "Dockerfile")[-1].pairs("ENV")
    assert f"interface:{image['TRUNKLINE_PORT']} resolvers docker" in text
    assert f"check port {image['TRUNKLINE_ADMIN_PORT']}" in text
    (port,) = project["services"]["proxy"]["ports"]
    assert f"bind :{port['target']}\n" in text
    assert project["services"]["proxy"]["healthcheck"]["test"][-1] == "http://127.0.0.1:8081/alive"
    assert "bind 127.0.0.1:8081\n" in text


def test_prometheus_takes_its_file_and_asks_an_interface_server(project: dict[str, Any]) -> None:
    service = project["services"]["prometheus"]
    inside = next(flag for flag in service["command"] if flag.startswith("--config.file=")).partition("=")[2]
    mount = next(mount for mount in service["volumes"] if mount["target"] == str(Path(inside).parent))
    file = Path(mount["source"]) / Path(inside).name
    subprocess.run([need("promtool"), "check", "config", file], capture_output=True, timeout=60, check=True)
    (job,) = yaml.safe_load(file.read_text())["scrape_configs"]
    admin = read(DEPLOY / "Dockerfile")[-1].pairs("ENV")["TRUNKLINE_ADMIN_PORT"]
    assert job["job_name"] == "trunkline"
    assert job["http_sd_configs"][0]["url"] == f"http://interface:{admin}/targets"


def test_grafana_reads_what_it_is_provisioned_with(project: dict[str, Any]) -> None:
    service = project["services"]["grafana"]
    mounts = {
        mount["target"]: Path(mount["source"]) for mount in service["volumes"] if mount["type"] == "bind"
    }
    (provider,) = yaml.safe_load(
        (mounts["/etc/grafana/provisioning"] / "dashboards/trunkline.yaml").read_text()
    )["providers"]
    assert provider["options"]["path"] in mounts
    sources = (mounts["/etc/grafana/provisioning"] / "datasources/prometheus.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)\}", sources)) <= service["environment"].keys()
    assert service["environment"]["PROMETHEUS_URL"] == "http://prometheus:9090"


@pytest.mark.parametrize("where", ["compose", "chart"])
async def test_redis_starts_as_it_is_told_keeps_a_file_evicts_nothing_and_wants_the_password(
    where: str, project: dict[str, Any], helm_python: Path, tmp_path: Path
) -> None:
    binary = find_binary()
    if binary is None:
        pytest.skip(MISSING)
    shell, flag, script = redis_of_compose(project) if where == "compose" else redis_of_chart(helm_python)
    with folder() as place:
        socket = place / "redis.sock"
        script = script.replace("exec redis-server -", f"exec {binary} - --port 0 --unixsocket {socket}")
        script = script.replace("/data", str(place))
        variables = [f"REDIS_PASSWORD={PASSWORD}", "REDIS_MAXMEMORY=100mb"]
        server = Process("redis", ["env", *variables, shell, flag, script], tmp_path / "log")
        try:
            await until(socket.exists, START_WITHIN_S, "Redis listens")
            with (
                redis.Redis(unix_socket_path=str(socket)) as stranger,
                pytest.raises(redis.AuthenticationError),
            ):
                stranger.ping()
            with redis.Redis(unix_socket_path=str(socket), password=PASSWORD) as client:
                told = client.config_get("*")
                assert told["maxmemory-policy"] == "noeviction"
                assert (told["appendonly"], told["appendfsync"]) == ("yes", "everysec")
                assert int(told["maxmemory"]) > 0
            # The process is Redis itself, so it is Redis that gets the signal.
            server.terminate()
            assert await server.ends() == 0
        finally:
            server.stop()


def redis_of_compose(project: dict[str, Any]) -> list[str]:
    command: list[str] = project["services"]["redis"]["command"]
    # `config` writes a dollar as two, so that what it prints can be read again.
    return [word.replace("$$", "$") for word in command]


def redis_of_chart(helm_python: Path) -> list[str]:
    (release,) = render(helm_python, [{"redis": {"bundled": {"enabled": True}}}])
    assert not isinstance(release, str)
    command: list[str] = release.one("StatefulSet", "-redis")["spec"]["template"]["spec"]["containers"][0][
        "command"
    ]
    return command
