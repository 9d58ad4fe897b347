"""Small datasets: images of one colour, masks written as rows of characters."""

import json
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.masks.coding import box_xywh_of, decode, encode, segmentation_of
from tests.places import NUCLEI


def mask_of(*rows):
    """(H, W) bool from texts, ``#`` for the object."""
    return np.array([[character == "#" for character in row] for row in rows])


RING = mask_of(
    "........",
    ".#####..",
    ".#...#..",
    ".#.#.#..",  # an island in the hole
    ".#...#..",
    ".#####..",
)
TWO_PARTS = mask_of(
    "##....##",
    "##....##",
    "......##",
    "........",
    "........",
    "........",
)
CORNERS = mask_of(  # parts that touch at a corner
    "........",
    "..##....",
    "..##....",
    "....##..",
    "....##..",
    "........",
)


@pytest.fixture
def photo():
    """A function that writes an image of (height, width), upright or with an EXIF orientation."""

    def write(path, height=6, width=8, orientation=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        if orientation:
            exif[0x0112] = orientation
        Image.new("RGB", (width, height), (90, 120, 60)).save(path, exif=exif)
        return path

    return write


@pytest.fixture
def picture():
    """A function that writes an array of numbers as a PNG, with a palette if one is given."""

    def write(path, numbers, palette=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(np.asarray(numbers))
        if palette is not None:
            image.putpalette(np.asarray(palette, dtype=np.uint8).ravel().tolist())
        image.save(path)
        return path

    return write


@pytest.fixture
def hard_set(tmp_path, photo):
    """A COCO file of two classes (category ids 3 and 7) and three images, the last of them without objects."""
    images = tmp_path / "photos"
    for name in ("a.png", "deep/b.jpg", "empty.png"):
        photo(images / name)
    sloping = [[0.5, 0.5, 7.3, 1.2, 6.1, 5.8]]
    overlapping = [[0, 0, 4, 0, 4, 4, 0, 4], [2, 2, 6, 2, 6, 6, 2, 6]]  # the parts share 4 pixels
    rows = [
        (1, 7, encode(RING)),
        (1, 3, segmentation_of(TWO_PARTS)),
        (1, 3, sloping),
        (2, 3, encode(CORNERS)),
        (2, 7, overlapping),
        (2, 7, [[-2, -1, 5, -1, 5, 3, -2, 3]]),  # partly outside
    ]
    annotations = []
    for number, (image_id, category_id, segmentation) in enumerate(rows, 1):
        mask = decode(segmentation, 6, 8)
        annotations.append(
            {
                "id": number,
                "image_id": image_id,
                "category_id": category_id,
                "bbox": box_xywh_of(mask),
                "area": int(mask.sum()),
                "iscrowd": 0,
                "segmentation": segmentation,
            }
        )
    coco = {
        "images": [
            {"id": number, "file_name": name, "height": 6, "width": 8}
            for number, name in enumerate(("a.png", "deep/b.jpg", "empty.png"), 1)
        ],
        "annotations": annotations,
        "categories": [{"id": 7, "name": "nut"}, {"id": 3, "name": "screw"}],
    }
    path = tmp_path / "all.json"
    path.write_text(json.dumps(coco), "utf-8")
    return read_coco_file(path, images)


@pytest.fixture
def objects_of():
    """A function of COCO content: file name -> sorted (class, pixels), which no order or way of writing changes."""

    def objects(coco):
        names = {row["id"]: row["name"] for row in coco["categories"]}
        images = {row["id"]: row for row in coco["images"]}
        found = defaultdict(list)
        for row in coco["annotations"]:
            image = images[row["image_id"]]
            mask = decode(row["segmentation"], image["height"], image["width"])
            found[image["file_name"]].append((names[row["category_id"]], mask.tobytes()))
        return {name: sorted(items) for name, items in found.items()}

    return objects


@pytest.fixture
def nuclei():
    """Photographs of cell nuclei, if they lie beside the project."""
    root = NUCLEI
    if not (root / "val.json").is_file():
        pytest.skip("the nuclei (shared/data/nuclei beside the repository) are not there")
    return read_coco_file(root / "val.json", root / "val")
