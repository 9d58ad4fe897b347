"""Outlines through pixel centres, as OpenCV's contours are, and outlines that are none."""

import cv2
import numpy as np
import pytest

from maskrcnn_project.datasets.checking.frames import pair_of
from maskrcnn_project.datasets.checking.pixel_centres import centre_fault, grown
from maskrcnn_project.masks.coding import decode, outlines
from tests.plugin.datasets.checking.sound_set import HEIGHT, WIDTH, found_in, sound_coco

YS, XS = np.mgrid[:HEIGHT, :WIDTH]


def blob(x, y, radius):
    return ((XS - x) ** 2 + 2 * (YS - y) ** 2 < radius**2) | ((abs(XS - x) < 2) & (abs(YS - y) < radius))


MASKS = [blob(30, 40, 9), blob(60, 20, 12), blob(4, 95, 10), blob(100, 60, 25), blob(118, 3, 7)]


def pair(polygons, mask=None):
    row = {"segmentation": polygons}
    if mask is not None:
        x, y = XS[mask].min(), YS[mask].min()
        row["bbox"] = [int(x), int(y), int(XS[mask].max() - x + 1), int(YS[mask].max() - y + 1)]
    return pair_of(row, HEIGHT, WIDTH)


def contours(mask, approximation=cv2.CHAIN_APPROX_SIMPLE):
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, approximation)
    return [contour.ravel().tolist() for contour in found]


@pytest.mark.parametrize("approximation", [cv2.CHAIN_APPROX_NONE, cv2.CHAIN_APPROX_SIMPLE])
@pytest.mark.parametrize("boxed", [False, True])
def test_contours_are_found_and_grown_to_the_mask(approximation, boxed):
    pairs = [pair(contours(mask, approximation), mask if boxed else None) for mask in MASKS]
    detail, rows = centre_fault(pairs)
    assert len(rows) == len(MASKS)
    drawn = sum(decode(row["segmentation"], HEIGHT, WIDTH).sum() for row in rows)
    missing = 1 - drawn / sum(mask.sum() for mask in MASKS)
    assert abs(float(detail.split("%")[0].split()[-1]) / 100 - missing) < 0.03
    for row, mask in zip(rows, MASKS, strict=True):
        assert (decode(grown(row["segmentation"], HEIGHT, WIDTH), HEIGHT, WIDTH) == mask).all()


def test_outlines_along_edges_are_none():
    assert centre_fault([pair(outlines(mask)[0], mask) for mask in MASKS]) is None
    shifted = [[[value + 0.5 for value in part] for part in contours(mask)] for mask in MASKS]
    assert centre_fault([pair(polygons, mask) for polygons, mask in zip(shifted, MASKS, strict=True)]) is None


def test_hand_drawn_polygons_of_whole_numbers_are_none():
    rng = np.random.default_rng(0)
    turn = np.sort(rng.random((20, 9)) * 2 * np.pi, axis=1)
    drawn = np.rint(np.stack([60 + 30 * np.cos(turn), 50 + 30 * np.sin(turn)], axis=2)).astype(int)
    assert centre_fault([pair([each.ravel().tolist()]) for each in drawn]) is None


def test_rectangles_are_none_and_go_with_the_others():
    squares = [pair([[10, 10, 30, 10, 30, 30, 10, 30]]) for _ in range(4)]
    assert centre_fault(squares) is None
    _, rows = centre_fault([pair(contours(mask)) for mask in MASKS] + squares)
    assert len(rows) == len(MASKS) + len(squares)


def test_dots_and_lines_of_pixels_come_back():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5, 7] = mask[20, 30:40] = mask[50:60, 50:60] = True
    assert (decode(grown(contours(mask), HEIGHT, WIDTH), HEIGHT, WIDTH) == mask).all()


def test_a_sound_set_is_silent():
    assert "polygon-centres" not in found_in(sound_coco())
