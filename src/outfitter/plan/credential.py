"""plan() of a Credential: the normalised Secret in every namespace in scope. Material is compared, never hashed."""

from __future__ import annotations

from typing import Any

from outfitter.api.v1alpha1.credential import Credential
from outfitter.canonical import covers, stamp
from outfitter.naming import credential_pull_secret, credential_secret, owner_labels
from outfitter.plan.base import Apply, Create, Delete, Op, Plan, claim, surplus
from outfitter.plan.usage import used_by
from outfitter.problems import Level, Problem, stalled, unsupported, waiting
from outfitter.render.credential import Material, compose, secrets
from outfitter.render.owner import owner_reference
from outfitter.resolve.scope import scope_problem, targets
from outfitter.snapshot import Asset, View
from outfitter.status import Draft


def plan_credential(view: View, asset: Asset) -> Plan:
    """Copy the referenced Secret, normalised, to where it may be used; follow its rotation in place."""
    assert isinstance(asset.model, Credential)
    spec, live = asset.model.spec, asset.live
    where = targets(view, asset)
    facts: dict[str, Any] = {
        "usedBy": used_by(view.users),
        "secretName": credential_secret(live.name),
        "pullSecretName": credential_pull_secret(live.name) if spec.type == "ngcApiKey" else None,
    }
    problems: list[Problem] = []
    problem = scope_problem(asset, view.settings.system_namespace)
    if problem:
        problems.append(problem)
    if spec.private:
        problems.append(unsupported("spec.private", "a private credential needs the requester's identity"))
    material, problem = _material(view, asset)
    if problem:
        problems.append(problem)
    if problems or material is None:
        synced = len({child.namespace for child in view.children(live.uid) if child.kind == "Secret"} & set(where))
        facts["targets"] = {"desired": len(where), "synced": synced}
        return Plan(Draft(False, "Waiting", "", tuple(problems), facts, (0, max(len(where), 1))))
    source = view.live("Secret", live.namespace, spec.secret_ref.name)
    version = str(source.resource_version) if source else ""
    ops: list[Op] = []
    wanted: list[dict[str, Any]] = []
    fine = 0
    for namespace in where:
        done, found = _one(view, asset, namespace, material, version, wanted)
        ops += done
        problems += found
        fine += not found
    gone: list[Op] = list(surplus(view, asset, ("Secret",), wanted))
    facts["targets"] = {"desired": len(where), "synced": fine}
    facts["keys"] = sorted(material.data)
    serious = any(problem.level > Level.NOTE for problem in problems)
    draft = Draft(not serious, "Synced", "", tuple(problems), facts, (fine, max(len(where), 1)))
    return Plan(draft, tuple(tuple(step) for step in (ops, gone) if step))


def _material(view: View, asset: Asset) -> tuple[Material | None, Problem | None]:
    assert isinstance(asset.model, Credential)
    spec, namespace = asset.model.spec, asset.live.namespace
    name = spec.secret_ref.name
    source = view.native("Secret", namespace, name, data=True)
    if source is None:
        return None, waiting("NotCreated", f"Secret {namespace}/{name} does not exist: create it", "spec.secretRef")
    if view.wanted:
        return None, None  # fetched next, then looked at again
    material = compose(spec, source)
    if material.missing:
        keys = ", ".join(material.missing)
        text = f"Secret {namespace}/{name} has no key {keys}: add it, or name the right key under spec.keys"
        return None, waiting("KeyNotFound", text, "spec.secretRef")
    if material.malformed:
        return None, stalled("MalformedSecret", f"Secret {namespace}/{name}: {material.malformed}", "spec.secretRef")
    return material, None


def _one(
    view: View, asset: Asset, namespace: str, material: Material, version: str, wanted: list[dict[str, Any]]
) -> tuple[list[Op], list[Problem]]:
    """The writes for one namespace, and what stands in the way there."""
    ops: list[Op] = []
    problems: list[Problem] = []
    live = asset.live
    labels = owner_labels(live.kind, live.name, live.uid)
    for manifest in secrets(live.name, namespace, material, labels, version):
        if namespace == live.namespace:
            manifest["metadata"]["ownerReferences"] = [owner_reference(asset)]
        wanted.append(manifest)
        name = manifest["metadata"]["name"]
        found = view.peek("Secret", namespace, name)
        if found is None:
            ops.append(Create(stamp(manifest)))
            continue
        blocked = claim(found, asset)
        if blocked is not None:
            if blocked.reason == "NameTaken" and namespace != live.namespace:
                text = f"Secret {namespace}/{name} exists and is not Outfitter's: delete or rename it"
                blocked = stalled("ReplicationError", text, namespace=namespace)
            problems.append(blocked)
            view.depend("Secret", namespace, name)
            continue
        held = view.native("Secret", namespace, name, data=True)
        if held is None or view.wanted:
            continue
        meta = {"labels": labels, "ownerReferences": manifest["metadata"].get("ownerReferences", [])}
        if held.type != manifest["type"]:
            ops.append(Delete(found))
        elif dict(held.data or {}) != manifest["data"] or not covers(meta, found.body["metadata"]):
            ops.append(Apply(stamp(manifest), found.uid))
    return ops, problems
