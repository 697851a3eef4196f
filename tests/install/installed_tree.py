# SPDX-License-Identifier: Apache-2.0
"""A build installed into a folder, and what tests do with it."""

from __future__ import annotations

import os
import re
import select
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 240  # on a machine that is busy with much else


class CommandError(AssertionError):
    """A command that should have worked."""


def run(*command: str | Path, status: int = 0, **environment: str) -> str:
    """Runs a command that must end with that status; what it prints."""
    done = subprocess.run(
        [str(word) for word in command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        env=clean_environment() | environment,
    )
    if done.returncode != status:
        words = " ".join(str(word) for word in command)
        raise CommandError(f"status {done.returncode}, not {status}: {words}\n{done.stdout}")
    return done.stdout


def clean_environment() -> dict[str, str]:
    """Without what would lead to another vAccel."""
    ours = ("VAC_", "LD_", "PKG_CONFIG", "CMAKE_", "XDG_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


class Build:
    """A build tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        text = (folder / "CMakeCache.txt").read_text(encoding="utf-8")
        self.cache = dict(re.findall(r"^([\w-]+):\w+=(.*)$", text, re.MULTILINE))
        self.sanitize = self.cache.get("VAC_SANITIZE", "")
        self.libdir = self.cache["CMAKE_INSTALL_LIBDIR"]
        self.flags = [f"-fsanitize={self.sanitize}"] if self.sanitize else []
        # Debugging information names the sources; a release has none.
        self.strip = self.cache["CMAKE_BUILD_TYPE"] != "Release"

    def install(self, prefix: Path) -> None:
        strip = ["--strip"] if self.strip else []
        run("cmake", "--install", self.folder, "--prefix", prefix, *strip)


class Tree:
    """An installed tree."""

    def __init__(self, build: Build, prefix: Path) -> None:
        self.build, self.prefix = build, prefix
        self.libraries = prefix / build.libdir

    def program(self, name: str) -> Path:
        return self.prefix / "bin" / name

    def files(self) -> list[str]:
        paths = self.prefix.rglob("*")
        return sorted(str(path.relative_to(self.prefix)) for path in paths if not path.is_dir())

    def pkg_config(self, *options: str) -> list[str]:
        folder = str(self.libraries / "pkgconfig")
        return shlex.split(run("pkg-config", *options, "vac", PKG_CONFIG_LIBDIR=folder))

    def build_c_program(self, sources: list[Path], output: Path) -> None:
        """As a stranger would: strictly, and with what pkg-config says."""
        strict = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic")
        run(
            self.build.cache["CMAKE_C_COMPILER"],
            *strict,
            "-gdwarf-4",  # for valgrind
            *self.build.flags,
            *sources,
            *self.pkg_config("--cflags", "--libs"),
            f"-Wl,-rpath,{self.libraries}",
            "-o",
            output,
        )

    def build_cxx_project(self, source: Path, output: Path) -> None:
        compiler = self.build.cache["CMAKE_CXX_COMPILER"]
        run(
            *(
                "cmake",
                "-G",
                "Ninja",
                "-DCMAKE_BUILD_TYPE=Debug",
                f"-DCMAKE_CXX_COMPILER={compiler}",
            ),
            f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DCMAKE_CXX_FLAGS={' '.join(self.build.flags)}",
            *(f"-S{source}", f"-B{output}"),
        )
        run("cmake", "--build", output)


class Agent:
    """vaccel-agent of an installed tree, listening while the block runs."""

    def __init__(self, tree: Tree, folder: Path, *options: str) -> None:
        self.address = f"unix://{folder}/agent.sock"
        self._log = folder / "agent.log"
        self._command = [str(tree.program("vaccel-agent")), "--listen", self.address, *options]
        self._environment = clean_environment() | {"XDG_CACHE_HOME": str(folder)}

    def __enter__(self) -> Agent:
        read_end, write_end = os.pipe()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._command, "--ready-fd", str(write_end)],
                pass_fds=[write_end],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        os.close(write_end)
        with os.fdopen(read_end, "rb") as ready:
            if not select.select([ready], [], [], PATIENCE_S)[0] or not ready.read():
                self.__exit__()
                raise CommandError("the agent did not start:\n" + self._log.read_text())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
