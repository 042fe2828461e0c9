"""A container group keeps its pods: whatever is renamed, moved, added or removed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitter.resolve.groups import PlacedGroup, place_groups

NAMES = st.lists(st.sampled_from(["a", "b", "c", "d", "a-2"]), min_size=1, max_size=4, unique=True)


def placed(*groups: str) -> tuple[PlacedGroup, ...]:
    """Groups as `name` or `name=key`."""
    return tuple(PlacedGroup(*(group.split("=") * 2)[:2]) for group in groups)


@pytest.mark.parametrize(
    ("running", "names", "expected"),
    [
        ("", "front back", "front back"),
        ("default", "server", "server=default"),
        ("server=default", "default", "default"),
        ("front back", "back front", "front back"),
        ("front back", "web back", "web=front back"),
        ("front back", "back web", "web=front back"),
        ("front back", "front rear", "front rear=back"),
        ("front rear=back", "front rear back", "front rear=back back=back-2"),
        ("front back", "web rear", "web=front rear=back"),
        ("front back", "back", "back=front"),
        ("front back", "front", "front"),
        ("front", "front back", "front back"),
        ("front", "back front", "front back"),
        ("back=front", "back front", "back=front front=front-2"),
    ],
)
def test_what_becomes_of_a_group(running: str, names: str, expected: str) -> None:
    assert place_groups(names.split(), placed(*running.split())) == placed(*expected.split())


@given(st.lists(NAMES, min_size=1, max_size=6))
def test_every_list_of_groups_follows_every_other(lists: list[list[str]]) -> None:
    """Keys are unique, the main key stays, an unchanged list changes nothing, and order does not matter."""
    running: tuple[PlacedGroup, ...] = ()
    for names in lists:
        after = place_groups(names, running)
        assert sorted(group.name for group in after) == sorted(names)
        assert len({group.key for group in after}) == len(names)
        if running:
            assert after[0].key == running[0].key
            same = {group.name: group.key for group in running}
            kept = [group for group in after[1:] if group.name in same]
            assert all(group.key == same[group.name] for group in kept)
        assert place_groups(list(reversed(names)), after)[0] == after[0]
        assert set(place_groups(list(reversed(names)), after)) == set(after)
        running = after
