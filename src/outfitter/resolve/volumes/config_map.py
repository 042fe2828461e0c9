"""The keys of a ConfigMap as files."""

from __future__ import annotations

from dataclasses import dataclass

from outfitter.api.v1alpha1.volumes import ConfigMapVolumeFields
from outfitter.naming import data_source_config_map
from outfitter.problems import Problem, waiting
from outfitter.reasons import Reason
from outfitter.resolve.private import Requester
from outfitter.resolve.references import key_problem, other_object
from outfitter.resolve.volumes.base import BaseVolume, Lookup, VolumeUse
from outfitter.snapshot import Reader


@dataclass(frozen=True)
class ConfigMapVolume(BaseVolume):
    """The keys of a ConfigMap as files. `config_map` is the ConfigMap in the workload's namespace, maybe a copy."""

    config_map: str
    sub_path: str | None
    mode: str | None

    @staticmethod
    def create(source: ConfigMapVolumeFields, use: VolumeUse) -> ConfigMapVolume:
        """Read the fields of a DataSource or an inline volume."""
        name = data_source_config_map(use.name) if use.copied else source.config_map or ""
        return ConfigMapVolume(use.at(source.mount_path), name, source.sub_path, source.default_mode)

    def look_up(self, reader: Reader, namespace: str, user: Requester | None) -> Lookup:
        """Look up the ConfigMap. The check for completeness reports a volume without a name."""
        if not self.config_map:
            return None
        live = reader.get("ConfigMap", namespace, self.config_map) if self.use.copied else None
        if live is not None and self.use.asset is not None and live.owner != self.use.asset.live.uid:
            return waiting(Reason.NOT_CREATED, other_object(live, self.use.asset), self.use.field)
        return key_problem(reader, "ConfigMap", namespace, self.config_map, "", self.use.field)

    def source_problem(self, reader: Reader, namespace: str) -> Problem | None:
        """Return a problem while the ConfigMap does not exist."""
        field = "spec.configMapVolume.configMap"
        problem = key_problem(reader, "ConfigMap", namespace, self.config_map, "", field)
        return waiting(Reason.NOT_CREATED, problem.message, problem.field, namespace) if problem else None
