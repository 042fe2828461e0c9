"""The bill of materials of the operator, in the format CycloneDX 1.6."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import Any, Final

_PACKAGE: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s;\\]+)(?:\s*;\s*([^\\\n]+?))?\s*\\?$")
_VIA: Final = re.compile(r"^\s+#(?: via|\s) +(\S+)")


@dataclass(frozen=True)
class Package:
    """One row of the lock, and the packages that need it."""

    name: str
    version: str
    marker: str
    needed_by: tuple[str, ...]

    @property
    def purl(self) -> str:
        """The URL that identifies the package."""
        return _purl(self.name, self.version)


def bill(lock: str, wheel: Path, epoch: int) -> str:
    """Return the bill of what the operator in `wheel` runs on; `lock` is the text of requirements.txt."""
    metadata = wheel_metadata(wheel)
    packages = locked(lock)
    name, version = metadata["Name"], metadata["Version"]
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": _purl(name, version),
                "name": name,
                "version": version,
                "description": metadata["Summary"],
                "purl": _purl(name, version),
                "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}],
                "licenses": [{"expression": metadata["License-Expression"]}],
            },
        },
        "components": [_component(package) for package in packages],
        "dependencies": list(_dependencies(name, _purl(name, version), packages)),
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    return json.dumps({**document, "serialNumber": f"urn:uuid:{serial}"}, indent=2) + "\n"


def wheel_metadata(wheel: Path) -> Message:
    """Return the METADATA of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return message_from_string(archive.read(name).decode())


def locked(lock: str) -> list[Package]:
    """Return the packages of a lock that uv wrote, sorted by name."""
    rows: list[tuple[str, str, str, list[str]]] = []
    for line in lock.splitlines():
        if match := _PACKAGE.match(line):
            rows.append((match[1], match[2], match[3] or "", []))
        elif rows and (match := _VIA.match(line)):
            rows[-1][3].append(match[1])
    return [Package(name, version, marker, tuple(by)) for name, version, marker, by in sorted(rows)]


def _component(package: Package) -> dict[str, Any]:
    marker: Mapping[str, Any] = (
        {"properties": [{"name": "python:marker", "value": package.marker}]} if package.marker else {}
    )
    shared = {"name": package.name, "version": package.version, "purl": package.purl}
    return {"type": "library", "bom-ref": package.purl, **shared, **marker}


def _dependencies(name: str, reference: str, packages: list[Package]) -> Iterator[dict[str, Any]]:
    references = {name: reference} | {package.name: package.purl for package in packages}
    for user, purl in references.items():
        needed = [package.purl for package in packages if user in package.needed_by]
        yield {"ref": purl, "dependsOn": needed}


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
