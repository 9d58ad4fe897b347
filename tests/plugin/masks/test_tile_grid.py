"""Tiles over an image: they cover it, overlap enough, and are found by what they touch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_project.masks.tile_grid import Grid, offsets
from maskrcnn_project.masks.window import Window

SIZES = st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1)))


@pytest.mark.parametrize(
    ("length", "size", "overlap", "expected"),
    [
        (100, 100, 0, [0]),
        (40, 100, 30, [0]),  # a line below the size has one tile
        (200, 100, 0, [0, 100]),
        (201, 100, 0, [0, 50, 101]),  # three are needed, and spread evenly
        (256, 128, 32, [0, 64, 128]),
        (160, 100, 40, [0, 60]),
    ],
)
def test_where_tiles_begin(length, size, overlap, expected):
    assert offsets(length, size, overlap) == expected


@given(length=st.integers(1, 300), sizes=SIZES)
def test_a_line_is_covered_by_as_few_tiles_as_can_be(length, sizes):
    size, overlap = sizes
    starts = offsets(length, size, overlap)
    assert starts[0] == 0 and (starts[-1] == length - size if length > size else len(starts) == 1)
    steps = np.diff(starts)
    assert ((steps > 0) & (steps <= size - overlap)).all()
    if len(starts) > 1:  # one tile less would not reach the end with this overlap
        assert size + (len(starts) - 2) * (size - overlap) < length


@settings(max_examples=50, deadline=None)
@given(height=st.integers(1, 60), width=st.integers(1, 60), sizes=SIZES)
def test_tiles_cover_the_image_and_nothing_else(height, width, sizes):
    size, overlap = sizes
    grid = Grid(height, width, size, overlap)
    covered = np.zeros((height, width), dtype=int)
    for tile in grid.tiles:
        assert tile.x + tile.width <= width and tile.y + tile.height <= height
        assert (tile.height, tile.width) == (min(size, height), min(size, width))
        covered[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] += 1
    assert covered.min() >= 1


@settings(max_examples=50, deadline=None)
@given(data=st.data(), sizes=SIZES)
def test_the_tiles_that_touch_a_window(data, sizes):
    grid = Grid(50, 70, *sizes)
    x, y = data.draw(st.integers(0, 69)), data.draw(st.integers(0, 49))
    window = Window(x, y, data.draw(st.integers(0, 70 - x)), data.draw(st.integers(0, 50 - y)))
    common = [tile.cut(window) for tile in grid.tiles]
    assert list(grid.touching(window)) == [n for n, part in enumerate(common) if part.width and part.height]


@settings(max_examples=50, deadline=None)
@given(data=st.data(), sizes=SIZES)
def test_what_is_not_wider_than_the_overlap_is_whole_in_some_tile(data, sizes):
    grid = Grid(50, 70, *sizes)
    x, y = data.draw(st.integers(0, 69)), data.draw(st.integers(0, 49))
    window = Window(x, y, data.draw(st.integers(1, 70 - x)), data.draw(st.integers(1, 50 - y)))
    if not grid.is_wider_than(sizes[1], window):
        assert window in [tile.cut(window) for tile in grid.tiles]


def test_windows_apart_have_nothing_in_common():
    assert Window(0, 0, 5, 5).cut(Window(3, 2, 5, 1)) == Window(3, 2, 2, 1)
    apart = Window(0, 0, 5, 5).cut(Window(7, 0, 5, 5))
    assert apart.width == 0
