"""From objects to the keys that depend on them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from outfitter.operator.reverse_index import ReverseIndex
from outfitter.snapshot import Dep, Key

ALICE, BOB = Key("Workspace", "a", "alice"), Key("Workspace", "b", "bob")
TORCH = Key("Environment", "system", "torch")


def test_record_returns_the_difference() -> None:
    index = ReverseIndex()
    first = frozenset({Dep(*TORCH), Dep("Secret", "a", "token")})
    assert index.record(ALICE, first) == first
    assert index.record(ALICE, first) == frozenset()
    assert index.record(ALICE, frozenset({Dep(*TORCH)})) == {Dep("Secret", "a", "token")}
    assert index.dependents("Secret", "a", "token") == set()
    assert index.users(TORCH) == (ALICE,)
    index.record(BOB, frozenset({Dep(*TORCH)}))
    assert set(index.users(TORCH)) == {ALICE, BOB}
    assert index.forget(ALICE) == {Dep(*TORCH)}
    assert index.users(TORCH) == (BOB,)


def test_wildcards() -> None:
    index = ReverseIndex()
    index.record(ALICE, frozenset({Dep("Secret", "a", "*")}))
    index.record(BOB, frozenset({Dep("Namespace", "*", "*"), Dep("Secret", "*", "token")}))
    assert index.dependents("Secret", "a", "other") == {ALICE}
    assert index.dependents("Secret", "a", "token") == {ALICE, BOB}
    assert index.dependents("Secret", "b", "token") == {BOB}
    assert index.dependents("Namespace", "", "new") == {BOB}
    assert index.users(Key("Secret", "a", "token")) == (), "only exact references are users"


_KEYS = st.sampled_from([ALICE, BOB, TORCH])
_DEPS = st.frozensets(st.builds(Dep, st.sampled_from("SC"), st.sampled_from("ab*"), st.sampled_from("xy*")), max_size=4)


@given(st.lists(st.tuples(_KEYS, _DEPS), max_size=20))
def test_the_index_matches_the_last_records(records: list[tuple[Key, frozenset[Dep]]]) -> None:
    index, model = ReverseIndex(), dict[Key, frozenset[Dep]]()
    for key, deps in records:
        index.record(key, deps)
        model[key] = deps
    for kind, namespace, name in {(dep.kind, dep.namespace, dep.name) for deps in model.values() for dep in deps}:
        if "*" in (namespace, name):
            continue
        expected = {
            key
            for key, deps in model.items()
            if any(dep.kind == kind and dep.namespace in (namespace, "*") and dep.name in (name, "*") for dep in deps)
        }
        assert index.dependents(kind, namespace, name) == expected
    for key in model:
        index.forget(key)
    assert len(index) == 0
