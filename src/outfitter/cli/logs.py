"""Log formats of the operator: one line of text, or one JSON object, for each record."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson

from outfitter.actions import Action

_OURS: Final = "outfitter"
_QUIET_SECONDS: Final = 600.0  # after which a message of a library is a new one
_REMEMBERED: Final = 512
# The API server or the network fails, or a task is cancelled: the type and the text say all.
_EXPECTED: Final = (OSError, TimeoutError, EOFError, asyncio.CancelledError)
_EXPECTED_MODULES: Final = ("aiohttp.", "kopf.", "outfitter.errors")


class Aggregate(logging.Filter):
    """Lets each message of a library through at its 1st, 10th, 100th ... time, with the count.

    Messages of Outfitter pass: the operator counts its failures by object.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: OrderedDict[tuple[Any, ...], tuple[int, float]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Count the message; one that differs only in its arguments is the same."""
        if _is_ours(record):
            return True
        key = (record.name, record.levelno, record.msg if isinstance(record.msg, str) else type(record.msg))
        count, last = self._seen.pop(key, (0, 0.0))
        now = self._clock()
        count = count + 1 if now - last < _QUIET_SECONDS else 1
        self._seen[key] = count, now
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        record.act = {"action": str(Action.LIBRARY), **({"count": count} if count > 1 else {})}
        return str(count).strip("0") == "1"


class _Formatter(logging.Formatter):
    """What both formats have in common: an error that is expected is named, and has no traceback."""

    def said(self, record: logging.LogRecord) -> str:
        """Return the message on one line, with an expected error at its end."""
        text = " ".join(record.getMessage().splitlines())
        if record.exc_info and (error := record.exc_info[1]) is not None and not self.traceback(record):
            text = f"{text}: {type(error).__name__}: {error}"
        return " ".join(text.split("\n"))

    def traceback(self, record: logging.LogRecord) -> str:
        """Return the traceback of an error that is not expected, else ""."""
        if not record.exc_info or record.exc_info[1] is None or _is_expected(record.exc_info[1]):
            return ""
        return self.formatException(record.exc_info)


class JsonFormatter(_Formatter):
    """Formats a record as JSON: time, level, logger, message, the fields of an act, and an unexpected exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.said(record),
            **getattr(record, "act", {"action": str(Action.PROCESS)}),
        }
        if trace := self.traceback(record):
            line["exception"] = trace
        return orjson.dumps(line, default=str).decode()


class PlainFormatter(_Formatter):
    """Formats a record as one line of text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return time, level, logger of a library, message, and the place of an unexpected exception."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        source = "" if _is_ours(record) else f"{record.name}: "
        trace = " | ".join(line.strip() for line in self.traceback(record).splitlines())
        return f"{moment} {record.levelname:7} {source}{self.said(record)}" + (f" [{trace}]" if trace else "")


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == _OURS


def _is_expected(error: BaseException) -> bool:
    module = f"{type(error).__module__}."
    return isinstance(error, _EXPECTED) or module.startswith(_EXPECTED_MODULES)


def configure(form: Literal["plain", "json"], level: str) -> None:
    """Send all loggers of the process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else PlainFormatter())
    handler.addFilter(Aggregate())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # These libraries log their internals at INFO; their relevant messages are warnings.
    for name in ("kopf", "asyncio", "aiohttp"):
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
