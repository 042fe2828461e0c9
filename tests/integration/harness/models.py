"""nim Artifacts that run from a model cache, and what is seen of their caches."""

from __future__ import annotations

from typing import Any

from outfitter.naming import nim_cache

from .client import Object
from .space import Space

IMAGE = "nvcr.io/nim/llama:1"
CACHE = nim_cache(IMAGE)
MODE = {"mode": "nimCache"}


def give_key(space: Space, value: str = "abc", name: str = "ngc") -> None:
    """A tenant's own key."""
    space.secret("key", NGC_API_KEY=value)
    space.make("Credential", name, {"type": "ngcApiKey", "secretRef": {"name": "key"}})


def groups(image: str = IMAGE, key: str | None = "ngc") -> list[Object]:
    """The container groups of a nim Artifact."""
    ref = {"name": key, "key": "NGC_API_KEY"}
    variables = [{"name": "NGC_API_KEY", "source": "credential", "credential": ref}] if key else []
    return [{"containers": [{"imageUri": image, "port": 8000, "environmentVars": variables}]}]


def nim(space: Space, name: str, image: str = IMAGE, *, key: str | None = "ngc", **spec: Any) -> Object:
    """A nim Artifact that runs from a shared cache, unless `spec` says otherwise."""
    fields = {"type": "nim", "containerGroups": groups(image, key), "storage": MODE, "run": {}, **spec}
    return space.make("Artifact", name, fields)


def running(space: Space, name: str, seconds: float = 60) -> Object:
    """The Artifact once its pods are ready."""
    space.wait("Artifact", name, lambda item: item["status"]["runPhase"] == "Running", seconds)
    return space.ready("Artifact", name, seconds)


def filled(space: Space, name: str = CACHE, seconds: float = 60) -> Object:
    """The NimCache once its model is complete."""
    space.wait("NimCache", name, lambda item: item["status"]["phase"] == "Ready", seconds)
    return space.ready("NimCache", name, seconds)


def mounted(space: Space, name: str) -> str:
    """The claim that a Deployment mounts its model from."""
    spec = space.need("Deployment", name)["spec"]["template"]["spec"]
    volume = next(
        item["name"] for item in spec["containers"][0]["volumeMounts"] if item["mountPath"].endswith("/.cache")
    )
    found = next(item for item in spec["volumes"] if item["name"] == volume)
    return str(found["persistentVolumeClaim"]["claimName"])
