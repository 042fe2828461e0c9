"""All checks of a cluster: read what each needs, and judge it. What the user may not read is a note."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from typing import Any, Final

from outfitter.api.version import GROUP
from outfitter.children import ApiResource
from outfitter.cli.check import cluster, definitions, operator, policies, project, rights
from outfitter.cli.check.definitions import Versions
from outfitter.cli.check.findings import Finding, note, problem
from outfitter.cli.installation import Installation, find_installations
from outfitter.cli.reader import (
    CRD,
    INGRESS_CLASS,
    MUTATING,
    MUTATING_BINDING,
    NAMESPACE,
    NODE,
    QUOTA,
    STORAGE_CLASS,
    VALIDATING,
    VALIDATING_BINDING,
    Reader,
)
from outfitter.cluster.client import path_of
from outfitter.cluster.listing import served_plurals
from outfitter.cluster.resources import api_resource
from outfitter.errors import Forbidden, NotFound
from outfitter.installed import Installed, installed

_LOOK_SECONDS: Final = 1.0
Work = Awaitable[list[Finding]]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    title: str
    findings: tuple[Finding, ...]


async def before_installation(reader: Reader) -> list[Section]:
    """Check a cluster without Outfitter."""
    about = installed()
    return [
        await _cluster(reader, about, None),
        Section("you", tuple(await _guarded("your rights", _installer(reader)))),
    ]


async def all_sections(reader: Reader, system: str, namespace: str, tell: Tell) -> list[Section]:
    """Check a cluster with Outfitter, and a namespace. `system`: where the operator is if the user can list nowhere."""
    about = installed()
    try:
        chosen = await find_installations(reader, system)
    except Forbidden as error:
        unread = Section("outfitter", (_not_checked("operator", error),))
        crds = Section("crds", tuple(await _guarded("crds", _crds(reader, about, Versions(_command(), "")))))
        return [await _cluster(reader, about, None), crds, unread, await _namespace(reader, [], namespace)]
    chosen = chosen or [Installation(system)]
    proven = [item for item in chosen if item.proven]
    versions = Versions(_command(), operator.newest(item.version for item in proven or chosen))
    setting = chosen[0].setting if chosen[0].deployment else None
    crd_checks = await _guarded("crds", _crds(reader, about, versions))
    sections = [
        # The settings of several operators are judged with each of them.
        await _cluster(reader, about, setting, for_operator=len(proven) < 2),
        Section("crds", (*operator.shared_crds(proven), *crd_checks)),
    ]
    for installation in chosen:
        sections.append(await _installation(reader, about, installation, proven, tell))
    return [*sections, await _namespace(reader, proven or chosen, namespace)]


def _command() -> str:
    return installed_version("outfitter")


async def _guarded(check: str, work: Work) -> list[Finding]:
    """Return the findings of a check; a note if the user may not read what it needs."""
    try:
        return await work
    except Forbidden as error:
        return [_not_checked(check, error)]


def _not_checked(check: str, error: Forbidden) -> Finding:
    return note(check, f"not checked: {error.message.rpartition(' is forbidden: ')[2]}.")


async def _joined(*works: tuple[str, Work]) -> tuple[Finding, ...]:
    found = await asyncio.gather(*(_guarded(check, work) for check, work in works))
    return tuple(item for items in found for item in items)


async def _cluster(
    reader: Reader, about: Installed, setting: cluster.Setting | None, *, for_operator: bool = True
) -> Section:
    """Check the cluster. `for_operator`: with what the settings of the operator ask for."""

    async def version() -> list[Finding]:
        found = await reader.get("/version") or {}
        mutating = await reader.serves(MUTATING)
        first = cluster.version_finding(found, reader.server, about.kubernetes)
        return [first, *cluster.feature_findings(found, mutating=mutating)]

    async def storage() -> list[Finding]:
        return [cluster.storage_finding(await reader.items(STORAGE_CLASS))]

    async def gpus() -> list[Finding]:
        return [cluster.gpu_finding(await reader.items(NODE))]

    asked = _settings(reader, setting) if for_operator else []
    works = [("kubernetes", version()), *asked[:1], ("storage", storage()), ("gpus", gpus()), *asked[1:]]
    return Section("cluster", await _joined(*works))


def _settings(reader: Reader, setting: cluster.Setting | None) -> list[tuple[str, Work]]:
    """Return the checks of a cluster that depend on the settings of an operator."""

    async def ingress() -> list[Finding]:
        return [cluster.ingress_finding(await reader.items(INGRESS_CLASS), setting)]

    async def backends() -> list[Finding]:
        nodes = await reader.items(NODE) if setting and setting("gpu_backend") == "hami" else []
        return cluster.backend_findings(await reader.groups(), nodes, setting)

    return [("ingress", ingress()), ("scheduler", backends())]


async def _crds(reader: Reader, about: Installed, versions: Versions) -> list[Finding]:
    plurals = list(about.crds)
    try:
        found = await asyncio.gather(*(reader.object(CRD, f"{plural}.{GROUP}") for plural in plurals))
    except Forbidden:
        try:
            served = await served_plurals(reader.transport)
        except NotFound:
            served = frozenset()
        return definitions.served_findings(served, about.crds, versions)
    return definitions.crd_findings(dict(zip(plurals, found, strict=True)), about.crds, versions)


async def _installation(
    reader: Reader, about: Installed, installation: Installation, proven: Sequence[Installation], tell: Tell
) -> Section:
    """Check an installation. `proven`: all that have the rights of an operator, this one perhaps among them."""
    versions = Versions(_command(), installation.version)
    works: list[tuple[str, Work]] = [("operator", _operator(reader, installation, versions))]
    if not installation.deployment:  # the names of its objects are not known
        return Section(f"installation {installation.title}", await _joined(*works))
    works += [
        ("leader", _leader(reader, installation, tell)),
        ("policies", _policies(reader, about, installation, versions)),
        ("operator rights", _operator_rights(reader, installation)),
    ]
    if len(proven) > 1:
        works += _settings(reader, installation.setting)
    found = await _joined(*works)
    return Section(f"installation {installation.title}", (*found, *operator.shared_lease(installation, proven)))


async def _operator(reader: Reader, installation: Installation, versions: Versions) -> list[Finding]:
    if installation.deployment:
        return [operator.deployment_finding(installation), operator.skew_finding(versions)]
    text = "No Deployment of the operator exists."
    lease = await _lease(reader, installation)
    if lease is not None and operator.holder(lease) and operator.is_fresh(lease, datetime.now(UTC)):
        where = "It runs elsewhere, such as on a laptop, so neither its rights nor its policies are checked."
        return [note("operator", f"{text} {operator.holder(lease)} leads. {where}")]
    return [problem("operator", f"{text} Install Outfitter with its chart or install.yaml.")]


async def _lease(reader: Reader, installation: Installation) -> Mapping[str, Any] | None:
    namespace, name = installation.lease
    return await reader.get(path_of(api_resource("Lease"), namespace, name))


async def _leader(reader: Reader, installation: Installation, tell: Tell) -> list[Finding]:
    """Look at the Lease again for its duration if it seems old: the clock of this machine can be wrong."""
    before = after = await _lease(reader, installation)
    fresh = before is not None and operator.is_fresh(before, datetime.now(UTC))
    if before is not None and operator.holder(before) and not fresh:
        tell("Waiting for a renewal of the Lease")
        end = time.monotonic() + operator.look_seconds(before)
        while after == before and time.monotonic() < end:
            await asyncio.sleep(_LOOK_SECONDS)
            after = await _lease(reader, installation)
    return [operator.lease_finding("/".join(installation.lease), before, after, fresh=fresh)]


async def _policies(reader: Reader, about: Installed, installation: Installation, versions: Versions) -> list[Finding]:
    async def by_name(resource: ApiResource) -> dict[str, Any]:
        return {item["metadata"]["name"]: item for item in await reader.items(resource)}

    objects = policies.PolicyObjects(
        validating=await by_name(VALIDATING),
        validating_bindings=await by_name(VALIDATING_BINDING),
        mutating=await by_name(MUTATING),
        mutating_bindings=await by_name(MUTATING_BINDING),
        mutating_served=await reader.serves(MUTATING),
    )
    return policies.policy_findings(objects, about.policies, installation, versions)


async def _operator_rights(reader: Reader, installation: Installation) -> list[Finding]:
    needed = rights.operator_rights(installation)
    missing = await _missing(reader, needed, installation.user, installation.groups)
    return rights.operator_finding(installation, needed, missing)


async def _missing(
    reader: Reader, needed: Iterable[rights.Right], user: str = "", groups: tuple[str, ...] = ()
) -> Sequence[rights.Right]:
    every = list(needed)
    answers = await asyncio.gather(*(reader.may(right.attributes, user, groups) for right in every))
    return [right for right, allowed in zip(every, answers, strict=True) if not allowed]


async def _installer(reader: Reader) -> list[Finding]:
    return [rights.installer_finding(await _missing(reader, rights.installer_rights()))]


async def _namespace(reader: Reader, known: Sequence[Installation], namespace: str) -> Section:
    installation = next((item for item in known if item.serves(namespace)), None)

    async def labels() -> list[Finding]:
        found = await reader.object(NAMESPACE, namespace)
        if found is None:
            return [problem("project", f"Namespace {namespace} does not exist. Create it, or choose another with -n.")]
        given = found["metadata"].get("labels") or {}
        nfs = installation.setting("nfs_backend") if installation else ""
        text = f"No operator serves Namespace {namespace}. To run workloads there, add it to watchNamespaces."
        served = [note("project", text)] if known and not installation else []
        served += project.rival_findings(namespace, [item.title for item in known if item.serves(namespace)])
        shared = installation is not None and namespace == installation.shared
        label = project.label_finding(namespace, given, shared=shared)
        return [*served, label, project.security_finding(namespace, given, nfs)]

    async def quotas() -> list[Finding]:
        return project.quota_findings(namespace, await reader.items(QUOTA, namespace))

    async def own() -> list[Finding]:
        return rights.user_findings(namespace, await _missing(reader, rights.user_rights(namespace)))

    found = await _joined(("project", labels()), ("quota", quotas()), ("your rights", own()))
    return Section(f"namespace {namespace}", found)
