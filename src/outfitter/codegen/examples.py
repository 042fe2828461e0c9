"""One small example of each kind, for the reference pages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

_FOLDER: Final = Path(__file__).parents[3] / "deploy" / "examples"

EXAMPLES: Final[Mapping[str, str]] = {
    "Environment": """\
apiVersion: outfitter.dev/v1alpha1
kind: Environment
metadata: {name: jupyter, namespace: team-a}
spec:
  image: quay.io/jupyter/pytorch-notebook:2026-10-01
  connections:
  - {name: lab, toolType: jupyter-notebook, connectionType: ExternalUrl, containerPort: 8888}
  run:                          # without run, the Environment is only a definition
    compute: {name: one-gpu}
""",
    "ComputeResource": """\
apiVersion: outfitter.dev/v1alpha1
kind: ComputeResource
metadata: {name: one-gpu, namespace: outfitter-system}
spec:
  gpuDevicesRequest: 1
  cpuCoreRequest: 4
  cpuMemoryRequest: 32Gi
  cpuMemoryLimit: 64Gi
  largeShmRequest: true
""",
    "DataSource": """\
apiVersion: outfitter.dev/v1alpha1
kind: DataSource
metadata: {name: imagenet, namespace: team-a}
spec:
  reclaimPolicy: Retain         # deleting this object keeps the data
  pvc:
    path: /data
    claimInfo: {size: 500Gi, storageClass: fast, accessModes: {readWriteMany: true}}
""",
    "Credential": """\
apiVersion: outfitter.dev/v1alpha1
kind: Credential
metadata: {name: registry, namespace: outfitter-system}
spec:
  scope: {type: department, name: research}
  type: dockerRegistry
  secretRef: {name: registry-login}
  keys: {password: token}       # read the password from the key `token`
""",
    "Registry": """\
apiVersion: outfitter.dev/v1alpha1
kind: Registry
metadata: {name: images, namespace: team-a}
spec:
  url: https://registry.example.com/team-a    # an administrator lists the host: settings.registryHosts
  credential: {name: robot}     # of type password or dockerRegistry
""",
    "ImageQuery": """\
apiVersion: outfitter.dev/v1alpha1
kind: ImageQuery
metadata: {name: trainer-tags, namespace: team-a}
spec:
  registry: {name: images}
  repository: team-a/trainer    # list its tags; without it, the repositories of the registry
  search: "1."                  # only names that contain this; or digestOf: TAG
""",
    "ImageBuild": """\
apiVersion: outfitter.dev/v1alpha1
kind: ImageBuild
metadata: {name: scorer-1, namespace: team-a}
spec:
  artifact: {name: scorer}      # a draft with imageBuildConfig
  container: {name: main}       # only where the Artifact has several sources
""",
    "WorkloadTemplate": """\
apiVersion: outfitter.dev/v1alpha1
kind: WorkloadTemplate
metadata: {name: notebook, namespace: outfitter-system}
spec:
  workloadType: workspace
  scope: {type: department, name: research}
  assets:
    environment: {name: torch}
    compute: {name: one-gpu}
  nodeType: a100                # any field of a Workspace; a Workspace names it: template: {name: notebook}
""",
    "Workspace": """\
apiVersion: outfitter.dev/v1alpha1
kind: Workspace
metadata: {name: alice, namespace: team-a}
spec:
  assets:
    environment: {name: torch, scope: cluster}
    compute: {name: one-gpu}
    dataSources: [{name: imagenet}, {name: models, mountPath: /mnt/models}]
  environmentVariables: [{name: TEAM_TOKEN, value: abc}]
  connections: [{name: board, nodePort: 30600}]
  compute: {cpuCoreRequest: 8}  # inline fields override those of the asset
""",
    "Inference": """\
apiVersion: outfitter.dev/v1alpha1
kind: Inference
metadata: {name: scoring, namespace: team-a}
spec:
  artifact: {repository: scorer, version: 3}  # or {name: scorer}; or assets and inline fields, as on a Workspace
  containerGroups:
  - name: default
    replicas: 2
    containers: [{name: web, compute: {cpuCoreRequest: 2, cpuMemoryRequest: 4Gi}}]
""",
    "Artifact": """\
apiVersion: outfitter.dev/v1alpha1
kind: Artifact
metadata: {name: llama, namespace: team-a}
spec:
  type: nim
  containerGroups:
  - containers:
    - imageUri: nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8.4
      port: 8000
      environmentVars:
      - {name: NGC_API_KEY, source: credential, credential: {name: ngc, key: NGC_API_KEY}}
  storage: {mode: nimCache}     # or dedicatedPvc with pvcSize
  run: {compute: {name: one-gpu}, replicas: 1}
""",
    "ArtifactRepository": """\
apiVersion: outfitter.dev/v1alpha1
kind: ArtifactRepository
metadata: {name: scorer, namespace: team-a}
spec:
  type: service
  description: Every version of the scorer
""",
    "WorkloadPolicy": """\
apiVersion: outfitter.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: research-notebooks, namespace: outfitter-system}
spec:
  workloadType: workspace
  scope: {type: department, name: research}
  defaults:
    imagePullPolicy: Always
    labels: {instances: [{name: cost-center, value: "4711"}]}
  rules:
    compute: {gpuDevicesRequest: {max: 2}}
    labels: {instances: {locked: [cost-center]}}
    storage: {hostPath: {instances: {canAdd: false}}}
  imposedAssets: [{name: datasets}]
""",
    "EffectivePolicy": """\
apiVersion: outfitter.dev/v1alpha1
kind: EffectivePolicy
metadata: {name: workspace, namespace: team-a}
spec:
  workloadType: workspace
  defaults: {imagePullPolicy: Always}
  rules: {compute: {gpuDevicesRequest: {max: 2}}}
  sources:
  - field: compute.gpuDevicesRequest
    part: rule
    source: {scope: department, name: research, policy: outfitter-system/research-notebooks}
  - field: imagePullPolicy
    part: default
    source: {scope: project, name: team-a, policy: team-a/notebooks}
""",
    "NimCache": """\
apiVersion: outfitter.dev/v1alpha1
kind: NimCache
metadata: {name: llama-3-1-8b, namespace: outfitter-system}
spec:
  image: nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8.4
  credential: {name: ngc}
  scope: {type: department, name: research}
  size: 50Gi
  retain: true                  # keep it when no workload uses it
""",
}
"""Examples that are shorter, or better commented, than those in deploy/examples."""


def example(kind: str) -> str:
    """Return the example of a kind: from this table, else the first object of the kind in deploy/examples."""
    if kind in EXAMPLES:
        return EXAMPLES[kind]
    for path in sorted(_FOLDER.glob("*.yaml")):
        for text in path.read_text(encoding="utf-8").split("\n---\n"):
            body = yaml.load(text, yaml.CSafeLoader)
            if body and body.get("kind") == kind:
                return "\n".join(line for line in text.splitlines() if not line.startswith(("#", "---")))
    raise LookupError(f"kind {kind} has no example: add an object to {_FOLDER.name}/")
