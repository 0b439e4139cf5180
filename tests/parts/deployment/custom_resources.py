"""Schemas of the objects that are not Kubernetes' own, as far as the chart uses them; anything else is a mistake.

Written by hand after the documentation of KEDA 2, of Prometheus' operator and of the Gateway API.
"""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string", "minLength": 1}
_SELECTOR = {"type": "object", "required": ["matchLabels"]}


def _exactly(optional: str = "", **required: Any) -> dict[str, Any]:
    """An object with these members; those named in ``optional`` may be missing."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": required,
        "required": [name for name in required if name not in optional.split()],
    }


_ENDPOINT = _exactly(
    port=_TEXT,
    path=_TEXT,
    interval={"pattern": "^[0-9]+(s|m)$"},
    relabelings={
        "type": "array",
        "items": _exactly(
            "replacement sourceLabels", targetLabel=_TEXT, replacement=_TEXT, sourceLabels={"type": "array"}
        ),
    },
)
_PROMETHEUS_TRIGGER = _exactly(
    "authenticationRef",
    type={"const": "prometheus"},
    metadata=_exactly(
        serverAddress={"pattern": "^https?://"},
        query=_TEXT,
        threshold=_TEXT,
        ignoreNullValues={"const": "false"},
    ),
    authenticationRef=_exactly(name=_TEXT),
)
_REDIS_TRIGGER = _exactly(
    "authenticationRef",
    type={"const": "redis-streams"},
    # KEDA reads all metadata as texts.
    metadata=_exactly(
        address={"pattern": "^[^:]+:[0-9]+$"},
        stream=_TEXT,
        streamLength={"pattern": "^[0-9]+$"},
        databaseIndex={"pattern": "^[0-9]+$"},
        enableTLS={"enum": ["true", "false"]},
    ),
    authenticationRef=_exactly(name=_TEXT),
)

SPECS: dict[tuple[str, str], dict[str, Any]] = {
    ("keda.sh/v1alpha1", "ScaledObject"): _exactly(
        scaleTargetRef=_exactly(name=_TEXT),
        minReplicaCount={"type": "integer", "minimum": 1},
        maxReplicaCount={"type": "integer", "minimum": 1},
        pollingInterval={"type": "integer", "minimum": 1},
        fallback=_exactly(failureThreshold={"type": "integer"}, replicas={"type": "integer", "minimum": 1}),
        advanced=_exactly(horizontalPodAutoscalerConfig=_exactly(behavior={"type": "object"})),
        triggers={
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [_PROMETHEUS_TRIGGER, _REDIS_TRIGGER]},
        },
    ),
    ("keda.sh/v1alpha1", "TriggerAuthentication"): _exactly(
        secretTargetRef={
            "type": "array",
            "items": _exactly(parameter={"const": "password"}, name=_TEXT, key=_TEXT),
        }
    ),
    ("monitoring.coreos.com/v1", "PodMonitor"): _exactly(
        jobLabel=_TEXT,
        selector=_SELECTOR,
        podMetricsEndpoints={"type": "array", "minItems": 1, "items": _ENDPOINT},
    ),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _exactly(
        jobLabel=_TEXT, selector=_SELECTOR, endpoints={"type": "array", "minItems": 1, "items": _ENDPOINT}
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): _exactly(
        "hostnames",
        parentRefs={
            "type": "array",
            "minItems": 1,
            "items": _exactly("namespace sectionName", name=_TEXT, namespace=_TEXT, sectionName=_TEXT),
        },
        hostnames={"type": "array", "items": _TEXT},
        rules={
            "type": "array",
            "items": _exactly(
                matches={"type": "array"},
                timeouts=_exactly(request=_TEXT, backendRequest=_TEXT),
                backendRefs={
                    "type": "array",
                    "items": _exactly(name=_TEXT, port={"type": "integer"}),
                },
            ),
        },
    ),
}
