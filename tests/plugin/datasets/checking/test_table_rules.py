"""Details of the rules on rows."""

import pytest

from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.table_rules import (
    check_tables,
    crowd_fault,
    file_key,
    missing_keys,
    root_categories,
)
from tests.plugin.datasets.checking.sound_set import side_of, sound_coco


def details(coco):
    findings = Findings()
    check_tables(side_of(coco), findings)
    return {finding.rule.id: [example.detail for example in finding.examples] for finding in findings}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (0, None),
        (1, None),
        (True, None),
        (False, None),
        (None, "iscrowd is None"),
        (2, "iscrowd is 2"),
        ("0", "iscrowd is '0'"),
        (1.0, None),
        (0.5, "iscrowd is 0.5"),
    ],
)
def test_crowds(value, fault):
    assert crowd_fault({"iscrowd": value}) == fault
    assert crowd_fault({}) is None


def test_an_area_of_null_is_missing():
    assert missing_keys({"iscrowd": 0, "area": None}) == ["area"]
    assert missing_keys({}) == ["iscrowd", "area"]


def test_one_file_however_it_is_written():
    assert (
        file_key({"file_name": "./a//b.png"})
        == file_key({"file_name": "a/b.png"})
        == file_key({"file_name": "c/../a/b.png"})
    )


def test_a_repeated_id_says_which_file_has_it_already():
    coco = sound_coco()
    coco["images"] += [{**coco["images"][0]}, {**coco["images"][0], "file_name": "other.png"}]
    assert details(coco)["image-id-repeated"] == ["the same file again", "also 1.png"]


def test_malformed_rows_are_named_by_their_place():
    coco = sound_coco()
    coco["annotations"][2] = None
    coco["categories"].append({"id": "7", "name": "bolt"})
    assert details(coco) == {
        "row-malformed": [
            "annotations[2] is no object, but None",
            "categories[2] wants an integer as 'id', but has '7'",
        ]
    }


def test_an_unused_background_is_told_that_coco_lists_none():
    coco = sound_coco()
    coco["categories"].append({"id": 0, "name": "_background_"})
    assert details(coco) == {"category-unused": ["'_background_' (id 0): a COCO file lists no background"]}


def test_roots_own_nothing_on_either_side_and_may_have_odd_parents():
    coco = sound_coco()
    coco["categories"] += [
        {"id": 0, "name": "part", "supercategory": "none"},
        {"id": 9, "name": "x", "supercategory": []},
    ]
    tables, other = side_of(coco), side_of(coco, "val")
    assert [row["id"] for row in root_categories(tables, other)] == [0]
    coco["annotations"][0]["category_id"] = 0
    assert root_categories(tables, side_of(coco, "val")) == []
    assert [row["id"] for row in root_categories(tables)] == [0]
