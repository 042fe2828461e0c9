"""What a workload has beside its own fields: volumes of DataSources, and connections, as items that rules judge.

No default of a policy changes them: they are judged as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from outfitter.policy.declared import item_key
from outfitter.policy.effective import Items, Section
from outfitter.policy.imposed import KINDS, ImposedAsset
from outfitter.policy.items import judge, leaves_of, nested
from outfitter.policy.values import get, shown
from outfitter.policy.violation import Violation
from outfitter.resolve.merge import clean_path
from outfitter.resolve.volumes import Volume
from outfitter.snapshot import Resource

_SERVING: Final = "ServingPort"
_URL: Final = "ExternalUrl"


@dataclass(frozen=True)
class BesideItem:
    """One item of the list at `path`. `silent`: the values of fields that are not written."""

    path: str
    title: str
    """What it is: `DataSource sets`, `connection lab`."""
    fields: Mapping[str, Any]
    silent: Mapping[str, Any]


def violations_beside(
    section: Section, items: Iterable[BesideItem], submission: Mapping[str, Any]
) -> Iterator[Violation]:
    """Yield what items break that a workload has beside the fields of its submission."""
    policies = {each.table.path: each for each in section.items}
    paths = {asset.mount_path: asset for asset in section.imposed}
    for item in items:
        policy = policies.get(item.path)
        if policy is not None:
            yield from _violations(policy, item, paths, submission)


def _violations(
    policy: Items, item: BesideItem, imposed: Mapping[str, ImposedAsset], submission: Mapping[str, Any]
) -> Iterator[Violation]:
    table = policy.table
    leaves, silent = leaves_of(table, item.fields), leaves_of(table, item.silent)
    key = item_key(table, item.fields)
    own = {item_key(table, each) for each in get(submission, policy.parts) or () if isinstance(each, Mapping)}
    if key in own or key in policy.instances:
        key = item.title  # two items, though they have one name
    where = f"{table.path}.instances[{key}]"
    if not policy.can_add:
        yield Violation(where, "canAdd", shown(nested(leaves)), "", policy.instances_source)
    found: list[Violation] = []
    judge(
        policy, key, {**{path: silent[path] for path in policy.attributes if path in silent}, **leaves}, leaves, found
    )
    yield from found
    mount_path = leaves.get(table.mount_path)
    asset = imposed.get(clean_path(mount_path)) if isinstance(mount_path, str) else None
    if asset is not None and table.path.startswith("storage."):
        yield Violation(where, "mountPath", shown(mount_path), asset.name, asset.source)


def data_source_items(attached: Iterable[Volume]) -> Iterator[BesideItem]:
    """Yield the volumes of the DataSources that a workload names."""
    for volume in attached:
        asset = volume.use.asset
        found = data_source_item(asset) if asset else None
        if found is not None:
            path = volume.use.mount_path
            fields = {
                **found.fields,
                **({"mountPath" if "mountPath" in found.fields else "path": path} if path else {}),
            }
            yield replace(found, fields=fields)


def data_source_item(asset: Resource) -> BesideItem | None:
    """Return a DataSource as an inline volume; None for one of no known type."""
    kind = next((kind for kind in sorted(KINDS) if asset.body["spec"].get(kind)), "")
    if not kind:
        return None
    complete: dict[str, Any] = asset.model.spec.model_dump(by_alias=True, exclude_none=True, mode="json")
    fields = {**asset.body["spec"][kind], "id" if kind == "dataVolume" else "name": asset.live.name}
    return BesideItem(f"storage.{kind}", f"DataSource {asset.live.name}", fields, complete.get(kind) or {})


def connection_items(submission: Mapping[str, Any]) -> Iterator[BesideItem]:
    """Yield the connections of a submission as ports and exposed URLs, which is what becomes of them."""
    for item in submission.get("connections") or ():
        kind, port = item.get("connectionType"), item.get("containerPort")
        if kind is None or port is None or kind == _SERVING:
            continue
        fields = {"name": item["name"], "container": port, "toolType": item.get("toolType")}
        if kind == _URL:
            fields["url"] = item.get("externalUrl")
        else:
            fields |= {"serviceType": kind, "external": item.get("nodePort")}
        yield BesideItem("exposedUrls" if kind == _URL else "ports", f"connection {item['name']}", fields, {})


def with_serving_port(submission: dict[str, Any]) -> dict[str, Any]:
    """Return a submission whose connection of type ServingPort is its servingPort, for the rules of that."""
    found = next((item for item in submission.get("connections") or () if item.get("connectionType") == _SERVING), None)
    if found is None or found.get("containerPort") is None:
        return submission
    port = {"container": found["containerPort"], "protocol": found.get("protocol")}
    given = {name: value for name, value in port.items() if value is not None}
    return {**submission, "servingPort": {**given, **(submission.get("servingPort") or {})}}


def without_connection(fields: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Remove from `fields` the servingPort that is nothing but a connection in fact."""
    if given.get("servingPort") or "servingPort" not in fields:
        return
    of_connection = with_serving_port(dict(given)).get("servingPort") or {}
    if fields["servingPort"].keys() <= of_connection.keys():
        del fields["servingPort"]


def others(attached: Sequence[Volume], imposed: Sequence[Resource]) -> tuple[list[Volume], list[Volume]]:
    """Return the volumes of DataSources that policies do not impose as well, and those that they do."""
    uids = {asset.live.uid for asset in imposed}
    own: list[Volume] = []
    known: list[Volume] = []
    for volume in attached:
        (known if volume.use.asset and volume.use.asset.live.uid in uids else own).append(volume)
    return own, known


def moved(known: Iterable[Volume], imposed: Iterable[ImposedAsset]) -> Iterator[Violation]:
    """Yield the imposed DataSources that a workload names with another mount path."""
    by_name = {asset.name: asset for asset in imposed}
    for volume in known:
        path, asset = volume.use.mount_path, by_name.get(volume.use.name)
        if path and asset is not None and clean_path(path) != asset.mount_path:
            where = f"storage.{asset.storage}.instances[{asset.name}]"
            yield Violation(where, "locked", shown(path), asset.mount_path, asset.source)
