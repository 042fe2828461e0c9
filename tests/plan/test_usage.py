"""status.usedBy: everyone is counted, the first are listed, whatever order they come in."""

from __future__ import annotations

import random

from outfitter.api.v1alpha1.asset import LISTED_USERS
from outfitter.plan.used_by import used_by
from outfitter.snapshot import Key
from world import World


def test_the_first_of_thousands_are_listed_by_namespace_and_name() -> None:
    users = [Key("Workspace", f"team-{number % 7}", f"w-{number:04}") for number in range(3000)]
    shuffled = random.Random(7).sample(users, len(users))
    others = [Key("Inference", "team-0", "i"), Key("Credential", "team-0", "counted-only")]
    found = used_by(World().reader(), [*shuffled, *others, users[0]])
    first = sorted((key.namespace, key.name) for key in users)[:LISTED_USERS]
    assert found["total"] == 3002
    assert [(item["namespace"], item["name"]) for item in found["workspaces"]] == first
    assert found["inferences"] == [{"namespace": "team-0", "name": "i"}]
    assert set(found) == {"total", "workspaces", "inferences"}
