"""COCO to another format and back: masks, classes, crowds, images and splits stay, as far as the format has them."""

import json

import numpy as np
import pytest
from PIL import Image

from maskrcnn_project.datasets.coco_file import read_coco_file
from maskrcnn_project.datasets.conversion.labelme import read_labelme, write_labelme
from maskrcnn_project.datasets.conversion.yolo import read_yolo
from maskrcnn_project.datasets.conversion.yolo_writer import write_yolo
from maskrcnn_project.datasets.shapes.shapes import ShapesOptions, write_shapes
from maskrcnn_project.masks.coding import box_xywh_of, encode, segmentation_of
from tests.places import NUCLEI


def write_set(root, masks, names=("cell",), file_name="a.png", crowd=(), as_rle=False):
    """A COCO file of one image and (H, W) masks, whose classes are ``names`` in turn; with ids from 0 by sevens."""
    height, width = masks[0].shape
    (root / "photos" / file_name).parent.mkdir(parents=True)
    Image.new("RGB", (width, height)).save(root / "photos" / file_name)
    rows = [
        {
            "id": 7 * number,
            "image_id": 40,
            "category_id": 7 * (number % len(names)),
            "bbox": box_xywh_of(mask),
            "area": int(mask.sum()),
            "iscrowd": int(number in crowd),
            "segmentation": encode(mask) if as_rle or number in crowd else segmentation_of(mask),
        }
        for number, mask in enumerate(masks)
    ]
    image = {"id": 40, "file_name": file_name, "height": height, "width": width}
    categories = [{"id": 7 * number, "name": name} for number, name in enumerate(names)]
    (root / "a.json").write_text(
        json.dumps({"images": [image], "annotations": rows, "categories": categories}), "utf-8"
    )
    return read_coco_file(root / "a.json", root / "photos")


def drawn(size, *boxes):
    """(H, W) bool: the union of x1, y1, x2, y2."""
    mask = np.zeros(size, dtype=bool)
    for x1, y1, x2, y2 in boxes:
        mask[y1:y2, x1:x2] = True
    return mask


SIZE = (23, 31)
WHOLE = drawn(SIZE, (0, 0, 31, 23))
RINGS = WHOLE & ~drawn(SIZE, (2, 2, 20, 20)) | drawn(SIZE, (4, 4, 10, 10)) & ~drawn(SIZE, (6, 6, 8, 8))
ODD_MASKS = {
    "one pixel": [drawn(SIZE, (30, 22, 31, 23))],
    "the whole image": [WHOLE],
    "rings in rings": [RINGS],
    "a line of one pixel": [drawn(SIZE, (0, 5, 31, 6)), drawn(SIZE, (5, 0, 6, 23))],
    "parts far apart": [drawn(SIZE, (0, 0, 2, 2), (29, 21, 31, 23), (14, 10, 15, 11))],
    "objects over each other": [drawn(SIZE, (2, 2, 9, 9)), drawn(SIZE, (5, 5, 12, 12)), drawn(SIZE, (2, 2, 9, 9))],
    "chess board": [np.indices(SIZE).sum(axis=0) % 2 == 0],
    "noise": [np.random.default_rng(number).random(SIZE) < 0.5 for number in range(3)],
}
CLASSES = ["no", "7", "null", "a: b", "two words", "细胞核", "#x", "'quoted'", "~"]


def there_and_back(data, folder, target):
    """What comes back of ``data``, and what was left out on the way."""
    if target == "labelme":
        left_out = write_labelme(data, folder)
        return read_labelme(folder, data.image_root), left_out
    left_out = write_yolo(data, folder, "val")
    return read_yolo(folder, folder / "images" / "val", split="val"), left_out


