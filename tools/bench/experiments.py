# SPDX-License-Identifier: Apache-2.0
"""What is measured, an experiment a function: each compares things in turn, in one run, and gives
what it has seen as JSON. `Effort` says how often."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from programs import Agent, BenchError, Build, Command, Driver, Json, pin, run, running_agent

Say = Callable[[str], None]

INLINE_SIZES = (0, 64, 1024, 65536, 602112, 16 << 20, 64 << 20)
REGION_SIZES = (65536, 602112, 16 << 20)
RIVAL_SIZES = (0, 1024, 65536, 602112, 16 << 20, 64 << 20)
CONNECTIONS = (1, 4, 16, 64)
DEPTHS = (2, 8, 64, 256)
IDLE_CONNECTIONS = 1000
BURN_US = 10_000
BATCH = 16
LARGE = 16 << 20
SMALL = 1024
IN_PLACE = 'shared_input = "in_place"'


@dataclass(frozen=True)
class Effort:
    """How much of everything; `short` only sees that it runs."""

    seconds: float = 4
    blocks: int = 21
    rounds: int = 11
    block_s: float = 0.1
    pairs: int = 200
    starts: int = 5
    load_s: float = 1.5

    @staticmethod
    def short() -> Effort:
        return Effort(0.5, 7, 3, 0.02, 20, 1, 0.3)


@dataclass(frozen=True)
class Bench:
    build: Build
    effort: Effort
    model: Path | None
    say: Say

    def demo_model(self) -> Path:
        if self.model is None or not self.build.has_plugin("torch"):
            raise BenchError("there is no model to run: libtorch was not found by the build")
        return self.model

    def client(self, *arguments: str | Path, **more: str) -> Driver:
        return Driver(self.build.program("bench-client"), *arguments, **more)


def middle(values: list[float]) -> float:
    return statistics.median(values)


def ratio(numerators: list[Json], denominators: list[Json], figure: str) -> Json:
    """Of neighbours, the median and what lies between the quarters."""
    ratios = [a[figure] / b[figure] for a, b in zip(numerators, denominators, strict=True)]
    quarters = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return {"median": middle(ratios), "low": quarters[0], "high": quarters[2], "of": len(ratios)}


def medians(blocks: list[Json]) -> Json:
    return {key: middle([block[key] for block in blocks]) for key in blocks[0]}


# In process, and its parts


def google_benchmarks(bench: Bench) -> Json:
    """Median of repetitions, in nanoseconds, by name."""
    found: Json = {}
    for subject in ("dispatch", "codec", "transports"):
        bench.say(f"google-benchmark: {subject}")
        command: Command = [
            bench.build.program(f"{subject}_bench"),
            f"--benchmark_repetitions={max(3, bench.effort.rounds)}",
            f"--benchmark_min_time={bench.effort.block_s / 2}",
            "--benchmark_enable_random_interleaving=true",
            "--benchmark_report_aggregates_only=true",
            "--benchmark_format=json",
        ]
        done = run(command)
        if done.returncode != 0:
            raise BenchError(f"{subject}_bench: {done.stderr.strip()}")
        for entry in json.loads(done.stdout)["benchmarks"]:
            if entry.get("error_occurred"):
                raise BenchError(f"{subject}_bench: {entry['name']}: {entry['error_message']}")
            if entry.get("aggregate_name") == "median":
                # What sleeps is measured by the clock, what does not by its own time.
                name = entry["run_name"].removesuffix("/real_time")
                time_of = "cpu_time" if name == entry["run_name"] else "real_time"
                found.setdefault(subject, {})[name] = entry[time_of]
    return found


def noop_in_process(bench: Bench) -> Json:
    runs = [
        bench.build.measure("--op", "noop", "--seconds", str(bench.effort.seconds / 2))
        for _ in range(bench.effort.starts)
    ]
    keys = ("p50_ns", "raw_p50_ns", "atomics_p50_ns", "ratio_atomics")
    return {key: middle([run[key] for run in runs]) for key in keys} | {"runs": len(runs)}


# One call at a time


def round_trips(bench: Bench, address: str, sizes: tuple[int, ...], *more: str) -> Json:
    found: Json = {}
    for size in sizes:
        bench.say(f"round trips of {size} bytes {' '.join(more)}")
        seconds = bench.effort.seconds * (4 if size >= LARGE else 2 if size > SMALL else 1)
        # So large that a pair of blocks takes a second.
        blocks = bench.effort.blocks if size <= LARGE else min(11, bench.effort.blocks)
        found[str(size)] = bench.build.measure(
            *("--at", address, "--bytes", str(size), "--seconds", str(seconds)),
            *("--blocks", str(blocks), *more),
        )
    return found


def middle_start(starts: list[Json]) -> Json:
    """On each placement, the start whose ratio is the middle one, and all their ratios."""
    found = dict(starts[0])
    for place in ("same_core", "two_cores"):
        of_place = [start[place] for start in starts if start[place] is not None]
        if not of_place:
            continue
        of_place.sort(key=lambda seen: float(seen["ratio_p50"]))
        ratios = [seen["ratio_p50"] for seen in of_place]
        found[place] = of_place[len(of_place) // 2] | {"ratios": ratios}
    placed = [found[place]["ratio_p50"] for place in ("same_core", "two_cores") if found[place]]
    if placed:
        found["ratio_p50"] = max(placed)
    return found


def unix_inline(bench: Bench) -> Json:
    """Both sides of a small round trip are started anew several times: by how the system lets them
    take turns, a bare ping-pong takes 2.9 or 3.4 us on one core, for as long as it lives."""
    found: Json = {}
    small = tuple(size for size in INLINE_SIZES if size <= SMALL)
    starts: list[Json] = []
    for _ in range(bench.effort.starts):
        with running_agent(bench.build, "noop") as agent:
            starts.append(round_trips(bench, agent.address, small))
    for size in map(str, small):
        found[size] = middle_start([start[size] for start in starts])
    with running_agent(bench.build, "noop") as agent:
        large = tuple(size for size in INLINE_SIZES if size > SMALL)
        return found | round_trips(bench, agent.address, large)


def region_in_place(bench: Bench) -> Json:
    with running_agent(bench.build, "noop", listen=IN_PLACE) as agent:
        return round_trips(bench, agent.address, REGION_SIZES, "--memory", "region")


def region_copied(bench: Bench) -> Json:
    with running_agent(bench.build, "noop") as agent:
        return round_trips(bench, agent.address, REGION_SIZES, "--memory", "region")


# Many at once


def loads(bench: Bench, option: str, counts: tuple[int, ...]) -> Json:
    found: Json = {}
    with running_agent(bench.build, "noop") as agent:
        for count in counts:
            bench.say(f"{option} {count}")
            found[str(count)] = bench.build.measure(
                *("--at", agent.address, option, str(count), "--blocks", str(bench.effort.blocks)),
                *("--seconds", str(2 * bench.effort.seconds)),
            )
    return found


def connections(bench: Bench) -> Json:
    return loads(bench, "--concurrency", CONNECTIONS)


def depths(bench: Bench) -> Json:
    return loads(bench, "--depth", DEPTHS)


def idle_connections(bench: Bench) -> Json:
    """A no-op's time on an agent with so many more connections, and without."""
    alone: list[Json] = []
    among: list[Json] = []
    with (
        running_agent(bench.build, "noop") as agent,
        bench.client("--at", agent.address) as client,
        bench.client("--at", agent.address) as others,
    ):
        # On one core, or it would be at times on one, at times on two.
        core = min(os.sched_getaffinity(0))
        pin(agent.process, core)
        pin(client.process, core)
        calls = calls_in(client, bench.effort.block_s)
        for i in range(bench.effort.rounds):
            bench.say(f"{IDLE_CONNECTIONS} idle connections, round {i + 1}")
            others.tell("idle", 0)
            alone.append(client.tell("calls", calls))
            others.tell("idle", IDLE_CONNECTIONS)
            among.append(client.tell("calls", calls))
    return {
        "alone": medians(alone),
        "among": medians(among),
        "ratio_p50": ratio(among, alone, "p50_us"),
        "connections": IDLE_CONNECTIONS,
    }


