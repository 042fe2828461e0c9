"""Validate documents offline: documents -> valid resources, other objects and findings."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from outfitter.api.schema import resource_schema
from outfitter.api.shape import FieldError, did_you_mean
from outfitter.api.v1alpha1 import ALL_KINDS, API_VERSION, GROUP, kind_of
from outfitter.api.v1alpha1.policyfields import SECTIONS, instead_of
from outfitter.api.validation import strict_errors
from outfitter.cli.documents import Document, Finding
from outfitter.cli.synonyms import in_place_of
from outfitter.policy.values import get
from outfitter.resolve.merge import repeated_items

_LISTED: Final = 16
"""Most fields that a hint lists."""
_NAMES = frozenset(kind.name for kind in ALL_KINDS)


@dataclass
class CheckResult:
    """Valid objects of Outfitter's kinds (`resources`), unchecked documents (`others`) and findings."""

    resources: list[Document] = field(default_factory=list)
    others: list[Document] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def invalid(self) -> int:
        """Number of objects with findings."""
        return len({(item.file, item.object) for item in self.findings})


def check(documents: Iterable[Document], findings: Iterable[Finding] = ()) -> CheckResult:
    """Validate documents; `findings` are the errors of reading them."""
    checked = CheckResult(findings=list(findings))
    seen: dict[tuple[Any, ...], Document] = {}
    for document in documents:
        if _is_other(document.body):
            checked.others.append(document)
            continue
        errors = list(_identity_findings(document)) or [*_schema_findings(document), *_duplicates(document, seen)]
        if not errors and document.body["kind"] == "WorkloadPolicy":
            errors = _policy_findings(document)
        checked.findings += errors
        if not errors:
            checked.resources.append(document)
    checked.findings.sort(key=lambda item: (item.file, item.line, item.column))
    return checked


def _is_other(body: Mapping[str, Any]) -> bool:
    """Whether a document is outside this check: another API group, or no Kubernetes object (a values file)."""
    version, kind = body.get("apiVersion"), body.get("kind")
    if version is None and kind is None:
        return True
    group, slash, _ = str(version or "").partition("/")
    if group == GROUP:
        return False
    if kind not in _NAMES:
        return version is not None and kind is not None
    misspelled = not slash or bool(difflib.get_close_matches(group, [GROUP], cutoff=0.8))
    return not misspelled  # another project's kind of the same name


def _identity_findings(document: Document) -> Iterator[Finding]:
    """Errors of apiVersion and kind. Further errors would only follow from them."""
    version, kind = document.body.get("apiVersion"), document.body.get("kind")
    if version is None:
        yield document.finding((), "apiVersion is missing.", f"use {API_VERSION}")
    elif version != API_VERSION and kind in _NAMES:
        yield document.finding(("apiVersion",), f"The value must be {API_VERSION}, not {version}.")
    if kind is None:
        yield document.finding((), "kind is missing.", f"one of {', '.join(sorted(_NAMES))}")
    elif version is not None and kind not in _NAMES:
        suggestion = did_you_mean(kind, _NAMES).strip().replace("Did", "did")
        known = f"one of {', '.join(sorted(_NAMES))}"
        yield document.finding(("kind",), f"{GROUP} has no kind {kind}.", suggestion or known)


def _schema_findings(document: Document) -> Iterator[Finding]:
    kind = str(document.body["kind"])
    for error in strict_errors(document.body) or _repeated_items(document.body):
        message, _, suggestion = error.message.partition(" Did you mean ")
        hint = _instead(kind, error) or (f"did you mean {suggestion}" if suggestion else _description(kind, error))
        yield document.finding(error.path, message, hint)


def _repeated_items(body: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield the items of lists that replace an earlier one when a valid workload is resolved."""
    for path in (("spec",), ("spec", "masterSpec")):
        fields = get(body, path)
        for error in repeated_items(fields if isinstance(fields, Mapping) else {}):
            yield FieldError((*path, *error.path), error.message)


def _policy_findings(document: Document) -> list[Finding]:
    from outfitter.cli.policy.checks import policy_findings

    return list(policy_findings(document))


def _instead(kind: str, error: FieldError) -> str:
    """Return what to write instead of a name that pods, or published policies, use."""
    if kind != "WorkloadPolicy":
        unknown = error.message.startswith("The field is unknown.")
        return in_place_of(resource_schema(kind_of(kind).model), error.path) if unknown else ""
    steps = [part for part in error.path[2:] if isinstance(part, str)]
    steps = steps[1:] if steps[:1] and steps[0] in SECTIONS["distributed"] else steps
    inner = next((part for part in ("attributes", "instances") if part in steps[:-1]), "")
    parent = steps[: steps.index(inner)] if inner else steps[:-1]
    instead = instead_of(".".join(parent), steps[-1], attribute=inner == "attributes") if steps else ""
    return f"use {instead}" if instead else ""


def _description(kind: str, error: FieldError) -> str:
    """Return the first sentence of the description of a field, or the fields that are known in its place."""
    schema: Any = resource_schema(kind_of(kind).model)
    description = ""
    for part in error.path:
        properties = schema.get("properties") or {}
        if isinstance(part, str) and part not in properties:
            return f"fields here are {', '.join(properties)}" if 0 < len(properties) <= _LISTED else ""
        schema = schema["items"] if isinstance(part, int) else properties[part]
        description = schema.get("description", "") if isinstance(part, str) else description
    name = next((part for part in reversed(error.path) if isinstance(part, str)), "")
    sentence = " ".join(description.split()).split(". ")[0].rstrip(".")
    return f"{name} is: {sentence}" if sentence and name not in ("spec", "metadata") else ""


def _duplicates(document: Document, seen: dict[tuple[Any, ...], Document]) -> Iterator[Finding]:
    meta = document.body.get("metadata") or {}
    if not meta.get("name"):
        return
    key = (document.body["kind"], meta.get("namespace", ""), meta["name"])
    first = seen.setdefault(key, document)
    if first is not document:
        line = first.node.start_mark.line + 1
        yield document.finding(
            ("metadata", "name"), f"The object is defined twice, first in {first.file}:{line}.", "keep one of them"
        )
