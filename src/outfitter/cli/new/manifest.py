"""From flags to a manifest, and its YAML with comments. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from outfitter.cli.new.flags import FLAGS, Flag, flags_of
from outfitter.errors import ConfigurationError

Body = dict[str, Any]
Given = Mapping[str, Any]
"""Parameter of a flag -> its text, its texts where it repeats, or True for a switch."""

_STEP: Final = re.compile(r"^([A-Za-z0-9]+)(\[\]|\{\}|\[0\])?$")
_COMMAND_KINDS: Final = ("Workspace", "Training", "DistributedTraining", "Inference", "WorkloadTemplate", "Environment")
_SHOWN: Final = 4  # commented fields in a new manifest


def manifest(kind: str, name: str, given: Given, command: Sequence[str] = (), namespace: str = "") -> Body:
    """Return the object that the flags describe. ConfigurationError for a value that a flag cannot have."""
    spec: Body = {}
    for flag in flags_of(kind):
        values = given.get(flag.parameter)
        for text in values if isinstance(values, list) else [] if values in (None, False) else [values]:
            put(spec, _path(flag, kind, spec), _value(flag, text), flag.also)
    if command:
        spec |= _command(kind, command)
    _defaults(kind, spec)
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    from outfitter.api.version import API_VERSION

    return {"apiVersion": API_VERSION, "kind": kind, "metadata": meta, "spec": spec}


def _value(flag: Flag, text: str | bool) -> Any:
    if flag.switch:
        return True
    try:
        return flag.read(str(text))
    except ValueError as error:
        raise ConfigurationError(f"{flag.names[0]} {text}: {error}.") from None


def _path(flag: Flag, kind: str, spec: Body) -> str:
    """Return the path that the flag sets, as text."""
    paths = flag.fields[kind].split("|")
    found = [path for path in paths if len(paths) == 1 or path.partition(".")[0] in spec]
    if not found:
        tops = {path.partition(".")[0] for path in paths}
        others = [
            other.names[0]
            for other in flags_of(kind)
            if "|" not in other.fields[kind] and other.fields[kind].partition(".")[0] in tops
        ]
        raise ConfigurationError(f"{flag.names[0]} needs one of {', '.join(others)}.")
    return found[0]


def put(spec: Body, path: str, value: Any, also: Mapping[str, Any]) -> None:
    """Set the field at a path, and the fields beside it."""
    node, steps = spec, path.split(".")
    for number, step in enumerate(steps):
        match = _STEP.match(step)
        assert match is not None, path
        name, mark = match[1], match[2]
        last = number == len(steps) - 1
        if last:
            node.update(also)
            if mark == "[]":
                node.setdefault(name, []).append(value)
            elif mark == "{}":
                node.setdefault(name, {}).update(value)
            else:
                node[name] = {**node[name], **value} if isinstance(node.get(name), dict) else value
        elif mark:
            items = node.setdefault(name, [])
            if mark == "[]" or not items:
                items.append({})
            node = items[-1]
        else:
            node = node.setdefault(name, {})


def _command(kind: str, words: Sequence[str]) -> Body:
    """Return the program and its arguments, as the one line that each field holds."""
    if kind not in _COMMAND_KINDS:
        raise ConfigurationError(f"{kind} runs no command. Remove the words after --.")
    found = {"command": shlex.quote(words[0])}
    return {**found, "args": shlex.join(words[1:])} if words[1:] else found


def _defaults(kind: str, spec: Body) -> None:
    """Set what the API server demands and a template could not know."""
    if kind == "DistributedTraining" and "template" not in spec:
        spec.setdefault("distributedFramework", "PyTorch")
        if spec["distributedFramework"] != "JAX":
            spec["masterSpecSameAsWorker"] = True
    if kind == "Artifact":
        spec.setdefault("type", "service")
    if kind == "Environment" and "run" in spec:
        spec["run"] = spec.pop("run")  # the last field, as in the examples


def errors(body: Body) -> list[str]:
    """Return a line for each field that the API server would reject, with the flag that sets it."""
    from outfitter.api.validation import strict_errors
    from outfitter.resolve.workload import field_text

    return [
        f"{field_text(error.path, '')}: {error.message}{_flag_text(body, error.path)}" for error in strict_errors(body)
    ]


def _flag_text(body: Body, path: Sequence[str | int]) -> str:
    fields = [str(step) for step in path if isinstance(step, str)]
    wanted = ".".join(fields[1:]) if fields[:1] == ["spec"] else ""
    for flag in FLAGS:
        plain = re.sub(r"\[\]|\{\}|\[0\]", "", flag.fields.get(body["kind"], ""))
        if wanted and wanted in plain.split("|"):
            return f" ({flag.names[0]})"
    return ""


def missing(body: Body) -> str:
    """Return a note that a workload has no image of its own; "" otherwise."""
    kind, spec = body["kind"], body["spec"]
    if kind not in ("Workspace", "Training", "DistributedTraining", "Inference"):
        return ""
    if any((spec.get("image"), spec.get("template"), spec.get("artifact"), spec.get("assets", {}).get("environment"))):
        return ""
    more = ", --artifact" if kind == "Inference" else ""
    name = body["metadata"]["name"]
    return (
        f"{kind} {name} has no image. Add --image, --environment{more} or --template, unless a policy sets the image."
    )


def as_text(body: Body) -> str:
    """Return the YAML of an object, with comments that say how to go on."""
    from outfitter.cli.console import as_yaml

    word = body["kind"].lower()
    head = f"# All fields: kubectl explain {word}.spec   To check the file: outfitter validate -f FILE\n"
    lines = [f"  # {line}  # {comment}\n" for line, comment in further(body)]
    if not body["spec"]:
        return head + as_yaml({**body, "spec": None}).replace("spec: null\n", "spec: {}\n")
    return head + as_yaml(body) + "".join(lines)


def further(body: Body) -> Iterator[tuple[str, str]]:
    """Yield one line of YAML for each field of the spec that users often add, with the words for it."""
    import yaml

    kind, shown = body["kind"], 0
    taken = {*body["spec"]} | ({"assets", "compute", "template"} if "artifact" in body["spec"] else set())
    for flag in flags_of(kind):
        top = re.split(r"[.\[{]", flag.fields[kind])[0]
        if not flag.example or top in taken or shown == _SHOWN:
            continue
        found: Body = {}
        put(found, flag.fields[kind], _value(flag, flag.example), flag.also)
        line = (
            yaml.safe_dump(found[top], default_flow_style=True, sort_keys=False, width=1000)
            .strip()
            .removesuffix("\n...")
        )
        taken.add(top)
        shown += 1
        yield f"{top}: {line}", flag.help.rstrip(".").partition(";")[0]
