"""The removal of a Helm release, by the helm command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import shutil
from typing import Final

from outfitter.cli.installation import HELM_NAME, Installation
from outfitter.cli.login import current_login
from outfitter.errors import OutfitterError

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,51}[a-z0-9])?")


def helm_command(release: str, installation: Installation, kubeconfig: str) -> list[str]:
    """Return the command that removes a release, with the login of the command line.

    OutfitterError for a name that helm would read as an option: it is an annotation of a Deployment.
    """
    if not _NAME.fullmatch(release):
        text = f"Annotation {HELM_NAME} of Deployment {installation.title} is no name of a Helm release."
        raise OutfitterError(f"{text} Correct it.")
    login = current_login()
    where = ["--kubeconfig", kubeconfig] if kubeconfig else []
    where += ["--kube-context", login.context] if login.context else []
    where += ["--kube-as-user", login.user] if login.user else []
    where += [word for group in login.groups for word in ("--kube-as-group", group)]
    return ["helm", "uninstall", release, "--namespace", installation.namespace, "--wait", *where]


async def uninstall_release(command: list[str]) -> None:
    """Run the command. OutfitterError if helm is not installed, or fails."""
    text = shlex.join(command)
    program = shutil.which(command[0])
    if program is None:
        raise OutfitterError(
            f"The operator is a Helm release, and helm is not on the PATH. Run: {text}\n"
            "Then run outfitter uninstall again."
        )
    # These variables choose a cluster and a user of their own. The command line has those of this command.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HELM_KUBE")}
    process = await asyncio.create_subprocess_exec(
        program, *command[1:], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    if process.returncode:
        reason = output.decode(errors="replace").strip()
        raise OutfitterError(f"`{text}` failed: {reason}\nFix this, then run outfitter uninstall again.")
