"""Environment variables: a value, or its source."""

from typing import Annotated, ClassVar

from pydantic import Field

from outfitter.api.base import Model
from outfitter.api.patterns import QUALIFIED_PATTERN
from outfitter.api.refs import ConfigMapKeyRef, CredentialKeyRef, SecretKeyRef
from outfitter.api.rules import Rule, exclusive
from outfitter.api.types import DataKey, LongText, Name, list_map

VariableName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._A-Za-z][-._A-Za-z0-9]*$")]
_SOURCES = ("value", "credential", "configMap", "podFieldRef")
_WORKLOAD_SOURCES = (*_SOURCES, "secret", "userCredential")


def _exclude_rule(sources: tuple[str, ...]) -> Rule:
    none = " && ".join(f"!has(self.{source})" for source in sources)
    return Rule(
        f"!has(self.exclude) || !self.exclude || ({none})",
        "exclude: true removes an inherited variable, so the entry cannot have a source. Remove exclude or the source.",
        lambda variable: not variable.get("exclude") or not any(source in variable for source in sources),
        field="exclude",
    )


class PodFieldRef(Model):
    """A field of the pod."""

    path: Annotated[
        str,
        Field(
            min_length=1,
            max_length=512,
            pattern=rf"^(metadata[.](name|namespace|uid|(labels|annotations)\['{QUALIFIED_PATTERN.strip('^$')}'\])"
            r"|spec[.](nodeName|serviceAccountName)|status[.](hostIPs?|podIPs?))$",
        ),
    ]
    """One of metadata.name, metadata.namespace, metadata.uid, metadata.labels['KEY'], metadata.annotations['KEY'],
    spec.nodeName, spec.serviceAccountName, status.hostIP, status.hostIPs, status.podIP, status.podIPs.
    """


class UserCredentialRef(Model):
    """One key of a private Credential of the author of the workload."""

    name: Name
    """Name of the Credential. It is private, and in the namespace of the workload or shared with it."""
    key: DataKey
    """Key to read."""


class VariableFields(Model):
    """One environment variable."""

    name: VariableName
    """Name of the variable."""
    value: LongText | None = None
    """The value itself; may be empty. `$(OTHER)` is replaced by the kubelet."""
    credential: CredentialKeyRef | None = None
    """Read the value from one key of a Credential."""
    config_map: ConfigMapKeyRef | None = None
    """Read the value from one key of a ConfigMap in the namespace where the pod runs."""
    pod_field_ref: PodFieldRef | None = None
    """Read the value from a field of the pod."""
    exclude: bool | None = None
    """Drop the variable of this name that would otherwise be inherited. Default: false."""
    description: Annotated[str, Field(min_length=1, max_length=250)] | None = None
    """Purpose; without a source, the instruction for the user who sets it."""


class EnvironmentVariable(VariableFields):
    """One environment variable. Without a source, the user who submits a workload must set the value."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exclusive(
            _SOURCES, "A variable has at most one source. Keep one of value, credential, configMap and podFieldRef."
        ),
        _exclude_rule(_SOURCES),
    )


class WorkloadEnvironmentVariable(VariableFields):
    """One environment variable of a workload. It replaces the variable of the same name of an asset or policy."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        exclusive(
            _WORKLOAD_SOURCES,
            "A variable has at most one source. Keep one of value, credential, configMap, podFieldRef, secret and "
            "userCredential.",
        ),
        _exclude_rule(_WORKLOAD_SOURCES),
    )

    secret: SecretKeyRef | None = None
    """Read the value from one key of a Secret in this namespace."""
    user_credential: UserCredentialRef | None = None
    """Read the value from a private Credential of the author of the workload: who last changed what it runs. Another
    user who changes that needs a private Credential of the same name.
    """


EnvironmentVariables = Annotated[tuple[EnvironmentVariable, ...], list_map("name", 200)]
WorkloadEnvironmentVariables = Annotated[tuple[WorkloadEnvironmentVariable, ...], list_map("name", 200)]
