"""Borders joined by seams: one line, the same pixels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_project.datasets.conversion.hole_bridges import join_rings, touches_itself
from maskrcnn_project.masks.coding import decode, outlines


@st.composite
def masks(draw):
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    return np.array(bits).reshape(height, width)


def test_a_square_and_its_hole():
    outer, hole = [0, 0, 9, 0, 9, 9, 0, 9], [3, 3, 3, 6, 6, 6, 6, 3]
    # from the first corner over the seam to the hole, once round it, and back over the seam
    assert join_rings([outer, hole]) == [0, 0, 3, 3, 3, 6, 6, 6, 6, 3, 3, 3, 0, 0, 9, 0, 9, 9, 0, 9]


def test_one_border_stays_as_it_is():
    assert join_rings([[0, 0, 4, 0, 0, 4]]) == [0, 0, 4, 0, 0, 4]
    assert not touches_itself([0, 0, 4, 0, 0, 4])


def test_each_border_is_joined_where_it_is_nearest():
    squares = [[x, 0, x + 1, 0, x + 1, 1, x, 1] for x in (0, 10, 3)]
    line = np.array(join_rings(squares)).reshape(-1, 2)
    lengths = np.abs(np.diff(line, axis=0)).sum(axis=1)
    assert sorted(lengths)[-4:] == [2, 2, 6, 6]  # from 1 to 3 and from 4 to 10, each there and back


def test_a_repeated_point_is_no_touch_and_a_seam_is_one():
    assert not touches_itself([0, 0, 0, 0, 4, 0, 0, 4, 0, 0])
    assert touches_itself(join_rings([[0, 0, 9, 0, 9, 9, 0, 9], [3, 3, 3, 6, 6, 6]]))


@given(masks())
def test_the_joined_line_encloses_the_same_pixels(mask):
    outer, holes = outlines(mask)
    if outer:
        assert np.array_equal(decode([join_rings([*outer, *holes])], *mask.shape), mask)


def test_many_borders():
    """A chequerboard of single pixels, more points than are looked at in one go."""
    mask = np.zeros((61, 61), dtype=bool)
    mask[::2, ::2] = True
    assert np.array_equal(decode([join_rings(outlines(mask)[0])], 61, 61), mask)
