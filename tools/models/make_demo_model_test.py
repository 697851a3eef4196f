# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import array
import contextlib
import io
import json
import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import fetch
import make_demo_model
import read_weights

# Stands for export-torchscript: its "model" is its two inputs, and it counts its runs.
FAKE_EXPORTER = """#!{python}
import pathlib, sys
home = pathlib.Path(__file__).parent
with (home / "runs").open("a") as runs:
    runs.write("x")
if (home / "broken").exists():
    sys.exit("export-torchscript: the weights lack tensor x")
weights, vac_json, output = map(pathlib.Path, sys.argv[1:])
output.write_bytes(vac_json.read_bytes() + weights.read_bytes())
"""


class MakeDemoModel(unittest.TestCase):
    def setUp(self) -> None:
        self.home = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.exporter = self.home / "exporter"
        self.exporter.write_text(FAKE_EXPORTER.format(python=sys.executable))
        self.exporter.chmod(0o755)
        pth = self.home / "weights.pth"
        pth.touch()
        weights = {"weight": read_weights.Weights((2,), array.array("f", [1, 2]))}
        self.enterContext(mock.patch.object(fetch, "fetch", lambda _: pth))
        self.enterContext(mock.patch.object(read_weights, "read", lambda _: weights))
        cache = {"VAC_CACHE_DIR": str(self.home / "cache")}
        self.enterContext(mock.patch.dict(os.environ, cache))
        self.out = self.home / "models" / "model.pt"

    def run_main(self) -> tuple[int, str]:
        arguments = ["make_demo_model", "--exporter", str(self.exporter), "--out", str(self.out)]
        with (
            mock.patch.object(sys, "argv", arguments),
            contextlib.redirect_stderr(io.StringIO()) as messages,
        ):
            return make_demo_model.main(), messages.getvalue()

    def runs_of_exporter(self) -> int:
        return len((self.home / "runs").read_text())

    def results(self) -> list[Path]:
        return sorted((self.home / "cache" / "models").iterdir())

    def test_makes_the_model_and_says_so(self) -> None:
        status, messages = self.run_main()
        self.assertEqual(status, 0)
        self.assertIn("exporting efficientnet-lite0", messages)
        self.assertIn(f"efficientnet-lite0 is ready: {self.out}", messages)
        self.assertTrue(self.out.read_bytes().startswith(make_demo_model.description()))

    def test_is_silent_when_all_is_there(self) -> None:
        self.run_main()
        self.assertEqual(self.run_main(), (0, ""))
        self.assertEqual(self.runs_of_exporter(), 1)

    def test_copies_from_the_cache(self) -> None:
        self.run_main()
        self.out.unlink()
        self.assertEqual(self.run_main()[0], 0)
        self.assertTrue(self.out.is_file())
        self.assertEqual(self.runs_of_exporter(), 1)

    def test_exports_again_when_the_cached_model_is_damaged(self) -> None:
        self.run_main()
        whole = self.out.read_bytes()
        self.results()[0].write_bytes(whole[:100])
        self.run_main()
        self.assertEqual(self.runs_of_exporter(), 2)
        self.assertEqual(self.out.read_bytes(), whole)

    def test_exports_again_with_another_exporter_and_keeps_few_results(self) -> None:
        for i in range(make_demo_model.KEPT_RESULTS + 2):
            with self.exporter.open("a") as file:
                file.write(f"# {i}\n")
            self.run_main()
        self.assertEqual(self.runs_of_exporter(), make_demo_model.KEPT_RESULTS + 2)
        self.assertEqual(len(self.results()), make_demo_model.KEPT_RESULTS)

    def test_passes_on_what_the_exporter_says(self) -> None:
        (self.home / "broken").touch()
        status, messages = self.run_main()
        self.assertEqual(status, 1)
        self.assertIn("the weights lack tensor x", messages)
        self.assertEqual(self.results(), [])
        self.assertFalse(self.out.exists())

    def test_says_what_to_build_when_there_is_no_exporter(self) -> None:
        self.exporter.unlink()
        status, messages = self.run_main()
        self.assertEqual(status, 1)
        self.assertIn("build export-torchscript", messages)


class Description(unittest.TestCase):
    def test_names_every_class_in_the_order_of_the_outputs(self) -> None:
        labels = json.loads(make_demo_model.description())["labels"]
        self.assertEqual(len(labels), 1000)
        self.assertEqual(
            [labels[i] for i in (0, 281, 285, 967, 999)],
            ["tench", "tabby", "Egyptian cat", "espresso", "toilet tissue"],
        )


if __name__ == "__main__":
    unittest.main()
