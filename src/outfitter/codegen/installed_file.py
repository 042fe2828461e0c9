"""src/outfitter/installed.json: what `outfitter check` compares a cluster with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from outfitter.api.v1alpha1 import ALL_KINDS
from outfitter.codegen.admission import policies
from outfitter.codegen.crd import crd_for
from outfitter.installed import crd_digest, policy_digest


def installed_file(about: Mapping[str, Any]) -> str:
    """Return the text of the file; `about` is Chart.yaml."""
    oldest = about["kubeVersion"].removeprefix(">=").removesuffix("-0")
    specs = {name.removesuffix(".yaml"): spec for name, _, spec in policies.files()}
    digests = {name: "" if name in policies.IDENTITY_POLICIES else policy_digest(spec) for name, spec in specs.items()}
    data = {
        "kubernetes": ".".join(oldest.split(".")[:2]),
        "crds": {kind.plural: crd_digest(crd_for(kind)) for kind in ALL_KINDS},
        "policies": digests,
    }
    return json.dumps(data, indent=2) + "\n"
