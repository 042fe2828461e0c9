"""Write container images as OCI layouts, without a builder or a registry."""

from __future__ import annotations

from outfitter_sandbox.images.layers import Entry, Layer, directory, file, skeleton, symlink, tree
from outfitter_sandbox.images.layout import Config, write_image
from outfitter_sandbox.images.operator import operator_image
from outfitter_sandbox.images.samples import SAMPLES, full_name, write_sample, write_samples
from outfitter_sandbox.images.variants import EXAMPLES, Variant, write_variants

__all__ = [
    "EXAMPLES",
    "SAMPLES",
    "Config",
    "Entry",
    "Layer",
    "Variant",
    "directory",
    "file",
    "full_name",
    "operator_image",
    "skeleton",
    "symlink",
    "tree",
    "write_image",
    "write_sample",
    "write_samples",
    "write_variants",
]
