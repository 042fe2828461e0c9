"""Repositories and buckets of a workload -> containers that fetch them before the others start, with their volumes.

Only these containers see a login, as files. Their text is the same for everybody; values come as variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from outfitter.api.quantities import parse_quantity, quantity_text
from outfitter.naming import ANNOTATION_PASSWD, DATA_PREFIX, fit
from outfitter.render.pod import PodPatch
from outfitter.render.urls import bucket_name
from outfitter.resolve.volumes import KNOWN_HOSTS, GitVolume, Login, S3Volume
from outfitter.settings import Settings

Source = GitVolume | S3Volume
_SCRIPTS: Final = files("outfitter.render") / "scripts"
_COMMON: Final = (_SCRIPTS / "common.sh").read_text()
GIT_SCRIPT: Final = _COMMON + (_SCRIPTS / "git.sh").read_text()
S3_SCRIPT: Final = _COMMON + (_SCRIPTS / "s3.sh").read_text()

_USER: Final = 65532  # where the workload leaves the user to its image; the images of Git and rclone run as root
_DATA: Final = "/outfitter/data"
_WORK: Final = "/outfitter/work"
_LOGIN: Final = "/outfitter/credential"
_MESSAGE: Final = "/dev/termination-log"
_USERS: Final = "outfitter-users"
_PATIENCE: Final = 150  # seconds; where the kubelet starts containers again, it is patient itself
_READABLE: Final = "0022"  # a copy is mounted read-only
_CONFIG_COUNT: Final = "GIT_CONFIG_COUNT"
_VARIABLE: Final = "OUTFITTER_"


@dataclass(frozen=True)
class PodUser:
    """Who runs the first container of a pod, and the group of its volumes; None: the image, or no group, decides.

    `once`: the containers of the pod are not started again after a failure.
    """

    uid: int | None
    group: int | None
    once: bool = False

    @property
    def fetching(self) -> int:
        """The user who fetches: that of the first container, so that its files are its own."""
        return _USER if self.uid is None else self.uid

    @property
    def umask(self) -> str:
        """Who else can change the files: the group of the volumes, or everybody in the pod if there is none."""
        return "0002" if self.group is not None or self.uid is not None else "0000"

    @property
    def login_mode(self) -> int:
        """The mode of the files with a login. They belong to root, so without a group the user is one of the others."""
        return 0o400 if self.group is not None else 0o444


def pod_patches(
    sources: Sequence[Source], names: Sequence[str], user: PodUser, compute: PodPatch, settings: Settings
) -> Iterator[PodPatch]:
    """Yield the patch of each source, then what they share. `names`: those of their volumes.

    `compute`: that of the first container, whose CPU and memory the containers get that run before it.
    """
    sizes = {name: _size(source, settings) for source, name in zip(sources, names, strict=True)}
    resources = _resources(
        compute, sum(sizes[name] for source, name in zip(sources, names, strict=True) if not _kept(source))
    )
    for source, name in zip(sources, names, strict=True):
        yield _patch(source, name, user, sizes[name], resources, settings)
    if any(source.login is not None and source.login.method == "ssh-key" for source in sources):
        line = f"outfitter:x:{user.fetching}:{user.group or 0}::{_WORK}:/bin/sh"
        item = {"path": "passwd", "fieldRef": {"fieldPath": f"metadata.annotations['{ANNOTATION_PASSWD}']"}}
        volume = {"name": _USERS, "downwardAPI": {"items": [item]}}
        yield PodPatch(sources[0].use.origin, volumes=[volume], annotations={ANNOTATION_PASSWD: line})


def trust(sources: Sequence[Source], taken: bool) -> list[dict[str, str]]:
    """Return the variables by which Git in the workload trusts checkouts, whose folder belongs to root.

    `taken`: the workload configures Git by such variables itself.
    """
    paths = [source.use.mount_path for source in sources if isinstance(source, GitVolume)]
    if taken or not paths:
        return []
    entries = [{"name": _CONFIG_COUNT, "value": str(len(paths))}]
    for number, path in enumerate(paths):
        entries.append({"name": f"GIT_CONFIG_KEY_{number}", "value": "safe.directory"})
        entries.append({"name": f"GIT_CONFIG_VALUE_{number}", "value": literal(path)})
    return entries


def configures_git(variables: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether variables configure Git."""
    return any(str(item["name"]).startswith("GIT_CONFIG_") for item in variables)


def _size(source: Source, settings: Settings) -> int:
    given = source.size_limit if source.size_limit is not None else settings.data_size_limit
    return int(parse_quantity(given))


def _resources(compute: PodPatch, size: int) -> dict[str, Any]:
    """Return what a fetching container gets: no more CPU and memory than the pod has anyway, as quotas may demand."""
    requests = {name: value for name, value in compute.requests.items() if name in ("cpu", "memory")}
    limits = {name: value for name, value in compute.limits.items() if name in ("cpu", "memory")}
    storage = {"ephemeral-storage": str(size)} if size else {}
    return {"requests": {**requests, **storage}, "limits": limits}


