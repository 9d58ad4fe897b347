"""Samplers: each index once a round, shards without overlap, the same order from the same seed."""

from collections import Counter
from itertools import islice

import pytest
import torch
from detectron2.data.samplers import (
    InferenceSampler,
    RandomSubsetTrainingSampler,
    RepeatFactorTrainingSampler,
    TrainingSampler,
)
from detectron2.utils import comm


def _run_as_rank(monkeypatch, rank, world_size):
    monkeypatch.setattr(comm, "get_rank", lambda: rank)
    monkeypatch.setattr(comm, "get_world_size", lambda: world_size)


def test_each_index_once_a_round_and_rounds_differ():
    stream = list(islice(TrainingSampler(50, seed=1), 150))
    rounds = [stream[i : i + 50] for i in (0, 50, 100)]
    assert all(sorted(r) == list(range(50)) for r in rounds)
    assert rounds[0] != rounds[1] != rounds[2]


def test_same_seed_same_order_and_another_seed_another():
    def first(seed):
        return list(islice(TrainingSampler(50, seed=seed), 120))

    assert first(5) == first(5)
    assert first(5) != first(6)


def test_order_is_that_of_torch_randperm():
    generator = torch.Generator().manual_seed(9)
    expected = [torch.randperm(4, generator=generator).tolist() for _ in range(2)]
    assert list(islice(TrainingSampler(4, seed=9), 8)) == expected[0] + expected[1]


def test_without_shuffling():
    assert list(islice(TrainingSampler(3, shuffle=False), 7)) == [0, 1, 2, 0, 1, 2, 0]


def test_iterating_anew_starts_anew_so_that_a_resumed_run_can_skip():
    sampler = TrainingSampler(10, seed=3)
    whole = list(islice(sampler, 40))
    assert list(islice(sampler, 25, 40)) == whole[25:]


def test_processes_deal_out_one_stream(monkeypatch):
    whole = list(islice(TrainingSampler(7, seed=2), 30))
    for rank in range(3):
        _run_as_rank(monkeypatch, rank, 3)
        assert list(islice(TrainingSampler(7, seed=2), 10)) == whole[rank::3]


def test_without_a_seed_processes_agree_on_one(monkeypatch):
    monkeypatch.setattr(comm, "shared_random_seed", lambda: 77)
    assert list(islice(TrainingSampler(20), 20)) == list(islice(TrainingSampler(20, seed=77), 20))


def test_training_sampler_refuses_bad_sizes():
    with pytest.raises(TypeError, match="as an int"):
        TrainingSampler(2.5)
    with pytest.raises(ValueError, match="at least one item"):
        TrainingSampler(0)


def test_random_subset_is_fixed_and_each_of_it_comes_once_a_round():
    sampler = RandomSubsetTrainingSampler(20, 0.25, seed_shuffle=1, seed_subset=4)
    stream = list(islice(sampler, 15))
    assert len(set(stream)) == 5
    assert all(sorted(stream[i : i + 5]) == sorted(set(stream)) for i in (0, 5, 10))
    other_order = RandomSubsetTrainingSampler(20, 0.25, seed_shuffle=2, seed_subset=4)
    assert set(islice(other_order, 5)) == set(stream)
    other_subset = RandomSubsetTrainingSampler(20, 0.25, seed_shuffle=1, seed_subset=5)
    assert set(islice(other_subset, 5)) != set(stream)


@pytest.mark.parametrize("ratio", [0.0, -0.5, 1.5])
def test_random_subset_refuses_other_fractions(ratio):
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\]"):
        RandomSubsetTrainingSampler(10, ratio)


def test_random_subset_of_nothing_says_so():
    with pytest.raises(ValueError, match="0.1 of 5 items leaves none"):
        RandomSubsetTrainingSampler(5, 0.1)


def test_repeat_factors_by_hand():
    # Class 0 in 4 of 4 images, class 1 in 1 of 4. Threshold 1: class 1 has sqrt(1 / 0.25) = 2 or 1 / 0.25 =
    # 4.
    records = [{"annotations": [{"category_id": c} for c in classes]} for classes in ([0], [0, 0], [0, 1, 1], [0])]
    compute = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency
    assert compute(records, 1.0).tolist() == [1, 1, 2, 1]
    assert compute(records, 1.0, sqrt=False).tolist() == [1, 1, 4, 1]
    assert compute(records, 0.1).tolist() == [1, 1, 1, 1]
    assert compute([{"annotations": []}], 0.5).tolist() == [1]


def test_whole_factors_repeat_exactly_and_fractions_on_average():
    whole = list(islice(RepeatFactorTrainingSampler([1.0, 3.0], seed=0), 8))
    assert Counter(whole) == {0: 2, 1: 6}
    stream = list(islice(RepeatFactorTrainingSampler(torch.tensor([1.0, 1.5]), seed=0), 5000))
    counts = Counter(stream)
    assert counts[1] / counts[0] == pytest.approx(1.5, abs=0.05)


def test_repeat_factor_sampler_is_seeded_dealt_out_and_may_keep_the_order(monkeypatch):
    whole = list(islice(RepeatFactorTrainingSampler([1.3, 2.7, 1.0], seed=8), 60))
    assert whole == list(islice(RepeatFactorTrainingSampler([1.3, 2.7, 1.0], seed=8), 60))
    assert list(islice(RepeatFactorTrainingSampler([1.0, 2.0], shuffle=False, seed=8), 6)) == [0, 1, 1, 0, 1, 1]
    for rank in range(2):
        _run_as_rank(monkeypatch, rank, 2)
        assert list(islice(RepeatFactorTrainingSampler([1.3, 2.7, 1.0], seed=8), 30)) == whole[rank::2]


def test_repeat_factors_that_leave_nothing_are_refused():
    with pytest.raises(ValueError, match="above 0"):
        RepeatFactorTrainingSampler([0.0, 0.0])


@pytest.mark.parametrize(
    ("size", "world_size", "shards"),
    [
        (7, 3, [[0, 1, 2], [3, 4], [5, 6]]),  # contiguous, the first ones one more
        (6, 3, [[0, 1], [2, 3], [4, 5]]),
        (1, 3, [[0], [], []]),  # fewer images than processes
    ],
)
def test_inference_shards(monkeypatch, size, world_size, shards):
    for rank, shard in enumerate(shards):
        _run_as_rank(monkeypatch, rank, world_size)
        sampler = InferenceSampler(size)
        assert list(sampler) == shard
        assert list(sampler) == shard  # as often as wanted
        assert len(sampler) == len(shard)


def test_inference_sampler_refuses_an_empty_dataset():
    with pytest.raises(ValueError, match="at least 1, but got 0"):
        InferenceSampler(0)
