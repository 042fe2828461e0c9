"""Scheduling and pod-level fields of a submission -> pod spec: where a pod may run, how it ends, its labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from outfitter.api.patterns import LABEL_VALUE_PATTERN, matches
from outfitter.api.version import GROUP
from outfitter.problems import Problem, note
from outfitter.reasons import Reason
from outfitter.render.pod import PodPatch
from outfitter.render.reserved import left_out
from outfitter.resolve.workload import Spec
from outfitter.settings import Settings


def pod_patch(spec: Spec, source: str, selector: dict[str, str], settings: Settings) -> tuple[PodPatch, list[Problem]]:
    """Return node selection, affinity, tolerations, grace period, and labels and annotations of the user."""
    problems: list[Problem] = []
    affinity: dict[str, Any] = {}
    node = _node_affinity(spec, settings)
    if node:
        affinity["nodeAffinity"] = node
    if spec.pod_affinity and spec.pod_affinity.key:
        affinity["podAffinity"] = _pod_affinity(spec.pod_affinity, selector)
    pod: dict[str, Any] = {
        "nodeSelector": {settings.node_type_label: spec.node_type} if spec.node_type else None,
        "affinity": affinity or None,
        "tolerations": [_toleration(item) for item in spec.tolerations if not item.exclude] or None,
        "terminationGracePeriodSeconds": spec.termination_grace_period_seconds,
    }
    labels, annotations, left = user_metadata(spec, settings)
    problems += left
    if spec.category:
        # Free text that is no label value becomes an annotation.
        where = labels if matches(LABEL_VALUE_PATTERN, spec.category) else annotations
        where.setdefault(f"{GROUP}/category", spec.category)
    part = PodPatch(
        source,
        labels=labels,
        annotations=annotations,
        pod={key: value for key, value in pod.items() if value is not None},
    )
    return part, problems


def user_metadata(spec: Spec, settings: Settings) -> tuple[dict[str, str], dict[str, str], list[Problem]]:
    """Return labels and annotations of the user, and a note for each that is left out."""
    labels, problems = user_labels(spec.labels, settings)
    annotations, more = user_labels(spec.annotations, settings, "annotations")
    return labels, annotations, problems + more


def user_labels(
    items: Iterable[Any], settings: Settings, field: str = "labels"
) -> tuple[dict[str, str], list[Problem]]:
    """Return labels of the user, or annotations, and a note for each that is left out."""
    kept: dict[str, str] = {}
    problems: list[Problem] = []
    for item in items:
        if item.exclude:
            continue
        if why := left_out(item.name, settings):
            what = "Label" if field == "labels" else "Annotation"
            problems.append(note(Reason.RESERVED, f"{what} {item.name} {why}", f"spec.{field}[{item.name}]"))
        else:
            kept[item.name] = item.value or ""
    return kept, problems


def _node_affinity(spec: Spec, settings: Settings) -> dict[str, Any]:
    pools = list(spec.node_pools)
    required = spec.node_affinity_required.node_selector_terms if spec.node_affinity_required else ()
    terms = [
        [{k: v for k, v in expression.to_dict().items() if v != []} for expression in term.match_expressions]
        for term in required
    ]
    result: dict[str, Any] = {}
    if pools:
        member = {"key": settings.node_pool_label, "operator": "In", "values": pools}
        # Terms are alternatives, so each of them requires the pools.
        terms = [[*expressions, member] for expressions in terms] or [[member]]
        if len(pools) > 1:
            result["preferredDuringSchedulingIgnoredDuringExecution"] = [
                {
                    "weight": max(100 - rank, 1),
                    "preference": {"matchExpressions": [{**member, "values": [pool]}]},
                }
                for rank, pool in enumerate(pools)
            ]
    if terms:
        result["requiredDuringSchedulingIgnoredDuringExecution"] = {
            "nodeSelectorTerms": [{"matchExpressions": expressions} for expressions in terms]
        }
    return result


def _pod_affinity(affinity: Any, selector: dict[str, str]) -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": selector}, "topologyKey": affinity.key}
    if affinity.type == "Preferred":
        return {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}


def _toleration(item: Any) -> dict[str, Any]:
    entry = {
        "key": item.key,
        "operator": item.operator or "Equal",
        "value": item.value,
        "effect": None if item.effect == "Any" else item.effect,
        "tolerationSeconds": item.seconds,
    }
    return {key: value for key, value in entry.items() if value is not None}
