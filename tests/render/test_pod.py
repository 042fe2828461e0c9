"""Pod templates out of patches: init containers."""

from __future__ import annotations

from outfitter.render.pod import PodPatch, assemble, for_sidecar

IMAGE = "registry.example.com/git:1"
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
MAIN = PodPatch("Environment e", container={"image": "registry.example.com/u:1"})
CLONE = {"name": "clone", "image": IMAGE, "volumeMounts": [{"name": "code", "mountPath": "/code"}]}


def test_without_init_containers_the_template_does_not_mention_them() -> None:
    assert "initContainers" not in assemble([MAIN]).template["spec"]


def test_init_containers_run_in_the_order_of_the_patches() -> None:
    first = PodPatch("DataSource code", init=[{"name": "clone", "image": IMAGE}])
    second = PodPatch("DataSource data", init=[{"name": "copy", "image": IMAGE}, {"name": "check", "image": IMAGE}])
    assembled = assemble([first, MAIN, second])
    assert [item["name"] for item in assembled.template["spec"]["initContainers"]] == ["clone", "copy", "check"]
    assert [item["name"] for item in assembled.template["spec"]["containers"]] == ["main"]
    assert assembled.problems == ()
    assert assembled.origins["initContainers[clone].image"] == "DataSource code"
    assert assembled.origins["initContainers[copy].image"] == "DataSource data"


def test_an_init_container_is_restricted() -> None:
    """Whatever the container itself is allowed."""
    elevated = {"allowPrivilegeEscalation": True, "capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}
    main = PodPatch("Environment e", container={"image": IMAGE, "securityContext": elevated})
    template = assemble([main, PodPatch("DataSource code", init=[CLONE])]).template
    assert template["spec"]["initContainers"] == [{**CLONE, "securityContext": RESTRICTED}]


def test_an_init_container_runs_as_the_user_of_its_container() -> None:
    """The files that it writes belong to that user."""
    user = {"runAsUser": 1000, "runAsGroup": 100, "readOnlyRootFilesystem": True}
    main = PodPatch("Environment e", container={"image": IMAGE, "securityContext": user})
    template = assemble([PodPatch("DataSource code", init=[CLONE]), main]).template
    [init] = template["spec"]["initContainers"]
    assert init["securityContext"] == {"runAsUser": 1000, "runAsGroup": 100, **RESTRICTED}


def test_an_init_container_keeps_its_own_security_context() -> None:
    """So that the check for elevation sees it."""
    init = {**CLONE, "securityContext": {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": True}}
    [found] = assemble([MAIN, PodPatch("DataSource code", init=[init])]).template["spec"]["initContainers"]
    assert found["securityContext"]["readOnlyRootFilesystem"]
    assert found["securityContext"]["allowPrivilegeEscalation"]
    assert found["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_two_init_containers_of_one_name_conflict() -> None:
    patches = [PodPatch(f"DataSource {name}", init=[CLONE]) for name in ("a", "b")]
    assembled = assemble([MAIN, *patches])
    assert [item["name"] for item in assembled.template["spec"]["initContainers"]] == ["clone"]
    [problem] = assembled.problems
    assert problem.reason == "Conflict"
    assert problem.message == "Container clone is set by DataSource a and DataSource b. Change one of them."


def test_an_init_container_with_the_name_of_a_container_conflicts() -> None:
    """Names are unique over both lists."""
    patch = PodPatch("DataSource code", init=[{"name": "main", "image": IMAGE}])
    for patches in ([MAIN, patch], [patch, MAIN]):
        [problem] = assemble(patches).problems
        assert "Container main is set " in problem.message


def test_a_sidecar_has_init_containers_of_its_own() -> None:
    """Its volumes get new names, and so do their mounts."""
    volumes = [{"name": "code", "emptyDir": {}}]
    patch = PodPatch("Environment e", volumes=volumes, mounts=CLONE["volumeMounts"], init=[CLONE])
    sidecar = for_sidecar(patch, "proxy")
    assert sidecar.volumes == [{"name": "code-proxy", "emptyDir": {}}]
    assert sidecar.mounts == [{"name": "code-proxy", "mountPath": "/code"}]
    assert sidecar.init == [{**CLONE, "name": "clone-proxy", "volumeMounts": sidecar.mounts}]
