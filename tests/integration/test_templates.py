"""WorkloadTemplates on a real server: a notebook from a template, and what the template keeps from being deleted."""

from __future__ import annotations

from .harness.client import condition, message
from .harness.space import Space

IMAGE = "registry.example.com/box:1"


def test_a_workspace_from_a_template(space: Space) -> None:
    space.make("Environment", "base", {"image": IMAGE})
    template = {"workloadType": "workspace", "assets": {"environment": {"name": "base"}}, "workingDir": "/work"}
    space.make("WorkloadTemplate", "notebook", template)
    space.make("Workspace", "box", {"template": {"name": "notebook"}, "args": "-v"})
    space.ready("Workspace", "box")
    (container,) = space.need("StatefulSet", "box")["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["workingDir"], container["args"]) == (IMAGE, "/work", ["-v"])
    found = space.ready("WorkloadTemplate", "notebook")
    assert found["status"]["runnable"] == {"isRunnable": True}
    assert found["status"]["combinedSpec"] == {"image": IMAGE, "workingDir": "/work"}
    space.wait("WorkloadTemplate", "notebook", lambda item: item["status"]["usedBy"].get("total") == 1)
    space.wait("Environment", "base", lambda item: item["status"]["usedBy"].get("total") == 2)


def test_a_template_of_another_type_is_refused_in_words(space: Space) -> None:
    space.make("WorkloadTemplate", "serving", {"workloadType": "inference", "image": IMAGE})
    space.make("Workspace", "box", {"template": {"name": "serving"}})
    item = space.wait("Workspace", "box", lambda item: condition(item, "Stalled").get("reason") == "TypeNotSupported")
    assert "is for inference, not workspace" in message(item)
