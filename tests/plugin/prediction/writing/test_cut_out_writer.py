"""Cut-outs."""

from pathlib import PurePosixPath

import cv2
import numpy as np
import pytest

from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.prediction.writing.cut_out_writer import CutOutWriter, cut_out, file_name_of
from maskrcnn_project.prediction.writing.layout import Layout
from tests.plugin.masks.found_of import found_of, pixels_of

IMAGE = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(3, 4, 3) + 100
MASK = pixels_of("....", ".#..", ".##.")


def test_opaque_in_the_mask_and_transparent_outside():
    picture = cut_out(IMAGE, found_of(MASK), 0)
    assert picture[:, :, 3].tolist() == [[255, 0], [255, 255]]
    assert picture[0, 0, :3].tolist() == IMAGE[1, 1].tolist()
    assert picture[0, 1].tolist() == [0, 0, 0, 0]


def test_a_file_for_each_instance_that_has_a_pixel(tmp_path):
    found = found_of(MASK, np.zeros((3, 4)), pixels_of("#...", "....", "...."), classes=[1, 0, 0])
    writer = CutOutWriter(Layout(tmp_path, []), ("cell/nucleus", "dirt"))
    writer.add(PurePosixPath("deep/a.jpg"), IMAGE, found)
    writer.add(PurePosixPath("empty.jpg"), IMAGE, Detections.none((3, 4)))
    writer.finish()
    files = sorted(file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.png"))
    assert files == ["deep/a/0001_dirt.png", "deep/a/0003_cell-nucleus.png"]
    again = cv2.imread(str(tmp_path / files[0]), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(again, cut_out(IMAGE, found, 0))


@pytest.mark.parametrize(
    ("name", "file_name"), [("a b/c", "a-b-c"), ("größe_1", "größe_1"), ("../x", "x"), ("??", "object")]
)
def test_names_that_every_file_system_takes(name, file_name):
    assert file_name_of(name) == file_name


def test_boxes_alone_cannot_be_cut_out(tmp_path):
    one = found_of(MASK)
    boxes = Detections(one.size, one.boxes, one.scores, one.classes, None)
    with pytest.raises(ValueError, match="finds boxes only"):
        CutOutWriter(Layout(tmp_path, []), ("cell",)).add(PurePosixPath("a"), IMAGE, boxes)
