"""`python -m outfitter.codegen`: write the generated files of the checkout in the current folder."""

from __future__ import annotations

from pathlib import Path

from outfitter.codegen.files import generate

if __name__ == "__main__":
    changed = generate(Path())
    for path in changed:
        print(path)  # noqa: T201 - what make shows
    print(f"{len(changed)} files changed")  # noqa: T201
