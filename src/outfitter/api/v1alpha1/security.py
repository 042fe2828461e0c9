"""User and privileges of a container."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from outfitter.api.base import Model
from outfitter.api.rules import Node, Rule
from outfitter.api.types import Id64, Ids, PolicyType, list_set

Capability = Literal[
    "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH",
    "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE",
    "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "SETGID", "SETFCAP", "SETPCAP", "SETUID",
    "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM",
]  # fmt: skip


def _canonical_source(value: Any) -> Any:
    return "fromIdpToken" if value == "idpToken" else value


UidGidSource = Annotated[
    Literal["fromTheImage", "fromIdpToken", "custom"],
    BeforeValidator(_canonical_source),
    Field(json_schema_extra={"enum": ["fromTheImage", "fromIdpToken", "idpToken", "custom"]}),
    PolicyType(aliases=(("idpToken", "fromIdpToken"),)),
]
_IDS = ("runAsUid", "runAsGid", "supplementalGroups")


def _ids_have_a_source(security: Node) -> bool:
    return "uidGidSource" in security or not any(key in security for key in _IDS)


def _no_ids_from_the_image(security: Node) -> bool:
    return security.get("uidGidSource") != "fromTheImage" or not any(key in security for key in _IDS)


class Security(Model):
    """User and privileges of a container."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.runAsUid) || self.runAsUid != 0 || !has(self.runAsNonRoot) || !self.runAsNonRoot",
            "runAsUid 0 is root, and runAsNonRoot is true. Set runAsNonRoot to false, or set another runAsUid.",
            lambda security: security.get("runAsUid") != 0 or not security.get("runAsNonRoot", False),
            field="runAsUid",
        ),
        Rule(
            "!has(self.uidGidSource) || self.uidGidSource != 'fromTheImage' || "
            "(!has(self.runAsUid) && !has(self.runAsGid) && !has(self.supplementalGroups))",
            "runAsUid, runAsGid and supplementalGroups have no effect with uidGidSource fromTheImage. Remove "
            "them, or set uidGidSource to custom.",
            _no_ids_from_the_image,
            field="uidGidSource",
        ),
    )

    uid_gid_source: UidGidSource | None = None
    """Source of user, group and supplementary groups. `fromTheImage`: the image. `custom`: the fields below. Default:
    custom if one of the fields below is set, else fromTheImage.
    `fromIdpToken`: the login of the user who last changed what the workload runs, where an administrator named the
    fields that hold the ids. `idpToken` is a synonym.
    """
    run_as_uid: Id64 | None = None
    """User id of the process. Default: that of the image."""
    run_as_gid: Id64 | None = None
    """Primary group id of the process. Default: that of the image."""
    supplemental_groups: Ids | None = None
    """Additional group ids, separated by commas, such as "10,20". An empty string clears an inherited list."""
    capabilities: Annotated[tuple[Capability, ...], list_set(38)] = ()
    """Linux capabilities to add, without the CAP_ prefix. Elevated: rejected unless an administrator allows elevation
    in the namespace.
    """
    seccomp_profile_type: Literal["RuntimeDefault", "Unconfined"] | None = None
    """Seccomp profile. Default: RuntimeDefault. `Unconfined` is elevated; local profiles are not supported."""
    run_as_non_root: bool | None = None
    """Reject processes that run as root. Default: true. `false` needs a namespace without Pod Security level
    restricted.
    """
    read_only_root_filesystem: bool | None = None
    """Make the root file system of the container read-only. /tmp and the home directory stay writable, and are deleted
    with the pod. Default: false.
    """
    allow_privilege_escalation: bool | None = None
    """Let a process gain more privileges than its parent. Default: false. Elevated."""
    host_ipc: bool | None = None
    """Share the IPC namespace of the node. Default: false. Elevated."""
    host_network: bool | None = None
    """Use the network of the node. Default: false. Elevated."""

    @property
    def custom_ids(self) -> bool:
        """Return whether the ids are used: their source is `custom`, or they are given without a source."""
        if self.uid_gid_source is None:
            return any(given is not None for given in (self.run_as_uid, self.run_as_gid))
        return self.uid_gid_source == "custom"


class EnvironmentSecurity(Security):
    """User and privileges of the containers of this environment."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.uidGidSource) || (!has(self.runAsUid) && !has(self.runAsGid) && !has(self.supplementalGroups))",
            "runAsUid, runAsGid and supplementalGroups need uidGidSource: custom. Set uidGidSource, or remove them.",
            _ids_have_a_source,
            field="uidGidSource",
        ),
        Rule(
            "!has(self.runAsUid) || self.runAsUid != 0 || has(self.runAsNonRoot)",
            "runAsUid 0 is root, which is rejected by default. Set runAsNonRoot to false, or set another runAsUid.",
            lambda security: security.get("runAsUid") != 0 or "runAsNonRoot" in security,
            field="runAsUid",
        ),
    )

    override_uid_gid_in_workspace: bool = False
    """Let a workload set runAsUid, runAsGid and supplementalGroups. Default: false. Only for uidGidSource custom."""
