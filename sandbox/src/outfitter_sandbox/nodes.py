"""The kinds of node of a sandbox: a real one, a simulated one, or none."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from outfitter_sandbox import folders
from outfitter_sandbox.components import CONTROLLER_MANAGER
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.realnode import names

Progress = Callable[[str], None]
REAL: Final = "real"
SIMULATED: Final = "simulated"
NONE: Final = "none"
AUTO: Final = "auto"
KINDS = (REAL, SIMULATED, NONE)


def choose(wanted: bool | str, report: Progress) -> str:
    """One of `KINDS`.

    True is a simulated node, False is none, `auto` is a real node where one starts at once. `report` receives one line
    with the reason why `auto` is not a real node. SandboxError when a real node is wanted and this machine cannot run
    one; missing parts that can be built do not count.
    """
    if isinstance(wanted, bool):
        return SIMULATED if wanted else NONE
    if wanted == AUTO:
        reasons = why_no_real_node()
        if not reasons:
            return REAL
        report(f"The node is simulated and runs no container, because a real node is not available: {reasons[0]}")
        return SIMULATED
    if wanted not in KINDS:
        raise SandboxError(f"There is no node {wanted!r}. Use one of {', '.join(KINDS)}.")
    if wanted == REAL:
        from outfitter_sandbox.realnode import host

        if reasons := host.why_not():
            raise SandboxError(
                "A real node cannot run on this machine:\n"
                + "".join(f"  {reason}\n" for reason in reasons)
                + "Next: use --node simulated, which works everywhere; pods become Ready and no container runs."
            )
    return wanted


def why_no_real_node() -> list[str]:
    """All reasons why a real node does not start at once, a sentence each.

    [] when it does.
    """
    from outfitter_sandbox.realnode import host, parts

    reasons = host.why_not()
    if reasons:
        return reasons
    if (other := host.taken()) is not None:
        return [f"another one runs on this machine, in {other}"]
    return parts.find(None)[1]


def programs(kind: str, directory: Path, control: Mapping[str, Path], report: Progress) -> dict[str, Path]:
    """Programs of the control plane and the node, built where necessary.

    SandboxError when a part is missing, or another real node runs.
    """
    if kind != REAL:
        return dict(control)
    from outfitter_sandbox.realnode import host, parts

    if CONTROLLER_MANAGER not in control:
        raise SandboxError("A real node requires kube-controller-manager. Next: unset KUBEBUILDER_ASSETS.")
    host.refuse_second(directory)
    return {**control, **parts.get(report)}


def build(report: Progress) -> dict[str, Path]:
    """Build or unpack every missing part of a real node; root is not required."""
    from outfitter_sandbox.realnode import parts

    return parts.get(report)


def take_machine(directory: Path, nft: str, report: Progress) -> None:
    """Register the real node of this machine, and prepare its network and cgroups."""
    from outfitter_sandbox.realnode import host

    owner = folders.supervisor_of(directory)
    if owner is None:
        raise SandboxError(f"The supervisor of the sandbox in {directory} has ended. Start the sandbox again.")
    host.take(directory, owner, nft, report)


def discard(directory: Path) -> None:
    """Remove a sandbox's folder, after the leftovers of a crashed real node."""
    if (directory / names.NAME).exists():
        from outfitter_sandbox.realnode import cleanup

        cleanup.after_crash(directory)
    folders.remove(directory)


def clean_machine() -> str:
    """Remove all leftovers of crashed real nodes.

    A summary of what was removed, or nothing. SandboxError without root, and when a real node is running.
    """
    from outfitter_sandbox.realnode import cleanup, parts

    if sys.platform != "linux" or os.geteuid() != 0:
        raise SandboxError(
            "Only root on Linux can start a real node or remove its leftovers. Next: sudo -E outfitter ..."
        )
    nft = parts.find(None)[0].get("nft")
    return cleanup.by_names(str(nft) if nft else None)
