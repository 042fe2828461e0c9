"""A real control plane and a real operator process for all scenarios of a worker; each test has its own namespaces.

The operator runs under the ServiceAccount and with the roles that users install. Everything it asks of the API server
is in the audit log, every status it writes is recorded: `test_last_words.py` judges both at the end. Where several
workers run the tests, each leaves its part in the folder of `--evidence`, and a later run of that file reads them.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from identity_policies import KEYS
from outfitter_sandbox import Sandbox
from outfitter_sandbox.audit import AuditEntry

from .harness import rights, sharing
from .harness.client import Api
from .harness.evidence import Evidence, gather
from .harness.images import ServedRegistry
from .harness.jobset import JobSetController
from .harness.process import Operator
from .harness.proxy import Proxy
from .harness.recorder import Recorder
from .harness.space import Space

CRDS = Path(__file__).parents[2] / "crds"
LABEL_PROJECT = {"pod-security.kubernetes.io/enforce": "restricted"}
_NUMBERS = itertools.count(1)
_LAST = "test_last_words.py"
_FILES: set[str] = set()  # of this process, as far as their tests ran
_BEGAN = pytest.StashKey[int]()  # where the log of the operator ended when a test began


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the verdict last, and judge only what this run can: all tests, in one process or from `--evidence`."""
    here = Path(__file__).parent
    ours = [item for item in items if item.path.parent == here]
    if not ours:
        return
    for item in ours:
        item.add_marker(pytest.mark.cluster)
    last = [item for item in ours if item.path.name == _LAST]
    files = {item.path.name for item in ours}
    whole = files == {path.name for path in here.glob("test_*.py")} and not config.option.keyword
    one_part = "PYTEST_XDIST_WORKER" in os.environ and not config.getoption("--evidence")
    dropped = [item for item in last if one_part or (item.get_closest_marker("whole_run") and not whole)]
    first = items.index(ours[0])
    others = [item for item in items if item not in ours]
    items[:] = [*others[:first], *(item for item in ours if item not in last), *last, *others[first:]]
    items[:] = [item for item in items if item not in dropped]
    config.hook.pytest_deselected(items=dropped)


@pytest.hookimpl(tryfirst=True)  # before a test is skipped: the summary lists those
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note which files ran: the verdict on the whole run needs all of them."""
    _FILES.add(item.path.name)


@dataclass
class Stack:
    """What all tests share."""

    sandbox: Sandbox
    api: Api
    operator: Operator
    recorder: Recorder
    installed: list[rights.Object]
    kubeconfig: Path  # of the operator's ServiceAccount
    folder: Path
    images: ServedRegistry
    late_checks: list[Callable[[], object]] = field(default_factory=list)  # of effects that take a minute or more
    handed_out: set[rights.Right] = field(default_factory=set)  # in Roles that the operator wrote
    outages: list[tuple[int, int]] = field(default_factory=list)  # from and to in the audit log

    @contextmanager
    def outage(self) -> Iterator[None]:
        """While the API server restarts: it refuses everything until it has read the roles again."""
        since = self.mark()
        yield
        self.outages.append((since, self.mark()))

    def mark(self) -> int:
        """A moment in the audit log."""
        return self.sandbox.audit_mark()

    def requests(self, since: int = 0) -> list[AuditEntry]:
        """The operator's own requests."""
        return [entry for entry in self.sandbox.audit(since) if entry.user == rights.USER]

    def writes(self, since: int = 0) -> list[AuditEntry]:
        """The operator's writes. Its Lease is not news; Events are posted aside, and outside of all budgets."""
        aside = ("leases", "events")
        return [entry for entry in self.requests(since) if entry.is_write and entry.resource not in aside]


@pytest.fixture(scope="package")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("integration")
    with Sandbox.up(root=folder) as sandbox:
        sandbox.apply_crds(CRDS)
        sandbox.restart("kube-controller-manager")  # else its garbage collector learns of new kinds half a minute later
        api = Api(sandbox)
        installed = rights.install(api)
        recorder = Recorder(api)
        kubeconfig = sandbox.kubeconfig_for(rights.USER)
        keys = {f"identity_{name}_key": key for name, key in KEYS.items()}
        images = ServedRegistry()
        builds = {"buildkit_address": "tcp://buildkitd.builds.svc:1234", "builds_at_once": "3"}
        settings = {"identity": "first", "registry_hosts": images.setting, **keys, **builds}
        operator = Operator(kubeconfig, folder / "operator.log", **settings).start()
        stack = Stack(sandbox, api, operator, recorder, installed, kubeconfig, folder, images)
        yield stack
        if kept := request.config.getoption("--evidence"):
            gather(stack, _FILES).write(Path(kept) / f"{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}.json")
        recorder.close()
        if operator.running:
            operator.stop()
        images.stop()


