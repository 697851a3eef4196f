# SPDX-License-Identifier: Apache-2.0
"""docs/performance.md and its plots, from what was measured and bench/performance.md.in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import plots
from programs import BenchError, Json
from promises import PROMISES, judge, rate, times, us

STAGES = ("queue", "plugin", "agent", "wire")
PLACES = {"same_core": "one core", "two_cores": "two cores"}


def size_text(size: str) -> str:
    value = int(size)
    if value >= 1 << 20:
        return f"{value >> 20} MiB"
    if value == 602112:
        return "600 KB"
    return f"{value >> 10} KiB" if value >= 1024 else f"{value} B"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def missing(found: Json | None) -> str | None:
    if found is None:
        return "Not measured: not run."
    why = found.get("not_measured")
    return None if why is None else f"Not measured: {why}."


def ratio_cell(time_us: float, ratio: float) -> str:
    return f"{times(ratio)} ({us(time_us)})"


# The generated parts of the page, by their names in the template.


def promises_part(experiments: Json) -> str:
    rows = []
    for promise in PROMISES:
        seen = judge(promise, experiments)
        if isinstance(seen, str):
            verdict, figure, control = "not measured", seen, ""
        else:
            verdict, figure, control = (
                "kept" if seen.kept else "**missed**",
                seen.figure,
                seen.control,
            )
        command = f"`{promise.command}`"
        rows.append([promise.subject, promise.promise, figure, control, verdict, command])
    return table(["figure", "promise", "seen", "control", "", "command"], rows)


def round_trips_part(experiments: Json) -> str:
    rows = []
    for name, way in (
        ("unix_inline", "sent"),
        ("region_in_place", "shared, in place"),
        ("region_copied", "shared, copied"),
    ):
        found = experiments.get(name)
        if missing(found) or found is None:
            rows.append([way, missing(found) or "", "", "", "", "", "", "", ""])
            continue
        for size, figures in found.items():
            for key, place in PLACES.items():
                seen = figures.get(key)
                if seen is None:
                    continue
                rows.append(
                    [
                        way,
                        size_text(size),
                        place,
                        times(seen["ratio_p50"]),
                        *(us(seen[f"{part}_us"]) for part in ("p50", "p90", "p99")),
                        us(seen["raw_p50_us"]),
                        us(seen["raw_p99_us"]),
                    ]
                )
    head = ["data", "size", "on", "ratio of p50", "p50", "p90", "p99", "raw p50", "raw p99"]
    return table(head, rows)


def load_table(found: Json | None, what: str, control: str) -> str:
    why = missing(found)
    if why or found is None:
        return why or ""
    rows = [
        [
            count,
            times(seen["ratio_rate"]),
            rate(seen["calls_per_s"]),
            rate(seen["control_calls_per_s"]),
            times(seen["ratio_p99"]),
            *(us(seen[f"{part}_us"]) for part in ("p50", "p90", "p99")),
            us(seen["control_p50_us"]),
            us(seen["control_p99_us"]),
        ]
        for count, seen in found.items()
    ]
    head = [what, "ratio of rates", "calls", control, "ratio of p99", "p50", "p90", "p99"]
    return table([*head, f"{control} p50", f"{control} p99"], rows)


def connections_part(experiments: Json) -> str:
    return load_table(experiments.get("connections"), "connections", "raw")


def depths_part(experiments: Json) -> str:
    return load_table(experiments.get("depths"), "under way", "blocking")


def stages_part(experiments: Json) -> str:
    found = experiments.get("unix_inline")
    why = missing(found)
    if why or found is None:
        return why or ""
    rows = []
    for size, figures in found.items():
        for key, place in PLACES.items():
            seen = figures.get(key)
            if seen is None or seen["wire_us"] is None:
                continue
            parts = [us(seen[f"{stage}_us"]) for stage in STAGES]
            rows.append(
                [size_text(size), place, *parts, us(seen["mean_us"]), us(seen["raw_p50_us"])]
            )
    return table(["size", "on", *STAGES, "mean of a call", "raw p50"], rows)


def rivals_part(experiments: Json) -> str:
    found = experiments.get("rivals")
    why = missing(found)
    if why or found is None:
        return why or ""
    sizes = list(found)
    names = list(dict.fromkeys(name for size in sizes for name in found[size]))
    rows = []
    for name in names:
        cells: list[str] = []
        for size in sizes:
            seen = found[size].get(name)
            if seen is None:
                cells.append("-")
            elif name == "raw":
                cells.append(us(seen["p50_us"]))
            else:
                mark = "*" if seen["ratio_raw"]["of"] <= 3 else ""
                cells.append(ratio_cell(seen["p50_us"], seen["ratio_raw"]["median"]) + mark)
        rows.append([name, *cells])
    text = table(["p50 as a ratio to raw", *(size_text(size) for size in sizes)], rows)
    absent = [name for name in ("Cap'n Proto", "HTTP", "gRPC sync") if name not in names]
    if absent:
        text += f"\n\nNot measured, because not installed: {', '.join(absent)}."
    return text


def control_of(subject: str, name: str) -> str | None:
    """The benchmark beside which one of google-benchmark is to be read."""
    if subject == "dispatch":
        # A submitted call sleeps, and a large one is read: neither is beside two atomic operations.
        if "submitted" in name or "602112" in name:
            return None
        threads = 2 if name.endswith("threads:2") else 1
        return f"indirect_call_with_two_atomics/64/threads:{threads}"
    if subject == "transports":
        return "bare_unix_sockets/" + name.rsplit("/", 1)[1]
    if name.startswith("decode"):
        return name.replace("decode", "copy_head").replace("602112", "64")
    return None


def google_part(experiments: Json) -> str:
    found = experiments.get("google")
    why = missing(found)
    if why or found is None:
        return why or ""
    rows = []
    for subject, figures in found.items():
        for name, value in sorted(figures.items()):
            control = control_of(subject, name)
            beside = figures.get(control) if control and control != name else None
            cells = [f"`{control}`", times(value / beside)] if beside else ["", ""]
            shown = f"{value:.1f} ns" if value < 1000 else us(value / 1000)
            rows.append([subject, f"`{name}`", shown, *cells])
    return table(["subject", "benchmark", "median", "control", "ratio"], rows)


def machine_part(machine: Json) -> str:
    memory = machine["memory_gib"]
    virtual = str(machine["virtual"])
    isolation = "on" if machine["page_table_isolation"] else "off"
    rows: list[list[str]] = [
        ["processor", f"{machine['cores']} x {machine['cpu']}, page table isolation {isolation}"],
        ["memory", f"{memory} GiB, transparent huge pages: {machine['huge_pages']}"],
        ["virtual", "no" if virtual == "none" else virtual],
        ["system", f"{machine['system']}, Linux {machine['kernel']}, {machine['libc']}"],
        ["compiler", machine["compiler"]],
        ["load average before", f"{machine['load']:.2f}"],
    ]
    rows += [[name, version or "not installed"] for name, version in machine["versions"].items()]
    return table(["", ""], rows)


# Plots


def rivals_plot(experiments: Json) -> str | None:
    found = experiments.get("rivals")
    if found is None or missing(found):
        return None
    sizes = list(found)
    wanted = (
        "vAccel",
        "vAccel, shared memory",
        "Cap'n Proto",
        "HTTP",
        "gRPC sync",
        "gRPC callback",
    )
    series = [
        plots.Series(
            name,
            [
                found[size][name]["ratio_raw"]["median"] if name in found[size] else None
                for size in sizes
            ],
        )
        for name in wanted
        if any(name in found[size] for size in sizes)
    ]
    axes = ("payload of a call", "round trip, as a multiple of a raw ping-pong of the same bytes")
    places = [size_text(size) for size in sizes]
    return plots.line_chart(plots.Chart("Beside others", *axes, places, series, "raw"))


def load_plot(title: str, x_title: str, found: Json | None, one: str) -> str | None:
    if found is None or missing(found):
        return None
    series = [
        plots.Series("calls a second", [seen["ratio_rate"] for seen in found.values()]),
        plots.Series("p99", [seen["ratio_p99"] for seen in found.values()]),
    ]
    axes = (x_title, f"as a multiple of {one}")
    return plots.line_chart(plots.Chart(title, *axes, list(found), series, one))


def connections_plot(experiments: Json) -> str | None:
    found = experiments.get("connections")
    return load_plot("Many connections", "connections that call at once", found, "raw")


def depths_plot(experiments: Json) -> str | None:
    found = experiments.get("depths")
    return load_plot("Calls under way", "calls under way on one connection", found, "blocking")


def stages_plot(experiments: Json) -> str | None:
    found = experiments.get("unix_inline")
    if found is None or missing(found):
        return None
    rows = []
    for size, figures in found.items():
        for key, place in PLACES.items():
            seen = figures.get(key)
            if seen is not None and seen["wire_us"] is not None:
                rows.append((f"{size_text(size)}, {place}", seen))
    if not rows:
        return None
    series = [plots.Series(stage, [seen[f"{stage}_us"] for _, seen in rows]) for stage in STAGES]
    return plots.share_chart("Where the time of a call goes", [name for name, _ in rows], series)


PARTS: dict[str, Callable[[Json], str]] = {
    "promises": promises_part,
    "round_trips": round_trips_part,
    "connections": connections_part,
    "depths": depths_part,
    "stages": stages_part,
    "rivals": rivals_part,
    "google": google_part,
}
PLOTS: dict[str, Callable[[Json], str | None]] = {
    "rivals": rivals_plot,
    "connections": connections_plot,
    "depths": depths_plot,
    "stages": stages_plot,
}


def render(results: Json, template: Path, docs: Path) -> None:
    """Writes performance.md and performance/*.svg; a plot of what was not measured is removed."""
    experiments: Json = results["experiments"]
    pictures = docs / "performance"
    pictures.mkdir(exist_ok=True)
    drawn: dict[str, bool] = {}
    for name, plot in PLOTS.items():
        picture = plot(experiments)
        drawn[name] = picture is not None
        path = pictures / f"{name}.svg"
        if picture is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(picture, encoding="utf-8")

    def part(match: re.Match[str]) -> str:
        name = match[1]
        if name.startswith("plot:"):
            what, _, words = name.removeprefix("plot:").partition(":")
            return f"![{words}](performance/{what}.svg)" if drawn[what] else ""
        if name == "machine":
            return machine_part(results["machine"])
        if name in ("date", "minutes"):
            return str(results[name])
        if name not in PARTS:
            raise BenchError(f"{template} has an unknown part '{name}'")
        return PARTS[name](experiments)

    text = re.sub(r"\{\{([^}]+)\}\}", part, template.read_text(encoding="utf-8"))
    (docs / "performance.md").write_text(text, encoding="utf-8")
