import xml.etree.ElementTree as ET

import numpy as np
import pytest

from maskrcnn_project.pages import svg_charts
from maskrcnn_project.pages.svg_charts import (
    LINE_COLOURS,
    against_diagonal,
    bars,
    columns,
    heat_map,
    intervals,
    lines,
    number,
    ticks,
)

SVG = "{http://www.w3.org/2000/svg}"


def rectangles(svg):
    """The marks that are named, as (name, attributes)."""
    return [(r.find(f"{SVG}title").text, r.attrib) for r in ET.fromstring(svg).iter(f"{SVG}rect") if len(r)]


def texts(svg):
    return [t.text for t in ET.fromstring(svg).iter(f"{SVG}text")]


def test_columns_are_as_high_as_their_counts():
    svg = columns([1, 2, 4, 8], [10, 5, 0], title="t", x_label="size", marks={"here": 4, "beyond": 9})
    marks = rectangles(svg)
    assert [name for name, _ in marks] == ["1 to 2: 10", "2 to 4: 5", "4 to 8: 0"]
    heights = [float(attributes["height"]) for _, attributes in marks]
    assert heights[0] == 2 * heights[1] > 0 and heights[2] == 0
    assert "here" in texts(svg) and "beyond" not in texts(svg) and "size" in texts(svg)


def test_a_mark_stands_at_its_place_between_the_edges():
    svg = columns([0, 10, 20], [1, 1], title="t", x_label="x", marks={"middle": 10})
    place = next(t for t in ET.fromstring(svg).iter(f"{SVG}text") if t.text == "middle")
    plot = svg_charts.WIDTH - svg_charts.LEFT - svg_charts.RIGHT
    assert float(place.attrib["x"]) == svg_charts.LEFT + plot / 2


def test_columns_of_whole_numbers_say_which_they_hold():
    assert [name for name, _ in rectangles(columns([0, 1, 2], [3, 4], title="", x_label="", whole=True))] == [
        "0: 3",
        "1: 4",
    ]
    assert rectangles(columns([0, 5, 10], [3, 4], title="", x_label="", whole=True))[1][0] == "5-9: 4"


def test_bars_scale_each_series_by_itself_and_cut_long_names():
    long = "a very long name of a class, longer than any label"
    svg = bars(["nut", long], {"instances": [100, 50], "images": [4, 4]}, title="t")
    marks = dict(rectangles(svg))
    assert float(marks["nut: 100 instances"]["width"]) == 2 * float(marks[f"{long}: 50 instances"]["width"])
    assert marks["nut: 100 instances"]["width"] == marks["nut: 4 images"]["width"]
    assert any(text.endswith("…") for text in texts(svg)) and long not in texts(svg)


def test_the_heat_map_marks_full_cells_and_leaves_out_empty_ones():
    grid = np.zeros((2, 4))
    grid[1, 3], grid[0, 0] = 8, 2
    cells = [
        r.attrib for r in ET.fromstring(heat_map(grid, title="t")).iter(f"{SVG}rect") if "fill-opacity" in r.attrib
    ]
    assert [cell["fill-opacity"] for cell in cells] == ["0.25", "1.00"]
    assert (float(cells[1]["x"]), float(cells[1]["y"])) == (240, 160)  # of 320 x 320


def unit_square_of(svg):
    """Turns places in the drawing back into the unit square: its corners are where the axes say 0 and 1."""
    labels = [t for t in ET.fromstring(svg).iter(f"{SVG}text") if t.text in ("0", "1")]
    x0, x1 = (float(t.attrib["x"]) for t in labels if t.attrib["text-anchor"] == "middle")
    y0, y1 = (float(t.attrib["y"]) - 4 for t in labels if t.attrib["text-anchor"] == "end")
    return lambda x, y: (round((x - x0) / (x1 - x0), 2), round((y - y0) / (y1 - y0), 2))


