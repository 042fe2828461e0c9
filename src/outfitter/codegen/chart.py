"""The generated part of the Helm chart: settings, roles, the schema of its values."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any, Final

import yaml

from outfitter.api.v1alpha1 import GROUP, KINDS
from outfitter.cluster.access import cluster_rules, namespaced_rules, role_rules, system_rules, table, volume_rules
from outfitter.errors import ConfigurationError
from outfitter.settings import Settings

SETTINGS_MARK: Final = "# settings: from here on"
LEASE_NAME: Final = "{{ .Values.settings.leaseName }}"  # filled in by the template that reads files/rules.yaml

# Settings that a pod learns from elsewhere than `settings` in the values: the downward API, or a value of its own.
FIELD_SETTINGS: Final[Mapping[str, str]] = {"system_namespace": "metadata.namespace", "identity": "metadata.name"}
WATCH_NAMESPACES: Final = "watch_namespaces"

_WRITE: Final = ("create", "delete", "deletecollection", "patch", "update")
_READ: Final = ("get", "list", "watch")


def camel(name: str) -> str:
    """`ingress_tls` -> `ingressTls`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"OUTFITTER_{name.upper()}"


def value_settings() -> tuple[str, ...]:
    """The settings that have a place under `settings` in the values."""
    return tuple(name for name in Settings.model_fields if name not in FIELD_SETTINGS and name != WATCH_NAMESPACES)


def settings_template() -> str:
    """The named template with the container's environment."""
    lines = ['{{- define "outfitter.settings" -}}']
    for name in Settings.model_fields:
        lines.append(f"- name: {variable(name)}")
        if name in FIELD_SETTINGS:
            lines += ["  valueFrom:", "    fieldRef:", f"      fieldPath: {FIELD_SETTINGS[name]}"]
        elif name == WATCH_NAMESPACES:
            lines.append('  value: {{ join "," .Values.watchNamespaces | quote }}')
        else:
            lines.append(f'  value: {{{{ include "outfitter.text" .Values.settings.{camel(name)} | quote }}}}')
    return "\n".join([*lines, "{{- end }}", ""])


def settings_values() -> str:
    """The `settings` block of values.yaml, each with its description."""
    lines = ["settings:"]
    for name in value_settings():
        field = Settings.model_fields[name]
        text = " ".join((field.description or "").split())
        lines += textwrap.wrap(text, 118, initial_indent="  # ", subsequent_indent="  # ")
        lines.append(f"  {camel(name)}: {json.dumps(field.default)}")
    return "\n".join(lines) + "\n"


def values_text(current: str) -> str:
    """values.yaml with its settings block written anew; the part above the mark is kept."""
    head, mark, tail = current.partition(SETTINGS_MARK)
    if not mark:
        raise ConfigurationError(
            f"values.yaml has lost the line that begins with {SETTINGS_MARK!r}: put it at the end again"
        )
    return head + mark + tail.partition("\n")[0] + "\n" + settings_values()


def rules() -> dict[str, list[dict[str, Any]]]:
    """RBAC rules of the operator (cluster, or namespaced; and system) and of people (view, edit)."""
    return {
        "cluster": cluster_rules(),
        "volumes": volume_rules(),
        "roles": role_rules(),
        "namespaced": namespaced_rules(),
        "system": system_rules(LEASE_NAME),
        "view": _people(_READ),
        "edit": _people(_WRITE, scale=("get", "patch", "update")),
    }


