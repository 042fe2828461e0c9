"""Credential: a reference to a Secret, and copies of it in the namespaces in scope. It holds no secret data."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from outfitter.api.base import Column, CustomResource
from outfitter.api.patterns import DATA_KEY_PATTERN, matches
from outfitter.api.refs import SecretRef
from outfitter.api.rules import Rule, Transition, frozen
from outfitter.api.types import DataKey, StatusName, list_set
from outfitter.api.v1alpha1.asset import AssetSpec, CatalogStatus, Targets
from outfitter.api.v1alpha1.labels import Labels

CredentialType = Literal["accessKey", "dockerRegistry", "password", "genericSecret", "ngcApiKey"]
WANTED_KEYS = {
    "accessKey": ("AccessKeyId", "SecretKey"),
    "dockerRegistry": ("url", "user", "password", ".dockerconfigjson"),
    "password": ("User", "Password"),
    "ngcApiKey": ("NGC_API_KEY",),
}
"""Keys that each type reads from its Secret; genericSecret reads all keys."""


def _keys_rule(kind: str, wanted: tuple[str, ...]) -> Rule:
    listed = ", ".join(f"'{key}'" for key in wanted)
    return Rule(
        f"self.type != '{kind}' || !has(self.keys) || self.keys.all(key, key in [{listed}])",
        f"{kind} reads only the keys {', '.join(wanted)}. Remove the other entries of keys.",
        lambda spec: spec.get("type") != kind or all(key in wanted for key in spec.get("keys", {})),
        field="keys",
    )


class CredentialSpec(AssetSpec):
    """Desired state."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *(_keys_rule(kind, wanted) for kind, wanted in WANTED_KEYS.items()),
        Rule(
            f"!has(self.keys) || self.keys.all(key, key.matches('{DATA_KEY_PATTERN}'))",
            "A name in keys is not valid. Use letters, digits, hyphens, underscores and dots, without two dots first.",
            lambda spec: all(matches(DATA_KEY_PATTERN, key) for key in spec.get("keys", {})),
            field="keys",
        ),
        Rule(
            "!has(self.private) || !self.private || self.type in ['dockerRegistry', 'genericSecret']",
            "private is valid only for types dockerRegistry and genericSecret. Remove private.",
            lambda spec: spec.get("private") is not True or spec.get("type") in ("dockerRegistry", "genericSecret"),
            field="private",
        ),
    )
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        frozen("type", "Create a new Credential. To rotate the value, change the Secret."),
        frozen("secretRef", "Create a new Credential, or change the content of the Secret."),
        frozen("keys", "Create a new Credential, or change the content of the Secret."),
        frozen("private", "Create a new Credential."),
    )

    type: CredentialType
    """Type. `accessKey`: for an object store. `password`: user and password. `dockerRegistry`: login to an image
    registry, used by every workload in scope. `ngcApiKey`: key for NVIDIA's catalog, also usable to pull images.
    `genericSecret`: any keys; key `ssh` is a private key for Git. The copies of all types but genericSecret have no
    white space around their values. Cannot change.
    """
    secret_ref: SecretRef
    """Secret of this namespace with the data. You can create it later. When it changes, Outfitter updates the copies.
    The name cannot change.
    """
    keys: Annotated[dict[DataKey, DataKey], Field(max_length=32)] = Field(default_factory=dict)
    """Key of the Secret for each key of the type, where the names differ: `{password: token}` reads the password from
    the key `token`. accessKey needs AccessKeyId and SecretKey; password User and Password; dockerRegistry url, user and
    password (or .dockerconfigjson); ngcApiKey NGC_API_KEY; genericSecret publishes all keys, or only those in this map.
    Cannot change.
    """
    labels: Labels = ()
    """Labels for the Secrets that it creates, as admission policies may demand."""
    private: bool = False
    """Only workloads whose author created the Credential may use it. Default: false. Only for dockerRegistry and
    genericSecret. Needs the identity policies (Kubernetes 1.36). No namespace gets a copy: each workload that uses it
    gets a Secret of its own, deleted with it. A private dockerRegistry is used by all workloads of its creator.
    Cannot change.
    """


class CredentialStatus(CatalogStatus):
    """State of the credential."""

    targets: Targets | None = None
    """Namespaces that should hold a copy, and those that hold one."""
    secret_name: StatusName | None = None
    """Name of the Secret that workloads use, the same in every namespace in scope. A private Credential has none."""
    pull_secret_name: StatusName | None = None
    """Name of the Secret to pull images with, for types that have one."""
    keys: Annotated[tuple[StatusName, ...], list_set(64)] = ()
    """Keys of that Secret, for `credential: {name, key}`."""


class Credential(CustomResource):
    """A reference to a Secret, copied to each namespace in scope as Secret `cred-<name>`. It holds no secret data."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Status", path=".status.syncStatus"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="Type", path=".spec.type"),
        Column(name="Synced", path=".status.targets.synced", type="integer"),
        Column(name="Desired", path=".status.targets.desired", type="integer"),
        Column(name="Secret", path=".spec.secretRef.name", wide=True),
        Column(name="Scope", path=".status.scope", wide=True),
        Column(name="Used", path=".status.usedBy.total", type="integer", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.type",
        ".spec.secretRef.name",
        ".spec.scope.type",
        ".status.scope",
        ".status.department",
        ".status.syncStatus",
        ".status.createdBy",
        ".status.updatedBy",
    )

    spec: CredentialSpec
    """Desired state."""
    status: CredentialStatus = CredentialStatus()
    """Observed state. Only the operator writes it."""
