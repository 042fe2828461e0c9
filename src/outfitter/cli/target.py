"""KIND/NAME on the command line, and the namespace that kubectl would use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from outfitter.api.shape import did_you_mean
from outfitter.api.v1alpha1 import KINDS, Kind
from outfitter.errors import ConfigurationError

_DEFAULT_PATH: Final = "~/.kube/config"


@dataclass(frozen=True)
class Target:
    """A kind, or one object of it."""

    kind: Kind
    name: str = ""


def target(text: str) -> Target:
    """Parse `workspace/alice`, `wsp/alice` or `Workspace`; kinds in any case, plural or short name."""
    word, _, name = text.partition("/")
    for kind in KINDS:
        if word.lower() in (kind.singular, kind.plural, *kind.short_names):
            return Target(kind, name)
    known = [kind.singular for kind in KINDS]
    hint = did_you_mean(word, known)
    raise ConfigurationError(f"Kind {word} does not exist.{hint} Kinds are: {', '.join(known)}.")


def parsed(words: Sequence[str]) -> list[Target]:
    """Parse `workspace/alice training/tune`, `workspace alice bob`, `workspaces`, or `workspaces,trainings`."""
    if any("/" in word for word in words):
        return [target(word) for word in words]
    kinds = [target(word) for word in words[0].split(",")]
    if len(kinds) > 1 and len(words) > 1:
        raise ConfigurationError("Names can follow one kind only. Use KIND/NAME for objects of several kinds.")
    return [Target(kinds[0].kind, word) for word in words[1:]] or kinds


def targets(words: Sequence[str]) -> list[Target]:
    """Parse `workspace/alice training/tune` or `workspace alice bob`: each is one object."""
    chosen = parsed(words)
    for item in chosen:
        if not item.name:
            raise ConfigurationError(f"The name is missing. Use {item.kind.singular}/NAME.")
    return list(dict.fromkeys(chosen))


def one_target(words: Sequence[str]) -> Target:
    """Parse `workspace/alice` or `workspace alice`."""
    chosen = targets(words)
    if len(chosen) > 1:
        raise ConfigurationError(f"This command is for one object, not for {len(chosen)}. Use KIND/NAME once.")
    return chosen[0]


def current_namespace(kubeconfig: str = "", context: str = "") -> str:
    """Return the namespace of the context that a command uses, `default` where it sets none."""
    from outfitter.cli.login import current_login

    contexts, current = read_kubeconfig(kubeconfig)
    chosen = contexts.get(context or current_login().context or current) or {}
    return str(chosen.get("namespace") or "default")


def chosen_kubeconfig(kubeconfig: str = "") -> str:
    """Return the kubeconfig that kubectl and helm would use, also in a pod; "" if there is none.

    The operator prefers the ServiceAccount of its pod. A command in a CI job must change the cluster of KUBECONFIG.
    """
    usual = Path(_DEFAULT_PATH).expanduser()
    return kubeconfig or os.environ.get("KUBECONFIG") or (str(usual) if usual.is_file() else "")


def read_kubeconfig(kubeconfig: str = "") -> tuple[dict[str, Mapping[str, Any]], str]:
    """Return the contexts by name, and the name of the current one."""
    contexts: dict[str, Mapping[str, Any]] = {}
    current = ""
    for content in _documents(kubeconfig):
        current = current or content.get("current-context") or ""
        for item in content.get("contexts") or ():
            contexts.setdefault(item.get("name"), item.get("context") or {})
    return contexts, current


def impersonation(kubeconfig: str = "", context: str = "") -> tuple[tuple[str, str], ...]:
    """Return the headers for the user that a kubeconfig impersonates by its fields `as`; empty if it does not.

    The library that reads the credentials ignores these fields, and would act with the rights of the real user.
    """
    contexts, current = read_kubeconfig(kubeconfig)
    name = (contexts.get(context or current) or {}).get("user")
    entries = (item for content in _documents(kubeconfig) for item in content.get("users") or ())
    user: Mapping[str, Any] = next((item.get("user") or {} for item in entries if item.get("name") == name), {})
    single = (("Impersonate-User", user.get("as")), ("Impersonate-Uid", user.get("as-uid")))
    extra = user.get("as-user-extra") or {}
    return (
        *((header, str(value)) for header, value in single if value),
        *(("Impersonate-Group", str(group)) for group in user.get("as-groups") or ()),
        *((f"Impersonate-Extra-{quote(key, safe='')}", str(value)) for key in extra for value in extra[key]),
    )


def _documents(kubeconfig: str) -> Iterator[Mapping[str, Any]]:
    """Yield the content of the files of a kubeconfig, as far as they can be read."""
    import yaml

    files = [kubeconfig] if kubeconfig else (os.environ.get("KUBECONFIG") or _DEFAULT_PATH).split(os.pathsep)
    for file in filter(None, files):
        try:
            content = yaml.load(Path(file).expanduser().read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        except (OSError, yaml.YAMLError):
            continue  # connecting reports the error
        if isinstance(content, dict):
            yield content
