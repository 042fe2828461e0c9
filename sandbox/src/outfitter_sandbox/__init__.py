"""A temporary Kubernetes control plane with a node, on this machine."""

from __future__ import annotations

from outfitter_sandbox.audit import AuditEntry
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.sandbox import Sandbox

__all__ = ["AuditEntry", "Sandbox", "SandboxError"]
