# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG that need no library, on no background: legible on white and on black."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 62, 178, 46, 54
# Each has a contrast of 3 or more to white and to black.
COLOURS = ("#2f7ed8", "#d9730d", "#1f9d55", "#b05fcf", "#d64550", "#8a8a00", "#0f98a0", "#888888")
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #767676; }
  .title { font-size: 15px; font-weight: 600; }
  .axis { stroke: #767676; stroke-width: 1; }
  .grid { stroke: #888888; stroke-width: 1; stroke-opacity: 0.3; }
  .one { stroke: #767676; stroke-width: 1.5; stroke-dasharray: 5 4; }
  @media (prefers-color-scheme: light) { text { fill: #33383d; } }
  @media (prefers-color-scheme: dark) { text { fill: #d5dae0; } }
"""


@dataclass(frozen=True)
class Series:
    """A value for each place on the x axis; None where there is none."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Chart:
    title: str
    x_title: str
    y_title: str
    places: Sequence[str]
    series: Sequence[Series]
    one: str = ""  # what the line at 1 is


def number(value: float) -> str:
    return f"{value:.10g}"


def ticks(low: float, high: float) -> list[float]:
    """Some of each decade, the fewer the more decades there are."""
    count = math.log10(high / low)
    steps = (1, 2, 3, 5, 7) if count <= 1 else (1, 2, 5) if count <= 2.5 else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in found if low * 0.999 <= tick <= high * 1.001]


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """The places next to the wanted ones, with so much between them."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = list(wanted)
    for before, after in itertools.pairwise(order):
        places[after] = max(places[after], places[before] + gap)
    lowest = float(HEIGHT - BOTTOM)
    for i in reversed(order):
        places[i] = min(places[i], lowest)
        lowest = places[i] - gap
    return places


def text(x: float, y: float, words: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def document(title: str, parts: Sequence[str], height: int = HEIGHT) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
            f"<style>{STYLE}</style>",
            text(LEFT - 40, 22, title, more=' class="title"'),
            *parts,
            "</svg>\n",
        ]
    )


class Plane:
    """Places in the picture; the y axis is logarithmic."""

    def __init__(self, chart: Chart) -> None:
        values = [v for series in chart.series for v in series.values if v is not None]
        values += [1.0] if chart.one else []
        self.low, self.high = min(values) / 1.25, max(values) * 1.25
        self.step = (WIDTH - LEFT - RIGHT) / max(1, len(chart.places) - 1)

    def x(self, place: int) -> float:
        return LEFT + place * self.step

    def y(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)


def frame(chart: Chart, plane: Plane) -> list[str]:
    end = WIDTH - RIGHT
    parts = []
    for tick in ticks(plane.low, plane.high):
        parts.append(line(LEFT, plane.y(tick), end, plane.y(tick), "grid"))
        parts.append(text(LEFT - 8, plane.y(tick) + 4, number(tick), "end"))
    for i, place in enumerate(chart.places):
        parts.append(text(plane.x(i), HEIGHT - BOTTOM + 20, place, "middle"))
    parts.append(line(LEFT, HEIGHT - BOTTOM, end, HEIGHT - BOTTOM, "axis"))
    parts.append(text((LEFT + end) / 2, HEIGHT - 12, chart.x_title, "middle"))
    parts.append(text(LEFT - 40, 40, chart.y_title))
    if chart.one:
        parts.append(line(LEFT, plane.y(1), end, plane.y(1), "one"))
    return parts


def curve(series: Series, plane: Plane, colour: str) -> list[str]:
    points = [
        (plane.x(i), plane.y(value)) for i, value in enumerate(series.values) if value is not None
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    marks = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.2"/>',
        *marks,
    ]


def last(series: Series) -> float | None:
    return next((value for value in reversed(series.values) if value is not None), None)


def line_chart(chart: Chart) -> str:
    """Each line has its name at its end, in its colour."""
    plane = Plane(chart)
    parts = frame(chart, plane)
    named = [(series.name, last(series)) for series in chart.series]
    labels = [(name, plane.y(value), i) for i, (name, value) in enumerate(named) if value]
    if chart.one:
        labels.append((chart.one, plane.y(1), len(COLOURS) - 1))
    for i, series in enumerate(chart.series):
        parts += curve(series, plane, COLOURS[i % len(COLOURS)])
    places = spread([y for _, y, _ in labels], 16)
    for (name, _, i), y in zip(labels, places, strict=True):
        style = f' style="fill: {COLOURS[i % len(COLOURS)]}"'
        parts.append(text(WIDTH - RIGHT + 10, y + 4, name, more=style))
    return document(chart.title, parts)


def share_chart(title: str, places: Sequence[str], series: Sequence[Series]) -> str:
    """A bar for each place, its parts as shares of the whole."""
    bar, gap, left = 22, 10, 144
    width = WIDTH - left - 24
    height = TOP + 24 + len(places) * (bar + gap) + 8
    parts = []
    for i, one in enumerate(series):
        key = left + i * 120
        parts.append(f'<rect x="{key}" y="36" width="12" height="12" fill="{COLOURS[i]}"/>')
        parts.append(text(key + 18, 47, one.name))
    for row, place in enumerate(places):
        y = TOP + 24 + row * (bar + gap)
        parts.append(text(left - 10, y + 16, place, "end"))
        values = [max(0.0, one.values[row] or 0.0) for one in series]
        x = float(left)
        for i, value in enumerate(values):
            part = width * value / (sum(values) or 1)
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{part:.1f}" height="{bar}" fill="{COLOURS[i]}"/>'
            )
            x += part
    return document(title, parts, height)
