# SPDX-License-Identifier: Apache-2.0
"""The programs that measure, and the agents that they measure."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

Json = dict[str, Any]
Command = list[str | Path]
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
ANSWER_TIMEOUT_S = 300


class BenchError(Exception):
    """What failed, why, and what to do."""


def environment(**more: str) -> dict[str, str]:
    """Ours without what would change what is measured; where plugins lie stays."""
    changes = ("VAC_ADDRESS", "VAC_PLUGINS", "MALLOC_", "GLIBC_TUNABLES")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(changes)}
    return kept | more


def run(command: Command, **more: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_TIMEOUT_S,
            env=environment(**more),
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{command[0]} did not end within {ANSWER_TIMEOUT_S} s") from None


def pin(process: int, core: int) -> None:
    """All threads of a process to one core; those that it starts later are there, too."""
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), {core})


@dataclass(frozen=True)
class Agent:
    address: str
    process: int


class Build:
    """What the preset made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vaccel = folder / "bin" / "vaccel"
        self.agent = folder / "bin" / "vaccel-agent"
        for path in (self.vaccel, self.agent):
            if not path.is_file():
                raise BenchError(f"there is no {path}: run ./dev bench")

    def has_plugin(self, name: str) -> bool:
        return (self.folder / "lib" / "vac" / f"{name}.so").is_file()

    def find_program(self, name: str) -> Path | None:
        path = self.folder / "bench" / name
        return path if path.is_file() else None

    def program(self, name: str) -> Path:
        path = self.find_program(name)
        if path is None:
            raise BenchError(f"{name} was not built, because what it needs is not installed")
        return path

    def measure(self, *arguments: str | Path, **more: str) -> Json:
        """What `vaccel bench ... --json` says."""
        command = [self.vaccel, "bench", *arguments, "--json"]
        done = run(command, **more)
        if done.returncode != 0:
            raise BenchError(done.stderr.strip() or f"vaccel bench: status {done.returncode}")
        answer: Json = json.loads(done.stdout)
        return answer


def last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "its log is empty"


@contextlib.contextmanager
def running_agent(
    build: Build, plugins: str, config: str = "", listen: str = ""
) -> Iterator[Agent]:
    """`listen` are keys of the agent's one listener, `config` more of its file."""
    with tempfile.TemporaryDirectory(prefix="vac-bench-") as name:
        folder = Path(name)
        address = f"unix://{folder}/agent.sock"
        log = folder / "agent.log"
        file = folder / "agent.toml"
        file.write_text(
            f'[[listen]]\naddress = "{address}"\n{listen}\n'
            f'[cache]\ndirectory = "{folder}/cache"\n{config}\n',
            encoding="utf-8",
        )
        ready, ready_end = os.pipe()
        try:
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [
                        build.agent,
                        "--plugin",
                        plugins,
                        "--config",
                        file,
                        "--ready-fd",
                        str(ready_end),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(ready_end,),
                    env=environment(),
                )
        finally:
            os.close(ready_end)
        try:
            readable, _, _ = select.select([ready], [], [], START_TIMEOUT_S)
            if not readable or not os.read(ready, 64):
                raise BenchError(f"the agent did not start: {last_line(log)}")
            yield Agent(address, process.pid)
        finally:
            os.close(ready)
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Driver:
    """A program of bench/ that measures when it is told to (bench/driver.hpp)."""

    def __init__(self, *command: str | Path, **more: str) -> None:
        self._name = Path(command[0]).name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 closed by close()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment(**more),
        )
        try:
            self.answer()
        except BaseException:
            self.close()
            raise

    @property
    def process(self) -> int:
        return self._process.pid

    def tell(self, command: str, number: float) -> Json:
        self.ask(command, number)
        return self.answer()

    def ask(self, command: str, number: float) -> None:
        """Does not wait for the answer, so that others can be told at the same time."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{command} {number}\n")
            self._process.stdin.flush()

    def answer(self) -> Json:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], ANSWER_TIMEOUT_S)
        line = self._process.stdout.readline() if readable else ""
        if not line:
            self._errors.seek(0)
            why = self._errors.read().strip() or "it does not answer"
            raise BenchError(f"{self._name}: {why}")
        answer: Json = json.loads(line)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Driver:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
