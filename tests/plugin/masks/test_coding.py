"""Masks there and back: polygons along pixel edges, run lengths, holes, nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_project.masks.coding import (
    box_xywh_of,
    decode,
    encode,
    outlines,
    polygon_box_xywh,
    segmentation_of,
)

RING = np.array([[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 0, 1, 0], [0, 1, 1, 1, 0]], dtype=bool)


@st.composite
def masks(draw):
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    return np.array(bits).reshape(height, width)


def test_an_outline_runs_along_the_edges_of_the_pixels():
    mask = np.zeros((5, 6), dtype=bool)
    mask[1:3, 2:5] = True
    outer, holes = outlines(mask)
    assert outer == [[2.0, 1.0, 2.0, 3.0, 5.0, 3.0, 5.0, 1.0]]  # x from 2 to 5, y from 1 to 3
    assert holes == []


def test_a_ring_has_an_outer_border_and_a_hole():
    outer, holes = outlines(RING)
    assert polygon_box_xywh(outer) == [1.0, 1.0, 3.0, 3.0]
    assert polygon_box_xywh(holes) == [2.0, 2.0, 1.0, 1.0]


def test_polygons_without_a_hole_and_run_lengths_with_one():
    assert isinstance(segmentation_of(np.ones((4, 5), dtype=bool)), list)
    assert segmentation_of(RING)["size"] == [4, 5]


@given(masks())
def test_segmentation_and_pixels_are_the_same_mask(mask):
    assert np.array_equal(decode(segmentation_of(mask), *mask.shape), mask)
    assert np.array_equal(decode(encode(mask), *mask.shape), mask)


@given(masks())
def test_an_odd_number_of_borders_goes_round_each_pixel(mask):
    outer, holes = outlines(mask)
    odd = np.zeros_like(mask)
    for border in (*outer, *holes):
        odd ^= decode([border], *mask.shape)
    assert np.array_equal(odd, mask)


def test_uncompressed_run_lengths_go_column_by_column():
    # 2 rows, 3 columns: background 1, then 2 of the object (lower left, upper middle), then 3 of background
    mask = decode({"size": [2, 3], "counts": [1, 2, 3]}, 2, 3)
    assert mask.tolist() == [[False, True, False], [True, False, False]]


def test_run_lengths_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"size \[2, 3\].*\[3, 2\]"):
        decode({"size": [2, 3], "counts": [6]}, 3, 2)


def test_a_polygon_of_less_than_three_points_covers_nothing():
    assert not decode([[1.0, 1.0, 3.0, 3.0]], 4, 4).any()


@pytest.mark.parametrize("nothing", [[], [[]], {"size": [3, 4], "counts": [12]}])
def test_nothing_has_the_size_of_its_image(nothing):
    mask = decode(nothing, 3, 4)
    assert mask.shape == (3, 4) and mask.dtype == bool and not mask.any()
    assert segmentation_of(mask) == [] and box_xywh_of(mask) == [0.0, 0.0, 0.0, 0.0]


def test_the_box_is_in_pixels_from_edge_to_edge():
    assert box_xywh_of(RING) == [1.0, 1.0, 3.0, 3.0]