@pytest.mark.parametrize("target", ["labelme", "yolo"])
@pytest.mark.parametrize("as_rle", [False, True])
@pytest.mark.parametrize("kind", ODD_MASKS)
def test_masks_of_every_form(tmp_path, objects_of, kind, as_rle, target):
    data = write_set(tmp_path, ODD_MASKS[kind], as_rle=as_rle)
    back, left_out = there_and_back(data, tmp_path / "new", target)
    assert objects_of(back.coco) == objects_of(data.as_dict())
    assert not left_out.counts and not back.left_out.counts


@pytest.mark.parametrize("target", ["labelme", "yolo"])
@pytest.mark.parametrize("file_name", ["a b.png", "a.b.c.png", "deep/er/ä.PNG", "细胞.png", "#1.png"])
def test_classes_and_images_of_every_name(tmp_path, objects_of, file_name, target):
    boxes = [drawn(SIZE, (number, 0, number + 2, 3)) for number in range(len(CLASSES))]
    data = write_set(tmp_path, boxes, CLASSES, file_name)
    back, _ = there_and_back(data, tmp_path / "new", target)
    assert objects_of(back.coco) == objects_of(data.as_dict())
    assert [row["name"] for row in back.coco["categories"]] == data.class_names == CLASSES
    assert [row["file_name"] for row in back.coco["images"]] == [file_name]


@pytest.mark.parametrize("target", ["labelme", "yolo"])
def test_crowds_stay_where_the_format_has_them_and_are_counted_where_not(tmp_path, target):
    masks = [drawn(SIZE, (0, 0, 5, 5)), drawn(SIZE, (6, 6, 12, 12)), RINGS]
    data = write_set(tmp_path, masks, crowd=(1, 2))
    back, left_out = there_and_back(data, tmp_path / "new", target)
    found = [(row["iscrowd"], row["area"]) for row in back.coco["annotations"]]
    if target == "labelme":
        assert found == [(0, 25), (1, 36), (1, int(RINGS.sum()))] and not left_out.counts
    else:
        assert found == [(0, 25)]
        assert left_out.counts == {"crowd region, which YOLO does not know": 2}


def test_splits_of_yolo_stay_apart(tmp_path, objects_of):
    sets = {}
    for number, split in enumerate(("train", "val", "test")):
        sets[split] = write_set(tmp_path / split, [drawn(SIZE, (number, 0, 9, 9))], CLASSES, f"{split}.png")
        write_yolo(sets[split], tmp_path / "yolo", split)
    for split, data in sets.items():
        back = read_yolo(tmp_path / "yolo" / "data.yaml", tmp_path / "yolo" / "images" / split, split=split)
        assert objects_of(back.coco) == objects_of(data.as_dict())


@pytest.mark.parametrize("target", ["labelme", "yolo"])
def test_drawn_shapes(tmp_path, objects_of, target):
    write_shapes(tmp_path / "shapes", ShapesOptions(train=4, val=2, size=96))
    data = read_coco_file(tmp_path / "shapes" / "annotations" / "train.json", tmp_path / "shapes" / "train")
    back, left_out = there_and_back(data, tmp_path / "new", target)
    wanted = objects_of({**data.as_dict(), "annotations": [r for r in data.annotations if not r.get("iscrowd")]})
    got = objects_of({**back.coco, "annotations": [row for row in back.coco["annotations"] if not row["iscrowd"]]})
    assert got == wanted and set(left_out.counts) <= {"crowd region, which YOLO does not know"}


@pytest.mark.parametrize("target", ["labelme", "yolo"])
@pytest.mark.parametrize("split", ["train", "val"])
def test_photographs_of_nuclei(tmp_path, objects_of, split, target):
    if not (NUCLEI / f"{split}.json").is_file():
        pytest.skip("the nuclei (shared/data/nuclei beside the repository) are not there")
    data = read_coco_file(NUCLEI / f"{split}.json", NUCLEI / split)
    back, left_out = there_and_back(data, tmp_path / "new", target)
    assert objects_of(back.coco) == objects_of(data.as_dict()) and not left_out.counts
