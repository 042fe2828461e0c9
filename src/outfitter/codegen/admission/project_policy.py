"""The policies `policy-TYPE`: a workload keeps the rules of its project when it is written.

The operator judges the whole submission when it makes a revision. The API server only sees inline fields, so every
check here is one that no asset, template or default can satisfy; an error of an expression lets the object pass. The
master of a distributed workload has a policy of its own, because the API server limits the size and the cost of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from outfitter.api.v1alpha1 import API_VERSION, GROUP, KINDS
from outfitter.api.v1alpha1.inference import OF_THE_ARTIFACT
from outfitter.api.v1alpha1.policyfields import (
    IDS,
    NOT_IN_POLICIES,
    SECTIONS,
    SOURCE_OF_IDS,
    PolicyField,
    policy_fields,
)
from outfitter.codegen.admission.exempt import OPERATOR_ACCOUNT, user_or_tool
from outfitter.codegen.admission.policy_items import ItemVariables, Subject, Variable, has_path, path_or
from outfitter.codegen.admission.policy_terms import terms
from outfitter.codegen.admission.presence import has_value, has_values

_OF_CONTAINERS: Final = frozenset({*OF_THE_ARTIFACT, "compute"})
MASTER: Final = "master"
_OWN_MASTER: Final = has_value("object.spec.masterSpec")
_SAME: Final = f"({has_value('object.spec.masterSpecSameAsWorker')} && object.spec.masterSpecSameAsWorker)"
_REFERENCES: Final = ("artifact", "template")
_GROUP: Final = 12
_MOST_BYTES: Final = 4500
"""The API server replaces a message of more than 5 KiB by its general one."""
_MOST_TEXT: Final = 1100


def workload_types() -> dict[str, str]:
    """Return the plural of the kind of each workload type that exists."""
    return {kind.runs.name: kind.plural for kind in KINDS if kind.workload and kind.runs is not None}


def judged() -> dict[str, tuple[str, str]]:
    """Return the workload type and the section that each policy is about, by the end of its name."""
    found = {}
    for workload_type in workload_types():
        for section in SECTIONS[workload_type]:
            own = f"-{section}" if section == MASTER else ""
            found[f"{workload_type}{own}"] = (workload_type, section)
    return found


def policy_spec(workload_type: str, section: str) -> dict[str, Any]:
    """Return the spec of the policy for one section of one type of workload."""
    has_artifact = "artifact" in _reference_fields(workload_type)
    subject = Subject(section, "variables.given", f"{MASTER}.") if section == MASTER else Subject(section)
    variables = [
        *_sight(subject, has_artifact=has_artifact),
        *_judgement(workload_type, subject, has_artifact=has_artifact),
    ]
    shown_by = f"kubectl get effectivepolicy {workload_type} -n ' + request.namespace + ' -o yaml"
    intro = "object.kind + ' ' + object.metadata.name + ' breaks the policies of its project: '"
    return {
        "failurePolicy": "Ignore",
        "paramKind": {"apiVersion": API_VERSION, "kind": "EffectivePolicy"},
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [GROUP],
                    "apiVersions": ["*"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": [workload_types()[workload_type]],
                }
            ]
        },
        "matchConditions": [
            user_or_tool(),
            {"name": "not-the-operator", "expression": f"request.userInfo.username != '{OPERATOR_ACCOUNT}'"},
            *([{"name": "a-master", "expression": f"{_OWN_MASTER} || {_SAME}"}] if section == MASTER else []),
            {"name": "changed", "expression": _changed(workload_type, section)},
        ],
        "variables": variables,
        "validations": [
            {
                "expression": "variables.broken.size() == 0",
                "reason": "Forbidden",
                "messageExpression": f"{intro} + variables.told + '. Correct them. {shown_by} shows all rules.'",
                "message": "it breaks the policies of its project",
            }
        ],
    }


def _reference_fields(workload_type: str) -> list[str]:
    (model,) = (
        kind.model for kind in KINDS if kind.runs is not None and kind.workload and kind.runs.name == workload_type
    )
    names = set(model.model_fields["spec"].annotation.model_fields)  # type: ignore[union-attr]
    return [name for name in ("artifact", "assets", "template") if name in names]


def _changed(workload_type: str, section: str) -> str:
    """CEL: whether an update changes what policies are about, or resumes. To stop and to scale is always allowed."""
    heads = {path.partition(".")[0] for path in policy_fields(workload_type, section)} - NOT_IN_POLICIES
    of_master = ("masterSpec", "masterSpecSameAsWorker") if section == MASTER else ()
    names = sorted({*heads, *_reference_fields(workload_type), *of_master})
    differ = [f"object.spec.?{name} != oldObject.spec.?{name}" for name in names]
    suspended = f"({has_value('{0}.spec.suspend')} && {{0}}.spec.suspend)"
    resumed = f"{suspended.format('oldObject')} && !{suspended.format('object')}"
    return f"request.operation == 'CREATE' || ({resumed}) || {' || '.join(differ)}"


def _sight(subject: Subject, *, has_artifact: bool) -> Iterator[Variable]:
    """Variables: the inline fields, and whether assets, a template or an artifact can give values that are not."""
    section, assets = subject.section, f"{subject.fields}.assets"
    if section == MASTER:
        given = f"{_OWN_MASTER} ? dyn(object.spec.masterSpec) : dyn(object.spec)"
        yield {"name": "given", "expression": f"dyn({given})"}
    named = [has_values(assets, (name,)) for name in ("environment", "compute")]
    refs = [f"({has_value(assets)} && ({' || '.join(named)}))"]
    refs += [has_value(f"object.spec.{name}") for name in _REFERENCES if has_artifact or name != "artifact"]
    yield {"name": "references", "expression": " || ".join(refs)}
    yield {"name": "allInline", "expression": f"!variables.references && !{has_value(assets)}"}
    for name in ("rules", "defaults"):
        place = f"params.spec.{name}.{section}" if section else f"params.spec.{name}"
        there = has_values("params.spec", (name, section)) if section else f"has(params.spec.{name})"
        yield {"name": name, "expression": f"dyn({there} ? dyn({place}) : {{}})"}
    if has_artifact:
        yield {"name": "fromArtifact", "expression": has_value("object.spec.artifact")}


def _judgement(workload_type: str, subject: Subject, *, has_artifact: bool) -> Iterator[Variable]:
    """Variables: the entries of each value type, and the texts about all that is broken."""
    entries: dict[str, list[str]] = {}
    texts: list[str] = []
    for table in policy_fields(workload_type, subject.section).values():
        guard = "variables.fromArtifact" if has_artifact and table.path.partition(".")[0] in _OF_CONTAINERS else ""
        if table.type != "itemized":
            entries.setdefault(table.type, []).append(_entry(table, subject, guard))
            continue
        items = ItemVariables(table, subject, guard)
        yield from items.variables()
        texts.append(f"variables.{items.name('broken')}")
        for attribute in table.attributes.values():
            found = items.entries(attribute)
            entries.setdefault(attribute.type, []).append(f"({guard} ? [] : {found})" if guard else found)
    for value_type, each in entries.items():
        yield from _sum(f"entries_{value_type}", each)
        yield from _sum(f"broken_{value_type}", list(terms(value_type, f"variables.entries_{value_type}")))
        texts.append(f"variables.broken_{value_type}")
    yield from _sum("broken", texts)
    yield {"name": "all", "expression": r"variables.broken.join('; ').replace('\n', ' ').replace('\r', ' ')"}
    yield {
        "name": "told",
        "expression": f"bytes(variables.all).size() <= {_MOST_BYTES} ? variables.all : "
        f"variables.all.substring(0, {_MOST_TEXT}) + '... and more'",
    }


def _entry(table: PolicyField, subject: Subject, guard: str) -> str:
    """CEL: the entry of a field, as a list; an empty list without a rule."""
    path, fields = table.path, subject.fields
    there = has_values(fields, tuple(path.split(".")))
    # A value that a policy may spell in another way is let through.
    spelt = "".join(f" && {fields}.{path} != '{meaning}'" for meaning in sorted({*table.aliases.values()}))
    # The operator fills the rest of autoscaling in where a part of it is given.
    filled = has_value(f"{fields}.autoscaling") if path.startswith("autoscaling.") else ""
    value = f"{there}{spelt} ? dyn({fields}.{path}) : null"
    if path == SOURCE_OF_IDS:  # ids without it are custom
        ids = " || ".join(has_values(fields, ("security", name)) for name in IDS)
        value = f"{there}{spelt} ? dyn({fields}.{path}) : (!({there}) && ({ids}) ? dyn('custom') : null)"
        filled = f"{there} || {ids}"
    known = f", 'q': dyn(!({filled or there}))" if filled or spelt else ""
    entry = (
        f"{{'p': dyn('{subject.prefix}{path}'), 'r': dyn(variables.rules.{path}), "
        f"'v': dyn({value}), "
        f"'d': dyn({path_or('variables.defaults', path, 'null')}){known}}}"
    )
    ruled = has_path("variables.rules", path) + (f" && !{guard}" if guard else "")
    return f"({ruled} ? [{entry}] : [])"


def _sum(name: str, lists: list[str]) -> Iterator[Variable]:
    """Variables: lists as one, in parts, since an expression must not be too deep."""
    while len(lists) > _GROUP:
        parts = [lists[start : start + _GROUP] for start in range(0, len(lists), _GROUP)]
        names = [f"{name}_{len(lists)}_{number}" for number in range(len(parts))]
        yield from ({"name": each, "expression": " + ".join(part)} for each, part in zip(names, parts, strict=True))
        lists = [f"variables.{each}" for each in names]
    yield {"name": name, "expression": " + ".join(lists)}
