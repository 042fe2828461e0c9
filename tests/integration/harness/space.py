"""One namespace of one test: short words for making things and for waiting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .client import DEADLINE, Api, Object, Predicate, ready

GROUP = "outfitter.dev"
OBJECTS = Path(__file__).parents[1] / "objects"


class Space:
    """Objects in one namespace."""

    def __init__(self, api: Api, name: str) -> None:
        self.api = api
        self.name = name

    def make(self, kind: str, name: str, spec: Any = None, *, labels: Any = None, annotations: Any = None) -> Object:
        """One of our objects."""
        meta = {"name": name, "namespace": self.name, "labels": labels or {}, "annotations": annotations or {}}
        return self.api.create({"apiVersion": f"{GROUP}/v1alpha1", "kind": kind, "metadata": meta, "spec": spec or {}})

    def create(self, file: str) -> None:
        """Create the objects of a file in `objects/`."""
        for item in yaml.safe_load_all((OBJECTS / file).read_text()):
            self.api.create({**item, "metadata": {**item["metadata"], "namespace": self.name}})

    def native(self, kind: str, name: str, **fields: Any) -> Object:
        """Somebody else's object."""
        return self.api.create({"kind": kind, "metadata": {"name": name, "namespace": self.name}, **fields})

    def secret(self, name: str, **values: str) -> Object:
        return self.native("Secret", name, stringData=values)

    def get(self, kind: str, name: str) -> Object | None:
        return self.api.get(kind, self.name, name)

    def need(self, kind: str, name: str) -> Object:
        return self.api.need(kind, self.name, name)

    def list(self, kind: str, **query: str) -> list[Object]:
        return self.api.list(kind, self.name, **query)

    def edit(self, kind: str, name: str, body: Object, *, sub: str = "") -> Object:
        """A merge patch."""
        return self.api.patch(kind, self.name, name, body, sub=sub)

    def spec(self, kind: str, name: str, **fields: Any) -> Object:
        """A merge patch of the spec."""
        return self.edit(kind, name, {"spec": fields})

    def annotate(self, kind: str, name: str, **values: str | None) -> Object:
        """Annotations of our group."""
        return self.edit(
            kind, name, {"metadata": {"annotations": {f"{GROUP}/{key}": to for key, to in values.items()}}}
        )

    def touch(self, kind: str, name: str, value: str) -> Object:
        """An annotation that means nothing: a reason to look again."""
        return self.edit(kind, name, {"metadata": {"annotations": {"example.com/touched": value}}})

    def delete(self, kind: str, name: str, **options: Any) -> None:
        self.api.delete(kind, self.name, name, **options)

    def wait(self, kind: str, name: str, done: Predicate, seconds: float = DEADLINE) -> Any:
        return self.api.wait(kind, self.name, name, done, seconds)

    def ready(self, kind: str, name: str, seconds: float = DEADLINE) -> Object:
        """The object once it is Ready for its newest spec."""
        found: Object = self.wait(kind, name, ready, seconds)
        return found

    def gone(self, kind: str, name: str, seconds: float = DEADLINE) -> None:
        self.api.gone(kind, self.name, name, seconds)

    def running(self, name: str = "box", spec: Any = None, **more: Any) -> Object:
        """A Workspace that runs."""
        self.make("Workspace", name, {"image": "registry.example.com/box:1", **(spec or {}), **more})
        return self.ready("Workspace", name)

    def template(self, name: str = "box") -> Object:
        """The pod spec of a workload."""
        found: Object = self.need("StatefulSet", name)["spec"]["template"]["spec"]
        return found

    def claims(self, name: str = "box") -> list[str]:
        """Names of the claims that a workload mounts."""
        volumes = self.template(name).get("volumes", [])
        return [each["persistentVolumeClaim"]["claimName"] for each in volumes if "persistentVolumeClaim" in each]

    def label(self, **labels: str | None) -> None:
        """Labels of our group on the namespace, as an admin sets them."""
        body = {"metadata": {"labels": {f"{GROUP}/{key}": value for key, value in labels.items()}}}
        self.api.patch("Namespace", "", self.name, body)

    def pods(self, behaviour: str | None, log: str | None = None, message: str | None = None) -> None:
        """How pods of this namespace behave from now on: ready, hang, crash, image ...

        None: as pods do where nothing is said. `log`: of failed ones; `message`: of those that succeed.
        """
        self._annotate(pods=behaviour, log=log, message=message)

    def pulled(self, digest: str) -> None:
        """The digest of the images that pods of this namespace run when they start from now on."""
        self._annotate(digest=digest)

    def _annotate(self, **values: str | None) -> None:
        annotations = {f"sandbox.outfitter.dev/{name}": value for name, value in values.items()}
        self.api.patch("Namespace", "", self.name, {"metadata": {"annotations": annotations}})
