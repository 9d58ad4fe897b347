"""
Charts as SVG for ``html_page``: columns over a scale, bars with names, a heat map, lines in the unit square.

Colours are the page's (``var(--first)``, ...), so charts follow it into the dark and onto paper. Every mark has a
``title``, which browsers show under the pointer. Lengths are in units of the drawing, which the page scales.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from maskrcnn_project.pages.html_page import Html, escape

COLOURS = ("var(--first)", "var(--second)")  # of the series, in their order
MORE_COLOURS = tuple(f"var(--{name})" for name in ("third", "fourth", "fifth", "sixth", "seventh", "eighth"))
LINE_COLOURS = COLOURS + MORE_COLOURS
WIDTH, HEIGHT = 480, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 22, 40  # room round the plot, for the labels
SQUARE_WIDTH, SQUARE_HEIGHT, SQUARE_TOP = 420, 320, 12  # of charts whose axes both go from 0 to 1
FONT = 11
CHARACTER = 6.2  # width of an average character of that size
MAX_LABELS = 13  # under a chart of columns
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
    step = 2 ** max(0, math.ceil(math.log2(len(edges) / MAX_LABELS)))  # meets every power of two of a scale by factors
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
                f'fill="{COLOURS[place]}"><title>{escape(name)}: {number(value)} {escape(what)}</title></rect>'
            )
            parts.append(_text(left + length + 4, y + thickness - 2, number(value), "start", min(FONT, thickness + 1)))
    for index, name in enumerate(names):
        parts.append(_text(left - 6, 22 + index * pitch + pitch / 2, _shorten(name), "end"))
    return _svg(WIDTH * 1.5, 24 + len(names) * pitch, title, parts)


def intervals(names: Sequence[str], values: Sequence[tuple[float, float, float]], *, title: str, unit: str) -> Html:
    """
    A line with a dot for each name, round zero: a change with its uncertainty.

    Args:
        values: (low, middle, high) of each; those that leave out zero are drawn strong.
        unit: of the values, beside the numbers of the axis.
    """
    pitch, wide = 22.0, WIDTH * 1.5
    left = min(NAME_LENGTH, max((len(name) for name in names), default=1)) * CHARACTER + 12
    reach = 1.1 * max([1e-9, *(abs(value) for each in values for value in each)])  # room for the label of the last tick
    middle, half = (left + wide - RIGHT) / 2, (wide - RIGHT - left) / 2
    bottom = TOP + len(names) * pitch
    parts = [f'<path d="M{middle:.1f} {TOP}V{bottom:.1f}" stroke="var(--soft)"/>']
    for tick in ticks(reach)[-1:]:
        for value in (-tick, 0.0, tick):
            x = middle + half * value / reach
            parts.append(f'<path d="M{x:.1f} {TOP}V{bottom:.1f}" stroke="var(--line)"/>')
            parts.append(_text(x, TOP - 8, f"{value:+g}" if value else f"0 {unit}", "middle"))
    for index, (name, (low, value, high)) in enumerate(zip(names, values, strict=True)):
        y = TOP + (index + 0.5) * pitch
        ink = COLOURS[0] if low > 0 or high < 0 else "var(--soft)"
        said = escape(f"{name}: {value:+.1f}, from {low:+.1f} to {high:+.1f} {unit}")
        start, end, dot = (middle + half * each / reach for each in (low, high, value))
        parts.append(
            f'<g><title>{said}</title><path d="M{start:.1f} {y:.1f}H{end:.1f}" stroke="{ink}" stroke-width="3"/>'
            f'<circle cx="{dot:.1f}" cy="{y:.1f}" r="4.5" fill="{ink}"/></g>'
        )
        parts.append(_text(left - 6, y + 4, _shorten(name), "end"))
    return _svg(wide, bottom + 6, title, parts)


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


def lines(
    series: Mapping[str, np.ndarray],
    *,
    title: str,
    x_label: str,
    y_label: str,
    marks: Mapping[str, tuple[float, float]] | None = None,
) -> Html:
    """
    Lines over one scale from 0 to 1 on both axes, in ``LINE_COLOURS`` (see ``html_page.legend``).

    Args:
        series: name of a line -> its points (P, 2), x and y from 0 to 1, in the order in which they are joined;
            at most as many as there are colours.
        title: what the chart shows, for those who cannot see it.
        marks: name of a line -> a point of it that gets a dot.
    """
    assert len(series) <= len(LINE_COLOURS), f"{len(series)} lines, but {len(LINE_COLOURS)} colours"
    parts = _unit_square(x_label, y_label)
    dots = []
    for index, (name, points) in enumerate(series.items()):
        dashes = ' stroke-dasharray="7 3"' if index >= len(LINE_COLOURS) // 2 else ""  # told apart on paper, too
        places = [_in_square(x, y) for x, y in np.asarray(points, dtype=float).tolist()]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{LINE_COLOURS[index]}" stroke-width="2" '
            f'stroke-linejoin="round"{dashes}><title>{escape(name)}</title></polyline>'
        )
        if marks and name in marks:
            x, y = _in_square(*marks[name])
            said = f"{name}: {x_label} {marks[name][0]:.2f}, {y_label} {marks[name][1]:.2f}"
            dots.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{LINE_COLOURS[index]}" stroke="var(--ground)" '
                f'stroke-width="1.5"><title>{escape(said)}</title></circle>'
            )
    return _svg(SQUARE_WIDTH, SQUARE_HEIGHT, title, parts + dots)


def against_diagonal(
    edges: Sequence[float], heights: Sequence[float], said: Sequence[str], *, title: str, x_label: str, y_label: str
) -> Html:
    """
    Columns in the unit square beside its diagonal: what comes true beside what was promised.

    Args:
        edges: borders of the columns from 0 to 1, ascending, one more than ``heights``.
        heights: from 0 to 1; NaN where there is nothing to show.
        said: of each column, what the pointer shows.
    """
    parts = _unit_square(x_label, y_label)
    for low, high, height, words in zip(edges[:-1], edges[1:], heights, said, strict=True):
        if math.isnan(height):
            continue
        (left, top), (right, bottom) = _in_square(low, height), _in_square(high, 0.0)
        parts.append(
            f'<rect x="{left + 0.5:.1f}" y="{top:.1f}" width="{max(0.5, right - left - 1):.1f}" '
            f'height="{bottom - top:.1f}" fill="{COLOURS[0]}" fill-opacity="0.8"><title>{escape(words)}</title></rect>'
        )
    (x1, y1), (x2, y2) = _in_square(0, 0), _in_square(1, 1)
    parts.append(f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{COLOURS[1]}" stroke-width="2"/>')
    return _svg(SQUARE_WIDTH, SQUARE_HEIGHT, title, parts)


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


def _shorten(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"


def _span(low: float, high: float, whole: bool) -> str:
    """What a column holds."""
    if not whole:
        return f"{number(low)} to {number(high)}"
    return number(low) if high - low <= 1 else f"{number(low)}-{number(high - 1)}"


def _in_square(x: float, y: float) -> tuple[float, float]:
    """Where a point of the unit square lies in the drawing."""
    width, height = SQUARE_WIDTH - LEFT - RIGHT, SQUARE_HEIGHT - SQUARE_TOP - BOTTOM
    return LEFT + width * x, SQUARE_TOP + height * (1 - y)


def _unit_square(x_label: str, y_label: str) -> list[str]:
    """Both axes with their grid, from 0 to 1."""
    parts = []
    for value in ticks(1.0):
        (x, y), (right, top) = _in_square(value, value), _in_square(1.0, 1.0)
        (left, bottom), text = _in_square(0.0, 0.0), number(round(value, 10))
        parts.append(f'<path d="M{left:.1f} {y:.1f}H{right:.1f}M{x:.1f} {bottom:.1f}V{top:.1f}" stroke="var(--line)"/>')
        parts.append(_text(left - 6, y + 4, text, "end"))
        parts.append(_text(x, bottom + 14, text, "middle"))
    parts.append(_text(LEFT + (SQUARE_WIDTH - LEFT - RIGHT) / 2, SQUARE_HEIGHT - 6, x_label, "middle"))
    middle = SQUARE_TOP + (SQUARE_HEIGHT - SQUARE_TOP - BOTTOM) / 2
    label = _text(14, middle, y_label, "middle")
    return [*parts, f'<g transform="rotate(-90 14 {middle:.1f})">{label}</g>']


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
        f"{escape(content)}</text>"
    )


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> Html:
    return Html(
        f'<svg viewBox="0 0 {width:g} {height:.0f}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
