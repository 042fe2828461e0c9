"""Registry: an image registry, looked at by the operator."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from outfitter.api.base import Column, CustomResource, Model
from outfitter.api.patterns import REGISTRY_PATTERN
from outfitter.api.refs import CredentialRef, ScopeType
from outfitter.api.rules import Rule, Transition, url_rules
from outfitter.api.types import ImageRepository, RegistryUrl, StatusName, Time, list_atomic, list_set
from outfitter.api.v1alpha1.asset import SCOPE_KEPT, AssetStatus, Description, DisplayName, Scope

SHOWN_REPOSITORIES = 500
"""Most repositories in a status."""


class Catalogue(StrEnum):
    """Where the repositories of a status come from."""

    SUPPORTED = "supported"
    OFF = "off"


class RegistrySpec(Model):
    """The registry, and how to log in."""

    RULES: ClassVar[tuple[Rule, ...]] = url_rules("url", REGISTRY_PATTERN, "Remove them.")
    TRANSITIONS: ClassVar[tuple[Transition, ...]] = (
        SCOPE_KEPT,
        Transition(
            "self.url == oldSelf.url",
            "url cannot change after creation. Create a new Registry.",
            lambda new, old: bool(new.get("url") == old.get("url")),
            "url",
        ),
    )

    url: RegistryUrl
    """Address of the registry: its host, with or without `https://`, a port, and a path. A path limits the list to the
    repositories below it: a project of Harbor, a namespace of Docker Hub. An administrator must have listed the host in
    the setting `registryHosts`. Cannot change.
    """
    description: Description | None = None
    """Purpose, in 1 to 250 characters."""
    display_name: DisplayName | None = None
    """Display name. Default: the name of the object."""
    scope: Scope | None = None
    """Namespaces that may use this registry. Default: its own; for a Registry in the operator's namespace, the whole
    cluster. Cannot change after creation.
    """
    credential: CredentialRef | None = None
    """Credential of type password or dockerRegistry, to log in. Of a dockerRegistry, the login for this host is used.
    Default: none, which shows what the registry shows to everyone.
    """
    repositories: Annotated[tuple[ImageRepository, ...], list_set(100)] = ()
    """Names of repositories, without the host, for a registry that gives no list. Only these are looked for then.
    Default: the list of the registry.
    """
    watch_images: bool = False
    """Whether to report the workloads of these namespaces whose image has a tag that moved: their pods run another
    image than a restart would. Only for images of this registry that `url` and `repositories` cover. Default: false.
    """


class RegistryStatus(AssetStatus):
    """State of the registry."""

    scope: ScopeType | None = None
    """Scope in effect, also if the spec omits it."""
    department: StatusName | None = None
    """The department of the scope, or of the namespace of a Registry with scope project."""
    reachable: bool | None = None
    """Whether the registry answered the last time, and accepted the login."""
    dialect: StatusName | None = None
    """API that it speaks: `oci`, `harbor` or `hub`."""
    catalogue: Catalogue | None = None
    """`supported`: the registry gives a list of its repositories. `off`: it gives none, or `spec.repositories` replaces
    it.
    """
    repositories: Annotated[tuple[Annotated[str, Field(max_length=255)], ...], list_atomic(SHOWN_REPOSITORIES)] = ()
    """Names of the repositories in alphabetical order, at most 500. They stay while the registry is not reachable."""
    truncated: bool | None = None
    """Whether the registry has more repositories than the list holds."""
    looked_at: Time | None = None
    """When the operator first saw this state. A look that finds the same does not change it."""


class Registry(CustomResource):
    """An image registry. Outfitter looks at it from time to time, and shows its repositories."""

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column(name="Status", path=".status.syncStatus"),
        Column(name="Ready", path=".status.conditions[?(@.type=='Ready')].status"),
        Column(name="Reason", path=".status.conditions[?(@.type=='Ready')].reason"),
        Column(name="URL", path=".spec.url"),
        Column(name="Dialect", path=".status.dialect"),
        Column(name="Catalogue", path=".status.catalogue"),
        Column(name="Scope", path=".status.scope", wide=True),
        Column(name="Message", path=".status.message", wide=True),
    )
    SELECTABLE: ClassVar[tuple[str, ...]] = (
        ".spec.url",
        ".status.scope",
        ".status.department",
        ".status.dialect",
        ".status.catalogue",
        ".status.syncStatus",
        ".status.createdBy",
        ".status.updatedBy",
    )

    spec: RegistrySpec
    """Desired state."""
    status: RegistryStatus = RegistryStatus()
    """Observed state. Only the operator writes it."""
