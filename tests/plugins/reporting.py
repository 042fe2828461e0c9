"""What a run reports: slowest tests, measured figures, tests that were not run. `summary.py` adds up several runs."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

SLOWEST = 100
FIGURE = "figure"
_BEGAN = pytest.StashKey[float]()
COUNTED = ("failed", "passed", "skipped", "error", "xfailed", "xpassed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-name", default="", help="write results to build/runs/NAME.json for tests/summary.py")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_BEGAN] = time.monotonic()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    stats = terminalreporter.stats
    reports = [report for group in stats.values() for report in group if isinstance(report, pytest.TestReport)]
    figures = [value for report in reports for name, value in report.user_properties if name == FIGURE]
    for figure in dict.fromkeys(map(str, figures)):
        terminalreporter.write_line(figure)
    not_run = Counter(reason_of(report) for report in stats.get("skipped", ()))
    for reason, number in sorted(not_run.items()):
        terminalreporter.write_line(f"{number} tests were NOT run: {reason}", yellow=True)
    seconds: Counter[str] = Counter()
    for report in reports:
        seconds[report.nodeid] += report.duration
    build = config.rootpath / "build"
    build.mkdir(exist_ok=True)
    (build / "durations.txt").write_text(durations(seconds))
    if name := config.getoption("--run-name"):
        result = {
            "exit": int(config.pluginmanager.get_plugin("session").exitstatus),  # plugins can fail a run at its end
            "elapsed": time.monotonic() - config.stash[_BEGAN],
            "counts": {category: len(stats[category]) for category in COUNTED if stats.get(category)},
            "not_run": not_run,
            "seconds": dict(seconds.most_common(SLOWEST)),
        }
        (build / "runs").mkdir(exist_ok=True)
        (build / "runs" / f"{name}.json").write_text(json.dumps(result, indent=1))


def durations(seconds: Counter[str]) -> str:
    """The slowest tests, one a line, with set-up and tear-down."""
    return "".join(f"{value:8.2f} s  {nodeid}\n" for nodeid, value in seconds.most_common(SLOWEST))


def reason_of(report: pytest.TestReport) -> str:
    """Why a test was skipped."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
