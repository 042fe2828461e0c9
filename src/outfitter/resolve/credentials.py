"""The Credentials that a namespace can use without naming them: pull secrets, and the key of NGC."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from outfitter.api.refs import CredentialRef
from outfitter.problems import Problem, note
from outfitter.reasons import Reason
from outfitter.resolve.private import Requester, find_credential, usable_private
from outfitter.resolve.references import Found, label
from outfitter.snapshot import Reader, Resource


def usable_key(
    reader: Reader, namespace: str, found: Found, field: str = "", workload_type: str = ""
) -> Resource | None:
    """Return the NGC key of a pod or download that names none: the oldest of the namespace, else the oldest shared one.

    A key that is added later changes nothing. Several keys are noted at `field`.
    """
    usable = list(usable_credentials(reader, namespace, ("ngcApiKey",), workload_type))
    keys = sorted(
        usable,
        key=lambda key: (
            key.live.namespace != namespace,
            key.live.body["metadata"].get("creationTimestamp", ""),
            key.live.uid,
        ),
    )
    if len(keys) > 1 and field:
        text = (
            f"Outfitter uses the key of {label(keys[0])}, the oldest of {len(keys)} that can be used. To choose, set "
            "NGC_API_KEY with source credential."
        )
        found.problems.append(note(Reason.SEVERAL_KEYS, text, field))
    return keys[0] if keys else None


def usable_credentials(
    reader: Reader,
    namespace: str,
    types: tuple[str, ...],
    workload_type: str = "",
    user: Requester | None = None,
) -> Iterator[Resource]:
    """Yield the Credentials of these types that a workload of the namespace can use, those of the namespace first.

    `user`: the workload; without one, private Credentials are left out.
    """
    system = reader.settings.system_namespace
    own = reader.resources("Credential", namespace)
    shared = reader.resources("Credential", system) if namespace != system else []
    for asset in (*own, *shared):
        spec: Any = asset.model.spec
        if spec.type not in types or asset.live.deleting or not usable_private(reader, asset, user):
            continue
        if workload_type and spec.supported_types and workload_type not in spec.supported_types:
            continue  # it is not named, so there is nothing to refuse
        usable = find_credential(reader, namespace, CredentialRef(name=asset.live.name), "", user)
        if not isinstance(usable, Problem) and usable.live.uid == asset.live.uid:
            yield usable
