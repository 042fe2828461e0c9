#!/usr/bin/env bash
# Makes a kind cluster with the images of the end-to-end suite, runs the suite on it, and removes the cluster.
# Needs kind, a container engine, Go, and `make venv`. KEEP=1 leaves the cluster.
set -euo pipefail
cd "$(dirname "$0")/../.."
cluster=outfitter-e2e
folder=$(mktemp -d)
finish() {
  rm -rf "$folder"
  if [ -z "${KEEP:-}" ]; then kind delete cluster --name "$cluster"; fi
}
trap finish EXIT
kind create cluster --name "$cluster" --wait 120s --kubeconfig "$folder/kubeconfig"
(cd tests && ../.venv/bin/python -m e2e.harness.images "$folder/images") | while read -r archive; do
  kind load image-archive --name "$cluster" "$archive"
done
# The examples ask for GPUs: a node may advertise what it does not have.
kubectl --kubeconfig "$folder/kubeconfig" patch node "$cluster-control-plane" --subresource=status --type=merge \
  -p '{"status":{"capacity":{"nvidia.com/gpu":"8"},"allocatable":{"nvidia.com/gpu":"8"}}}'
# Model caches are claims for many pods, which kind's provisioner makes only in a folder that it is told to be shared.
kubectl --kubeconfig "$folder/kubeconfig" -n local-path-storage patch configmap local-path-config --type=merge \
  -p '{"data":{"config.json":"{\"sharedFileSystemPath\":\"/var/shared-volumes\"}"}}'
kubectl --kubeconfig "$folder/kubeconfig" -n local-path-storage rollout restart deployment local-path-provisioner
kubectl --kubeconfig "$folder/kubeconfig" -n local-path-storage rollout status deployment local-path-provisioner
OUTFITTER_E2E_KUBECONFIG="$folder/kubeconfig" make e2e
