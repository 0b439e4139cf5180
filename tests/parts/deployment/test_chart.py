"""The Helm chart, rendered by Helm itself for several value sets, and every object of it held against its schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.parts.deployment.chart import CHART, VALUES, Release, render
from tests.parts.deployment.custom_resources import SPECS
from tests.parts.deployment.dockerfile import read
from tests.support.commands import ROOT
from trunkline.interface.settings import InterfaceSettings
from trunkline.protocol.names import CONNECT, RECEIVE, Keys
from trunkline.protocol.settings import ProcessSettings, parse
from trunkline.worker.settings import WorkerSettings

pytestmark = [pytest.mark.parts, pytest.mark.timeout(300)]

OLDEST = re.findall(r'kubeVersion: ">=(\d+\.\d+)', (CHART / "Chart.yaml").read_text())[0]
SETTINGS: dict[str, type[ProcessSettings]] = {"interface": InterfaceSettings, "worker": WorkerSettings}


@pytest.fixture(scope="module")
def releases(helm_python: Path) -> dict[str, Release]:
    """Every value set, rendered."""
    rendered = dict(zip(VALUES, render(helm_python, list(VALUES.values())), strict=True))
    refused = {name: text for name, text in rendered.items() if isinstance(text, str)}
    assert refused == {}
    return {name: release for name, release in rendered.items() if isinstance(release, Release)}


@pytest.fixture(params=VALUES)
def release(releases: dict[str, Release], request: pytest.FixtureRequest) -> Release:
    return releases[str(request.param)]


def test_the_linter_finds_nothing(release: Release) -> None:
    assert release.lint == []


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_every_object_is_what_its_schema_says(release: Release, version: str) -> None:
    for item in release.objects:
        spec = SPECS.get((item["apiVersion"], item["kind"]))
        if spec is None:
            kubernetes_validate.validate(item, version, strict=True)
        else:
            jsonschema.validate(item["spec"], spec)


def test_the_value_sets_reach_every_kind_of_object_there_is(releases: dict[str, Release]) -> None:
    written = set()
    for template in CHART.rglob("templates/**/*.yaml"):
        written |= set(re.findall(r"^kind: (\w+)$", template.read_text(), re.MULTILINE))
    reached = {item["kind"] for release in releases.values() for item in release.objects}
    assert reached >= written | {"PodMonitor", "ServiceMonitor", "PodDisruptionBudget"}


def test_no_name_is_given_twice_or_is_too_long(release: Release) -> None:
    names = [(item["kind"], item["metadata"]["name"]) for item in release.objects]
    assert sorted(set(names)) == sorted(names)
    assert all(len(name) <= 63 for _, name in names)


# ---- the processes ----


@pytest.mark.parametrize("tier", SETTINGS)
def test_the_processes_understand_what_they_are_told(
    release: Release, tier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (container,) = release.one("Deployment", f"-{tier}")["spec"]["template"]["spec"]["containers"]
    verb, *arguments = container["args"]
    variables = {item["name"]: item.get("value", "redis://x") for item in container["env"]}
    assert len(variables) == len(container["env"])
    for name, value in variables.items():
        if name.startswith("TRUNKLINE_"):
            assert name.removeprefix("TRUNKLINE_").lower() in SETTINGS[tier].model_fields, name
            # Folders of the image are not here.
            monkeypatch.setenv(name, re.sub("=/app[^,]*", f"={ROOT}", value))
    settings = parse(SETTINGS[tier], arguments, "test")
    assert verb == tier
    assert settings.admin_port == ports(container)["admin"]
    if isinstance(settings, InterfaceSettings):
        assert settings.port == ports(container)["http"]


def ports(container: dict[str, Any]) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container["ports"]}


@pytest.mark.parametrize("tier", SETTINGS)
def test_a_pod_has_the_time_to_wait_and_to_drain(release: Release, tier: str) -> None:
    pod = release.one("Deployment", f"-{tier}")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    drain_s = next(float(item["value"]) for item in container["env"] if item["name"] == "TRUNKLINE_DRAIN_S")
    waits = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
    assert waits[0] == "sleep"
    assert ("lifecycle" in container) == (tier == "interface")
    assert pod["terminationGracePeriodSeconds"] == float(waits[1]) + drain_s + 10


@pytest.mark.parametrize("tier", SETTINGS)
def test_probes_ask_the_admin_port_and_a_missing_redis_kills_nobody(release: Release, tier: str) -> None:
    (container,) = release.one("Deployment", f"-{tier}")["spec"]["template"]["spec"]["containers"]
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/live", "port": "admin"},
        "liveness": {"path": "/live", "port": "admin"},
        "readiness": {"path": "/ready", "port": "admin"},
    }


def test_nothing_runs_as_root_writes_its_image_or_has_a_token(release: Release) -> None:
    uid = int(read(ROOT / "deploy" / "Dockerfile")[-1].one("USER").split(":")[0])
    for pod in release.pods():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert pod["securityContext"]["runAsUser"] == (999 if container["name"] == "redis" else uid)
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert container["resources"]["limits"].keys() == {"memory"}
            assert not container["image"].endswith(":latest")
            assert re.search(r".[:@].", container["image"])


# ---- how the objects hold together ----


def test_what_names_another_object_names_one_that_is_there(release: Release) -> None:
    there = {(item["kind"], item["metadata"]["name"]) for item in release.objects}
    for scaler in release.all("HorizontalPodAutoscaler") + release.all("ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]["name"]
        assert ("Deployment", target) in there
        assert "replicas" not in release.one("Deployment", target)["spec"]
    for pod in release.pods():
        for container in pod["containers"]:
            for variable in container.get("env", []):
                secret = variable.get("valueFrom", {}).get("secretKeyRef")
                if secret is not None and secret["name"] not in ("redis-of-ours", "chat-redis"):
                    assert secret["key"] in release.one("Secret", secret["name"])["stringData"]
    for trigger in (item for scaler in release.all("ScaledObject") for item in scaler["spec"]["triggers"]):
        reference = trigger.get("authenticationRef", {}).get("name", "p")
        assert reference == "p" or ("TriggerAuthentication", reference) in there
    for authentication in release.all("TriggerAuthentication"):
        for item in authentication["spec"]["secretTargetRef"]:
            assert item["key"] in release.one("Secret", item["name"])["stringData"]
    for route in release.all("HTTPRoute"):
        (backend,) = route["spec"]["rules"][0]["backendRefs"]
        assert backend["port"] in [
            port["port"] for port in release.one("Service", backend["name"])["spec"]["ports"]
        ]
    for ingress in release.all("Ingress"):
        service = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        names = [port["name"] for port in release.one("Service", service["name"])["spec"]["ports"]]
        assert service["port"]["name"] in names


def test_whoever_chooses_pods_chooses_the_ones_it_means(release: Release) -> None:
    both = {name for name, _ in release.templates() if not name.endswith("-redis")}
    for item in release.objects:
        name, spec = item["metadata"]["name"], item.get("spec", {})
        labels = {
            "Service": spec.get("selector"),
            "PodDisruptionBudget": spec.get("selector", {}).get("matchLabels"),
            "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels"),
            "Deployment": spec.get("selector", {}).get("matchLabels"),
            "StatefulSet": spec.get("selector", {}).get("matchLabels"),
            "PodMonitor": spec.get("selector", {}).get("matchLabels"),
        }.get(item["kind"])
        if labels is None:
            continue
        meant = (
            both
            if item["kind"] == "PodMonitor" or name.endswith("-metrics")
            else {name.removesuffix("-admin")}
        )
        assert release.chosen(labels) == meant, (item["kind"], name)


def test_the_service_monitor_finds_the_service_of_both_tiers_and_no_other(
    releases: dict[str, Release],
) -> None:
    release = releases["all of it by Redis"]
    (monitor,) = release.all("ServiceMonitor")
    labels = monitor["spec"]["selector"]["matchLabels"].items()
    found = [
        item["metadata"]["name"]
        for item in release.all("Service")
        if labels <= item["metadata"]["labels"].items()
    ]
    assert found == ["demo-trunkline-metrics"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_ports_that_are_named_are_ports_of_the_pods(release: Release) -> None:
    for service in release.all("Service"):
        for chosen in release.chosen(service["spec"]["selector"]):
            template = dict(release.templates())[chosen]
            for port in service["spec"]["ports"]:
                assert port["targetPort"] in ports(template["spec"]["containers"][0])


def test_the_admin_port_and_redis_are_for_the_cluster_only(release: Release) -> None:
    public = release.one("Service", "-interface")
    assert [port["name"] for port in public["spec"]["ports"]] == ["http"]
    assert {
        item["spec"].get("type", "ClusterIP") for item in release.all("Service") if item is not public
    } == {"ClusterIP"}
    for policy in release.all("NetworkPolicy"):
        for rule in policy["spec"]["ingress"]:
            assert "from" in rule or rule["ports"] == [{"port": "http"}]


def test_keda_looks_at_the_streams_that_the_layer_writes(releases: dict[str, Release]) -> None:
    (scaled,) = releases["all of it by Redis"].all("ScaledObject")
    keys = Keys("shop")
    assert [trigger["metadata"]["stream"] for trigger in scaled["spec"]["triggers"]] == [
        keys.stream(CONNECT),
        keys.stream(RECEIVE),
    ]
    assert scaled["spec"]["triggers"][0]["metadata"]["address"] == "demo-trunkline-redis.prod.svc:6379"


def test_pods_are_added_by_connections_and_by_cpu_where_nobody_tells_of_these(
    releases: dict[str, Release],
) -> None:
    kinds = {
        name: [metric["type"] for metric in scaler["spec"]["metrics"]]
        for name, release in releases.items()
        for scaler in release.all("HorizontalPodAutoscaler")
    }
    assert kinds == {
        "all of it by Redis": ["Pods", "Resource"],
        "all of it by Prometheus": ["External", "Resource"],
        "placed with care": ["Resource"],
        "number 2 of the page": ["Pods", "Resource"],
    }


def test_a_new_url_starts_the_pods_anew_and_a_new_chart_does_not(helm_python: Path) -> None:
    one, other = (
        render(helm_python, [{"redis": {"url": f"redis://{host}:6379/0"}}])[0] for host in ("one", "other")
    )
    assert isinstance(one, Release) and isinstance(other, Release)
    for (_, before), (_, after) in zip(one.templates(), other.templates(), strict=True):
        assert before["metadata"]["annotations"] != after["metadata"]["annotations"]
        assert "helm.sh/chart" not in before["metadata"]["labels"]


def test_the_notes_name_what_is_there(releases: dict[str, Release]) -> None:
    for release in releases.values():
        for kind, name in re.findall(r"(deploy|service)/([a-z-]+)", release.notes):
            assert release.one({"deploy": "Deployment", "service": "Service"}[kind], name)
        assert ("bundled Redis is one pod" in release.notes) == bool(release.all("StatefulSet"))
    assert "every client seems to come from" in releases["all of it by Prometheus"].notes
    assert "every client seems to come from" not in releases["all of it by Redis"].notes
    assert "wss://a.example/" in releases["all of it by Redis"].notes


def test_the_test_of_an_installation_asks_an_interface_server(release: Release) -> None:
    (pod,) = release.all("Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    found = re.search(r"health trip (\S+):9000", pod["spec"]["containers"][0]["command"][2])
    assert found is not None
    assert release.chosen(release.one("Service", found[1])["spec"]["selector"]) == {
        found[1].removesuffix("-admin")
    }


# ---- the values ----

URL = {"url": "redis://r:6379/0"}
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no Redis": ({}, "no Redis: set redis.url, or redis.existingSecret"),
    "two": ({"redis": {**URL, "bundled": {"enabled": True}}}, "redis.url and redis.bundled.enabled are set"),
    "no routing": ({"redis": URL, "routing": ""}, "routing"),
    "no host": ({"redis": URL, "ingress": {"enabled": True}}, "ingress.hosts: name at least one"),
    "no Gateway": ({"redis": URL, "gateway": {"enabled": True}}, "gateway.parentRefs: name the Gateway"),
    "a target beyond the limit": (
        {"redis": URL, "interface": {"maxConnections": 5000, "autoscaling": {"enabled": True}}},
        "target is 7000: expected at most interface.maxConnections, 5000",
    ),
    "no metric": (
        {
            "redis": URL,
            "interface": {
                "autoscaling": {"enabled": True, "cpu": {"enabled": False}, "connections": {"enabled": False}}
            },
        },
        "neither connections nor cpu",
    ),
    "no address for KEDA": (
        {"redis": URL, "worker": {"autoscaling": {"enabled": True, "keda": {"signal": "redis"}}}},
        "worker.autoscaling.keda.redis.address: name HOST:PORT",
    ),
    "a slip of the pen": ({"redis": URL, "worker": {"replica": 3}}, "replica"),
    "a word for a number": ({"redis": URL, "interface": {"replicas": "two"}}, "replicas"),
    "a tag for a digest": ({"redis": URL, "image": {"digest": "1.0"}}, "digest"),
    "a setting that is a value here": (
        {"redis": URL, "worker": {"settings": {"TRUNKLINE_DRAIN_S": 5}}},
        "TRUNKLINE_DRAIN_S",
    ),
    "a variable of somebody else": ({"redis": URL, "worker": {"settings": {"DEBUG": "1"}}}, "DEBUG"),
    "no URL": ({"redis": {"url": "redis.example:6379"}}, "url"),
}


@pytest.fixture(scope="module")
def refused(helm_python: Path) -> dict[str, Release | str]:
    values = [values for values, _ in MISTAKES.values()]
    return dict(zip(MISTAKES, render(helm_python, values), strict=True))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_with_its_name(refused: dict[str, Release | str], mistake: str) -> None:
    said = refused[mistake]
    assert isinstance(said, str)
    assert MISTAKES[mistake][1] in said


def test_every_value_has_its_comment_and_its_place_in_the_schema() -> None:
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert paths(values) == schema_paths(schema) - {"global"}
    commented = re.findall(r"^ *# -- .+\n(?: *# .+\n)*( *)([A-Za-z]+):", text, re.MULTILINE)
    assert len(commented) == len(paths(values))


def paths(value: Any, at: str = "") -> set[str]:
    """The dotted paths of all values, which maps that have comments inside are not."""
    inner = isinstance(value, dict) and value and not at.endswith(("resources", "annotations"))
    return (
        set().union(*(paths(item, f"{at}.{name}".lstrip(".")) for name, item in value.items()))
        if inner
        else {at}
    )


def schema_paths(schema: dict[str, Any], at: str = "") -> set[str]:
    """The same of a schema, which is closed wherever it names members."""
    if "properties" not in schema:
        return {at}
    assert schema["additionalProperties"] is False
    inner = schema["properties"].items()
    return set().union(*(schema_paths(item, f"{at}.{name}".lstrip(".")) for name, item in inner))
