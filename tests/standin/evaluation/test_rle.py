"""Masks of 3x4 pixels, read down the columns: the run of zeros comes first."""

import numpy as np
import pytest
import torch
from detectron2.evaluation._rle import encode_masks
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as mask_util

masks = st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.bool_, shape, elements=st.sampled_from([False, False, True]))
)


@settings(max_examples=200, deadline=None)
@given(masks)
def test_equal_to_pycocotools(bits):
    encoded = encode_masks(torch.from_numpy(bits))
    for mask, code in zip(bits, encoded, strict=True):
        want = mask_util.encode(np.asfortranarray(mask, dtype=np.uint8))
        assert code == {"size": list(mask.shape), "counts": want["counts"].decode()}
        np.testing.assert_array_equal(mask_util.decode(code), mask)


@pytest.mark.parametrize("fill", [0, 1])
def test_all_or_nothing(fill):
    (code,) = encode_masks(torch.full((1, 3, 4), fill, dtype=torch.bool))
    assert mask_util.area(code) == 12 * fill


def test_values_other_than_one_count_as_one():
    (code,) = encode_masks(np.array([[[0, 255], [7, 0]]], np.uint8))
    np.testing.assert_array_equal(mask_util.decode(code), [[0, 1], [1, 0]])
    (code,) = encode_masks(torch.tensor([[[0.0, 1.0]]]))
    np.testing.assert_array_equal(mask_util.decode(code), [[0, 1]])


def test_no_masks():
    assert encode_masks(torch.zeros(0, 5, 6, dtype=torch.bool)) == []
    with pytest.raises(ValueError, match=r"\(N, H, W\), but got \(5, 6\)"):
        encode_masks(torch.zeros(5, 6))
