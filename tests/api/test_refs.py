"""References are found wherever they stand."""

from __future__ import annotations

from typing import Any

import pytest

from outfitter.api.v1alpha1 import kind_of

from .references import Reference, references

CASES: list[tuple[str, dict[str, Any], list[Reference]]] = [
    (
        "Workspace",
        {
            "assets": {
                "environment": {"name": "torch", "scope": "cluster"},
                "compute": {"name": "gpu"},
                "dataSources": [{"name": "a"}, {"name": "b", "scope": "department"}],
            }
        },
        [
            Reference("Environment", "torch", "cluster", "assets.environment"),
            Reference("ComputeResource", "gpu", None, "assets.compute"),
            Reference("DataSource", "a", None, "assets.dataSources[0]"),
            Reference("DataSource", "b", "department", "assets.dataSources[1]"),
        ],
    ),
    (
        "Workspace",
        {
            "environmentVariables": [
                {"name": "A", "value": "x"},
                {"name": "B", "secret": {"name": "s", "key": "k"}},
                {"name": "C", "userCredential": {"name": "u", "key": "k"}},
            ],
            "imagePullSecrets": [{"name": "p"}, {"name": "q", "exclude": True}, {"name": "r", "userCredential": True}],
        },
        [
            Reference("Secret", "s", None, "environmentVariables[1].secret"),
            Reference("Secret", "p", None, "imagePullSecrets[0].name"),
        ],
    ),
    (
        "Workspace",
        {
            "storage": {
                "git": [{"credential": {"name": "g"}}, {"secretRef": {"name": "h"}}],
                "s3": [{"accessKeySecret": "k"}],
                "pvc": [{"existingPvc": True, "claimName": "c"}, {"claimName": "new"}],
                "configMapVolume": [{"configMap": "m"}],
                "secretVolume": [{"secret": "t"}],
                "dataVolume": [{"id": "d"}],
            }
        },
        [
            Reference("Credential", "g", None, "storage.git[0].credential"),
            Reference("Secret", "h", None, "storage.git[1].secretRef"),
            Reference("Secret", "k", None, "storage.s3[0].accessKeySecret"),
            Reference("PersistentVolumeClaim", "c", None, "storage.pvc[0].claimName"),
            Reference("ConfigMap", "m", None, "storage.configMapVolume[0].configMap"),
            Reference("Secret", "t", None, "storage.secretVolume[0].secret"),
            Reference("DataSource", "d", None, "storage.dataVolume[0].id"),
        ],
    ),
    (
        "Environment",
        {
            "environmentVariables": [
                {"name": "K", "credential": {"name": "b", "key": "k"}},
                {"name": "M", "configMap": {"name": "c", "key": "k"}},
            ],
            "run": {"compute": {"name": "gpu"}, "dataSources": [{"name": "d"}]},
        },
        [
            Reference("Credential", "b", None, "environmentVariables[0].credential"),
            Reference("ConfigMap", "c", None, "environmentVariables[1].configMap"),
            Reference("ComputeResource", "gpu", None, "run.compute"),
            Reference("DataSource", "d", None, "run.dataSources[0]"),
        ],
    ),
    (
        "Credential",
        {"type": "password", "secretRef": {"name": "login"}},
        [Reference("Secret", "login", None, "secretRef")],
    ),
    (
        "DataSource",
        {"secretVolume": {"credential": {"name": "c"}, "mountPath": "/s"}},
        [Reference("Credential", "c", None, "secretVolume.credential")],
    ),
    (
        "DataSource",
        {"dataVolume": {"originPvcName": "p", "mountPath": "/d"}},
        [Reference("PersistentVolumeClaim", "p", None, "dataVolume.originPvcName")],
    ),
    ("ComputeResource", {"cpuCoreRequest": 1}, []),
    (
        "Inference",
        {
            "artifact": {"name": "llama"},
            "assets": {"compute": {"name": "gpu"}},
            "storage": {"pvc": [{"existingPvc": True, "claimName": "c"}]},
        },
        [
            Reference("Artifact", "llama", None, "artifact.name"),
            Reference("ComputeResource", "gpu", None, "assets.compute"),
            Reference("PersistentVolumeClaim", "c", None, "storage.pvc[0].claimName"),
        ],
    ),
    (
        "Inference",
        {"artifact": {"repository": "scorer", "version": 3}},
        [Reference("ArtifactRepository", "scorer", None, "artifact.repository")],
    ),
    (
        "Artifact",
        {
            "repositoryRef": {"name": "r"},
            "cloneFrom": {"name": "a"},
            "storage": {"claimName": "models"},
            "containerGroups": [
                {
                    "containers": [
                        {
                            "environmentVars": [
                                {"name": "K", "source": "credential", "credential": {"name": "c", "key": "k"}}
                            ]
                        },
                        {"imageBuildConfig": {"codeRef": {"git": {"url": "u", "credential": {"name": "g"}}}}},
                        {
                            "imageBuildConfig": {
                                "codeRef": {"pvc": {"claimName": "p"}},
                                "dockerfile": {"environment": {"name": "e", "scope": "cluster"}},
                            }
                        },
                        {"imageBuildConfig": {"codeRef": {"configMap": {"name": "m"}}}},
                    ]
                }
            ],
            "run": {"compute": {"name": "gpu"}, "dataSources": [{"name": "d"}]},
        },
        [
            Reference("ArtifactRepository", "r", None, "repositoryRef"),
            Reference("Artifact", "a", None, "cloneFrom"),
            Reference("PersistentVolumeClaim", "models", None, "storage.claimName"),
            Reference("Credential", "c", None, "containerGroups[0].containers[0].environmentVars[0].credential"),
            Reference(
                "Credential", "g", None, "containerGroups[0].containers[1].imageBuildConfig.codeRef.git.credential"
            ),
            Reference(
                "PersistentVolumeClaim",
                "p",
                None,
                "containerGroups[0].containers[2].imageBuildConfig.codeRef.pvc.claimName",
            ),
            Reference(
                "Environment",
                "e",
                "cluster",
                "containerGroups[0].containers[2].imageBuildConfig.dockerfile.environment",
            ),
            Reference(
                "ConfigMap", "m", None, "containerGroups[0].containers[3].imageBuildConfig.codeRef.configMap.name"
            ),
            Reference("ComputeResource", "gpu", None, "run.compute"),
            Reference("DataSource", "d", None, "run.dataSources[0]"),
        ],
    ),
    (
        "NimCache",
        {"image": "a", "credential": {"name": "ngc", "scope": "cluster"}},
        [Reference("Credential", "ngc", "cluster", "credential")],
    ),
]


@pytest.mark.parametrize(("kind", "spec", "wanted"), CASES)
def test_references_are_found(kind: str, spec: dict[str, Any], wanted: list[Reference]) -> None:
    """Kind, name, pinned scope and place of each, in the order of the fields."""
    found = references(kind_of(kind).model.parse({"spec": spec}).spec)
    assert sorted(found, key=str) == sorted(wanted, key=str)
