"""Credential: a reference to a Secret, and the Secret made from it in every namespace in scope. Never material."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Column, CustomResource
from outfitter.api.refs import SecretRef
from outfitter.api.rules import Rule, Transition, frozen
from outfitter.api.types import DataKey, StatusName, list_set
from outfitter.api.v1alpha1.asset import AssetSpec, AssetStatus, Targets

CredentialType = Literal["accessKey", "dockerRegistry", "password", "genericSecret", "ngcApiKey"]
WANTED_KEYS = {
    "accessKey": ("AccessKeyId", "SecretKey"),
    "dockerRegistry": ("url", "user", "password", ".dockerconfigjson"),
    "password": ("User", "Password"),
    "ngcApiKey": ("NGC_API_KEY",),
}
"""Keys that a Secret of each type is read for; genericSecret takes whatever the Secret holds."""


def _keys_rule(kind: str, wanted: tuple[str, ...]) -> Rule:
    listed = ", ".join(f"'{key}'" for key in wanted)
    return Rule(
        f"self.type != '{kind}' || !has(self.keys) || self.keys.all(key, key in [{listed}])",
        f"{kind} reads the keys {', '.join(wanted)}: remove other entries of keys",
        lambda spec: spec.get("type") != kind or all(key in wanted for key in spec.get("keys", {})),
        field="keys",
    )


class CredentialSpec(AssetSpec):
    """Which Secret, and what it is for."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *(_keys_rule(kind, wanted) for kind, wanted in WANTED_KEYS.items()),
        Rule(
            "!has(self.private) || !self.private || self.type in ['dockerRegistry', 'genericSecret']",
            "private is only for dockerRegistry and genericSecret",
            lambda spec: spec.get("private") is not True or spec.get("type") in ("dockerRegistry", "genericSecret"),
            field="private",
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        frozen("type", "make a new Credential; the value itself may be rotated in the Secret"),
        frozen("secretRef", "make a new Credential, or change the value inside the Secret"),
        frozen("keys", "make a new Credential, or change the value inside the Secret"),
        frozen("private", "make a new Credential"),
    )

    type: CredentialType
    """What it is. `accessKey`: for an object store. `password`: user and password. `dockerRegistry`: login to an image
    registry, attached to every workload in scope. `ngcApiKey`: key for NVIDIA's catalog, also usable to pull images.
    `genericSecret`: any keys; key `ssh` is a private key for Git. Cannot change.
    """
    secret_ref: SecretRef
    """Secret in this namespace that holds the value. It may arrive later; when it changes, the copies follow. Cannot be
    pointed at another one.
    """
    keys: Annotated[dict[DataKey, DataKey], Field(max_length=32)] = Field(default_factory=dict)
    """Which key of the Secret to read for each key that the type needs, where they differ: `{password: token}` reads
    the password from key `token`. accessKey needs AccessKeyId and SecretKey; password User and Password; dockerRegistry
    url, user and password (or .dockerconfigjson); ngcApiKey NGC_API_KEY; genericSecret publishes all keys, or only
    those named here. Cannot change.
    """
    private: bool = False
    """Only the creator's own workloads may use it. Default: false. Only for dockerRegistry and genericSecret. Not
    available yet: refused with reason Unsupported.
    """


class CredentialStatus(AssetStatus):
    """Where the credential has arrived."""

    targets: Targets | None = None
    """Namespaces that should hold a copy, and those that do."""
    secret_name: StatusName | None = None
    """Name of the Secret that workloads use, the same in every namespace in scope."""
    pull_secret_name: StatusName | None = None
    """Name of the Secret to pull images with, for types that have one."""
    keys: Annotated[tuple[StatusName, ...], list_set(64)] = ()
    """Names of the keys in that Secret; what `credential: {name, key}` can name."""


class Credential(CustomResource):
    """A reference to a Secret, shared with every namespace in scope as Secret `cred-<name>`. Never holds material."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Status", path=".status.syncStatus"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Type", path=".spec.type"),
        Column(name="Synced", path=".status.targets.synced", type="integer"),
        Column(name="Desired", path=".status.targets.desired", type="integer"),
        Column(name="Secret", path=".spec.secretRef.name", wide=True),
        Column(name="Scope", path=".spec.scope.type", wide=True),
        Column(name="Used", path=".status.usedBy.total", type="integer", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.type",
        ".spec.secretRef.name",
        ".spec.scope.type",
        ".status.syncStatus",
    )

    spec: CredentialSpec
    """Which Secret, and what it is for."""
    status: CredentialStatus = CredentialStatus()
    """What the operator made of it. Written by the operator only."""
