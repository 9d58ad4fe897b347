"""measurements.csv."""

import csv
from pathlib import PurePosixPath

import numpy as np
import pytest

from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.prediction.writing.measurements_writer import MeasurementsWriter
from tests.plugin.masks.found_of import found_of, pixels_of


def rows_of(path, *images, **options):
    writer = MeasurementsWriter(path, ('cell, "living"', "dirt"), **options)
    for name, found in images:
        writer.add(PurePosixPath(name), None, found)
    writer.finish()
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


BAR, SQUARE = pixels_of("......", ".####.", "......"), pixels_of("##....", "##....", "......")


def test_a_row_for_each_instance_numbered_in_each_image(tmp_path):
    rows = rows_of(
        tmp_path / "m.csv",
        ("a.png", found_of(BAR, SQUARE, classes=[0, 1])),
        ("empty.png", Detections.none((3, 6))),
        ("deep/ä.png", found_of(BAR)),
    )
    assert [(row["image"], row["instance"], row["class"]) for row in rows] == [
        ("a.png", "1", 'cell, "living"'),
        ("a.png", "2", "dirt"),
        ("deep/ä.png", "1", 'cell, "living"'),
    ]
    bar, square = rows[:2]
    assert bar["score"] == "0.899999976"  # the float32 next to 0.9
    assert (bar["area_px2"], bar["x1_px"], bar["y1_px"], bar["x2_px"], bar["y2_px"]) == ("4", "1", "1", "5", "2")
    assert (bar["centroid_x_px"], bar["centroid_y_px"]) == ("3", "1.5")
    assert (bar["orientation_degrees"], bar["solidity"], bar["neighbours"]) == ("0", "1", "1")
    assert square["orientation_degrees"] == ""  # it has none


def test_columns_tell_their_unit(tmp_path):
    [row] = rows_of(tmp_path / "m.csv", ("a.png", found_of(BAR)), pixel_size=0.5, unit="µm")
    assert (row["area_µm2"], row["centroid_x_µm"], row["orientation_degrees"]) == ("1", "1.5", "0")
    assert list(row)[4:6] == ["area_µm2", "perimeter_µm"]


def test_a_pixel_size_without_a_unit_names_none(tmp_path):
    [row] = rows_of(tmp_path / "m.csv", ("a.png", found_of(BAR)), pixel_size=0.5)
    assert (row["area"], row["x1"]) == ("1", "0.5")


def test_a_large_area_is_written_to_the_pixel(tmp_path):
    [row] = rows_of(tmp_path / "m.csv", ("a.png", found_of(np.ones((1111, 1111)))))
    assert row["area_px2"] == "1234321"


def test_nothing_found_is_a_table_without_rows(tmp_path):
    assert rows_of(tmp_path / "m.csv") == []
    assert (tmp_path / "m.csv").read_text().startswith("image,instance,class,score,area_px2,perimeter_px,x1_px")


@pytest.mark.parametrize(("options", "words"), [({"unit": "u m"}, "letters.*'u m'"), ({"pixel_size": 0.0}, "above 0")])
def test_what_is_no_unit_and_no_size_is_refused_before_anything_is_written(tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        MeasurementsWriter(tmp_path / "m.csv", ("cell",), **options)
    assert not list(tmp_path.iterdir())
