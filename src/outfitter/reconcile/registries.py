"""What a reconciliation needs of the client of image registries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from outfitter.snapshot import Key, RegistryAnswer, RegistryQuestion


class Registries(Protocol):
    """Looks at registries in the background, and the newest answers."""

    def answer(self, key: Key, question: RegistryQuestion) -> RegistryAnswer | None:
        """Return the newest answer; None if there is none yet."""

    def ask(self, key: Key, questions: Iterable[RegistryQuestion]) -> None:
        """Start to look. The key is requeued when the answer is there."""

    def forget(self, key: Key) -> None:
        """Drop everything about an object that is gone."""
