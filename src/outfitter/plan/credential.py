"""The plan of a Credential: a normalised Secret in every namespace in scope. Content is compared, never hashed.

A private Credential has none: `outfitter.plan.workload.delivery` gives each workload of its creator one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from outfitter.api.v1alpha1.credential import Credential
from outfitter.naming import credential_pull_secret, credential_secret
from outfitter.plan.diff import prune
from outfitter.plan.replication import keep_copies, labelled
from outfitter.plan.used_by import uses
from outfitter.plan.writes import Plan, WritePhase, in_phase
from outfitter.problems import Problem, blocks, stalled, waiting, without_notes
from outfitter.reasons import Reason
from outfitter.render.credential import Material, compose, secrets
from outfitter.resolve.identity import needs_identity, owner
from outfitter.resolve.scope import scope_problem, targets
from outfitter.snapshot import Reader, Resource
from outfitter.status import StatusInput


def plan_credential(reader: Reader, asset: Resource) -> Plan:
    """Plan a Credential: copy the referenced Secret, normalised, and follow its rotation in place."""
    assert isinstance(asset.model, Credential)
    spec, live = asset.model.spec, asset.live
    where = targets(reader, asset)
    facts: dict[str, Any] = {
        **uses(reader, asset),
        "secretName": credential_secret(live.name),
        "pullSecretName": credential_pull_secret(live.name) if spec.type == "ngcApiKey" else None,
    }
    problems: list[Problem] = []
    problem = scope_problem(asset, reader.settings.system_namespace)
    if problem:
        problems.append(problem)
    material, problem = read_material(reader, asset)
    if problem:
        problems.append(problem)
    if spec.private:
        return _private(reader, asset, material, problems, facts)
    if problems or material is None:
        held = {child.namespace for child in reader.children(live) if child.name == credential_secret(live.name)}
        synced = len(held & set(where))
        facts["targets"] = {"desired": len(where), "synced": synced}
        # A namespace that left the scope loses its copy even if there is nothing to copy now.
        kept = [labelled(item, asset, reader.settings) for at in where for item in secrets(live.name, at, _PLACES, "")]
        gone = prune(reader, asset, ("Secret",), kept)
        status = StatusInput(False, Reason.WAITING, "", tuple(problems), facts, (0, max(len(where), 1)))
        return Plan(status, in_phase(WritePhase.EARLY, gone))
    source = reader.get("Secret", live.namespace, spec.secret_ref.name)
    version = str(source.resource_version) if source else ""
    copies = [
        labelled(item, asset, reader.settings)
        for namespace in where
        for item in secrets(live.name, namespace, material, version)
    ]
    writes, blocked = keep_copies(reader, asset, copies)
    problems += blocked
    # A namespace that left the scope loses its copy at once, even if another namespace does not answer.
    gone = prune(reader, asset, ("Secret",), copies)
    fine = len(where) - len({problem.namespace for problem in without_notes(blocked)})
    facts["targets"] = {"desired": len(where), "synced": fine}
    facts["keys"] = sorted(material.data)
    ready, counts = not blocks(live.namespace, problems), (fine, max(len(where), 1))
    status = StatusInput(ready, Reason.SYNCED, "", tuple(problems), facts, counts)
    return Plan(status, (*in_phase(WritePhase.EARLY, gone), *writes))


def _private(
    reader: Reader, asset: Resource, material: Material | None, problems: list[Problem], facts: dict[str, Any]
) -> Plan:
    """Plan a private Credential: it has no copies, because each workload of its creator gets a Secret of its own."""
    problems += _unknown_creator(reader, asset)
    facts |= {"secretName": None, "targets": {"desired": 0, "synced": 0}}
    facts["keys"] = sorted(material.data) if material is not None else None
    ready = not blocks(asset.live.namespace, problems)
    gone = in_phase(WritePhase.EARLY, prune(reader, asset, ("Secret",), ()))
    status = StatusInput(ready, Reason.SYNCED if ready else Reason.WAITING, "", tuple(problems), facts, (int(ready), 1))
    return Plan(status, gone)


def _unknown_creator(reader: Reader, asset: Resource) -> Iterator[Problem]:
    """Yield the problem of a private Credential whose creator is not known, so that no workload can use it."""
    if (absent := needs_identity(reader, "spec.private")) is not None:
        yield absent
    elif not owner(reader, asset.live):
        text = (
            "Outfitter does not know who created this Credential: it is older than the admission policy that records "
            "it. Create the Credential again."
        )
        yield stalled(Reason.IDENTITY_MISSING, text, "spec.private")


_PLACES = Material(pull={})  # both Secrets that a Credential can have in a namespace


def _is_copy(reader: Reader, namespace: str, name: str) -> bool:
    """Return whether a Secret is a copy: copies of copies would replace each other without end."""
    live = reader.get("Secret", namespace, name)
    return live is not None and bool(live.owner)


def read_material(reader: Reader, asset: Resource) -> tuple[Material | None, Problem | None]:
    """Return the normalised content of a Credential, or why there is none."""
    assert isinstance(asset.model, Credential)
    spec, namespace = asset.model.spec, asset.live.namespace
    name = spec.secret_ref.name
    source = reader.keyed_data("Secret", namespace, name, data=True)
    if source is None:
        return None, waiting(
            Reason.NOT_CREATED, f"Secret {namespace}/{name} does not exist. Create it.", "spec.secretRef"
        )
    if _is_copy(reader, namespace, name):
        text = f"Secret {namespace}/{name} is a copy that Outfitter created. Use the Secret that it was copied from."
        return None, stalled(Reason.INVALID_SPEC, text, "spec.secretRef")
    material = compose(spec, source)
    if material.missing:
        keys = ", ".join(material.missing)
        text = f"Secret {namespace}/{name} lacks these keys: {keys}. Add them, or create a Credential that names them."
        return None, waiting(Reason.KEY_NOT_FOUND, text, "spec.secretRef")
    if material.malformed:
        text = f"Key {material.malformed.key} of Secret {namespace}/{name} {material.malformed.text}"
        return None, stalled(Reason.MALFORMED_SECRET, text, "spec.secretRef")
    return material, None
