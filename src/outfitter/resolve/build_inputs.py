"""What one build reads and where it pushes: source, Dockerfile, logins and destination, looked up for one namespace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from outfitter.api.patterns import over_http
from outfitter.api.refs import CredentialRef
from outfitter.api.v1alpha1.buildconfig import CodeRef
from outfitter.api.v1alpha1.workspace import WorkspaceSpec
from outfitter.naming import credential_secret
from outfitter.problems import Problem, stalled, waiting, without_notes
from outfitter.reasons import Reason
from outfitter.resolve.builds import BuildSource
from outfitter.resolve.references import Found, credential_key, has_key
from outfitter.resolve.scheduling import queue_of
from outfitter.resolve.scope import find
from outfitter.resolve.volumes import ConfigMapVolume, GitVolume, ImageVolume, Login, PvcVolume, Volume, VolumeUse
from outfitter.resolve.workload import pull_secrets
from outfitter.snapshot import Reader

SOURCE_PATH: Final = "/outfitter/source"
_NAME: Final = "source"
_CODE: Final = "/opt/code"
_LONGEST_TAG: Final = 128
_CLIENT_KEYS: Final = ("cert.pem", "tls.crt")


@dataclass(frozen=True)
class BuildInputs:
    """The parts of a build. `login`, `daemon`: Secrets of the namespace, "" for none."""

    source: BuildSource
    destination: str
    volume: Volume
    context: str
    dockerfile: str
    dockerfile_text: str
    login: str
    daemon: str
    pull_secrets: tuple[str, ...]
    queue: str
    scope: str
    """Whose layers and mounted caches a build sees: those of its own namespace."""


@dataclass
class _Lookup:
    reader: Reader
    namespace: str
    problems: list[Problem] = field(default_factory=list)


def build_inputs(
    reader: Reader, namespace: str, name: str, artifact: str, source: BuildSource
) -> tuple[BuildInputs | None, list[Problem]]:
    """Return the inputs of the build `name` of an Artifact, or the problems that prevent it."""
    look = _Lookup(reader, namespace)
    destination = _destination(look, name, artifact, source)
    volume = _volume(look, source)
    text = _generated(look, source)
    login = _login(look, source)
    daemon = _daemon(look)
    found = Found()
    images = [reader.settings.build_image, *([volume.reference] if isinstance(volume, ImageVolume) else [])]
    pull = pull_secrets(reader, namespace, WorkspaceSpec(), images, found, "")
    queue = queue_of(reader, namespace)
    assert isinstance(queue, str), "a build names no queue"
    look.problems += without_notes(found.problems)
    if look.problems or volume is None:
        return None, look.problems
    path = source.config.dockerfile.path or "Dockerfile"
    inside = source.config.code_ref.pvc.sub_path if source.config.code_ref and source.config.code_ref.pvc else None
    context = f"{SOURCE_PATH}/{inside}" if inside else SOURCE_PATH
    space = reader.get("Namespace", "", namespace)
    scope = space.uid if space is not None else namespace
    return BuildInputs(source, destination, volume, context, path, text, login, daemon, pull, queue, scope), []


def _destination(look: _Lookup, name: str, artifact: str, source: BuildSource) -> str:
    """Return repository and tag; the tag is the name of the build, unless imageUri has one."""
    repository = source.image_uri
    if not repository and look.reader.settings.build_repository:
        repository = f"{look.reader.settings.build_repository}/{look.namespace}/{artifact}"
    if not repository:
        text = (
            "The build has no repository to push to. Set imageUri beside imageBuildConfig, or ask an administrator to "
            "set buildRepository."
        )
        look.problems.append(stalled(Reason.INVALID_SPEC, text, source.field))
        return ""
    return repository if ":" in repository.rpartition("/")[2] else f"{repository}:{name[:_LONGEST_TAG]}"


def _volume(look: _Lookup, source: BuildSource) -> Volume | None:
    """Return the volume with the source."""
    code = source.config.code_ref
    if code is None:
        text = "The build has no source. Set codeRef."
        look.problems.append(stalled(Reason.INVALID_SPEC, text, f"{source.field}.codeRef"))
        return None
    volume = _of(code, source)
    found = volume.look_up(look.reader, look.namespace, None)
    if isinstance(found, Problem):
        look.problems.append(found)
    if isinstance(volume, PvcVolume) and (
        look.reader.get("PersistentVolumeClaim", look.namespace, volume.claim_name) is None
    ):
        text = f"PersistentVolumeClaim {look.namespace}/{volume.claim_name} does not exist. Create it."
        look.problems.append(waiting(Reason.NOT_CREATED, text, volume.use.field))
    return volume


def _of(code: CodeRef, source: BuildSource) -> Volume:
    def use(kind: str) -> VolumeUse:
        return VolumeUse("the source", _NAME, f"{source.field}.codeRef.{kind}", mount_path=SOURCE_PATH)

    if code.git is not None:
        login = None
        if code.git.credential is not None:
            login = Login.of_credential("password" if over_http(code.git.url) else "ssh-key", code.git.credential)
        return GitVolume(use("git"), code.git.url, revision=code.git.revision or "", login=login)
    if code.oci is not None:
        return ImageVolume(use("oci"), code.oci.ref, None, None)
    if code.pvc is not None:
        return PvcVolume(use("pvc"), code.pvc.claim_name, read_only=True, existing=True)
    assert code.config_map is not None
    return ConfigMapVolume(use("configMap"), code.config_map.name, None, None)


def _generated(look: _Lookup, source: BuildSource) -> str:
    """Return the Dockerfile that is made from an Environment; "" where the source has its own."""
    file = source.config.dockerfile
    if file.type != "generated" or file.environment is None:
        return ""
    path = f"{source.field}.dockerfile.environment"
    if look.reader.settings.build_backend == "job":
        text = "The build backend of this cluster makes no Dockerfile. Put one into the source, and set type provided."
        look.problems.append(stalled(Reason.UNSUPPORTED, text, f"{source.field}.dockerfile.type"))
        return ""
    found = find(look.reader, "Environment", look.namespace, file.environment, path)
    if isinstance(found, Problem):
        look.problems.append(found)
        return ""
    spec: Any = found.model.spec
    if not spec.image:
        text = f"{found.key} has no image. Set its image, or name another Environment."
        look.problems.append(stalled(Reason.REFERENCE_INVALID, text, path))
        return ""
    return "\n".join(dockerfile(spec.image, file.entrypoint)) + "\n"


def dockerfile(image: str, entrypoint: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a generated Dockerfile: the image of an Environment, with the source copied in."""
    yield f"FROM {image}"
    yield f"WORKDIR {_CODE}"
    yield f"COPY . {_CODE}/"
    yield f"ENTRYPOINT {json.dumps(list(entrypoint))}"


