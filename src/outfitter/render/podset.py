"""The pods of one container group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class PodSet:
    """Equal pods: their template, and how they are replaced. `port` is where they serve.

    `name` is that of their container group; `label` its label in selectors, if the group had another name before.
    `recreate`: an old pod must end before a new one starts. `deadline`: seconds in which a new pod must become ready.
    `controller_labels`: for the object that creates them. `devices`: the specs of its ResourceClaimTemplates by name.
    `count`: the number of pods of a group whose pods have ranks.
    `protocol`: that of a connection of type ServingPort; revisions of 0.1 have none, and their Services keep http.
    """

    name: str
    template: Mapping[str, Any]
    port: int | None = None
    recreate: bool = False
    deadline: int | None = None
    protocol: str | None = None
    label: str | None = None
    controller_labels: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    count: int = 1

    @property
    def key(self) -> str:
        """Return the value of the label of the group in selectors, which never changes."""
        return self.label or self.name

    def stored(self) -> dict[str, Any]:
        """Return the form that revisions keep; its keys are frozen."""
        return {
            "name": self.name,
            "template": self.template,
            "port": self.port,
            "recreate": self.recreate,
            "deadline": self.deadline,
            "protocol": self.protocol,
            **({"label": self.label} if self.key != self.name else {}),
            **({"controller_labels": self.controller_labels} if self.controller_labels else {}),
            **({"devices": self.devices} if self.devices else {}),
            **({"count": self.count} if self.count != 1 else {}),
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Return the pods of a revision; keys of a newer version are ignored."""
        known = {key: value for key, value in stored.items() if key in cls.__dataclass_fields__}
        return cls(**known)
