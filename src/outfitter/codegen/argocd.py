"""deploy/argocd/argocd-cm.yaml: the health check and the actions of our kinds for Argo CD."""

from collections.abc import Mapping
from typing import Final

from outfitter.api.v1alpha1 import GROUP, KINDS
from outfitter.codegen.yaml_text import Block, dump, header

FOLDER: Final = "deploy/argocd"
HEALTH: Final = "health.lua"
DISCOVERY: Final = "actions/discovery.lua"
ACTIONS: Final = ("restart", "stop", "start")
SCRIPTS: Final = (HEALTH, DISCOVERY, *(f"actions/{name}.lua" for name in ACTIONS))
"""The files that are written by hand."""


def config_map(scripts: Mapping[str, str]) -> str:
    """Return the ConfigMap with the health script for the whole group, and the actions of each kind that runs pods.

    Argo CD accepts a pattern of kinds only for the health, and only under `resource.customizations`.
    """
    health = {f"{GROUP}/*": {"health.lua": Block(scripts[HEALTH])}}
    definitions = [{"name": name, "action.lua": Block(scripts[f"actions/{name}.lua"])} for name in ACTIONS]
    actions = Block(dump({"discovery.lua": Block(scripts[DISCOVERY]), "definitions": definitions}))
    kinds = [kind.name for kind in KINDS if kind.runs is not None]
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {
            "resource.customizations": Block(dump(health)),
            **{f"resource.customizations.actions.{GROUP}_{kind}": actions for kind in kinds},
        },
    }
    merge = "# Merge it into your argocd-cm, whose key resource.customizations may already hold other groups.\n"
    return header(f"{FOLDER}/*.lua and {FOLDER}/actions") + merge + dump(manifest)
