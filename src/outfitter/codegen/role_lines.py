"""What each ready role may do and what not: lines of the rights page, each with the requests that prove it.

`tests/chart/test_roles.py` sends every request to a real API server, as a user and as a member of a group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from outfitter.api.v1alpha1 import ALL_KINDS, KINDS
from outfitter.codegen.admission import share
from outfitter.codegen.user_roles import OF_ADMINS

Place = Literal["project", "another project", "shared assets"]
OWN: Final = "project"
OTHER: Final = "another project"
SHARED: Final = "shared assets"
_Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """One request. `spec` is merged into that of an example of the kind; `name` is that of a virtual resource.

    The object of `update`, `delete`, `scale`, `status` and `restart` exists before.
    """

    verb: str
    kind: str
    place: Place = OWN
    spec: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class Line:
    """One line of the table of a role."""

    text: str
    may: bool
    requests: tuple[Request, ...]
    says: str = ""
    """What each denial says, where an admission policy and not a missing right on the kind is the reason."""


@dataclass(frozen=True)
class ReadyRole:
    """One ready role."""

    name: str
    """The end of the name of its ClusterRole."""
    who: str
    bind: tuple[str, ...]
    """The commands that bind it, to group `ml`, `ml-leads` or `platform`, or to an account."""
    lines: tuple[Line, ...]


def _yes(text: str, *requests: Iterable[Request]) -> Line:
    return Line(text, True, tuple(each for some in requests for each in some))


def _no(text: str, *requests: Iterable[Request], says: str = "") -> Line:
    return Line(text, False, tuple(each for some in requests for each in some), says)


def _each(verbs: str, kinds: Iterable[str], place: Place = OWN, **spec: Any) -> list[Request]:
    return [Request(verb, kind, place, spec) for kind in kinds for verb in verbs.split()]


def _one(verb: str, kind: str, place: Place = OWN, **spec: Any) -> list[Request]:
    return [Request(verb, kind, place, spec)]


def _assign(name: str = "") -> list[Request]:
    return [Request("assign", "departments", name=name)]


def department(name: str) -> dict[str, str]:
    """Return the scope of a department."""
    return {"type": "department", "name": name}


_WRITTEN: Final = [kind.name for kind in KINDS if kind.plural not in OF_ADMINS]
_ALL: Final = [kind.name for kind in ALL_KINDS]
_SCALED: Final = [kind.name for kind in KINDS if kind.model.SCALE]
_SCOPED: Final = [kind.name for kind in KINDS if kind.plural in share.scoped_kinds()]
_FOR_OTHERS: Final = [kind.name for kind in KINDS if kind.name in _SCOPED and kind.plural not in share.RUNS_THERE]
# A Credential names a Secret, and a lead needs another right on that.
_NAMES_NO_SECRET: Final = [name for name in _FOR_OTHERS if name != "Credential"]
_CHILDREN: Final = ["Pod", "Service", "PersistentVolumeClaim", "Event", "StatefulSet", "Deployment", "Job", "Ingress",
                    "HorizontalPodAutoscaler", "PodDisruptionBudget", "ControllerRevision"]  # fmt: skip
_RESEARCH: Final = department("research")
_FINANCE: Final = department("finance")
_NEEDS_ELEVATE: Final = "You need the verb elevate on"
_ELEVATED: Final[_Fields] = {"security": {"hostNetwork": True}}
_SECRET: Final[_Fields] = {"secretRef": {"name": "mine"}}
_NODE_PORT: Final[_Fields] = {
    "connections": [{"name": "t", "toolType": "custom", "connectionType": "NodePort", "containerPort": 80}]
}
_NEW_CLAIM: Final[_Fields] = {"pvc": {"path": "/d", "claimInfo": {"size": "1Gi"}}}
_CONFIG_MAP: Final[_Fields] = {
    "pvc": None,
    "reclaimPolicy": None,
    "configMapVolume": {"configMap": "settings", "mountPath": "/c"},
}
_PULL_SECRETS: Final[_Fields] = {"defaults": {"imagePullSecrets": {"instances": [{"name": "mine"}]}}}
_SHARED_ROLES: Final[_Fields] = {"sharedRoles": [{"subject": {"kind": "User", "name": "ann"}, "role": "OWNER"}]}

_MEMBER: Final = (
    _yes("read every kind of Outfitter in the project", _each("get list watch", _ALL)),
    _yes("read pods, their logs, and the Events, services, claims, URLs and controllers of workloads",
         _each("get list watch", _CHILDREN), _one("log", "Pod")),
    _no("write or scale anything", _each("create update delete", _ALL), _each("scale", _SCALED), _one("create", "Pod")),
    _no("execute commands in pods, or forward their ports", _each("exec portforward", ["Pod"])),
    _no("read Secrets or ConfigMaps", _each("get list watch", ["Secret", "ConfigMap"])),
    _no("read another project, or the shared assets without `rbac.catalogue`",
        _one("list", "Workspace", OTHER), _one("list", "Environment", SHARED)),
)  # fmt: skip
_CREATOR: Final = (
    _yes("all that a member may", _each("get list watch", [*_ALL, *_CHILDREN]), _one("log", "Pod")),
    _yes("create, change and delete every kind in the project but policies",
         _each("create update delete", _WRITTEN)),
    _yes("scale and restart workloads", _each("scale", _SCALED), _each("restart", ["Workspace", "Inference"])),
    _yes("open node ports and URLs, and create volumes, of workloads and by themselves",
         _one("create", "Environment", **_NODE_PORT), _one("create", "DataSource", **_NEW_CLAIM),
         _each("create", ["Pod", "Service", "Ingress", "PersistentVolumeClaim"])),
    _yes("create a Secret or ConfigMap, read it by its name, and name it in a Credential, DataSource or workload",
         _each("create get", ["Secret", "ConfigMap"]), _one("create", "Credential", **_SECRET),
         _one("create", "DataSource", **_CONFIG_MAP),
         _one("create", "Workspace", imagePullSecrets=[{"name": "mine"}])),
    _no("list, change or delete Secrets and ConfigMaps",
        _each("list watch update delete", ["Secret", "ConfigMap"])),
    _no("delete claims, or make a DataSource delete its data",
        _one("delete", "PersistentVolumeClaim"), _one("update", "DataSource", reclaimPolicy="Delete")),
    _no("exceed Pod Security level restricted", _one("create", "Workspace", **_ELEVATED), says=_NEEDS_ELEVATE),
    _no("write policies, or any status", _each("create update delete", ["WorkloadPolicy", "EffectivePolicy"]),
        _each("status", _ALL)),
    _no("grant rights by `sharedRoles`", _one("create", "ArtifactRepository", **_SHARED_ROLES),
        says="grants rights by sharedRoles"),
    _yes("execute commands in pods and forward their ports, for `outfitter exec` and `outfitter open`",
         _each("exec portforward", ["Pod"])),
    _no("delete pods", _one("delete", "Pod")),
    _no("write in another project or the namespace of shared assets",
        _each("create", _WRITTEN, OTHER), _each("create", _WRITTEN, SHARED)),
)  # fmt: skip
_GITOPS: Final = (
    _yes("apply, change and prune every kind in the namespace but policies",
         _each("apply update delete get list watch", _WRITTEN)),
    _yes("the same for Secrets and ConfigMaps, by name", _each("apply update delete get", ["Secret", "ConfigMap"]),
         _one("apply", "Credential", **_SECRET), _one("apply", "DataSource", **_CONFIG_MAP)),
    _yes("open node ports and URLs, and create volumes",
         _one("apply", "Environment", **_NODE_PORT), _one("apply", "DataSource", **_NEW_CLAIM)),
    _no("list Secrets and ConfigMaps, or read pods and logs", _each("list watch", ["Secret", "ConfigMap", "Pod"]),
        _one("log", "Pod")),
    _no("write policies, or any status", _each("apply update delete", ["WorkloadPolicy", "EffectivePolicy"]),
        _each("status", _ALL)),
    _no("exceed Pod Security level restricted", _one("apply", "Workspace", **_ELEVATED), says=_NEEDS_ELEVATE),
    _no("grant rights by `sharedRoles`", _one("apply", "ArtifactRepository", **_SHARED_ROLES),
        says="grants rights by sharedRoles"),
    _no("apply in another namespace", _each("apply", _WRITTEN, OTHER), _each("apply", _WRITTEN, SHARED)),
)  # fmt: skip
_LEAD: Final = (
    _yes("read the shared assets, templates and policies", _each("get list watch", _SCOPED, SHARED)),
    _yes("share Environments, ComputeResources, DataSources, Registries, WorkloadTemplates and WorkloadPolicies with "
         "the department, change and delete them",
         _each("create apply update delete finalize", _NAMES_NO_SECRET, SHARED, scope=_RESEARCH)),
    _yes("delete Credentials of the department", _one("delete", "Credential", SHARED, scope=_RESEARCH)),
    _yes("share Environments with node ports, and DataSources with new volumes, which are created in the projects",
         _one("create", "Environment", SHARED, scope=_RESEARCH, **_NODE_PORT),
         _one("create", "DataSource", SHARED, scope=_RESEARCH, **_NEW_CLAIM)),
    _yes("put Namespaces into the department, together with a right on Namespaces",
         _assign("research")),
    _no("write, delete or block what belongs to another department",
        _each("create apply update delete finalize", _SCOPED, SHARED, scope=_FINANCE)),
    _no("write, delete or block what is for the namespace of shared assets alone",
        _each("create update delete finalize", _SCOPED, SHARED, scope={"type": "project"})),
    _no("write, delete or block what the whole cluster uses, also without a scope",
        _each("create update delete finalize", _SCOPED, SHARED, scope={"type": "cluster"}),
        _each("create update delete finalize", _SCOPED, SHARED)),
    _no("create or change a Credential, another object that names a Secret or shares a ConfigMap, or a policy whose "
        "defaults can name Secrets, without the right to `get` these",
        _each("create update", ["Credential"], SHARED, scope=_RESEARCH),
        _one("create", "DataSource", SHARED, scope=_RESEARCH, **_CONFIG_MAP),
        _one("create", "WorkloadPolicy", SHARED, scope=_RESEARCH, **_PULL_SECRETS), says="You need the verb get on"),
    _no("run anything in the namespace of shared assets, such as the download of a NimCache",
        _one("create", "NimCache", SHARED, scope=_RESEARCH), _one("create", "Pod", SHARED),
        _one("create", "Environment", SHARED, scope={"type": "project"}, run={}),
        _one("create", "Workspace", SHARED)),
    _no("exceed Pod Security level restricted",
        _one("create", "Environment", SHARED, scope=_RESEARCH, **_ELEVATED), says=_NEEDS_ELEVATE),
    _no("read Secrets, scale, or write any status",
        _each("get list", ["Secret"], SHARED), _one("scale", "Environment", SHARED),
        _each("status", _SCOPED, SHARED, scope=_RESEARCH)),
    _no("use another department, or write in projects",
        _assign("finance"), _each("create", _SCOPED)),
)  # fmt: skip
_PLATFORM: Final = (
    _yes("read every kind of Outfitter everywhere",
         _each("get list watch", _ALL), _each("get list watch", _ALL, OTHER)),
    _yes("share every kind with a department or the cluster, also NimCaches and Credentials",
         _each("create apply update delete finalize", _SCOPED, SHARED, scope={"type": "cluster"}),
         _each("create update delete", _SCOPED, SHARED, scope=_FINANCE), _each("create delete", _SCOPED, SHARED)),
    _yes("share what exceeds Pod Security level restricted, ConfigMaps, and policies that can name Secrets",
         _one("create", "Environment", SHARED, scope=_RESEARCH, **_ELEVATED),
         _one("create", "DataSource", SHARED, scope=_RESEARCH, **_CONFIG_MAP),
         _one("create", "WorkloadPolicy", SHARED, scope=_RESEARCH, **_PULL_SECRETS)),
    _yes("run and scale in the namespace of shared assets",
         _one("create", "Environment", SHARED, scope={"type": "project"}, run={}),
         _one("scale", "Environment", SHARED)),
    _yes("delete every object of a project, and write ComputeResources and repositories there",
         _each("delete", [kind.name for kind in KINDS]), _each("create update", ["ComputeResource"]),
         _one("create", "ArtifactRepository", **_SHARED_ROLES)),
    _yes("put Namespaces into each department, together with a right on Namespaces",
         _assign("research"), _assign()),
    _no("run workloads in a project, or decide what they run, without a role there",
        _each("create", ["Workspace", "Inference", "Environment", "WorkloadPolicy"])),
    _no("read Secrets of projects, or list those of the shared assets",
        _one("get", "Secret"), _one("list", "Secret", SHARED)),
    _no("write EffectivePolicies or any status", _each("create update delete", ["EffectivePolicy"]),
        _each("status", _ALL)),
    _no("change Namespaces", _one("update", "Namespace")),
)  # fmt: skip
READY_ROLES: Final = (
    ReadyRole(
        "member", "a user who looks at a project",
        ("kubectl -n team-a create rolebinding readers --clusterrole=outfitter-member --group=readers",),
        _MEMBER,
    ),
    ReadyRole(
        "creator", "a user who creates workloads and assets of a project",
        ("kubectl -n team-a create rolebinding ml --clusterrole=outfitter-creator --group=ml",),
        _CREATOR,
    ),
    ReadyRole(
        "gitops", "the account by which a GitOps tool applies the objects of one namespace",
        (
            "kubectl -n team-a create rolebinding deployer --clusterrole=outfitter-gitops "
            "--serviceaccount=team-a:deployer",
        ),
        _GITOPS,
    ),
    ReadyRole(
        "department-lead", "a user who shares assets with one department",
        (
            "kubectl -n outfitter-system create rolebinding ml-leads --clusterrole=outfitter-department-lead "
            "--group=ml-leads",
            "kubectl create clusterrolebinding ml-leads --clusterrole=outfitter-department-research --group=ml-leads",
        ),
        _LEAD,
    ),
    ReadyRole(
        "platform-admin", "a user who shares assets with everybody, and is no cluster administrator",
        (
            "kubectl create clusterrolebinding platform --clusterrole=outfitter-platform-admin --group=platform",
            "kubectl -n outfitter-system create rolebinding platform --role=outfitter-shared-assets --group=platform",
        ),
        _PLATFORM,
    ),
)  # fmt: skip
