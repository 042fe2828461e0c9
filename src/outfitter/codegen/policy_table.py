"""The fields of policies as a table: which workload types have them, and which rules they can have."""

from collections.abc import Iterator

from outfitter.api.v1alpha1.policyfields import SECTIONS, PolicyField, policy_fields


def policy_table() -> Iterator[str]:
    """Yield the lines of the table, itemized fields followed by the fields of their items."""
    yield from ("## Fields of defaults and rules", "")
    yield "Every field of a workload is a field of its policies. `[]` marks fields of items, whose rules are in"
    yield "`attributes`; rules of the list itself are in `instances`. The fields of a distributed workload are in"
    yield "`worker` and `master`."
    yield from ("", "| field | type | rules | workload types |", "|---|---|---|---|")
    tables: dict[str, list[tuple[str, PolicyField]]] = {}
    for name, sections in SECTIONS.items():
        for section in sections:
            label = f"{name} ({section})" if section else name
            for path, table in policy_fields(name, section).items():
                tables.setdefault(path, []).append((label, table))
    every = sum(len(sections) for sections in SECTIONS.values())
    for path, found in tables.items():
        yield _row(path, found[0][1], [label for label, _ in found], every)
        attributes = {name: table for _, parent in found for name, table in parent.attributes.items()}
        for name, table in attributes.items():
            labels = [label for label, parent in found if name in parent.attributes]
            yield _row(f"{path}[].{name}", table, labels, every)
    yield ""


def _row(path: str, table: PolicyField, labels: list[str], every: int) -> str:
    types = "all" if len(labels) == every else ", ".join(labels)
    choice = " \\| ".join(f"`{value}`" for value in table.enum)
    if len(table.enum) > 8:
        choice = ""
    return f"| `{path}` | {choice or table.type} | {', '.join(table.rules)} | {types} |"
