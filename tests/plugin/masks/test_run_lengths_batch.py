import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_project.masks.coding import encode
from maskrcnn_project.masks.run_lengths import read_run_lengths
from maskrcnn_project.masks.run_lengths_batch import TEXTS_AT_ONCE, read_run_lengths_of_each


def check_like_one_by_one(texts, pixels):
    together = read_run_lengths_of_each(texts, pixels)
    assert len(together) == len(texts)
    for lengths, text, most in zip(together, texts, pixels, strict=True):
        alone = read_run_lengths(text, most)
        assert (lengths is None) == (alone is None)
        if alone is not None:
            np.testing.assert_array_equal(lengths, alone)


def test_two_masks_by_hand():
    first = encode(np.array([[0, 1, 1], [0, 0, 1]]))  # down the columns: 00 10 11
    second = encode(np.array([[1], [1]]))
    lengths = read_run_lengths_of_each([first["counts"], second["counts"]], [6, 2])
    assert [run.tolist() for run in lengths] == [[2, 1, 1, 2], [0, 2]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=6))
def test_masks_give_the_same_as_one_by_one(seeds):
    texts, pixels = [], []
    for seed in seeds:
        draws = np.random.default_rng(seed)
        height, width = draws.integers(1, 70, size=2)
        texts.append(encode(draws.random((height, width)) < draws.random())["counts"])
        pixels.append(int(height * width))
    check_like_one_by_one(texts, pixels)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.text("04Po`nmé\x00z", max_size=6), st.integers(0, 40)), max_size=5))
def test_nonsense_gives_the_same_as_one_by_one(rows):
    check_like_one_by_one([text for text, _ in rows], [pixels for _, pixels in rows])


def test_many_texts_go_part_by_part():
    whole = encode(np.ones((3, 3)))["counts"]
    lengths = read_run_lengths_of_each([whole] * (TEXTS_AT_ONCE + 1) + ["?"], [9] * (TEXTS_AT_ONCE + 2))
    assert [run.tolist() for run in lengths[:-1]] == [[0, 9]] * (TEXTS_AT_ONCE + 1)
    assert lengths[-1] is None


def test_no_texts():
    assert read_run_lengths_of_each([], []) == []
