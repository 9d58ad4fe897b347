import cv2
import numpy as np
import pytest
from faster_coco_eval.core.mask import rleToBoundary
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_util

from maskrcnn_project.evaluation.metrics.boundary import boundary_distance, boundary_of, boundary_overlaps
from maskrcnn_project.evaluation.metrics.matching import mask_overlaps
from maskrcnn_project.masks.coding import decode, encode
from maskrcnn_project.masks.run_lengths import read_run_lengths
from tests.plugin.evaluation.small_pairs import image


def boundary(mask, distance):
    """The whole image of a boundary."""
    rle = encode(mask)
    part = boundary_of(read_run_lengths(rle["counts"], mask.size), mask.shape[0], distance)
    whole = np.zeros(mask.shape, dtype=np.uint8)
    whole[part.window.slices] = part.pixels
    return whole


@pytest.mark.parametrize(
    "size, distance, reason",
    [
        ((480, 640), 16, "0.02 * 800"),
        ((3, 4), 1, "at least one pixel"),
        ((256, 256), 7, "0.02 * 362.04 = 7.24"),
    ],
)
def test_the_distance_follows_the_diagonal(size, distance, reason):
    assert boundary_distance(size) == distance, reason


def test_a_frame_by_hand():
    mask = np.zeros((7, 8), dtype=bool)
    mask[1:6, 1:7] = True
    frame = mask.copy()
    frame[2:5, 2:6] = False
    np.testing.assert_array_equal(boundary(mask, 1), frame)


def test_the_border_of_the_image_is_an_outline():
    inside = boundary(np.ones((5, 6), dtype=bool), 1) == 0
    assert np.argwhere(inside).min(axis=0).tolist() == [1, 1] and inside.sum() == 12


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 60), width=st.integers(1, 60))
def test_equals_faster_coco_eval(seed, height, width):
    draws = np.random.default_rng(seed)
    mask = cv2.blur(draws.random((height, width)), (5, 5)) < draws.uniform(0.3, 0.9)
    mask[draws.integers(height), draws.integers(width)] = True
    # its other backend leaves pixels in images that are hardly higher than the distance
    wanted = decode(rleToBoundary(encode(mask), backend="opencv"), height, width)
    np.testing.assert_array_equal(boundary(mask, boundary_distance((height, width))), wanted)


def test_a_large_object_is_judged_by_its_outline():
    # in an image of 100 x 100 the boundary is 3 pixels wide; the detection is 4 pixels larger on each side
    pair = image(truth=[(0, 20, 20, 80, 80)], found=[(0, 0.9, 16, 16, 84, 84)], size=(100, 100))
    ious = mask_overlaps(pair.truth, pair.found)
    assert ious[0, 0] == pytest.approx(60**2 / 68**2)
    assert boundary_overlaps(pair.truth, pair.found, ious)[0, 0] == 0  # the frames of 3 pixels do not meet


def test_thin_objects_are_all_boundary():
    pair = image(truth=[(0, 20, 20, 80, 26)], found=[(0, 0.9, 20, 20, 80, 25)], size=(100, 100))
    ious = mask_overlaps(pair.truth, pair.found)
    assert boundary_overlaps(pair.truth, pair.found, ious)[0, 0] == ious[0, 0] == pytest.approx(5 / 6)


def test_crowds_other_classes_and_far_pairs_keep_their_mask_iou():
    found = [(0, 0.9, 10, 10, 90, 90)]
    for truth, crowd in (([(0, 0, 0, 100, 100)], [0]), ([(1, 0, 0, 100, 100)], []), ([(0, 50, 10, 100, 90)], [])):
        pair = image(truth, found, crowd, size=(100, 100))
        ious = mask_overlaps(pair.truth, pair.found)
        np.testing.assert_array_equal(boundary_overlaps(pair.truth, pair.found, ious), ious)


def test_the_given_overlaps_stay_as_they_are():
    pair = image(truth=[(0, 20, 20, 80, 80)], found=[(0, 0.9, 16, 16, 84, 84)], size=(100, 100))
    ious = mask_overlaps(pair.truth, pair.found)
    before = ious.copy()
    boundary_overlaps(pair.truth, pair.found, ious)
    np.testing.assert_array_equal(ious, before)


@pytest.mark.parametrize("truth, found", [([], []), ([(0, 0, 0, 4, 4)], []), ([], [(0, 0.9, 0, 0, 4, 4)])])
def test_nothing(truth, found):
    pair = image(truth, found)
    assert boundary_overlaps(pair.truth, pair.found, mask_overlaps(pair.truth, pair.found)).size == 0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_pairs_equal_the_definition(seed):
    draws = np.random.default_rng(seed)
    boxes = [(0, *draws.integers(0, 20, 2).tolist(), *draws.integers(40, 60, 2).tolist()) for _ in range(4)]
    pair = image(boxes[:2], [(0, 0.9, *boxes[2][1:]), (0, 0.8, *boxes[3][1:])], size=(60, 60))
    ious = mask_overlaps(pair.truth, pair.found)
    edges = [[rleToBoundary(mask) for mask in masks] for masks in (pair.found.masks, pair.truth.masks)]
    wanted = np.minimum(ious, mask_util.iou(*edges, [False] * 2))
    ours = boundary_overlaps(pair.truth, pair.found, ious)
    np.testing.assert_allclose(ours[ious >= 0.5], wanted[ious >= 0.5], rtol=1e-12)
