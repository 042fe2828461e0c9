"""The images of the suite: the operator, and test programs under the image names of the examples.

`python -m e2e.harness.images FOLDER` (in tests/) writes them all, for an existing cluster.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from outfitter.settings import Settings
from outfitter_sandbox import data
from outfitter_sandbox.go_parts import MPI_OPERATOR
from outfitter_sandbox.images import EXAMPLES, Variant, build_images, full_name, operator_image, write_variants
from outfitter_sandbox.images.build_images import BUILD_IMAGES, BUILDER, REGISTRY_IMAGE, write_build_image
from outfitter_sandbox.images.data_images import DATA_IMAGES, Trust, write_data_image
from outfitter_sandbox.images.layers import PROGRAM_MODE, Layer, file, skeleton
from outfitter_sandbox.images.layout import Config, write_image
from outfitter_sandbox.images.samples import USER

Progress = Callable[[str], None]
OPERATOR = "localhost/outfitter/operator"
TAGS = ("1", "2")  # the same operator under two names: an upgrade needs another one
WEB, WEB2, WEB_ROOT, NIM = (full_name(each) for each in ("web:1", "web:2", "web-root:1", "fake-nim:1"))
SLOW_NIM = "localhost/outfitter/slow-nim:1"
PICKY_NIM = "localhost/outfitter/picky-nim:1"
KEY = "not-a-real-key"
MPI = full_name("mpi-operator:1")
GIT, RCLONE, DATA_SERVER = (full_name(each) for each in ("git:1", "rclone:1", "data-server:1"))
BUILDER_IMAGE, REGISTRY_SERVER = full_name(BUILDER), full_name(REGISTRY_IMAGE)
# The images of init containers also have the names that the settings of the operator give them.
DATA_NAMES = {name: [full_name(name)] for name in DATA_IMAGES}
for _image, _setting in (("git:1", "git_image"), ("rclone:1", "s3_image")):
    DATA_NAMES[_image].append(Settings.model_fields[_setting].default)
# One server of data for each file of tests that needs one, so that files can run side by side.
DATA_NAMESPACES = ("outfitter-data-1", "outfitter-data-2", "outfitter-data-3", "outfitter-data-4")
DATA_HOSTS = [f"{service}.{namespace}.svc" for namespace in DATA_NAMESPACES for service in ("git", "s3")]


TESTS = (
    Variant("web:1", [WEB]),
    Variant("web:2", [WEB2]),
    Variant("web-root:1", [WEB_ROOT]),
    Variant("fake-nim:1", [NIM]),
    Variant("fake-nim:1", [SLOW_NIM], {"FAKE_NIM_FILE_SECONDS": "1", "FAKE_NIM_LOAD_SECONDS": "2"}),
    Variant("fake-nim:1", [PICKY_NIM], {"FAKE_NIM_EXPECT_KEY": KEY}),
    *EXAMPLES,
)


def write(folder: Path, progress: Progress) -> Iterator[Path]:
    """Write all archives, one after the other; those for data sources only where their parts are built."""
    yield from write_variants(folder, TESTS, progress)
    if not data.find(None)[1]:
        trust = Trust.create(folder, DATA_HOSTS)
        for name, known in DATA_NAMES.items():
            path = folder / f"{name.replace(':', '-')}.tar"
            write_data_image(path, name, progress, names=known, trust=trust)
            yield path
    if not build_images.missing():
        for name in BUILD_IMAGES:
            path = folder / f"{name.replace(':', '-')}.tar"
            # An operator names that of builds by its settings.
            known = [Settings.model_fields["build_image"].default] if name == BUILDER else []
            write_build_image(path, name, progress, names=[full_name(name), *known])
            yield path
    for program in MPI_OPERATOR.find(None)[0].values():
        path = folder / "mpi-operator.tar"
        layers = [Layer([*skeleton(("nonroot", USER))]), Layer([file("/mpi-operator", program, PROGRAM_MODE)])]
        write_image(path, [MPI], layers, Config(user=f"{USER}:{USER}", entrypoint=("/mpi-operator",)))
        yield path
    path = folder / "operator.tar"
    operator_image(path, progress, names=[f"{OPERATOR}:{tag}" for tag in TAGS])
    yield path


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for archive in write(target, lambda text: print(text, file=sys.stderr)):
        print(archive)
