"""The tables of `outfitter explain` on terminals of several widths."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from outfitter.cli.binding_rules import BindingRule
from outfitter.cli.explain_tables import value_tables
from outfitter.cli.origins import PodValue

IMAGE = "nvcr.io/nvidia/pytorch:26.09-py3"
RULE = BindingRule("compute.gpuDevicesRequest", "max", 2, "outfitter-system/gpus", "cluster")
VALUES = [
    PodValue("image", IMAGE, "Environment torch"),
    PodValue("resources.limits.nvidia.com/gpu", "1", "ComputeResource one-gpu", rules=(RULE,)),
    PodValue("securityContext.allowPrivilegeEscalation", "false", "Outfitter"),
    PodValue("pod.securityContext.fsGroupChangePolicy", "OnRootMismatch", "Outfitter"),
]
LONG = PodValue("args", "--word " * 40, "WorkloadTemplate with-a-long-name-of-its-own, Workspace alice")


def printed(values: list[PodValue], width: int) -> list[str]:
    """The lines of the tables."""
    out = Console(file=io.StringIO(), width=width)
    for table in value_tables(values, {"Environment torch"}, width):
        out.print(table)
    assert isinstance(out.file, io.StringIO)
    return [line.rstrip() for line in out.file.getvalue().splitlines()]


def test_where_there_is_room_each_value_has_one_line_with_its_rules() -> None:
    lines = printed(VALUES, 160)
    assert len(lines) == 1 + len(VALUES)
    assert lines[0].split() == ["FIELD", "VALUE", "FROM", "RULES"]
    assert lines[2].endswith("1                                 ComputeResource one-gpu       max 2 (gpus, cluster)")


def test_on_100_columns_no_value_is_cut_and_rules_follow_in_a_table() -> None:
    lines = printed(VALUES, 100)
    assert lines[0].split() == ["FIELD", "VALUE", "FROM"]
    assert re.fullmatch(rf"image +{IMAGE}  Environment torch \(outdated\)", lines[1])
    assert "resources.limits.nvidia.com/gpu  max 2 (gpus, cluster)" in lines
    place = next(index for index, line in enumerate(lines) if line.startswith("securityContext. "))
    assert lines[place + 1] == "  allowPrivilegeEscalation"


@pytest.mark.parametrize("width", [80, 90, 100, 120, 139, 140])
def test_names_of_fields_break_only_after_their_dots(width: int) -> None:
    lines = printed([*VALUES, LONG], width)
    assert max(map(len, lines)) <= width
    words = set(" ".join(lines).split())
    assert {"allowPrivilegeEscalation", "securityContext.allowPrivilegeEscalation"} & words
    assert {"fsGroupChangePolicy", "pod.securityContext.fsGroupChangePolicy"} & words
    assert sum(line.count("--word") for line in lines) == 40
