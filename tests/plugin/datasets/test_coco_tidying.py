"""What has one meaning is read so, told in a note, and nothing else is touched."""

import copy
import json

import pytest

from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.datasets.coco_tidying import may_have_notes, tidy
from tests.plugin.datasets.odd_sets import HEIGHT, WIDTH, each, put, renumbered, sound

UNTIDY = {
    "sizes": (each("images", lambda row: row.update(height=48.0)), "4 sizes written with decimals are read as whole "),
    "ids": (renumbered("images", "image_id", float), "16 ids written with decimals are read as whole numbers"),
    "ignored": (put("annotations", "ignore", 1), "1 annotations with 'ignore' set are read as crowds (iscrowd 1)"),
    "not ignored": (put("annotations", "ignore", False), "1 annotations with 'ignore' not set are read without it"),
}


@pytest.mark.parametrize("name", UNTIDY)
def test_one_note_of_each_kind(name, tmp_path):
    build, words = UNTIDY[name]
    path = tmp_path / "set.json"
    path.write_text(build())
    file = read_coco_file(path)
    assert len(file.notes) == 1 and file.notes[0].startswith(words)
    assert may_have_notes(path)
    # as written anew, it has no notes, and the same content
    path.write_text(json.dumps(file.as_dict()))
    again = read_coco_file(path)
    assert again.notes == () and again.as_dict() == file.as_dict()
    assert not may_have_notes(path)


def test_what_is_tidy_stays_the_very_same():
    coco = sound()
    assert tidy(coco) == (coco, []) and tidy(coco)[0] is coco


def test_the_argument_is_not_changed():
    coco = json.loads(put("annotations", "ignore", 1)())
    before = copy.deepcopy(coco)
    tidied, _ = tidy(coco)
    assert coco == before and tidied["annotations"][0]["iscrowd"] == 1
    assert tidied["annotations"][1] is coco["annotations"][1]


def test_run_lengths_with_decimals():
    rle = {"size": [float(HEIGHT), float(WIDTH)], "counts": [3.0, 4, 5.5]}
    tidied, notes = tidy({"annotations": [{"segmentation": rle}]})
    assert tidied["annotations"][0]["segmentation"] == {"size": [HEIGHT, WIDTH], "counts": [3, 4, 5.5]}
    assert len(notes) == 2  # the last run is no whole number: the reader says so


def test_values_with_several_meanings_stay():
    rows = [{"id": 1.5, "image_id": "1", "category_id": None}, "text", None, {"id": True}]
    assert tidy({"annotations": rows, "images": {}})[0]["annotations"] == rows


def test_a_byte_order_mark(tmp_path):
    path = tmp_path / "set.json"
    path.write_text(json.dumps(sound()), encoding="utf-8-sig")
    assert may_have_notes(path)
    assert read_coco_file(path).notes == ("the file begins with a byte order mark, which is left out",)
