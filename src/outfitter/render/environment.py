"""The environment part of a submission -> the main container: image, command, variables, security, probe, home."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from typing import Any, Final

from outfitter.naming import credential_secret
from outfitter.problems import Problem, stalled
from outfitter.reasons import Reason
from outfitter.render.pod import PodPatch
from outfitter.resolve.home import usable_home
from outfitter.resolve.workload import Spec
from outfitter.settings import Settings

_TMP: Final = "/tmp"  # noqa: S108 (a mount path)


def pod_patch(
    spec: Spec, source: str, settings: Settings, mounted: Collection[str] = ()
) -> tuple[PodPatch, list[Problem]]:
    """Return the patch of the merged environment fields, restricted by default. `mounted`: paths of other volumes."""
    problems: list[Problem] = []
    variables = _variables(spec)
    home = _home(spec, settings, variables, mounted)
    scratch = {"home": home} if home else {}
    if spec.security.read_only_root_filesystem and _TMP not in (home.rstrip("/"), *mounted):
        scratch["tmp"] = _TMP
    container: dict[str, Any] = {
        "image": spec.image,
        "imagePullPolicy": spec.image_pull_policy,
        "command": _split(spec.command),
        "args": _split(spec.args),
        "workingDir": spec.working_dir,
        "tty": spec.tty or None,
        "stdin": spec.stdin or None,
        "readinessProbe": _readiness(spec, problems),
        "securityContext": _container_security(spec),
    }
    return (
        PodPatch(
            source,
            env=variables,
            volumes=[{"name": name, "emptyDir": {}} for name in scratch],
            mounts=[{"name": name, "mountPath": path} for name, path in scratch.items()],
            container={key: value for key, value in container.items() if value not in (None, [])},
            pod=_pod_security(spec),
        ),
        problems,
    )


def _split(text: str | None) -> list[str]:
    """Return words as a POSIX shell splits them; no shell runs. Open quotes are rejected before rendering."""
    if not text:
        return []
    try:
        return shlex.split(text)
    except ValueError:
        return []


def _variables(spec: Spec) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = []
    for item in spec.environment_variables:
        entry: dict[str, Any] = {"name": item.name}
        if item.credential:
            ref = {"name": credential_secret(item.credential.name), "key": item.credential.key}
            entry["valueFrom"] = {"secretKeyRef": ref}
        elif item.secret:
            entry["valueFrom"] = {"secretKeyRef": {"name": item.secret.name, "key": item.secret.key}}
        elif item.config_map:
            entry["valueFrom"] = {"configMapKeyRef": {"name": item.config_map.name, "key": item.config_map.key}}
        elif item.pod_field_ref:
            entry["valueFrom"] = {"fieldRef": {"fieldPath": item.pod_field_ref.path}}
        elif item.user_credential:
            continue  # the resolver puts a Secret in its place, or rejects it
        elif item.value is None:
            continue  # an unanswered prompt; the resolver reports it
        elif item.value:
            entry["value"] = item.value
        result.append(entry)
    return result


def _home(spec: Spec, settings: Settings, variables: list[dict[str, Any]], mounted: Collection[str]) -> str:
    """Return the mount path of the home directory, "" for none; add HOME to `variables` if it is missing."""
    wanted = spec.create_home_dir
    if wanted is None:
        wanted = spec.security.run_as_uid is not None or bool(spec.security.read_only_root_filesystem)
    if not wanted:
        return ""
    given = next((item for item in variables if item["name"] == "HOME"), None)
    home = str(given.get("value") or "") if given else settings.home_dir
    if given is None:
        variables.append({"name": "HOME", "value": home})
    elif not usable_home(home):
        return ""
    if spec.create_home_dir is None and home.rstrip("/") in mounted:
        return ""  # a volume is there already
    return home


def _readiness(spec: Spec, problems: list[Problem]) -> dict[str, Any] | None:
    probe = spec.probes.readiness
    if probe is None:
        return None
    get = probe.handler.http_get if probe.handler else None
    if get is None or get.port is None:
        problems.append(
            stalled(
                Reason.INVALID_SPEC,
                "The readiness probe has no HTTP request with a port. Set the field.",
                "spec.probes.readiness.handler.httpGet.port",
            )
        )
        return None
    target = {"path": get.path or "/", "port": get.port, "host": get.host, "scheme": get.scheme}
    numbers = {
        "initialDelaySeconds": probe.initial_delay_seconds or None,
        "periodSeconds": probe.period_seconds,
        "timeoutSeconds": probe.timeout_seconds,
        "successThreshold": probe.success_threshold,
        "failureThreshold": probe.failure_threshold,
    }
    return {"httpGet": {k: v for k, v in target.items() if v}, **{k: v for k, v in numbers.items() if v is not None}}


def _container_security(spec: Spec) -> dict[str, Any]:
    security = spec.security
    custom = security.custom_ids
    context: dict[str, Any] = {
        "runAsUser": security.run_as_uid if custom else None,
        "runAsGroup": security.run_as_gid if custom else None,
        "allowPrivilegeEscalation": bool(security.allow_privilege_escalation),
        "readOnlyRootFilesystem": security.read_only_root_filesystem,
        "capabilities": {"drop": ["ALL"], **({"add": list(security.capabilities)} if security.capabilities else {})},
    }
    return {key: value for key, value in context.items() if value is not None}


def _pod_security(spec: Spec) -> dict[str, Any]:
    security = spec.security
    groups = [int(part) for part in (security.supplemental_groups or "").split(",") if part.strip()]
    context: dict[str, Any] = {
        "runAsNonRoot": security.run_as_non_root is not False,
        "seccompProfile": {"type": security.seccomp_profile_type or "RuntimeDefault"},
        "supplementalGroups": groups or None,
    }
    if security.custom_ids and security.run_as_gid is not None:
        # New volumes belong to root; without this a non-root user could not write into its own claim.
        context["fsGroup"] = security.run_as_gid
        context["fsGroupChangePolicy"] = "OnRootMismatch"
    pod: dict[str, Any] = {"securityContext": {key: value for key, value in context.items() if value is not None}}
    if security.host_ipc:
        pod["hostIPC"] = True
    if security.host_network:
        pod |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    return pod
