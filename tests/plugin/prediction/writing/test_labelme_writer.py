"""LabelMe files of what was found: read again, they are what was found."""

import json
from pathlib import PurePosixPath

import cv2
import numpy as np
import pytest

from maskrcnn_project.datasets.conversion.labelme import read_labelme
from maskrcnn_project.masks.coding import decode
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.prediction.writing.labelme_writer import LabelMeWriter, shapes_of, simplify
from maskrcnn_project.prediction.writing.layout import Layout
from tests.plugin.masks.found_of import found_of, pixels_of

NAME = PurePosixPath("deep/a.png")
PLAIN = pixels_of("##....", "###...", "......")
PARTS = pixels_of("......", "......", "#...##")
RING = pixels_of("...###", "...#.#", "...###")


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "photos" / NAME), np.zeros((3, 6, 3), np.uint8))
    return tmp_path / "photos"


def writer_of(photos, **options):
    return LabelMeWriter(Layout(photos.parent / "out", [NAME]), ("cell", "dirt"), photos, **options)


def test_without_tolerance_every_pixel_comes_back(photos):
    writer = writer_of(photos, tolerance=0)
    writer.add(NAME, None, found_of(PLAIN, PARTS, RING, classes=[0, 1, 0]))
    writer.finish()
    back = read_labelme(photos.parent / "out", photos).coco
    assert [row["name"] for row in back["categories"]] == ["cell", "dirt"]
    for row, mask, category in zip(back["annotations"], (PLAIN, PARTS, RING), (1, 2, 1), strict=True):
        assert row["category_id"] == category
        np.testing.assert_array_equal(decode(row["segmentation"], 3, 6), mask)


def test_holes_parts_scores_and_the_image(photos):
    writer = writer_of(photos)
    writer.add(NAME, None, found_of(PARTS, RING, scores=[0.876, 0.5]))
    path = photos.parent / "out" / "deep" / "a.json"
    content = json.loads(path.read_text("utf-8"))
    assert (path.parent / content["imagePath"]).samefile(photos / NAME)
    assert (content["imageHeight"], content["imageWidth"], content["imageData"]) == (3, 6, None)
    left, right, ring = content["shapes"]
    assert (left["shape_type"], left["group_id"], right["group_id"]) == ("polygon", 1, 1)
    assert (ring["shape_type"], ring["group_id"], ring["points"]) == ("mask", None, [[3, 0], [5, 2]])
    assert [shape["description"] for shape in (left, ring)] == ["score 0.88", "score 0.50"]


def test_a_tolerance_leaves_fewer_points_and_nearly_the_same_pixels():
    y, x = np.mgrid[:80, :80] + 0.5
    disc = (x - 40) ** 2 + (y - 40) ** 2 < 30**2
    exact, near = (shapes_of(found_of(disc), ("cell",), tolerance)[0]["points"] for tolerance in (0, 1))
    assert len(near) < len(exact) / 5
    filled = decode([np.asarray(near).ravel().tolist()], 80, 80)
    assert (filled ^ disc).sum() < 0.03 * disc.sum()
    apart = [min(np.hypot(*(np.asarray(near) - point).T)) for point in exact]
    assert max(apart) < 15  # a point of the outline is not far from a corner that was kept


def test_what_is_smaller_than_the_tolerance_stays_as_it_is():
    pixel = [3.0, 4.0, 4.0, 4.0, 4.0, 5.0, 3.0, 5.0]
    assert simplify(pixel, 50) == pixel


def test_nothing_found_is_a_file_too(photos):
    writer_of(photos).add(NAME, None, Detections.none((3, 6)))
    assert json.loads((photos.parent / "out" / "deep" / "a.json").read_text())["shapes"] == []


def test_what_was_corrected_by_hand_is_kept_and_an_interrupted_run_goes_on(photos):
    found, path = found_of(PLAIN), photos.parent / "out" / "deep" / "a.json"
    writer_of(photos).add(NAME, None, found)
    writer_of(photos).add(NAME, None, found)
    path.write_text(path.read_text().replace("cell", "dirt"))
    corrected = path.read_text()
    with pytest.raises(FileExistsError, match="corrected by hand"):
        writer_of(photos).add(NAME, None, found)
    assert path.read_text() == corrected


def test_a_tolerance_below_nothing_is_refused(photos):
    with pytest.raises(ValueError, match="0 or more, but is -1"):
        writer_of(photos, tolerance=-1)


def test_boxes_alone_have_no_shapes():
    one = found_of(PLAIN)
    with pytest.raises(ValueError, match="finds boxes only"):
        shapes_of(Detections(one.size, one.boxes, one.scores, one.classes, None), ("cell",), 1)
