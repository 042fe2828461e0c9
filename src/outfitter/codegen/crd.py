"""crds/: the CustomResourceDefinition of each kind."""

from typing import Any

from outfitter.api.v1alpha1 import ALL_KINDS, GROUP, Kind
from outfitter.api.v1alpha1.policyfields import SECTIONS
from outfitter.api.v1alpha1.policyschema import POLICY_TREES
from outfitter.codegen.yaml_text import Inline, dump, header
from outfitter.crd import crd_version


def crd_files() -> dict[str, str]:
    """Return the text of every CRD by the name of its file."""
    return {f"{GROUP}_{kind.plural}.yaml": header("src/outfitter/api") + dump(crd_for(kind)) for kind in ALL_KINDS}


def crd_for(kind: Kind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    version = crd_version(kind)
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for tree in POLICY_TREES:
        _inline(spec["properties"].get(tree, {}))
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": list(kind.short_names),
                "categories": list(kind.categories),
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def _inline(tree: dict[str, Any]) -> None:
    """Write each field of a policy on few lines, in place."""
    for name, child in tree.get("properties", {}).items():
        if name in SECTIONS["distributed"]:
            _inline(child)
        else:
            tree["properties"][name] = Inline(child)
