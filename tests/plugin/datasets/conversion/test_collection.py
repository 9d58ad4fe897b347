"""What a collection makes of objects: parts united, run lengths, boxes, and files that are not overwritten."""

import json

import numpy as np
import pytest

from maskrcnn_project.datasets.conversion.collection import Collection
from maskrcnn_project.datasets.conversion.image_folder import ImageFolder
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.masks.coding import decode
from maskrcnn_project.masks.mask_in_box import MaskInBox


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
