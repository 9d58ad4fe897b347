"""Polygons cut by a rectangle, checked by hand and against the mask of the polygon."""

import numpy as np
import pytest
from detectron2.data import transforms as T
from detectron2.data.transforms._crop import clip_polygon
from pycocotools import mask as coco_mask


def _area(points):
    x, y = np.asarray(points).T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def _rows(points):
    return sorted(map(tuple, np.asarray(points).round(9).tolist()))


SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10]]


@pytest.mark.parametrize(
    ("window", "corners"),
    [
        ((0, 0, 10, 10), [(0, 0), (0, 10), (10, 0), (10, 10)]),  # on the border is inside
        ((-5, -5, 20, 20), [(0, 0), (0, 10), (10, 0), (10, 10)]),
        ((5, -5, 20, 20), [(5, 0), (5, 10), (10, 0), (10, 10)]),
        ((2, 3, 4, 6), [(2, 3), (2, 6), (4, 3), (4, 6)]),  # window inside the polygon
    ],
)
def test_square(window, corners):
    for outline in (SQUARE, SQUARE[::-1], SQUARE[2:] + SQUARE[:2]):
        (part,) = clip_polygon(np.array(outline, float), *window)
        assert _rows(part) == corners


@pytest.mark.parametrize("window", [(11, 0, 20, 10), (10, 0, 20, 10), (-5, -5, 0, 0)])
def test_outside_or_only_touching_leaves_nothing(window):
    assert clip_polygon(np.array(SQUARE, float), *window) == []


def test_triangle_cut_to_a_quadrilateral():
    (part,) = clip_polygon(np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]]), 0, 0, 4, 8)
    assert _rows(part) == [(0, 0), (0, 8), (4, 0), (4, 4)]


def test_concave_polygon_falls_into_parts():
    # A "U": two arms up, joined below y = 2. What lies above y = 4 is the two arms alone.
    u_shape = np.array([[0, 0], [9, 0], [9, 8], [6, 8], [6, 2], [3, 2], [3, 8], [0, 8]], float)
    parts = clip_polygon(u_shape, 0, 4, 9, 10)
    assert sorted(_rows(p) for p in parts) == [
        [(0, 4), (0, 8), (3, 4), (3, 8)],
        [(6, 4), (6, 8), (9, 4), (9, 8)],
    ]


def test_nested_bays_are_paired_from_outside_in():
    # A comb: an outer bay that holds an inner tooth, cut through all four walls.
    comb = np.array(
        [[0, 0], [10, 0], [10, 6], [8, 6], [8, 2], [6, 2], [6, 6], [4, 6], [4, 2], [2, 2], [2, 6], [0, 6]], float
    )
    parts = clip_polygon(comb, 0, 3, 10, 10)
    assert sorted(_area(p) for p in parts) == [6, 6, 6]


def test_self_crossing_outline_keeps_its_area():
    bow = np.array([[0, 0], [4, 4], [4, 0], [0, 4]], float)
    parts = clip_polygon(bow, 1, 0, 4, 4)
    assert all(len(p) >= 3 for p in parts)
    assert min(p[:, 0].min() for p in parts) == 1


@pytest.mark.parametrize("seed", range(20))
def test_mask_of_the_parts_is_the_window_of_the_mask(seed):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 14))
    radii = rng.uniform(5, 48, 14)  # star-shaped: simple, and concave almost surely
    star = np.stack([50 + radii * np.cos(angles), 50 + radii * np.sin(angles)], 1)
    x0, y0 = rng.integers(10, 50, 2).tolist()
    crop = T.CropTransform(x0, y0, 40, 35)
    expected = crop.apply_segmentation(_rasterise([star], 100, 100))
    got = _rasterise(crop.apply_polygons([star.copy()]), 35, 40)
    # Pixels on the outline may round the other way, since COCO samples the outline from each start anew.
    assert (expected != got).sum() <= 0.02 * expected.size
    assert abs(int(expected.sum()) - int(got.sum())) <= 25


def _rasterise(polygons, height, width):
    if not polygons:
        return np.zeros((height, width), np.uint8)
    runs = coco_mask.frPyObjects([p.reshape(-1).tolist() for p in polygons], height, width)
    return coco_mask.decode(coco_mask.merge(runs))


def test_crop_leaves_the_polygon_given_alone():
    polygon = np.array(SQUARE, float)
    T.CropTransform(2, 2, 4, 4).apply_polygons([polygon])
    assert polygon.tolist() == SQUARE
