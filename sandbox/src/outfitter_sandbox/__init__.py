"""A temporary Kubernetes control plane with a node, on this machine.

`outfitter` imports this package for every command, so the parts are imported when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from outfitter_sandbox.errors import SandboxError

if TYPE_CHECKING:
    from outfitter_sandbox.audit import AuditEntry
    from outfitter_sandbox.sandbox import Sandbox

__all__ = ["AuditEntry", "Sandbox", "SandboxError"]


def __getattr__(name: str) -> Any:
    if name == "Sandbox":
        from outfitter_sandbox.sandbox import Sandbox

        return Sandbox
    if name == "AuditEntry":
        from outfitter_sandbox.audit import AuditEntry

        return AuditEntry
    raise AttributeError(f"module {__name__} has no attribute {name}")
