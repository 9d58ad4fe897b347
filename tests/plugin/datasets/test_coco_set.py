"""Registered sets with other classes than their file: what the loader, the catalog and the evaluator see."""

import json
import logging
import multiprocessing
import os
from pathlib import Path

import pytest
import torch
import yaml
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import COCOEvaluator
from detectron2.structures import Boxes, Instances

from maskrcnn_project.datasets.register import ClassChanges, register_coco_dataset, register_from_yaml
from maskrcnn_project.errors import DatasetError

pytestmark = pytest.mark.usefixtures("own_catalogs")

SQUARE = [[0, 0, 4, 0, 4, 4, 0, 4]]
ROOT = {"id": 0, "name": "hardware", "supercategory": "none"}
NUT, SCREW, BOLT = (
    {"id": n, "name": name, "supercategory": "hardware"} for n, name in enumerate(("nut", "screw", "bolt"), 1)
)


def write(folder, split="train", categories=(ROOT, NUT, SCREW, BOLT), category_ids=(1, 2, 3)):
    """A file with one square of each of ``category_ids`` on an image of its own, and the empty images."""
    (folder / split).mkdir(parents=True, exist_ok=True)
    images = [{"id": n, "file_name": f"{n}.png", "height": 8, "width": 8} for n in range(1, len(category_ids) + 1)]
    for image in images:
        (folder / split / image["file_name"]).touch()
    annotations = [
        {
            "id": n,
            "image_id": n,
            "category_id": c,
            "bbox": [0, 0, 4, 4],
            "area": 16,
            "iscrowd": 0,
            "segmentation": SQUARE,
        }
        for n, c in enumerate(category_ids, start=1)
    ]
    path = folder / f"{split}.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": list(categories)}))
    return path


def register(json_file, name="mine", **changes):
    register_coco_dataset(name, json_file, json_file.with_suffix(""), class_changes=ClassChanges(**changes))
    return MetadataCatalog.get(name)


def cached(tmp_path):
    return sorted((tmp_path / "cache" / "classes").glob("*")) if (tmp_path / "cache").exists() else []


def classes_of(records):
    """{image id: class indices}"""
    return {record["image_id"]: [a["category_id"] for a in record["annotations"]] for record in records}


def test_a_set_that_keeps_its_classes_keeps_its_file(tmp_path):
    source = write(tmp_path)
    assert register(source, keep_root_category=True).json_file == str(source)
    assert classes_of(DatasetCatalog.get("mine")) == {1: [1], 2: [2], 3: [3]}
    plain = write(tmp_path, "plain", [NUT, SCREW], [1, 2])
    assert register(plain, "plain").json_file == str(plain)
    assert cached(tmp_path) == []


def test_a_root_is_dropped(tmp_path, caplog):
    source = write(tmp_path)
    text = source.read_text()
    metadata = register(source)
    assert metadata.thing_classes == ["nut", "screw", "bolt"]
    with caplog.at_level(logging.INFO, "maskrcnn_project"):
        records = DatasetCatalog.get("mine")
        DatasetCatalog.get("mine")
    assert classes_of(records) == {1: [0], 2: [1], 3: [2]}
    assert metadata.thing_dataset_id_to_contiguous_id == {1: 0, 2: 1, 3: 2}
    assert records[0]["file_name"] == str(tmp_path / "train" / "1.png")
    assert [Path(metadata.json_file)] == cached(tmp_path)
    assert json.loads(Path(metadata.json_file).read_text())["class_changes"]["source"] == str(source)
    assert source.read_text() == text
    told = [r.getMessage() for r in caplog.records if r.name.startswith("maskrcnn_project")]
    assert len(told) == 1  # once, though loaded twice
    assert told[0].startswith("Dataset 'mine': the category 'hardware' (id 0) only holds the others")


def test_a_class_without_instances_is_reported(tmp_path, caplog):
    register(write(tmp_path, "train", [NUT, SCREW, BOLT], [2]))
    with caplog.at_level(logging.INFO, "maskrcnn_project"):
        DatasetCatalog.get("mine")
    assert "Dataset 'mine': no annotation has the classes nut, bolt." in caplog.messages
    assert MetadataCatalog.get("mine").thing_classes == ["nut", "screw", "bolt"]


