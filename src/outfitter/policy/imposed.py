"""Assets that a policy mounts into every workload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from outfitter.api.refs import DataSourceRef
from outfitter.api.shape import did_you_mean
from outfitter.api.v1alpha1.policyfields import SECTIONS, policy_fields
from outfitter.policy.rule import Source
from outfitter.policy.values import shown
from outfitter.resolve.merge import clean_path

_CREDENTIALS: Final = ("credential", "secretRef", "accessKeySecret", "passwordSecret", "secret")
"""Fields of a volume that name a login."""
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "config-map": "configMapVolume",
    "secret-volume": "secretVolume",
    "data-volume": "dataVolume",
}
KINDS: Final = frozenset(path.partition(".")[2] for path in policy_fields("workspace") if path.startswith("storage."))
"""Fields of `storage`: the kinds of data sources."""


_FIELDS: Final = {
    "name": "is no name of a DataSource. Use lower case letters, digits, hyphens and dots.",
    "scope": "is no scope. Use project, department, cluster or tenant, or remove it.",
}
"""Fields of a reference, and what is wrong with one that is not valid."""


@dataclass(frozen=True)
class ImposedAsset:
    """A data source that a policy mounts into every workload."""

    name: str
    kind: str
    """The field of `storage` of its type; empty if it is not known."""
    volume: Mapping[str, Any] = field(default_factory=dict)
    """The volume as an inline item of that field. Empty if the data source does not exist or cannot be used."""
    credential: bool = False
    """It refers to a credential."""
    scope: str = ""
    """Scope of the reference, if it names one."""
    section: str = ""
    """worker or master of a distributed workload."""
    source: Source = field(default_factory=lambda: Source("project"))

    @property
    def storage(self) -> str:
        """The field of `storage`."""
        return _OTHER_NAMES.get(self.kind, self.kind)

    @property
    def mount_path(self) -> str:
        """Where it is mounted, in its shortest form."""
        return clean_path(str(self.volume.get("mountPath") or self.volume.get("path") or ""))


def imposed_fault(asset: ImposedAsset) -> tuple[str, str] | None:
    """Return why an asset cannot be imposed, as reason and message; None if it can."""
    if asset.credential or asset.storage == "secretVolume" or any(asset.volume.get(name) for name in _CREDENTIALS):
        text = f"DataSource {asset.name} refers to a credential, which cannot be imposed on workloads of other users."
        return "credential", text
    if asset.storage not in KINDS or not asset.volume:
        text = f"DataSource {asset.name} does not exist in this scope. Create it, or remove it from imposedAssets."
        return "asset-missing", text
    return None


def _entries(spec: Mapping[str, Any], workload_type: str) -> Iterator[tuple[str, str, Any]]:
    """Yield section, field and value of each entry of imposedAssets; a wrong list is one entry."""
    given = spec.get("imposedAssets")
    sections = SECTIONS[workload_type]
    lists = {"": given} if "" in sections else given
    for section, entries in lists.items() if isinstance(lists, Mapping) else ():
        where = f"{section}.imposedAssets" if section else "imposedAssets"
        if section in sections and isinstance(entries, list):
            yield from ((section, f"{where}[{number}]", entry) for number, entry in enumerate(entries))
        elif section in sections and section and entries is not None:
            yield section, where, entries


def _wrong(entry: Any) -> str:
    """Return the field of a reference that is not valid, `.` for all of it, or nothing."""
    if not isinstance(entry, Mapping):
        return "."
    try:
        DataSourceRef.model_validate({field: entry.get(field) for field in _FIELDS})
    except ValidationError as error:
        return str(error.errors()[0]["loc"][0])
    return ""


def imposed_references(spec: Mapping[str, Any], workload_type: str) -> Iterator[tuple[str, DataSourceRef]]:
    """Yield section and reference of each imposed asset of a policy; what is no reference is left out."""
    for section, where, entry in _entries(spec, workload_type):
        if where.endswith("]") and not _wrong(entry):
            yield section, DataSourceRef(name=entry["name"], scope=entry.get("scope"))


def reference_faults(spec: Mapping[str, Any], workload_type: str) -> Iterator[tuple[str, str, str]]:
    """Yield field, reason and message of what is no reference among the imposed assets."""
    for _, where, entry in _entries(spec, workload_type):
        wrong = _wrong(entry) if where.endswith("]") else "."
        if wrong == ".":
            shape = "an object with name" if where.endswith("]") else "a list"
            yield where, "unsupported", f"{where} is {shape}, not {shown(entry)}."
        elif wrong:
            given = "" if entry.get(wrong) is None else f" {shown(entry[wrong])}"
            yield f"{where}.{wrong}", "unsupported", f"{wrong}{given or ' is missing or'} {_FIELDS[wrong]}"


def shape_faults(workload_type: str, imposed: Any) -> Iterator[tuple[str, str, str]]:
    """Yield field, reason and message of what is wrong with the shape of imposedAssets."""
    named = "" not in SECTIONS[workload_type]
    if named and isinstance(imposed, Mapping):
        for section in imposed.keys() - SECTIONS[workload_type].keys():
            yield (
                f"imposedAssets.{section}",
                "unknown",
                f"imposedAssets has lists in worker and master, not in {section}.",
            )
        for section in SECTIONS[workload_type]:
            if imposed.get(section) is not None:
                yield from _item_faults(f"{section}.imposedAssets", imposed[section])
        return
    if imposed is None:
        return
    if named or not isinstance(imposed, list):
        shape = "lists in worker and master" if named else "a list"
        yield "imposedAssets", "unsupported", f"imposedAssets of a {workload_type} policy is {shape}."
        return
    yield from _item_faults("imposedAssets", imposed)


def _item_faults(path: str, items: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the unknown fields of references to imposed assets."""
    for item in items if isinstance(items, list) else ():
        for key in item.keys() - _FIELDS.keys() if isinstance(item, Mapping) else ():
            if item[key] is not None:
                text = f"An imposed asset has no field {key}.{did_you_mean(key, sorted(_FIELDS))}"
                yield f"{path}[{shown(item.get('name'))}].{key}", "unknown", text
