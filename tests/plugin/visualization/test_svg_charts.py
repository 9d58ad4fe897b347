import xml.etree.ElementTree as ET

import numpy as np
import pytest

from maskrcnn_project.visualization import svg_charts
from maskrcnn_project.visualization.svg_charts import bars, columns, heat_map, number, ticks

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


@pytest.mark.parametrize(
    "svg",
    [
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
