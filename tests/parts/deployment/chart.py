"""The chart as Helm renders it, for tests: value sets, and a rendered release that can be asked."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.commands import ROOT

CHART = ROOT / "deploy" / "helm" / "trunkline"
HELM = Path(__file__).with_name("helm.py")
PLACEMENT: dict[str, Any] = {
    "nodeSelector": {"pool": "sockets"},
    "tolerations": [{"key": "pool", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "podAnnotations": {"a": "b"},
    "extraEnv": [{"name": "ONE", "value": "1"}],
}

_PAGE = (ROOT / "docs" / "deployment.md").read_text()
_IN_PAGE = [
    yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL)
]

VALUES: dict[str, dict[str, Any]] = {
    **{f"number {number} of the page": values for number, values in enumerate(_IN_PAGE, 1)},
    "a URL and nothing else": {"redis": {"url": "redis://u:p@redis.example:6379/0"}},
    "the bundled Redis": {"redis": {"bundled": {"enabled": True}}},
    "all of it by Redis": {
        "prefix": "shop",
        "redis": {"bundled": {"enabled": True, "password": "abc", "persistence": {"storageClass": "fast"}}},
        "interface": {
            "autoscaling": {"enabled": True},
            "trustedProxies": ["10.0.0.0/8", "fd00::/8"],
            "static": ["/=/app"],
            "settings": {"TRUNKLINE_MAX_WAIT_S": 3, "TRUNKLINE_REQUIRE_ORIGIN": True},
        },
        "worker": {
            "autoscaling": {"enabled": True, "keda": {"signal": "redis"}},
            "settings": {"TRUNKLINE_THREADS": "8"},
        },
        "ingress": {
            "enabled": True,
            "hosts": ["a.example"],
            "tls": [{"secretName": "t", "hosts": ["a.example"]}],
        },
        "monitoring": {"kind": "ServiceMonitor", "labels": {"release": "prometheus"}},
    },
    "all of it by Prometheus": {
        "redis": {"existingSecret": "redis-of-ours", "existingSecretKey": "address"},
        "interface": {
            "autoscaling": {
                "enabled": True,
                "connections": {"source": "external", "selector": {"namespace": "prod"}},
            }
        },
        "worker": {"autoscaling": {"enabled": True, "keda": {"prometheus": {"authenticationRef": "p"}}}},
        "gateway": {
            "enabled": True,
            "parentRefs": [{"name": "public", "namespace": "gateways"}],
            "hostnames": ["a.example"],
        },
        "monitoring": {"kind": "PodMonitor"},
        "networkPolicy": {"publicFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]},
    },
    "as many pods as are desired": {
        "redis": {"url": "rediss://redis.example:6380/0"},
        "worker": {"autoscaling": {"enabled": True, "keda": {"signal": "desired"}}},
        "service": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "annotations": {"a": "b"}},
        "bindAddress": "::",
    },
    "placed with care": {
        "fullnameOverride": "chat",
        "image": {
            "repository": "r.example/chat",
            "digest": "sha256:" + "0" * 64,
            "pullSecrets": ["registry"],
        },
        "redis": {"url": "redis://redis.example:6379/0"},
        "interface": PLACEMENT,
        "worker": {
            **PLACEMENT,
            "envFrom": [{"secretRef": {"name": "s"}}],
            "volumes": [{"name": "v", "emptyDir": {}}],
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            "autoscaling": {"enabled": True, "kind": "hpa"},
        },
    },
    "as little as possible": {
        "redis": {"bundled": {"enabled": True, "persistence": {"enabled": False}}},
        "interface": {"replicas": 1, "pdb": {"enabled": False}, "preStopSeconds": 0},
        "worker": {"replicas": 1, "pdb": {"enabled": False}},
        "networkPolicy": {"enabled": False},
        "serviceAccount": {"create": False},
        "topologySpread": False,
    },
}


@dataclass(frozen=True, slots=True)
class Release:
    """What Helm made of one value set.

    Attributes:
        lint: what the linter found.
        notes: what the user reads behind an installation.
        objects: all manifests.
    """

    lint: list[str]
    notes: str
    objects: list[dict[str, Any]]

    def all(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind."""
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind: str, name: str) -> dict[str, Any]:
        """The object of that kind whose name ends so."""
        (found,) = (item for item in self.all(kind) if item["metadata"]["name"].endswith(name))
        return found

    def templates(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each Deployment's and StatefulSet's name and pod template."""
        for item in self.all("Deployment") + self.all("StatefulSet"):
            yield item["metadata"]["name"], item["spec"]["template"]

    def pods(self) -> Iterator[dict[str, Any]]:
        """The spec of each pod that will run."""
        yield from (template["spec"] for _, template in self.templates())
        yield from (item["spec"] for item in self.all("Pod"))

    def chosen(self, labels: dict[str, str]) -> set[str]:
        """Names of the workloads whose pods have these labels."""
        return {
            name
            for name, template in self.templates()
            if labels.items() <= template["metadata"]["labels"].items()
        }


def render(python: Path, values: Sequence[dict[str, Any]]) -> list[Release | str]:
    """Has Helm render the chart for each value set: a release, or why it refused."""
    done = subprocess.run(
        [python, HELM, CHART],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [item.get("error") or _release(item) for item in json.loads(done.stdout)]


def _release(item: dict[str, Any]) -> Release:
    manifests: dict[str, str] = item["manifests"]
    notes = next(text for name, text in manifests.items() if name.endswith("NOTES.txt"))
    texts = [text for name, text in sorted(manifests.items()) if name.endswith(".yaml")]
    return Release(
        item["lint"], notes, [found for text in texts for found in yaml.safe_load_all(text) if found]
    )
