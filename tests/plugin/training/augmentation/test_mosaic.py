"""A mosaic of four 2 x 2 or smaller tiles, pixel by pixel."""

import numpy as np
import pytest

from maskrcnn_project.training.augmentation.mosaic import corners, draw_corners, mosaic
from maskrcnn_project.training.augmentation.sample import Sample


def tile(value, height, width, *objects):
    """An image of one grey level; objects are (class, rows of the mask)."""
    masks = [np.array(rows, dtype=bool) for _, rows in objects]
    return Sample(
        np.full((height, width, 3), value, dtype=np.uint8),
        np.array(masks).reshape(-1, height, width).astype(bool),
        np.array([label for label, _ in objects], dtype=np.int64),
    )


def test_corners_meet_at_the_point():
    assert corners(4, 5, 1, 3) == [(0, 0, 1, 3), (0, 3, 1, 5), (1, 0, 4, 3), (1, 3, 4, 5)]


def test_four_tiles_by_hand():
    tiles = [
        tile(10, 1, 2, (7, [[1, 0]])),
        tile(20, 1, 1),  # an image without an object
        tile(30, 2, 2, (5, [[0, 0], [1, 1]]), (6, [[0, 1], [0, 0]])),
        tile(40, 2, 1, (7, [[1], [1]])),
    ]
    sample = mosaic(tiles, corners(3, 3, 1, 2))
    assert sample.image[:, :, 0].tolist() == [[10, 10, 20], [30, 30, 40], [30, 30, 40]]
    assert sample.image.dtype == np.uint8
    assert sample.classes.tolist() == [7, 5, 6, 7]
    assert sample.masks.astype(int).tolist() == [
        [[1, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 0], [1, 1, 0]],
        [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 1], [0, 0, 1]],
    ]
    instances = sample.to_instances()
    assert instances.gt_boxes.tensor.tolist() == [[0, 0, 1, 1], [0, 2, 2, 3], [1, 1, 2, 2], [2, 1, 3, 3]]


def test_four_images_without_objects():
    sample = mosaic([tile(0, 1, 1)] * 4, corners(2, 2, 1, 1))
    instances = sample.to_instances()
    assert len(instances) == 0
    assert instances.gt_boxes.tensor.shape == (0, 4) and instances.gt_masks.tensor.shape == (0, 2, 2)
    assert str(instances.gt_classes.dtype) == "torch.int64"


@pytest.mark.parametrize("size", [(2, 2), (2, 300), (97, 101)])
def test_drawn_corners_fill_the_canvas_and_none_is_empty(size):
    for seed in range(50):
        np.random.seed(seed)
        times = np.zeros(size, dtype=int)
        for y0, x0, y1, x1 in draw_corners(*size):
            assert y1 > y0 and x1 > x0
            times[y0:y1, x0:x1] += 1
        assert (times == 1).all()


def test_the_meeting_point_lies_in_the_middle_half():
    np.random.seed(0)
    points = np.array([draw_corners(100, 200)[0][2:] for _ in range(200)])
    assert points.min(axis=0).tolist() >= [25, 50] and points.max(axis=0).tolist() <= [75, 150]
    assert np.ptp(points[:, 0]) > 40 and np.ptp(points[:, 1]) > 80  # and goes through all of it
