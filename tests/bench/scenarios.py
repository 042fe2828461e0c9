"""What is measured: which objects are made N times, what they share, and what each of them must cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from outfitter.api.v1alpha1 import kind_of
from outfitter.api.version import API_VERSION
from outfitter.naming import nim_cache

from .objects import PER_NAMESPACE, SYSTEM, Object
from .witness import Request

IMAGES = 10  # of the cached artifacts, each in a namespace of its own
# What all objects of a scenario use together. Its writes do not belong to any one of them: status.usedBy, and how the
# caches come into being.
_SHARED = frozenset({"environments", "computeresources", "nimcaches", "persistentvolumeclaims", "jobs"})

# Made on demand for an object, and there to outlive it.
NOBODYS = frozenset({"artifactrepositories"})


@dataclass(frozen=True)
class Scenario:
    """`children` and `statuses`: resource -> how many POSTs, and how many writes of status, one object needs.

    Among the children is what is made on demand and belongs to nobody (`is_owned` tells it apart).
    The statuses are the fewest there can be; where an object passes through more of them, a watch shows which.
    """

    name: str
    kind: str
    make: Callable[[str, int], Object]
    assets: Callable[[], list[tuple[str, Object]]]
    children: Mapping[str, int]
    statuses: Mapping[str, int]
    namespace: Callable[[int], str] = lambda number: f"team-{number // PER_NAMESPACE:03}"
    images: Sequence[str] = ()  # models for which objects wait until the bench says that they are downloaded
    department: str = ""  # of all namespaces

    @property
    def plural(self) -> str:
        """Resource of what is made N times."""
        return kind_of(self.kind).plural

    @property
    def child_count(self) -> int:
        """POSTs for each object."""
        return sum(self.children.values())

    @property
    def write_count(self) -> int:
        """All writes for each object, at least."""
        return self.child_count + sum(self.statuses.values())

    def objects(self, count: int) -> list[Object]:
        """Those that throughput is measured with."""
        return [self.make(f"{self.name[:3]}-{number:05}", number) for number in range(count)]

    def path(self, namespace: str = "") -> str:
        """Of the collection, in one namespace or in all."""
        return f"/apis/{API_VERSION}/" + (f"namespaces/{namespace}/" if namespace else "") + self.plural

    def is_child(self, request: Request) -> bool:
        """Whether it made a child."""
        return request.verb == "create" and request.resource in self.children and request.code < 300

    def is_owned(self, request: Request) -> bool:
        """Whether it made a child that goes with the object: what somebody who applies one waits for."""
        return self.is_child(request) and request.resource not in NOBODYS

    def is_status(self, request: Request) -> bool:
        """Whether it wrote the status of one of the objects, or of what belongs to it."""
        return request.is_status and request.resource in self.statuses

    def is_own_status(self, request: Request) -> bool:
        """Whether it wrote the status of one of the objects."""
        return request.is_status and request.resource == self.plural

    def is_shared(self, request: Request) -> bool:
        """Whether it is about what all share. A refused write is nobody's business: it counts."""
        return request.is_write and request.resource in _SHARED - {*self.children} and request.code < 300


def _workspace(name: str, number: int) -> Object:
    """A workspace of the kind that people write: an environment, a compute resource, little of its own."""
    spec = {
        "assets": {"environment": {"name": "jupyter"}, "compute": {"name": "one-gpu"}},
        "environmentVariables": [{"name": "OWNER", "value": name}],
        "ports": [{"name": "metrics", "container": 9090}],
    }
    return _object("Workspace", name, WORKSPACES.namespace(number), spec)


def _service(name: str, number: int) -> Object:
    """A draft of two parts that runs: two pods that answer requests from outside, and one that works behind them."""
    front = {
        "name": "web",
        "containers": [
            {
                "name": "web",
                "primary": True,
                "imageUri": "registry.example.com/scorer:3",
                "port": 8080,
                "environmentVars": [{"name": "OWNER", "value": name}],
                "readinessProbe": {"path": "/ready"},
                "livenessProbe": {"path": "/live"},
            }
        ],
    }
    worker = {"name": "worker", "imageUri": "registry.example.com/worker:3", "port": 9000}
    behind = {"name": "worker", "containers": [worker]}
    run = {
        "compute": {"name": "one-gpu"},
        "servingPort": {"authorizationType": "public"},
        "containerGroups": [{"name": "web", "replicas": 2}],
    }
    spec = {"type": "service", "containerGroups": [front, behind], "run": run}
    return _object("Artifact", name, ARTIFACTS.namespace(number), spec)


