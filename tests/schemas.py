"""Checks manifests against the schemas of Kubernetes releases, offline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource


def check_manifest(manifest: Mapping[str, Any], version: str) -> None:
    """Raise jsonschema.ValidationError where Kubernetes `version` rejects a field or does not have it.

    This is `kubernetes_validate.validate(..., strict=True)`, which reads 1.5 MB of schemas in every call. Of a kind of
    another project, the Jobs and pods in it are checked.
    """
    for each in _parts(manifest):
        _validator(version, each["apiVersion"], each["kind"]).validate(dict(each))


def _parts(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The manifest, or those that its controller makes of it if Kubernetes does not have the kind."""
    if manifest["kind"] == "JobSet":
        jobs = [item["template"] for item in manifest["spec"]["replicatedJobs"]]
        yield from ({"apiVersion": "batch/v1", "kind": "Job", **job} for job in jobs)
    elif manifest["kind"] == "MPIJob":
        pods = [item["template"] for item in manifest["spec"]["mpiReplicaSpecs"].values()]
        yield from ({"apiVersion": "v1", "kind": "Pod", **pod} for pod in pods)
    elif manifest["kind"] != "PodGroup":
        yield manifest


@cache
def _definitions(version: str) -> Registry[Any]:
    return Resource.from_contents(_read(version, "_definitions")) @ Registry()


@cache
def _validator(version: str, api_version: str, kind: str) -> Draft202012Validator:
    group_version = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    schema = _read(version, f"{kind.lower()}-{group_version}")
    return Draft202012Validator(schema, registry=Resource.from_contents(schema) @ _definitions(version))


def _read(version: str, name: str) -> Any:
    return schema_contents(f"kubernetes-json-schema/v{version}.0-local-strict/{name}.json", version)
