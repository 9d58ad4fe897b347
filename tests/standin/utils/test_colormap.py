"""The table of colours."""

from __future__ import annotations

import random

import numpy as np
import pytest
from detectron2.utils.colormap import _to_oklab, colormap, random_color, random_colors


def test_oklab_of_known_colours():
    """Lightness 1 and no colour for white; the published value of red is (0.628, 0.225, 0.126)."""
    lab = _to_oklab(np.array([[1.0, 1, 1], [0, 0, 0], [1, 0, 0]]))
    np.testing.assert_allclose(lab, [[1, 0, 0], [0, 0, 0], [0.628, 0.225, 0.126]], atol=1e-3)


@pytest.mark.parametrize(("count", "distance"), [(5, 0.3), (10, 0.2), (20, 0.13), (80, 0.07)])
def test_first_colours_are_far_apart(count, distance):
    """For scale: black and white are 1 apart, and 0.02 is about what one just sees."""
    lab = _to_oklab(colormap(rgb=True, maximum=1)[:count].astype("float64"))
    pairs = np.linalg.norm(lab[:, None] - lab, axis=2)
    assert pairs[~np.eye(count, dtype=bool)].min() > distance


def test_order_and_scale():
    table = colormap()
    assert (table.shape, table.dtype) == ((80, 3), np.float32)
    assert 200 < table.max() <= 255
    assert table.min() >= 0
    np.testing.assert_array_equal(colormap(rgb=True), table[:, ::-1])
    np.testing.assert_allclose(colormap(maximum=1) * 255, table, rtol=1e-6)
    with pytest.raises(AssertionError, match="must be 255 or 1"):
        colormap(maximum=2)


def test_callers_may_change_what_they_get():
    colormap(rgb=True, maximum=1)[:] = -1
    random_color(rgb=True, maximum=1)[:] = -1
    assert colormap(rgb=True, maximum=1).min() >= 0


def test_random_colours():
    rows = {tuple(row) for row in colormap(rgb=True, maximum=1)}
    np.random.seed(0)
    random.seed(0)
    assert tuple(random_color(rgb=True, maximum=1)) in rows
    drawn = [tuple(color) for color in random_colors(80, rgb=True, maximum=1)]
    assert set(drawn) == rows  # no repetition while the table lasts
    assert len(random_colors(200)) == 200
    assert random_colors(0) == []
