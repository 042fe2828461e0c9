"""deploy/monitoring/kube-state-metrics.yaml: metrics of our kinds, for kube-state-metrics."""

from __future__ import annotations

from typing import Any, Final

from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1 import GROUP, KINDS, VERSION, Kind
from outfitter.codegen.yaml_text import Inline, dump, header

PREFIX: Final = "outfitter_resource"
_CREATED: Final = {
    "name": "created",
    "help": "Unix time of the creation.",
    "each": Inline(type="Gauge", gauge={"path": ["metadata", "creationTimestamp"]}),
}
_CONDITION: Final = {
    "name": "condition",
    "help": "1 if a condition is True, 0 if it is False, -1 if it is Unknown.",
    "each": Inline(
        type="Gauge",
        gauge={
            "path": ["status", "conditions"],
            "labelsFromPath": {"type": ["type"], "reason": ["reason"]},
            "valueFrom": ["status"],
        },
    ),
}
_STATES: Final = {
    "syncStatus": ("sync_status", "State of the object: 1 for the current one, 0 for the others."),
    "phase": ("phase", "Phase of the workload: 1 for the current one, 0 for the others."),
}
_COUNTS: Final = {
    "replicas": ("replicas", "Pods that exist."),
    "readyReplicas": ("ready_replicas", "Pods that are ready."),
}


def configuration() -> str:
    """Return the file for the flag --custom-resource-state-config-file."""
    resources = [_resource(kind) for kind in KINDS]
    return header("src/outfitter/api") + dump({"kind": "CustomResourceStateMetrics", "spec": {"resources": resources}})


def _resource(kind: Kind) -> dict[str, Any]:
    status = resource_schema(kind.model)["properties"]["status"]["properties"]
    states = [
        {
            "name": name,
            "help": text,
            "each": Inline(
                type="StateSet",
                stateSet={"path": ["status", field], "labelName": name, "list": list(status[field]["enum"])},
            ),
        }
        for field, (name, text) in _STATES.items()
        if "enum" in status.get(field, {})
    ]
    counts = [
        {"name": name, "help": text, "each": Inline(type="Gauge", gauge={"path": ["status", field]})}
        for field, (name, text) in _COUNTS.items()
        if field in status
    ]
    return {
        "groupVersionKind": Inline(group=GROUP, version=VERSION, kind=kind.name),
        "resourcePlural": kind.plural,
        "metricNamePrefix": PREFIX,
        "errorLogV": 5,  # a new object has no status yet, which is no error
        "labelsFromPath": Inline(namespace=["metadata", "namespace"], name=["metadata", "name"]),
        "metrics": [_CREATED, _CONDITION, *states, *counts],
    }