@pytest.fixture(scope="package")
def evidence(request: pytest.FixtureRequest) -> Evidence:
    """What all tests left: in the folder of `--evidence`, else in this process."""
    if kept := request.config.getoption("--evidence"):
        return sum(map(Evidence.read, Path(kept).glob("*.json")), Evidence())
    return gather(request.getfixturevalue("stack"), _FILES - {_LAST})


@pytest.fixture
def api(stack: Stack) -> Api:
    return stack.api


@pytest.fixture
def operator(stack: Stack) -> Iterator[Operator]:
    """The operator, to be stopped, killed and started; it runs again afterwards."""
    yield stack.operator
    if not stack.operator.running:
        stack.operator.start()


@pytest.fixture
def spaces(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Callable[..., Space]]:
    """Makes namespaces, projects unless told otherwise. All but lasting ones are deleted afterwards."""
    made: list[Space] = []

    def make(
        *,
        project: bool = True,
        restricted: bool = True,
        department: str = "",
        elevation: bool = False,
        annotations: dict[str, str] | None = None,
        lasting: bool = False,
    ) -> Space:
        short = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")[:36]
        name = f"{short.strip('-')}-{next(_NUMBERS)}"
        labels = dict(LABEL_PROJECT) if restricted else {}
        labels |= {"outfitter.dev/project": name} if project else {}
        labels |= {"outfitter.dev/department": department} if department else {}
        labels |= {"outfitter.dev/elevation": "allowed"} if elevation else {}
        meta = {"name": name, "labels": labels, "annotations": annotations or {}}
        stack.api.create({"kind": "Namespace", "metadata": meta})
        # Pods are refused in a namespace without this account.
        stack.api.wait("ServiceAccount", name, "default", bool)
        space = Space(stack.api, name)
        if not lasting:
            made.append(space)
        return space

    yield make
    for space in made:
        if stack.api.get("Namespace", "", space.name) is not None:
            stack.api.delete("Namespace", "", space.name)


@pytest.fixture
def space(spaces: Callable[..., Space]) -> Space:
    """A project's namespace with Pod Security level restricted."""
    return spaces()


@pytest.fixture
def home(stack: Stack) -> Iterator[Space]:
    """The system namespace with the admin's own key, and a class whose volumes the test itself provisions."""
    space, api = Space(stack.api, rights.SYSTEM), stack.api
    space.secret("admin-key", NGC_API_KEY="of-the-admin")
    key = {"type": "ngcApiKey", "secretRef": {"name": "admin-key"}, "scope": {"type": "project"}}
    space.make("Credential", "admin-ngc", key)
    api.create({"kind": "StorageClass", "metadata": {"name": sharing.CLASS}, "provisioner": sharing.DRIVER})
    yield space
    for cache in space.list("NimCache"):
        space.delete("NimCache", cache["metadata"]["name"])
        space.gone("NimCache", cache["metadata"]["name"])
    space.delete("Credential", "admin-ngc")
    space.delete("Secret", "admin-key")
    api.delete("StorageClass", "", sharing.CLASS)
    for item in api.list("PersistentVolume"):
        if item["metadata"]["name"].startswith("csi-"):
            api.delete("PersistentVolume", "", item["metadata"]["name"])
            api.gone("PersistentVolume", "", item["metadata"]["name"])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failed test shows what the operator said since it began, and whether the operator works."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    given = getattr(item, "funcargs", {})
    if report.failed:
        controllers = [value for value in given.values() if isinstance(value, JobSetController)]
        report.sections += [("the end of the log of JobSet's controller", each.said()) for each in controllers]
    if "stack" not in given:
        return
    operator: Operator = given["line"].operator if "line" in given else given["stack"].operator
    if call.when == "setup":
        item.stash[_BEGAN] = operator.position()
    if report.failed:
        said = operator.said(item.stash.get(_BEGAN, 0)).splitlines()[-40:]
        report.sections.append(("the operator's log since the test began, its end", "\n".join(said)))
        report.sections.append(("the operator", operator.condition()))


@dataclass
class Line:
    """An operator that reaches the server through a proxy only, which knows when it writes what."""

    proxy: Proxy
    operator: Operator


@pytest.fixture(scope="module")
def proxied(stack: Stack) -> Iterator[Line]:
    """In place of the usual operator while this file's tests run."""
    if stack.operator.running:
        stack.operator.stop()
    with Proxy(stack.sandbox) as proxy:
        path = proxy.kubeconfig(stack.kubeconfig, stack.folder)
        operator = Operator(path, stack.operator.log, identity="proxied").start()
        yield Line(proxy, operator)
        operator.stop()
    stack.operator.start()


@pytest.fixture
def line(proxied: Line) -> Iterator[Line]:
    yield proxied
    proxied.proxy.faults.clear()
    if not proxied.operator.running:
        proxied.operator.start()
