# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import read_weights

REPOSITORY = Path(__file__).resolve().parents[2]
MAKE_STATE_DICTS = REPOSITORY / "tests" / "data" / "models" / "make_state_dicts.py"


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("exit 1",)


class ReadWeights(unittest.TestCase):
    legacy: bytes

    zip: bytes

    @classmethod
    def setUpClass(cls) -> None:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, MAKE_STATE_DICTS, folder], check=True)
            cls.legacy = Path(folder, "state_dict_legacy.pth").read_bytes()
            cls.zip = Path(folder, "state_dict_zip.pth").read_bytes()

    def test_reads_tensors_with_their_shapes(self) -> None:
        weights = read_weights.read(io.BytesIO(self.legacy))
        self.assertEqual(list(weights), ["layer.weight", "layer.transposed"])
        self.assertEqual(weights["layer.weight"].shape, (2, 3))
        self.assertEqual(list(weights["layer.weight"].data), [1, 2, 3, 4, 5, 6])

    def test_makes_transposed_views_contiguous(self) -> None:
        weights = read_weights.read(io.BytesIO(self.legacy))
        self.assertEqual(weights["layer.transposed"].shape, (3, 2))
        self.assertEqual(list(weights["layer.transposed"].data), [1, 4, 2, 5, 3, 6])

    def test_refuses_every_truncation(self) -> None:
        for size in range(len(self.legacy)):
            with self.subTest(size=size), self.assertRaises(read_weights.FormatError):
                read_weights.read(io.BytesIO(self.legacy[:size]))

    def test_refuses_names_that_are_not_of_tensors(self) -> None:
        with self.assertRaisesRegex(read_weights.FormatError, "system, which no state dictionary"):
            read_weights.read(io.BytesIO(pickle.dumps(Harmful(), protocol=2)))

    def test_refuses_the_zip_format(self) -> None:
        with self.assertRaisesRegex(read_weights.FormatError, "not a legacy .pth file"):
            read_weights.read(io.BytesIO(self.zip))

    def test_writes_an_index_and_the_elements(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder, "weights")
            read_weights.write(read_weights.read(io.BytesIO(self.legacy)), target)
            index = b"vac-weights 1\nlayer.weight 2 2 3\nlayer.transposed 2 3 2\n\n"
            elements = struct.pack("<12f", 1, 2, 3, 4, 5, 6, 1, 4, 2, 5, 3, 6)
            self.assertEqual(target.read_bytes(), index + elements)
            self.assertEqual([path.name for path in Path(folder).iterdir()], ["weights"])


if __name__ == "__main__":
    unittest.main()
