"""Images for data sources: clients of git and S3 as in init containers, and one server for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from outfitter_sandbox import certificates, data
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images.build_steps import Progress
from outfitter_sandbox.images.git_tools import AUTHORITIES
from outfitter_sandbox.images.layers import PROGRAM_MODE, Entry, Layer, file, skeleton, tree
from outfitter_sandbox.images.layout import Config, write_image
from outfitter_sandbox.images.samples import USER, full_name

_BIN: Final = "/usr/bin"
SERVER_CERTIFICATE: Final = "/etc/outfitter/tls.crt"
SERVER_KEY: Final = "/etc/outfitter/tls.key"


@dataclass(frozen=True)
class DataImage:
    """Busybox and certificate authorities, with git and ssh on request, and further programs.

    Clients run as root unless the pod says otherwise, like the public images of git and rclone.
    """

    git: bool = False
    programs: Sequence[str] = ()
    user: str = ""
    entrypoint: Sequence[str] = ()
    ports: Sequence[int] = ()


# Name with its tag below localhost/outfitter/ -> image.
DATA_IMAGES: Mapping[str, DataImage] = {
    "git:1": DataImage(git=True, entrypoint=(f"{_BIN}/git",)),
    "rclone:1": DataImage(programs=(data.RCLONE,), entrypoint=(f"{_BIN}/{data.RCLONE}",)),
    "data-server:1": DataImage(
        git=True, programs=(data.RCLONE, data.GIT_SERVER), user=f"{USER}:{USER}",
        entrypoint=(f"{_BIN}/{data.GIT_SERVER}",), ports=(2222, 8080, 8443),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Trust:
    """A certificate authority that clients trust, and a certificate of it for servers."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, dns: Sequence[str]) -> Trust:
        """Write the authority, and a certificate for servers of these names."""
        certificates.create_authority(folder, "data-ca")
        certificates.issue(folder, "data-server", authority="data-ca", common_name="data-server", dns=dns)
        return cls(folder)

    def of_client(self, known: Path) -> list[Entry]:
        """The file of authorities, with this one."""
        return [file(f"/{AUTHORITIES}", known.read_bytes() + (self.folder / "data-ca.crt").read_bytes())]

    def of_server(self) -> list[Entry]:
        """Certificate and key at the paths SERVER_CERTIFICATE and SERVER_KEY."""
        names = {SERVER_CERTIFICATE: "data-server.crt", SERVER_KEY: "data-server.key"}
        return [file(path, self.folder / name) for path, name in names.items()]


def write_data_image(
    target: Path, image: str, progress: Progress, *, names: Sequence[str] = (), trust: Trust | None = None
) -> list[str]:
    """Write one of DATA_IMAGES to a file, and return the names of the image.

    With `trust`, clients trust its authority, and the server has its certificate. Builds the programs unless they are
    in the cache.
    """
    if image not in DATA_IMAGES:
        raise SandboxError(f"There is no image {image}. Use {', '.join(DATA_IMAGES)}.")
    chosen, parts = DATA_IMAGES[image], data.get(progress)
    root = parts[data.GIT]
    layers = [
        Layer([*skeleton(("nonroot", USER)), file("/etc/nsswitch.conf", b"hosts: files dns\n")]),
        Layer([*tree(root, keep=lambda path: chosen.git or is_basic(path))]),
        Layer([file(f"{_BIN}/{name}", parts[name], PROGRAM_MODE) for name in chosen.programs]),
    ]
    if trust is not None:
        layers.append(Layer([*trust.of_client(root / AUTHORITIES), *(trust.of_server() if chosen.user else [])]))
    known = [*names] or [full_name(image)]
    config = Config(
        user=chosen.user,
        entrypoint=chosen.entrypoint,
        env={"PATH": f"{_BIN}:/bin", "SSL_CERT_FILE": f"/{AUTHORITIES}"},
        ports=chosen.ports,
    )
    write_image(target, known, [layer for layer in layers if layer.entries], config)
    return known


def is_basic(path: PurePosixPath) -> bool:
    """Whether a path of the root belongs to busybox or to the certificate authorities."""
    return path.parts[:1] == ("bin",) or path == PurePosixPath("etc") or path.is_relative_to("etc/ssl")
