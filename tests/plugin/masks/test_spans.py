"""Spans against the pixels that they stand for."""

import numpy as np
import pytest

from maskrcnn_project.masks.coding import encode
from maskrcnn_project.masks.spans import shared_pixels, spans_of, touch
from tests.plugin.masks.found_of import pixels_of


def spans(mask):
    return spans_of(encode(mask))


def random_masks(count=150, seed=0):
    generator = np.random.default_rng(seed)
    for _ in range(count):
        size = generator.integers(1, 9, size=2)
        density = generator.choice([0.1, 0.4, 0.9])
        yield generator.random(size) < density, generator.random(size) < density


def test_columns_from_top_to_bottom():
    one = spans(pixels_of("#.#", "#.#", "..#", "#.#"))
    assert one.columns.tolist() == [0, 0, 2]
    assert one.tops.tolist() == [0, 3, 0]
    assert one.bottoms.tolist() == [2, 4, 4]
    assert one.extent() == (0, 0, 3, 4)


def test_a_run_over_several_columns_is_one_span_in_each():
    one = spans(np.ones((3, 4), dtype=bool))
    assert (one.columns.tolist(), one.lengths.tolist()) == ([0, 1, 2, 3], [3, 3, 3, 3])


def test_runs_parted_by_nothing_are_one_span():
    one = spans_of({"size": [4, 1], "counts": "1101"})  # 1 off, 1 on, 0 off, 2 on (the fourth as a difference)
    assert (one.tops.tolist(), one.bottoms.tolist()) == ([1], [4])


def test_runs_that_do_not_fill_the_image_are_refused():
    with pytest.raises(ValueError, match=r"do not fill its \[height, width\] = \[3, 3\]"):
        spans_of({"size": [3, 3], "counts": "11"})


@pytest.mark.parametrize("step", [(0, 0), (1, 0), (-2, 1), (1, 2), (0, -2)])
def test_shared_pixels_are_those_that_both_masks_have(step):
    for one, other in random_masks():
        height, width = one.shape
        padded = np.pad(one, 2)
        moved = padded[2 - step[1] :, 2 - step[0] :][:height, :width]
        assert shared_pixels(spans(one), spans(other), *step) == (moved & other).sum()


def test_touching_is_sharing_a_pixel_or_a_side_or_a_corner():
    for one, other in random_masks(300):
        grown = np.zeros_like(one)
        for y, x in np.argwhere(one):
            grown[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = True
        assert touch(spans(one), spans(other)) == bool((grown & other).any())


def test_the_end_of_a_column_does_not_touch_the_start_of_the_next_but_one():
    assert not touch(spans(pixels_of("...", "...", "#..")), spans(pixels_of("..#", "...", "...")))
    assert not touch(spans(pixels_of("...", "...", "#..")), spans(pixels_of(".#.", "...", "...")))