def _people(verbs: tuple[str, ...], scale: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    found = [{"apiGroups": [GROUP], "resources": sorted(kind.plural for kind in KINDS), "verbs": sorted(verbs)}]
    scaled = sorted(f"{kind.plural}/scale" for kind in KINDS if kind.model.SCALE)
    if scale and scaled:
        found.append({"apiGroups": [GROUP], "resources": scaled, "verbs": sorted(scale)})
    return found


def values_schema(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schema of the values: types of the defaults, `settings` from Settings, and what _SPECIAL knows better."""
    properties = {name: _typed(name, value) for name, value in values.items() if name != "settings"}
    properties["global"] = {"type": "object"}
    properties["settings"] = _settings_schema()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the Outfitter chart",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


_NAMESPACE: Final = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}
_PORT: Final = {"type": "integer", "minimum": 1, "maximum": 65535}
_SPECIAL: Final[Mapping[str, Mapping[str, Any]]] = {
    "image.repository": {"type": "string", "minLength": 1},
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "replicaCount": {"type": "integer", "minimum": 0},
    "watchNamespaces": {"type": "array", "uniqueItems": True, "items": _NAMESPACE},
    "pdb.maxUnavailable": {"type": ["integer", "string"]},
    "extraArgs": {"type": "array", "items": {"type": "string"}},
    "networkPolicy.apiServerPorts": {"type": "array", "minItems": 1, "items": _PORT},
    # Handed to the API server as they are, which knows their fields.
    "resources": {"type": "object"},
    "podSecurityContext": {"type": "object"},
    "securityContext": {"type": "object"},
}
_STRINGS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
_TYPES: Final[Mapping[type, str]] = {bool: "boolean", int: "integer", str: "string"}


def _typed(path: str, value: Any) -> dict[str, Any]:
    if path in _SPECIAL:
        return dict(_SPECIAL[path])
    name = path.rsplit(".", 1)[-1].lower()
    if isinstance(value, dict) and not value:
        return dict(_STRINGS) if name.endswith(("annotations", "labels", "nodeselector")) else {"type": "object"}
    if isinstance(value, dict):
        properties = {key: _typed(f"{path}.{key}", item) for key, item in value.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False}
    if isinstance(value, list):
        return {"type": "array", "items": {"type": "object"}}
    return {"type": _TYPES[type(value)]}


def _settings_schema() -> dict[str, Any]:
    known = Settings.model_json_schema()["properties"]
    properties = {}
    for name in value_settings():
        properties[camel(name)] = {key: value for key, value in known[name].items() if key not in ("title", "default")}
    # In a pod a port has to be known beforehand, so 0 (any free one) is of no use there.
    properties["probePort"]["minimum"] = 1
    return {"type": "object", "properties": properties, "additionalProperties": False}


def rbac_page() -> str:
    """docs/reference/rbac.md: each right of the operator with its reason."""
    where = {
        "everywhere": "every served namespace",
        "cluster": "the whole cluster, only without `watchNamespaces`",
        "volumes": "the whole cluster, only with `settings.staticPvDrivers` and without `watchNamespaces`",
        "roles": "every served namespace, only with `settings.sharedRoles`",
        "namespace-object": "each served namespace, only with `watchNamespaces`",
        "system": "the system namespace",
    }
    lines = [
        "# Rights of the operator",
        "",
        "Generated from `src/outfitter/children/kinds.py` and `src/outfitter/cluster/access.py`, as are the roles of",
        "the chart and of `deploy/install.yaml`. There is no wildcard, and no `escalate`, `bind` or `impersonate`. The",
        "operator has no right on nodes, webhooks or CustomResourceDefinitions, and on roles only if an admin asks",
        "for it.",
        "",
        "| group | resource | verbs | where | why |",
        "|---|---|---|---|---|",
    ]
    for row in table():
        resource = f"`{row.resource}`" + (f" named `{', '.join(row.names)}`" if row.names else "")
        verbs = ", ".join(sorted(row.verbs))
        lines.append(f"| {row.group or 'core'} | {resource} | {verbs} | {where[row.scope]} | {row.why} |")
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """docs/reference/settings.md: every setting with its variable, chart value and default."""
    lines = [
        "# Settings",
        "",
        "Generated from `src/outfitter/settings.py`. The operator reads environment variables; the chart fills them",
        "from its values.",
        "",
        "| variable | chart value | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        value = f"`settings.{camel(name)}`"
        if name in FIELD_SETTINGS:
            value = f"`{FIELD_SETTINGS[name]}` of the pod"
        elif name == WATCH_NAMESPACES:
            value = "`watchNamespaces`"
        text = " ".join((field.description or "").split()).replace("|", "\\|")
        default = "" if field.default in ("", ()) else f"`{json.dumps(field.default)}`"
        lines.append(f"| `{variable(name)}` | {value} | {default} | {text} |")
    return "\n".join(lines) + "\n"


def load(text: str) -> Any:
    """YAML as data."""
    return yaml.load(text, yaml.CSafeLoader)
