"""Twenty changes, five repairs and three refusals: the log has a line for each, and none that belongs to no act.

To keep what the operator told, and the script beside it: `pytest tests/integration/test_trace_of_an_hour.py
--evidence FOLDER` writes operator.jsonl, events.jsonl and script.txt to FOLDER/trace.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from outfitter.cluster.client import path_of

from .conftest import Stack
from .harness.client import MERGE, Object, resource_of
from .harness.process import Operator
from .harness.space import Space
from .harness.trace import Trace, short

IMAGE = "registry.example.com/box:{}"
WEB = {"name": "web", "toolType": "custom", "connectionType": "ExternalUrl", "containerPort": 8080}
GROUPS = [{"containers": [{"port": 8080, "imageUri": "registry.example.com/scorer:1"}]}]
REPAIRS = ("repair", "recreate")
LABEL = "app.kubernetes.io/managed-by"


class Step(NamedTuple):
    """One act of a user, the lines that report it, and the reasons of its Events."""

    text: str
    act: Callable[[], object]
    lines: str
    events: str = ""


@pytest.fixture
def json_operator(stack: Stack, tmp_path: Path) -> Iterator[Operator]:
    """An operator as users run it, in place of the usual one."""
    if stack.operator.running:
        stack.operator.stop()
    settings = {**stack.operator.settings, "log_format": "json", "log_level": "info", "identity": "trace"}
    settings.pop("kubeconfig"), settings.pop("probe_port")
    operator = Operator(stack.kubeconfig, tmp_path / "operator.jsonl", **settings).start()
    yield operator
    operator.stop()
    stack.operator.start()


def as_kubectl(space: Space, kind: str, name: str, body: Any, manager: str, sub: str = "") -> None:
    """A merge patch, or a JSON patch, as a command of kubectl sends it."""
    path = f"{path_of(resource_of(kind), space.name, name)}{sub}?fieldManager={manager}"
    type_ = MERGE if isinstance(body, dict) else "application/json-patch+json"
    space.api.connection.request("PATCH", path, body, type_)


def training(space: Space) -> None:
    space.pods("ready")  # it does not end by itself
    space.make("Training", "tune", {"image": IMAGE.format(1)})


def changes(space: Space) -> list[Step]:
    """What users ask for."""
    made = "create {0} ControllerRevision, create {0} Service/{1}, create {0} {2}/{1}"
    box, lab = (made.format(f"Workspace/{name}", name, "StatefulSet") for name in ("box", "lab"))
    scorer = made.format("Inference/scorer", "scorer", "Deployment")
    again = (  # a Service with an address replaces one without, or the other way round
        "change Workspace/box, create Workspace/box ControllerRevision, update Workspace/box StatefulSet/box, "
        "delete Workspace/box Service/box, recreate Workspace/box Service/box, delete Workspace/box ControllerRevision"
    )
    serving = {"image": IMAGE.format(1), "servingPort": {"container": 8080}}
    credential = {"type": "genericSecret", "secretRef": {"name": "token-source"}}
    return [
        Step("create Environment base", lambda: space.make("Environment", "base", {"image": IMAGE.format(1)}),
             "change Environment/base"),
        Step("create Workspace box from it",
             lambda: space.make("Workspace", "box", {"assets": {"environment": {"name": "base"}}}),
             f"change Workspace/box, {box}", "Created"),
        Step("create Workspace lab with an address",
             lambda: space.make("Workspace", "lab", {"image": IMAGE.format(1), "connections": [WEB]}),
             f"change Workspace/lab, {lab}, create Workspace/lab Ingress/lab-web", "Created"),
        Step("create Credential token", lambda: (space.secret("token-source", key="first"),
                                                 space.make("Credential", "token", credential)),
             "change Credential/token, create Credential/token Secret/cred-token", "Created"),
        Step("create Inference scorer", lambda: space.make("Inference", "scorer", serving),
             f"change Inference/scorer, {scorer}, create Inference/scorer Ingress/scorer", "Created"),
        Step("create Training tune", lambda: training(space),
             "change Training/tune, create Training/tune ControllerRevision, create Training/tune Job/tune", "Created"),
        Step("create Artifact model", lambda: space.make("Artifact", "model", {"containerGroups": GROUPS}),
             "change Artifact/model, create Artifact/model ArtifactRepository/model, change ArtifactRepository/model",
             "Created"),
        Step("change the image of lab", lambda: space.spec("Workspace", "lab", image=IMAGE.format(2)),
             "change Workspace/lab, create Workspace/lab ControllerRevision, update Workspace/lab StatefulSet/lab",
             "Updated"),
        Step("scale scorer to 2",
             lambda: as_kubectl(space, "Inference", "scorer", {"spec": {"replicas": 2}}, "kubectl", "/scale"),
             "change Inference/scorer, update Inference/scorer Deployment/scorer, "
             "create Inference/scorer PodDisruptionBudget/scorer", "Updated Created"),
        Step("stop lab", lambda: space.spec("Workspace", "lab", suspend=True),
             "change Workspace/lab, stop Workspace/lab, update Workspace/lab StatefulSet/lab", "Stopped"),
        Step("start lab", lambda: space.spec("Workspace", "lab", suspend=False),
             "change Workspace/lab, start Workspace/lab, update Workspace/lab StatefulSet/lab", "Updated"),
        Step("restart box", lambda: space.annotate("Workspace", "box", restartedAt="2026-11-30T10:00:00Z"),
             "restart Workspace/box, create Workspace/box ControllerRevision, update Workspace/box StatefulSet/box",
             "Restarted"),
        Step("change the Environment, which changes no running workload",
             lambda: space.spec("Environment", "base", image=IMAGE.format(3)), "change Environment/base"),
        Step("lock the Artifact", lambda: space.spec("Artifact", "model", locked=True),
             "change Artifact/model, lock Artifact/model", "Locked"),
        Step("give box an address", lambda: space.spec("Workspace", "box", connections=[WEB]),
             f"{again}, create Workspace/box Ingress/box-web", "Updated Updated Created"),
        Step("take the address of box away", lambda: space.spec("Workspace", "box", connections=None),
             f"{again}, delete Workspace/box Ingress/box-web", "Updated Updated"),
        Step("rotate the Secret of the Credential",
             lambda: space.edit("Secret", "token-source", {"stringData": {"key": "second"}}),
             "update Credential/token Secret/cred-token", "Updated"),
        Step("stop the Training", lambda: space.spec("Training", "tune", suspend=True),
             "change Training/tune, stop Training/tune, update Training/tune Job/tune", "Stopped"),
        Step("give scorer more memory",
             lambda: space.spec("Inference", "scorer", compute={"cpuMemoryRequest": "1Gi"}),
             "change Inference/scorer, create Inference/scorer ControllerRevision, "
             "update Inference/scorer Deployment/scorer", "Updated"),
        Step("delete the Training", lambda: space.delete("Training", "tune"), "remove Training/tune"),
    ]  # fmt: skip


def repairs(space: Space) -> list[Step]:
    """What somebody does to the children."""
    image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil.example.com/x:1"}]
    rules = [{"host": "evil.example.com"}]
    return [
        Step("delete the Service of box", lambda: space.delete("Service", "box"),
             "recreate Workspace/box Service/box", "Repaired"),
        Step("change the image of the StatefulSet of box",
             lambda: as_kubectl(space, "StatefulSet", "box", image, "kubectl-edit"),
             "repair Workspace/box StatefulSet/box", "Repaired"),
        Step("remove a label of the Service of lab",
             lambda: space.edit("Service", "lab", {"metadata": {"labels": {LABEL: None}}}),
             "repair Workspace/lab Service/lab", "Repaired"),
        Step("change a key of the published Secret",
             lambda: as_kubectl(space, "Secret", "cred-token", {"stringData": {"key": "third"}}, "kubectl-patch"),
             "repair Credential/token Secret/cred-token", "Repaired"),
        Step("change the host of the Ingress of lab",
             lambda: as_kubectl(space, "Ingress", "lab-web", {"spec": {"rules": rules}}, "kubectl-edit"),
             "repair Workspace/lab Ingress/lab-web", "Repaired"),
    ]  # fmt: skip


def quota(space: Space) -> None:
    space.native("ResourceQuota", "few", spec={"hard": {"count/deployments.apps": "1"}})
    space.wait("ResourceQuota", "few", lambda item: item and (item.get("status") or {}).get("hard"))
    space.make("Inference", "greedy", {"image": IMAGE.format(1), "servingPort": {"container": 8080}})


def limits(space: Space) -> None:
    rules = {"compute": {"cpuCoreRequest": {"max": 2}}}
    space.make("WorkloadPolicy", "limits", {"workloadType": "workspace", "rules": rules})
    space.ready("WorkloadPolicy", "limits")
    space.make("Workspace", "big", {"image": IMAGE.format(1), "compute": {"cpuCoreRequest": 4}})


def taken(space: Space) -> None:
    space.native("Service", "ours", spec={"ports": [{"port": 1}]})
    space.make("Workspace", "ours", {"image": IMAGE.format(1), "connections": [WEB]})


def refusals(space: Space) -> list[Step]:
    """What users do not get, or not as they asked for."""
    made = "change {0}, create {0} ControllerRevision"
    greedy, ours = made.format("Inference/greedy"), made.format("Workspace/ours")
    return [
        Step("create an Inference that the quota does not allow", lambda: quota(space),
             f"{greedy}, create Inference/greedy Service/greedy, create Inference/greedy Ingress/greedy, "
             "refuse Inference/greedy Deployment/greedy", "Created"),
        Step("create a Workspace that breaks a policy", lambda: limits(space),
             "change WorkloadPolicy/limits, create EffectivePolicy/workspace EffectivePolicy/workspace, "
             "change Workspace/big, violate Workspace/big", "Violated"),
        Step("create a Workspace whose Service has the name of another object", lambda: taken(space),
             f"{ours}, create Workspace/ours StatefulSet/ours, create Workspace/ours Ingress/ours-web, "
             "name_taken Workspace/ours Service/ours", "Created NameTaken"),
    ]  # fmt: skip


DETAILS = {
    "change the image of lab": {"action": "update", "reason": "SpecChanged",
                                "fields": ["spec.template.spec.containers[main].image"]},
    "scale scorer to 2": {"action": "update", "fields": ["spec.replicas"]},
    "restart box": {"action": "update", "reason": "SpecChanged", "fields": ["spec.template.metadata.annotations"]},
    "rotate the Secret of the Credential": {"action": "update", "reason": "InputChanged", "fields": ["data"]},
    "delete the Service of box": {"action": "recreate", "reason": "Deleted"},
    "change the image of the StatefulSet of box": {
        "action": "repair", "manager": "kubectl-edit", "fields": ["spec.template.spec.containers[main].image"]},
    "remove a label of the Service of lab": {"action": "repair", "fields": [f"metadata.labels.{LABEL}"]},
    "change a key of the published Secret": {
        "action": "repair", "manager": "kubectl-patch", "fields": ["data.key"]},
    "change the host of the Ingress of lab": {
        "action": "repair", "manager": "kubectl-edit", "fields": ["spec.rules"]},
    "create an Inference that the quota does not allow": {"action": "refuse", "manager": "ResourceQuota/few"},
    "create a Workspace that breaks a policy": {"action": "violate", "fields": ["compute.cpuCoreRequest"]},
}  # fmt: skip
"""What a line of a step also says."""
CHANGED = {
    "create Environment base": None,
    "change the image of lab": ["spec.image"],
    "scale scorer to 2": ["spec.replicas"],
    "stop lab": ["spec.suspend"],
    "give box an address": ["spec.connections"],
    "take the address of box away": ["spec.connections"],
    "give scorer more memory": ["spec.compute"],
}
"""The fields of the spec that a step changed, in its first line."""


def test_each_act_is_told(
    json_operator: Operator, space: Space, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    trace = Trace(json_operator, space)
    script = [*changes(space), *repairs(space), *refusals(space)]
    wrong: list[str] = []
    events: list[Object] = []
    for step in script:
        before, want = len(trace.lines()), Counter(step.lines.split(", "))
        step.act()
        found = trace.expect(want, before)
        got = Counter(map(short, found))
        news = trace.events()
        events += news
        told = Counter(item["reason"] for item in news)
        if got != want or told != Counter(step.events.split()):
            wrong.append(f"{step.text}: missing {want - got}, too many {got - want}; Events {told}")
        detail = DETAILS.get(step.text, {})
        if not any(line | detail == line for line in found):
            wrong.append(f"{step.text}: no line has {detail}")
        if step.text in CHANGED and found[:1] and found[0].get("fields") != CHANGED[step.text]:
            wrong.append(f"{step.text}: {found[0]}")
    folder = request.config.getoption("--evidence")
    trace.keep((Path(folder) if folder else tmp_path) / "trace", [step.text for step in script], events)
    assert wrong == [], "\n".join(wrong)
    assert DETAILS.keys() | CHANGED.keys() <= {step.text for step in script}
    assert [line for line in trace.all_lines() if line["action"] == "library"] == []
    repaired = re.findall(
        r'^outfitter_acts_total\{action="(?:repair|recreate)",.*\} (.*)$', json_operator.metrics(), re.M
    )
    assert sum(map(float, repaired)) == len([line for line in trace.all_lines() if line["action"] in REPAIRS])
    assert not any(value in json_operator.said() for value in ("first", "second", "third"))
