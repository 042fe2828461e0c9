"""The helm command, apart from the settings and caches of the user who runs it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from outfitter.errors import ConfigurationError


def run(helm: Path, *arguments: str, failure: str) -> str:
    """Return what Helm prints. Raises ConfigurationError that begins with `failure` where it fails."""
    with tempfile.TemporaryDirectory(prefix="outfitter-helm-") as home:
        folders = dict.fromkeys(("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"), home)
        done = subprocess.run([str(helm), *arguments], env=folders, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ConfigurationError(f"{failure}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
