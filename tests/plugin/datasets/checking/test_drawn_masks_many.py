"""More masks in one image than pycocotools counts at once."""

import numpy as np

from maskrcnn_project.masks.coding import areas_of, encode


def test_three_hundred_masks_of_one_image():
    mask = np.zeros((20, 20), dtype=bool)
    mask[2:5, 3:8] = True
    assert areas_of([encode(mask)] * 300).tolist() == [15] * 300
    assert areas_of([]).shape == (0,)
