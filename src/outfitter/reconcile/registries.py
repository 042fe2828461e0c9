"""What a reconciliation needs of the client of image registries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from outfitter.snapshot import ImageAnswer, ImageQuestion, Key, RegistryAnswer, RegistryQuestion


class Registries(Protocol):
    """Looks at registries in the background, and the newest answers."""

    def answer(self, key: Key, question: RegistryQuestion) -> RegistryAnswer | None:
        """Return the newest answer; None if there is none yet."""

    def ask(self, key: Key, questions: Iterable[RegistryQuestion]) -> None:
        """Start to look. The key is requeued when the answer is there."""

    def image(self, question: ImageQuestion) -> ImageAnswer | None:
        """Return what a tag is now; None if that is not known yet."""

    def watch(self, key: Key, images: Iterable[ImageQuestion], registry: RegistryQuestion | None) -> None:
        """Replace what is asked from time to time for an object, and how to ask through it, if it is a Registry.

        The key is requeued when its status is to show another answer.
        """

    def forget(self, key: Key) -> None:
        """Drop everything about an object that is gone."""
