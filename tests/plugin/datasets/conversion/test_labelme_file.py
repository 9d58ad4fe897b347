"""The parts of a LabelMe file."""

from pathlib import Path

import numpy as np

from maskrcnn_project.datasets.conversion.labelme_file import file_content, free_group, mask_shape, polygon_shapes
from maskrcnn_project.masks.mask_in_box import MaskInBox


def test_the_image_as_seen_from_the_file():
    content = file_content([], Path("/data/photos/deep/a.png"), Path("/data/out/deep"), (6, 8))
    assert content["imagePath"] == "../../photos/deep/a.png"
    assert (content["imageHeight"], content["imageWidth"], content["shapes"]) == (6, 8, [])


def test_only_several_parts_share_a_group():
    triangle = [0.0, 0.0, 4.0, 0.0, 0.0, 4.0]
    [alone] = polygon_shapes("nut", [triangle], 1)
    assert (alone["group_id"], alone["points"]) == (None, [[0, 0], [4, 0], [0, 4]])
    both = polygon_shapes("nut", [triangle, triangle], 3, crowd=True)
    assert [shape["group_id"] for shape in both] == [3, 3]
    assert both[0]["flags"] == {"crowd": True}
    assert (free_group([]), free_group([alone]), free_group([alone, *both])) == (1, 1, 4)


def test_a_mask_names_its_first_and_last_pixel():
    shape = mask_shape("nut", MaskInBox.at(5, 7, np.ones((2, 3), dtype=bool)))
    assert (shape["shape_type"], shape["points"], shape["flags"]) == ("mask", [[5, 7], [7, 8]], {})
