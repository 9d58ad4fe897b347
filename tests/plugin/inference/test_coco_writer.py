import json

import numpy as np
import torch
from detectron2.structures import Boxes, Instances
from pycocotools import mask as coco_mask

from maskrcnn_project.classes import ClassTable
from maskrcnn_project.inference.coco_writer import CocoWriter


def test_ids_boxes_and_masks_survive_the_file(tmp_path):
    instances = Instances((4, 6))
    instances.pred_boxes = Boxes(torch.tensor([[1.0, 0.0, 4.0, 2.0]]))
    instances.scores = torch.tensor([0.75])
    instances.pred_classes = torch.tensor([1])
    mask = torch.zeros(1, 4, 6, dtype=torch.bool)
    mask[0, 0:2, 1:4] = True
    instances.pred_masks = mask
    writer = CocoWriter(ClassTable(("cat", "dog"), (3, 17)))
    writer.add("empty.png", instances[:0])
    writer.add("one.png", instances)
    writer.write(tmp_path / "p.json")

    content = json.loads((tmp_path / "p.json").read_text())
    assert [i["file_name"] for i in content["images"]] == ["empty.png", "one.png"]
    assert content["categories"] == [{"id": 3, "name": "cat"}, {"id": 17, "name": "dog"}]
    (annotation,) = content["annotations"]
    assert annotation["image_id"] == 2 and annotation["category_id"] == 17
    assert annotation["bbox"] == [1.0, 0.0, 3.0, 2.0] and annotation["area"] == 6
    assert np.array_equal(coco_mask.decode(annotation["segmentation"]).astype(bool), mask[0].numpy())
