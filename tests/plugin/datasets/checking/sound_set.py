"""A small sound COCO file, ways to damage it, and what the check finds."""

import copy
import json

import numpy as np

from maskrcnn_project.datasets.checking.check import check_dataset
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.masks.coding import encode

HEIGHT, WIDTH = 100, 120
# Rules on amounts, which no file that can be read here satisfies; test_set_rules has them.
AMOUNTS = {"images-few", "instances-few"}


def square(x, y, tables):
    """A polygon and its box, [x, y, width, height]."""
    return [x, y, x + tables, y, x + tables, y + tables, x, y + tables], [x, y, tables, tables]


def ring():
    """(HEIGHT, WIDTH) mask of a square frame: x from 60 to 90, y from 50 to 80, 5 wide."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[50:80, 60:90] = True
    mask[55:75, 65:85] = False
    return mask


def annotation(number, image_id, category_id, segmentation, box, area, iscrowd=0):
    return {"id": number, "image_id": image_id, "category_id": category_id, "segmentation": segmentation,
            "bbox": box, "area": area, "iscrowd": iscrowd}  # fmt: skip


def sound_coco():
    """
    Three images of HEIGHT x WIDTH, two classes, seven instances: polygons of one and of two parts, one with a slanted
    edge, a ring as run lengths, one at the border, and a crowd.
    """
    images = [{"id": i, "file_name": f"{i}.png", "height": HEIGHT, "width": WIDTH} for i in (1, 2, 3)]
    (a, box_a), (b, box_b), (c, box_c) = square(10, 20, 20), square(50, 20, 30), square(90, 70, 30)
    left, right = square(10, 10, 20)[0], square(35, 10, 20)[0]  # hidden between 30 and 35
    crowd = np.zeros((HEIGHT, WIDTH), dtype=bool)
    crowd[5:25, 70:115:3] = True
    rows = [
        annotation(11, 1, 1, [a], box_a, 400),
        annotation(12, 1, 2, [b], box_b, 900.0),
        annotation(13, 1, 2, [c], box_c, 900),
        annotation(21, 2, 1, [left, right], [10, 10, 45, 20], 800),
        annotation(22, 2, 2, encode(ring()), [60, 50, 30, 30], 500),
        annotation(23, 2, 2, encode(crowd), [70, 5, 43, 20], int(crowd.sum()), iscrowd=1),
        annotation(31, 3, 1, [[20, 20, 80, 20, 20, 80]], [20, 20, 60, 60], 1800),
    ]
    categories = [
        {"id": 1, "name": "screw", "supercategory": "part"},
        {"id": 5, "name": "nut", "supercategory": "part"},
    ]
    for row in rows:
        row["category_id"] = {1: 1, 2: 5}[row["category_id"]]
    return {"info": {"year": 2024}, "images": images, "annotations": rows, "categories": categories}


def other_coco():
    """As ``sound_coco``, of other pictures: no image has the same masks."""
    coco = sound_coco()
    row = row_of(coco, 22)
    row.update(segmentation=encode(np.roll(ring(), 2, axis=1)), bbox=[62, 50, 30, 30])
    return coco


def row_of(coco, number):
    """The annotation with this id."""
    return next(row for row in coco["annotations"] if row["id"] == number)


def side_of(coco, split="train"):
    """A side that has nothing in common with ``coco``, as if read from a file; no image folder."""
    return SplitTables.of_content(split, f"{split}.json", None, copy.deepcopy(coco))


def found_in(coco, val=None, **options):
    """{rule: (image id, annotation id) of the examples}, without AMOUNTS."""
    splits = [side_of(coco)] if val is None else [side_of(coco), side_of(val, "val")]
    findings = check_dataset(*splits, progress=False, **options)
    found = {}
    for finding in findings:
        if finding.rule.id not in AMOUNTS:
            assert finding.count >= len(finding.examples) > 0
            places = [(example.image_id, example.annotation_id) for example in finding.examples]
            found.setdefault(finding.rule.id, []).extend(places)
    return found


def written(coco, path):
    """``coco`` as a JSON file."""
    path.write_text(json.dumps(coco))
    return path