def _cached(name: str, number: int) -> Object:
    """A draft of a model microservice that runs, as people try one."""
    container = {
        "imageUri": CACHED.images[number % IMAGES],
        "port": 8000,
        "environmentVars": [{"name": "OWNER", "value": name}],
    }
    spec = {
        "type": "nim",
        "containerGroups": [{"containers": [container]}],
        "storage": {"mode": "nimCache"},
        "run": {"compute": {"name": "one-gpu"}, "replicas": 1},
    }
    return _object("Artifact", name, CACHED.namespace(number), spec)


def _training(name: str, number: int) -> Object:
    """A training that asks for a GPU, of an environment that others use too."""
    spec = {
        "assets": {"environment": {"name": "jupyter"}, "compute": {"name": "one-gpu"}},
        "environmentVariables": [{"name": "OWNER", "value": name}],
        "command": "python",
    }
    return _object("Training", name, TRAININGS.namespace(number), spec)


def _distributed(name: str, number: int) -> Object:
    """A master and three workers that are alike."""
    made = _training(name, number)
    more = {"distributedFramework": "PyTorch", "numWorkers": 3, "masterSpecSameAsWorker": True, "backend": "native"}
    return _object("DistributedTraining", name, made["metadata"]["namespace"], {**made["spec"], **more})


def cache(number: int, version: int, status: Object) -> Object:
    """The NimCache of an image as the server would have it, for those that use it."""
    image = CACHED.images[number]
    made = _object("NimCache", nim_cache(image), CACHED.namespace(number), {"image": image})
    meta = {**made["metadata"], "uid": f"nim-cache-{number}", "resourceVersion": str(version), "generation": 1}
    return {**made, "metadata": meta, "status": status}


def _environment() -> tuple[str, Object]:
    spec = {
        "image": "quay.io/jupyter/pytorch-notebook:2026-10-01",
        "environmentVariables": [{"name": "OMP_NUM_THREADS", "value": "4"}],
        "connections": [
            {"name": "lab", "toolType": "jupyter-notebook", "connectionType": "ExternalUrl", "containerPort": 8888}
        ],
    }
    return _place("environments"), _object("Environment", "jupyter", SYSTEM, spec)


def _compute() -> tuple[str, Object]:
    spec = {"gpuDevicesRequest": 1, "cpuCoreRequest": 4, "cpuMemoryRequest": "32Gi", "largeShmRequest": True}
    return _place("computeresources"), _object("ComputeResource", "one-gpu", SYSTEM, spec)


def _place(plural: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{SYSTEM}/{plural}"


def _object(kind: str, name: str, namespace: str, spec: Object) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


WORKSPACES = Scenario(
    "workspaces",
    "Workspace",
    _workspace,
    lambda: [_environment(), _compute()],
    # The revision, the StatefulSet, the Service with the ports of `lab` and `metrics`, the Ingress of `lab`.
    {"controllerrevisions": 1, "statefulsets": 1, "services": 1, "ingresses": 1},
    {"workspaces": 1},
)
ARTIFACTS = Scenario(
    "artifacts",
    "Artifact",
    _service,
    lambda: [_compute()],
    # The pin and six more; and the repository that is made for an artifact that names none, which has a status too.
    {
        "controllerrevisions": 1,
        "deployments": 2,
        "services": 2,
        "ingresses": 1,
        "poddisruptionbudgets": 1,
        "artifactrepositories": 1,
    },
    {"artifacts": 1, "artifactrepositories": 1},
)
CACHED = Scenario(
    "cached",
    "Artifact",
    _cached,
    lambda: [_compute()],
    {"controllerrevisions": 1, "deployments": 1, "services": 1, "artifactrepositories": 1},
    {"artifacts": 2, "artifactrepositories": 1},  # waiting for the model, then running
    namespace=lambda number: f"team-{number % IMAGES:03}",
    images=tuple(f"nvcr.io/nim/meta/model-{number}:1.8.4" for number in range(IMAGES)),
)
TRAININGS = Scenario(
    "trainings",
    "Training",
    _training,
    lambda: [_environment(), _compute()],
    # Connections of the environment are addresses of a training too.
    {"controllerrevisions": 1, "jobs": 1, "services": 1, "ingresses": 1},
    {"trainings": 1},
)
DISTRIBUTED = Scenario(
    "distributed",
    "DistributedTraining",
    _distributed,
    lambda: [_environment(), _compute()],
    # One Job of four pods, the Service of their names, and the addresses of rank 0.
    {"controllerrevisions": 1, "jobs": 1, "services": 2, "ingresses": 1},
    {"distributedtrainings": 1},
)
SCENARIOS = {scenario.name: scenario for scenario in (WORKSPACES, ARTIFACTS, CACHED, TRAININGS, DISTRIBUTED)}
