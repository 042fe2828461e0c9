"""The repositories and buckets of a workload in its status: what its newest pod has fetched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from outfitter.observe import Fetched, Observation, State, fetched, is_fetching, progressing, under_way
from outfitter.reasons import Reason
from outfitter.render.podset import PodSet
from outfitter.snapshot import CachedObject


def data_rows(groups: Iterable[PodSet], pods: Iterable[CachedObject]) -> list[dict[str, Any]] | None:
    """Return `status.data`: one row for each source; None without any. `pods`: the newest first."""
    known: dict[str, Fetched] = {}
    for pod in pods:
        known = {**fetched(pod), **known}
    rows: dict[str, dict[str, Any]] = {}
    for container in _containers(groups):
        given = {item["name"].removeprefix("OUTFITTER_"): _read(item) for item in container["env"]}
        found = known.get(container["name"], Fetched())
        row: dict[str, Any] = {
            "name": given["NAME"],
            "path": given["PATH"],
            "revision": given.get("REVISION") or given.get("BRANCH"),
            "commit": found.commit if "REPOSITORY" in given else None,
            "objects": found.objects if "BUCKET" in given else None,
            "bytes": found.bytes if "BUCKET" in given else None,
        }
        rows.setdefault(row["path"], {name: value for name, value in row.items() if value not in (None, "")})
    return list(rows.values()) or None


def rows_of_run(
    rows: Sequence[Mapping[str, Any]] | None, written: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]] | None:
    """Return `status.data` of a run that is over. `written`: its rows so far, which say more once its pods are gone."""
    known = {row["path"]: row for row in written}
    if rows is None:
        return list(written) or None
    return [row if "commit" in row or "objects" in row else known.get(row["path"], row) for row in rows]


def with_fetching(now: Observation, pods: Iterable[CachedObject]) -> Observation:
    """Return the state of a workload that is on its way: its pods may be fetching data."""
    if now.state is not State.PROGRESSING or now.reason == Reason.UPDATING:
        return now
    source = next(filter(None, map(under_way, pods)), "")
    return progressing(Reason.FETCHING_DATA, f"Fetching data: {source}.") if source else now


def _containers(groups: Iterable[PodSet]) -> Iterator[Mapping[str, Any]]:
    for group in groups:
        yield from (item for item in group.template["spec"].get("initContainers", ()) if is_fetching(item))


def _read(variable: Mapping[str, Any]) -> str:
    """Return the value that a container gets: the manifest has each `$` twice."""
    return str(variable.get("value", "")).replace("$$", "$")
