"""Records are those of Detectron2's own loader, and a set is parsed once."""

import json

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import load_coco_json

from maskrcnn_project.datasets import coco_file
from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.datasets.coco_records import records_of
from maskrcnn_project.datasets.register import register_coco_dataset

POLYGON = [0, 0, 4, 0, 4, 3]
MASKS = [
    {"segmentation": [POLYGON]},
    {"segmentation": [POLYGON, [1, 1, 2, 2]]},  # the second part is no polygon
    {"segmentation": [[1, 1, 2, 2]]},  # none is: the annotation is left out
    {"segmentation": {"size": [5, 6], "counts": [3, 4, 23]}},
    {"segmentation": {"size": [5, 6], "counts": "34g0"}, "iscrowd": 1},
    {"segmentation": []},
    {"segmentation": None},
    {},
]


@pytest.fixture
def file(tmp_path):
    """Two images, the one with the higher id first; categories in falling order of their ids."""
    rows = [
        {"id": i, "image_id": 2 - i % 2, "category_id": (9, 4)[i % 2], "bbox": [0, 0, 4, 3], "area": 12, **mask}
        for i, mask in enumerate(MASKS, start=1)
    ]
    images = [{"id": i, "file_name": f"sub/{i}.png", "height": 5, "width": 6} for i in (2, 1)]
    categories = [{"id": 9, "name": "nut"}, {"id": 4, "name": "screw"}]
    (tmp_path / "sub").mkdir()
    for image in images:
        (tmp_path / image["file_name"]).touch()
    path = tmp_path / "set.json"
    path.write_text(json.dumps({"images": images, "annotations": rows, "categories": categories}))
    return path


def test_they_equal_those_of_the_public_loader(file):
    theirs = load_coco_json(str(file), str(file.parent), "records_of_detectron2")
    known = MetadataCatalog.get("records_of_detectron2")
    register_coco_dataset("records_of_ours", file, file.parent)
    try:
        assert records_of(read_coco_file(file, file.parent)) == theirs
        assert DatasetCatalog.get("records_of_ours") == theirs
        ours = MetadataCatalog.get("records_of_ours")
        assert ours.thing_classes == known.thing_classes == ["screw", "nut"]
        assert ours.thing_dataset_id_to_contiguous_id == known.thing_dataset_id_to_contiguous_id
    finally:
        DatasetCatalog.remove("records_of_ours")
        for name in ("records_of_ours", "records_of_detectron2"):
            MetadataCatalog.remove(name)


def test_a_set_is_parsed_once_and_its_records_are_nobodys_to_change(file, monkeypatch):
    parsed = []
    monkeypatch.setattr(
        coco_file, "read_json", lambda path, read=coco_file.read_json: parsed.append(path) or read(path)
    )
    register_coco_dataset("records_once", file, file.parent)
    try:
        first = DatasetCatalog.get("records_once")
        wanted = json.dumps(first, default=str)
        first[0]["annotations"].clear()
        assert json.dumps(DatasetCatalog.get("records_once"), default=str) == wanted
        assert parsed == [file]
        file.write_text(file.read_text() + " ")
        assert json.dumps(DatasetCatalog.get("records_once"), default=str) == wanted
        assert parsed == [file, file]  # another file
    finally:
        DatasetCatalog.remove("records_once")
        MetadataCatalog.remove("records_once")
