"""The exception of the sandbox."""

from __future__ import annotations

from outfitter.errors import OutfitterError


class SandboxError(OutfitterError):
    """A part of the sandbox cannot be built, started or stopped; the message says what to do."""
