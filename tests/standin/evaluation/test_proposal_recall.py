import numpy as np
import pytest
import torch
from detectron2.evaluation._proposal_recall import assign_one_to_one, proposal_recalls
from detectron2.structures import Boxes, Instances
from pycocotools.coco import COCO


def test_the_best_pair_leaves_first():
    # Proposal 0 suits both boxes; the first takes it at 0.9, so the second must do with 0.3.
    np.testing.assert_allclose(assign_one_to_one(np.array([[0.9, 0.8], [0.1, 0.3]])), [0.9, 0.3])
    np.testing.assert_allclose(assign_one_to_one(np.array([[0.2, 0.7, 0.1]])), [0, 0.7, 0])
    assert assign_one_to_one(np.zeros((5, 0))).shape == (0,)
    np.testing.assert_allclose(assign_one_to_one(np.zeros((0, 2))), [0, 0])


def ground_truth(boxes):
    coco = COCO()
    coco.dataset = {
        "images": [{"id": 1}],
        "categories": [{"id": 1}],
        "annotations": [
            {"id": i + 1, "image_id": 1, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}
            for i, (box, crowd) in enumerate(boxes)
        ],
    }
    coco.createIndex()
    return coco


def proposals(boxes, logits):
    return {
        "image_id": 1,
        "proposals": Instances(
            (200, 200),
            proposal_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
            objectness_logits=torch.tensor(logits),
        ),
    }


def test_recalls_by_size_and_limit():
    coco = ground_truth([([0, 0, 10, 10], 0), ([50, 50, 60, 60], 0), ([0, 0, 200, 200], 1)])
    # The small box is met exactly; the medium one by a proposal of IoU 50/60, past 7 of 10 thresholds, which
    # is the last of the hundred.
    misses = [[150.0, 150.0, 160.0, 160.0]] * 98
    found = proposals([[50.0, 50.0, 110.0, 100.0], *misses, [0.0, 0.0, 10.0, 10.0]], [-5.0] + [1.0] * 98 + [2.0])
    recalls = proposal_recalls([found], coco)
    assert recalls["ARs@100"] == pytest.approx(100) and recalls["ARm@100"] == pytest.approx(70)
    more = proposals([[150.0, 150.0, 160.0, 160.0]] * 200 + [[50.0, 50.0, 110.0, 100.0]], [1.0] * 200 + [-5.0])
    recalls = proposal_recalls([more], coco)
    assert recalls["ARm@100"] == 0 and recalls["ARm@1000"] == pytest.approx(70)
    assert recalls["AR@1000"] == pytest.approx(35)
    assert np.isnan(recalls["ARl@100"])


def test_no_proposals_recall_nothing():
    recalls = proposal_recalls([proposals([], [])], ground_truth([([0, 0, 10, 10], 0)]))
    assert recalls["AR@100"] == 0 and recalls["AR@1000"] == 0
