#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the demo's model: fetches the weights, turns them into TorchScript, keeps the result.

The result is cached under a key of everything it is made of, so that a second run is quick, and
silent when OUT is there already. See fetch.py for where the cache lies.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import fetch
import read_weights
import whole_file

HERE = Path(__file__).resolve().parent
NAME = "efficientnet-lite0"
WEIGHTS = "efficientnet-lite0-weights"
# Of other exporters (debug and release, older versions): more would only fill the disk.
KEPT_RESULTS = 4


class ExportError(Exception):
    """What failed, why, and what to do."""


def labels(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def description() -> bytes:
    """The text of vac.json: the committed description and the labels."""
    result = json.loads((HERE / "efficientnet_lite0.json").read_text(encoding="utf-8"))
    result["labels"] = labels(HERE / "imagenet_labels.txt")
    classes = result["outputs"][0]["shape"][-1]
    if len(result["labels"]) != classes:
        raise ExportError(
            f"imagenet_labels.txt has {len(result['labels'])} labels, the model {classes} outputs: "
            "restore the file"
        )
    return json.dumps(result, separators=(",", ":")).encode()


def cache_key(exporter: Path, vac_json: bytes) -> str:
    parts = [
        fetch.sha256_of(exporter),
        fetch.sha256_of(HERE / "read_weights.py"),
        fetch.FILES[WEIGHTS].sha256,
        hashlib.sha256(vac_json).hexdigest(),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def cached(folder: Path, key: str) -> Path | None:
    """The result for `key`. Its own digest is in its name: a damaged file does not count."""
    for path in sorted(folder.glob(f"{NAME}-{key}-*.pt")):
        if path.stem.endswith(fetch.sha256_of(path)[:16]):
            path.touch()
            return path
        path.unlink(missing_ok=True)
    return None


def export(exporter: Path, pth: Path, vac_json: bytes, scratch: Path) -> Path:
    """A new model in the folder `scratch`."""
    weights, extra, output = scratch / "weights", scratch / "vac.json", scratch / "model.pt"
    with pth.open("rb") as file:
        read_weights.write(read_weights.read(file), weights)
    extra.write_bytes(vac_json)
    command = [exporter, weights, extra, output]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = done.stderr.strip() or f"it ended with status {done.returncode}"
        raise ExportError(f"{exporter} failed: {why}")
    return output


def forget_old(folder: Path) -> None:
    results = sorted(folder.glob(f"{NAME}-*.pt"), key=lambda path: path.stat().st_mtime)
    for path in results[:-KEPT_RESULTS]:
        path.unlink(missing_ok=True)


def make(exporter: Path) -> Path:
    """The model in the cache, made if it is not there."""
    vac_json = description()
    key = cache_key(exporter, vac_json)
    folder = fetch.cache_directory() / "models"
    if found := cached(folder, key):
        return found
    pth = fetch.fetch(WEIGHTS)
    print(f"  exporting {NAME} to TorchScript", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as scratch:
        exported = export(exporter, pth, vac_json, Path(scratch))
        result = folder / f"{NAME}-{key}-{fetch.sha256_of(exported)[:16]}.pt"
        exported.replace(result)
    forget_old(folder)
    return result


def install(model: Path, out: Path) -> bool:
    """Copies `model` to `out`; false if it is there already."""
    if out.is_file() and fetch.sha256_of(out) == fetch.sha256_of(model):
        return False
    with whole_file.replacing(out) as temporary:
        shutil.copyfile(model, temporary)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes the demo's model, EfficientNet-Lite0.")
    parser.add_argument(
        "--exporter", type=Path, required=True, help="the program export-torchscript"
    )
    parser.add_argument("--out", type=Path, required=True, help="the TorchScript file to make")
    arguments = parser.parse_args()
    try:
        if not arguments.exporter.is_file():
            raise ExportError(
                f"there is no exporter {arguments.exporter}: build export-torchscript"
            )
        if install(make(arguments.exporter.resolve()), arguments.out):
            size = arguments.out.stat().st_size / 1e6
            print(f"  {NAME} is ready: {arguments.out}, {size:.1f} MB", file=sys.stderr)
    except (fetch.FetchError, ExportError, read_weights.FormatError, OSError) as error:
        print(f"make_demo_model: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
