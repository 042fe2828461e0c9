"""The policy `effective`: EffectivePolicies are the operator's, since the policies `policy-TYPE` judge by them."""

from __future__ import annotations

from typing import Any, Final

from outfitter.api.v1alpha1 import GROUP
from outfitter.codegen.admission.exempt import OPERATOR_ACCOUNT, user_or_tool

RESOURCE: Final = "effectivepolicies"


def policy_spec() -> dict[str, Any]:
    """Return the spec of the policy."""
    right = f"authorizer.group('{GROUP}').resource('{RESOURCE}').check('update').allowed()"
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [GROUP],
                    "apiVersions": ["*"],
                    "operations": ["CREATE", "UPDATE", "DELETE"],
                    "resources": [RESOURCE],
                }
            ]
        },
        "matchConditions": [
            user_or_tool(),
            {"name": "not-the-operator", "expression": f"request.userInfo.username != '{OPERATOR_ACCOUNT}'"},
        ],
        "validations": [
            {
                "expression": right,
                "reason": "Forbidden",
                "messageExpression": "'EffectivePolicy ' + request.name + ' is written by the operator only. Change "
                "the WorkloadPolicies of the project instead.'",
                "message": "only the operator writes EffectivePolicies",
            }
        ],
    }
