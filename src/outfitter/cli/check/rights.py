"""The rights that the operator and a user need, and how missing ones are reported. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from outfitter.api.v1alpha1 import GROUP, KINDS
from outfitter.children import CHILD_KINDS
from outfitter.cli.check.findings import Finding, names, note, ok, problem
from outfitter.cli.installation import Installation
from outfitter.cluster import access

_LATER: Final = frozenset(kind.plural for kind in CHILD_KINDS if kind.dispensable)
"""Without a right on these, the operator does without them."""


@dataclass(frozen=True)
class Right:
    """One verb on one resource. `use`: the commands that need it; "" for a right to write workloads."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""
    use: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        """The resourceAttributes of an access review."""
        resource, _, part = self.resource.partition("/")
        found = {"verb": self.verb, "group": self.group, "resource": resource, "subresource": part}
        return {**found, "namespace": self.namespace, "name": self.name}

    @property
    def text(self) -> str:
        """For use in a message."""
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {resource}" + (f" in {self.namespace}" if self.namespace else "")


def operator_rights(installation: Installation) -> list[Right]:
    """Return the rights that the operator needs with its settings."""
    home, lease = installation.lease
    found = {
        Right(verb, row.group, row.resource, namespace, name)
        for row in access.table(lease)
        for namespace in _places(row.scope, installation, home)
        for verb in row.verbs
        for name in row.names or ("",)
    }
    return sorted(found, key=lambda right: right.text)


def _places(scope: access.Scope, installation: Installation, home: str) -> Iterable[str]:
    """Return the namespaces in which a row counts; "" for the whole cluster."""
    watched = installation.watched
    if scope == "system":
        return (home,)
    if scope == "namespace-object":
        return watched
    if scope == "cluster":
        return () if watched else ("",)
    if scope == "volumes":
        on = bool(installation.setting("static_pv_drivers")) or installation.setting("s3_backend") == "csi"
        return ("",) if on else ()
    if scope == "roles" and installation.setting("shared_roles").lower() != "true":
        return ()
    if scope == "devices" and installation.setting("gpu_backend") != "dra":
        return ()
    return watched or ("",)


def operator_finding(installation: Installation, needed: Sequence[Right], missing: Sequence[Right]) -> list[Finding]:
    """Judge the rights of the operator."""
    title = f"ServiceAccount {installation.namespace}/{installation.account}"
    hard = [right.text for right in missing if right.resource not in _LATER]
    soft = [right.text for right in missing if right.resource in _LATER]
    found: list[Finding] = []
    if hard:
        fix = "Apply the roles of the operator's version again."
        found.append(problem("operator rights", f"{title} lacks the right to {names(hard)}. {fix}"))
    if soft:
        found.append(note("operator rights", f"{title} lacks the right to {names(soft)}, and does without."))
    return found or [ok("operator rights", f"{title} has all {len(needed)} rights that it needs.")]


def user_rights(namespace: str) -> Iterator[Right]:
    """Yield the rights of a user of a project."""
    for kind in KINDS:
        if kind.workload:
            for verb in ("create", "patch", "delete"):
                yield Right(verb, GROUP, kind.plural, namespace)
    # The admission policy `requester` asks for it.
    yield Right("create", "", "pods", namespace)
    for verb, resource, use in (
        ("list", "pods", "trace"),
        ("get", "pods/log", "logs"),
        ("create", "pods/exec", "exec"),
        ("create", "pods/portforward", "open"),
        ("list", "events", "trace"),
    ):
        yield Right(verb, "", resource, namespace, use=use)


def user_findings(namespace: str, missing: Sequence[Right]) -> list[Finding]:
    """Judge the rights of the user."""
    hard = [f"{right.verb} {right.resource}" for right in missing if not right.use]
    found: list[Finding] = []
    if hard:
        fix = "Ask an administrator for a RoleBinding to ClusterRole edit or outfitter-creator."
        found.append(problem("your rights", f"You cannot {names(hard)} in Namespace {namespace}. {fix}"))
    for right in missing:
        if right.use:
            text = (
                f"You cannot {right.verb} {right.resource} in Namespace {namespace}, as `outfitter {right.use}` does."
            )
            found.append(note("your rights", text))
    return found or [ok("your rights", f"You can run workloads in Namespace {namespace}.")]


def installer_rights() -> Iterator[Right]:
    """Yield the rights of the user who installs Outfitter."""
    rbac, admission = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
    for group, resource in (
        ("", "namespaces"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        (rbac, "clusterroles"),
        (rbac, "clusterrolebindings"),
        (admission, "validatingadmissionpolicies"),
        (admission, "validatingadmissionpolicybindings"),
    ):
        for verb in ("create", "patch"):
            yield Right(verb, group, resource)
    yield Right("escalate", rbac, "clusterroles")


def installer_finding(missing: Sequence[Right]) -> Finding:
    """Judge the rights of the user who installs Outfitter."""
    if missing:
        text = f"You cannot {names([right.text for right in missing])}. Install Outfitter as an administrator."
        return problem("your rights", text)
    return ok("your rights", "You can install Outfitter.")
