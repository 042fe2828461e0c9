"""The demo's steps on policies.

A department limits its notebooks, a project disagrees, a notebook is refused and corrected, and a tightened policy
touches nothing that runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from outfitter.api.version import API_VERSION
from outfitter.cli.binding_rules import BindingRule
from outfitter.errors import ApiError
from outfitter.naming import ANNOTATION_RESTARTED_AT
from outfitter.snapshot import Key
from outfitter_sandbox.demo.cluster import DemoCluster, DemoError, Object
from outfitter_sandbox.demo.report import Report
from outfitter_sandbox.demo.state import ClusterState, head_of, key_of

PLATFORM: Final = "platform-team"  # field manager
_INDEX: Final = "dataset-index"
_MOUNT: Final = "/etc/datasets"


async def show_policies(
    cluster: DemoCluster, report: Report, state: ClusterState, objects: Sequence[Object], workload: Key
) -> tuple[list[Object], list[Object]]:
    """Run the steps with the department policy of the examples, if they have one and a notebook to start.

    Returns the objects that they applied: assets, then what uses them.
    """
    policy = next((body for body in objects if body["kind"] == "WorkloadPolicy" and _of_notebooks(body["spec"])), None)
    definition = next((body for body in objects if body["kind"] == "Environment" and body["spec"].get("run")), None)
    if policy is None or definition is None:
        return [], []
    steps = _PolicySteps(cluster, report, state, policy, definition, workload)
    await steps.limit()
    await steps.disagree()
    await steps.refuse_and_correct()
    await steps.tighten()
    return [steps.index, steps.data], [steps.own_policy, steps.notebook]


def _of_notebooks(spec: Object) -> bool:
    return spec["workloadType"] == "workspace" and (spec.get("scope") or {}).get("type") == "department"


class _PolicySteps:
    def __init__(
        self,
        cluster: DemoCluster,
        report: Report,
        state: ClusterState,
        policy: Object,
        definition: Object,
        running: Key,
    ) -> None:
        self._cluster = cluster
        self._report = report
        self._state = state
        self._policy = key_of(policy)
        self._label: str = policy["spec"]["rules"]["labels"]["instances"]["locked"][0]
        self._running = running
        project, system = definition["metadata"]["namespace"], self._policy.namespace
        self._effective = Key("EffectivePolicy", project, "workspace")
        data = {"README": "The data sets that the department may use."}
        self.index: Object = {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": _INDEX, "namespace": system}, "data": data
        }  # fmt: skip
        volume = {"configMapVolume": {"configMap": _INDEX, "mountPath": _MOUNT}}
        self.data = _object("DataSource", _INDEX, system, volume)
        rules = {"compute": {"gpuDevicesRequest": {"max": 8}}}
        self.own_policy = _object("WorkloadPolicy", "own", project, {"workloadType": "workspace", "rules": rules})
        assets = {
            "environment": {"name": definition["metadata"]["name"]},
            "compute": definition["spec"]["run"]["compute"],
        }
        self._correct = {"assets": assets}
        self.notebook = _object("Workspace", "bob", project, self._correct)

    async def limit(self) -> None:
        """Add an imposed data set to the limits of the department."""
        with self._report.stage("A department limits its notebooks"):
            await self._cluster.apply(self.index, PLATFORM)
            await self._cluster.apply(self.data, PLATFORM)
            await self._edit({"imposedAssets": [{"name": _INDEX}]})
            await self._state.until(
                f"{self._effective} is up to date",
                lambda: self._state.exists(self._effective) and bool(self._spec(self._effective).get("imposedAssets")),
            )
            spec = self._spec(self._effective)
            for item in spec["sources"]:
                self._report.info(f"{item['field']}: {item['part']} of {_author(item['source'])}")
            for item in spec["imposedAssets"]:
                self._report.info(f"DataSource {item['name']}: imposed by {_author(item['source'])}")
            self._report.success(f"{self._effective} tells the project what applies, and who said so")

    async def disagree(self) -> None:
        """Let the project set a rule that the department owns."""
        own = key_of(self.own_policy)
        with self._report.stage("A project wants more GPUs than its department allows"):
            await self._cluster.apply(self.own_policy, "team")
            await self._state.until(f"{own} has a conflict", lambda: bool(self._state.status(own).get("conflicts")))
            for item in self._state.status(own)["conflicts"]:
                self._report.info(f"{own}: {item['field']} has no effect, because {item['owner']} owns it", "yellow")
            limit = self._spec(self._effective)["rules"]["compute"]["gpuDevicesRequest"]
            if "max" in limit and limit["max"] == 8:
                raise DemoError(f"{own} took effect: {limit}")
            rule = BindingRule("compute.gpuDevicesRequest", "max", limit["max"])
            self._report.success(f"the department's rule stands: {rule.field}, {rule}")

    async def refuse_and_correct(self) -> None:
        """Start a notebook that breaks two rules, then correct it."""
        key = key_of(self.notebook)
        with self._report.stage("A notebook breaks two rules, and is refused"):
            wrong = {"compute": {"gpuDevicesRequest": 3}, "labels": [{"name": self._label, "value": "somebody-else"}]}
            for line in await self._refusal({**self.notebook, "spec": {**self._correct, **wrong}}):
                self._report.info(line, "yellow")
        with self._report.stage("The notebook is corrected, and runs"):
            await self._cluster.apply(self.notebook, "team")
            await self._state.until(f"{key} runs", lambda: self._state.ready(key))
            pod = self._state.live(Key("StatefulSet", key.namespace, key.name)).body["spec"]["template"]
            paths = [item["mountPath"] for item in pod["spec"]["containers"][0].get("volumeMounts", ())]
            labels = pod["metadata"]["labels"]
            if _MOUNT not in paths or self._label not in labels:
                raise DemoError(f"{key}: mounts {paths}, labels {labels}")
            self._report.success(f"its pod has the label {self._label}={labels[self._label]} of {self._policy}")
            self._report.success(f"its pod mounts {_MOUNT} of the imposed DataSource {_INDEX}")

    async def tighten(self) -> None:
        """Forbid GPUs; what runs keeps running, and a restart is refused."""
        running = self._running
        pod = self._state.pod_uid(running)
        with self._report.stage("The department allows no GPU any more"):
            await self._edit({"rules": {"compute": {"gpuDevicesRequest": {"max": 0}}}})
            notebook = key_of(self.notebook)
            await self._state.until(f"{notebook} is outdated", lambda: bool(self._state.outdated(notebook)))
            self._report.info(f"{notebook}: {self._state.outdated(notebook)[0]}", "yellow")
            if self._state.pod_uid(running) != pod:
                raise DemoError(f"{running}: the edit of {self._policy} replaced its pod")
            self._report.success(f"{running} keeps its GPU: the same pod")
            await self._restart(running, "1")
            await self._state.until(
                f"{running} is refused", lambda: bool(self._state.status(running).get("violations"))
            )
            row = self._state.status(running)["violations"][0]
            self._report.info(f"a restart is refused: {row['field']}: {row['message']}", "yellow")
            if self._state.pod_uid(running) != pod:
                raise DemoError(f"{running}: a refused restart replaced its pod")
            self._report.success("and its pod still runs")
            await self._edit({"rules": {"compute": {"gpuDevicesRequest": {"max": 2}}}})
            await self._state.until(f"{running} is ready", lambda: not self._state.status(running).get("violations"))
            await self._state.until(f"{running} runs again", lambda: self._state.steady(running))

    async def _edit(self, spec: dict[str, Any]) -> None:
        await self._cluster.apply({**head_of(self._state.live(self._policy)), "spec": spec}, PLATFORM)

    async def _restart(self, workload: Key, value: str) -> None:
        head = head_of(self._state.live(workload))
        await self._cluster.apply(
            {**head, "metadata": {**head["metadata"], "annotations": {ANNOTATION_RESTARTED_AT: value}}}, "team"
        )

    async def _refusal(self, manifest: Object) -> list[str]:
        """Return why a workload is refused: at once by the API server, else by its status."""
        key = key_of(manifest)
        try:
            await self._cluster.apply(manifest, "team")
        except ApiError as error:
            return [
                "the API server answers:",
                *error.message.replace(" denied request: ", " denied request:\n").split("\n"),
            ]
        await self._state.until(f"{key} is refused", lambda: bool(self._state.status(key).get("violations")))
        return [f"{key}: spec.{row['field']}: {row['message']}" for row in self._state.status(key)["violations"]]

    def _spec(self, key: Key) -> dict[str, Any]:
        found: dict[str, Any] = self._state.live(key).body["spec"]
        return found


def _object(kind: str, name: str, namespace: str, spec: Object) -> Object:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _author(source: Object) -> str:
    return f"{source.get('policy', '')} ({source['scope']} {source.get('name', '')})".replace(" )", ")")