def test_lines_go_through_their_points_and_mark_one():
    points = np.array([[0, 1], [0.5, 0.75], [1, 0]])
    svg = lines({"cell": points, "dirt": points}, title="t", x_label="x", y_label="y", marks={"dirt": (0.5, 0.75)})
    place = unit_square_of(svg)
    drawn = [line.attrib for line in ET.fromstring(svg).iter(f"{SVG}polyline")]
    pairs = [tuple(map(float, pair.split(","))) for pair in drawn[0]["points"].split()]
    assert [place(*pair) for pair in pairs] == [(0, 1), (0.5, 0.75), (1, 0)]
    assert [line["stroke"] for line in drawn] == list(LINE_COLOURS[:2])
    [dot] = ET.fromstring(svg).iter(f"{SVG}circle")
    assert place(float(dot.attrib["cx"]), float(dot.attrib["cy"])) == (0.5, 0.75)
    assert dot.find(f"{SVG}title").text == "dirt: x 0.50, y 0.75"
    assert {"x", "y"} <= set(texts(svg))


def test_the_later_half_of_the_lines_is_dashed():
    svg = lines({str(n): np.zeros((1, 2)) for n in range(8)}, title="t", x_label="x", y_label="y")
    assert ["stroke-dasharray" in line.attrib for line in ET.fromstring(svg).iter(f"{SVG}polyline")] == [False] * 4 + [
        True
    ] * 4


def test_columns_beside_the_diagonal():
    nan = float("nan")
    svg = against_diagonal([0, 0.5, 0.75, 1], [0.2, nan, 1], ["a", "b", "c"], title="t", x_label="x", y_label="y")
    place = unit_square_of(svg)
    marks = dict(rectangles(svg))
    assert list(marks) == ["a", "c"]
    assert place(float(marks["a"]["x"]) - 0.5, float(marks["a"]["y"])) == (0, 0.2)
    assert place(float(marks["c"]["x"]) - 0.5, float(marks["c"]["y"])) == (0.75, 1)


def test_intervals_that_leave_out_zero_are_strong():
    svg = intervals(["sure", "unsure"], [(1, 2, 3), (-2, 1, 4)], title="t", unit="points")
    dots = [dot.attrib for dot in ET.fromstring(svg).iter(f"{SVG}circle")]
    assert [dot["fill"] for dot in dots] == [svg_charts.COLOURS[0], "var(--soft)"]
    zero = next(float(t.attrib["x"]) for t in ET.fromstring(svg).iter(f"{SVG}text") if t.text == "0 points")
    sure, unsure = (float(dot["cx"]) - zero for dot in dots)
    assert sure == pytest.approx(2 * unsure, abs=0.2) and unsure > 0
    assert "sure: +2.0, from +1.0 to +3.0 points" in svg


@pytest.mark.parametrize(
    "svg",
    [
        lines({}, title="t", x_label="x", y_label="y"),
        lines({"a": np.zeros((0, 2))}, title="t", x_label="x", y_label="y"),
        against_diagonal([0, 1], [float("nan")], [""], title="t", x_label="x", y_label="y"),
        intervals([], [], title="t", unit="points"),
        intervals(["a"], [(0, 0, 0)], title="t", unit="points"),
        columns([1, 2], [0], title="t", x_label="x"),
        bars([], {"a": []}, title="t"),
        bars(["x"], {"a": [0]}, title="t"),
        heat_map(np.zeros((2, 2)), title="t"),
    ],
)
def test_nothing_to_show_gives_a_chart_too(svg):
    assert ET.fromstring(svg).tag == f"{SVG}svg"
    assert "nan" not in svg and "inf" not in svg


def test_names_are_text():
    evil = "<script>"
    assert evil not in intervals([evil], [(0, 0, 0)], title=evil, unit=evil)
    assert evil not in against_diagonal([0, 1], [1], [evil], title=evil, x_label=evil, y_label=evil)
    assert evil not in lines({evil: np.zeros((1, 2))}, title=evil, x_label=evil, y_label=evil, marks={evil: (0.0, 0.0)})
    assert "<script" not in bars(["<script>"], {"<b>": [1]}, title="<i>") + columns(
        [0, 1], [1], title="<script>", x_label="<script>", marks={"<script>": 0.5}
    )


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (12345, "12,345"), (0.125, "0.125"), (2**0.5, "1.41"), (12345.6, "12,346")]
)
def test_number(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("top", "values"),
    [(1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (7, [0, 2, 4, 6]), (480, [0, 100, 200, 300, 400]), (12, [0, 5, 10])],
)
def test_ticks_are_round(top, values):
    assert ticks(top) == pytest.approx(values)
