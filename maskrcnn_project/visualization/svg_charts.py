"""
Charts as SVG for ``html_page``: columns over a scale, bars with names, a heat map.

Colours are the page's (``var(--first)``, ...), so charts follow it into the dark and onto paper. Every mark has a
``title``, which browsers show under the pointer. Lengths are in units of the drawing, which the page scales.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from maskrcnn_project.visualization.html_page import Html, escaped

COLOURS = ("var(--first)", "var(--second)")  # of the series, in their order
WIDTH, HEIGHT = 480, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 22, 40  # room round the plot, for the labels
FONT = 11
CHARACTER = 6.2  # width of an average character of that size
MOST_LABELS = 13  # under a chart of columns
NAME_LENGTH = 28  # characters of a name beside its bar; the rest is shown under the pointer


def columns(
    edges: Sequence[float],
    counts: Sequence[float],
    *,
    title: str,
    x_label: str,
    whole: bool = False,
    marks: Mapping[str, float] | None = None,
) -> Html:
    """
    A histogram whose columns are equally wide, whatever the scale.

    Args:
        edges: the borders of the columns, ascending, one more than ``counts``.
        counts: heights of the columns, not negative.
        title: what the chart shows, for those who cannot see it.
        whole: what is counted are whole numbers; a column holds those from its lower edge to under its upper one.
        marks: names of values that get a dashed line, where they lie between the edges.
    """
    plot_w, plot_h = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    top = max(1.0, *map(float, counts)) if len(counts) else 1.0
    pitch = plot_w / max(1, len(counts))
    parts = _y_axis(top, plot_w, plot_h)
    for index, count in enumerate(counts):
        height = plot_h * count / top
        between = f"{_span(edges[index], edges[index + 1], whole)}: {number(count)}"
        parts.append(
            f'<rect x="{LEFT + index * pitch + 0.5:.1f}" y="{TOP + plot_h - height:.1f}" '
            f'width="{max(0.5, pitch - 1):.1f}" height="{height:.1f}" fill="{COLOURS[0]}">'
            f"<title>{between}</title></rect>"
        )
    step = 2 ** max(0, math.ceil(math.log2(len(edges) / MOST_LABELS)))  # meets every power of two of a scale by factors
    for index in range(0, len(counts) if whole else len(edges), step):
        label = _span(edges[index], edges[index + 1], whole) if whole else number(edges[index])
        parts.append(_text(LEFT + (index + whole / 2) * pitch, TOP + plot_h + 14, label, "middle"))
    for name, value in (marks or {}).items():
        if edges[0] <= value <= edges[-1]:
            x = LEFT + pitch * float(np.interp(value, edges, np.arange(len(edges))))
            parts.append(f'<path d="M{x:.1f} {TOP}V{TOP + plot_h}" stroke="var(--soft)" stroke-dasharray="3 3"/>')
            parts.append(_text(x, TOP - 6, name, "middle"))
    parts.append(_text(LEFT + plot_w / 2, HEIGHT - 6, x_label, "middle"))
    return _svg(WIDTH, HEIGHT, title, parts)


def bars(names: Sequence[str], series: Mapping[str, Sequence[float]], *, title: str) -> Html:
    """
    Horizontal bars, a group for each name, of one or two series; each series on a scale of its own.

    Args:
        series: what the bars of one colour count -> one value, not negative, for each name.
    """
    thickness, gap = (12.0 if len(series) == 1 else 10.0), 6.0
    pitch = thickness * len(series) + gap
    left = min(NAME_LENGTH, max((len(name) for name in names), default=1)) * CHARACTER + 12
    longest = WIDTH * 1.5 - left - 60  # room for the number behind the bar
    parts = []
    for place, (what, values) in enumerate(series.items()):
        parts.append(f'<rect x="{left + place * 120}" y="4" width="10" height="10" fill="{COLOURS[place]}"/>')
        parts.append(_text(left + place * 120 + 14, 13, what, "start"))
        top = max(1.0, *map(float, values)) if len(values) else 1.0
        for index, (name, value) in enumerate(zip(names, values, strict=True)):
            y, length = 22 + index * pitch + place * thickness, longest * value / top
            parts.append(
                f'<rect x="{left:.1f}" y="{y:.1f}" width="{length:.1f}" height="{thickness - 1:.1f}" '
                f'fill="{COLOURS[place]}"><title>{escaped(name)}: {number(value)} {escaped(what)}</title></rect>'
            )
            parts.append(_text(left + length + 4, y + thickness - 2, number(value), "start", min(FONT, thickness + 1)))
    for index, name in enumerate(names):
        shown = name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"
        parts.append(_text(left - 6, 22 + index * pitch + pitch / 2, shown, "end"))
    return _svg(WIDTH * 1.5, 24 + len(names) * pitch, title, parts)


def heat_map(grid: np.ndarray, *, title: str, aspect: float = 1.0) -> Html:
    """
    A (rows, columns) grid of values, not negative; the largest is the darkest. ``aspect`` is height / width.
    """
    rows, cols = grid.shape
    height = min(1.6, max(0.3, aspect)) * 320  # pictures longer than that are shown as if they were not
    cell_w, cell_h = 320 / cols, height / rows
    shade = grid / max(float(grid.max(initial=0.0)), 1e-12)
    parts = [f'<rect width="320" height="{height:.1f}" fill="var(--panel)"/>']
    for r, c in np.argwhere(shade > 0.005).tolist():  # fainter ones cannot be seen
        parts.append(
            f'<rect x="{c * cell_w:.2f}" y="{r * cell_h:.2f}" width="{cell_w:.2f}" height="{cell_h:.2f}" '
            f'fill-opacity="{shade[r, c]:.2f}"/>'
        )
    drawn = f'<g fill="{COLOURS[0]}" shape-rendering="crispEdges">{"".join(parts[1:])}</g>'
    return _svg(320, height, title, [parts[0], drawn])


def number(value: float) -> str:
    """Whole numbers with separators, others with three digits: 12,345  0.125  1.41  31.6."""
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def ticks(top: float) -> list[float]:
    """Round values from 0 to ``top``: steps of 1, 2 or 5 times a power of ten, at most five of them."""
    step = 10.0 ** math.floor(math.log10(top / 5))
    while top / step > 5:
        step *= 2.5 if f"{step:e}".startswith("2") else 2
    return [step * index for index in range(int(top / step) + 1)]


def _span(low: float, high: float, whole: bool) -> str:
    """What a column holds."""
    if not whole:
        return f"{number(low)} to {number(high)}"
    return number(low) if high - low <= 1 else f"{number(low)}-{number(high - 1)}"


def _y_axis(top: float, plot_w: float, plot_h: float) -> list[str]:
    parts = []
    for value in ticks(top):
        y = TOP + plot_h * (1 - value / top)
        parts.append(f'<path d="M{LEFT} {y:.1f}h{plot_w}" stroke="var(--line)"/>')
        parts.append(_text(LEFT - 6, y + 4, number(round(value, 10)), "end"))
    return parts


def _text(x: float, y: float, content: str, anchor: str, size: float = FONT) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" fill="var(--soft)">'
        f"{escaped(content)}</text>"
    )


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> Html:
    return Html(
        f'<svg viewBox="0 0 {width:g} {height:.0f}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escaped(title)}</title>{''.join(parts)}</svg>"
    )
