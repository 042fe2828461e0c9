"""The browser of this machine."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from typing import Final

_DISPLAYS: Final = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def has_browser() -> bool:
    """Return whether a user sees a browser that opens here: not in a pipe, and not without a display."""
    display = sys.platform == "darwin" or any(os.environ.get(name) for name in _DISPLAYS)
    return sys.stdout.isatty() and display


def open_browser(url: str) -> threading.Thread:
    """Open a URL. A browser that does not start is no error: the URL is printed.

    Some browsers run as a child process until the user closes them. The thread ends then, and delays no exit.
    """
    thread = threading.Thread(target=webbrowser.open, args=(url,), name="browser", daemon=True)
    thread.start()
    return thread
