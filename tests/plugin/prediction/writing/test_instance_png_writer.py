"""Pictures of instance numbers."""

from pathlib import PurePosixPath

import cv2
import numpy as np
import pytest

from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.prediction.writing.instance_png_writer import InstancePngWriter, instance_ids
from maskrcnn_project.prediction.writing.layout import Layout
from tests.plugin.masks.found_of import found_of, pixels_of


def test_the_surest_instance_has_the_pixel():
    found = found_of(pixels_of("##..", "...."), pixels_of(".##.", "...."), scores=[0.5, 0.8])
    assert instance_ids(found).tolist() == [[1, 2, 2, 0], [0, 0, 0, 0]]


def test_numbers_above_255_survive_the_file(tmp_path):
    rows = np.eye(300, dtype=bool)[:, None, :]
    writer = InstancePngWriter(Layout(tmp_path, []))
    writer.add(PurePosixPath("deep/a.jpg"), None, found_of(*rows, scores=np.linspace(1, 0.1, 300).tolist()))
    writer.add(PurePosixPath("empty.jpg"), None, Detections.none((2, 3)))
    writer.finish()
    picture = cv2.imread(str(tmp_path / "deep" / "a.png"), cv2.IMREAD_UNCHANGED)
    assert (picture.dtype, picture.tolist()) == (np.uint16, [list(range(1, 301))])
    nothing = cv2.imread(str(tmp_path / "empty.png"), cv2.IMREAD_UNCHANGED)
    assert (nothing.dtype, nothing.tolist()) == (np.uint16, [[0, 0, 0], [0, 0, 0]])


def test_more_than_16_bits_can_number_are_refused(tmp_path):
    one = found_of(np.ones((1, 1)))
    with pytest.raises(ValueError, match=r"a\.png has 65536 instances, but .* 65535"):
        InstancePngWriter(Layout(tmp_path, [])).add(PurePosixPath("a.png"), None, one.kept([0] * 2**16))
    assert not list(tmp_path.iterdir())


def test_boxes_alone_have_no_pixels():
    one = found_of(np.ones((1, 1)))
    with pytest.raises(ValueError, match="finds boxes only"):
        instance_ids(Detections(one.size, one.boxes, one.scores, one.classes, None))
