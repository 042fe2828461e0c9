"""deploy/chart/values.schema.json: the JSON Schema of the chart's values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from outfitter.codegen.chart_settings import camel, value_settings
from outfitter.settings import EXTRA_KEY_PATTERN, Settings

_NAMESPACE: Final = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}
_LABEL_VALUE: Final = "^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_HOST: Final = "^[A-Za-z0-9.-]+(:[0-9]+)?$"
_REPOSITORY: Final = "^[A-Za-z0-9][A-Za-z0-9._:/-]*$"
_PORT: Final = {"type": "integer", "minimum": 1, "maximum": 65535}
_EXTRA_KEY: Final = {"type": "string", "pattern": EXTRA_KEY_PATTERN}
_EXPLICIT: Final[Mapping[str, Mapping[str, Any]]] = {
    "image.repository": {"type": "string", "minLength": 1},
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "replicaCount": {"type": "integer", "minimum": 0},
    "watchNamespaces": {"type": "array", "uniqueItems": True, "items": _NAMESPACE},
    "rbac.catalogue": {"type": "array", "uniqueItems": True, "items": {"type": "string", "minLength": 1}},
    # A department is the value of a label.
    "rbac.departments": {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": _LABEL_VALUE}},
    "pdb.maxUnavailable": {"type": ["integer", "string"]},
    "identity.enabled": {"enum": ["auto", True, False, "true", "false"]},
    **{f"identity.extraKeys.{name}": _EXTRA_KEY for name in ("uid", "gid", "groups")},
    # YAML reads a plain off as false.
    "policy.admission": {"enum": ["Deny", "Warn", "off", False]},
    "extraArgs": {"type": "array", "items": {"type": "string"}},
    "networkPolicy.apiServerPorts": {"type": "array", "minItems": 1, "items": _PORT},
    "networkPolicy.egressPorts": {"type": "array", "uniqueItems": True, "items": _PORT},
    "buildkit.namespace": {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"},
    "buildkit.image.repository": {"type": "string", "minLength": 1},
    "buildkit.image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "buildkit.image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "buildkit.replicas": {"type": "integer", "minimum": 0},
    "buildkit.maxParallelism": {"type": "integer", "minimum": 0},
    "buildkit.storage.size": {"type": ["integer", "string"]},
    "buildkit.plainRegistries": {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": _HOST}},
    "buildkit.frontends": {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": _REPOSITORY}},
    # The API server validates their fields.
    "buildkit.resources": {"type": "object"},
    "resources": {"type": "object"},
    "podSecurityContext": {"type": "object"},
    "securityContext": {"type": "object"},
}
"""Path of a value -> its schema, where the type of the default is not enough."""

_OF_HELM: Final = {"global": {"type": "object"}}
"""What Helm itself adds to the values of a chart that another chart contains."""
_SUBCHARTS: Final = ("crds",)
_TEXT_MAP: Final = {"type": "object", "additionalProperties": {"type": "string"}}
_TYPES: Final[Mapping[type, str]] = {bool: "boolean", int: "integer", str: "string"}


def values_schema(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema: the types of the defaults, the schemas of _EXPLICIT, and `settings` from Settings."""
    properties = {name: _property(name, value) for name, value in values.items() if name != "settings"}
    properties |= _OF_HELM
    properties["settings"] = _settings_schema()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the Outfitter chart",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _property(path: str, default: Any) -> dict[str, Any]:
    if path in _EXPLICIT:
        return dict(_EXPLICIT[path])
    name = path.rsplit(".", 1)[-1].lower()
    if isinstance(default, dict) and not default:
        return dict(_TEXT_MAP) if name.endswith(("annotations", "labels", "nodeselector")) else {"type": "object"}
    if isinstance(default, dict):
        properties = {key: _property(f"{path}.{key}", value) for key, value in default.items()}
        properties |= _OF_HELM if path in _SUBCHARTS else {}
        return {"type": "object", "properties": properties, "additionalProperties": False}
    if isinstance(default, list):
        return {"type": "array", "items": {"type": "object"}}
    return {"type": _TYPES[type(default)]}


def _settings_schema() -> dict[str, Any]:
    schemas = Settings.model_json_schema()["properties"]
    properties = {}
    for name in value_settings():
        properties[camel(name)] = {
            key: value for key, value in schemas[name].items() if key not in ("title", "default")
        }
    # A container port must be a fixed number; 0, which chooses a free port, is for processes outside a pod.
    properties["probePort"]["minimum"] = 1
    return {"type": "object", "properties": properties, "additionalProperties": False}
