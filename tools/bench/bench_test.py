#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How figures become verdicts, tables and plots."""

from __future__ import annotations

import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import page
import plots
import promises
import ratios
from experiments import EXPERIMENTS, RIVALS, medians, middle_start, ratio
from programs import BenchError, Json

TEMPLATE = Path(__file__).resolve().parents[2] / "bench" / "performance.md.in"


def placement(ratio_p50: float) -> Json:
    times = {f"{part}_us": 10.0 for part in ("p50", "p90", "p99", "raw_p50", "raw_p99", "mean")}
    stages = {f"{stage}_us": 2.5 for stage in page.STAGES}
    return times | stages | {"ratio_p50": ratio_p50}


def round_trip(one_core: float, two_cores: float | None) -> Json:
    worst = max(one_core, two_cores or 0)
    return placement(worst) | {
        "same_core": placement(one_core),
        "two_cores": None if two_cores is None else placement(two_cores),
    }


def load(rate: float, p99: float, p99_low: float | None = None) -> Json:
    parts = ("p50_us", "p90_us", "p99_us", "calls_per_s")
    figures = {name: 400_000.0 for part in parts for name in (part, f"control_{part}")}
    return figures | {"ratio_rate": rate, "ratio_p99": p99, "ratio_p99_low": p99_low}


def kept(experiment: str, seen: Json) -> list[bool]:
    """The verdicts of the promises that an experiment is for."""
    found = []
    for promise in promises.PROMISES:
        if promise.experiment == experiment:
            verdict = promises.judge(promise, {experiment: seen})
            assert isinstance(verdict, promises.Seen), verdict
            found.append(verdict.kept)
    return found


class PromisesTest(unittest.TestCase):
    def test_each_is_of_an_experiment(self) -> None:
        for promise in promises.PROMISES:
            self.assertIn(promise.experiment, EXPERIMENTS)

    def test_slots_are_judged_where_two_processes_gain_enough(self) -> None:
        def seen(slots: float, native: float) -> Json:
            ratios = {"low": 1.0, "high": 2.0, "of": 11}
            return {
                "one": {"calls_per_s": 60.0},
                "ratio_rate": ratios | {"median": slots},
                "native_ratio_rate": ratios | {"median": native},
            }

        self.assertEqual(kept("two_slots", seen(1.96, 1.97)), [True])
        self.assertEqual(kept("two_slots", seen(1.94, 1.97)), [False])
        (promise,) = (one for one in promises.PROMISES if one.experiment == "two_slots")
        said = promises.judge(promise, {"two_slots": seen(1.94, 1.5)})
        self.assertRegex(str(said), "skipped: two processes without vAccel gain 1.50x")

    def test_the_middle_one_of_several_starts_counts(self) -> None:
        starts = [round_trip(one, two) for one, two in ((1.3, 1.0), (1.1, 1.2), (1.2, 1.1))]
        found = middle_start(starts)
        self.assertEqual(found["same_core"]["ratio_p50"], 1.2)
        self.assertEqual(found["two_cores"]["ratio_p50"], 1.1)
        self.assertEqual(found["ratio_p50"], 1.2)
        self.assertEqual(found["same_core"]["ratios"], [1.1, 1.2, 1.3])
        alone = middle_start([round_trip(1.2, None)])
        self.assertEqual((alone["ratio_p50"], alone["two_cores"]), (1.2, None))

    def test_a_noop_keeps_both_of_its_limits(self) -> None:
        for ns, times, verdict in ((25, 4, True), (25.1, 2, False), (20, 4.1, False)):
            seen = {"p50_ns": ns, "ratio_atomics": times, "atomics_p50_ns": 6}
            self.assertEqual(kept("noop_in_process", seen), [verdict])

    def test_each_placement_has_its_limit(self) -> None:
        good = {"0": round_trip(1.15, 1.25), "64": round_trip(1, 1), "1024": round_trip(1, 1)}
        good |= {"602112": round_trip(1.1, 1.15)}
        self.assertEqual(kept("unix_inline", good), [True, True])
        self.assertEqual(kept("unix_inline", good | {"64": round_trip(1.16, 1)}), [False, True])
        self.assertEqual(kept("unix_inline", good | {"64": round_trip(1, 1.26)}), [False, True])
        self.assertEqual(kept("unix_inline", good | {"64": round_trip(1.1, None)}), [True, True])
        self.assertEqual(kept("unix_inline", good | {"602112": round_trip(1.16, 1)}), [True, False])

    def test_p99_is_worse_when_the_range_says_so(self) -> None:
        self.assertEqual(kept("connections", {"64": load(0.95, 1.2, 0.9)}), [True])
        self.assertEqual(kept("connections", {"64": load(0.95, 1.2, 1.1)}), [False])
        self.assertEqual(kept("connections", {"64": load(0.94, 0.8, 0.7)}), [False])

    def test_the_best_depth_counts(self) -> None:
        slow = load(9, 1) | {"calls_per_s": 200_000.0}
        self.assertEqual(kept("depths", {"2": slow, "64": load(8, 1)}), [True])
        self.assertEqual(kept("depths", {"2": slow, "64": load(7.9, 1)}), [False])
        self.assertEqual(kept("depths", {"2": slow}), [False])

    def test_the_middle_start_of_a_model_counts(self) -> None:
        def start(percent: float) -> Json:
            return {
                "overhead_percent": percent,
                "overhead_percent_low": percent - 1,
                "overhead_percent_high": percent + 1,
                "local_p50_ms": 16.0,
                "pairs": 200,
            }

        starts = [start(3), start(-1), start(1.5)]
        self.assertEqual(kept("model_inline", {"starts": starts}), [True])
        self.assertEqual(kept("model_region", {"starts": starts}), [False])

    def test_without_grpc_nothing_is_said_of_it(self) -> None:
        seen = {size: {"vAccel": {"p50_us": 1}} for size in ("0", "1024", "602112")}
        for promise in promises.PROMISES:
            if promise.experiment == "rivals":
                self.assertIn("not installed", str(promises.judge(promise, {"rivals": seen})))

    def test_why_nothing_was_measured_is_told(self) -> None:
        found = {"batching": {"not_measured": "no model"}}
        verdicts = [promises.judge(promise, found) for promise in promises.PROMISES]
        self.assertEqual(verdicts.count("no model"), 2)
        self.assertEqual(verdicts.count("not run"), len(verdicts) - 2)


