#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the float tensors of a legacy .pth file (torch.save before 1.6) without torch.

The file is five pickles (magic, version, machine, state dictionary, storage keys) and then, for
each key, a u64 count and the elements. The unpickler makes nothing but tensors' descriptions: any
other name in the file is refused, so that an untrusted file cannot run code.

What `write` makes for the exporter: the line "vac-weights 1", one line "name rank dim..." a tensor,
an empty line, then the elements of all tensors in that order, row-major little-endian f32.
"""

from __future__ import annotations

import argparse
import array
import collections
import pickle
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO, ClassVar

import whole_file

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
ELEMENT_BYTES = {
    "DoubleStorage": 8,
    "FloatStorage": 4,
    "HalfStorage": 2,
    "LongStorage": 8,
    "IntStorage": 4,
    "ShortStorage": 2,
    "CharStorage": 1,
    "ByteStorage": 1,
    "BoolStorage": 1,
}
# What a damaged pickle raises.
UNPICKLING_ERRORS = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    TypeError,
    ValueError,
)


class FormatError(Exception):
    """The file is not what this program reads."""


@dataclass(frozen=True)
class StorageRef:
    """A storage by its key; its elements come after the pickles."""

    kind: str
    key: str


@dataclass(frozen=True)
class View:
    """A tensor as it is stored: where its elements lie in a storage."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Weights:
    """A tensor of f32, row-major and contiguous."""

    shape: tuple[int, ...]
    data: array.array[float]


def _rebuild_tensor(
    storage: StorageRef, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> View:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, StorageRef) or not all(isinstance(n, int) for n in numbers):
        raise FormatError("a tensor's description is not a storage and numbers")
    if min(numbers) < 0 or len(shape) != len(strides):
        raise FormatError(f"a tensor has offset {offset}, shape {shape}, strides {strides}")
    return View(storage, offset, shape, strides)


def _rebuild_parameter(view: View, *_: object) -> View:
    return view


class _Unpickler(pickle.Unpickler):
    _NAMES: ClassVar[dict[tuple[str, str], Callable[..., object]]] = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in self._NAMES:
            return self._NAMES[module, name]
        if module == "torch" and name in ELEMENT_BYTES:
            return name
        raise FormatError(f"it names {module}.{name}, which no state dictionary of tensors needs")

    def persistent_load(self, pid: object) -> StorageRef:
        match pid:
            case ("storage", str(kind), str(key), str(), int(), None) if kind in ELEMENT_BYTES:
                return StorageRef(kind, key)
        raise FormatError(f"it refers to {pid!r}, which is not a whole storage")


def _read_storages(file: BinaryIO, keys: Iterable[str], kinds: dict[str, str]) -> dict[str, bytes]:
    storages = {}
    here = file.tell()
    left = file.seek(0, 2) - here
    file.seek(here)
    for key in keys:
        if key not in kinds:
            raise FormatError(f"storage {key} belongs to no tensor")
        count = int.from_bytes(file.read(8), "little")
        size = count * ELEMENT_BYTES[kinds[key]]
        left -= 8 + size
        if left < 0:
            raise FormatError(f"it ends inside storage {key}")
        storages[key] = file.read(size)
    return storages


def _contiguous(view: View, storage: array.array[float]) -> array.array[float]:
    """The elements of `view`, row-major: stored tensors may be transposed or sliced views."""
    rank = len(view.shape)
    count = prod(view.shape)
    result = array.array("f", bytes(4 * count))
    if count == 0:
        return result
    last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
    if last >= len(storage):
        raise FormatError("a tensor reaches beyond its storage")
    if rank == 0:
        result[0] = storage[view.offset]
        return result

    result_strides = [prod(view.shape[i + 1 :]) for i in range(rank)]
    # Whole runs along the longest axis are copied at once: per element it takes seconds.
    longest = max(range(rank), key=lambda axis: view.shape[axis])
    others = [axis for axis in range(rank) if axis != longest]

    def copy(axes: list[int], source: int, target: int) -> None:
        if axes:
            axis, rest = axes[0], axes[1:]
            for i in range(view.shape[axis]):
                copy(rest, source + i * view.strides[axis], target + i * result_strides[axis])
            return
        n, step, result_step = view.shape[longest], view.strides[longest], result_strides[longest]
        run = storage[source : source + (n - 1) * step + 1 : step] if step else None
        result[target : target + (n - 1) * result_step + 1 : result_step] = (
            run if run is not None else array.array("f", [storage[source]]) * n
        )

    copy(others, view.offset, 0)
    return result


def _read_pickles(file: BinaryIO) -> tuple[dict[str, View], list[str]]:
    """The state dictionary, and the keys of the storages that follow in the file."""
    try:
        if _Unpickler(file).load() != MAGIC:
            raise FormatError("it has not the magic number of a legacy .pth file")
        if _Unpickler(file).load() != VERSION:
            raise FormatError(f"its version is not {VERSION}")
        machine = _Unpickler(file).load()
        state = _Unpickler(file).load()
        keys = _Unpickler(file).load()
    except UNPICKLING_ERRORS as error:
        raise FormatError(f"it is not a legacy .pth file ({error})") from error
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise FormatError("it was not written by a little-endian machine")
    if not isinstance(state, dict) or not isinstance(keys, list):
        raise FormatError("it holds no state dictionary")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, View):
            raise FormatError(f"its entry {name!r} is not a tensor")
    return dict(state), keys


def read(file: BinaryIO) -> dict[str, Weights]:
    """The f32 tensors of the state dictionary, by name; integer ones (counters) are left out."""
    views, keys = _read_pickles(file)
    kinds = {view.storage.key: view.storage.kind for view in views.values()}
    floats: dict[str, array.array[float]] = {}
    for key, data in _read_storages(file, keys, kinds).items():
        if kinds[key] == "FloatStorage":
            floats[key] = array.array("f", data)
            if sys.byteorder == "big":
                floats[key].byteswap()
    result = {}
    for name, view in views.items():
        if view.storage.kind != "FloatStorage":
            continue
        if view.storage.key not in floats:
            raise FormatError(f"storage {view.storage.key} is missing")
        result[name] = Weights(view.shape, _contiguous(view, floats[view.storage.key]))
    return result


def write(weights: dict[str, Weights], target: Path) -> None:
    """Writes `weights` in the order of the dictionary; `target` appears whole or not at all."""
    lines = ["vac-weights 1"]
    for name, tensor in weights.items():
        if not name or any(c.isspace() for c in name):
            raise FormatError(f"the name {name!r} cannot be written: it has white space")
        lines.append(" ".join([name, str(len(tensor.shape)), *map(str, tensor.shape)]))
    with whole_file.replacing(target) as temporary, temporary.open("wb") as file:
        file.write(("\n".join(lines) + "\n\n").encode())
        for tensor in weights.values():
            data = array.array("f", tensor.data)
            if sys.byteorder == "big":
                data.byteswap()
            data.tofile(file)


def main() -> int:
    parser = argparse.ArgumentParser(description="Turns a legacy .pth file into plain weights.")
    parser.add_argument("pth", type=Path, help="state dictionary written by torch.save before 1.6")
    parser.add_argument("output", type=Path, help="weights for export-torchscript")
    arguments = parser.parse_args()
    try:
        with arguments.pth.open("rb") as file:
            write(read(file), arguments.output)
    except (FormatError, OSError) as error:
        print(f"read_weights: cannot convert {arguments.pth}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
