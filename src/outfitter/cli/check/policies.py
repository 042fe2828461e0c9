"""Whether the admission policies are there, bound, and of this version. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.cli.check.definitions import Versions
from outfitter.cli.check.findings import Finding, note, ok, problem
from outfitter.cli.installation import Installation
from outfitter.installed import policy_digest

_CHECK: Final = "policies"
_OF_PROJECTS: Final = "policy-"  # these may only warn, by policy.admission
_MUTATING: Final = "identity"
_IDENTITY: Final = (_MUTATING, "identity-guard")
_VERSION_LABEL: Final = "app.kubernetes.io/version"
Body = Mapping[str, Any]


@dataclass(frozen=True)
class PolicyObjects:
    """Policies and bindings of the cluster by name. `mutating` is served from Kubernetes 1.36 on."""

    validating: Mapping[str, Body]
    validating_bindings: Mapping[str, Body]
    mutating: Mapping[str, Body]
    mutating_bindings: Mapping[str, Body]
    mutating_served: bool

    def of(self, name: str, end: str) -> tuple[str, Body | None, Body | None]:
        """Return the kind, the policy and the binding of a name."""
        if end == _MUTATING:
            return "MutatingAdmissionPolicy", self.mutating.get(name), self.mutating_bindings.get(name)
        return "ValidatingAdmissionPolicy", self.validating.get(name), self.validating_bindings.get(name)


def policy_findings(
    objects: PolicyObjects, digests: Mapping[str, str], installation: Installation, versions: Versions
) -> list[Finding]:
    """Judge the policies of an installation. A policy without object and binding was turned off."""
    found: list[Finding] = []
    off: list[str] = []
    for end, digest in digests.items():
        name = f"{installation.cluster_name}-{end}"
        kind, policy, binding = objects.of(name, end)
        if policy is None and binding is None:
            if end not in _IDENTITY or (objects.mutating_served and not installation.watched):
                off.append(end)
            continue
        wrong = _wrong(kind, name, policy, binding, versions)
        if not wrong and policy is not None and _edited(policy, digest, installation, versions):
            wrong = f"{kind} {name} was edited: it is not that of version {versions.operator}. {versions.install}"
        if wrong:
            found.append(problem(_CHECK, wrong))
        elif end.startswith(_OF_PROJECTS) and binding is not None and "Deny" not in _actions(binding):
            found.append(note(_CHECK, f"{kind}Binding {name} only warns, by policy.admission."))
    if off:
        text = f"These admission policies are off: {', '.join(off)}."
        found.append(note(_CHECK, f"{text} The page on security describes what each prevents."))
    if found and any(item.state == "problem" for item in found):
        return found
    return [ok(_CHECK, f"{len(digests) - len(off)} admission policies are in force."), *found]


def _wrong(kind: str, name: str, policy: Body | None, binding: Body | None, versions: Versions) -> str:
    if policy is None:
        return f"{kind} {name} does not exist, but its binding does. {versions.install}"
    if binding is None:
        return f"{kind}Binding {name} does not exist, so the policy has no effect. {versions.install}"
    if binding["spec"].get("policyName") != name:
        other = binding["spec"].get("policyName")
        return f"{kind}Binding {name} binds policy {other} instead of {name}. {versions.install}"
    may_warn = kind.startswith("Mutating") or f"-{_OF_PROJECTS}" in name
    if not may_warn and "Deny" not in _actions(binding):
        return f"{kind}Binding {name} does not deny anything: spec.validationActions lacks Deny. {versions.install}"
    label = (policy["metadata"].get("labels") or {}).get(_VERSION_LABEL, "")
    if versions.operator and label != versions.operator:
        which = f"is of version {label}" if label else "names no version"
        return f"{kind} {name} {which}, and the operator is of version {versions.operator}. {versions.install}"
    return ""


def _edited(policy: Body, digest: str, installation: Installation, versions: Versions) -> bool:
    """Return whether a policy of this version has another content. That of other versions is not known."""
    if not digest or versions.operator != versions.command:
        return False
    return policy_digest(policy["spec"], installation.user, installation.shared) != digest


def _actions(binding: Body) -> list[str]:
    return list(binding["spec"].get("validationActions") or ())