def perfect(record):
    """The prediction that repeats a record's annotations."""
    found = Instances((record["height"], record["width"]))
    boxes = torch.tensor([a["bbox"] for a in record["annotations"]], dtype=torch.float32).reshape(-1, 4)
    found.pred_boxes = Boxes(torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1))
    found.scores = torch.ones(len(boxes))
    found.pred_classes = torch.tensor([a["category_id"] for a in record["annotations"]], dtype=torch.int64)
    return {"instances": found}


@pytest.mark.parametrize("evaluator_first", [False, True])
@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, ["nut", "screw", "bolt"]),
        ({"keep": ["screw", "nut"]}, ["screw", "nut"]),  # other ids, fewer annotations
        ({"merge": {"nut": ["nut", "bolt"]}, "rename": {"screw": "M8"}}, ["nut", "M8"]),
    ],
)
def test_loader_and_evaluator_agree(tmp_path, evaluator_first, changes, names):
    """A model that finds everything has AP 100 in each class: one class or one object seen differently is less."""
    metadata = register(write(tmp_path), **changes)
    evaluator = COCOEvaluator("mine", tasks=("bbox",), distributed=False) if evaluator_first else None
    records = DatasetCatalog.get("mine")
    evaluator = evaluator or COCOEvaluator("mine", tasks=("bbox",), distributed=False)
    evaluator.reset()
    for record in records:
        evaluator.process([record], [perfect(record)])
    results = evaluator.evaluate()["bbox"]
    assert metadata.thing_classes == names
    assert results["AP"] == pytest.approx(100)
    assert {key: value for key, value in results.items() if key.startswith("AP-")} == {
        f"AP-{name}": pytest.approx(100) for name in names
    }


def test_the_cached_file_is_used_again_and_follows_its_source(tmp_path):
    source = write(tmp_path)
    first = register(source, keep=["nut"]).json_file
    written = os.stat(first).st_mtime_ns
    assert register(source, "again", keep=["nut"]).json_file == first
    assert os.stat(first).st_mtime_ns == written
    assert register(source, "other", keep=["screw"]).json_file != first
    DatasetCatalog.get("mine")
    os.remove(first)  # an emptied cache is filled again
    assert classes_of(DatasetCatalog.get("mine")) == {1: [0], 2: [], 3: []}
    write(tmp_path, category_ids=(2, 1, 1, 1))
    with pytest.raises(DatasetError, match="train.json has changed since dataset 'mine', which has other classes"):
        DatasetCatalog.get("mine")
    metadata = register(source, "anew", keep=["nut"])
    assert metadata.json_file != first
    assert classes_of(DatasetCatalog.get("anew")) == {1: [], 2: [0], 3: [0], 4: [0]}
    assert not [file for file in cached(tmp_path) if file.name.startswith(".")]


def test_a_file_that_changes_or_goes_is_noticed(tmp_path):
    source = write(tmp_path, "train", [NUT, SCREW], [1, 2])
    register(source)
    DatasetCatalog.get("mine")
    write(tmp_path, "train", [NUT, SCREW], [1, 9])
    with pytest.raises(DatasetError, match="unknown category_id 9"):
        DatasetCatalog.get("mine")
    write(tmp_path, "train", [NUT, SCREW, BOLT], [1, 2])
    with pytest.raises(DatasetError, match="should have the classes nut, screw, but .* has nut, screw, bolt"):
        DatasetCatalog.get("mine")
    write(tmp_path, "train", [NUT, {"id": 5, "name": "screw"}], [1, 5])
    with pytest.raises(DatasetError, match=r"should have the category ids \[1, 2\], but .* has \[1, 5\]"):
        DatasetCatalog.get("mine")
    source.unlink()
    with pytest.raises(DatasetError, match="'mine' wants the COCO file .*train.json, which does not exist"):
        DatasetCatalog.get("mine")


def test_missing_images_are_named_with_the_users_file(tmp_path):
    source = write(tmp_path)
    register(source, keep=["nut"])
    (tmp_path / "train" / "2.png").unlink()
    with pytest.raises(DatasetError, match=r"1 of the 3 images that .*train.json lists are not in .*train: 2.png"):
        DatasetCatalog.get("mine")


def test_an_unsound_file_is_named_when_its_classes_are_changed(tmp_path):
    source = write(tmp_path, category_ids=(1, 8))
    with pytest.raises(DatasetError, match="train.json: annotation 2 .image 2. has the unknown category_id 8"):
        register(source, keep=["nut"])
    assert cached(tmp_path) == []
    assert "mine" not in DatasetCatalog.list()


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MASKRCNN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(
        DatasetError, match="cannot be written into .*file.cache.classes .*let MASKRCNN_CACHE name a folder"
    ):
        register(write(tmp_path))


