"""COCO is registered at import, with its classes known before it is read."""

import importlib
import os

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import builtin
from detectron2.data.datasets.builtin_meta import COCO_CATEGORIES, _get_builtin_metadata


def test_usual_names_are_registered():
    for name in ("coco_2014_train", "coco_2014_val", "coco_2017_train", "coco_2017_val", "coco_2017_val_100"):
        assert name in DatasetCatalog
        metadata = MetadataCatalog.get(name)
        assert metadata.evaluator_type == "coco"
        assert len(metadata.thing_classes) == 80
    assert MetadataCatalog.get("coco_2017_val").json_file.endswith("coco/annotations/instances_val2017.json")
    assert MetadataCatalog.get("coco_2017_val").image_root.endswith("coco/val2017")


def test_an_absent_dataset_says_which_file_is_wanted():
    with pytest.raises(FileNotFoundError, match="instances_val2017_100.json does not exist"):
        DatasetCatalog.get("coco_2017_val_100")


def test_the_eighty_classes():
    # Origin: the categories of instances_val2017.json; ids run to 90 with gaps.
    ids = [c["id"] for c in COCO_CATEGORIES]
    assert len(ids) == 80 and ids == sorted(set(ids)) and ids[-1] == 90
    assert sorted(set(range(1, 91)) - set(ids)) == [12, 26, 29, 30, 45, 66, 68, 69, 71, 83]
    metadata = _get_builtin_metadata("coco")
    assert metadata["thing_classes"][0] == "person" and metadata["thing_classes"][79] == "toothbrush"
    assert metadata["thing_dataset_id_to_contiguous_id"][13] == 11
    assert metadata["thing_classes"][11] == "stop sign"
    with pytest.raises(KeyError, match="only for 'coco'"):
        _get_builtin_metadata("ade20k")


def test_colours_are_bytes_and_all_different():
    colours = [tuple(c["color"]) for c in COCO_CATEGORIES]
    assert len(set(colours)) == 80
    assert all(isinstance(v, int) and 0 <= v <= 255 for colour in colours for v in colour)


def test_the_root_is_taken_from_the_environment_at_import(tmp_path, monkeypatch):
    names = [name for name in DatasetCatalog.list() if name.startswith("coco_20")]

    def import_anew():
        for name in names:
            DatasetCatalog.remove(name)
            MetadataCatalog.remove(name)
        importlib.reload(builtin)
        return MetadataCatalog.get("coco_2017_val").image_root

    before = MetadataCatalog.get("coco_2017_val").image_root
    try:
        monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
        assert import_anew() == str(tmp_path / "coco" / "val2017")
        monkeypatch.delenv("DETECTRON2_DATASETS")
        assert import_anew() == os.path.join("datasets", "coco", "val2017")
    finally:
        monkeypatch.undo()
        assert import_anew() == before


def test_left_out_datasets_say_so():
    with pytest.raises(ImportError, match="leaves out the Cityscapes dataset"):
        _ = builtin.register_all_cityscapes
