"""`python -m outfitter.codegen.release --helm HELM`: build the files of this version, and check them."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from outfitter.codegen.release.build import build
from outfitter.codegen.release.checks import problems
from outfitter.codegen.release.names import PLACEHOLDER, Options
from outfitter.codegen.release.source import export, prepare
from outfitter.errors import ConfigurationError


def main() -> int:
    """Return 0 where the version is complete in the folder, else 1; the folder has only versions that passed."""
    arguments = _parse()
    options = Options(image=arguments.image, downloads=arguments.downloads or PLACEHOLDER, tag=arguments.tag)
    arguments.folder = arguments.folder.resolve()
    arguments.folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="outfitter-release-", dir=arguments.folder.parent) as work:
            source = export(Path.cwd(), Path(work, "source"))
            prepare(source, arguments.helm, options.image)
            built = Path(work, "release")
            built.mkdir()
            build(source, built, options)
            found = problems(source, built, arguments.helm, options)
            if not found:
                shutil.rmtree(arguments.folder, ignore_errors=True)
                built.rename(arguments.folder)
    except ConfigurationError as error:
        found = [str(error)]
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    if not found:
        sys.stdout.write((arguments.folder / "SHA256SUMS").read_text(encoding="utf-8"))
    return 1 if found else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m outfitter.codegen.release", description=__doc__)
    parser.add_argument("--helm", type=Path, required=True, help="the helm command")
    parser.add_argument("--folder", type=Path, default=Path("build/release"), help="where the files appear")
    parser.add_argument("--image", default="", help="REPOSITORY@sha256:DIGEST of the operator's image, for the chart")
    parser.add_argument("--downloads", default="", help="URL of the folder from which users download the files")
    parser.add_argument("--tag", default="", help="the Git tag, which must match the version")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
