"""deploy/argocd/argocd-cm.yaml: the health check of our kinds for Argo CD."""

from outfitter.api.v1alpha1 import GROUP
from outfitter.codegen.yaml_text import Block, dump, header


def config_map(script: str) -> str:
    """Return the ConfigMap with the health script, under the only key that covers all kinds of a group."""
    rule = {f"{GROUP}/*": {"health.lua": Block(script)}}
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {"resource.customizations": Block(dump(rule))},
    }
    merge = "# Merge it into your argocd-cm, whose key resource.customizations may already hold other groups.\n"
    return header("deploy/argocd/health.lua") + merge + dump(manifest)
