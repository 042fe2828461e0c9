"""Record the objects that one version of the operator creates, for test_takeover.py. README.md explains how."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import yaml

from integration.harness import rights
from integration.harness.client import Api, ready
from integration.harness.process import Operator
from integration.takeover import etcd
from outfitter.api.v1alpha1 import KINDS
from outfitter_sandbox import Sandbox

HERE = Path(__file__).parent
DELETED = (("DataSource", "lab", "leaving"),)  # a workload still uses it
QUIET_SECONDS = 20.0  # the autoscaler's period is 15 seconds


def record(checkout: Path, archive: Path) -> None:
    """Run the operator of `checkout` until its examples and objects.yaml are settled, then save the data of etcd."""
    with tempfile.TemporaryDirectory() as folder, Sandbox.up(root=Path(folder), node="simulated") as sandbox:
        sandbox.apply_crds(checkout / "crds")
        sandbox.restart("kube-controller-manager")
        api = Api(sandbox)
        rights.install(api, checkout / "deploy" / "install.yaml")
        operator = Operator(
            sandbox.kubeconfig_for(rights.USER), Path(folder) / "operator.log", checkout / ".venv/bin/outfitter"
        ).start()
        for path in (*sorted((checkout / "deploy" / "examples").glob("*.yaml")), HERE / "objects.yaml"):
            apply(api, path)
        settle(api)
        apply(api, HERE / "changes.yaml")
        for place in DELETED:
            api.delete(*place)
        settle(api)
        assert operator.stop() == 0
        etcd.save(sandbox, archive)


def apply(api: Api, path: Path) -> None:
    """Apply all documents of a file."""
    for item in yaml.safe_load_all(path.read_text()):
        api.apply(item)
        if item["kind"] == "Namespace":
            api.wait("ServiceAccount", item["metadata"]["name"], "default", bool)


def settle(api: Api) -> None:
    """Wait until each object is Ready unless its annotation says never, and the operator has written nothing lately."""
    for kind in KINDS:
        for item in api.list(kind.name):
            meta = item["metadata"]
            if meta.get("annotations", {}).get("example.com/ready") != "false":
                api.wait(kind.name, meta["namespace"], meta["name"], ready, 120)
    quiet = False
    while not quiet:
        since = api.sandbox.audit_mark()
        time.sleep(QUIET_SECONDS)
        own = [entry for entry in api.sandbox.audit(since) if entry.user == rights.USER]
        quiet = not any(entry.is_write and entry.resource != "leases" for entry in own)


def main() -> None:
    """Parse the command line and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path, help="a checkout of that version, with its .venv (make venv)")
    parser.add_argument("archive", type=Path, help="the file to write, VERSION.tar.xz")
    chosen = parser.parse_args()
    record(chosen.checkout.absolute(), chosen.archive)


if __name__ == "__main__":
    main()
