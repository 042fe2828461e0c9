"""Declared cases of a folder of policies: submissions, and the verdicts that are expected of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from outfitter.api.v1alpha1.policyfields import SECTIONS
from outfitter.cli.checked_files import checked_files
from outfitter.cli.documents import Document
from outfitter.cli.policy.files import PolicyFiles
from outfitter.cli.policy.vectors import differences
from outfitter.cli.run import settings_from
from outfitter.errors import ConfigurationError
from outfitter.policy.submission import apply_policy


def load(files: list[str], department: str = "", namespace: str = "", *, recursive: bool = False) -> PolicyFiles:
    """Read policies and what they need. Exits with findings where the API server would reject an object."""
    return _load(files, department, namespace, recursive=recursive)[0]


def _load(
    files: list[str], department: str, namespace: str = "", *, recursive: bool
) -> tuple[PolicyFiles, list[Document]]:
    checked = checked_files(files, recursive=recursive)
    documents = [*checked.resources, *checked.others]
    own = {
        str(meta["namespace"])
        for document in checked.resources
        if document.body["kind"] == "WorkloadPolicy" and (meta := document.body["metadata"]).get("namespace")
    }
    system = settings_from({}).system_namespace
    projects = sorted(own - {system})
    default = namespace or (projects[0] if len(projects) == 1 else "default")
    return PolicyFiles(documents, system, default, department), checked.others


def results(source: str, department: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each case of a file or folder with its differences; errors of policies count as one."""
    world, others = _load([source], department, recursive=True)
    cases = [case for document in others for case in _cases(document)]
    if not cases:
        raise ConfigurationError(f"{source} contains no cases. Add a document with a list cases.")
    wrong: dict[str, None] = {}
    for number, case in enumerate(cases, 1):
        name = str(case.get("id", number))
        workload_type = str(case.get("type") or "workspace")
        if workload_type not in SECTIONS:
            yield name, [f"type: {workload_type} is no workload type"]
            continue
        found = world.in_force(str(case.get("namespace") or world.default_namespace), workload_type)
        wrong |= dict.fromkeys(str(error) for error in found.errors if not error.conflict)
        yield name, list(differences(case, apply_policy(found.policy, case.get("submit") or {})))
    if wrong:
        yield "policies", list(wrong)


def _cases(document: Document) -> list[Mapping[str, Any]]:
    cases = document.body.get("cases")
    if document.body.get("kind") is not None or not isinstance(cases, list):
        return []
    if not all(isinstance(case, Mapping) for case in cases):
        raise ConfigurationError(
            f"{document.file}: cases is a list of objects with id, submit and the expected result."
        )
    return cases
