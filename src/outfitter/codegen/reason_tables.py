"""Tables of reasons in Markdown: those of the troubleshooting guide, and the one at the end of a reference page."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from outfitter.errors import ConfigurationError
from outfitter.reasons import Level, Reason

_CONDITIONS: Final = {
    Level.STALLED: "`Stalled`",
    Level.WAITING: "`Reconciling`",
    Level.UNDER_WAY: "`Ready` or `Reconciling`",
    Level.NOTE: "none: a note",
}
_OTHER_CONDITIONS: Final = dict.fromkeys((Reason.GANG, Reason.NO_GANG_SCHEDULER), "`GangScheduled`")
"""Reasons of a condition that says a fact about the object, and is no problem."""
_END: Final = "<!-- end of generated table -->"
_GUIDE_LINK: Final = re.compile(r"\]\((?=[a-z]+\.md)")


def troubleshooting_page(frame: str) -> str:
    """The guide with a current table below each of its marks; the text around them is kept.

    Raises ConfigurationError where the mark of a level is missing.
    """
    for level in Level:
        mark = f"<!-- generated table: {level.name} -->"
        head, start, rest = frame.partition(mark)
        _, end, tail = rest.partition(_END)
        if not (start and end):
            raise ConfigurationError(f"The troubleshooting guide has no table between {mark!r} and {_END!r}. Add both.")
        frame = "\n".join((head + mark, "", *_guide_table(level), "", _END + tail))
    return frame


def reference_table(shown: Collection[str]) -> Iterator[str]:
    """Lines of a table of these reasons with the condition that each comes with, the most serious first."""
    yield from ("| reason | condition | meaning | remedy |", "|---|---|---|---|")
    for reason in sorted(Reason, key=lambda reason: -reason.level):
        if reason in shown:
            condition = _OTHER_CONDITIONS.get(reason, _CONDITIONS[reason.level])
            row = _row(f"`{reason}`", condition, reason.meaning, reason.remedy)
            yield _GUIDE_LINK.sub("](../guide/", row)


def _guide_table(level: Level) -> Iterator[str]:
    reasons = [reason for reason in Reason if reason.level is level]
    with_remedy = any(reason.remedy for reason in reasons)
    yield from (
        ("| reason | meaning | remedy |", "|---|---|---|") if with_remedy else ("| reason | meaning |", "|---|---|")
    )
    for reason in reasons:
        yield _row(f"`{reason}`", reason.meaning, *([reason.remedy] if with_remedy else []))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
