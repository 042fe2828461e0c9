"""The demo's scene for real: a control plane on this machine, and the operator as a process with its own rights."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from outfitter.api.v1alpha1 import KINDS
from outfitter.children import CHILD_KINDS
from outfitter.cli.table import row
from outfitter.cluster.auth import Authentication
from outfitter.cluster.client import Client, path_of
from outfitter.cluster.informer import Informer, child_informers
from outfitter.cluster.resources import api_resource
from outfitter.cluster.store import Caches, Change
from outfitter.cluster.transport import Transport
from outfitter.errors import NotFound
from outfitter.naming import LABEL_OWNER_UID, keeps_data
from outfitter_sandbox import Sandbox, nodes
from outfitter_sandbox.demo import real_node
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.scene import DemoError, Execute, Object
from outfitter_sandbox.executing import execute
from outfitter_sandbox.processes import bound_command, free_ports, last_lines

if TYPE_CHECKING:
    from outfitter_sandbox.connection import Connection

DOMAIN: Final = "apps.example.com"
SYSTEM: Final = "outfitter-system"
_APPLY: Final = "application/apply-patch+yaml"
_RIGHTS: Final[Mapping[str, str]] = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
}
_NODES: Final[Mapping[str, str]] = {
    nodes.REAL: "a real node: kubelet, kube-scheduler, kube-proxy, containerd, runc, CoreDNS",
    nodes.STAND_IN: "a stand-in for the node",
}
_CHECK_SECONDS: Final = 0.5  # how often to see whether the operator still runs while nothing happens
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0


class InSandbox:
    """A Scene with `objects` to apply. The operator connects with `kubeconfig`; the demo itself acts as the admin."""

    def __init__(self, sandbox: Sandbox, objects: Sequence[Object], kubeconfig: Path, log: Path) -> None:
        self.sandbox = sandbox
        self.objects = objects
        self.kubeconfig = kubeconfig
        self.log = log
        self.caches = Caches()
        real = sandbox.state["node"] == nodes.REAL
        self.execute: Execute | None = partial(execute, sandbox.connection()) if real else None
        self.process: subprocess.Popen[bytes] | None = None
        self._news = asyncio.Event()
        self._client: Client | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Watch everything that the operator has to do with."""
        transport = Transport(await Authentication.load(str(self.sandbox.kubeconfig)))
        self._client = Client(transport)
        self.caches.listen(self._changed)
        informers = [
            *child_informers(transport, self.caches, CHILD_KINDS),
            *(Informer(transport, self.caches, api_resource(kind.name)) for kind in KINDS),
        ]
        tasks = [asyncio.create_task(informer.run()) for informer in informers]
        try:
            await asyncio.gather(*(informer.synced.wait() for informer in informers))
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await transport.close()

    async def apply(self, manifest: Mapping[str, Any], who: str = "demo") -> int:
        """See Scene."""
        meta = manifest["metadata"]
        path = path_of(api_resource(manifest["kind"]), meta.get("namespace", ""), meta["name"])
        answer = await self._api.transport.request(
            "PATCH", f"{path}?fieldManager={who}&force=true", manifest, content_type=_APPLY
        )
        return int(orjson.loads(answer)["metadata"]["resourceVersion"])

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        """See Scene."""
        with contextlib.suppress(NotFound):  # the operator may have been first
            await self._api.transport.request("DELETE", path_of(api_resource(kind), namespace, name))

    async def until(self, what: str, holds: Callable[[], bool], seconds: float) -> None:
        """See Scene."""
        deadline = time.monotonic() + seconds
        while True:
            self._news.clear()
            if holds():
                return
            if self.process is not None and self.process.poll() is not None:
                raise DemoError(f"the operator ended with exit code {self.process.returncode}\n{await self._known()}")
            if time.monotonic() > deadline:
                raise DemoError(f"{what}: not within {seconds:.0f} s\n{await self._known()}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _CHECK_SECONDS)

    async def owned(self) -> list[tuple[str, str, str, bool]]:
        """See Scene."""
        found = []
        for kind in (*(kind.kind for kind in CHILD_KINDS if kind.created), "Pod"):
            for body in await self._api.list(kind, label_selector=LABEL_OWNER_UID):
                meta = body["metadata"]
                found.append((kind, meta.get("namespace", ""), meta["name"], keeps_data(kind, meta["labels"])))
        return found

    @property
    def _api(self) -> Client:
        assert self._client is not None, "open() comes first"
        return self._client

    def _changed(self, change: Change) -> None:
        del change
        self._news.set()

    async def _known(self) -> str:
        """Issues, the last Warning events and the end of the operator's log: what one would look at next."""
        rows = [row(live.body, live.kind) for kind in KINDS for live in self.caches[kind.name].all()]
        issues = [f"  {item.title}: {text}" for item in rows for text in item.issues]
        unready = [
            f"  {item.title}: {item.sync}, {item.message}" for item in rows if not item.issues and item.ready == "no"
        ]
        events = [body for body in await self._api.list("Event") if body.get("type") == "Warning"]
        events.sort(key=lambda body: body.get("lastTimestamp") or body["metadata"].get("creationTimestamp") or "")
        told = [
            f"  {body['involvedObject'].get('name')}: {body.get('reason')}: {body.get('message')}"
            for body in events[-8:]
        ]
        parts = (
            ("Issues", [*issues, *unready]),
            ("Warnings", told),
            ("The operator's log ends", [last_lines(self.log)]),
        )
        return "\n".join(f"{head}:\n" + "\n".join(lines) for head, lines in parts if lines)


@contextlib.contextmanager
def prepared(report: Report, objects: Sequence[Object], folder: Path, install: Path, node: str) -> Iterator[InSandbox]:
    """A control plane with a node of this kind, our kinds and the operator's rights; gone when the block ends."""
    from outfitter.cli.console import progress
    from outfitter.errors import ConfigurationError

    if not install.is_file():
        raise ConfigurationError(f"{install} does not exist. Run the demo in a checkout, or name the file: --install.")
    with contextlib.ExitStack() as stack:
        with report.stage("Start a control plane"):
            report.say(f"etcd, kube-apiserver, kube-controller-manager, and {_NODES[node]}")
            with progress() as step:
                gpus = real_node.GPUS if node == nodes.REAL else None
                sandbox = stack.enter_context(Sandbox.up(root=folder, node=node, gpus=gpus, progress=step))
            report.good(f"Kubernetes answers at {sandbox.url}")
            if node == nodes.REAL:
                real_node.load_images(sandbox, folder / "images", report)
                objects = real_node.fitted(sandbox, objects, report)
        with report.stage("Install Outfitter"):
            sandbox.apply_crds(install)
            # Its garbage collector looks for new kinds every 30 s only; that is no part of the story.
            sandbox.restart("kube-controller-manager")
            report.good(f"{len(KINDS)} kinds are known: {', '.join(kind.name for kind in KINDS)}")
            kubeconfig = _rights(sandbox, install, report)
        yield InSandbox(sandbox, objects, kubeconfig, folder / "operator.log")


def _rights(sandbox: Sandbox, install: Path, report: Report) -> Path:
    """Apply Namespace, account and roles of install.yaml; return the kubeconfig of the operator's account."""
    from outfitter.cli.documents import read

    connection = sandbox.connection()
    rights = [document.body for document in read([str(install)])[0] if document.body["kind"] in _RIGHTS]
    for body in rights:
        _put(connection, body)
    account = next(body["metadata"] for body in rights if body["kind"] == "ServiceAccount")
    user = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    report.good(f"the operator may do what {install} grants to {user}, and nothing else")
    return sandbox.kubeconfig_for(user)


def _put(connection: Connection, body: Mapping[str, Any]) -> None:
    meta = body["metadata"]
    path = _RIGHTS[body["kind"]].format(namespace=meta.get("namespace", ""))
    connection.request("PATCH", f"{path}/{meta['name']}?fieldManager=demo&force=true", body, _APPLY)


@contextlib.contextmanager
def operator(report: Report, scene: InSandbox) -> Iterator[None]:
    """`outfitter run` as a process, leading when the block starts. The kernel ends it should this process die."""
    port = free_ports(1)[0]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OUTFITTER_")}
    settings = {
        "KUBECONFIG": str(scene.kubeconfig),
        "DOMAIN": DOMAIN,
        "PROBE_HOST": "127.0.0.1",
        "PROBE_PORT": str(port),
    }
    settings["USED_BY_SECONDS"] = "1"
    environment = {**inherited, **{f"OUTFITTER_{name}": value for name, value in settings.items()}}
    command = bound_command([sys.executable, "-m", "outfitter.cli", "run"], os.getpid())
    with report.stage("Start the operator"), scene.log.open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
        scene.process = process
        try:
            _await_lease(scene)
        except BaseException:
            _stop(process)
            raise
        report.good(f"it leads: outfitter run, process {process.pid}, OUTFITTER_DOMAIN={DOMAIN}")
    try:
        yield
    finally:
        _stop(process)


def _await_lease(scene: InSandbox) -> None:
    """Until the operator holds its Lease."""
    connection = scene.sandbox.connection()
    path = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/outfitter"
    deadline = time.monotonic() + _START_SECONDS
    while True:
        status, lease = connection.answer("GET", path)
        if status == 200 and lease["spec"].get("holderIdentity"):
            return
        ended = scene.process.poll() if scene.process else None
        if ended is not None or time.monotonic() > deadline:
            why = (
                f"ended with exit code {ended}" if ended is not None else f"did not lead within {_START_SECONDS:.0f} s"
            )
            raise DemoError(f"the operator {why}. Its log ends:\n{last_lines(scene.log)}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM as a kubelet sends it, SIGKILL if that does not help."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        raise DemoError(f"the operator did not end within {_STOP_SECONDS:.0f} s of SIGTERM") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