def _patch(
    source: Source, name: str, user: PodUser, size: int, resources: Mapping[str, Any], settings: Settings
) -> PodPatch:
    work = fit(f"{name}-work")
    volumes: list[dict[str, Any]] = [
        {"name": name, **_target(source, settings)},
        {"name": work, "emptyDir": {"medium": "Memory", "sizeLimit": "32Mi"}},
    ]
    mounts: list[dict[str, Any]] = [{"name": name, "mountPath": _DATA}, {"name": work, "mountPath": _WORK}]
    if source.login is not None:
        login = fit(f"{name}-login")
        volumes.append({"name": login, "projected": _projected(source.login, user.login_mode)})
        mounts.append({"name": login, "mountPath": _LOGIN, "readOnly": True})
        if source.login.method == "ssh-key":  # ssh does not run for a user without a line there
            mounts.append({"name": _USERS, "mountPath": "/etc/passwd", "subPath": "passwd", "readOnly": True})
    git = isinstance(source, GitVolume)
    container = {
        "name": fit(f"{DATA_PREFIX}{name}"),
        "image": settings.git_image if git else settings.s3_image,
        "command": ["sh", "-ec", GIT_SCRIPT if git else S3_SCRIPT],
        "env": [
            {"name": f"{_VARIABLE}{key}", "value": value} for key, value in _variables(source, size, user, settings)
        ],
        "resources": {key: value for key, value in resources.items() if value},
        "volumeMounts": mounts,
        "securityContext": {
            **({"runAsUser": user.fetching} if user.uid is None else {}),
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "File",
    }
    read_only = {} if git else {"readOnly": True}
    mount = {"name": name, "mountPath": source.use.mount_path, **read_only}
    return PodPatch(source.use.origin, volumes=volumes, mounts=[mount], init=[container])


def _target(source: Source, settings: Settings) -> dict[str, Any]:
    """Return the volume that a container fills."""
    if claim := _kept(source):
        return {"persistentVolumeClaim": {"claimName": claim}}
    limit = source.size_limit if source.size_limit is not None else settings.data_size_limit
    return {"emptyDir": {"sizeLimit": quantity_text(limit)}}


def _kept(source: Source) -> str:
    """Return the claim that keeps what was fetched; "" for a volume that goes with its pod."""
    claim = source.claim if isinstance(source, S3Volume) else None
    return claim.claim_name if claim is not None else ""


def _projected(login: Login, mode: int) -> dict[str, Any]:
    items = [{"key": key, "path": file} for file, key in login.files]
    sources: list[dict[str, Any]] = [{"secret": {"name": login.secret, "items": items}}]
    if login.has_known_hosts:
        optional = [{"key": KNOWN_HOSTS, "path": KNOWN_HOSTS}]
        sources.append({"secret": {"name": login.secret, "items": optional, "optional": True}})
    return {"defaultMode": mode, "sources": sources}


def _variables(source: Source, size: int, user: PodUser, settings: Settings) -> Iterator[tuple[str, str]]:
    git = isinstance(source, GitVolume)
    yield "NAME", literal(source.use.name)
    yield "PATH", literal(source.use.mount_path)
    if isinstance(source, GitVolume):
        yield "REPOSITORY", literal(source.repository)
        yield "BRANCH", literal(source.branch)
        yield "REVISION", literal(source.revision)
        yield "SUBMODULES", str(source.submodules).lower()
        yield "KNOWN_HOSTS", literal(settings.git_known_hosts)
    else:
        yield "BUCKET", literal(source.bucket)
        yield "URL", literal(source.url)
    yield "UMASK", user.umask if git else _READABLE
    yield "LOGIN", source.login.method if source.login else ""
    yield "AUTHORITIES", literal(settings.data_authorities)
    yield "SIZE_LIMIT", str(size)
    yield "PATIENCE", str(_PATIENCE if user.once else 0)
    yield "SECONDS", str(settings.git_timeout_seconds if git else settings.s3_timeout_seconds)
    yield "TARGET", _DATA
    yield "WORK", _WORK
    yield "CREDENTIAL", _LOGIN
    yield "MESSAGE", _MESSAGE


def literal(text: str) -> str:
    """Return a value as the kubelet leaves it: it replaces `$(NAME)` by another variable, and `$$` by `$`."""
    return text.replace("$", "$$")


@dataclass(frozen=True)
class Fetched:
    """What a container fetches. `kind`: git or s3; `origin`: from where, in words; `volume`: the one that it fills."""

    kind: str
    origin: str
    volume: str


def fetched_by(container: Mapping[str, Any]) -> Fetched | None:
    """Return what a container of a pod template fetches; None for one that fetches nothing."""
    if not str(container["name"]).startswith(DATA_PREFIX):
        return None
    values = {
        item["name"].removeprefix(_VARIABLE): str(item.get("value") or "").replace("$$", "$")
        for item in container.get("env", ())
    }
    volume = next(item["name"] for item in container["volumeMounts"] if item["mountPath"] == _DATA)
    if "BUCKET" in values:
        return Fetched("s3", f"s3 bucket {bucket_name(values['BUCKET'], values['URL'].rstrip('/'))}", volume)
    wanted = next((f", {key.lower()} {values[key]}" for key in ("REVISION", "BRANCH") if values[key]), "")
    return Fetched("git", f"git {values['REPOSITORY']}{wanted}", volume)
