"""Loaders, from arguments and from a config, with and without worker processes."""

import json
import logging
from itertools import islice

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import (
    DatasetCatalog,
    MetadataCatalog,
    build_batch_data_loader,
    build_detection_test_loader,
    build_detection_train_loader,
    get_detection_dataset_dicts,
    print_instances_class_histogram,
)
from detectron2.data.build import filter_images_with_only_crowd_annotations, worker_init_reset_seed
from detectron2.data.datasets import register_coco_instances
from detectron2.data.samplers import RepeatFactorTrainingSampler, TrainingSampler
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, SequentialSampler

RECORDS = [{"id": i, "width": 30 if i % 3 else 10, "height": 20} for i in range(12)]  # every third is not wide


def _same(record):
    return dict(record)


def _with_random_numbers(record):
    return {**record, "numpy": np.random.rand(), "torch": torch.rand(()).item()}


def _ids(batches):
    return [[x["id"] for x in batch] for batch in batches]


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("grouping", [False, True])
def test_train_loader_gives_full_batches_of_every_image(num_workers, grouping):
    loader = build_detection_train_loader(
        RECORDS,
        mapper=_same,
        sampler=TrainingSampler(12, seed=1),
        total_batch_size=4,
        aspect_ratio_grouping=grouping,
        num_workers=num_workers,
    )
    batches = list(islice(loader, 6))
    assert all(len(b) == 4 for b in batches)
    if grouping:
        assert all(len({x["width"] > x["height"] for x in b}) == 1 for b in batches)
    else:  # two rounds, each image twice
        assert sorted(i for b in _ids(batches) for i in b) == sorted(2 * list(range(12)))


def test_order_without_grouping_is_the_samplers_with_any_number_of_workers():
    def ids(num_workers):
        loader = build_batch_data_loader(
            RECORDS, TrainingSampler(12, seed=1), 3, num_workers=num_workers, aspect_ratio_grouping=False
        )
        return _ids(islice(loader, 8))

    stream = list(islice(TrainingSampler(12, seed=1), 24))
    assert ids(0) == ids(2) == [stream[i : i + 3] for i in range(0, 24, 3)]


def test_workers_draw_different_numbers_which_the_seed_repeats():
    def draws(seed):
        loader = build_batch_data_loader(_Drawing(), SequentialSampler(range(8)), 2, num_workers=2, seed=seed)
        return [(x["numpy"], x["torch"]) for batch in loader for x in batch]

    first = draws(7)
    assert len(first) == 8
    assert len({n for n, _ in first}) == 8 and len({t for _, t in first}) == 8  # no worker repeats another
    assert draws(7) == first
    assert draws(8) != first


class _Drawing(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return _with_random_numbers({"id": index})


def test_seed_leaves_torchs_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(2).tolist()
    torch.manual_seed(0)
    list(build_batch_data_loader(RECORDS, SequentialSampler(RECORDS), 4, seed=3))
    assert torch.rand(2).tolist() == expected


def test_worker_seed_reaches_all_generators():
    state, numpy_state = torch.get_rng_state(), np.random.get_state()
    try:
        torch.manual_seed(5)
        worker_init_reset_seed(0)
        first = np.random.rand(), torch.rand(()).item()
        torch.manual_seed(5)
        worker_init_reset_seed(1)
        assert (np.random.rand(), torch.rand(()).item()) != first
        torch.manual_seed(5)
        worker_init_reset_seed(0)
        assert (np.random.rand(), torch.rand(()).item()) == first
    finally:
        torch.set_rng_state(state)
        np.random.set_state(numpy_state)


def test_collate_functions_and_last_batches():
    def load(**kwargs):
        return list(build_batch_data_loader(RECORDS[:5], SequentialSampler(range(5)), 2, **kwargs))

    assert _ids(load()) == [[0, 1], [2, 3]]
    assert _ids(load(drop_last=False)) == [[0, 1], [2, 3], [4]]
    assert load(collate_fn=len) == [2, 2]
    assert load(collate_fn=len, aspect_ratio_grouping=True) == [2, 2]
    assert _ids(load(aspect_ratio_grouping=True)) == [[1, 2], [0, 3]]


def test_train_loader_over_a_stream():
    class Stream(IterableDataset):
        def __iter__(self):
            yield from RECORDS

    loader = build_detection_train_loader(Stream(), mapper=_same, total_batch_size=6, aspect_ratio_grouping=False)
    assert _ids(loader) == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    with pytest.raises(ValueError, match="decides itself .* a TrainingSampler was given"):
        build_detection_train_loader(Stream(), mapper=_same, sampler=TrainingSampler(3), total_batch_size=2)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_test_loader_gives_every_record_once_in_order(num_workers):
    loader = build_detection_test_loader(RECORDS, mapper=_same, num_workers=num_workers)
    assert _ids(loader) == [[i] for i in range(12)]
    assert len(loader) == 12
    batches = _ids(build_detection_test_loader(RECORDS, mapper=_same, batch_size=5, num_workers=num_workers))
    assert batches == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]


