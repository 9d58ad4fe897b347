"""Drawn pictures, as files."""

from pathlib import PurePosixPath

import cv2
import numpy as np

from maskrcnn_project.prediction.writing.drawn_writer import DrawnWriter
from maskrcnn_project.prediction.writing.layout import Layout
from maskrcnn_project.visualization.pictures import draw_detections
from tests.plugin.masks.found_of import found_of


def test_the_picture_lies_as_its_image(tmp_path):
    image, found = np.full((600, 500, 3), 40, np.uint8), found_of(np.eye(600, 500))
    writer = DrawnWriter(Layout(tmp_path, []), ("line",))
    writer.add(PurePosixPath("deep/a.jpg"), image, found)
    writer.finish()
    picture = cv2.imread(str(tmp_path / "deep" / "a.png"))
    np.testing.assert_array_equal(picture, draw_detections(image, found, ("line",)))
