"""CustomResourceDefinitions from files, usable when this returns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from outfitter.errors import Conflict, NotFound, api_error
from outfitter_sandbox.connection import Connection
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.processes import wait_until

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def apply(connection: Connection, source: Path, seconds: float = 60) -> None:
    """Create or replace every CRD in a file, or in a folder's *.yaml; wait until each is Established and served."""
    files = [source] if source.is_file() else sorted(source.glob("*.yaml"))
    loaded = [each for file in files for each in yaml.load_all(file.read_bytes(), yaml.CSafeLoader)]
    definitions = [each for each in loaded if each and each.get("kind") == "CustomResourceDefinition"]
    if not definitions:
        raise SandboxError(
            f"{source} holds no CustomResourceDefinition in YAML. Generate the CRDs first, or name another folder."
        )
    for each in definitions:
        _put(connection, each)
    for each in definitions:
        if not wait_until(lambda each=each: _served(connection, each), seconds):  # type: ignore[misc]
            name = each["metadata"]["name"]
            conditions = connection.request("GET", f"{CRDS}/{name}").get("status", {}).get("conditions", [])
            raise SandboxError(f"The CRD {name} is not served after {seconds:.0f} s. Its conditions: {conditions}")


def _put(connection: Connection, definition: dict[str, Any]) -> None:
    status, answer = connection.answer("POST", CRDS, definition)
    if status == 201:
        return
    if status != 409:
        raise api_error(
            status, answer.get("reason", ""), f"{definition['metadata']['name']}: {answer.get('message', answer)}"
        )
    path = f"{CRDS}/{definition['metadata']['name']}"

    def replaced() -> bool:
        version = connection.request("GET", path)["metadata"]["resourceVersion"]
        try:
            connection.request(
                "PUT", path, definition | {"metadata": definition["metadata"] | {"resourceVersion": version}}
            )
        except Conflict:  # the server's own controllers write the status of a young CRD
            return False
        return True

    if not wait_until(replaced, 10):
        raise SandboxError(
            f"{path} changes faster than it can be replaced. Find out who else writes it, or delete it first."
        )


def _served(connection: Connection, definition: dict[str, Any]) -> bool:
    spec = definition["spec"]
    status = connection.request("GET", f"{CRDS}/{definition['metadata']['name']}").get("status", {})
    if not any(each["type"] == "Established" and each["status"] == "True" for each in status.get("conditions") or ()):
        return False
    for version in (each["name"] for each in spec["versions"] if each["served"]):
        try:
            listed = connection.request("GET", f"/apis/{spec['group']}/{version}")["resources"]
        except NotFound:
            return False
        if spec["names"]["plural"] not in [each["name"] for each in listed]:
            return False
    return True
