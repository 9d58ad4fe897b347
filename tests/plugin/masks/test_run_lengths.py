"""Run lengths by hand, against pixels and pycocotools, and what is no run lengths at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_project.masks.coding import encode
from maskrcnn_project.masks.run_lengths import area_of, box_of, columns_of, crop_of, read_run_lengths


@st.composite
def masks(draw):
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 40))
    density = draw(st.sampled_from((0.0, 0.1, 0.5, 0.97, 1.0)))
    return np.random.default_rng(draw(st.integers(0, 1000))).random((height, width)) < density


def test_by_hand():
    # 2 rows, 3 columns: background 1, object 2 (lower left, upper middle), background 3
    lengths = read_run_lengths([1, 2, 3], 6)
    assert lengths.tolist() == [1, 2, 3] and area_of(lengths) == 2
    assert box_of(lengths, 2) == (0, 0, 2, 2)
    assert columns_of(lengths, 2).tolist() == [[0, 1], [1, 0]]


def test_a_run_that_goes_on_in_the_next_column_touches_both_edges():
    assert box_of(read_run_lengths([3, 2, 7], 12), 4) == (0, 0, 2, 4)
    assert box_of(read_run_lengths([1, 2, 9], 12), 4) == (0, 1, 1, 3)


@given(masks())
def test_compressed_runs_are_the_mask(mask):
    lengths = read_run_lengths(encode(mask)["counts"], mask.size)
    ys, xs = np.nonzero(mask)
    assert area_of(lengths) == mask.sum()
    if not mask.any():
        assert box_of(lengths, len(mask)) is None and columns_of(lengths, len(mask)).shape == (0, len(mask))
        return
    assert box_of(lengths, len(mask)) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    assert np.array_equal(columns_of(lengths, len(mask)), mask.T[xs.min() : xs.max() + 1])
    crop = crop_of(lengths, len(mask))
    assert (crop.window.x, crop.window.y, crop.pixels.dtype) == (xs.min(), ys.min(), bool)
    assert np.array_equal(crop.pixels, mask[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1])


@pytest.mark.parametrize(
    "counts",
    [
        [1, 2, 2],  # 5 of 6 pixels
        [1, 2, 4],
        [8, -2],
        [6.0],
        ["6"],
        [True, 5],
        [10**400],
        [],
        "",
        "6 ",  # a character below the first
        "p",  # one beyond the last
        "\u00e9",
        "P",  # says that more follows
        "7",
        "P" * 20 + "1",
        "o" * 8 + "0",
    ],
)
def test_what_does_not_fill_the_pixels_or_cannot_be_read(counts):
    assert read_run_lengths(counts, 6) is None


def test_compressed_text_by_hand():
    assert read_run_lengths("6", 6).tolist() == [6]  # one character: its distance from "0"
    # 40 = 8 + 1 * 32: the low five bits with the sign that more follows (8 + 32 = 40, "X"), then 1
    assert read_run_lengths("X1", 40).tolist() == [40]


@given(st.text(max_size=12) | st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=30))
def test_any_text_gives_runs_that_fill_the_pixels_or_nothing(text):
    lengths = read_run_lengths(text, 100)
    assert lengths is None or (lengths.sum() == 100 and lengths.min() >= 0)


def test_no_pixels_are_filled_by_no_runs():
    assert read_run_lengths([], 0).tolist() == [] and box_of(read_run_lengths([0], 0), 0) is None
