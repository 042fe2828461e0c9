"""Events about an object, as causes of its state.

Everybody who may create Events can write one in the name of the kubelet, and drivers choose their own names. So no
author is trusted: the text of an Event is quoted, cut, and never shown as words of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from outfitter.observe.causes import Cause, Source, explain
from outfitter.observe.fields import FieldNames
from outfitter.problems import quoted
from outfitter.snapshot import CachedObject, Reader


def newest_causes(
    reader: Reader, about: CachedObject, source: Source, names: FieldNames
) -> Iterator[tuple[Cause, str]]:
    """Yield the causes in the Events about an object, with the time of their first Event, the newest first.

    A cause that is known by its text comes before one that is known by its code: a general "timed out" follows it.
    """
    found = []
    for event in sorted((item.body for item in reader.events(about)), key=event_time, reverse=True):
        cause = explain(source, event.get("reason", ""), event.get("message", ""), names)
        if cause is not None:
            cause = replace(cause, text=quoted(cause.text)) if cause.foreign else cause
            found.append((cause, str(event.get("firstTimestamp") or event.get("eventTime") or "")))
    yield from sorted(found, key=lambda item: not item[0].precise)


def newest_message(reader: Reader, about: CachedObject) -> str:
    """The message of the newest Event about an object; empty without one."""
    newest = max((item.body for item in reader.events(about)), key=event_time, default={})
    return str(newest.get("message", ""))


def event_time(event: Mapping[str, Any]) -> str:
    """When an Event was last seen."""
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")
