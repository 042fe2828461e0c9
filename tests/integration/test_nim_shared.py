"""One volume for several namespaces: filled once under the admin's key, mounted read-only where it is used."""

from __future__ import annotations

from collections.abc import Callable

from outfitter.naming import shared_volume

from .conftest import Stack
from .harness.client import message, stalls
from .harness.models import filled, give_key, mounted, nim, running
from .harness.process import Operator
from .harness.rights import SYSTEM
from .harness.sharing import CLAIM, DRIVER, share, storage, volume
from .harness.space import Space


def test_filled_once_and_mounted_read_only_by_every_project(
    stack: Stack, operator: Operator, home: Space, spaces: Callable[..., Space]
) -> None:
    one, two = spaces(), spaces()
    storage(stack.api, DRIVER, "shared")
    cache = share(home, "shared")
    for space in (one, two):
        nim(space, "llama", key=None)
    filled(home, "shared")
    for space in (one, two):
        running(space, "llama")
        assert mounted(space, "llama") == CLAIM
        made = volume(stack.api, cache, space)
        assert made is not None
        assert made["status"]["phase"] == "Bound"
        assert made["spec"]["csi"] == {
            "driver": DRIVER, "volumeHandle": "vol-shared", "readOnly": True, "volumeAttributes": {"share": "models"},
        }  # fmt: skip
        assert (made["spec"]["accessModes"], made["spec"]["persistentVolumeReclaimPolicy"]) == (
            ["ReadOnlyMany"],
            "Retain",
        )
        assert space.list("Job") == space.list("NimCache") == []
    seen = home.wait("NimCache", "shared", lambda item: item["status"]["targets"] == {"desired": 2, "synced": 2})
    assert seen["status"]["usedBy"]["total"] == 2
    # Filled, it needs the key no more, which the key's status says a moment later.
    home.wait("Credential", "admin-ngc", lambda item: item["status"]["usedBy"]["total"] == 0)
    # A second pass, and a new process, write nothing.
    operator.quiet()
    since = stack.mark()
    home.touch("NimCache", "shared", "1")
    operator.stop()
    operator.start()
    operator.quiet()
    ours = {SYSTEM, one.name, two.name, ""}
    assert [(entry.verb, entry.uri) for entry in stack.writes(since) if entry.namespace in ours] == []
    # A claim that its tenant deletes comes back with the next pod, on a volume made again.
    old = one.need("PersistentVolumeClaim", CLAIM)["metadata"]["uid"]
    one.spec("Artifact", "llama", run={"suspend": True})
    one.delete("PersistentVolumeClaim", CLAIM)
    one.wait("PersistentVolumeClaim", CLAIM, lambda item: item["metadata"]["uid"] != old, 60)
    one.wait("PersistentVolumeClaim", CLAIM, lambda item: item["status"]["phase"] == "Bound", 60)
    # The last user of a namespace goes, and with it what was made there; the storage stays.
    one.delete("Artifact", "llama")
    one.gone("PersistentVolumeClaim", CLAIM, 60)
    stack.api.gone("PersistentVolume", "", shared_volume(cache["metadata"]["uid"], one.name), 60)
    home.wait("NimCache", "shared", lambda item: item["status"]["targets"] == {"desired": 1, "synced": 1})
    assert volume(stack.api, cache, two) is not None
    # So does the cache itself: there is no owner reference from another namespace, or from a volume.
    two.delete("Artifact", "llama")
    home.delete("NimCache", "shared")
    two.gone("PersistentVolumeClaim", CLAIM, 60)
    stack.api.gone("PersistentVolume", "", shared_volume(cache["metadata"]["uid"], two.name), 60)
    stack.api.need("PersistentVolume", "", "csi-shared")


def test_strangers_and_other_drivers(stack: Stack, home: Space, spaces: Callable[..., Space]) -> None:
    team = spaces()
    storage(stack.api, "other.csi.example.com", "foreign")
    share(home, "foreign", image="nvcr.io/nim/foreign:1")
    home.wait("NimCache", "foreign", lambda item: stalls("Unsupported")(item) and "other.csi" in message(item), 60)
    nim(team, "foreign", "nvcr.io/nim/foreign:1", key=None)
    team.wait("Artifact", "foreign", lambda item: "other.csi.example.com" in message(item), 60)
    storage(stack.api, DRIVER, "shared")
    cache = share(home, "shared")
    body = {"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Gi"}}}
    team.native("PersistentVolumeClaim", CLAIM, spec=body)
    nim(team, "llama", key=None)
    said = team.wait("Artifact", "llama", lambda item: "is not the copy that NimCache" in message(item), 60)
    assert said["status"]["runPhase"] == "Pending"
    assert volume(stack.api, cache, team) is None
    assert "outfitter.dev/owner-uid" not in (team.need("PersistentVolumeClaim", CLAIM)["metadata"].get("labels") or {})
    team.delete("PersistentVolumeClaim", CLAIM)
    running(team, "llama", 90)
    for name in ("foreign", "llama"):
        team.delete("Artifact", name)


def test_a_key_of_the_tenant_is_not_needed_nor_used(stack: Stack, home: Space, space: Space) -> None:
    """The download runs beside the admin's key, and nowhere else."""
    give_key(space)
    storage(stack.api, DRIVER, "shared")
    share(home, "shared")
    since = stack.mark()
    nim(space, "llama")
    running(space, "llama", 90)
    jobs = [entry.namespace for entry in stack.writes(since) if (entry.resource, entry.verb) == ("jobs", "create")]
    assert set(jobs) <= {SYSTEM}
    space.delete("Artifact", "llama")
