"""Messages hold text of other programs, which may not act on the reader's terminal."""

from __future__ import annotations

import pytest

from outfitter.problems import stalled
from outfitter.reasons import Reason


@pytest.mark.parametrize("mark", ["\x1b[31m", "\r", "\n", "\x00", "\x9b", "\u202e", "\u2066", "\u200b"])
def test_a_message_is_printable(mark: str) -> None:
    message = stalled(Reason.POD_REFUSED, f"denied{mark} by policy").message
    assert message.isprintable()
    assert message.startswith("denied")
    assert message.endswith("by policy")
