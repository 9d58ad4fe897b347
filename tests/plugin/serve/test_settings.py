import csv
import io
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from starlette.exceptions import HTTPException  # noqa: E402

from maskrcnn_project.masks.coding import encode  # noqa: E402
from maskrcnn_project.masks.detections import Detections  # noqa: E402
from maskrcnn_project.serve.settings import PageSettings, as_csv, measure_shown, table  # noqa: E402

NAMES = ("cell", "dirt")


@pytest.fixture
def found():
    """In 8 x 12 pixels: cells of 4 x 4 at (1, 1) and (3, 1), of scores 0.9 and 0.6; dirt of 2 x 2 in the first, 0.3."""
    boxes = [(1, 1, 5, 5), (3, 1, 7, 5), (2, 2, 4, 4)]
    masks = []
    for x1, y1, x2, y2 in boxes:
        mask = np.zeros((8, 12), bool)
        mask[y1:y2, x1:x2] = True
        masks.append(encode(mask))
    scores = np.array([0.9, 0.6, 0.3], np.float32)
    return Detections((8, 12), np.array(boxes, np.float32), scores, np.array([0, 0, 1]), masks)


def settings(thresholds="0,0", **query):
    return PageSettings.from_query({"thresholds": thresholds, **query}, 2)


@pytest.mark.parametrize(
    ("thresholds", "overlap", "indices", "areas"),
    [
        ("0,0", "keep", [0, 1, 2], [16, 16, 4]),
        ("0,0", "highest", [0, 1], [16, 8]),  # all of the third lies in the first
        ("0.5,0", "keep", [0, 1, 2], [16, 16, 4]),
        ("0.6,0.5", "keep", [0, 1], [16, 16]),  # 0.6 is from 0.6 on, though no float is 0.6
        ("0.95,0", "highest", [2], [4]),  # what is below the threshold takes nothing
        ("0.7,0", "highest", [0], [16]),
        ("1,1", "highest", [], []),
    ],
)
def test_what_is_left(found, thresholds, overlap, indices, areas):
    chosen = settings(thresholds, overlap=overlap)
    numbers, left = chosen.left(found)
    assert numbers == indices
    assert [row.area for row in measure_shown(left, NAMES, 1)] == areas
    assert left.classes.tolist() == found.classes[indices].tolist()


def test_the_table_has_the_units_that_are_set(found):
    chosen = settings(pixel_size="0.5", unit="um")
    indices, left = chosen.left(found)
    shown = table(measure_shown(left, NAMES, 0.5), indices, left.boxes, chosen)
    titles = [column["title"] for column in shown["columns"]]
    first = dict(zip(titles, shown["rows"][0]["cells"], strict=True))
    assert first["Area (um²)"] == 4  # 16 pixels of a quarter each
    assert first["Centre x (um)"] == 1.5 and first["Box (um)"] == "0.5, 0.5, 2.5, 2.5"
    assert first["Class"] == "cell" and first["Score"] == 0.9 and first["Touching"] == 2
    assert first["Orientation (°)"] is None  # a square has none
    assert shown["rows"][0]["box"] == [1, 1, 5, 5]  # in pixels, for the picture
    assert [row["instance"] for row in shown["rows"]] == [0, 1, 2]


@pytest.mark.parametrize(("size", "title"), [("1", "Area (px²)"), ("2", "Area")])
def test_pixels_are_the_unit_only_of_the_size_one(found, size, title):
    chosen = settings(pixel_size=size)
    assert table([], [], np.zeros((0, 4)), chosen)["columns"][3]["title"] == title


def test_the_csv_is_that_of_predict(found):
    chosen = settings("0.5,0.5", overlap="highest", pixel_size="0.5", unit="um")
    _, left = chosen.left(found)
    rows = list(csv.DictReader(io.StringIO(as_csv(left, NAMES, chosen, "a.png").decode("utf-8"))))
    assert [(row["image"], row["class"], float(row["area_um2"])) for row in rows] == [
        ("a.png", "cell", 4.0),
        ("a.png", "cell", 2.0),
    ]


def test_a_model_without_masks_has_boxes_and_scores(found):
    numbers, left = settings(overlap="highest").left(replace(found, masks=None))
    rows = measure_shown(left, NAMES, 2)
    assert numbers == [0, 1, 2]
    assert rows[1].box == (6, 2, 14, 10) and rows[1].score == pytest.approx(0.6)
    cells = table(rows, numbers, left.boxes, settings())["rows"][2]["cells"]
    assert cells[:4] == [3, "dirt", 0.3, None]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"thresholds": "0.5"}, "Wanted 2 thresholds"),
        ({"thresholds": "0.5,1.5"}, "from 0 to 1"),
        ({"thresholds": "0.5,nan"}, "from 0 to 1"),
        ({"thresholds": "0.5,x"}, "x"),
        ({}, "could not convert"),
        ({"thresholds": "0,0", "overlap": "lowest"}, "keep, highest"),
        ({"thresholds": "0,0", "pixel_size": "0"}, "above 0"),
        ({"thresholds": "0,0", "pixel_size": "inf"}, "above 0"),
        ({"thresholds": "0,0", "unit": "=1+1"}, "letters"),
        ({"thresholds": "0,0", "unit": "a" * 13}, "at most 12 letters"),
    ],
)
def test_what_cannot_be_chosen(query, said):
    with pytest.raises(HTTPException) as caught:
        PageSettings.from_query(query, 2)
    assert caught.value.status_code == 400 and said in caught.value.detail
