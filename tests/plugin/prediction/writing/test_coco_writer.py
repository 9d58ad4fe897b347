"""predictions.json."""

import json
from pathlib import PurePosixPath

import numpy as np
from pycocotools import mask as coco_mask

from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.modeling.class_table import ClassTable
from maskrcnn_project.prediction.writing.coco_writer import CocoWriter
from tests.plugin.masks.found_of import found_of, pixels_of

CLASSES = ClassTable(("cat", "dog"), (3, 17))
MASK = pixels_of(".##...", ".###..", "......", "......")


def test_ids_boxes_and_masks_survive_the_file(tmp_path):
    path = tmp_path / "new" / "p.json"
    writer = CocoWriter(path, CLASSES)
    writer.add(PurePosixPath("empty.png"), None, Detections.none((4, 6)))
    writer.add(PurePosixPath("deep/one.png"), None, found_of(MASK, MASK[::-1], classes=[1, 0], scores=[0.75, 0.5]))
    assert not path.exists()
    writer.finish()

    content = json.loads(path.read_text())
    assert content["images"] == [
        {"id": 1, "file_name": "empty.png", "height": 4, "width": 6},
        {"id": 2, "file_name": "deep/one.png", "height": 4, "width": 6},
    ]
    assert content["categories"] == [{"id": 3, "name": "cat"}, {"id": 17, "name": "dog"}]
    dog, cat = content["annotations"]
    assert (dog["id"], dog["image_id"], dog["category_id"], dog["score"], dog["iscrowd"]) == (1, 2, 17, 0.75, 0)
    assert (dog["bbox"], dog["area"]) == ([1.0, 0.0, 3.0, 2.0], 5)
    assert np.array_equal(coco_mask.decode(dog["segmentation"]).astype(bool), MASK)
    assert (cat["id"], cat["category_id"]) == (2, 3)
    assert writer.count == 2
    assert [file.name for file in path.parent.iterdir()] == ["p.json"]  # nothing is left beside it


def test_without_masks_the_area_is_the_box(tmp_path):
    found = found_of(MASK)
    writer = CocoWriter(tmp_path / "p.json", CLASSES)
    writer.add(PurePosixPath("a"), None, Detections(found.size, found.boxes, found.scores, found.classes, None))
    writer.finish()
    [annotation] = json.loads((tmp_path / "p.json").read_text())["annotations"]
    assert annotation["area"] == 6
    assert "segmentation" not in annotation


def test_no_image_at_all(tmp_path):
    CocoWriter(tmp_path / "p.json", CLASSES).finish()
    content = json.loads((tmp_path / "p.json").read_text())
    assert (content["images"], content["annotations"], len(content["categories"])) == ([], [], 2)


def test_what_a_killed_run_left_is_written_anew(tmp_path):
    killed = CocoWriter(tmp_path / "p.json", CLASSES)
    killed.add(PurePosixPath("a.png"), None, found_of(MASK))
    CocoWriter(tmp_path / "p.json", CLASSES).finish()
    assert json.loads((tmp_path / "p.json").read_text())["annotations"] == []
