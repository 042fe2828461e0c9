"""deploy/chart/README.md: what the chart installs, and every value with its default and its comment."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from outfitter.codegen.chart_settings import SETTINGS_MARK

_HEAD = """\
# {title}

{description}.

Generated from `Chart.yaml` and `values.yaml` by `make generate`.

## Install

You need Kubernetes {kubernetes} and Helm 3. Set the image of the operator:

```shell
helm install outfitter oci://registry.example.com/charts/outfitter --version {version} \\
  --namespace outfitter-system --create-namespace \\
  --set image.repository=registry.example.com/outfitter
```

The guide to the installation is `docs/guide/installation.md` in the repository, and
`docs/guide/upgrade.md` is the guide to upgrades. `helm uninstall` keeps the CRDs and all custom
resources, unless `crds.keep` is false.

## Values

Helm rejects unknown and misspelt keys.

| value | default | meaning |
|---|---|---|
"""


def chart_readme(about: Mapping[str, Any], values: str) -> str:
    """Return the page; `about` is Chart.yaml, `values` is the text of values.yaml."""
    root = yaml.compose(values, yaml.CSafeLoader)
    assert isinstance(root, yaml.MappingNode)
    head = _HEAD.format(
        title=str(about["name"]).capitalize(),
        description="\n".join(textwrap.wrap(about["description"], 100)),
        kubernetes=f"{about['kubeVersion'].removeprefix('>=').removesuffix('-0').removesuffix('.0')} or newer",
        version=about["version"],
    )
    return head + "".join(_rows(root, "", values.splitlines()))


def _rows(mapping: yaml.MappingNode, path: str, lines: Sequence[str]) -> Iterator[str]:
    """Yield a row for each value that is no mapping of others, and for each mapping with a comment."""
    for key, value in mapping.value:
        name = f"{path}{key.value}"
        comment = _comment(key.start_mark.line, lines)
        if isinstance(value, yaml.MappingNode) and value.value:
            if comment:
                yield _row(name, "", comment)
            yield from _rows(value, f"{name}.", lines)
        else:
            yield _row(name, f"`{_default(value)}`", comment)


def _row(name: str, default: str, comment: str) -> str:
    return f"| `{name}` | {default} | {comment} |\n"


def _default(node: yaml.Node) -> str:
    text = yaml.serialize(node, Dumper=yaml.CSafeDumper)
    return json.dumps(yaml.load(text, yaml.CSafeLoader), ensure_ascii=False).replace("|", "\\|")


def _comment(line: int, lines: Sequence[str]) -> str:
    """Return the comment directly above a line, in one line."""
    above: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        above.insert(0, lines[line].lstrip().removeprefix("#").strip())
    text = " ".join(above).replace("|", "\\|")
    return "" if text.startswith(SETTINGS_MARK.removeprefix("# ")) else text
