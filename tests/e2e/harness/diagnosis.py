"""Statuses, pods, events and logs of the namespaces of a failed scenario, as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from outfitter.api.v1alpha1 import KINDS
from outfitter.cluster.client import path_of
from outfitter.cluster.resources import api_resource
from outfitter.errors import ApiError
from outfitter_sandbox.connection import Connection

LINES = 40
SHOWN = ("name", "image", "ready", "restartCount", "state", "lastState")
Object = dict[str, Any]
Section = tuple[str, str]


def sections(connection: Connection, namespaces: Iterable[str], system: str) -> list[Section]:
    """Title and text of each section; unreadable objects are omitted."""
    found: list[Section] = []
    for namespace in namespaces:
        found.append((f"{namespace}: status of Outfitter's objects", "\n".join(_statuses(connection, namespace))))
        found.append((f"{namespace}: events", "\n".join(_events(connection, namespace))))
        for pod in _items(connection, "Pod", namespace):
            found += _pod(connection, namespace, pod)
    for pod in _items(connection, "Pod", system):
        found += _pod(connection, system, pod)
    found.append((f"{system}: events", "\n".join(_events(connection, system)[-LINES:])))
    return [each for each in found if each[1]]


def _items(connection: Connection, kind: str, namespace: str) -> list[Object]:
    try:
        found: list[Object] = connection.request("GET", path_of(api_resource(kind), namespace))["items"]
    except ApiError:
        return []
    return found


def _statuses(connection: Connection, namespace: str) -> list[str]:
    lines = []
    for kind in KINDS:
        for item in _items(connection, kind.name, namespace):
            status = item.get("status") or {}
            ready = next((each for each in status.get("conditions") or () if each["type"] == "Ready"), {})
            lines.append(
                f"{kind.name} {item['metadata']['name']}: Ready={ready.get('status', '-')} {ready.get('reason', '')}, "
                f"{status.get('syncStatus', 'no status')}: {ready.get('message', '')}"
            )
            lines += [f"  issue: {each['issue']}: {each['message']}" for each in status.get("issues") or ()]
    return lines


def _events(connection: Connection, namespace: str) -> list[str]:
    events = _items(connection, "Event", namespace)
    events.sort(key=lambda each: each.get("lastTimestamp") or each["metadata"]["creationTimestamp"])
    return [
        f"{each.get('lastTimestamp') or each['metadata']['creationTimestamp']} {each['type']} {each['reason']} "
        f"{each['involvedObject']['kind']}/{each['involvedObject'].get('name')}: {each.get('message')}"
        for each in events
    ]


def _pod(connection: Connection, namespace: str, pod: Object) -> list[Section]:
    name, status = pod["metadata"]["name"], pod["status"]
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    shown = {
        "phase": ": ".join(filter(None, (status.get(key) for key in ("phase", "reason", "message")))),
        "conditions": [
            f"{each['type']} {each['status']} {each.get('reason', '')} {each.get('message', '')}".strip()
            for each in status.get("conditions") or ()
        ],
        "containers": [{key: each.get(key) for key in SHOWN if each.get(key)} for each in statuses],
    }
    text = yaml.safe_dump(shown, sort_keys=False, width=150)
    found = [(f"{namespace}: pod {name}", text)]
    for container in statuses:
        for previous in ("false", "true") if container["restartCount"] else ("false",):
            title = (
                f"{namespace}: log of {name}/{container['name']}{' before its restart' if previous == 'true' else ''}"
            )
            found.append((title, _log(connection, namespace, name, container["name"], previous)))
    return found


def _log(connection: Connection, namespace: str, pod: str, container: str, previous: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
    try:
        status, text = connection.answer("GET", f"{path}?container={container}&previous={previous}&tailLines={LINES}")
    except ApiError:
        return ""
    return str(text) if status == 200 else ""
