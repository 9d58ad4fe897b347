"""Masks in their boxes, against the whole image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_project.masks.coding import decode_crop, encode, encode_crop
from maskrcnn_project.masks.mask_in_box import MaskInBox, unite
from maskrcnn_project.masks.window import Window
from tests.plugin.masks.found_of import pixels_of

SIDE = 12
IMAGE = Window(0, 0, SIDE, SIDE)


@st.composite
def masks(draw, low=0):
    """In an image of SIDE x SIDE; with ``low`` below 0 they may reach beyond it."""
    x, y = draw(st.integers(low, SIDE)), draw(st.integers(low, SIDE))
    width, height = draw(st.integers(0, SIDE - max(x, 0))), draw(st.integers(0, SIDE - max(y, 0)))
    bits = draw(st.lists(st.booleans(), min_size=width * height, max_size=width * height))
    return MaskInBox.at(x, y, np.array(bits, dtype=bool).reshape(height, width))


def drawn(mask):
    return mask.in_tile(IMAGE)


def test_by_hand():
    mask = MaskInBox.at(2, 1, pixels_of("...", ".#.", ".##"))
    assert mask.window == Window(2, 1, 3, 3) and mask.area == 3
    assert mask.within(Window(0, 0, 4, 3)).tolist() == [[False, False], [False, True]]
    assert mask.in_tile(Window(3, 2, 3, 3)).tolist() == pixels_of("#..", "##.", "...").tolist()
    trimmed = mask.trim()
    assert trimmed.window == Window(3, 2, 2, 2) and trimmed.pixels.tolist() == [[True, False], [True, True]]
    assert mask.shift(-2, 3).window == Window(0, 4, 3, 3)


@given(masks(low=-4), masks(low=-4))
def test_two_masks_are_their_pixels_in_the_image(one, other):
    both = drawn(one) & drawn(other)
    assert one.common_pixels(other, IMAGE) == both.sum()
    united = unite([one, other], IMAGE)
    assert np.array_equal(drawn(united), drawn(one) | drawn(other)) and united.window.cut(IMAGE) == united.window
    assert unite([one, other]).area == one.area + other.area - one.common_pixels(other)
    assert np.array_equal(drawn(one.trim()), drawn(one)) and one.trim().area == one.area


@given(masks())
def test_run_lengths_are_those_of_the_whole_image(mask):
    rle = encode_crop(mask, (SIDE, SIDE))
    assert rle == encode(drawn(mask))
    again = decode_crop(rle)
    assert np.array_equal(drawn(again), drawn(mask)) and again.window == mask.trim().window


def test_iou():
    square = MaskInBox.full(Window(0, 0, 4, 4))
    assert square.iou(square.shift(2, 0)) == pytest.approx(8 / 24)
    assert square.iou(square.shift(9, 9)) == 0
    assert square.shift(5, 6).iou(square.shift(5, 6)) == 1
    assert MaskInBox.none().iou(MaskInBox.none()) == MaskInBox.none().iou(square) == 0


def test_nothing_is_a_mask_too():
    empty = MaskInBox.at(3, 4, np.zeros((2, 5), dtype=bool))
    for mask in (empty, MaskInBox.none()):
        assert mask.area == 0 and mask.trim().window == Window(0, 0, 0, 0)
        assert not mask.in_tile(Window(1, 1, 4, 6)).any() and mask.in_tile(Window(1, 1, 4, 6)).shape == (6, 4)
        assert unite([mask, mask]).area == 0


def test_pixels_of_another_size_than_the_window():
    with pytest.raises(AssertionError, match="2, 3"):
        MaskInBox(Window(0, 0, 3, 2), np.zeros((3, 2), dtype=bool))
