"""One small example of each kind: it opens the reference page, and `outfitter explain` can show it."""

EXAMPLES = {
    "Environment": """\
apiVersion: outfitter.dev/v1alpha1
kind: Environment
metadata: {name: jupyter, namespace: team-a}
spec:
  image: quay.io/jupyter/pytorch-notebook:2026-10-01
  connections:
  - {name: lab, toolType: jupyter-notebook, connectionType: ExternalUrl, containerPort: 8888}
  run:                          # leave this out and the Environment is only a definition
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
  keys: {password: token}       # read the password from key `token`
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
  compute: {cpuCoreRequest: 8}  # inline fields win over the asset's
""",
}