def beside_long_calls(bench: Bench) -> Json:
    """A no-op of one client while another one's calls take 10 ms each in the plugin."""
    idle: list[Json] = []
    beside: list[Json] = []
    with (
        running_agent(bench.build, "mbench") as agent,
        bench.client("--at", agent.address, "--burn-us", "0") as client,
        bench.client("--at", agent.address, "--burn-us", str(BURN_US)) as other,
    ):
        calls = calls_in(client, bench.effort.block_s * 2)
        for i in range(bench.effort.rounds):
            bench.say(f"beside calls of 10 ms, round {i + 1}")
            idle.append(client.tell("calls", calls))
            other.tell("busy", 1)
            beside.append(client.tell("calls", calls))
            other.tell("busy", 0)
    return {
        "idle": medians(idle),
        "beside": medians(beside),
        "ratio_p50": ratio(beside, idle, "p50_us"),
    }


# Rivals


@dataclass(frozen=True)
class Rival:
    name: str
    program: str
    options: tuple[str, ...] = ()
    tuned: bool = True


RIVALS = (
    Rival("Cap'n Proto", "rival-capnp"),
    Rival("HTTP", "rival-http"),
    Rival("gRPC sync", "rival-grpc"),
    Rival("gRPC callback", "rival-grpc", ("--callback",)),
    Rival("Cap'n Proto, stock", "rival-capnp", tuned=False),
    Rival("HTTP, stock", "rival-http", tuned=False),
    Rival("gRPC sync, stock", "rival-grpc", tuned=False),
    Rival("gRPC callback, stock", "rival-grpc", ("--callback",), tuned=False),
)
SLOW_CALL_US = 200_000
FEW_ROUNDS = 3


