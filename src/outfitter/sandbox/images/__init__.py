"""Container images without a builder, a registry or a base image: files in, an OCI layout in a tar out."""

from __future__ import annotations

from outfitter.sandbox.images.layers import Entry, Layer, directory, file, skeleton, symlink, tree
from outfitter.sandbox.images.layout import Config, write_image

__all__ = ["Config", "Entry", "Layer", "directory", "file", "skeleton", "symlink", "tree", "write_image"]
