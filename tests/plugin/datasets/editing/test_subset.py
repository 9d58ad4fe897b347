"""Subsets: what is asked for, ids and order kept, nothing else touched."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_project.datasets.editing.subset import (
    SubsetOptions,
    image_keys,
    read_image_list,
    subset_coco,
    with_classes,
    with_images,
    with_number,
    write_subset,
)
from maskrcnn_project.errors import DatasetError

# Six images: 10 shows a nut, 20 a nut and a screw, 30 two screws, 40 nothing, 50 a washer, 60 a nut.
SHOWN = {10: [1], 20: [1, 2], 30: [2, 2], 40: [], 50: [3], 60: [1]}
PAIRS = [(image, category) for image, shown in SHOWN.items() for category in shown]
COCO = {
    "info": {"year": 2020},
    "images": [{"id": n, "file_name": f"a/{n}.png", "height": 8, "width": 8} for n in SHOWN],
    "annotations": [
        {"id": n, "image_id": image, "category_id": category, "bbox": [0, 0, 1, 1]}
        for n, (image, category) in enumerate(PAIRS, 100)
    ],
    "categories": [{"id": 1, "name": "nut"}, {"id": 2, "name": "screw"}, {"id": 3, "name": "washer"}],
}


def ids(part, key="images"):
    return [row["id"] for row in part[key]]


def test_classes_and_the_images_that_show_them():
    part = with_classes(COCO, ["screw"])
    assert ids(part) == [20, 30] and ids(part, "annotations") == [102, 103, 104]
    assert part["categories"] == [{"id": 2, "name": "screw"}] and part["info"] == COCO["info"]
    assert ids(with_classes(COCO, ["screw"], keep_empty=True)) == list(SHOWN)


def test_a_class_and_a_root_of_its_name():
    roots = [{"id": 0, "name": "nut", "supercategory": "none"}, {"id": 1, "name": "nut", "supercategory": "nut"}]
    assert ids(with_classes({**COCO, "categories": roots}, ["nut"])) == [10, 20, 60]


def test_images_by_id_or_by_name():
    by_id = with_images(COCO, [60, 20])
    assert ids(by_id) == [20, 60] and ids(by_id, "annotations") == [101, 102, 106]
    assert with_images(COCO, ["a/60.png", "a/20.png"]) == by_id
    assert by_id["categories"] == COCO["categories"]


@settings(max_examples=60, deadline=None)
@given(number=st.integers(1, 6), seed=st.integers(0, 5))
def test_a_number_of_images(number, seed):
    part = with_number(COCO, number, seed)
    assert len(part["images"]) == number
    assert part == with_number(COCO, number, seed)
    kept = set(ids(part))
    assert ids(part) == [key for key in SHOWN if key in kept]  # in the order of the file
    assert part["annotations"] == [row for row in COCO["annotations"] if row["image_id"] in kept]


def test_a_number_keeps_every_class():
    """Of 60 images 50 show a nut; six are still enough for all three classes, and nuts are the most."""
    shown = [1] * 50 + [2] * 8 + [3] * 2
    coco = {
        **COCO,
        "images": [{"id": n, "file_name": f"{n}.png"} for n in range(60)],
        "annotations": [{"id": n, "image_id": n, "category_id": category} for n, category in enumerate(shown)],
    }
    draws = [with_number(coco, 6, seed) for seed in range(8)]
    for part in draws:
        found = sorted(row["category_id"] for row in part["annotations"])
        assert found == [1, 1, 1, 1, 2, 3]
    assert len({tuple(ids(part)) for part in draws}) > 1


def test_wishes_one_after_the_other():
    part = subset_coco(COCO, SubsetOptions(images=[10, 20, 30], classes=["nut"]))
    assert ids(part) == [10, 20] and ids(part, "annotations") == [100, 101]
    part = subset_coco(COCO, SubsetOptions(classes=["nut"], keep_empty=True, number=5))
    assert len(part["images"]) == 5 and ids(part, "categories") == [1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (SubsetOptions(), "wants to know what of"),
        (SubsetOptions(classes=["bolt"]), "There is no class bolt; the classes are nut, screw, washer"),
        (SubsetOptions(images=[10, 11, 12]), "2 of the 3 wanted images are not among the 6 of the file, e.g. 11, 12"),
        (SubsetOptions(images=["10.png"]), "'10.png'"),
        (SubsetOptions(number=0), "subset of 0 images was wanted, but it can have 1 to 6"),
        (SubsetOptions(number=7), "subset of 7 images"),
        (SubsetOptions(images=[40], classes=["nut"]), "No image is left"),
    ],
)
def test_what_cannot_be(options, said):
    with pytest.raises(DatasetError, match=said):
        subset_coco(COCO, options)


def test_it_is_written_once(tmp_path):
    source, target = tmp_path / "all.json", tmp_path / "new" / "part.json"
    source.write_text(json.dumps(COCO), "utf-8")
    part = write_subset(source, target, SubsetOptions(number=2))
    assert json.loads(target.read_text()) == part
    with pytest.raises(DatasetError, match="part.json exists already"):
        write_subset(source, target, SubsetOptions(number=3))
    assert json.loads(target.read_text()) == part and json.loads(source.read_text()) == COCO


def test_lists_of_images(tmp_path):
    assert image_keys(["3", "17"]) == [3, 17]
    assert image_keys(["3", "a.png"]) == ["3", "a.png"]
    file = tmp_path / "list.txt"
    file.write_text("a.png\r\n\n  b c.png \n", "utf-8-sig")
    assert read_image_list(file) == ["a.png", "b c.png"]
    file.write_text("\n", "utf-8")
    with pytest.raises(DatasetError, match="is empty"):
        read_image_list(file)
    with pytest.raises(DatasetError, match="does not exist"):
        read_image_list(tmp_path / "none.txt")
