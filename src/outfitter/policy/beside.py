"""What a workload has beside its own fields: volumes of DataSources, and connections, as items that rules judge.

No default of a policy changes them: they are judged as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outfitter.policy.declared import item_key
from outfitter.policy.effective import Items, Section
from outfitter.policy.imposed import KINDS, ImposedAsset, clean_path
from outfitter.policy.items import judge, leaves_of, nested
from outfitter.policy.values import get, shown
from outfitter.policy.violation import Violation
from outfitter.resolve.merge import Merged
from outfitter.resolve.volumes import Volume
from outfitter.snapshot import Resource

_SERVING: Final = "ServingPort"
_URL: Final = "ExternalUrl"


@dataclass(frozen=True)
class BesideItem:
    """One item of the list at `path`. `silent`: the values of fields that are not written."""

    path: str
    fields: Mapping[str, Any]
    silent: Mapping[str, Any]


def violations_beside(section: Section, items: Iterable[BesideItem]) -> Iterator[Violation]:
    """Yield what items break that a workload has beside its own fields."""
    policies = {each.table.path: each for each in section.items}
    paths = {asset.mount_path: asset for asset in section.imposed}
    for item in items:
        policy = policies.get(item.path)
        if policy is not None:
            yield from _violations(policy, item, paths)


def _violations(policy: Items, item: BesideItem, imposed: Mapping[str, ImposedAsset]) -> Iterator[Violation]:
    table = policy.table
    leaves, silent = leaves_of(table, item.fields), leaves_of(table, item.silent)
    key = item_key(table, item.fields)
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


def data_source_items(section: Section, attached: Sequence[Volume], merged: Merged) -> Iterator[BesideItem]:
    """Yield the volumes of the DataSources that a workload names; those that policies impose as well are left out.

    One that has the name of another volume of its type gets another key: they are two volumes.
    """
    for volume in attached:
        asset = volume.use.asset
        kind = _kind(asset)
        if asset is None or not kind:
            continue
        path = f"storage.{kind}"
        written = asset.body["spec"][kind]
        mount = "mountPath" if "mountPath" in written else "path"
        given = {**written, **({mount: volume.use.mount_path} if volume.use.mount_path else {})}
        names = _names(section, merged, path)
        name = f"DataSource {asset.live.name}" if asset.live.name in names else asset.live.name
        yield BesideItem(path, {**given, "id" if kind == "dataVolume" else "name": name}, _complete(asset, kind))


def _kind(asset: Resource | None) -> str:
    return next((kind for kind in sorted(KINDS) if asset.body["spec"].get(kind)), "") if asset else ""


def _complete(asset: Resource, kind: str) -> dict[str, Any]:
    """Return the volume of a DataSource with the values that the API gives to fields which it does not set."""
    spec: dict[str, Any] = asset.model.spec.model_dump(by_alias=True, exclude_none=True, mode="json")
    return dict(spec.get(kind) or {})


def _names(section: Section, merged: Merged, path: str) -> set[str]:
    inline = get(merged.fields, path.split(".")) or ()
    policies = [each.instances for each in section.items if each.table.path == path]
    return {str(item.get("name", item.get("id"))) for item in inline} | {name for each in policies for name in each}


def connection_items(section: Section, merged: Merged) -> Iterator[BesideItem]:
    """Yield the connections of a workload as ports and exposed URLs, which is what becomes of them."""
    for item in merged.fields.get("connections") or ():
        kind, port = item.get("connectionType"), item.get("containerPort")
        if kind is None or port is None or kind == _SERVING:
            continue
        path = "exposedUrls" if kind == _URL else "ports"
        name = item["name"] if item["name"] not in _names(section, merged, path) else f"connection {item['name']}"
        fields = {"name": name, "container": port, "toolType": item.get("toolType")}
        if kind == _URL:
            fields["url"] = item.get("externalUrl")
        else:
            fields |= {"serviceType": kind, "external": item.get("nodePort")}
        yield BesideItem(path, fields, {})


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
