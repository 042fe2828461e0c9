"""The reverse index."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from outfitter.operator.reverse_index import ReverseIndex
from outfitter.snapshot import Dep, Key

ALICE, BOB = Key("Workspace", "a", "alice"), Key("Workspace", "b", "bob")
TORCH = Key("Environment", "system", "torch")


def test_record_tells_what_changed() -> None:
    found = ReverseIndex()
    first = frozenset({Dep(*TORCH), Dep("Secret", "a", "token")})
    assert found.record(ALICE, first) == first
    assert found.record(ALICE, first) == frozenset()
    assert found.record(ALICE, frozenset({Dep(*TORCH)})) == {Dep("Secret", "a", "token")}
    assert found.of("Secret", "a", "token") == set()
    assert found.users(TORCH) == (ALICE,)
    found.record(BOB, frozenset({Dep(*TORCH)}))
    assert set(found.users(TORCH)) == {ALICE, BOB}
    assert found.forget(ALICE) == {Dep(*TORCH)}
    assert found.users(TORCH) == (BOB,)


def test_wildcards() -> None:
    found = ReverseIndex()
    found.record(ALICE, frozenset({Dep("Secret", "a", "*")}))
    found.record(BOB, frozenset({Dep("Namespace", "*", "*"), Dep("Secret", "*", "token")}))
    assert found.of("Secret", "a", "other") == {ALICE}
    assert found.of("Secret", "a", "token") == {ALICE, BOB}
    assert found.of("Secret", "b", "token") == {BOB}
    assert found.of("Namespace", "", "new") == {BOB}
    assert found.users(Key("Secret", "a", "token")) == (), "only exact references are users"


_KEYS = st.sampled_from([ALICE, BOB, TORCH])
_DEPS = st.frozensets(st.builds(Dep, st.sampled_from("SC"), st.sampled_from("ab*"), st.sampled_from("xy*")), max_size=4)


@given(st.lists(st.tuples(_KEYS, _DEPS), max_size=20))
def test_the_index_is_what_the_last_records_say(records: list[tuple[Key, frozenset[Dep]]]) -> None:
    found, model = ReverseIndex(), dict[Key, frozenset[Dep]]()
    for key, deps in records:
        found.record(key, deps)
        model[key] = deps
    for kind, namespace, name in {(dep.kind, dep.namespace, dep.name) for deps in model.values() for dep in deps}:
        if "*" in (namespace, name):
            continue
        expected = {
            key
            for key, deps in model.items()
            if any(dep.kind == kind and dep.namespace in (namespace, "*") and dep.name in (name, "*") for dep in deps)
        }
        assert found.of(kind, namespace, name) == expected
    for key in model:
        found.forget(key)
    assert not found._users
