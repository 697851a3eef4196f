#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes state dictionaries as torch.save does, without torch: files that are not TorchScript.

The same dictionary in both formats: state_dict_legacy.pth (before torch 1.6: pickles, then the
elements) and state_dict_zip.pth (since: an archive with data.pkl, but no code).
"""

from __future__ import annotations

import argparse
import collections
import io
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path

VALUES = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


class FloatStorage:
    """What stands for torch.FloatStorage: pickle writes its name."""


class Storage:
    """What pickle writes as a reference to the elements, which are outside the pickle."""


def _rebuild_tensor_v2() -> None:
    """What stands for torch._utils._rebuild_tensor_v2: pickle writes its name."""


class Tensor:
    """A tensor of all VALUES; `strides` may make it a transposed view of them."""

    def __init__(self, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.shape = shape
        self.strides = strides

    def __reduce__(self) -> tuple[object, ...]:
        hooks: collections.OrderedDict[str, object] = collections.OrderedDict()
        return _rebuild_tensor_v2, (Storage(), 0, self.shape, self.strides, False, hooks)


class Pickler(pickle.Pickler):
    """Refers to the storage as torch does; the legacy format has one item more."""

    def __init__(self, file: io.BytesIO, *, legacy: bool) -> None:
        super().__init__(file, protocol=2)
        self._legacy = legacy

    def persistent_id(self, obj: object) -> object:
        if not isinstance(obj, Storage):
            return None
        identifier = ("storage", FloatStorage, "0", "cpu", len(VALUES))
        return (*identifier, None) if self._legacy else identifier


def pose_as_torch() -> None:
    """Pickle checks that what it names can be imported."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.__dict__["FloatStorage"] = FloatStorage
    utils.__dict__["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    FloatStorage.__module__ = "torch"
    _rebuild_tensor_v2.__module__ = "torch._utils"
    sys.modules |= {"torch": torch, "torch._utils": utils}


def state_dict() -> collections.OrderedDict[str, Tensor]:
    return collections.OrderedDict(
        {"layer.weight": Tensor((2, 3), (3, 1)), "layer.transposed": Tensor((3, 2), (1, 3))}
    )


def elements() -> bytes:
    return struct.pack(f"<{len(VALUES)}f", *VALUES)


def legacy_file() -> bytes:
    file = io.BytesIO()
    sizes = {"short": 2, "int": 4, "long": 4}
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}
    for part in (0x1950A86A20F9469CFC6C, 1001, machine, state_dict(), ["0"]):
        Pickler(file, legacy=True).dump(part)
    file.write(struct.pack("<q", len(VALUES)) + elements())
    return file.getvalue()


def zip_file() -> bytes:
    data = io.BytesIO()
    Pickler(data, legacy=False).dump(state_dict())
    members = {"data.pkl": data.getvalue(), "data/0": elements(), "version": b"3\n"}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            # A ZipInfo has a fixed date; the same run gives the same bytes.
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)
    return file.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes state dictionaries for the tests.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    pose_as_torch()
    (folder / "state_dict_legacy.pth").write_bytes(legacy_file())
    (folder / "state_dict_zip.pth").write_bytes(zip_file())
    return 0


if __name__ == "__main__":
    sys.exit(main())
