"""One sandbox for several test processes.

The first process starts it, the others attach, and it ends after the last.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.folders import folder_of, is_running
from outfitter_sandbox.processes import locked
from outfitter_sandbox.sandbox import Sandbox


@contextlib.contextmanager
def shared_sandbox(
    name: str,
    root: Path | None = None,
    *,
    node: str,
    prepare: Callable[[Sandbox], None] = lambda sandbox: None,
    **options: Any,
) -> Iterator[Sandbox]:
    """Yield the sandbox of that name, and start it if it does not run.

    `options` are those of `Sandbox.up`.

    `prepare` runs once, after the start and before any process uses the sandbox: it imports images, for instance.
    The process that started the sandbox waits at the end of its block until all others have left theirs.
    SandboxError where the running sandbox has another kind of node.
    """
    directory = folder_of(name, root)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name(f".{name}.users").open("a") as users:
        with locked(directory.with_name(f".{name}.start")):
            fcntl.flock(users, fcntl.LOCK_SH)
            owner = not is_running(directory)
            sandbox = _started(name, root, node, prepare, options) if owner else Sandbox.attach(name=name, root=root)
        if sandbox.state["node"] != node:
            raise SandboxError(
                f"The sandbox {name} runs with node {sandbox.state['node']}, not {node}. Use another name."
            )
        try:
            yield sandbox
        finally:
            if owner:
                fcntl.flock(users, fcntl.LOCK_EX)
                sandbox.down()


def _started(
    name: str, root: Path | None, node: str, prepare: Callable[[Sandbox], None], options: dict[str, Any]
) -> Sandbox:
    sandbox = Sandbox.up(name=name, root=root, node=node, **options)
    try:
        prepare(sandbox)
    except BaseException:
        sandbox.down()
        raise
    return sandbox
