"""What a collection makes of objects: parts united, run lengths, boxes, and files that are not overwritten."""

import json

import numpy as np
import pytest

from maskrcnn_project.datasets.conversion.collection import Collection
from maskrcnn_project.datasets.conversion.image_folder import ImageFolder
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.coding import decode
from maskrcnn_project.masks.mask_in_box import MaskInBox

SQUARE = [0, 0, 2, 0, 2, 2, 0, 2]


@pytest.fixture
def collection(tmp_path, photo):
    """One image of 6x8, opened."""
    photo(tmp_path / "a.png")
    made = Collection(ImageFolder(tmp_path))
    made.open_image("a.png", "by hand")
    return made


def test_masks_beyond_the_image_are_cut_and_parts_united(collection):
    corner = MaskInBox.at(-2, -2, np.ones((3, 3), dtype=bool))  # its pixel (2, 2) is the image's (0, 0)
    far = MaskInBox.at(7, 5, np.ones((2, 2), dtype=bool))  # only its first pixel lies in the image
    collection.add("a.png", "nut", [corner, far, [2, 0, 4, 0, 4, 2, 2, 2]], "by hand")
    (row,) = collection.finish().coco["annotations"]
    wanted = np.zeros((6, 8), dtype=bool)
    wanted[0, 0] = wanted[5, 7] = True
    wanted[0:2, 2:4] = True
    assert decode(row["segmentation"], 6, 8).tolist() == wanted.tolist()
    assert (row["bbox"], row["area"]) == ([0, 0, 8, 6], 6)


@pytest.mark.parametrize(
    "part",
    [
        MaskInBox.at(8, 0, np.ones((2, 2), dtype=bool)),
        MaskInBox.at(0, -2, np.ones((2, 2), dtype=bool)),
        [9, 0, 12, 0, 9, 4],
        [],
    ],
)
def test_what_lies_outside_is_left_out_and_told(collection, part):
    collection.add("a.png", "nut", [part], "shape 1")
    conversion = Collection.finish(collection, ["nut"])
    assert conversion.coco["annotations"] == []
    assert conversion.left_out.table().split("\n")[1].strip() == "in shape 1"


def test_the_box_of_a_polygon_is_clipped_and_its_corners_stay(collection):
    polygon = [-2.5, 1.5, 4.25, 1.5, 4.25, 20, -2.5, 20]
    collection.add("a.png", "nut", [polygon], "by hand")
    (row,) = collection.finish().coco["annotations"]
    assert row["segmentation"] == [polygon] and row["bbox"] == [0, 1.5, 4.25, 4.5]


def test_the_file_is_written_whole_and_never_twice(collection, tmp_path):
    conversion = collection.finish(["nut"])
    path = tmp_path / "new" / "coco.json"
    conversion.write(path)
    assert json.loads(path.read_text()) == conversion.coco
    assert [file.name for file in path.parent.iterdir()] == ["coco.json"]
    with pytest.raises(DatasetError, match="coco.json exists already"):
        conversion.write(path)


def refused(collection, name, sentence="a.json is broken.", stem="a"):
    with getattr(collection, name)(*([stem] if name == "image_at" else [])):
        raise DatasetError(sentence)


def test_an_error_costs_its_object_and_is_told_with_its_sentence(collection):
    collection.add("a.png", "nut", [SQUARE], "by hand")
    for number in range(5):
        refused(collection, "object_at", f"a.json, shapes[{number}] is wrong.")
    conversion = collection.finish()
    assert len(conversion.coco["annotations"]) == 1
    assert conversion.left_out.table().splitlines() == [
        "       5  object that cannot be converted",
        "          a.json, shapes[0] is wrong",
        "          a.json, shapes[1] is wrong",
        "          a.json, shapes[2] is wrong",
        "          ...",
    ]


def test_an_error_takes_the_image_that_was_opened_with_its_objects(tmp_path, photo):
    for name in ("a.png", "b.png"):
        photo(tmp_path / name)
    collection = Collection(ImageFolder(tmp_path))
    for name in ("a.png", "b.png"):
        with collection.image_at("other"):
            collection.open_image(name, "by hand")
            collection.add(name, "nut", [SQUARE], "by hand")
            if name == "b.png":
                raise DatasetError("the end is missing")
    coco = collection.finish().coco
    assert [row["file_name"] for row in coco["images"]] == ["a.png"] and len(coco["annotations"]) == 1


def test_nothing_left_is_an_error_with_the_first_reason(collection):
    refused(collection, "object_at", "the first is wrong.")
    with pytest.raises(DatasetError, match=r"^the first is wrong\.$"):
        collection.finish(["nut"])
    refused(collection, "image_at", "the second is wrong.", stem="z")
    with pytest.raises(DatasetError, match=r"^the first is wrong; 1 more cannot be used either, so that no object is"):
        collection.finish(["nut"])


def test_other_errors_end_the_conversion(collection):
    with pytest.raises(ZeroDivisionError), collection.image_at("a"), collection.object_at():
        raise ZeroDivisionError


def test_labels_are_on_one_line(collection):
    collection.add("a.png", "two\nwords", [SQUARE], "by hand")
    with pytest.raises(DatasetError, match="by hand has a label without a letter"):
        collection.add("a.png", "\x07", [SQUARE], "by hand")
    assert collection.finish().coco["categories"] == [{"id": 1, "name": "two words"}]