def calls_in(driver: Driver, seconds: float) -> int:
    """How many calls fill that time."""
    call_us = driver.tell("calls", 1)["p50_us"]
    if call_us < SLOW_CALL_US:
        call_us = driver.tell("calls", 5)["p50_us"]
    return max(1, min(20000, int(seconds * 1e6 / call_us)))


def open_subjects(bench: Bench, stack: contextlib.ExitStack, size: int) -> dict[str, Driver]:
    """All that is compared at this size, by name; what was not built is left out."""
    raw = bench.build.program("bench-raw")
    sent = ("--bytes", str(size))
    agent = stack.enter_context(running_agent(bench.build, "noop", listen=IN_PLACE))
    address = agent.address
    subjects = {
        "raw": stack.enter_context(Driver(raw, *sent, "--tuned")),
        "vAccel": stack.enter_context(bench.client("--at", address, *sent, "--tuned")),
        "vAccel, client stock": stack.enter_context(bench.client("--at", address, *sent)),
    }
    if size > 0:
        subjects["vAccel, shared memory"] = stack.enter_context(
            bench.client("--at", address, *sent, "--region", "--tuned")
        )
    for rival in RIVALS:
        program = bench.build.find_program(rival.program)
        if program is None:
            continue
        options = [*sent, *rival.options, *(["--tuned"] if rival.tuned else [])]
        subjects[rival.name] = stack.enter_context(Driver(program, *options))
    return subjects


def race(bench: Bench, size: int) -> Json:
    with contextlib.ExitStack() as stack:
        subjects = open_subjects(bench, stack, size)
        calls = {name: calls_in(driver, bench.effort.block_s) for name, driver in subjects.items()}
        blocks: dict[str, list[Json]] = {name: [] for name in subjects}
        raw: dict[str, list[Json]] = {name: [] for name in subjects}
        order = list(subjects)
        for i in range(bench.effort.rounds):
            bench.say(f"rivals, {size} bytes, round {i + 1}")
            seen: dict[str, Json] = {}
            for name in order:
                if calls[name] == 1 and i >= FEW_ROUNDS:
                    continue
                seen[name] = subjects[name].tell("calls", calls[name])
            # Everybody is first, last and behind everybody else in turn.
            order = order[1:] + order[:1] if i % 2 == 0 else order[::-1]
            for name, block in seen.items():
                blocks[name].append(block)
                raw[name].append(seen["raw"])
    return {
        name: medians(of_one) | {"ratio_raw": ratio(of_one, raw[name], "p50_us")}
        for name, of_one in blocks.items()
    }


def rivals(bench: Bench) -> Json:
    return {str(size): race(bench, size) for size in RIVAL_SIZES}


# Models


def model_over_native(bench: Bench, memory: str) -> Json:
    """`vaccel bench --model`, in several starts of both processes."""
    model = bench.demo_model()
    starts = []
    for i in range(bench.effort.starts):
        bench.say(f"model, {memory}, start {i + 1}")
        with running_agent(bench.build, "torch") as agent:
            starts.append(
                bench.build.measure(
                    *("--model", model, "--at", agent.address, "--memory", memory),
                    *("--blocks", str(bench.effort.pairs)),
                    VAC_PLUGINS="torch",
                )
            )
    return {"starts": starts}


def model_inline(bench: Bench) -> Json:
    return model_over_native(bench, "inline")


def model_region(bench: Bench) -> Json:
    return model_over_native(bench, "region")


def turns(
    bench: Bench, what: str, one: Driver, other: Driver, load_s: float
) -> tuple[list[Json], list[Json]]:
    """Loads in turn, after one of each that does not count: a model's first runs are slow."""
    ones: list[Json] = []
    others: list[Json] = []
    for i in range(-1, bench.effort.rounds):
        bench.say(f"{what}, round {i + 1}")
        first, second = (one, other) if i % 2 == 0 else (other, one)
        seen = {id(first): first.tell("load", load_s)}
        seen[id(second)] = second.tell("load", load_s)
        if i >= 0:
            ones.append(seen[id(one)])
            others.append(seen[id(other)])
    return ones, others


def free_cores(seconds: float = 1.0) -> float:
    """How many cores' worth of time nobody used."""

    def idle_ticks() -> int:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        return int(fields[4]) + int(fields[5])

    before, start = idle_ticks(), time.monotonic()
    time.sleep(seconds)
    return (idle_ticks() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - start)


