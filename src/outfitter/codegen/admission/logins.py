"""The part of the policy `requester` about Registries: the operator sends the login of the Credential that they name.

Other users of a Credential need pods for that, so they need the right to create these.
"""

from __future__ import annotations

from typing import Any

from outfitter.codegen.admission import share
from outfitter.codegen.admission.presence import has_values


def variable() -> dict[str, Any]:
    """Variable: whether the spec has the operator log in to a registry."""
    credential = has_values("object", ("spec", "credential"))
    registries = "request.resource.resource == 'registries'"
    return {"name": "logsIn", "expression": f"variables.edited && {registries} && {credential}"}


def check() -> dict[str, Any]:
    """The user may create pods; or share a Registry that is for other namespaces only."""
    return {
        "expression": "!variables.logsIn || "
        "authorizer.group('').resource('pods').namespace(request.namespace).check('create').allowed() || "
        "variables.mayShare",
        "reason": "Forbidden",
        "messageExpression": "object.kind + ' ' + object.metadata.name + ' sends the login of a Credential. "
        "You need the verb create on pods in namespace ' + request.namespace + "
        f"(variables.elsewhere ? ', or ' + {share.missing_right()} : '') + '.'",
        "message": "it sends the login of a Credential: you need the verb create on pods",
    }