def derive(json_file):
    register(json_file, keep=["bolt", "nut"])
    return MetadataCatalog.get("mine").json_file


def test_several_processes_at_once(tmp_path):
    source = write(tmp_path, category_ids=(1, 2, 3) * 50)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        found = pool.map(derive, [source] * 8, chunksize=1)
    [file] = cached(tmp_path)
    assert set(found) == {str(file)}
    assert len(json.loads(file.read_text())["annotations"]) == 100


# Descriptions.
def describe(folder, splits=("train", "val"), **more):
    file = folder / "dataset.yaml"
    content = {"name": "mine", "splits": {split: {"json": f"{split}.json", "images": split} for split in splits}}
    file.write_text(yaml.safe_dump({**content, **more}))
    return file


def test_changes_from_a_description(tmp_path):
    write(tmp_path)
    write(tmp_path, "val", category_ids=(3, 1))
    colours = {"fastener": "#000001", "nut": "#000002"}
    changes = {"merge_classes": {"fastener": ["screw", "BOLT"]}, "rename_classes": {"bolt": "BOLT"}}
    file = describe(tmp_path, **changes, keep_classes=["fastener", "nut"], classes=["fastener", "nut"], colours=colours)
    for _ in range(2):
        assert register_from_yaml(file) == ["mine_train", "mine_val"]
    assert classes_of(DatasetCatalog.get("mine_train")) == {1: [1], 2: [0], 3: [0]}
    assert classes_of(DatasetCatalog.get("mine_val")) == {1: [0], 2: [1]}
    metadata = MetadataCatalog.get("mine_val")
    assert metadata.thing_classes == ["fastener", "nut"]
    assert metadata.thing_colors == [(0, 0, 1), (0, 0, 2)]
    with pytest.raises(DatasetError, match="class_changes was .* and is now None"):
        register_from_yaml(describe(tmp_path, keep_root_category=False))


def test_the_root_may_stay(tmp_path):
    write(tmp_path)
    register_from_yaml(describe(tmp_path, ["train"], keep_root_category=True))
    assert MetadataCatalog.get("mine_train").thing_classes == ["hardware", "nut", "screw", "bolt"]


def test_a_root_of_one_split_that_another_annotates_stays_in_both(tmp_path):
    write(tmp_path, category_ids=(0, 1))
    write(tmp_path, "val")
    register_from_yaml(describe(tmp_path))
    assert MetadataCatalog.get("mine_val").thing_classes == ["hardware", "nut", "screw", "bolt"]


def test_splits_that_differ_are_refused_together(tmp_path):
    write(tmp_path)
    write(tmp_path, "val", [ROOT, NUT, {**SCREW, "id": 3}, {**BOLT, "id": 2}])
    with pytest.raises(
        DatasetError,
        match="train.json and .*val.json differ.*keep_classes.* id 2 is 'screw' in mine_train and 'bolt' in mine_val; ",
    ):
        register_from_yaml(describe(tmp_path))
    assert not {"mine_train", "mine_val"} & set(DatasetCatalog.list())


def test_keep_classes_makes_splits_agree_that_number_their_classes_differently(tmp_path):
    write(tmp_path, category_ids=(1, 2, 3))
    write(tmp_path, "val", [NUT, {**SCREW, "id": 3}, {**BOLT, "id": 2}], (1, 2, 3))
    register_from_yaml(describe(tmp_path, keep_classes=["screw", "bolt"]))  # ids 2, 3 in train, 3, 2 in val
    assert classes_of(DatasetCatalog.get("mine_train")) == {1: [], 2: [0], 3: [1]}
    assert classes_of(DatasetCatalog.get("mine_val")) == {1: [], 2: [1], 3: [0]}
    for split in ("train", "val"):
        assert MetadataCatalog.get(f"mine_{split}").thing_dataset_id_to_contiguous_id == {1: 0, 2: 1}


def test_a_class_that_one_split_lacks_is_an_error_with_its_file(tmp_path):
    write(tmp_path)
    write(tmp_path, "val", [ROOT, NUT, SCREW], [1])
    with pytest.raises(
        DatasetError, match="val.json .less its root category .* has no class bolt to keep; .* are nut, screw"
    ):
        register_from_yaml(describe(tmp_path, keep_classes=["bolt"]))
    register_from_yaml(describe(tmp_path, keep_classes=["nut", "screw"]))
