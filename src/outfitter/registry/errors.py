"""The failures of a conversation with a registry. Their texts hold nothing that the registry sent."""

from __future__ import annotations

from outfitter.reasons import Reason


class RegistryError(Exception):
    """A registry could not be looked at. `retry_after`: seconds that it asks for."""

    def __init__(self, reason: Reason, text: str, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.retry_after = retry_after


class Denied(RegistryError):
    """The registry refuses one request to a user whose login it accepts, or does not have what was asked for."""


def unreachable(text: str, retry_after: float = 0.0) -> RegistryError:
    """Return the error of a registry that does not answer as it must."""
    return RegistryError(Reason.REGISTRY_UNREACHABLE, text, retry_after)


def not_allowed(text: str) -> RegistryError:
    """Return the error of a registry that leads to an address which no administrator allowed."""
    return RegistryError(Reason.REGISTRY_NOT_ALLOWED, text)
