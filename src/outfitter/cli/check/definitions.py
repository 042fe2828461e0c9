"""Whether the CRDs are complete, served, and of this version. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.api.version import GROUP, VERSION
from outfitter.cli.check.crd_fields import differing_fields
from outfitter.cli.check.findings import Finding, note, ok, problem
from outfitter.installed import crd_digest

_CHECK: Final = "crds"
_VERSION_LABEL: Final = "app.kubernetes.io/version"
Body = Mapping[str, Any]


@dataclass(frozen=True)
class Versions:
    """The version of this command, and that of the operator ("" if it is not known)."""

    command: str
    operator: str

    @property
    def install(self) -> str:
        """What to do about something that is missing."""
        return f"Upgrade the Helm release, or apply install.yaml of version {self.operator or self.command} again."


def crd_findings(crds: Mapping[str, Body | None], digests: Mapping[str, str], versions: Versions) -> list[Finding]:
    """Judge the CustomResourceDefinitions by plural; None for one that does not exist."""
    if not any(crds.values()):
        text = "No CustomResourceDefinition of Outfitter exists. Install Outfitter with its chart or install.yaml."
        return [problem(_CHECK, text)]
    found: list[Finding] = []
    newer: list[str] = []
    for plural, digest in digests.items():
        crd = crds.get(plural)
        wrong = _broken(crd) if crd else f"does not exist. {versions.install}"
        if crd and not wrong and crd_digest(crd) != digest:
            label = (crd["metadata"].get("labels") or {}).get(_VERSION_LABEL, "")
            if label == versions.operator != versions.command:
                newer.append(plural)
                continue
            wrong = _other(label, versions, differing_fields(plural, crd))
        if wrong:
            found.append(problem(_CHECK, f"CustomResourceDefinition {plural}.{GROUP} {wrong}"))
    if newer:
        text = f"{len(newer)} CustomResourceDefinitions are of version {versions.operator}, as the operator is."
        found.append(note(_CHECK, f"{text} Their fields are not compared with those of this command."))
    return found or [ok(_CHECK, f"{len(digests)} CustomResourceDefinitions are those of version {versions.command}.")]


def served_findings(served: frozenset[str], digests: Mapping[str, str], versions: Versions) -> list[Finding]:
    """Judge by discovery alone, for a user who may not read the CRDs."""
    missing = [plural for plural in digests if plural not in served]
    text = f"The API server does not serve {', '.join(missing)}. {versions.install}"
    found = [problem(_CHECK, text)] if missing else [ok(_CHECK, f"All {len(digests)} kinds are served.")]
    return [*found, note(_CHECK, "not checked: versions and fields. You may not get customresourcedefinitions.")]


def _broken(crd: Body) -> str:
    """Return why a definition does not work; "" if it does."""
    spec, status = crd["spec"], crd.get("status") or {}
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    if crd["metadata"].get("deletionTimestamp"):
        return "is being deleted, and with it all its objects. Wait until it is gone, then install it again."
    if conditions.get("NamesAccepted", {}).get("status") == "False":
        reason = str(conditions["NamesAccepted"].get("message", "")).rstrip(".")
        return f"conflicts with another one: {reason}. Rename or remove the other one."
    if (spec.get("conversion") or {}).get("strategy") == "Webhook":
        return "converts objects by a webhook, which Outfitter does not have. Set spec.conversion.strategy to None."
    served = [item["name"] for item in spec["versions"] if item.get("served")]
    if VERSION not in served:
        return f"does not serve version {VERSION}, only {', '.join(served)}. Install the one of this version."
    stored = [name for name in status.get("storedVersions") or () if name not in served]
    if stored:
        return f"has stored objects of version {', '.join(stored)}, which is not served. Migrate them."
    for name, bad in (("Established", "False"), ("NonStructuralSchema", "True")):
        item = conditions.get(name, {})
        if item.get("status", "False" if name == "Established" else "") == bad:
            return f"has condition {name}={bad}: {item.get('message') or 'the API server has not accepted it yet'}."
    return ""


def _other(label: str, versions: Versions, fields: str) -> str:
    """Return what is wrong with a definition with other fields than this version has."""
    differs = f" It differs in {fields}." if fields else ""
    if label == versions.command:
        return f"was edited: its schema is not that of version {label}.{differs} {versions.install}"
    which = f"is of version {label}" if label else "is of another version"
    if versions.operator == versions.command:
        return f"{which}, and the operator of version {versions.operator}.{differs} {versions.install}"
    return f"{which}: its schema is not that of version {versions.command}.{differs} {versions.install}"