def _login(look: _Lookup, source: BuildSource) -> str:
    """Return the Secret with the logins to registries."""
    ref = source.config.credential
    if ref is None:
        return ""
    path = f"{source.field}.credential"
    use = credential_key(look.reader, look.namespace, ref, "", path)
    if isinstance(use, Problem):
        look.problems.append(use)
        return ""
    kind = getattr(use.asset.model.spec, "type", "")
    if kind != "dockerRegistry":
        text = f"{use.asset.key} has type {kind}, which holds no login to a registry. Name one of type dockerRegistry."
        look.problems.append(stalled(Reason.REFERENCE_INVALID, text, path))
        return ""
    return credential_secret(use.asset.live.name)


def _daemon(look: _Lookup) -> str:
    """Return the Secret with the TLS client of the daemon."""
    settings = look.reader.settings
    if settings.build_backend != "buildkit" or not settings.buildkit_credential:
        return ""
    use = credential_key(look.reader, look.namespace, CredentialRef(name=settings.buildkit_credential), "", "")
    if isinstance(use, Problem):
        text = f"The TLS client of BuildKit cannot be used. {use.message}"
        look.problems.append(Problem(use.reason, text, use.level))
        return ""
    secret = credential_secret(use.asset.live.name)
    if not any(has_key(look.reader, look.namespace, secret, key) for key in _CLIENT_KEYS):
        text = f"{use.asset.key} holds no TLS client of BuildKit: it has none of the keys {' and '.join(_CLIENT_KEYS)}."
        look.problems.append(waiting(Reason.KEY_NOT_FOUND, f"{text} Ask an administrator to add the client."))
    return secret
