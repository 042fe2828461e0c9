"""`outfitter sandbox image`: write images to files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final

import typer

from outfitter.cli import console

_OPERATOR: Final = "operator"


def image(
    which: Annotated[str, typer.Argument(metavar="IMAGE", help="operator, or a test image such as web:1.")] = _OPERATOR,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="File to write. Default: IMAGE.tar here.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="HOST/PATH:TAG", help="Replace the name of the image; may be repeated."),
    ] = None,
) -> None:
    """Write a container image to a file, and print its names.

    The operator's image contains the Python that runs this command and the
    locked dependencies of a checkout: a minute the first time, then seconds.
    The test images are small programs that Go builds; git:1, rclone:1,
    data-server:1, builder:1 and registry:1 also contain Debian packages.

    Load it with `ctr -n k8s.io images import FILE`, `kind load image-archive FILE`
    or `docker load -i FILE`. Pods require a pull policy other than Always.

    Example: outfitter sandbox image operator -o operator.tar --name registry.example.com/outfitter:0.1.0
    """
    from outfitter_sandbox.images import operator_image, write_sample
    from outfitter_sandbox.images.build_images import BUILD_IMAGES, write_build_image
    from outfitter_sandbox.images.data_images import DATA_IMAGES, write_data_image

    started = time.monotonic()
    target = output or Path(f"{which.replace(':', '-')}.tar")
    with console.error_exit(), console.interrupt_on_signals(), console.progress() as progress:
        if which == _OPERATOR:
            names = operator_image(target, progress, names=name or ())
        elif which in DATA_IMAGES:
            names = write_data_image(target, which, progress, names=name or ())
        elif which in BUILD_IMAGES:
            names = write_build_image(target, which, progress, names=name or ())
        else:
            names = write_sample(target, which, progress, names=name or ())
    for image_name in names:
        typer.echo(image_name)
    console.print_message(f"{target}: {target.stat().st_size >> 20} MiB in {time.monotonic() - started:.0f} s")
