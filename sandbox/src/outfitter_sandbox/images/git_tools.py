"""Git, ssh and busybox from Debian packages as the root file system of an image."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from outfitter_sandbox import debian
from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images.build_steps import Progress, cache_name, cache_root, made_once
from outfitter_sandbox.images.interpreter import libraries_of

PACKAGES = ("busybox-static", "ca-certificates", "git", "openssh-client")
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
BUSYBOX = "bin/busybox"
_TEMPLATES = "usr/share/git-core/templates"
_CORE = "usr/lib/git-core"
_PROGRAMS = ("usr/bin/git", "usr/bin/ssh", "usr/bin/ssh-keygen")
# Commands of git that are files of their own: transport over HTTP, submodules, and the server's side.
_HELPERS = (
    "git-http-backend", "git-receive-pack", "git-remote-http", "git-remote-https", "git-sh-i18n",
    "git-sh-i18n--envsubst", "git-sh-setup", "git-submodule", "git-upload-pack",
)  # fmt: skip
# Dependencies of installation and of Perl scripts, which the image does not have.
_NOT_NEEDED = re.compile(r"perl|libgdbm|libdb\d|libpam|libaudit|libsemanage|libsepol|libcap-ng|libcrypt1|libbz2")
_NEEDED = re.compile(r"lib\w")


def tools(progress: Progress) -> Path:
    """The cached root with git, made once.

    SandboxError where apt cannot download the packages.
    """
    return made_once(_folder(), lambda partial: _stage(partial, progress), progress)


def missing() -> str:
    """Why the root is neither cached nor can be made; "" when it is there or can be made."""
    if _folder().is_dir() or debian.available():
        return ""
    return "git and ssh for images: apt-get unpacks them; this machine does not have it"


def cached() -> bool:
    """Whether the root is in the cache."""
    return _folder().is_dir()


def _folder() -> Path:
    return cache_root() / cache_name("git", "debian", Path(__file__))


def _stage(root: Path, progress: Progress) -> None:
    progress("Downloading Debian packages of git and ssh for images; they are unpacked, not installed")
    names = [name for name in debian.closure(PACKAGES) if name in PACKAGES or _is_library(name)]
    with tempfile.TemporaryDirectory(prefix="outfitter-") as scratch:
        packed = Path(scratch)
        debian.fetch(names, packed)
        _copy_programs(packed, root)
        _copy_libraries(packed, root)
        _write_authorities(packed, root)
    _link_busybox(root)


def _is_library(package: str) -> bool:
    return bool(_NEEDED.match(package)) and not _NOT_NEEDED.search(package)


def _copy_programs(packed: Path, root: Path) -> None:
    busybox = next(packed.glob("*bin/busybox"), None) or next(packed.glob("usr/*bin/busybox"))
    copy(busybox, root / BUSYBOX)
    for name in (*_PROGRAMS, *(f"{_CORE}/{helper}" for helper in _HELPERS)):
        copy(packed / name, root / name)
    (root / _CORE / "git").symlink_to("/usr/bin/git")
    shutil.copytree(packed / _TEMPLATES, root / _TEMPLATES, ignore=shutil.ignore_patterns("*.sample"))
    for name in ("git-upload-pack", "git-receive-pack"):  # a server finds them on the PATH
        (root / "usr/bin" / name).symlink_to("git")


def copy(source: Path, target: Path) -> None:
    """Copy a file, and a symbolic link as a link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target, follow_symlinks=False)


def _copy_libraries(packed: Path, root: Path) -> None:
    """Copy the libraries of all programs, found by the loader of the packages."""
    loader = next(path for path in sorted(packed.glob("**/ld-linux*.so.*")) if not path.is_symlink())
    folders = sorted({str(path.parent) for path in packed.glob("**/*.so.*") if path.parent.name.endswith("-gnu")})
    library = f"usr/lib/{loader.parent.name}"
    programs = [packed / name for name in (*_PROGRAMS, f"{_CORE}/git-remote-http", f"{_CORE}/git-http-backend")]
    for name, path in _libraries(loader, folders, programs).items():
        place = root / (name[1:] if name.startswith("/") else f"{library}/{name}")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)


def _libraries(loader: Path, folders: Iterable[str], programs: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for program in programs:
        answer = subprocess.run(
            [str(loader), "--list", "--library-path", ":".join(folders), str(program)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if answer.returncode != 0:
            raise SandboxError(f"{program.name} of Debian lacks a library: {(answer.stderr + answer.stdout)[-600:]}")
        found |= libraries_of(answer.stdout, program)
    return {name: path for name, path in found.items() if not name.startswith("linux-vdso")}


def _write_authorities(packed: Path, root: Path) -> None:
    certificates = sorted((packed / "usr/share/ca-certificates").glob("**/*.crt"))
    target = root / AUTHORITIES
    target.parent.mkdir(parents=True)
    target.write_text("".join(path.read_text().rstrip() + "\n" for path in certificates))


def _link_busybox(root: Path) -> None:
    listed = subprocess.run([root / BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    for name in sorted(set(listed.stdout.split()) - {"busybox"}):
        (root / "bin" / name).symlink_to("busybox")
