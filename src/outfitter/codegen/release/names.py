"""What is built, and the names of its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SUMS: Final = "SHA256SUMS"
PLACEHOLDER: Final = "https://downloads.example.com/outfitter"


@dataclass(frozen=True)
class Options:
    """What a version is built with, in addition to the files of the checkout."""

    image: str = ""
    """REPOSITORY@sha256:DIGEST of the operator's image; empty: the image that the chart names."""
    downloads: str = PLACEHOLDER
    """URL of the folder from which users download the files."""
    tag: str = ""
    """Git tag of the version; empty where it is not tagged yet."""


@dataclass(frozen=True)
class Names:
    """Names of the files of one version."""

    version: str

    @property
    def wheel(self) -> str:
        """The operator and its command line."""
        return f"outfitter-{self.version}-py3-none-any.whl"

    @property
    def sandbox_wheel(self) -> str:
        """The throw-away control plane and the demo."""
        return f"outfitter_sandbox-{self.version}-py3-none-any.whl"

    @property
    def chart(self) -> str:
        """The chart, with its CRDs."""
        return f"outfitter-{self.version}.tgz"

    @property
    def crds(self) -> str:
        """All CRDs in one file."""
        return f"outfitter-crds-{self.version}.yaml"

    @property
    def plugin(self) -> str:
        """The archive of `kubectl outfitter`."""
        return f"kubectl-outfitter-{self.version}.tar.gz"

    @property
    def kustomize(self) -> str:
        """The archive of the Kustomize component."""
        return f"outfitter-kustomize-{self.version}.tar.gz"

    @property
    def sbom(self) -> str:
        """The bill of materials of the operator."""
        return f"outfitter-{self.version}.cdx.json"

    @property
    def all(self) -> set[str]:
        """Every file of the version."""
        named = {self.wheel, self.sandbox_wheel, self.chart, self.crds, self.plugin, self.kustomize}
        return named | {self.sbom, "install.yaml", "identity.yaml", "outfitter-krew.yaml", SUMS}
