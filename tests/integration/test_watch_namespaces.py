"""`watchNamespaces`: Roles instead of ClusterRoles, and nothing outside is asked for or touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .conftest import Stack
from .harness import rights
from .harness.client import message, ready, waits
from .harness.process import Operator
from .harness.space import Space

ACCOUNT = "narrow"
HOME = "narrow-system"
USER = f"system:serviceaccount:{HOME}:{ACCOUNT}"


@pytest.fixture
def narrow(stack: Stack, operator: Operator, spaces: Callable[..., Space]) -> Iterator[tuple[Space, Space]]:
    """(the served namespace, another project) while an operator with Roles only is at work."""
    served, other = spaces(), spaces()
    stack.api.create({"kind": "Namespace", "metadata": {"name": HOME}})
    rights.install_in(stack.api, ACCOUNT, HOME, [served.name])
    operator.stop()
    kubeconfig = stack.sandbox.kubeconfig_for(USER)
    settings = {"system_namespace": HOME, "watch_namespaces": served.name}
    process = Operator(kubeconfig, stack.operator.log, identity="narrow", **settings).start()
    yield served, other
    assert process.stop() == 0
    stack.api.delete("Namespace", "", HOME)


def test_it_works_where_it_may_and_asks_for_nothing_else(stack: Stack, narrow: tuple[Space, Space]) -> None:
    served, other = narrow
    home = Space(stack.api, HOME)
    home.make("ComputeResource", "shape", {"cpuCoreRequest": 1})
    home.secret("source", User="u", Password="p")
    home.make("Credential", "shared", {"type": "password", "secretRef": {"name": "source"}})
    other.make("Workspace", "box", {"image": "i"})
    served.make("DataSource", "data", {"pvc": {"path": "/data", "claimInfo": {"size": "1Gi"}}})
    connection = {"name": "web", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 80}
    served.make("Workspace", "box", {
        "image": "i", "assets": {"compute": {"name": "shape"}, "dataSources": [{"name": "data"}]},
        "connections": [connection],
    })  # fmt: skip
    group = {"containers": [{"imageUri": "registry.example.com/scorer:1", "port": 8080}]}
    served.make("Artifact", "scorer", {"containerGroups": [group], "locked": True})
    served.make("Inference", "serving", {"artifact": {"repository": "scorer", "version": 1}, "replicas": 2})
    served.ready("Inference", "serving")
    served.ready("DataSource", "data")
    served.ready("Workspace", "box")
    assert home.ready("Credential", "shared")["status"]["targets"] == {"desired": 1, "synced": 1}
    served.need("Secret", "cred-shared")
    assert other.get("Secret", "cred-shared") is None
    # Repair, and news of the namespace itself, work with a Role too.
    served.delete("Service", "box")
    served.wait("Service", "box", bool)
    served.label(project=None)
    served.gone("Secret", "cred-shared")
    served.make("Workspace", "late", {"image": "i", "assets": {"compute": {"name": "shape"}}})
    assert "outfitter.dev/project" in message(served.wait("Workspace", "late", waits("ReferenceNotFound")))
    served.label(project=served.name)
    served.ready("Workspace", "late")
    # Here it holds rights in this namespace only, and that is where it hands them out.
    ann = {"subject": {"kind": "User", "name": "ann"}, "role": "OWNER"}
    served.spec("ArtifactRepository", "scorer", sharedRoles=[ann])
    served.wait("RoleBinding", "artrepo-scorer-owner", lambda item: item["subjects"][0]["name"] == "ann")
    assert served.need("Role", "artrepo-scorer-owner")["rules"][0]["resourceNames"] == ["scorer"]
    other.make("ArtifactRepository", "scorer", {"sharedRoles": [ann]})
    home.delete("Credential", "shared")
    served.gone("Secret", "cred-shared")
    # Nothing was refused, and nobody looked elsewhere.
    assert not ready(other.need("Workspace", "box"))
    assert other.get("StatefulSet", "box") is None
    assert other.list("Role") == []
    assert rights.forbidden(stack.sandbox.audit_log, stack.outages, USER) == []
    seen = {entry.namespace for right, entry in rights.used(stack.sandbox.audit(), USER)}
    assert seen <= {HOME, served.name}
