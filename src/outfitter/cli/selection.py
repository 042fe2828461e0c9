"""What `outfitter status` lists: kinds, objects, and selectors of labels and fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from outfitter.api.v1alpha1 import KINDS, kind_of
from outfitter.cli.target import Target
from outfitter.errors import Invalid

if TYPE_CHECKING:
    from outfitter.children import ApiResource
    from outfitter.cluster.client import Client


@dataclass(frozen=True)
class Selection:
    """Kinds and objects, all if there are none, and selectors in the syntax of kubectl."""

    targets: tuple[Target, ...] = ()
    labels: str = ""
    fields: str = ""

    @property
    def kinds(self) -> list[str]:
        """The kinds to list, in the order of the API."""
        chosen = {item.kind.name for item in self.targets}
        return [kind.name for kind in KINDS if not chosen or kind.name in chosen]

    @property
    def named(self) -> bool:
        """Whether it has objects, not only kinds."""
        return any(item.name for item in self.targets)

    def includes(self, kind: str, name: str) -> bool:
        """Return whether an object is one of the targets."""
        return not self.targets or any(item.kind.name == kind and item.name in ("", name) for item in self.targets)

    def narrowed(self, resource: ApiResource) -> ApiResource:
        """Return a resource whose watch has the selectors."""
        return replace(resource, watch=replace(resource.watch, label_selector=self.labels, field_selector=self.fields))

    def missing(self, objects: Sequence[Mapping[str, Any]]) -> Iterator[Target]:
        """Yield the targets without an object."""
        found = {(item["kind"], item["metadata"]["name"]) for item in objects}
        for item in self.targets:
            if item.name and (item.kind.name, item.name) not in found:
                yield item


async def read(client: Client, selection: Selection, namespace: str) -> list[dict[str, Any]]:
    """Read the objects, by kind, namespace and name, without managedFields."""
    import asyncio

    lists = await asyncio.gather(*(_of(client, kind, selection, namespace) for kind in selection.kinds))
    objects = [item for items in lists for item in sorted(items, key=_namespace_and_name)]
    for item in objects:
        item["metadata"].pop("managedFields", None)
    return objects


async def selected(client: Client, selection: Selection, namespace: str) -> list[Target]:
    """Return the objects to change: the targets, or those of their kinds that have the labels."""
    if not selection.labels:
        return list(selection.targets)
    items = await read(client, selection, namespace)
    return [Target(kind_of(item["kind"]), item["metadata"]["name"]) for item in items]


async def _of(client: Client, kind: str, selection: Selection, namespace: str) -> list[dict[str, Any]]:
    fields = selection.fields
    names = {item.name for item in selection.targets if item.kind.name == kind}
    if len(names) == 1 and "" not in names:
        fields = ",".join(filter(None, (fields, f"metadata.name={names.pop()}")))
    try:
        items = await client.list(kind, namespace, label_selector=selection.labels, field_selector=fields)
    except Invalid as error:
        # Without a kind on the command line, the kinds that lack the field have no such objects.
        if error.status == 400 and selection.fields and not selection.targets and "field label" in error.message:
            return []
        raise
    return [item for item in items if selection.includes(kind, item["metadata"]["name"])]


def _namespace_and_name(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
