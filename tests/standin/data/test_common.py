"""
Datasets made of datasets: serialised lists, mapping with another try, sharded streams, like aspects together.
"""

import pickle

import pytest
import torch
from detectron2.data import DatasetFromList, MapDataset, ToIterableDataset
from detectron2.data.common import AspectRatioGroupedDataset, set_default_dataset_from_list_serialize_method
from torch.utils.data import DataLoader, IterableDataset, SequentialSampler

RECORDS = [{"id": i, "boxes": [[i, i, 1.5, 2.0]], "name": "x" * i} for i in range(5)]


@pytest.mark.parametrize("serialize", [True, False])
@pytest.mark.parametrize("copy", [True, False])
def test_list_items_come_back_equal(serialize, copy):
    dataset = DatasetFromList(RECORDS, copy=copy, serialize=serialize)
    assert len(dataset) == 5
    assert [dataset[i] for i in range(5)] == RECORDS
    assert dataset[-1] == RECORDS[-1]
    assert list(dataset) == RECORDS  # ends by IndexError
    with pytest.raises(IndexError):
        dataset[5]


@pytest.mark.parametrize(
    ("serialize", "copy", "is_same"), [(True, False, False), (False, True, False), (False, False, True)]
)
def test_changing_an_item_leaves_the_dataset_alone_unless_asked(serialize, copy, is_same):
    records = [{"boxes": [1]}]
    dataset = DatasetFromList(records, copy=copy, serialize=serialize)
    dataset[0]["boxes"].append(2)
    assert (dataset[0] == {"boxes": [1, 2]}) is is_same


def test_empty_list_is_a_dataset():
    assert len(DatasetFromList([])) == 0
    with pytest.raises(IndexError):
        DatasetFromList([])[0]


def test_serialised_list_is_tensors_that_workers_share():
    dataset = DatasetFromList(RECORDS)
    held = vars(dataset._lst)
    assert held and all(isinstance(v, torch.Tensor) for v in held.values())


def test_own_way_to_hold_items():
    assert DatasetFromList([1, 2], serialize=lambda items: [10 * x for x in items])[1] == 20
    with set_default_dataset_from_list_serialize_method(tuple):
        assert isinstance(DatasetFromList([1, 2])._lst, tuple)
    assert not isinstance(DatasetFromList([1, 2])._lst, tuple)
    with pytest.raises(TypeError, match="bool or a function"):
        DatasetFromList([1], serialize="yes")


def test_map_tries_another_item_on_none():
    odd = MapDataset(list(range(6)), lambda x: x if x % 2 else None)
    assert len(odd) == 6
    assert odd[3] == 3
    assert {odd[2] for _ in range(50)} == {1, 3, 5}


def test_map_warns_after_three_failures_and_says_when_nothing_is_usable(caplog):
    with pytest.raises(RuntimeError, match="None for every one of the 5 items"):
        MapDataset(list(range(5)), lambda x: None)[0]
    assert "None for item 0" in caplog.text


def test_map_of_a_stream_is_a_stream_without_the_nones():
    stream = ToIterableDataset(list(range(6)), SequentialSampler(range(6)))
    mapped = MapDataset(stream, lambda x: x * x if x % 2 else None)
    assert isinstance(mapped, IterableDataset)
    assert list(mapped) == [1, 9, 25]
    assert len(mapped) == 6


@pytest.mark.parametrize("make", [list, lambda items: ToIterableDataset(items, SequentialSampler(items))])
def test_mapped_datasets_can_be_sent_to_a_spawned_worker(make):
    mapped = MapDataset(make([1, 2]), str)
    received = pickle.loads(pickle.dumps(mapped))
    assert list(received) == ["1", "2"] if isinstance(mapped, IterableDataset) else received[1] == "2"


def test_stream_follows_the_sampler():
    stream = ToIterableDataset(["a", "b", "c"], torch.utils.data.SubsetRandomSampler([2]))
    assert list(stream) == ["c"]
    assert len(stream) == 1
    with pytest.raises(TypeError, match="map-style"):
        ToIterableDataset(stream, SequentialSampler([0]))
    with pytest.raises(TypeError, match="Sampler, but got list"):
        ToIterableDataset(["a"], [0])


@pytest.mark.parametrize(
    ("chunk", "order"),
    [
        # Two workers give one item each in turn, so the order of the sampler is kept ...
        (1, [0, 1, 2, 3, 4, 5, 6]),
        # ... and with chunks worker 0 has 0 1 4 5, worker 1 has 2 3 6.
        (2, [0, 2, 1, 3, 4, 6, 5]),
    ],
)
def test_workers_share_the_sampler_in_chunks(chunk, order):
    stream = ToIterableDataset(list(range(7)), SequentialSampler(range(7)), shard_chunk_size=chunk)
    loader = DataLoader(stream, batch_size=None, num_workers=2)
    assert list(loader) == order


def test_sampler_that_shards_itself_is_not_sharded_again():
    stream = ToIterableDataset([0, 1], SequentialSampler(range(2)), shard_sampler=False)
    assert sorted(DataLoader(stream, batch_size=None, num_workers=2)) == [0, 0, 1, 1]


def test_like_aspects_come_together():
    sizes = [(4, 3), (3, 4), (3, 3), (5, 1), (1, 5), (9, 2)]  # width, height: wide, not, not, wide, not, wide
    items = [{"id": i, "width": w, "height": h} for i, (w, h) in enumerate(sizes)]
    batches = list(AspectRatioGroupedDataset(items, 2))
    assert [[x["id"] for x in batch] for batch in batches] == [[1, 2], [0, 3]]  # 4 and 5 wait for a partner
