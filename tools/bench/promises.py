# SPDX-License-Identifier: Apache-2.0
"""The promised figures, each judged by what an experiment has seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from programs import Json

SMALL = ("0", "64", "1024")
LARGE = "602112"
HUGE = str(16 << 20)


@dataclass(frozen=True)
class Seen:
    """A figure beside its control, in words, and whether it keeps the promise."""

    figure: str
    control: str
    kept: bool


@dataclass(frozen=True)
class Promise:
    subject: str
    promise: str
    experiment: str
    command: str
    judge: Callable[[Json], Seen]


class MissingError(Exception):
    """Why a figure was not measured."""


def us(value: float) -> str:
    if value < 100:
        return f"{value:.1f} µs"
    return f"{value:.0f} µs" if value < 10_000 else f"{value / 1000:.1f} ms"


def rate(value: float) -> str:
    return f"{value / 1000:.1f} k/s" if value >= 1000 else f"{value:.1f}/s"


def times(value: float) -> str:
    return f"{value:.2f}x"


def between(ratio: Json) -> str:
    half = f"half of {ratio['of']} rounds: {ratio['low']:.2f} to {ratio['high']:.2f}"
    return f"{times(ratio['median'])} ({half})"


def in_process(seen: Json) -> Seen:
    ns, ratio = seen["p50_ns"], seen["ratio_atomics"]
    control = f"an indirect call with two atomic operations: {seen['atomics_p50_ns']:.1f} ns"
    return Seen(f"{ns:.1f} ns, {times(ratio)}", control, ns <= 25 and ratio <= 4)


def cores(figures: Json) -> list[tuple[str, float, Json]]:
    """Where both sides ran, the limit of a small round trip there, what was seen."""
    places = [("one core", 1.15, figures["same_core"]), ("two cores", 1.25, figures["two_cores"])]
    return [(where, limit, seen) for where, limit, seen in places if seen is not None]


def raw_text(figures: Json) -> str:
    parts = [f"{us(seen['raw_p50_us'])} on {where}" for where, _, seen in cores(figures)]
    return "raw ping-pong: " + (
        ", ".join(parts) or f"{us(figures['raw_p50_us'])}, cores not chosen"
    )


def starts_text(seen: Json) -> str:
    ratios = seen.get("ratios", [])
    if len(ratios) < 2:
        return ""
    return f" (of {len(ratios)} starts {ratios[0]:.2f} to {ratios[-1]:.2f})"


def ratio_text(figures: Json) -> str:
    parts = [
        f"{seen['ratio_p50']:.3f}x{starts_text(seen)} on {where}"
        for where, _, seen in cores(figures)
    ]
    return ", ".join(parts) or f"{figures['ratio_p50']:.3f}x, cores not chosen"


def small_round_trip(seen: Json) -> Seen:
    worst = max(SMALL, key=lambda size: float(seen[size]["ratio_p50"]))
    kept = all(part["ratio_p50"] <= limit for size in SMALL for _, limit, part in cores(seen[size]))
    text = f"{ratio_text(seen[worst])} ({worst} B, the worst of 0, 64 and 1024)"
    return Seen(text, raw_text(seen[worst]), kept)


def at_most(limit: float, size: str) -> Callable[[Json], Seen]:
    """The worse of the two placements."""

    def judge(seen: Json) -> Seen:
        figures = seen[size]
        return Seen(ratio_text(figures), raw_text(figures), figures["ratio_p50"] <= limit)

    return judge


def below_grpc(limit: float, sizes: tuple[str, ...]) -> Callable[[Json], Seen]:
    def judge(seen: Json) -> Seen:
        for name in ("gRPC sync", "gRPC callback"):
            if name not in seen[sizes[0]]:
                raise MissingError("gRPC is not installed: ./dev setup bench")

        def part(size: str, name: str) -> float:
            return float(seen[size]["vAccel"]["p50_us"] / seen[size][name]["p50_us"])

        worst = max(sizes, key=lambda size: part(size, "gRPC sync"))
        ratio = part(worst, "gRPC sync")
        figure = f"{times(ratio)} of gRPC sync, {times(part(worst, 'gRPC callback'))} of callback"
        if len(sizes) > 1:
            figure += f" ({worst} B, the worst of {' and '.join(sizes)})"
        found = seen[worst]
        control = ", ".join(
            f"{name}: {us(found[name]['p50_us'])}"
            for name in ("gRPC sync", "gRPC callback", "gRPC sync, stock", "raw")
        )
        return Seen(figure, control, ratio <= limit)

    return judge


def many_connections(seen: Json) -> Seen:
    figures = seen["64"]
    figure = (
        f"{times(figures['ratio_rate'])} of the calls a second, p99 {times(figures['ratio_p99'])}"
    )
    control = (
        f"raw, a thread a connection: {rate(figures['control_calls_per_s'])}, "
        f"p99 {us(figures['control_p99_us'])}"
    )
    low = figures["ratio_p99_low"]
    no_worse = (figures["ratio_p99"] if low is None else low) <= 1
    return Seen(figure, control, figures["ratio_rate"] >= 0.95 and no_worse)


def pipelined(seen: Json) -> Seen:
    depth = max(seen, key=lambda depth: float(seen[depth]["calls_per_s"]))
    figures = seen[depth]
    figure = f"{rate(figures['calls_per_s'])}, {times(figures['ratio_rate'])} ({depth} under way)"
    kept = figures["calls_per_s"] >= 300_000 and figures["ratio_rate"] >= 8
    return Seen(figure, f"blocking calls: {rate(figures['control_calls_per_s'])}", kept)


def model(limit: float) -> Callable[[Json], Seen]:
    """In every start; their processes have their memory elsewhere each time."""

    def judge(seen: Json) -> Seen:
        starts = sorted(seen["starts"], key=lambda start: float(start["overhead_percent"]))
        if starts[0]["overhead_percent_low"] is None:
            raise MissingError("too few pairs")
        figure = "; ".join(
            f"{start['overhead_percent']:+.1f} % ({start['overhead_percent_low']:+.1f} to "
            f"{start['overhead_percent_high']:+.1f})"
            for start in starts
        )
        native = starts[len(starts) // 2]["local_p50_ms"]
        pairs = starts[0]["pairs"]
        kept = starts[len(starts) // 2]["overhead_percent"] <= limit
        return Seen(figure, f"native: {native:.2f} ms; {pairs} pairs a start", kept)

    return judge


def idle(seen: Json) -> Seen:
    ratio = seen["ratio_p50"]
    control = f"without them: {us(seen['alone']['p50_us'])}"
    return Seen(between(ratio), control, ratio["median"] <= 1.1)


def beside(seen: Json) -> Seen:
    ratio = seen["ratio_p50"]
    control = f"no other client: {us(seen['idle']['p50_us'])}"
    return Seen(between(ratio), control, ratio["median"] <= 1.5)


def slots(seen: Json) -> Seen:
    """Where two processes side by side do not gain it, there are no two free cores."""
    ratio, native = seen["ratio_rate"], seen["native_ratio_rate"]
    if native["median"] < 1.95:
        raise MissingError(
            f"skipped: two processes without vAccel gain {between(native)}, so these are no two "
            f"free cores; two slots gained {between(ratio)}"
        )
    control = (
        f"one slot: {rate(seen['one']['calls_per_s'])}; two processes without vAccel: "
        f"{times(native['median'])}"
    )
    return Seen(between(ratio), control, ratio["median"] >= 1.95)


def batched_rate(seen: Json) -> Seen:
    ratio = seen["ratio_rate"]
    control = f"called with 16 images: {seen['direct']['calls_per_s']:.1f} images a second"
    return Seen(between(ratio), control, ratio["median"] >= 0.95)


def batched_single(seen: Json) -> Seen:
    ratio = seen["single"]["ratio_p50"]
    control = f"without batching: {us(seen['single']['plain']['p50_us'])}"
    return Seen(between(ratio), control, ratio["median"] <= 1.02)


AT = "vaccel bench --at ADDRESS"
ONLY = "./dev bench --only"

PROMISES = (
    Promise(
        "no-op in process",
        "<= 25 ns, and <= 4x an indirect call with two atomic operations",
        "noop_in_process",
        "VAC_PLUGINS=noop vaccel bench",
        in_process,
    ),
    Promise(
        "unix, up to 1 KB, blocking",
        "<= 1.15x raw on one core, <= 1.25x on two",
        "unix_inline",
        f"{AT} --bytes 64",
        small_round_trip,
    ),
    Promise(
        "the same beside gRPC",
        "<= 0.5x",
        "rivals",
        f"{ONLY} rivals",
        below_grpc(0.5, ("0", "1024")),
    ),
    Promise(
        "64 connections on two cores",
        ">= 0.95x the calls a second of a thread a connection, p99 no worse",
        "connections",
        f"{AT} --concurrency 64",
        many_connections,
    ),
    Promise(
        "600 KB sent", "<= 1.15x raw", "unix_inline", f"{AT} --bytes 602112", at_most(1.15, LARGE)
    ),
    Promise(
        "600 KB sent, beside gRPC",
        "<= 0.33x tuned sync",
        "rivals",
        f"{ONLY} rivals",
        below_grpc(0.33, (LARGE,)),
    ),
    Promise(
        "600 KB in shared memory, in place",
        "<= 1.2x in place with a unix doorbell",
        "region_in_place",
        f"{AT} --bytes 602112 --memory region",
        at_most(1.2, LARGE),
    ),
    Promise(
        "600 KB in shared memory, copied once",
        "<= 1.9x in place with a unix doorbell",
        "region_copied",
        f"{AT} --bytes 602112 --memory region",
        at_most(1.9, LARGE),
    ),
    Promise(
        "16 MiB in shared memory, in place",
        "<= 1.15x in place with a unix doorbell",
        "region_in_place",
        f"{AT} --bytes 16MiB --memory region",
        at_most(1.15, HUGE),
    ),
    Promise(
        "demo's model, tensors sent",
        "<= 1.5 % over native",
        "model_inline",
        f"{AT} --model MODEL --memory inline",
        model(1.5),
    ),
    Promise(
        "demo's model, tensors in shared memory",
        "<= 1 % over native",
        "model_region",
        f"{AT} --model MODEL --memory region",
        model(1.0),
    ),
    Promise(
        "no-ops under way on one connection",
        ">= 300 k/s, and >= 8x blocking calls",
        "depths",
        f"{AT} --depth 64",
        pipelined,
    ),
    Promise(
        "no-op beside 1,000 idle connections",
        "median within 10 %",
        "idle_connections",
        f"{ONLY} idle_connections",
        idle,
    ),
    Promise(
        "two clients, one model, two slots, two free cores",
        ">= 1.95x one slot",
        "two_slots",
        f"{ONLY} two_slots",
        slots,
    ),
    Promise(
        "16 clients, calls batched",
        ">= 0.95x the model called with that batch",
        "batching",
        f"{ONLY} batching",
        batched_rate,
    ),
    Promise(
        "one client of an agent that batches",
        "latency within 2 %",
        "batching",
        f"{ONLY} batching",
        batched_single,
    ),
    Promise(
        "no-op beside 10 ms calls of another client",
        "median within 1.5x",
        "beside_long_calls",
        f"{ONLY} beside_long_calls",
        beside,
    ),
)


def judge(promise: Promise, experiments: Json) -> Seen | str:
    """What was seen, or why nothing was."""
    found = experiments.get(promise.experiment)
    if found is None:
        return "not run"
    if "not_measured" in found:
        return str(found["not_measured"])
    try:
        return promise.judge(found)
    except MissingError as missing:
        return str(missing)
