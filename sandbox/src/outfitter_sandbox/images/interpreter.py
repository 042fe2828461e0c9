"""The running Python as the root file system of an image.

It replaces a base image where no registry is reachable. It moves to /usr/local, without modules that no server imports.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from outfitter_sandbox.errors import SandboxError
from outfitter_sandbox.images.build_steps import Progress, run

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
LIBRARY = f"/usr/local/lib/python{VERSION}"
SITE_PACKAGES = f"{LIBRARY}/site-packages"
PROGRAM = f"/usr/local/bin/python{VERSION}"
# Tests, GUIs, terminals, installers, compilers: two thirds of the size and half of the libraries.
_DROPPED = frozenset(
    (
        *("__pycache__", "dist-packages", "site-packages", "test", "tests", "pydoc_data"),
        *("ensurepip", "idlelib", "lib2to3", "tkinter", "turtle.py", "turtledemo"),
    )
)
_DROPPED_MODULES = re.compile(r"(_ctypes_test|_curses|_dbm|_gdbm|_test|_tkinter|_xx|nis|ossaudiodev|readline|xx)")
_LDD_LINE = re.compile(r"^\s+(?:(?P<name>\S+) => )?(?P<path>/\S+|not found)(?: \(0x[0-9a-f]+\))?$", re.MULTILINE)
_LOADED_AT_RUN_TIME = ("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2", "libgcc_s.so.1")


def executable() -> Path:
    """The file of the interpreter, outside of a virtual environment."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def identity() -> str:
    """Version and a digest of the interpreter and its libraries."""
    digest = hashlib.sha256(sys.version.encode() + executable().read_bytes())
    for path in needed_libraries([executable()]).values():
        digest.update(path.read_bytes())
    return f"{VERSION}-{digest.hexdigest()[:12]}"


def stage(root: Path, progress: Progress) -> None:
    """Copy interpreter, standard library and shared libraries below `root`.

    SandboxError without a library.
    """
    progress(f"Copying Python {sys.version.split()[0]}")
    (root / PROGRAM[1:]).parent.mkdir(parents=True)
    shutil.copy(executable(), root / PROGRAM[1:])
    for name in ("python3", "python"):
        (root / PROGRAM[1:]).with_name(name).symlink_to(PurePosixPath(PROGRAM).name)
    library, extensions = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_config_var("DESTSHARED"))
    target = root / LIBRARY[1:]
    shutil.copytree(library, target, ignore=_left_out, symlinks=False, ignore_dangling_symlinks=True)
    if extensions.is_dir() and not (target / extensions.name).is_dir():  # lib64 in addition to lib, on some systems
        shutil.copytree(extensions, target / extensions.name, ignore=_left_out)
    (target / "site-packages").mkdir(exist_ok=True)
    kept = [extensions / path.name for path in (target / extensions.name).glob("*.so")]
    add_libraries(root, [executable(), *kept])
    compile_all(root, target, progress)


def add_libraries(root: Path, files: Sequence[Path]) -> None:
    """Copy the shared libraries of `files` into the library folder of `root`."""
    found = needed_libraries(files)
    usual = next((path.parent for name, path in found.items() if name.startswith(("libc.so", "ld-musl"))), None)
    if usual is not None and (folder := root / str(usual)[1:]):
        for name in _LOADED_AT_RUN_TIME:
            if (usual / name).exists():
                found.setdefault(name, usual / name)
        for name, path in found.items():
            if path.is_relative_to(root):  # a wheel contains it
                continue
            # Programs contain the full path of the loader itself.
            place = root / name[1:] if name.startswith("/") else folder / name
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)


def needed_libraries(files: Iterable[Path]) -> dict[str, Path]:
    """Name -> file of all shared libraries, direct and indirect.

    The name of the loader is a full path.
    """
    found: dict[str, Path] = {}
    for file in files:
        answer = subprocess.run(
            ["ldd", file], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
        )
        found |= libraries_of(answer.stdout, file)
    return found


def libraries_of(answer: str, file: Path) -> dict[str, Path]:
    """Name -> file, from the output of `ldd file`; {} for a static program.

    SandboxError for a missing library.
    """
    found = {}
    for line in _LDD_LINE.finditer(answer):
        if line["path"] == "not found":
            raise SandboxError(
                f"{file} requires {line['name']}, which this machine does not have (`ldd {file}`). "
                "Next: install that library, or use another Python."
            )
        found[line["name"] or line["path"]] = Path(line["path"])
    return found


def compile_all(root: Path, folder: Path, progress: Progress) -> None:
    """Compile all modules below `folder`, independent of the source's time.

    Otherwise each start on a read-only root compiles everything again. Sources that do not compile stay unchanged.
    """
    arguments = [
        "-q",
        "-q",
        "-j",
        "2",
        "--invalidation-mode",
        "unchecked-hash",
        "-s",
        str(root),
        "-p",
        "/",
        str(folder),
    ]
    script = "import compileall, sys; compileall.main(); sys.exit(0)"
    run(
        [str(executable()), "-I", "-c", script, *arguments],
        f"Compiling {folder.relative_to(root)}",
        progress,
        env={"PYTHONHASHSEED": "0"},
    )


def _left_out(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in _DROPPED or name.startswith("config-") or name.endswith(".a")} | {
        name for name in names if Path(folder).name == "lib-dynload" and _DROPPED_MODULES.match(name)
    }
