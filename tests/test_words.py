"""Words and lines of documentation, code and messages: the standard that readers of Kubernetes expect."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST_LINE = 100  # characters of prose in Markdown; tables, links and code blocks are as long as they must be

# Private or antiquated words, and the plain one.
BANNED = {
    r"anew": "again",
    r"for ever": "without end",
    r"in vain": "without effect",
    r"at home": "in its own namespace",
    r"whoever": "the user who",
    r"nobody": "no user",
    r"strangers?": "unmanaged object",
    r"twins?": "simulator",
    r"mend(s|ed|ing)?": "repair",
    r"besides": "also",
    r"looks? again": "reconcile again",
    r"stands? for": "means",
    r"pin(s|ned)? of (a|the) workload": "revision",
    r"unpinned": "without a revision",
}
_BANNED = re.compile(rf"\b({'|'.join(BANNED)})\b", re.IGNORECASE)

TEXTS = ("*.md", "src/*.py", "sandbox/*.py", "Makefile", "deploy/chart/*", "deploy/examples/*")
# Decisions are records of their time. An image has a user with one of these names.
EXCEPT = re.compile(r"^(docs/decisions/|sandbox/src/outfitter_sandbox/images/layers\.py)")


def _files(*patterns: str) -> list[str]:
    out = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [name for name in out.stdout.splitlines() if not EXCEPT.match(name) and (ROOT / name).is_file()]


def _in_git() -> bool:
    return (ROOT / ".git").exists()


@pytest.mark.skipif(not _in_git(), reason="the list of files comes from git: run it in a clone")
def test_no_banned_word() -> None:
    """In docs, docstrings, comments, messages and help texts."""
    found = []
    for name in _files(*TEXTS):
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
            if match := _BANNED.search(line):
                found.append(f"{name}:{number}: {match[0]!r}: {line.strip()[:100]}")
    assert found == []


@pytest.mark.skipif(not _in_git(), reason="the list of files comes from git: run it in a clone")
def test_lines_of_prose_fit_a_screen() -> None:
    """At most 100 characters in Markdown, except tables, links, generated pages and code."""
    found = []
    for name in _files("*.md"):
        if name.startswith("docs/reference/"):
            continue
        code = False
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
            code ^= line.startswith("```")
            table_or_link = line.startswith("|") or re.search(r"\]\(\S{40,}\)|https?://\S{40,}", line)
            if len(line) > LONGEST_LINE and not code and not table_or_link:
                found.append(f"{name}:{number}: {len(line)} characters")
    assert found == []
