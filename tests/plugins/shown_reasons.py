"""Records which reasons and phases each kind shows in the unit tests, and compares them with the committed table.

A run of all unit tests fails where the record and the table differ; `--update` writes the table.
A partial run compares nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import yaml

from outfitter.codegen.shown_reasons import REASONS, TABLE, Shown, read_shown
from outfitter.reasons import Level, Reason
from outfitter.simulator.caches import OUR_KINDS
from outfitter.simulator.cluster import SimulatedCluster
from plugins.selection import TESTS

_PARTIAL = ("keyword", "deselect", "ignore", "ignore_glob", "lf", "stepwise", "collectonly")
_NOT_UNIT = ("cluster", "slow", "realnode", "verdict", "e2e")
_PHASES = ("phase", "runPhase", "state")
_LEVELS = {"Stalled": (Level.STALLED,), "Reconciling": (Level.WAITING, Level.UNDER_WAY)}

_HEADER = (
    "# Generated from the statuses of the unit tests by `pytest --update`. Do not edit.\n"
    "# Run `make generate` afterwards: the reference pages list these reasons and phases.\n"
)

Entry = tuple[str, str, str]
"""Kind, `reasons` or the field of a phase, value."""


def is_unit(item: pytest.Item) -> bool:
    """Whether a test needs no control plane and runs in `make check`."""
    return not any(item.get_closest_marker(name) for name in _NOT_UNIT)


def is_random(item: pytest.Item) -> bool:
    """Whether a test draws its examples."""
    return getattr(getattr(item, "obj", None), "is_hypothesis_test", False) is True


def entries(kind: str, status: Mapping[str, Any]) -> Iterator[Entry]:
    """The reasons and phases in one status."""
    for condition in status.get("conditions", ()):
        yield kind, REASONS, condition["reason"]
    for issue in status.get("issues", ()):
        yield kind, REASONS, issue["issue"]
    for field in _PHASES:
        if field in status:
            yield kind, field, status[field]


def level_errors(kind: str, status: Mapping[str, Any]) -> Iterator[str]:
    """The conditions whose reason belongs to a level of another condition.

    The cause of a run or a build that has failed is that of its pod: nothing waits for it any more.
    """
    if (status.get("run") or {}).get("result") == "Failed" or status.get("state") == "FAILED":
        return
    for condition in status.get("conditions", ()):
        levels = _LEVELS.get(condition["type"])
        reason = condition["reason"]
        if levels and reason in set(Reason) and Reason(reason).level not in levels:
            yield f"{kind} shows {reason} with {condition['type']}, but the level of {reason} in reasons.py differs."


def table(record: set[Entry]) -> Shown:
    """A record in the form of the committed table."""
    found: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for kind, field, value in sorted(record):
        found[kind][field].append(value)
    return {kind: {field: tuple(values) for field, values in fields.items()} for kind, fields in found.items()}


def text_of(shown: Shown) -> str:
    """The text of the table's file."""
    plain = {kind: {field: list(values) for field, values in fields.items()} for kind, fields in shown.items()}
    return _HEADER + yaml.safe_dump(plain, sort_keys=True)


def differences(committed: Shown, record: Shown) -> Iterator[str]:
    """Sentences about every value that only one of the two has, and about reasons of no kind."""
    for kind in sorted({*committed, *record}):
        old, new = committed.get(kind, {}), record.get(kind, {})
        for field in sorted({*old, *new}):
            unshown = sorted(set(old.get(field, ())) - set(new.get(field, ())))
            unlisted = sorted(set(new.get(field, ())) - set(old.get(field, ())))
            if unshown:
                yield f"No unit test shows {field} {', '.join(unshown)} of {kind}. Add one, or update the table."
            if unlisted:
                yield f"The table has no {field} {', '.join(unlisted)} of {kind}. Update it."
    reasons = {reason for fields in record.values() for reason in fields.get(REASONS, ())}
    if unused := set(Reason) - reasons:
        yield f"No kind shows {', '.join(sorted(unused))}. Add a unit test, or remove the row from reasons.py."
    if unknown := reasons - set(Reason):
        yield f"reasons.py has no row for {', '.join(sorted(unknown))}. Add one."


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(ShownReasons(config), "shown-reasons")


class ShownReasons:
    """Listens to the status writes of simulated clusters while unit tests run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._record: set[Entry] = set()
        self._errors: set[str] = set()
        self._recording = False
        self._complete = _names_all_tests(config)
        self._messages: list[str] = []
        self._write_status = SimulatedCluster.write_status

    def pytest_sessionstart(self) -> None:
        """Wrap the one function through which statuses are written."""
        write_status, listener = self._write_status, self

        async def recorded(
            self: SimulatedCluster, kind: str, namespace: str, name: str, uid: str, status: Any, version: int = 0
        ) -> Any:
            stored = await write_status(self, kind, namespace, name, uid, status, version)
            listener.observe(kind, status)
            return stored

        SimulatedCluster.write_status = recorded

    def pytest_unconfigure(self) -> None:
        """Restore it."""
        SimulatedCluster.write_status = self._write_status

    def observe(self, kind: str, status: Mapping[str, Any]) -> None:
        """Add a status to the record."""
        if self._recording and kind in OUR_KINDS:
            self._record.update(entries(kind, status))
            self._errors.update(level_errors(kind, status))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Record unit tests only, without random examples: the others do not show the same every time."""
        self._recording = is_unit(item) and not is_random(item)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """A run without some unit tests is partial."""
        self._complete = self._complete and not any(map(is_unit, items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Merge the record of a process of pytest-xdist."""
        output = getattr(node, "workeroutput", {}).get("shown_reasons")
        if output is None:
            self._complete = False
            return
        record, errors, complete = output
        self._record.update(tuple(entry) for entry in record)
        self._errors.update(errors)
        self._complete = self._complete and complete

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Hand the record to the main process, or compare it there."""
        if hasattr(self._config, "workeroutput"):
            output = [list(map(list, self._record)), list(self._errors), self._complete]
            self._config.workeroutput["shown_reasons"] = output
        elif self._complete:
            self._compare(session, passed=exitstatus == pytest.ExitCode.OK)

    def _compare(self, session: pytest.Session, *, passed: bool) -> None:
        record = table(self._record)
        if self._config.getoption("--update"):
            TABLE.write_text(text_of(record), encoding="utf-8")
        elif not passed:
            return  # a failed test may not have reached its status
        self._messages = [*differences(read_shown(), record), *sorted(self._errors)]
        if self._messages:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the differences and the remedy."""
        if self._messages:
            terminalreporter.section("reasons and phases that the kinds show", red=True)
            for message in self._messages:
                terminalreporter.write_line(message)
            terminalreporter.write_line(
                f"Update {TABLE.name}: run all unit tests with --update, then make generate.", red=True
            )


def _names_all_tests(config: pytest.Config) -> bool:
    """Whether the command line selects every unit test."""
    start = config.invocation_params.dir
    folders = {(start / argument).resolve() for argument in config.args}
    return TESTS in folders and not any(config.getoption(name, None) for name in _PARTIAL)
