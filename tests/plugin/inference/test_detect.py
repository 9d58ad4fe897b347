"""Masks pasted one by one are those that the model itself pastes."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes, Instances

from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.inference.detect import detect, place_instances
from maskrcnn_project.masks.coding import encode
from maskrcnn_project.modeling import build_model
from tests.contract.tiny import tiny_cfg


def raw_instances(count=40, size=(60, 90), seed=0):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, 2, generator=generator) * torch.tensor([size[1] * 1.2, size[0] * 1.2])
    boxes = torch.cat([corners.amin(1), corners.amax(1)], dim=1)
    raw = Instances(size)
    raw.pred_boxes = Boxes(boxes)
    raw.scores = torch.rand(count, generator=generator)
    raw.pred_classes = torch.zeros(count, dtype=torch.int64)
    raw.pred_masks = torch.rand(count, 1, 28, 28, generator=generator)
    return raw


@pytest.mark.parametrize("size", [(60, 90), (131, 173), (33, 40), (1500, 2200)])
def test_pixels_are_those_of_detectron2(size):
    raw = raw_instances(count=8 if size[0] > 1000 else 40)
    expected = detector_postprocess(raw_instances(count=len(raw)), *size)
    found = place_instances(raw, size)
    assert found.size == size
    np.testing.assert_array_equal(found.boxes, expected.pred_boxes.tensor.numpy())
    np.testing.assert_array_equal(found.scores, expected.scores.numpy())
    assert found.masks == [encode(mask.numpy()) for mask in expected.pred_masks]


def test_a_sure_mask_fills_its_box():
    raw = Instances((10, 10))
    raw.pred_boxes, raw.scores = Boxes(torch.tensor([[2.0, 3.0, 6.0, 9.0]])), torch.tensor([0.9])
    raw.pred_classes, raw.pred_masks = torch.tensor([0]), torch.ones(1, 1, 28, 28)
    crop = place_instances(raw, (10, 10)).crop(0)
    x, y, mask = crop.window.x, crop.window.y, crop.pixels
    assert (x, y, mask.shape, bool(mask.all())) == (2, 3, (6, 4), True)


def test_without_masks_and_with_nothing():
    raw = raw_instances()
    raw.remove("pred_masks")
    assert place_instances(raw, (60, 90)).masks is None
    nothing = place_instances(raw_instances()[:0], (60, 90))
    assert (len(nothing), nothing.masks, nothing.boxes.shape) == (0, [], (0, 4))


def test_a_whole_model():
    cfg = tiny_cfg()
    add_maskrcnn_config(cfg)
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    scaled = {"image": torch.rand(3, 64, 80) * 255, "height": 100, "width": 125}
    batch = [scaled, {"image": torch.rand(3, 48, 48) * 255}]
    with torch.no_grad():
        expected, found = model(batch), detect(model, batch)
    for one, output in zip(found, expected, strict=True):
        assert len(one) > 0
        pixels = output["instances"].pred_masks
        torch.testing.assert_close(one.to_instances().pred_masks, pixels, rtol=0, atol=0)


class Pasting(torch.nn.Module):
    """A model of its own kind, which gives whole masks."""

    def forward(self, batch):
        instances = Instances((4, 4))
        instances.pred_boxes, instances.scores = Boxes(torch.tensor([[0.0, 0.0, 2.0, 2.0]])), torch.tensor([0.7])
        instances.pred_classes, instances.pred_masks = torch.tensor([1]), torch.eye(4).bool()[None]
        return [{"instances": instances} for _ in batch]


def test_another_architecture_is_run_as_it_is():
    [found] = detect(Pasting(), [{"image": torch.zeros(3, 4, 4)}])
    torch.testing.assert_close(found.to_instances().pred_masks, torch.eye(4).bool()[None])


LARGE = """
import resource, torch
import maskrcnn_project
from detectron2.structures import Boxes, Instances
from maskrcnn_project.inference.detect import place_instances

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB

generator = torch.Generator().manual_seed(0)
centres = torch.rand(300, 2, generator=generator) * torch.tensor([1333.0, 666.0])
sides = 20 + 80 * torch.rand(300, 2, generator=generator)
raw = Instances((667, 1333))
raw.pred_boxes = Boxes(torch.cat([centres - sides / 2, centres + sides / 2], dim=1))
raw.scores, raw.pred_classes = torch.ones(300), torch.zeros(300, dtype=torch.int64)
raw.pred_masks = torch.rand(300, 1, 28, 28, generator=generator)
before = peak()
found = place_instances(raw, (4000, 8000))
assert found.masks[0]["size"] == [4000, 8000]
print(len(found), peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is counted in other units elsewhere")
def test_a_large_image_with_many_objects_takes_little_memory():
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    count, grown = map(int, done.stdout.split())
    assert count == 300
    assert grown < 500e6  # as pixels the 300 masks alone would take 9.6e9 bytes
