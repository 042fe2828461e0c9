"""Reads what a reconciliation needs from a cluster, with the rights of the user, who may lack some."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from outfitter.api.v1alpha1 import KINDS
from outfitter.children import CHILD_KINDS, child_kind
from outfitter.cluster.client import Client, path_of
from outfitter.cluster.resources import api_resource
from outfitter.cluster.transport import METADATA_LIST, parsed
from outfitter.errors import Forbidden, NotFound, OutfitterError
from outfitter.naming import LABEL_PROJECT
from outfitter.settings import Settings
from outfitter.status import manager_of

Body = dict[str, Any]
Place = tuple[str, str, str]
"""Kind, namespace and name."""

WITHOUT_CONTENT: Final = ("Secret", "ConfigMap")
"""Of these kinds metadata is listed, and only the content of the objects in question is read."""
_UNREAD: Final = ("Pod", "Event", "Namespace", "APIService")
_NEEDED: Final = (*(kind.name for kind in KINDS if not kind.added_later), "ControllerRevision")
"""Kinds without which a comparison would be wrong."""
_OPERATOR: Final = "app.kubernetes.io/name=outfitter"
_PREFIX: Final = "OUTFITTER_"


@dataclass
class Live:
    """The objects of a cluster, and what of it could not be read."""

    objects: list[Body] = field(default_factory=list)
    hidden: set[tuple[str, str]] = field(default_factory=set)
    """Kind and namespace that the user may not list; "" for all namespaces."""
    unserved: set[str] = field(default_factory=set)
    """Kinds that the API server does not serve."""
    settings: Settings = field(default_factory=Settings)
    settings_known: bool = False
    """Whether the settings are those of the operator."""

    def hides(self, kind: str, namespace: str) -> bool:
        """Return whether objects of a kind in a namespace are not among `objects`."""
        return bool({(kind, namespace), (kind, "")} & self.hidden)


async def read_live(client: Client, namespaces: Iterable[str], settings: Settings) -> Live:
    """Read the objects of some namespaces and the shared ones; of the whole cluster where shared ones are to change."""
    wanted = set(namespaces)
    system = settings.system_namespace
    places = [""] if system in wanted else [*sorted(wanted), system]
    found = Live()
    rows = [row for row in CHILD_KINDS if row.kind not in _UNREAD and row.enabled(settings)]
    kinds = [(row.kind, row.namespaced) for row in rows] + [(kind.name, True) for kind in KINDS]
    lists = [(kind, place) for kind, namespaced in kinds for place in (places if namespaced else [""])]
    await asyncio.gather(
        *(_list(client, kind, place, found) for kind, place in lists),
        _namespaces(client, places, found),
        _settings(client, settings, found),
    )
    needed = sorted(kind for kind, place in found.hidden if kind in _NEEDED and place in ("", *wanted))
    if needed:
        text = f"You cannot list {', '.join(dict.fromkeys(needed))} in {', '.join(sorted(wanted))}"
        raise OutfitterError(f"{text}. Ask an administrator for this permission, or choose another namespace with -n.")
    found.settings = _of_installation(found)
    return found


async def _list(client: Client, kind: str, namespace: str, found: Live) -> None:
    try:
        if kind in WITHOUT_CONTENT:
            resource = api_resource(kind)
            answer = parsed(await client.transport.request("GET", path_of(resource, namespace), accept=METADATA_LIST))
            items = answer.get("items") or ()
            found.objects += ({**item, "apiVersion": resource.api_version, "kind": kind} for item in items)
        else:
            found.objects += await client.list(kind, namespace)
    except Forbidden:
        row = child_kind(kind)
        if row is not None and row.dispensable:  # the operator works without it as well
            found.unserved.add(kind)
        else:
            found.hidden.add((kind, namespace))
    except NotFound:
        found.unserved.add(kind)


async def _namespaces(client: Client, places: Iterable[str], found: Live) -> None:
    """Read the Namespaces. One that is hidden counts as a project, because most are."""
    for place in places:
        try:
            items = [await client.get("Namespace", "", place)] if place else await client.list("Namespace")
        except Forbidden:
            found.hidden.add(("Namespace", place))
            labels = {LABEL_PROJECT: place}
            items = [{"metadata": {"name": place, "labels": labels}}] if place else []
        found.objects += ({**item, "apiVersion": "v1", "kind": "Namespace"} for item in items if item)


async def _settings(client: Client, local: Settings, found: Live) -> None:
    """Read the settings of the operator from its Deployment. Variables of this process override them."""
    found.settings = local
    try:
        items = await client.list("Deployment", local.system_namespace, label_selector=_OPERATOR)
    except Forbidden:
        return
    for item in items:
        for container in item["spec"]["template"]["spec"]["containers"]:
            given = {env["name"]: env["value"] for env in container.get("env") or () if "value" in env}
            given = {name: value for name, value in given.items() if name.startswith(_PREFIX)}
            if given:
                found.settings = _with(local, given)
                found.settings_known = True
                return


def _with(local: Settings, given: Mapping[str, str]) -> Settings:
    from outfitter.cli.run import settings_from

    names = {name.removeprefix(_PREFIX).lower(): value for name, value in given.items() if name not in os.environ}
    known = {name: value for name, value in names.items() if name in type(local).model_fields}
    # A namespace that the operator does not watch is no reason to ignore it here.
    return settings_from({**known, "kubeconfig": "", "watch_namespaces": ()})


def _of_installation(found: Live) -> Settings:
    """Return the settings, with the Lease of the installation that manages the objects."""
    marks = (manager_of(body) for body in found.objects if body.get("status"))
    mark = next((mark for mark in marks if mark), "")
    if not mark:
        return found.settings
    namespace, _, name = mark.partition("/")
    return found.settings.model_copy(update={"lease_namespace": namespace, "lease_name": name})
