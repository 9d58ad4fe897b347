"""Files and rows read leniently."""

import pytest

from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.coco_rows import annotation_fault, category_fault, image_fault, short_repr
from maskrcnn_project.errors import DatasetError
from tests.plugin.datasets.checking.sound_set import side_of, sound_coco, written

IMAGE = {"id": 1, "file_name": "a.png", "height": 5, "width": 6.0}


def test_a_file_is_read_as_it_is(tmp_path):
    coco = {**sound_coco(), "images": ["nonsense", *sound_coco()["images"]]}
    tables = SplitTables.read("val", written(coco, tmp_path / "a.json"), tmp_path)
    assert tables.images == coco["images"] and tables.other == {"info": {"year": 2024}}
    assert tables.sound_images == coco["images"][1:]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"images": [], "annotations": []}, "'categories' is missing; its keys are images, annotations"),
        ({"images": {}, "annotations": [], "categories": []}, "'images' is no list"),
        ({}, "its keys are none"),
        ([], "COCO wants an object"),
    ],
)
def test_no_tables(content, words, tmp_path):
    with pytest.raises(DatasetError, match=words):
        SplitTables.read("train", written(content, tmp_path / "a.json"))


def test_no_folder(tmp_path):
    with pytest.raises(DatasetError, match="name the folder of the train images"):
        SplitTables.read("train", written(sound_coco(), tmp_path / "a.json"), tmp_path / "images")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"id": "1"}, "wants an integer as 'id', but has '1'"),
        ({"id": True}, "wants an integer as 'id', but has True"),
        ({"file_name": ""}, "wants a text as 'file_name', but has ''"),
        ({"height": 0}, "wants a whole number of pixels as 'height', but has 0"),
        ({"width": 5.5}, "wants a whole number of pixels as 'width', but has 5.5"),
        ({"width": float("nan")}, "wants a whole number of pixels as 'width', but has nan"),
    ],
)
def test_image_rows(change, fault):
    assert image_fault({**IMAGE, **change}) == fault


def test_rows_of_other_tables():
    assert image_fault(None) == "is no object, but None"
    assert annotation_fault({"id": 1, "image_id": 2}) == "has no 'category_id'"
    assert annotation_fault({"id": 1, "image_id": 2, "category_id": 3}) is None
    assert category_fault({"id": 1, "name": 5}) == "wants a text as 'name', but has 5"


def test_annotations_lie_with_the_first_image_of_their_id():
    coco = sound_coco()
    coco["images"].append({**coco["images"][0], "file_name": "other.png"})
    coco["annotations"][-1]["image_id"] = 99
    tables = side_of(coco)
    assert tables.image_by_id[1]["file_name"] == "1.png"
    assert [(image["id"], len(rows)) for image, rows in tables.images_with_annotations()] == [(1, 3), (2, 3)]
    assert tables.place(coco["annotations"][-1]) == {"image_id": 99, "file_name": None, "annotation_id": 31}


def test_long_values_are_cut():
    assert short_repr([0] * 100).endswith("...") and len(short_repr([0] * 100)) == 60
