"""Whether a cluster is fit for Outfitter. Pure: answers of the API server in, findings out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from outfitter.api.quantities import parse_quantity
from outfitter.cli.check.findings import Finding, names, note, ok, problem

_IMAGE_VOLUMES: Final = (1, 35)
_DEFAULT_INGRESS: Final = "ingressclass.kubernetes.io/is-default-class"
_DEFAULT_STORAGE: Final = "storageclass.kubernetes.io/is-default-class"
_GPU: Final = re.compile(r"(?:nvidia|amd|gpu\.intel)\.com/(?:gpu|mig-|i915|xe)")
_HAMI: Final = "hami.io/node-"
_OPTIONAL: Final = {
    "jobset.x-k8s.io": ("JobSet", "DistributedTrainings with backend jobset"),
    "kubeflow.org": ("MPIJob", "DistributedTrainings with backend kubeflow"),
}
Setting = Callable[[str], str]
Body = Mapping[str, Any]


def version_finding(found: Body, server: str, oldest: tuple[int, int]) -> Finding:
    """Judge the version of the API server."""
    text = str(found.get("gitVersion") or f"{found.get('major')}.{found.get('minor')}")
    version = _number(found)
    if version and version < oldest:
        fix = f"Outfitter needs {'.'.join(map(str, oldest))} or newer. Upgrade the cluster."
        return problem("kubernetes", f"{server} is Kubernetes {text}. {fix}")
    return ok("kubernetes", f"{server} is Kubernetes {text}.")


def feature_findings(found: Body, *, mutating: bool) -> list[Finding]:
    """Report what the version of the API server adds. `mutating`: MutatingAdmissionPolicy is served."""
    version = _number(found)
    images = "Pods can mount images." if version >= _IMAGE_VOLUMES else ""
    return [
        ok("image volumes", images)
        if images
        else note("image volumes", "Pods cannot mount images before Kubernetes 1.35, unless a feature gate is on."),
        ok("author stamps", "MutatingAdmissionPolicy is served, so objects can be stamped with their authors.")
        if mutating
        else note(
            "author stamps", "MutatingAdmissionPolicy is served from Kubernetes 1.36 on. Objects have no author stamps."
        ),
    ]


def _number(found: Body) -> tuple[int, ...]:
    """Return major and minor version; () if the answer lacks them."""
    numbers = [re.match(r"\d+", str(found.get(part, ""))) for part in ("major", "minor")]
    version = tuple(int(number[0]) for number in numbers if number)
    return version if len(version) == 2 else ()


def ingress_finding(classes: Sequence[Body], setting: Setting | None) -> Finding:
    """Judge the IngressClasses. `setting`: those of the operator, None before the installation."""
    known = sorted(item["metadata"]["name"] for item in classes)
    default = [item["metadata"]["name"] for item in classes if _marked(item, _DEFAULT_INGRESS)]
    domain, chosen = (setting("domain"), setting("ingress_class")) if setting else ("", "")
    if setting and not domain:
        return note("ingress", "settings.domain is not set, so ExternalUrl connections are rejected.")
    if chosen and chosen not in known:
        there = f"The cluster has: {', '.join(known)}." if known else "The cluster has none."
        return problem("ingress", f"IngressClass {chosen} of settings.ingressClass does not exist. {there}")
    if chosen or default:
        return ok("ingress", f"Ingresses get class {chosen or names(default)}.")
    fix = "Install an ingress controller" if not known else f"Set settings.ingressClass to one of {', '.join(known)}"
    return (problem if domain else note)("ingress", f"No IngressClass is the default. {fix} for connection URLs.")


def storage_finding(classes: Sequence[Body]) -> Finding:
    """Judge the StorageClasses."""
    default = [item["metadata"]["name"] for item in classes if _marked(item, _DEFAULT_STORAGE)]
    if not default:
        fix = f"Set storageClass in them, or annotate one with {_DEFAULT_STORAGE}=true."
        return note("storage", f"No StorageClass is the default, so claims without a class stay Pending. {fix}")
    if len(default) > 1:
        return note("storage", f"StorageClasses {names(default)} are all the default. Kubernetes uses the newest one.")
    return ok("storage", f"StorageClass {default[0]} is the default.")


def gpu_finding(nodes: Iterable[Body]) -> Finding:
    """Report the GPUs that the nodes offer."""
    total: dict[str, int] = {}
    for node in nodes:
        for name, value in ((node.get("status") or {}).get("allocatable") or {}).items():
            if _GPU.match(name):
                total[name] = total.get(name, 0) + int(parse_quantity(str(value)))
    found = [f"{count} {name}" for name, count in sorted(total.items()) if count]
    if not found:
        return note("gpus", "No node offers a GPU. Install the device plugin of your GPUs, if the nodes have some.")
    return ok("gpus", f"The nodes offer {', '.join(found)}.")


def backend_findings(groups: Collection[str], nodes: Iterable[Body], setting: Setting | None) -> list[Finding]:
    """Judge what the settings of the operator need, and report the optional controllers of distributed trainings."""
    gpu, queue = (setting("gpu_backend"), setting("queue_backend")) if setting else ("none", "none")
    found: list[Finding] = []
    needed = {
        "scheduling.run.ai": ("KAI", [f"{key}: kai" for key, value in _backends(gpu, queue) if value == "kai"]),
        "kueue.x-k8s.io": ("Kueue", [f"{key}: kueue" for key, value in _backends(gpu, queue) if value == "kueue"]),
        "resource.k8s.io": ("dynamic resource allocation", ["gpuBackend: dra"] if gpu == "dra" else []),
    }
    for group, (title, settings) in needed.items():
        if settings:
            found.append(_needed(title, " and ".join(settings), "API group " + group, there=group in groups))
    if gpu == "hami":
        there = any(key.startswith(_HAMI) for node in nodes for key in node["metadata"].get("annotations") or {})
        found.append(_needed("HAMi", "gpuBackend: hami", "an annotation of HAMi on a node", there=there))
    for group, (kind, use) in _OPTIONAL.items():
        if group in groups:
            found.append(ok("distributed", f"API group {group} is served, for {use}."))
        else:
            found.append(note("distributed", f"API group {group} is not served. {use} need {kind} and its controller."))
    return found


def _backends(gpu: str, queue: str) -> tuple[tuple[str, str], ...]:
    return ("gpuBackend", gpu), ("queueBackend", queue)


def _needed(title: str, settings: str, sign: str, *, there: bool) -> Finding:
    if there:
        return ok("scheduler", f"{title} is installed, for {settings}.")
    return problem(
        "scheduler", f"The settings have {settings}, but {sign} is missing. Install {title}, or change them."
    )


def _marked(item: Body, annotation: str) -> bool:
    return (item["metadata"].get("annotations") or {}).get(annotation) == "true"
