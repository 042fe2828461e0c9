"""Manifests to and from a real API server, and the operator as its Deployment would start it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from outfitter_sandbox import Sandbox

Manifest = dict[str, Any]
ACCOUNT = "system:serviceaccount:outfitter-system:outfitter"
_PLURALS = {
    "Registry": "registries",
    "ImageQuery": "imagequeries",
    "ImageBuild": "imagebuilds",
    "ArtifactRepository": "artifactrepositories",
    "NetworkPolicy": "networkpolicies",
    "WorkloadPolicy": "workloadpolicies",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
}
_WIDE = ("Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy",
         "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")  # fmt: skip


def path(manifest: Manifest) -> str:
    """Of an object on the API server."""
    api, kind, meta = manifest["apiVersion"], manifest["kind"], manifest["metadata"]
    root = f"/apis/{api}" if "/" in api else f"/api/{api}"
    place = "" if kind in _WIDE else f"/namespaces/{meta['namespace']}"
    return f"{root}{place}/{_PLURALS.get(kind, kind.lower() + 's')}/{meta['name']}"


def apply(sandbox: Sandbox, manifest: Manifest) -> Manifest:
    """`kubectl apply --server-side --validate=strict`."""
    query = "?fieldManager=kubectl&force=true&fieldValidation=Strict"
    result: Manifest = sandbox.connection().request(
        "PATCH", path(manifest) + query, manifest, "application/apply-patch+yaml"
    )
    return result


def get(sandbox: Sandbox, manifest: Manifest) -> Manifest:
    """As the server has it."""
    result: Manifest = sandbox.connection().request("GET", path(manifest))
    return result


def custom(kind: str, name: str, namespace: str, spec: Mapping[str, Any]) -> Manifest:
    """One of our objects."""
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "outfitter.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": dict(spec)}


def namespace(name: str, **labels: str) -> Manifest:
    """A project's namespace that enforces Pod Security restricted."""
    has = {"outfitter.dev/project": name, "pod-security.kubernetes.io/enforce": "restricted", **labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": has}}


@contextlib.contextmanager
def operator(sandbox: Sandbox, container: Manifest, folder: Path, **changed: str) -> Iterator[subprocess.Popen[bytes]]:
    """The container's command and environment as a process here, with the rights of its ServiceAccount."""
    fields = {"metadata.namespace": "outfitter-system", "metadata.name": "outfitter-0"}
    given = {
        entry["name"]: entry["value"] if "value" in entry else fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        for entry in container["env"]
    }
    # Not in a pod: its token has to come from a file, and its port may be taken here.
    here = {
        "OUTFITTER_KUBECONFIG": str(sandbox.kubeconfig_for(ACCOUNT)),
        "OUTFITTER_PROBE_PORT": "0",
        "OUTFITTER_PROBE_HOST": "127.0.0.1",
    }
    base = {name: value for name, value in os.environ.items() if not name.startswith(("OUTFITTER_", "KUBE"))}
    command = [str(Path(sys.executable).with_name("outfitter")), *container["args"]]
    with (folder / "operator.log").open("wb") as log:
        process = subprocess.Popen(command, env={**base, **given, **here, **changed}, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
