"""A throw-away real control plane on this machine: etcd, kube-apiserver, kube-controller-manager, a node stand-in."""

from __future__ import annotations

from outfitter_sandbox.audit import AuditEntry
from outfitter_sandbox.control_plane import Sandbox
from outfitter_sandbox.errors import SandboxError

__all__ = ["AuditEntry", "Sandbox", "SandboxError"]
