"""Maximal objects, and what the operator makes of them: children, statuses and messages."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from outfitter.api.v1alpha1 import kind_of
from outfitter.api.v1alpha1.workloadtemplate import TEMPLATE_FIELDS
from outfitter.naming import ANNOTATION_DIGEST, ANNOTATION_SOURCE_VERSION
from outfitter.simulator.caches import OUR_KINDS
from stamps import created_by, enforce
from world import World, complete, condition

from .leaves import within

Body = dict[str, Any]
Outcome = dict[str, str]
ROOT: Final = Path(__file__).parent / "variants"
MOST_STEPS: Final = 16
SUBJECT: Final = "subject"
# Reasons by which a status says that a field has no effect.
NOT_HONOURED: Final = ("Unsupported", "FractionsUnsupported", "ScaleToZeroUnsupported", "NotEnforced")
_SERVER_FIELDS: Final = ("uid", "resourceVersion", "generation", "creationTimestamp", "ownerReferences")
_MIRRORS: Final = (ANNOTATION_DIGEST, ANNOTATION_SOURCE_VERSION)


class Variant:
    """One file: options of the world, objects that exist before, the subject, objects that are applied with it.

    Option `seconds`: how long the clock runs once everything has settled. Option `author`: the API server stamps who
    wrote each object, and it is this user.
    """

    def __init__(self, path: Path, kind: str = "", changed: Callable[[Body], Body] = dict, prefix: str = "") -> None:
        self.name = prefix + path.stem
        documents = _documents(path)
        for item in documents:
            if kind and item.get("metadata", {}).get("name") == SUBJECT:
                item["kind"] = kind  # another kind with the same fields
                item["spec"] = changed(item["spec"])
        self._options = {} if "kind" in documents[0] else documents.pop(0)
        self._seconds = self._options.pop("seconds", 0)
        self._author = self._options.pop("author", "")
        objects = [complete(item) for item in documents]
        number = next(index for index, item in enumerate(objects) if item["metadata"]["name"] == SUBJECT)
        self.before, self.subject, self.after = objects[:number], objects[number], objects[number + 1 :]
        self.reporting = [self.subject]  # objects whose status may say that a field has no effect
        self._base: World | None = None
        self._original: tuple[World, list[Outcome]] | None = None

    async def steps(self, subject: Body) -> AsyncIterator[World]:
        """A world with `subject`, after every step until it has settled."""
        if self._base is None:
            replaced = {_place(item) for item in self.before}
            common = [item for item in _common() if _place(item) not in replaced]
            self._base = World(*common, *map(self._written, self.before), **self._options)
            if self._author:
                enforce(self._base)
            await self._base.settle()
        world = self._base.fork()
        world.load(map(self._written, [subject, *self.after]))
        for seconds in (0, self._seconds) if self._seconds else (0,):
            world.tick(seconds)
            for _ in range(MOST_STEPS):
                last = await world.step()
                yield world
                if last.settled:
                    break

    def _written(self, body: Body) -> Body:
        """The object as the API server stores it."""
        return created_by(self._author, body) if self._author and body["kind"] in OUR_KINDS else body

    async def original(self) -> tuple[World, list[Outcome]]:
        """The world with the subject of the file, and its outcome after every step."""
        if self._original is None:
            outcomes = []
            async for world in self.steps(self.subject):
                outcomes.append(outcome(world))
            self._original = world, outcomes
        return self._original

    async def differs(self, subject: Body) -> bool:
        """Whether another subject has another outcome after any step."""
        _, original = await self.original()
        number = 0
        async for world in self.steps(subject):
            if number == len(original) or outcome(world) != original[number]:
                return True
            number += 1
        return number < len(original)

    async def stalled(self) -> bool:
        """Whether the subject is refused."""
        world, _ = await self.original()
        return any(condition(status, "Stalled") is not None for status in self._statuses(world))

    def _statuses(self, world: World) -> list[Body]:
        return [
            world.status(item["kind"], item["metadata"]["name"], item["metadata"]["namespace"])
            for item in self.reporting
        ]

    async def not_honoured(self, leaf: str) -> bool:
        """Whether the status of the subject says that a leaf, or a field around it, has no effect."""
        world, _ = await self.original()
        issues = [
            item["message"]
            for status in self._statuses(world)
            for item in status.get("issues", ())
            if item["issue"] in NOT_HONOURED
        ]
        fields = {re.sub(r"\[[^]]*\]", "[]", text.partition(": ")[0]).removeprefix("spec.") for text in issues}
        # The fields of `run` are merged with those of the definition, and reported as if they were theirs.
        return any(within(name, field) for name in (leaf, leaf.removeprefix("run.")) for field in fields)


class Templated(Variant):
    """The same, with the fields of the subject in a WorkloadTemplate that a workload starts from."""

    def __init__(self, path: Path, kind: str = "", changed: Callable[[Body], Body] = dict, prefix: str = "") -> None:
        super().__init__(path, kind, changed, prefix)
        workload, spec = self.subject, self.subject["spec"]
        given = {name: value for name, value in spec.items() if name in _OF_A_TEMPLATE}
        self.name = f"{workload['kind'].lower()}-{self.name}"
        self.subject = complete(
            {
                "kind": "WorkloadTemplate",
                "metadata": {**workload["metadata"]},
                "spec": {"workloadType": _type_of(workload["kind"]), **given},
            }
        )
        rest = {name: value for name, value in spec.items() if name not in _OF_A_TEMPLATE}
        user = {**workload, "metadata": {**workload["metadata"], "name": "user"}}
        user["spec"] = {**rest, "template": {"name": SUBJECT}}
        self.after = [user, *self.after]
        self.reporting = [self.subject, user]


def _type_of(kind: str) -> str:
    """The type of workload that a kind is."""
    traits = kind_of(kind).runs
    assert traits is not None
    return traits.name


_OF_A_TEMPLATE: Final = {*TEMPLATE_FIELDS, "assets", "masterSpec"}


def _documents(path: Path) -> list[Body]:
    return [item for item in yaml.load_all(path.read_text(), yaml.CSafeLoader) if item]


@cache
def _common() -> tuple[Body, ...]:
    return tuple(complete(item) for item in _documents(ROOT / "common.yaml"))


@cache
def variants(kind: str) -> tuple[Variant, ...]:
    """The variants of a kind."""
    found: list[Variant] = [Variant(path) for path in sorted((ROOT / kind.lower()).glob("*.yaml"))]
    if kind == "WorkloadTemplate":
        names = ("workspace", "training", "distributedtraining", "inference")
        of_workloads = (path for name in names for path in sorted((ROOT / name).glob("*.yaml")))
        found += [Templated(path) for path in of_workloads if not path.stem.startswith(_OF_ARTIFACTS)]
        found += [Templated(path, "DistributedTraining", _of_master, "master-") for path in _of_groups()]
    if kind == "Training":
        of_workspaces = sorted((ROOT / "workspace").glob("*.yaml"))
        found += [Variant(path, kind) for path in of_workspaces if path.stem not in _KEPT_RUNNING]
    if kind == "DistributedTraining":
        found += [Variant(path, kind, _of_workers) for path in _of_groups()]
        found += [Variant(path, kind, _of_master, "master-") for path in _of_groups()]
    return tuple(found)


def _of_groups() -> list[Path]:
    """The variants of other kinds whose fields workers and masters have too."""
    paths = [*sorted((ROOT / "workspace").glob("*.yaml")), *sorted((ROOT / "training").glob("*.yaml"))]
    of_pods = [path for path in paths if path.parent.name == "training" or path.stem not in _KEPT_RUNNING]
    return [path for path in of_pods if path.stem not in _NOT_OF_GROUPS]


def _of_workers(spec: Body) -> Body:
    return {**spec, "distributedFramework": "JAX", "backend": "native"}


def _of_master(spec: Body) -> Body:
    master = {name: value for name, value in spec.items() if name not in _ONLY_OF_THE_WHOLE}
    return {"image": master["image"], "distributedFramework": "PyTorch", "backend": "native", "masterSpec": master}


_ONLY_OF_THE_WHOLE: Final = ("description", "displayName", "suspend")
_NOT_OF_GROUPS: Final = ("running", "template")
_KEPT_RUNNING: Final = ("everything", "not-supported", "longest", "idle")
_OF_ARTIFACTS: Final = ("version", "draft")


def _place(body: Body) -> tuple[str, str, str]:
    return body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]


_DESCRIBING: Final = ("combinedSpec", "updatedAt")


def outcome(world: World) -> Outcome:
    """Every object in a form that can be compared, without uids, versions and whatever only mirrors the input."""
    revisions = [body["metadata"]["name"] for body in world.all("ControllerRevision")]
    found = {}
    for body in world.cluster.objects():
        if body["kind"] == "ControllerRevision":
            continue
        # The combined fields of a template say what they are, not what they do.
        status = {name: value for name, value in (body.get("status") or {}).items() if name not in _DESCRIBING}
        text = json.dumps(status if body["kind"] in OUR_KINDS else _child(body), sort_keys=True)
        for name in revisions:
            text = text.replace(name, "<revision>")
        found["/".join(_place(body))] = text
    return found


def _child(body: Body) -> Body:
    meta = {key: value for key, value in body["metadata"].items() if key not in _SERVER_FIELDS}
    annotations = {key: value for key, value in meta.get("annotations", {}).items() if key not in _MIRRORS}
    rest = {key: value for key, value in body.items() if key not in ("metadata", "status")}
    return {**rest, "metadata": {**meta, "annotations": annotations}}
