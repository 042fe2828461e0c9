"""`python -m outfitter.codegen [HELM]`: write the generated files of the checkout in the current folder.

HELM is the path of the helm command that renders deploy/install.yaml; without it that file stays as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

from outfitter.codegen.checkout import RENDERED, generate

if __name__ == "__main__":
    helm = Path(sys.argv[1]) if sys.argv[1:] else None
    changed = generate(Path(), helm)
    for path in changed:
        print(path)  # noqa: T201 - the output of `make generate`
    print(f"{len(changed)} files changed")  # noqa: T201
    if helm is None:
        raise SystemExit(f"{', '.join(RENDERED)}: not written. Name the helm command as the argument.")
