"""Whether a namespace is ready for workloads. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from outfitter.api.quantities import parse_quantity
from outfitter.cli.check.findings import Finding, names, note, ok, problem
from outfitter.naming import LABEL_DEPARTMENT, LABEL_ELEVATION, LABEL_PROJECT

_ENFORCE: Final = "pod-security.kubernetes.io/enforce"
_COMPUTE: Final = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
Body = Mapping[str, Any]


def rival_findings(namespace: str, servers: Sequence[str]) -> list[Finding]:
    """Report a namespace that several installations serve. `servers`: their titles."""
    if len(servers) < 2:
        return []
    text = f"Namespace {namespace} is served by {len(servers)} installations: {', '.join(servers)}."
    fix = "The first to write the status of an object manages it. Set watchNamespaces so that one serves the Namespace."
    return [problem("project", f"{text} {fix}")]


def label_finding(name: str, labels: Mapping[str, str], *, shared: bool) -> Finding:
    """Judge the label that makes a namespace a project. `shared`: it is the namespace of shared assets."""
    if shared:
        return ok("project", f"Namespace {name} holds the shared assets.")
    project, department = labels.get(LABEL_PROJECT, ""), labels.get(LABEL_DEPARTMENT, "")
    if not project:
        fix = f"An administrator can run: kubectl label namespace {name} {LABEL_PROJECT}={name}"
        return note("project", f"Namespace {name} has no label {LABEL_PROJECT}, so it cannot use shared assets. {fix}")
    of = f" of department {department}" if department else ""
    return ok("project", f"Namespace {name} is project {project}{of}.")


def security_finding(name: str, labels: Mapping[str, str], nfs: str) -> Finding:
    """Judge the Pod Security level. `nfs`: the setting nfsBackend."""
    level = labels.get(_ENFORCE, "")
    elevated = labels.get(LABEL_ELEVATION) == "allowed"
    if elevated and level in ("restricted", "baseline"):
        text = f"Namespace {name} allows elevated pods, but enforces Pod Security {level}, which rejects most of them."
        return note("pod security", text)
    if level == "restricted" and nfs == "inline":
        return ok(
            "pod security", f"Namespace {name} enforces restricted. Its pods cannot mount nfs (nfsBackend: inline)."
        )
    if not level:
        return ok("pod security", f"Namespace {name} sets no Pod Security level: the default of the cluster counts.")
    return ok("pod security", f"Namespace {name} enforces {level}.")


def quota_findings(name: str, quotas: Sequence[Body]) -> list[Finding]:
    """Judge the ResourceQuotas: what is used up, and what every pod must then name."""
    full: list[str] = []
    named: set[str] = set()
    for quota in quotas:
        status = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        named.update(key for key in hard if key in _COMPUTE)
        for key in sorted(hard):
            taken = str(used.get(key, "0"))
            if 0 < parse_quantity(str(hard[key])) <= parse_quantity(taken):
                full.append(f"{key} of ResourceQuota {quota['metadata']['name']} ({taken} of {hard[key]})")
    found: list[Finding] = []
    if full:
        found.append(note("quota", f"Namespace {name} has used up {names(full)}. Free some, or raise the quota."))
    if named:
        text = f"A quota of Namespace {name} counts {', '.join(sorted(named))}: pods that do not set them are rejected."
        found.append(note("quota", f"{text} Use a ComputeResource that does."))
    return found or [ok("quota", f"No quota of Namespace {name} is used up.")]
