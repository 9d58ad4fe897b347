"""Detections are what pixels would be, in less memory."""

import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances

from maskrcnn_project.masks.coding import decode_crop, encode, encode_crop
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.masks.mask_in_box import MaskInBox


def instances_of(masks, scores=None):
    masks = torch.as_tensor(masks)
    count = len(masks)
    instances = Instances(tuple(masks.shape[1:]))
    instances.pred_boxes = Boxes(torch.arange(4 * count, dtype=torch.float32).reshape(count, 4))
    instances.scores = torch.linspace(0.9, 0.5, count) if scores is None else torch.tensor(scores)
    instances.pred_classes = torch.arange(count)
    instances.pred_masks = masks
    return instances


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [(0, 0, "a corner"), (4, 3, "the other corner"), (2, 1, "the middle"), (0, 3, "lower left")],
)
def test_a_crop_is_encoded_as_the_whole_image_would_be(x, y, reason):
    crop = np.array([[1, 0], [1, 1]], dtype=bool)
    whole = np.zeros((5, 6), dtype=bool)
    whole[y : y + 2, x : x + 2] = crop
    assert encode_crop(MaskInBox.at(x, y, crop), (5, 6)) == encode(whole)


def test_random_masks_there_and_back():
    generator = np.random.default_rng(0)
    for _ in range(200):
        height, width = generator.integers(1, 12, size=2)
        mask = generator.random((height, width)) < generator.random()
        rle = encode_crop(MaskInBox.at(0, 0, mask), (height, width))
        assert rle == encode(mask)
        decoded = decode_crop(rle)
        crop = decoded.pixels
        again = np.zeros_like(mask)
        again[decoded.window.slices] = crop
        np.testing.assert_array_equal(again, mask)
        assert not mask.any() or (crop[0].any() and crop[-1].any() and crop[:, 0].any() and crop[:, -1].any())


def test_there_and_back():
    masks = np.zeros((3, 4, 5), dtype=bool)
    masks[0, 1:3, 2:4] = True
    masks[2] = True
    instances = instances_of(masks)
    again = Detections.from_instances(instances).to_instances()
    assert again.image_size == (4, 5)
    for field in ("scores", "pred_classes", "pred_masks"):
        torch.testing.assert_close(again.get(field), instances.get(field), rtol=0, atol=0)
    torch.testing.assert_close(again.pred_boxes.tensor, instances.pred_boxes.tensor, rtol=0, atol=0)


def test_one_mask_within_its_box():
    masks = np.zeros((1, 4, 5), dtype=bool)
    masks[0, 1, 2:4] = masks[0, 2, 3] = True
    crop = Detections.from_instances(instances_of(masks)).crop(0)
    assert (crop.window.x, crop.window.y, crop.pixels.tolist()) == (2, 1, [[True, True], [False, True]])


def test_some_of_them_in_an_order():
    found = Detections.from_instances(instances_of(np.ones((3, 2, 2), dtype=bool)))
    assert found.kept([2, 0]).classes.tolist() == [2, 0]
    assert found.kept(found.scores > 0.6).classes.tolist() == [0, 1]
    assert len(found.kept([])) == 0


def test_nothing_keeps_its_types():
    for nothing in (Detections.none((4, 5)), Detections.from_instances(instances_of(np.zeros((0, 4, 5), dtype=bool)))):
        assert (nothing.boxes.shape, nothing.boxes.dtype, nothing.masks) == ((0, 4), np.float32, [])
        assert (nothing.scores.dtype, nothing.classes.dtype) == (np.float32, np.int64)
        assert nothing.to_results(1) == []
        assert nothing.to_instances().pred_masks.shape == (0, 4, 5)


def test_results_as_coco_writes_them():
    found = Detections((4, 5), np.array([[1, 1, 4, 3]], np.float32), np.array([0.5], np.float32), np.array([7]), None)
    assert found.to_results(3) == [{"image_id": 3, "category_id": 7, "bbox": [1.0, 1.0, 3.0, 2.0], "score": 0.5}]