class ArithmeticTest(unittest.TestCase):
    def test_a_ratio_is_the_median_of_neighbours(self) -> None:
        blocks = [{"x": 2.0}, {"x": 9.0}, {"x": 4.0}]
        controls = [{"x": 1.0}, {"x": 3.0}, {"x": 4.0}]
        found = ratio(blocks, controls, "x")
        self.assertEqual((found["median"], found["of"]), (2.0, 3))
        self.assertLessEqual(found["low"], found["median"])
        self.assertLessEqual(found["median"], found["high"])
        self.assertEqual(ratio(blocks[:1], controls[:1], "x")["high"], 2.0)
        self.assertEqual(medians(blocks), {"x": 4.0})

    def test_half_as_large_again_is_slow(self) -> None:
        committed = {"a": 1.0, "b": 2.0, "gone": 1.0}
        seen = {"a": 1.49, "b": 3.0, "new": 99.0}
        self.assertEqual(ratios.slow(seen, committed), ["b"])

    def test_ratios_that_are_not_there_are_said_to_be(self) -> None:
        with self.assertRaisesRegex(BenchError, "no ratios"):
            ratios.read(Path("/nowhere.json"))


class PageTest(unittest.TestCase):
    def render(self, experiments: Json) -> tuple[str, set[str]]:
        machine = dict.fromkeys(("cpu", "cores", "memory_gib", "virtual", "kernel", "system"), "x")
        machine |= dict.fromkeys(("libc", "compiler", "huge_pages", "page_table_isolation"), "x")
        results = {
            "machine": machine | {"load": 0.5, "versions": {"gRPC": None}},
            "date": "2026-01-01",
            "minutes": 9,
            "experiments": experiments,
        }
        with tempfile.TemporaryDirectory() as folder:
            docs = Path(folder)
            (docs / "performance").mkdir()
            (docs / "performance" / "rivals.svg").write_text("old", encoding="utf-8")
            page.render(results, TEMPLATE, docs)
            text = (docs / "performance.md").read_text(encoding="utf-8")
            pictures = {path.stem for path in (docs / "performance").iterdir()}
            for path in (docs / "performance").iterdir():
                ElementTree.parse(path)
        return text, pictures

    def test_is_whole_when_nothing_was_measured(self) -> None:
        text, pictures = self.render({name: {"not_measured": "because"} for name in EXPERIMENTS})
        self.assertNotIn("{{", text)
        self.assertEqual(text.count("| not measured |"), len(promises.PROMISES))
        self.assertEqual(pictures, set())
        self.assertNotIn(".svg", text)

    def test_shows_what_was_missed(self) -> None:
        sizes = {size: round_trip(1.3, 1.1) for size in ("0", "64", "1024", "602112")}
        text, pictures = self.render({"unix_inline": sizes, "connections": {"64": load(1, 1)}})
        self.assertIn("| **missed** | `vaccel bench --at ADDRESS --bytes 64` |", text)
        self.assertEqual(pictures, {"stages", "connections"})

    def test_names_rivals_that_are_missing(self) -> None:
        block = {"p50_us": 5.0, "ratio_raw": {"median": 1.2, "of": 11}}
        subjects = {"raw": block, "vAccel": block, "HTTP": block}
        text, _ = self.render({"rivals": dict.fromkeys(("0", "1024", "602112"), subjects)})
        self.assertIn("because not installed: Cap'n Proto, gRPC sync.", text)
        self.assertTrue({"HTTP", "Cap'n Proto", "gRPC sync"} <= {rival.name for rival in RIVALS})


class PlotsTest(unittest.TestCase):
    def test_labels_keep_their_distance_and_stay_in_the_picture(self) -> None:
        lowest = plots.HEIGHT - plots.BOTTOM
        places = plots.spread([lowest, lowest - 1, 100, 101], 16)
        for i, a in enumerate(places):
            self.assertLessEqual(a, lowest)
            for b in places[i + 1 :]:
                self.assertGreaterEqual(abs(a - b), 16)

    def test_a_chart_takes_gaps_and_names_that_need_escaping(self) -> None:
        series = [plots.Series("a < b", [1.0, None, 3.0]), plots.Series("none", [None] * 3)]
        text = plots.line_chart(plots.Chart("<t>", "x & y", "z", ["1", "2", "3"], series, "one"))
        ElementTree.fromstring(text)
        self.assertIn("a &lt; b", text)
        self.assertNotIn(">none<", text)


if __name__ == "__main__":
    unittest.main()
