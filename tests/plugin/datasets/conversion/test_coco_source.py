"""Run lengths that cannot be drawn are named with annotation, image and file, and nothing is written."""

import pytest

from maskrcnn_project.datasets.conversion.labelme import write_labelme
from maskrcnn_project.datasets.conversion.yolo_writer import write_yolo
from maskrcnn_project.errors import DatasetError


@pytest.mark.parametrize("write", [write_labelme, write_yolo])
@pytest.mark.parametrize(
    ("rle", "fault"),
    [
        ({"size": [6, 8], "counts": "b'Q<f0Z1'"}, "that cannot be read"),  # a Python text of bytes
        ({"size": [6, 8], "counts": ""}, "that cannot be read"),
        ({"size": [6, 8], "counts": "o"}, "that cannot be read"),  # ends within a number
        ({"size": [6, 8], "counts": [3, 4]}, "or do not fill the image"),
        ({"size": [6, 8], "counts": [3, 46]}, "or do not fill the image"),
        ({"size": [6, 8], "counts": [50, -2]}, "or do not fill the image"),
        ({"size": [6, 8]}, "that cannot be read"),
        ({"size": [8, 6], "counts": [48]}, r"of the size \[8, 6\]"),
        ({"counts": [48]}, "of the size None"),
    ],
)
def test_broken_run_lengths_are_named(hard_set, tmp_path, write, rle, fault):
    hard_set.annotations[3]["segmentation"] = rle
    named = r"all.json: annotation 4 of the image deep/b.jpg \(6x8, height x width\) has run lengths .*"
    with pytest.raises(DatasetError, match=named + fault):
        write(hard_set, tmp_path / "new")
    assert not (tmp_path / "new").exists()
