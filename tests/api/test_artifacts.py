"""What code that works on artifacts and inferences may rely on when it reads them."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.api.base import Model
from outfitter.api.rules import Rule
from outfitter.api.schema import resource_schema, schema_of
from outfitter.api.v1alpha1.artifact import Artifact
from outfitter.api.v1alpha1.artifactrepository import ArtifactRepository
from outfitter.api.v1alpha1.artifactspec import ArtifactSpec
from outfitter.api.v1alpha1.inference import Inference, InferenceSpec
from outfitter.api.v1alpha1.nimcache import NimCache
from outfitter.api.v1alpha1.workload import WorkloadFields
from outfitter.api.validation import incomplete, strict_errors


def _group(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containerGroups": [{"containers": list(containers)}]}}


def test_nameless_containers_have_names() -> None:
    """The names that sizing refers to; also a single container is primary without saying so."""
    (group,) = Artifact.parse(
        _group({"imageUri": "a"}, {"imageUri": "b", "primary": True}, {"name": "x"})
    ).spec.container_groups
    assert group.name == "default"
    assert group.primary == 1
    assert group.container_names == ("container-1", "main", "x")
    (single,) = Artifact.parse(_group({"imageUri": "a", "port": 8080})).spec.container_groups
    assert (single.primary, single.container_names) == (0, ("main",))


def test_probes_have_their_own_defaults() -> None:
    """Longer than the kubelet's: what an artifact serves often starts slowly. The port is the renderer's to choose."""
    (group,) = Artifact.parse(
        _group({"readinessProbe": {"path": "/h"}, "livenessProbe": {"path": "/l", "port": 81}})
    ).spec.container_groups
    probe = group.containers[0].readiness_probe
    assert probe is not None
    seen = (probe.initial_delay_seconds, probe.period_seconds, probe.timeout_seconds, probe.failure_threshold)
    assert seen == (30, 30, 30, 3)
    assert (probe.port, probe.scheme) == (None, "HTTP")
    assert group.containers[0].startup_probe is None


def test_optional_sections_tell_whether_they_were_given() -> None:
    """A clone takes over exactly what is absent, so absent must be seen."""
    spec = Artifact.parse({"spec": {"cloneFrom": {"name": "a"}}}).spec
    assert (spec.type, spec.repository_ref, spec.storage, spec.run, spec.version) == (None, None, None, None, None)
    assert spec.model_fields_set == {"clone_from"}
    assert ArtifactRepository.parse({"spec": {}}).spec.type == "service"
    assert NimCache.parse({"spec": {"image": "a"}}).spec.sharing is None


def test_an_inference_reads_like_a_workspace() -> None:
    """One merge and one renderer serve both: what an inference does not have is there, unset, whatever was stored."""
    stored = {
        "tty": True,
        "restartPolicy": "Never",
        "security": {"hostNetwork": True, "runAsUid": 5},
        "storage": {"s3": [{"bucket": "abc"}], "pvc": [{"path": "/p", "ephemeral": True}]},
    }
    spec = Inference.parse({"spec": stored}).spec
    assert isinstance(spec, WorkloadFields)
    assert (spec.tty, spec.restart_policy, spec.security.host_network, spec.storage.s3) == (None, None, None, ())
    assert spec.storage.pvc[0].ephemeral is False
    assert spec.to_dict() == {"security": {"runAsUid": 5}, "storage": {"pvc": [{"path": "/p"}]}}


def test_a_field_that_is_left_out_takes_its_rules_along() -> None:
    """Neither the schema nor the rules know it any more; the base keeps both."""

    class Wide(Model):
        """Wide."""

        RULES = (Rule("self.a > 0", "a must be positive", lambda node: node.get("a", 1) > 0, field="a"),)

        a: int = 1
        """First."""
        other_field: str | None = None
        """Second."""

    class Narrow(Wide):
        """Narrow."""

        WITHOUT = ("a", "other_field")

    class Narrower(Narrow):
        """Narrower."""

    assert list(schema_of(Wide)["properties"]) == ["a", "otherField"]
    for model in (Narrow, Narrower):
        assert schema_of(model)["properties"] == {}
        assert model.rules() == []
        assert model.model_validate({"a": 5, "otherField": "x", "other_field": "y"}).to_dict() == {}
    assert len(Wide.rules()) == 1


def test_an_artifact_replaces_the_image() -> None:
    """What is missing after the merge depends on whether there is an artifact."""
    assert [str(error) for error in incomplete(InferenceSpec, {"servingPort": {}})] == [
        "image: image is required without artifact, and no asset or policy sets it. Set image or artifact.",
        "servingPort.container: servingPort.container is required without artifact, and no asset or policy sets it. "
        "Set the port.",
    ]
    assert incomplete(InferenceSpec, {"artifact": {"name": "a"}, "servingPort": {"protocol": "grpc"}}) == []
    scaled = {"image": "a", "autoscaling": {"minReplicas": 1, "maxReplicas": 3}}
    assert [str(error) for error in incomplete(InferenceSpec, scaled)] == [
        "autoscaling.metric: metric is required where minReplicas and maxReplicas differ, except from 0 to 1. "
        "Set metric and metricThreshold."
    ]


def test_everything_wrong_with_an_artifact_is_said_at_once() -> None:
    """Rules at different depths do not hide each other."""
    containers = [{"imageUri": "a", "port": 8080}, {"imageUri": "b", "environmentVars": [{"name": "A"}]}]
    spec = {
        "type": "service",
        "version": 2,
        "storage": {"mode": "nimCache", "pvcSize": "1Gi"},
        "containerGroups": [{"containers": containers}],
        "cloneFrom": {"name": "x"},
    }
    body = {"apiVersion": "outfitter.dev/v1alpha1", "kind": "Artifact", "metadata": {"name": "x"}, "spec": spec}
    assert {str(error).split(": ", 1)[0] for error in strict_errors(body)} == {
        "spec.cloneFrom",
        "spec.containerGroups[0].containers",
        "spec.containerGroups[0].containers[1].environmentVars[0].value",
        "spec.storage",
        "spec.storage.pvcSize",
        "spec.version",
    }


@pytest.mark.parametrize("field", sorted(ArtifactSpec.model_fields))
def test_a_lock_covers_every_field_but_run(field: str) -> None:
    """A field that is added later must choose: frozen, guarded in another way, or part of `run`."""
    alias = ArtifactSpec.model_fields[field].alias
    if_unchanged = {
        rule["fieldPath"] for rule in resource_schema(Artifact)["x-kubernetes-validations"] if "fieldPath" in rule
    }
    from_creation = {
        rule["fieldPath"] for rule in schema_of(ArtifactSpec)["x-kubernetes-validations"] if "oldSelf" in rule["rule"]
    } - {".run"}  # it comes and goes, and only the scale subresource cannot add it
    assert (f".spec.{alias}" in if_unchanged or f".{alias}" in from_creation) == (field != "run")


def test_inference_has_the_columns_of_the_policy_tree() -> None:
    """What the table of policy fields gives to other workload types only is not in the schema."""
    fields = schema_of(InferenceSpec)["properties"]
    assert not {"tty", "stdin", "terminateAfterPreemption", "backoffLimit", "restartPolicy", "completions"} & set(
        fields
    )
    assert not {"hostIpc", "hostNetwork", "allowPrivilegeEscalation"} & set(fields["security"]["properties"])
    assert {"image", "priorityClass", "preemptibility", "autoscaling", "servingPort", "tolerations"} <= set(fields)