def test_test_loader_with_own_sampler_and_collate():
    loader = build_detection_test_loader(RECORDS, mapper=None, sampler=SequentialSampler(range(3)), collate_fn=len)
    assert list(loader) == [1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"total_batch_size": 0}, "positive multiple of the 1 processes, but is 0"),
        ({"total_batch_size": 4, "single_gpu_batch_size": 2}, "Both total_batch_size=4 and single_gpu_batch_size=2"),
        ({"total_batch_size": 4, "aspect_ratio_grouping": True, "drop_last": False}, "drop_last=False is not possible"),
    ],
)
def test_bad_batch_arguments(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_batch_data_loader(RECORDS, SequentialSampler(RECORDS), **arguments)


def test_batches_of_one_process(monkeypatch):
    from detectron2.utils import comm

    loader = build_batch_data_loader(RECORDS, SequentialSampler(RECORDS), 0, single_gpu_batch_size=3)
    assert {len(b) for b in loader} == {3}
    monkeypatch.setattr(comm, "get_world_size", lambda: 2)
    assert {len(b) for b in build_batch_data_loader(RECORDS, SequentialSampler(RECORDS), 4)} == {2}
    with pytest.raises(ValueError, match="multiple of the 2 processes, but is 3"):
        build_batch_data_loader(RECORDS, SequentialSampler(RECORDS), 3)


# ------------------------------------------------------------------------------------------------ records
@pytest.fixture
def register():
    """Registers records under names, and forgets them."""
    names = []

    def under_name(name, records, **metadata):
        names.append(name)
        DatasetCatalog.register(name, lambda: records)
        MetadataCatalog.get(name).set(**metadata)
        return name

    yield under_name
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.pop(name, None)


def _image(*classes, **more):
    return {"file_name": "x.png", "image_id": 3, "annotations": [{"category_id": c} for c in classes], **more}


CROWD_ONLY = {"annotations": [{"category_id": 0, "iscrowd": 1}]}


def test_datasets_are_joined_and_images_without_objects_left_out(register):
    a = register("build_a", [_image(0), _image()], thing_classes=["x", "y"])
    b = register("build_b", [CROWD_ONLY, _image(1)], thing_classes=["x", "y"])
    assert get_detection_dataset_dicts([a, b]) == [_image(0), _image(1)]
    assert len(get_detection_dataset_dicts((a, b), filter_empty=False)) == 4
    assert get_detection_dataset_dicts(a) == [_image(0)]
    assert filter_images_with_only_crowd_annotations([CROWD_ONLY, _image(0)]) == [_image(0)]


def test_datasets_with_other_classes_are_refused(register):
    a = register("build_a", [_image(0)], thing_classes=["x"])
    b = register("build_b", [_image(0)], thing_classes=["y"])
    with pytest.raises(ValueError, match="same 'thing_classes', but 'build_a' has"):
        get_detection_dataset_dicts([a, b])
    assert len(get_detection_dataset_dicts([a, b], check_consistency=False)) == 2


def test_class_names_are_optional(register):
    assert len(get_detection_dataset_dicts(register("build_a", [_image(5)]))) == 1


def test_nothing_to_load_says_why(register):
    with pytest.raises(ValueError, match="No dataset was named: set DATASETS.TRAIN"):
        get_detection_dataset_dicts([])
    with pytest.raises(KeyError, match="'build_none' is not registered"):
        get_detection_dataset_dicts(["build_none"])
    with pytest.raises(ValueError, match="'build_empty' is empty"):
        get_detection_dataset_dicts(register("build_empty", []))
    with pytest.raises(ValueError, match="None of the 2 images of build_crowd has .*FILTER_EMPTY_ANNOTATIONS"):
        get_detection_dataset_dicts(register("build_crowd", [CROWD_ONLY, CROWD_ONLY]))
    with pytest.raises(NotImplementedError, match="precomputed proposals"):
        get_detection_dataset_dicts("build_crowd", proposal_files=["x"])


def test_records_without_annotations_are_kept(register):
    assert get_detection_dataset_dicts(register("build_a", [{"file_name": "x"}])) == [{"file_name": "x"}]


def test_torch_datasets_are_joined_as_such(register):
    class Numbers(Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return index

    class Stream(IterableDataset):
        def __iter__(self):
            yield 1

    numbers, stream = Numbers(), Stream()
    a, b = register("build_a", numbers), register("build_b", numbers)
    assert get_detection_dataset_dicts(a) is numbers
    assert len(get_detection_dataset_dicts([a, b])) == 6
    with pytest.raises(ValueError, match="'build_s' is iterable and cannot be joined"):
        get_detection_dataset_dicts([a, register("build_s", stream)])


def test_histogram_is_aligned(caplog):
    records = [_image(0, 2, 2), _image(*[3] * 10), CROWD_ONLY]
    with caplog.at_level(logging.INFO, logger="detectron2"):
        print_instances_class_histogram(records, ["cat", "mouse", "ox", "elephant"])
    table = caplog.messages[-1].splitlines()
    assert table == [
        "13 objects of 4 classes:",
        "  cat        1  |  mouse      0  |  ox         2",
        "  elephant  10",
    ]


def test_histogram_refuses_classes_that_do_not_exist():
    with pytest.raises(ValueError, match=r"x.png \(image id 3\) has an annotation with category_id 2, but there are 2"):
        print_instances_class_histogram([_image(0, 2)], ["a", "b"])


# ------------------------------------------------------------------------------------------------ from a
# config
@pytest.fixture
def cfg(tmp_path):
    images, annotations = [], []
    for i in range(6):
        height, width = (20, 30) if i % 2 else (30, 20)
        Image.new("RGB", (width, height), (i, i, i)).save(tmp_path / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "height": height, "width": width})
        if i < 4:
            box = {"bbox": [2, 2, 8, 8], "segmentation": [[2, 2, 10, 2, 10, 10, 2, 10]], "area": 64, "iscrowd": 0}
            annotations.append({"id": i + 1, "image_id": i, "category_id": 1 + (i == 3), **box})
    categories = [{"id": 1, "name": "often"}, {"id": 2, "name": "rare"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "gt.json").write_text(json.dumps(content))
    register_coco_instances("build_cfg", {}, str(tmp_path / "gt.json"), str(tmp_path))
    cfg = get_cfg()
    cfg.MODEL.MASK_ON = True
    cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = ("build_cfg",)
    cfg.INPUT.MIN_SIZE_TRAIN = (24,)
    cfg.INPUT.MIN_SIZE_TEST = 24
    cfg.SOLVER.IMS_PER_BATCH = 2
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.SEED = 3
    yield cfg
    DatasetCatalog.remove("build_cfg")
    MetadataCatalog.remove("build_cfg")


@pytest.mark.parametrize("num_workers", [0, 2])
def test_train_loader_from_config(cfg, num_workers):
    cfg.DATALOADER.NUM_WORKERS = num_workers
    batches = list(islice(build_detection_train_loader(cfg), 6))
    for batch in batches:
        assert len(batch) == 2
        first, second = (x["image"].shape for x in batch)
        assert first == second  # like aspects
        assert all(len(x["instances"]) == 1 for x in batch)
        assert {x["image_id"] for x in batch} <= {0, 1, 2, 3}  # 4 and 5 have no objects


def test_overrides_of_the_config(cfg):
    loader = build_detection_train_loader(cfg, mapper=_same, aspect_ratio_grouping=False, total_batch_size=3)
    assert {len(b) for b in islice(loader, 4)} == {3}
    own = build_detection_train_loader(cfg, dataset=RECORDS, sampler=TrainingSampler(12, shuffle=False), mapper=_same)
    assert _ids(islice(own, 2)) == [[1, 2], [0, 3]]


def test_test_loader_from_config_keeps_images_without_objects(cfg):
    for name in ("build_cfg", ["build_cfg"]):
        batches = list(build_detection_test_loader(cfg, name))
        assert [b[0]["image_id"] for b in batches] == [0, 1, 2, 3, 4, 5]
        assert all("annotations" not in b[0] for b in batches)
    assert len(list(build_detection_test_loader(cfg, "build_cfg", batch_size=4))) == 2


def test_samplers_of_the_config(cfg):
    def sampler():
        loader = build_detection_train_loader(cfg, mapper=_same, aspect_ratio_grouping=False)
        return loader.dataset.sampler

    assert type(sampler()) is TrainingSampler
    cfg.DATALOADER.SAMPLER_TRAIN = "RepeatFactorTrainingSampler"
    cfg.DATALOADER.REPEAT_THRESHOLD = 1.0
    drawn = sampler()
    assert type(drawn) is RepeatFactorTrainingSampler
    # "rare" is in one image of four: sqrt(1 / 0.25) = 2; "often" in three: sqrt(4 / 3) = 1.15.
    assert (drawn._int_part + drawn._frac_part).tolist() == pytest.approx([1.1547] * 3 + [2.0], abs=1e-3)
    cfg.DATALOADER.SAMPLER_TRAIN = "RandomSubsetTrainingSampler"
    with pytest.raises(ValueError, match="needs DATALOADER.RANDOM_SUBSET_RATIO"):
        sampler()
    cfg.DATALOADER.RANDOM_SUBSET_RATIO = 0.5
    assert len(set(islice(sampler(), 10))) == 2
    cfg.DATALOADER.SAMPLER_TRAIN = "Mine"
    with pytest.raises(ValueError, match="SAMPLER_TRAIN must be TrainingSampler, .* but is 'Mine'"):
        sampler()


def test_config_outside_the_scope_is_refused(cfg):
    cfg.MODEL.LOAD_PROPOSALS = True
    with pytest.raises(ValueError, match="MODEL.LOAD_PROPOSALS"):
        build_detection_train_loader(cfg)
    with pytest.raises(ValueError, match="MODEL.LOAD_PROPOSALS"):
        build_detection_test_loader(cfg, "build_cfg")


def test_left_out_names_say_so():
    import detectron2.data as data

    with pytest.raises(ImportError, match="leaves out precomputed proposals"):
        _ = data.load_proposals_into_dataset
