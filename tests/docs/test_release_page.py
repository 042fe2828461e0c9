"""The number of a version stands in the files that the release page names, and is the same in all of them."""

from __future__ import annotations

import re

from .pages import DOCS, ROOT

PAGE = (DOCS / "development" / "release.md").read_text(encoding="utf-8")
NUMBER = re.compile(r'^(?:version|__version__|appVersion)\s*[=:]\s*"?(\d+\.\d+\.\d+)"?$', re.MULTILINE)


def test_all_files_have_the_same_number() -> None:
    step = PAGE.partition("**3.")[2].partition("**4.")[0]
    files = re.findall(r"^- `([^`]+)`", step, re.MULTILINE)
    assert len(files) == 4
    found = {name: NUMBER.findall((ROOT / name).read_text(encoding="utf-8")) for name in files}
    assert all(found.values()), found
    assert len({number for numbers in found.values() for number in numbers}) == 1, found
