"""Batches of one group."""

import pytest
from detectron2.data.samplers import GroupedBatchSampler
from torch.utils.data import SequentialSampler


def test_batches_are_of_one_group_in_the_samplers_order():
    groups = [0, 1, 0, 1, 1, 0, 1]
    batches = list(GroupedBatchSampler(SequentialSampler(groups), groups, 2))
    assert batches == [[0, 2], [1, 3], [4, 6]]  # 5 is left over


def test_yielded_batches_are_not_changed_later():
    sampler = GroupedBatchSampler(SequentialSampler(range(4)), [0, 0, 0, 0], 2)
    first, second = sampler
    assert (first, second) == ([0, 1], [2, 3])


def test_bad_arguments_and_no_length():
    with pytest.raises(TypeError, match="torch Sampler"):
        GroupedBatchSampler([0, 1], [0, 0], 2)
    with pytest.raises(ValueError, match=r"shape \(N,\)"):
        GroupedBatchSampler(SequentialSampler(range(2)), [[0, 0]], 2)
    with pytest.raises(TypeError, match="no length"):
        len(GroupedBatchSampler(SequentialSampler(range(2)), [0, 0], 2))
