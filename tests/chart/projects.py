"""Projects with an EffectivePolicy each, and the verdicts of the API server and of the operator on workloads there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

from outfitter.api.v1alpha1 import KINDS
from outfitter.api.v1alpha1.policyfields import PolicyField, policy_fields
from outfitter.codegen.admission.project_policy import MASTER, judged
from outfitter.policy.chain import Policy, effective_policy
from outfitter.policy.effective import EffectivePolicy
from outfitter.policy.project import submission
from outfitter.policy.published import effective_spec
from outfitter.policy.rule import Source
from outfitter.policy.submission import apply_policy
from outfitter.policy.violation import Violation
from outfitter.resolve.merge import merge
from outfitter_sandbox import Sandbox

from .conftest import eventually
from .objects import Manifest, apply, custom, path

SUBJECTS: Final = judged()
"""The pods that the API server judges by a policy of their own -> the type of workload and the section of its rules."""
_KINDS: Final = {kind.runs.name: kind.name for kind in KINDS if kind.workload and kind.runs is not None}
SAYS: Final = "breaks the policies of its project"
OF_OURS: Final = "/apis/outfitter.dev/v1alpha1"


def fields_of(subject: str) -> Mapping[str, PolicyField]:
    """The fields that the API server judges."""
    return policy_fields(*SUBJECTS[subject])


def workload(subject: str, namespace: str, fields: Mapping[str, Any]) -> Manifest:
    """A workload whose pods have these fields; a template is one of the workload."""
    workload_type, section = SUBJECTS[subject]
    spec = dict(fields)
    if section == MASTER:
        template = {"template": spec.pop("template")} if "template" in spec else {}
        spec = {"masterSpec": spec, **template}
    return custom(_KINDS[workload_type], "w", namespace, spec)


def tree(dotted: str, leaf: Any) -> dict[str, Any]:
    """Nested objects with a value at a dotted path."""
    *parents, last = dotted.split(".")
    result = {last: leaf}
    for part in reversed(parents):
        result = {part: result}
    return result


def joined(trees: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """All of the trees in one."""
    result: dict[str, Any] = {}
    for each in trees:
        for key, value in each.items():
            inner = result.get(key)
            result[key] = joined([inner, value]) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return result


_CUT: Final = "... and more"
_WORDS: Final = {
    "(canAdd)": "canAdd",
    "(locked)": "locked",
    "(canEdit)": "canEdit",
    "a value is required": "required",
    " is none of the options ": "options",
    " is less than min ": "min",
    " is more than max ": "max",
    " is not in steps of ": "step",
}


def _rule_of(text: str) -> tuple[str, str]:
    """Field and rule of one text of a denial."""
    where, _, why = text.removeprefix(f"{MASTER}.").partition(": ")
    return where, next(rule for word, rule in _WORDS.items() if word in why)


def _left_to_the_operator(policy: EffectivePolicy) -> Iterator[str]:
    """Yield fields that CEL may let through: with a computed default, and those that an alternative can replace."""
    for section in policy.sections.values():
        for found in section.fields:
            if found.rule and found.rule.default_from:
                yield f"{found.table.path}["
        for items in section.items:
            either = {name for group in items.table.alternatives for name in group}
            for name, rule in items.rules.items():
                if rule.default_from or name.partition(".")[0] in either:
                    yield f"{items.table.path}.attributes.{name}["


def _of_a_policy(violation: Violation, spec: Mapping[str, Any]) -> bool:
    """Whether a value is that of a default item, which the workload does not set: the policies contradict each other.

    CEL judges of such values only whether they are there.
    """
    path, _, attribute = violation.field.partition(".attributes.")
    if not attribute or violation.rule == "required":
        return False
    name, _, key = attribute.removesuffix("]").partition("[")
    items = _at(spec, path) or []
    return not any(_at(item, name) is not None for item in items if any(key == value for value in item.values()))


def _at(fields: Any, path: str) -> Any:
    for name in path.split("."):
        fields = fields.get(name) if isinstance(fields, Mapping) else None
    return fields


def _not_seen(violation: Violation) -> bool:
    """What CEL cannot judge exactly, and lets through: objects with nulls inside, steps below a millionth, and the one
    value that policies may spell in two ways.
    """
    if violation.given == "fromIdpToken":
        return True
    objects = violation.rule == "canEdit" and violation.given.startswith("{") and violation.allowed != ""
    return objects or (violation.rule == "step" and violation.allowed == "1e-07")


@dataclass
class Projects:
    """Namespaces, each with the EffectivePolicy of one set of rules."""

    sandbox: Sandbox
    made: dict[str, EffectivePolicy] = field(default_factory=dict)

    def make(self, name: str, subject: str, rules: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
        """Write one as the operator would; False for policies that are invalid, of which it makes no use."""
        return self.make_chain(name, subject, {"project": {"rules": rules, "defaults": defaults}})

    def make_chain(self, name: str, subject: str, specs: Mapping[str, Mapping[str, Any]]) -> bool:
        """Write the one that follows from a policy for each scope; False if one of them is invalid."""
        workload_type, section = SUBJECTS[subject]
        if section:
            specs = {scope: {part: {section: value} for part, value in spec.items()} for scope, spec in specs.items()}
        chain = [Policy(Source(scope), workload_type, spec) for scope, spec in specs.items()]
        policy, errors = effective_policy(chain, workload_type)
        if any(not error.conflict for error in errors):
            return False
        apply(self.sandbox, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        place = f"{OF_OURS}/namespaces/{name}/effectivepolicies/{workload_type}"
        meta = {"name": workload_type, "namespace": name, "labels": {"outfitter.dev/workload-type": workload_type}}
        body = custom("EffectivePolicy", workload_type, name, effective_spec(policy)) | {"metadata": meta}
        query = "?fieldManager=test&force=true&fieldValidation=Strict"
        self.sandbox.connection().request("PATCH", place + query, body, "application/apply-patch+yaml")
        self.made[name] = policy.only(section) if section else policy
        return True

    def wait(self, subject: str, number: str) -> None:
        """Until all that were made before count: the API server reads them in order."""
        name = f"last-{subject}-{number}"
        self.make(name, subject, {"workingDir": {"canEdit": False}}, {})
        given = workload(subject, name, {"workingDir": "/a"})
        eventually(lambda: self.tries(given)[1], lambda seen: SAYS in seen)

    def tries(self, manifest: Manifest) -> tuple[int, str]:
        """Status and words of the API server for a creation that is not stored."""
        where = path(manifest).rpartition("/")[0]
        status, body = self.sandbox.connection().answer("POST", f"{where}?dryRun=All", manifest)
        return status, "" if status < 300 else str(body["message"])

    def compare(self, name: str, subject: str, spec: Mapping[str, Any]) -> bool | None:
        """Whether it is refused, by both alike; None for what the schema does not take at all."""
        status, words = self.tries(workload(subject, name, spec))
        if status == 422 or (status >= 300 and SAYS not in words):
            assert status == 422, words
            return None
        found = [each for each in apply_policy(self.made[name], spec).violations if not _not_seen(each)]
        assert (status == 403) == bool(found), (spec, effective_spec(self.made[name]), words, found)
        for violation in found:
            assert f"{violation.field}: " in words, (violation, words)
        assert words.count("; ") + 1 == len(found) or not found, (words, found)
        return bool(found)

    def compare_rules(self, name: str, subject: str, spec: Mapping[str, Any]) -> bool | None:
        """As `compare`, and each field is refused for the same rules. A long text is cut: its end is not compared."""
        status, words = self.tries(workload(subject, name, spec))
        if status == 422 or (status >= 300 and SAYS not in words):
            assert status == 422, words
            return None
        violations = [each for each in apply_policy(self.made[name], spec).violations if not _not_seen(each)]
        wanted = {(each.field, each.rule) for each in violations}
        if "autoscaling" in spec:  # the operator judges it with the defaults of its model
            wanted = {each for each in wanted if not (each[0].startswith("autoscaling.") and each[1] == "required")}
        listed = words.partition(f"{SAYS}: ")[2].partition(". Correct them.")[0]
        cut = listed.endswith(_CUT)
        texts = [text for text in listed.removesuffix(_CUT).split("; ") if text]
        found = {_rule_of(text) for text in (texts[:-1] if cut else texts)}
        context = (spec, effective_spec(self.made[name]), words)
        assert found <= wanted, (found - wanted, context)
        left = tuple(_left_to_the_operator(self.made[name]))
        contrary = {(each.field, each.rule) for each in violations if _of_a_policy(each, spec)}
        unseen = {each for each in wanted - found - contrary if not f"{each[0]}[".startswith(left)}
        assert cut or not unseen, (unseen, context)
        return bool(wanted)

    def never_stricter(self, name: str, subject: str, spec: dict[str, Any], layers: list[dict[str, Any]]) -> None:
        """What is refused beside a template is refused by the operator whatever the template gives."""
        given = workload(subject, name, {**spec, "template": {"name": "t"}})
        if self.tries(given)[0] != 403:
            return
        for layer in layers:
            merged = merge([("template", layer), ("workload", spec)])
            request: Any = SimpleNamespace(autoscaling=None, from_template=layer, inline=spec)
            assert apply_policy(self.made[name], submission(request, merged)).violations, (spec, layer)
