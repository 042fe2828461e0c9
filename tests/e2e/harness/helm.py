"""Helm: from the PATH, else built once with Go from the module that lies beside, into Outfitter's cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from outfitter.codegen.release.build import write_chart
from outfitter.codegen.release.source import Source
from outfitter_sandbox import binaries, sources
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.realnode.parts import Group

ROOT = Path(__file__).parents[3]
PACKAGE = "helm.sh/helm/v3/cmd/helm"
GROUP = Group("helm", Path(__file__).parents[1] / "helm", {"helm": PACKAGE})
SECONDS = 180
Progress = Callable[[str], None]


def find(progress: Progress | None = None) -> tuple[Path | None, str]:
    """Its path, or None and a sentence that says how to get it; with `progress` it is built where it can be."""
    if (installed := shutil.which("helm")) is not None:
        return Path(installed), ""
    cache, go = binaries.cache_root(), sources.go_version()
    if (folder := GROUP.cached(cache, go)) is not None:
        return folder / "helm", ""
    if go is None:
        return None, "Helm is not on the PATH: install it (https://helm.sh), or Go, which builds it"
    if progress is None:
        return None, "Helm is neither on the PATH nor built yet: make e2e builds it"
    folder = binaries.install(
        cache / GROUP.key(go), lambda partial: GROUP.build(partial, progress), progress, ("helm",)
    )
    return folder / "helm", ""


class Release:
    """The packaged chart of this checkout as one Helm release; settings given once stay until they are given again."""

    def __init__(self, program: Path, kubeconfig: Path, namespace: str, name: str = "outfitter") -> None:
        self.program = program
        self.namespace = namespace
        self.name = name
        self._home = tempfile.TemporaryDirectory(prefix="outfitter-helm-")
        self._chart = str(write_chart(Source(ROOT, epoch=0), Path(self._home.name)))
        folders = dict.fromkeys(("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"), self._home.name)
        self._environment = {**os.environ, **folders, "KUBECONFIG": str(kubeconfig)}

    def install(self, **values: Any) -> str:
        """Returns when the operator's Deployment is available."""
        return self._run("install", self.name, self._chart, "--wait", "--timeout", f"{SECONDS}s", *_sets(values))

    def upgrade(self, **values: Any) -> str:
        """With the values it has, but for `values`; returns when the new pods are available."""
        more = ("--reuse-values", "--wait", "--timeout", f"{SECONDS}s")
        return self._run("upgrade", self.name, self._chart, *more, *_sets(values))

    def uninstall(self) -> str:
        """Returns when the operator's pods are gone."""
        return self._run("uninstall", self.name, "--wait", "--timeout", f"{SECONDS}s")

    def template(self, template: str, **values: Any) -> list[dict[str, Any]]:
        """The objects of one template, which nothing is done with."""
        text = self._run(
            "template", self.name, self._chart, "--validate", "--show-only", f"templates/{template}", *_sets(values)
        )
        return [item for item in yaml.safe_load_all(text) if item]

    def _run(self, *arguments: str) -> str:
        command = [str(self.program), *arguments, "--namespace", self.namespace]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False, timeout=SECONDS + 60
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def _sets(values: dict[str, Any]) -> list[str]:
    """`image_tag="1"` is the value image.tag, and stays a text."""
    return [
        part
        for name, value in values.items()
        for part in ("--set-json", f"{name.replace('_', '.')}={json.dumps(value)}")
    ]


if __name__ == "__main__":
    path, why = find(lambda text: print(text, file=sys.stderr))
    if path is None:
        raise SystemExit(SandboxError(why))
    print(path)
