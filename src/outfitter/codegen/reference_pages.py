"""Kind -> reference page: what the CRD says, as a table for people."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from outfitter.api.schema import resource_schema
from outfitter.api.v1alpha1 import ALL_KINDS, API_VERSION, Kind
from outfitter.api.v1alpha1.policyschema import POLICY_TREES
from outfitter.api.v1alpha1.workloadpolicy import WorkloadPolicy
from outfitter.codegen.examples import example
from outfitter.codegen.policy_table import policy_table
from outfitter.codegen.reason_tables import reference_table
from outfitter.codegen.shown_reasons import REASONS, read_shown
from outfitter.codegen.states import MEANINGS, phases, steps

_DEFAULT = re.compile(r"\bDefault:? ([^.;]*(?:\.[^ ][^.;]*)*)|`([A-Za-z]+)` \(default\)|([A-Za-z/0-9]+) \(default\)")


def all_pages() -> dict[str, str]:
    """Return every page, and their index, by the name of its file."""
    index = ["# API reference", "", f"All kinds are in `{API_VERSION}` and live in a namespace.", ""]
    index += [f"- [{kind.name}]({kind.singular}.md): {_summary(kind)}" for kind in ALL_KINDS]
    return {"README.md": "\n".join(index) + "\n"} | {f"{kind.singular}.md": page(kind) for kind in ALL_KINDS}


def page(kind: Kind) -> str:
    """Render the page of a kind: an example, every field, the rules, the states, and how to look into it."""
    schema = resource_schema(kind.model)
    names = ", ".join(f"`{name}`" for name in (kind.plural, *kind.short_names))
    lines = [f"# {kind.name}", "", _summary(kind), "", f"`kubectl get` takes {names}.", ""]
    lines += ["```yaml", example(kind.name).rstrip(), "```", ""]
    for part in (part for part in ("spec", "status") if part in schema["properties"]):
        lines += [f"## {part}", "", "| field | type | default | description |", "|---|---|---|---|"]
        lines += [_row(*field) for field in _fields(schema["properties"][part], "", "")]
        lines.append("")
    if kind.model is WorkloadPolicy:
        lines += policy_table()
    lines += ["## Rules", "", "| where | error message |", "|---|---|"]
    lines += [f"| {f'`{path}`' if path else 'object'} | {_cell(message)} |" for path, message in _rules(schema, "")]
    if "status" in schema["properties"]:
        lines += ["", *_states(kind), "", "## When it does not work", ""]
        lines += [f"{number}. {step}" for number, step in enumerate(steps(kind), 1)]
        lines += ["", "More in [troubleshooting](../guide/troubleshooting.md)."]
    return "\n".join(lines) + "\n"


def _states(kind: Kind) -> Iterator[str]:
    """The phases and reasons that the status of a kind can show."""
    shown = read_shown().get(kind.name, {})
    yield from ("## States", "")
    for field, enumeration in phases(kind).items():
        meanings = MEANINGS[enumeration]
        yield from (f"| `{field}` | meaning |", "|---|---|")
        yield from (f"| `{phase}` | {meanings[phase]} |" for phase in meanings if phase in shown.get(field, ()))
        yield ""
    yield "The table lists every reason of condition `Ready` and of `issues`. With `Stalled`, you must fix something."
    yield "With `Reconciling`, Outfitter continues when the missing object appears or the cause is gone."
    yield ""
    yield from reference_table(shown.get(REASONS, ()))


def _summary(kind: Kind) -> str:
    return str(resource_schema(kind.model)["description"])


def _fields(schema: Mapping[str, Any], path: str, key: str) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Yield (path, schema, required) of every field below a schema, parents first."""
    required = schema.get("required", ())
    for name, child in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here, child, name in required
        if name not in POLICY_TREES:
            yield from _fields(child.get("items", child), f"{here}[]" if "items" in child else here, key)


def _rules(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path, rule["message"]
    for name, child in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield from _rules(child.get("items", child), f"{here}[]" if "items" in child else here)


def _row(path: str, schema: Mapping[str, Any], required: bool) -> str:
    description = schema.get("description", "")
    found = _DEFAULT.search(description)
    default = "required" if required else next((group for group in found.groups() if group), "") if found else ""
    return f"| `{path}` | {_type(schema)} | {_cell(default.strip())} | {_cell(description)} |"


def _type(schema: Mapping[str, Any]) -> str:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return "list"
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    if schema.get("type") == "array":
        keys = schema.get("x-kubernetes-list-map-keys")
        return f"list of {_type(schema['items'])}" + (f", by {keys[0]}" if keys else "")
    if "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}"
    if "minimum" in schema and "maximum" in schema and schema["maximum"] < 2147483647:
        return f"{schema['type']} {schema['minimum']}..{schema['maximum']}"
    return str(schema["type"])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
