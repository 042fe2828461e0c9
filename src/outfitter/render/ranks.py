"""Ranks of the pods of a distributed workload: their addresses, and the environment variables of each framework.

Two layouts. `equal`: all pods have one template, and one Indexed Job creates them; the index is the rank. Otherwise the
master and each worker have a Job of their own. A pod reads its numbers from its labels, so that no template differs.
Names and ports are those of Kubeflow's training operator and trainer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from outfitter.naming import LABEL_CONTAINER_GROUP, LABEL_RANK, LABEL_REPLICA
from outfitter.render.pod import MAIN, PodPatch

MASTER: Final = "master"
WORKER: Final = "worker"
INDEX_LABEL: Final = "batch.kubernetes.io/job-completion-index"
JOBSET_RANK: Final = "jobset.sigs.k8s.io/job-global-index"
_JOBSET_REPLICA: Final = "jobset.sigs.k8s.io/job-index"
PORTS: Final[Mapping[str, int]] = {"PyTorch": 23456, "TF": 2222, "XGBoost": 9999, "JAX": 6666}

Env = Mapping[str, Any]


@dataclass(frozen=True)
class Layout:
    """The pods of a distributed workload. `name`: that of their Service. `workers`: their number, without the master.

    `elastic`: fewest and most pods, of a training that goes on without some of them; else None.
    """

    name: str
    framework: str
    backend: str
    workers: int
    equal: bool
    has_master: bool
    processes: int = 1
    elastic: tuple[int, int] | None = None
    restarts: int = 0

    @property
    def size(self) -> int:
        """Return the number of all pods."""
        return self.workers + (1 if self.has_master else 0)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the address of each pod, by rank."""
        if self.equal and self.backend == "native":
            found = [f"{self.name}-{rank}" for rank in range(self.size)]
        elif self.equal:
            found = [f"{self.name}-{WORKER}-0-{rank}" for rank in range(self.size)]
        else:
            master = f"{self.name}-{MASTER}-0" if self.backend == "native" else f"{self.name}-{MASTER}-0-0"
            found = [master, *(f"{self.name}-{WORKER}-{number}-0" for number in range(self.workers))]
        return tuple(f"{host}.{self.name}" for host in found)

    @property
    def port(self) -> int:
        """Return the port of the framework."""
        return PORTS[self.framework]

    def rank_label(self) -> str:
        """Return the label of a pod that holds its rank."""
        if self.equal:
            return INDEX_LABEL
        return LABEL_RANK if self.backend == "native" else JOBSET_RANK

    def replica_label(self) -> str:
        """Return the label of a worker that holds its number among the workers."""
        if self.equal:
            return INDEX_LABEL
        return LABEL_REPLICA if self.backend == "native" else _JOBSET_REPLICA


def patches(layout: Layout, role: str, source: str) -> Iterator[PodPatch]:
    """Yield what the pods of a role get: label of the role, port, variables, and the name of their Service."""
    pod = {"subdomain": layout.name} if layout.backend == "native" else {}
    yield PodPatch(source, labels={LABEL_CONTAINER_GROUP: role}, pod=pod, of=MAIN)
    if layout.framework in PORTS:
        port = {"containerPort": layout.port, "protocol": "TCP"}
        yield PodPatch(source, env=list(variables(layout, role)), ports=[port], of=MAIN)


def variables(layout: Layout, role: str) -> Iterator[Env]:
    """Yield the environment variables of the pods of a role."""
    frameworks = {"PyTorch": _pytorch, "TF": _tensorflow, "XGBoost": _xgboost, "JAX": _jax}
    yield from frameworks[layout.framework](layout, role)


def _value(name: str, value: object) -> Env:
    return {"name": name, "value": str(value)}


def _label(name: str, label: str) -> Env:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{label}']"}}}


def _pytorch(layout: Layout, _role: str) -> Iterator[Env]:
    master = layout.hosts[0]
    yield _value("PET_NPROC_PER_NODE", layout.processes)
    if layout.elastic:
        fewest, most = layout.elastic
        yield _value("PET_NNODES", f"{fewest}:{most}")
        yield _value("PET_RDZV_BACKEND", "c10d")
        yield _value("PET_RDZV_ENDPOINT", f"{master}:{layout.port}")
        yield _value("PET_RDZV_ID", layout.name)
        yield _value("PET_MAX_RESTARTS", layout.restarts)
        return
    yield _value("MASTER_ADDR", master)
    yield _value("MASTER_PORT", layout.port)
    yield _value("WORLD_SIZE", layout.size * layout.processes)
    yield _label("RANK", layout.rank_label())
    yield _value("PET_MASTER_ADDR", master)
    yield _value("PET_MASTER_PORT", layout.port)
    yield _value("PET_NNODES", layout.size)
    yield _label("PET_NODE_RANK", layout.rank_label())


def _tensorflow(layout: Layout, role: str) -> Iterator[Env]:
    """Yield TF_CONFIG. Equal pods are all workers: the first one is the chief then."""
    hosts = [f"{host}:{layout.port}" for host in layout.hosts]
    cluster = {"worker": hosts} if layout.equal else {"chief": hosts[:1], "worker": hosts[1:]}
    chief = role == MASTER and not layout.equal
    if not chief:
        yield _label("TF_TASK_INDEX", layout.replica_label())
    task = json.dumps({"type": "chief" if chief else "worker"})[:-1]
    index = "0" if chief else "$(TF_TASK_INDEX)"
    config = f'{{"cluster": {json.dumps(cluster)}, "task": {task}, "index": {index}}}, "environment": "cloud"}}'
    yield _value("TF_CONFIG", config)


def _xgboost(layout: Layout, _role: str) -> Iterator[Env]:
    yield _value("MASTER_ADDR", layout.hosts[0])
    yield _value("MASTER_PORT", layout.port)
    yield _value("WORLD_SIZE", layout.size)
    yield _label("RANK", layout.rank_label())
    yield _value("WORKER_PORT", layout.port)
    yield _value("WORKER_ADDRS", ",".join(layout.hosts[1:]))
    yield _value("DMLC_TRACKER_URI", layout.hosts[0])
    yield _value("DMLC_TRACKER_PORT", layout.port)
    yield _value("DMLC_NUM_WORKER", layout.size)
    yield _label("DMLC_TASK_ID", layout.rank_label())


def _jax(layout: Layout, _role: str) -> Iterator[Env]:
    yield _value("COORDINATOR_ADDRESS", layout.hosts[0])
    yield _value("COORDINATOR_PORT", layout.port)
    yield _value("NUM_PROCESSES", layout.size)
    yield _label("PROCESS_ID", layout.rank_label())


def numbered(template: Mapping[str, Any], *, rank: int, replica: int) -> dict[str, Any]:
    """Return a pod template with the numbers of its pod as labels."""
    meta = template.get("metadata") or {}
    labels = {**(meta.get("labels") or {}), LABEL_RANK: str(rank), LABEL_REPLICA: str(replica)}
    return {**template, "metadata": {**meta, "labels": labels}}
