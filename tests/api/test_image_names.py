"""The parts of images, as container runtimes read them."""

from __future__ import annotations

import pytest

from outfitter.api.image_names import TaggedImage, tagged_image

DIGEST = f"sha256:{64 * 'a'}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("busybox", ("docker.io", "library/busybox", "latest")),
        ("busybox:1.36", ("docker.io", "library/busybox", "1.36")),
        ("team/app", ("docker.io", "team/app", "latest")),
        ("docker.io/busybox:1", ("docker.io", "library/busybox", "1")),
        ("index.docker.io/team/app:1", ("docker.io", "team/app", "1")),
        ("localhost/app:1", ("localhost", "app", "1")),
        ("localhost:5000/app", ("localhost:5000", "app", "latest")),
        ("registry.example.com/team/sub/app:1.0-a_b", ("registry.example.com", "team/sub/app", "1.0-a_b")),
        ("registry.example.com:443/app:1", ("registry.example.com", "app", "1")),
        ("registry.example.com:5000/app:1", ("registry.example.com:5000", "app", "1")),
        ("Registry.example.com/app:1", ("registry.example.com", "app", "1")),
        ("[fd00::1]:5000/app:1", ("[fd00::1]:5000", "app", "1")),
    ],
)
def test_parts(text: str, parts: tuple[str, str, str]) -> None:
    assert tagged_image(text) == TaggedImage(*parts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"app@sha256:{64 * 'a'}",
        f"registry.example.com/app:1@sha256:{64 * 'a'}",
        "https://a/b",
        "App:1",
        "a b",
        "${X}",
    ],
)
def test_no_tag(text: str) -> None:
    assert tagged_image(text) is None
