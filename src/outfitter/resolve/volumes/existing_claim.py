"""What a spec says about a claim that exists already: repetition is fine, contradiction is reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from outfitter.api.quantities import parse_quantity
from outfitter.api.v1alpha1.volumes import ClaimInfo
from outfitter.problems import Problem, note, stalled
from outfitter.reasons import Reason
from outfitter.snapshot import CachedObject

_MODES = {
    "read_write_once": "ReadWriteOnce",
    "read_only_many": "ReadOnlyMany",
    "read_write_many": "ReadWriteMany",
}


def contradictions(info: ClaimInfo | None, claim: CachedObject, field: str) -> Iterator[Problem]:
    """Yield a problem for each field of `claimInfo` that differs from the claim. `field`: the path of the volume.

    Another volume mode keeps the pod from starting; the other fields have no effect on it.
    """
    if info is None:
        return
    for name, given, has in _differences(info, claim.body):
        text = (
            f"PersistentVolumeClaim {claim.namespace}/{claim.name} exists with {has}, not {given}. Outfitter does not "
            f"change it. Set {name} to the value of the claim, or use another claim."
        )
        path = f"{field}.claimInfo.{name}"
        mode = name == "volumeMode"
        yield stalled(Reason.INVALID_SPEC, text, path) if mode else note(Reason.CLAIM_DIFFERS, text, path)


def _differences(info: ClaimInfo, body: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield field, given and actual value of what differs; a smaller size and fewer modes are no difference."""
    spec = body.get("spec") or {}
    size = _size(body)
    if info.size is not None and size and parse_quantity(info.size) > parse_quantity(size):
        yield "size", f"{info.size}", f"size {size}"
    given, has = info.storage_class, spec.get("storageClassName")
    if given is not None and has is not None and given != has:
        yield "storageClass", given, f"storage class {has or 'none'}"
    modes = set(spec.get("accessModes") or ())
    wanted = [mode for name, mode in _MODES.items() if getattr(info.access_modes, name, None)]
    if modes and not modes.issuperset(wanted):
        yield "accessModes", ", ".join(wanted), f"access modes {', '.join(sorted(modes))}"
    mode = spec.get("volumeMode") or "Filesystem"
    if info.volume_mode is not None and info.volume_mode != mode:
        yield "volumeMode", info.volume_mode, f"volume mode {mode}"
    annotations = body["metadata"].get("annotations") or {}
    for item in info.added_attr_values:
        if annotations.get(item.key, "") != item.value:
            seen = f"{item.key}={annotations[item.key]}" if item.key in annotations else f"no {item.key}"
            yield f"addedAttrValues[{item.key}]", item.value or '""', f"annotation {seen}"


def _size(body: Mapping[str, Any]) -> str:
    """Return the size of the volume, or the size that is asked for until there is one."""
    capacity = ((body.get("status") or {}).get("capacity") or {}).get("storage")
    requested = (((body.get("spec") or {}).get("resources") or {}).get("requests") or {}).get("storage")
    return str(capacity or requested or "")
