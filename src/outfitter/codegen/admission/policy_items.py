"""CEL of the rules of itemized fields: canAdd, locked, and the entries of attributes.

The items of a field are maps too: `k` is the key, `i` the item, `d` the default item with its key or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from outfitter.api.v1alpha1.policyfields import EXPLAINS, PolicyField
from outfitter.codegen.admission.policy_terms import same
from outfitter.codegen.admission.presence import has_value, has_values

Variable = dict[str, str]


def has_path(start: str, path: str) -> str:
    """CEL: whether every step of a dotted path is there. For what has no nulls."""
    parts = path.split(".")
    return " && ".join(f"has({'.'.join((start, *parts[: number + 1]))})" for number in range(len(parts)))


def path_or(start: str, path: str, other: str) -> str:
    """CEL: what is at a dotted path, or something else. For what has no nulls."""
    return f"({has_path(start, path)} ? {start}.{path} : {other})"


@dataclass(frozen=True)
class Subject:
    """The pods that a policy is about."""

    section: str
    """The section of their policies; "" where there is one alone."""
    fields: str = "object.spec"
    """CEL: their inline fields."""
    prefix: str = ""
    """Start of the path of their fields in messages."""


@dataclass(frozen=True)
class ItemVariables:
    """The variables of one itemized field."""

    table: PolicyField
    subject: Subject
    guard: str
    """CEL: whether nothing can be judged; may be empty."""

    def name(self, what: str) -> str:
        """Return the name of a variable."""
        return f"{self.table.path.replace('.', '_')}_{what}"

    def _of(self, what: str) -> str:
        return f"variables.{self.name(what)}"

    def variables(self) -> Iterator[Variable]:
        """Yield them; `broken` is a list of texts about what breaks canAdd and locked."""
        given = has_values(self.subject.fields, tuple(self.table.path.split(".")))
        facts = {
            "rules": f"dyn({path_or('variables.rules', self.table.path, '{}')})",
            "defaults": f"dyn({path_or('variables.defaults', self.table.path, '{}')})",
            "items": f"dyn({given} ? dyn({self.subject.fields}.{self.table.path}) : [])",
            "instances": f"dyn({path_or(self._of('defaults'), 'instances', '[]')})",
            "keys": f"{self._of('instances')}.map(d, {self._key('d')})",
            "attributes": f"dyn({path_or(self._of('defaults'), 'attributes', '{}')})",
            "ruled": f"dyn({path_or(self._of('rules'), 'attributes', '{}')})",
            "canAdd": f"dyn({path_or(self._of('rules'), 'instances.canAdd', 'true')})",
            "locked": f"dyn({path_or(self._of('rules'), 'instances.locked', '[]')})",
            "own": self._own(),
            "judged": self._judged(),
            "all": self._all(),
            "broken": self._broken(),
        }
        return ({"name": self.name(what), "expression": text} for what, text in facts.items())

    def entries(self, table: PolicyField) -> str:
        """CEL: the entries of one attribute; none without rules for it."""
        value = f"({has_values('e.i', tuple(table.path.split('.')))} ? e.i.{table.path} : null)"
        default = path_or("e.d", table.path, path_or("e.a", table.path, "null"))
        entry = (
            f"{{'p': dyn('{self.subject.prefix}{self.table.path}.attributes.{table.path}[' + e.k + ']'), "
            f"'r': dyn({self._of('ruled')}.{table.path}), 'v': dyn({value}), 'd': dyn({default})}}"
        )
        rule = f"{self._of('ruled')}.{table.path}"
        items = f"(has({rule}.required) && variables.allInline ? {self._of('all')} : {self._of('judged')})"
        return f"({has_path(self._of('ruled'), table.path)} ? {items}.map(e, {entry}) : [])"

    def _key(self, item: str) -> str:
        """CEL: the key of an item; one without is identified by what it mounts or exposes."""
        own = f"{item}.{self.table.key}"
        if self.table.keyed:
            return own
        parts = (f"{item}.{name}" for name in self.table.identity)
        identity = " + '|' + ".join(f"({has_value(part)} ? string({part}) : '')" for part in parts)
        return f"({has_value(own)} ? {own} : {identity})"

    def _own(self) -> str:
        """CEL: the given items with their keys, without imposed ones, and those whose key could be another one."""
        head, _, kind = self.table.path.partition(".")
        assets = "params.spec.imposedAssets"
        imposed, section = "", self.subject.section
        if head == "storage":
            here = f"has(a.section) && a.section == '{section}' && " if section else ""
            imposed = (
                f".filter(e, !(has({assets}) && {assets}.exists(a, has(a.kind) && a.kind == '{kind}' && {here}"
                "a.name == e.k)))"
            )
        certain = ""
        if not self.table.keyed:
            # Without a key it can merge with an item of an asset, a template or the workload, whose key then counts.
            mount, named = self.table.mount_path, has_value(f"i.{self.table.key}")
            alike = f"{has_value(f'o.{mount}')} && o.{mount} == i.{mount} && !{has_value(f'o.{self.table.key}')}"
            unique = f"{has_value(f'i.{mount}')} && {self._of('items')}.exists_one(o, {alike})"
            certain = f".filter(i, {named} || (!variables.references && {unique}))"
        known = f"{self._key('i')} in {self._of('keys')}"
        default = f"{self._of('instances')}[{self._of('keys')}.indexOf({self._key('i')})]"
        entry = (
            f"{{'k': dyn({self._key('i')}), 'i': dyn(i), 'd': dyn({known} ? {default} : {{}}), "
            f"'a': dyn({self._of('attributes')})}}"
        )
        return f"dyn({self._of('items')}{certain}.map(i, {entry}){imposed})"

    def _judged(self) -> str:
        """CEL: the items of the workload whose attributes are judged."""
        excluded = f"({has_value('e.i.exclude')} && e.i.exclude)"
        fixed = f"(e.k in {self._of('locked')} && e.d.size() > 0)"
        allowed = f"(e.d.size() > 0 || {self._of('canAdd')})"
        return f"dyn({self._of('own')}.filter(e, !{excluded} && !{fixed} && {allowed}))"

    def _all(self) -> str:
        """CEL: these, and the default items that are neither given nor excluded: they may lack what is required."""
        key = self._key("d")
        mine = f"{self._of('own')}.exists(e, e.k == {key} && !(e.k in {self._of('locked')}))"
        # A locked default item has the defaults of its attributes already.
        attributes = f"dyn({key} in {self._of('locked')} ? {{}} : {self._of('attributes')})"
        entry = f"{{'k': dyn({key}), 'i': dyn({{}}), 'd': dyn(d), 'a': {attributes}}}"
        rest = f"{self._of('instances')}.filter(d, !{mine}).map(d, {entry})"
        return f"dyn({self._of('judged')} + {rest})"

    def _broken(self) -> str:
        where = f"'{self.subject.prefix}{self.table.path}.instances[' + e.k + ']: "
        excluded = f"({has_value('e.i.exclude')} && e.i.exclude)"
        added = f"{self._of('own')}.filter(e, e.d.size() == 0 && !{excluded})"
        # What excludes an item by its mount path excludes none of a policy.
        named = has_value(f"e.i.{self.table.key}")
        fixed = f"e.d.size() > 0 && e.k in {self._of('locked')}"
        changed = f"{self._of('own')}.filter(e, {fixed} && ({excluded} ? {named} : {self._differs()}))"
        guard = f"{self.guard} ? [] : " if self.guard else ""
        return (
            f"{guard}({self._of('canAdd')} ? [] : {added}.map(e, {where}items cannot be added (canAdd)')) + "
            f"({self._of('locked')}.size() == 0 ? [] : {changed}.map(e, {where}the item is locked (locked)'))"
        )

    def _differs(self) -> str:
        """CEL: whether a given item sets a field to another value than the locked default item."""
        content = [table for path, table in self.table.content.items() if path not in (self.table.key, EXPLAINS)]
        plain = [
            table.path for table in content if "." not in table.path and table.type not in ("quantity", "arbitrary")
        ]
        differs = "!(a in e.d && e.d[a] == e.i[a])"
        parts = [f"{plain}.exists(a, a in e.i && e.i[a] != null && {differs})"] if plain else []
        parts += [self._unlike(table) for table in content if table.path not in plain]
        return f"({' || '.join(parts)})" if parts else "false"

    def _unlike(self, table: PolicyField) -> str:
        given, default = f"e.i.{table.path}", f"e.d.{table.path}"
        equal = same(table.type, given, default)
        unlike = "false" if equal is None else f"!({equal})"
        known = f"({has_path('e.d', table.path)} ? {unlike} : true)"
        return f"({has_values('e.i', tuple(table.path.split('.')))} && {known})"