def need_two_free_cores() -> None:
    free = free_cores()
    if free < 1.8:
        raise BenchError(f"it needs two free cores, and {free:.1f} were free")


def side_by_side(drivers: Sequence[Driver], load_s: float) -> Json:
    """Calls a second of several processes at the same time, together."""
    for driver in drivers:
        driver.ask("load", load_s)
    return {"calls_per_s": sum(driver.answer()["calls_per_s"] for driver in drivers)}


def two_slots(bench: Bench) -> Json:
    """Two clients on one model: an agent with one slot, and one with two. The control are one and
    two processes that run the model themselves: what the two cores have to give."""
    model = bench.demo_model()
    need_two_free_cores()
    native = ("--model", model, "--tuned")
    load_s = bench.effort.load_s
    seen: dict[str, list[Json]] = {"one": [], "two": [], "native_one": [], "native_two": []}
    with (
        running_agent(bench.build, "torch", "[plugin.torch]\nslots = 1") as single,
        running_agent(bench.build, "torch", "[plugin.torch]\nslots = 2") as double,
        bench.client("--at", single.address, "--model", model, "--clients", "2") as with_one,
        bench.client("--at", double.address, "--model", model, "--clients", "2") as with_two,
        bench.client(*native, VAC_PLUGINS="torch") as first,
        bench.client(*native, VAC_PLUGINS="torch") as second,
    ):
        measures: dict[str, Callable[[], Json]] = {
            "one": lambda: with_one.tell("load", load_s),
            "two": lambda: with_two.tell("load", load_s),
            "native_one": lambda: side_by_side([first], load_s),
            "native_two": lambda: side_by_side([first, second], load_s),
        }
        for i in range(-1, bench.effort.rounds):
            bench.say(f"two slots, round {i + 1}")
            names = list(measures) if i % 2 == 0 else list(reversed(measures))
            round_of = {name: measures[name]() for name in names}
            for name, block in round_of.items():
                # A model's first runs are slow.
                if i >= 0:
                    seen[name].append(block)
    return {name: medians(blocks) for name, blocks in seen.items()} | {
        "ratio_rate": ratio(seen["two"], seen["one"], "calls_per_s"),
        "native_ratio_rate": ratio(seen["native_two"], seen["native_one"], "calls_per_s"),
    }


BATCHING = f"[plugin.torch]\nslots = 1\nmax_batch = {BATCH}\nmax_delay_us = {{delay}}"


def batching_agent(bench: Bench, delay_us: int) -> contextlib.AbstractContextManager[Agent]:
    return running_agent(bench.build, "torch", BATCHING.format(delay=delay_us))


def batching(bench: Bench) -> Json:
    """Sixteen clients of one image each, beside the model called with sixteen images; and one
    client with and without batching."""
    model = bench.demo_model()
    delay_us = 2000
    with (
        batching_agent(bench, delay_us) as agent,
        bench.client("--at", agent.address, "--model", model, "--clients", str(BATCH)) as clients,
        bench.client(
            *("--model", model, "--batch", str(BATCH), "--tuned"), VAC_PLUGINS="torch"
        ) as native,
    ):
        batched, direct = turns(bench, "batching", clients, native, 2 * bench.effort.load_s)
    for block in direct:
        block["calls_per_s"] *= BATCH
    return {
        "batched": medians(batched),
        "direct": medians(direct),
        "ratio_rate": ratio(batched, direct, "calls_per_s"),
        "max_delay_us": delay_us,
        "single": single_client(bench, model),
    }


def single_client(bench: Bench, model: Path) -> Json:
    """One client's time on an agent that batches whatever waits, and on one that does not."""
    with (
        batching_agent(bench, 0) as batching_one,
        running_agent(bench.build, "torch", "[plugin.torch]\nslots = 1") as plain_one,
        bench.client("--at", batching_one.address, "--model", model) as one,
        bench.client("--at", plain_one.address, "--model", model) as other,
    ):
        with_batching, without = turns(
            bench, "batching, one client", one, other, bench.effort.load_s
        )
    return {
        "batching": medians(with_batching),
        "plain": medians(without),
        "ratio_p50": ratio(with_batching, without, "p50_us"),
    }


EXPERIMENTS: dict[str, Callable[[Bench], Json]] = {
    "google": google_benchmarks,
    "noop_in_process": noop_in_process,
    "unix_inline": unix_inline,
    "region_in_place": region_in_place,
    "region_copied": region_copied,
    "connections": connections,
    "depths": depths,
    "idle_connections": idle_connections,
    "beside_long_calls": beside_long_calls,
    "rivals": rivals,
    "model_inline": model_inline,
    "model_region": model_region,
    "two_slots": two_slots,
    "batching": batching,
}
