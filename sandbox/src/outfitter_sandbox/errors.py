"""The exception of the sandbox."""

from __future__ import annotations

from outfitter.errors import OutfitterError


class SandboxError(OutfitterError):
    """A part of the sandbox cannot be built, started or stopped.

    The message names the next step.
    """
