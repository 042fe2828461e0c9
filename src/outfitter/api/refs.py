"""References between objects: one type per target kind."""

from typing import ClassVar, Literal

from outfitter.api.base import Model
from outfitter.api.types import AbsolutePath, DataKey, Name

ScopeType = Literal["project", "department", "cluster", "tenant"]


class ObjectRef(Model):
    """A reference to one object."""

    TARGET: ClassVar[str] = ""
    """Kind of the object."""

    name: Name
    """Name of the object. A reference never names a namespace."""


class AssetRef(ObjectRef):
    """A reference to an asset: in the same namespace, or shared with it."""

    scope: ScopeType | None = None
    """Search only this scope: `project` is the same namespace, the others are assets shared with exactly that scope.
    Without it, the narrowest asset of that name is used: a local asset overrides a shared one.
    """


class EnvironmentRef(AssetRef):
    """The Environment to use."""

    TARGET: ClassVar[str] = "Environment"


class ComputeRef(AssetRef):
    """The ComputeResource to use."""

    TARGET: ClassVar[str] = "ComputeResource"


class TemplateRef(AssetRef):
    """The WorkloadTemplate to start from."""

    TARGET: ClassVar[str] = "WorkloadTemplate"


class DataSourceRef(AssetRef):
    """A DataSource to mount."""

    TARGET: ClassVar[str] = "DataSource"

    mount_path: AbsolutePath | None = None
    """Mount path. Default: that of the data source."""


class CredentialRef(AssetRef):
    """The Credential to use."""

    TARGET: ClassVar[str] = "Credential"


class CredentialKeyRef(CredentialRef):
    """One key of a Credential."""

    key: DataKey
    """Key to read, by the name it has in the Secret that the Credential publishes (see its `status.keys`)."""


class RegistryRef(AssetRef):
    """The Registry to ask."""

    TARGET: ClassVar[str] = "Registry"


class ArtifactNameRef(ObjectRef):
    """An Artifact of the same namespace."""

    TARGET: ClassVar[str] = "Artifact"


class RepositoryRef(ObjectRef):
    """An ArtifactRepository of the same namespace."""

    TARGET: ClassVar[str] = "ArtifactRepository"


class SecretRef(ObjectRef):
    """A Secret in the same namespace."""

    TARGET: ClassVar[str] = "Secret"


class SecretKeyRef(SecretRef):
    """One key of a Secret in the same namespace."""

    key: DataKey
    """Key to read."""


class ConfigMapKeyRef(ObjectRef):
    """One key of a ConfigMap in the namespace where the pod runs."""

    TARGET: ClassVar[str] = "ConfigMap"

    key: DataKey
    """Key to read."""
