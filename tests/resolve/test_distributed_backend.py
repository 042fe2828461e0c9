"""What creates the pods of a distributed training: by its framework, its field, and what the cluster serves."""

from __future__ import annotations

import pytest

from world import World, asset, condition, reason

KINDS = ("Job", "JobSet", "MPIJob")
BOTH = ("JobSet", "MPIJob")


def world(framework: str, backend: str, served: tuple[str, ...]) -> World:
    rank_0 = {} if framework == "JAX" else {"masterSpecSameAsWorker": True}
    spec = {"image": "registry.example.com/u:1", "distributedFramework": framework, **rank_0}
    made = World(asset("DistributedTraining", "w", {**spec, **({"backend": backend} if backend else {})}))
    for kind in BOTH:
        made.caches.set_served(kind, kind in served)
    return made


@pytest.mark.parametrize(
    ("framework", "backend", "served", "want"),
    [
        ("PyTorch", "", BOTH, "jobset"),
        ("PyTorch", "auto", BOTH, "jobset"),
        ("TF", "", ("MPIJob",), "native"),
        ("XGBoost", "auto", (), "native"),
        ("JAX", "native", BOTH, "native"),
        ("JAX", "jobset", ("JobSet",), "jobset"),
        ("MPI", "", BOTH, "kubeflow"),
        ("MPI", "kubeflow", ("MPIJob",), "kubeflow"),
    ],
)
async def test_chosen(framework: str, backend: str, served: tuple[str, ...], want: str) -> None:
    """The status has the result, and nothing else creates pods."""
    made = world(framework, backend, served)
    await made.settle()
    assert made.status("DistributedTraining", "w")["backend"] == want
    wanted = {"native": "Job", "jobset": "JobSet", "kubeflow": "MPIJob"}[want]
    assert [kind for kind in KINDS if made.all(kind)] == [wanted]


@pytest.mark.parametrize(
    ("framework", "backend", "served", "field", "text"),
    [
        ("PyTorch", "jobset", ("MPIJob",), "spec.backend", "The cluster serves no JobSet."),
        ("PyTorch", "kubeflow", BOTH, "spec.backend", "Backend kubeflow runs MPI alone."),
        ("MPI", "native", BOTH, "spec.backend", "Backend native cannot run MPI."),
        ("MPI", "jobset", BOTH, "spec.backend", "Backend jobset cannot run MPI."),
        ("MPI", "", ("JobSet",), "spec.distributedFramework", "The cluster serves no MPIJob"),
    ],
)
async def test_refused(framework: str, backend: str, served: tuple[str, ...], field: str, text: str) -> None:
    """With the field to change, and without a child object that would run."""
    made = world(framework, backend, served)
    await made.settle()
    status = made.status("DistributedTraining", "w")
    assert reason(status) == "FrameworkUnsupported"
    assert status["message"].startswith(f"{field}: {text}")
    assert [kind for kind in KINDS if made.all(kind)] == []


async def test_the_choice_stays_while_it_runs() -> None:
    """A controller that is installed later counts from the next start."""
    made = world("PyTorch", "", ())
    made.controllers.jobs = "Running"
    await made.settle()
    made.caches.set_served("JobSet", True)
    await made.settle()
    assert made.status("DistributedTraining", "w")["backend"] == "native"
    assert made.all("JobSet") == []
    made.annotate("DistributedTraining", "w", restartedAt="1")
    await made.settle()
    assert made.status("DistributedTraining", "w")["backend"] == "jobset"


@pytest.mark.parametrize(
    ("settings", "master", "status", "want"),
    [
        ({}, False, "False", "NoGangScheduler"),
        ({"queue_backend": "kai"}, False, "True", "GangScheduled"),
        ({"queue_backend": "kai"}, True, "True", "GangScheduled"),
        ({"queue_backend": "kueue", "default_queue": "q"}, True, "False", "NoGangScheduler"),
    ],
)
async def test_whether_all_pods_are_scheduled_together(
    settings: dict[str, str], master: bool, status: str, want: str
) -> None:
    """Not where a master that differs has a Job beside those of the workers."""
    own = {"masterSpec": {"image": "registry.example.com/master:1"}} if master else {"masterSpecSameAsWorker": True}
    spec = {"image": "registry.example.com/u:1", "distributedFramework": "PyTorch", "backend": "native", **own}
    made = World(asset("DistributedTraining", "w", spec), settings=settings, jobs="Running")
    await made.settle()
    found = condition(made.status("DistributedTraining", "w"), "GangScheduled")
    assert found is not None
    assert (found["status"], found["reason"]) == (status, want)
