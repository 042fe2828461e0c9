"""From the text of a flag to the value of its field. ValueError has a text that says what to write."""

from __future__ import annotations

from typing import Any

Value = Any


def text(given: str) -> Value:
    """Return the text itself."""
    return given


def integer(given: str) -> Value:
    """Return a whole number."""
    try:
        return int(given)
    except ValueError:
        raise ValueError("write a whole number") from None


def cores(given: str) -> Value:
    """Return CPU cores: `0.5`, `4` or `500m`."""
    number = given.removesuffix("m")
    try:
        found = float(number) / (1000 if number != given else 1)
    except ValueError:
        raise ValueError("write cores such as 0.5, 4 or 500m") from None
    return int(found) if found.is_integer() else found


def portion(given: str) -> Value:
    """Return a part of a device."""
    try:
        return float(given)
    except ValueError:
        raise ValueError("write a number such as 0.5") from None


def pair(given: str) -> Value:
    """Return `KEY=VALUE` as an object with one field."""
    key, mark, value = given.partition("=")
    if not key or not mark:
        raise ValueError("write KEY=VALUE")
    return {key: value}


def named_value(given: str) -> Value:
    """Return `NAME=VALUE` as an item of a list."""
    ((name, value),) = pair(given).items()
    return {"name": name, "value": value}


def from_credential(given: str) -> Value:
    """Return `NAME=CREDENTIAL/KEY` as an environment variable."""
    name, _, source = given.partition("=")
    credential, _, key = source.partition("/")
    if not (name and credential and key):
        raise ValueError("write NAME=CREDENTIAL/KEY")
    return {"name": name, "credential": {"name": credential, "key": key}}


def tool(given: str) -> Value:
    """Return `TOOL=PORT` as a connection with a URL."""
    name, _, port = given.partition("=")
    if not name or not port:
        raise ValueError("write TOOL=PORT, such as jupyter-notebook=8888")
    return {"name": name, "toolType": name, "connectionType": "ExternalUrl", "containerPort": integer(port)}


def artifact(given: str) -> Value:
    """Return the reference to an Artifact, or to the version of a repository: `NAME` or `REPOSITORY@VERSION`."""
    name, mark, version = given.partition("@")
    return {"repository": name, "version": integer(version)} if mark else {"name": name}


def scope(given: str) -> Value:
    """Return `TYPE` or `TYPE:NAME` as a scope."""
    kind, mark, name = given.partition(":")
    return {"type": kind, "name": name} if mark else {"type": kind}


def nfs(given: str) -> Value:
    """Return `SERVER:PATH` as a directory of an NFS server."""
    server, mark, path = given.partition(":")
    if not server or not mark:
        raise ValueError("write SERVER:PATH, such as nfs.example.com:/data")
    return {"server": server, "path": path}
