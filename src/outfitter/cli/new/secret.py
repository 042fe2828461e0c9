"""The Secret of a new Credential: its values from files, from standard input, or from a prompt that does not echo."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from outfitter.errors import ConfigurationError

_PLAIN: Final = ("User", "user", "url", "AccessKeyId")  # values that a prompt may show


@dataclass(frozen=True)
class Sources:
    """Where the values of a Secret come from. The fields are the flags."""

    from_literal: tuple[str, ...] = ()
    from_file: tuple[str, ...] = ()
    from_env_file: tuple[str, ...] = ()
    from_stdin: str = ""
    prompt: bool = False

    def __bool__(self) -> bool:
        return bool(self.from_literal or self.from_file or self.from_env_file or self.from_stdin or self.prompt)


def secret(name: str, namespace: str, sources: Sources, credential: str) -> dict[str, Any]:
    """Return the manifest of a Secret. `credential`: the type whose keys a prompt asks for."""
    data: dict[str, bytes] = {}
    for pairs in (_literals(sources.from_literal), _files(sources.from_file), _env_files(sources.from_env_file)):
        for key, value in pairs:
            _add(data, key, value)
    if sources.from_stdin:
        _add(data, sources.from_stdin, sys.stdin.buffer.read().removesuffix(b"\n").removesuffix(b"\r"))
    if sources.prompt:
        for key in _asked(credential, data):
            _add(data, key, _ask(key))
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "data": encoded}


def _add(data: dict[str, bytes], key: str, value: bytes) -> None:
    if key in data:
        raise ConfigurationError(f"Key {key} of the Secret is given twice. Give it once.")
    data[key] = value


def _literals(texts: Iterable[str]) -> Iterable[tuple[str, bytes]]:
    for text in texts:
        key, mark, value = text.partition("=")
        if not key or not mark:
            # The text can be a secret value, so the message does not repeat it.
            raise ConfigurationError("--from-literal: write KEY=VALUE.")
        yield key, value.encode()


def _files(texts: Iterable[str]) -> Iterable[tuple[str, bytes]]:
    for text in texts:
        key, mark, path = text.rpartition("=")
        if not mark:
            key = Path(path).name
        yield key, _read("--from-file", path)


def _env_files(paths: Iterable[str]) -> Iterable[tuple[str, bytes]]:
    for path in paths:
        for number, line in enumerate(_read("--from-env-file", path).decode(errors="replace").splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            key, mark, value = line.partition("=")
            if not key.strip() or not mark:
                raise ConfigurationError(f"--from-env-file {path}:{number}: write KEY=VALUE.")
            yield key.strip(), value.encode()


def _read(flag: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{flag} {path}: the file cannot be read: {error.strerror}.") from None


def _asked(credential: str, data: dict[str, bytes]) -> list[str]:
    """Return the keys that a prompt asks for: those that the type reads, except those that are given."""
    from outfitter.api.v1alpha1.credential import WANTED_KEYS

    if credential not in WANTED_KEYS:
        kind = credential or "a Credential without --type"
        raise ConfigurationError(
            f"--prompt asks for the keys of a type, and {kind} has no fixed ones. "
            f"Use --from-file KEY=FILE or --from-stdin KEY, or one of the types {', '.join(WANTED_KEYS)}."
        )
    # A login has three keys; the fourth one is a whole file instead of them.
    return [key for key in WANTED_KEYS[credential] if key not in data and key != ".dockerconfigjson"]


def _ask(key: str) -> bytes:
    import typer

    return str(typer.prompt(key, hide_input=key not in _PLAIN, err=True)).encode()
