"""The operator's settings in the chart: templates/_settings.tpl and the `settings` block of values.yaml."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Final

from outfitter.errors import ConfigurationError
from outfitter.settings import Settings

SETTINGS_MARK: Final = "# settings: from here on"

FIELD_SETTINGS: Final[Mapping[str, str]] = {"lease_namespace": "metadata.namespace", "identity": "metadata.name"}
"""Setting -> field of the pod that holds its value."""
_SHARED: Final = """\
  {{- if .Values.sharedNamespace }}
  value: {{ .Values.sharedNamespace | quote }}
  {{- else }}
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
  {{- end }}"""
OWN_VALUES: Final[Mapping[str, tuple[str, str]]] = {
    "system_namespace": ("sharedNamespace", _SHARED),
    "identity_policy": ("identity.enabled", '  value: {{ include "outfitter.identityPolicy" . | quote }}'),
    **{
        f"identity_{name}_key": (
            f"identity.extraKeys.{name}",
            f"  value: {{{{ .Values.identity.extraKeys.{name} | quote }}}}",
        )
        for name in ("uid", "gid", "groups")
    },
    "watch_namespaces": ("watchNamespaces", '  value: {{ join "," .Values.watchNamespaces | quote }}'),
}
"""Settings with a value of their own outside `settings`, which also chooses roles or policies: name and template."""


FALLBACKS: Final[Mapping[str, str]] = {"activity_image": 'include "outfitter.image" .'}
"""Setting under `settings` -> what the chart sets where the value is empty."""


def camel(name: str) -> str:
    """Return the name of a setting in the values: `ingress_tls` -> `ingressTls`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"OUTFITTER_{name.upper()}"


def value_settings() -> tuple[str, ...]:
    """Return the names of the settings under `settings` in the values."""
    return tuple(name for name in Settings.model_fields if name not in FIELD_SETTINGS and name not in OWN_VALUES)


def settings_template() -> str:
    """Return the named template with the environment of the operator's container."""
    lines = ['{{- define "outfitter.settings" -}}']
    for name in Settings.model_fields:
        lines.append(f"- name: {variable(name)}")
        if name in FIELD_SETTINGS:
            lines += ["  valueFrom:", "    fieldRef:", f"      fieldPath: {FIELD_SETTINGS[name]}"]
        elif name in OWN_VALUES:
            lines.append(OWN_VALUES[name][1])
        else:
            default = f" | default ({FALLBACKS[name]})" if name in FALLBACKS else ""
            lines.append(f'  value: {{{{ include "outfitter.text" .Values.settings.{camel(name)}{default} | quote }}}}')
    return "\n".join([*lines, "{{- end }}", ""])


def values_text(current: str) -> str:
    """Return values.yaml with a new settings block; the part above the mark is kept."""
    head, mark, tail = current.partition(SETTINGS_MARK)
    if not mark:
        raise ConfigurationError(
            f"values.yaml has lost the line that begins with {SETTINGS_MARK!r}. Put it back above the settings."
        )
    return head + mark + tail.partition("\n")[0] + "\n" + _settings_values()


def _settings_values() -> str:
    lines = ["settings:"]
    for name in value_settings():
        field = Settings.model_fields[name]
        text = " ".join((field.description or "").split())
        lines += textwrap.wrap(text, 118, initial_indent="  # ", subsequent_indent="  # ")
        lines.append(f"  {camel(name)}: {json.dumps(field.default)}")
    return "\n".join(lines) + "\n"
