"""Which node a sandbox gets: a real one, the stand-in, or none."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from outfitter_sandbox import folders
from outfitter_sandbox.components import CONTROLLER_MANAGER
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.realnode.marks import MARK

Progress = Callable[[str], None]
REAL: Final = "real"
STAND_IN: Final = "stand-in"
NONE: Final = "none"
AUTO: Final = "auto"
KINDS = (REAL, STAND_IN, NONE)


def choose(wanted: bool | str, report: Progress) -> str:
    """One of `KINDS`. True is the stand-in, False none, `auto` a real node where one can run at once.

    `report` is told in one line why `auto` takes the stand-in. SandboxError when a real node is wanted and this machine
    cannot run one; parts that can be built are not looked at here.
    """
    if isinstance(wanted, bool):
        return STAND_IN if wanted else NONE
    if wanted == AUTO:
        reasons = why_no_real_node()
        if not reasons:
            return REAL
        report(f"A node stand-in, in which no container runs, for want of a real node: {reasons[0]}")
        return STAND_IN
    if wanted not in KINDS:
        raise SandboxError(f"There is no node {wanted!r}. Use one of {', '.join(KINDS)}.")
    if wanted == REAL:
        from outfitter_sandbox.realnode import host

        if reasons := host.why_not():
            raise SandboxError(
                "A real node cannot run here:\n"
                + "".join(f"  {each}\n" for each in reasons)
                + "Next: --node stand-in, which makes pods Ready without running them, works everywhere."
            )
    return wanted


def why_no_real_node() -> list[str]:
    """Everything that stands against a real node here and now, a sentence each; [] when `up` would start at once."""
    from outfitter_sandbox.realnode import host, parts

    reasons = host.why_not()
    if reasons:
        return reasons
    if (other := host.taken()) is not None:
        return [f"another one runs on this machine, in {other}"]
    return parts.find(None)[1]


def programs(kind: str, directory: Path, control: Mapping[str, Path], report: Progress) -> dict[str, Path]:
    """The control plane's programs and what a node of this kind needs beside them, built if need be.

    SandboxError when a part is missing, or another real node runs.
    """
    if kind != REAL:
        return dict(control)
    from outfitter_sandbox.realnode import host, parts

    if CONTROLLER_MANAGER not in control:
        raise SandboxError("A real node needs kube-controller-manager too. Next: unset KUBEBUILDER_ASSETS.")
    host.refuse_second(directory)
    return {**control, **parts.get(report)}


def build(report: Progress) -> dict[str, Path]:
    """Every part of a real node, built or unpacked where this machine does not have it; needs no root."""
    from outfitter_sandbox.realnode import parts

    return parts.get(report)


def take_machine(directory: Path, nft: str, report: Progress) -> None:
    """Become the machine's one real node, and prepare its network and cgroups."""
    from outfitter_sandbox.realnode import host

    owner = folders.supervisor_of(directory)
    if owner is None:
        raise SandboxError(f"The sandbox's supervisor in {directory} is gone. Start it again.")
    host.take(directory, owner, nft, report)


def discard(directory: Path) -> None:
    """Remove a sandbox's folder for good, and before it what a crashed real node left on this machine."""
    if (directory / MARK).exists():
        from outfitter_sandbox.realnode import clean

        clean.after_crash(directory)
    folders.remove(directory)


def clean_machine() -> str:
    """Remove what any dead real node left on this machine; what it was, in words, or nothing.

    SandboxError for anybody but root, and when a real node is running.
    """
    from outfitter_sandbox.realnode import clean, parts

    if sys.platform != "linux" or os.geteuid() != 0:
        raise SandboxError(
            "Only root on Linux can start a real node, or remove what one left. Next: sudo -E outfitter ..."
        )
    nft = parts.find(None)[0].get("nft")
    return clean.by_marks(str(nft) if nft else None)
