"""The benchmark does what it says on every stage; what it measures is no matter of tests."""

import pytest
import torch

from maskrcnn_project.benchmarks.benchmark import median_seconds, noise_batch, stages
from maskrcnn_project.config import add_maskrcnn_config
from tests.contract.tiny import tiny_cfg


def test_the_objects_lie_in_the_image_and_agree_with_their_boxes():
    for sample in noise_batch(2, (40, 60), objects=5, num_classes=3):
        truth = sample["instances"]
        assert sample["image"].shape == (3, 40, 60)
        assert truth.gt_classes.max() < 3
        boxes = truth.gt_boxes.tensor
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] <= 60).all() and (boxes[:, 3] <= 40).all()
        outlines = truth.gt_masks.get_bounding_boxes().tensor
        torch.testing.assert_close(outlines, boxes, rtol=0, atol=1e-3)


def test_without_objects():
    [sample] = noise_batch(1, (40, 60), objects=0, num_classes=3)
    assert sample["instances"].gt_boxes.tensor.shape == (0, 4)


def test_every_stage_can_be_run_in_order_and_again():
    cfg = tiny_cfg()
    add_maskrcnn_config(cfg)
    names = []
    for name, work in stages(cfg, noise_batch(1, (64, 64), 2, cfg.MODEL.ROI_HEADS.NUM_CLASSES)):
        work(), work()
        names.append(name)
    parts = ["forward", "backward", "optimizer"]
    assert names[:3] == [f"train: {part}" for part in parts]
    assert names[-3:] == ["infer, whole masks", "infer, run lengths", "infer, run lengths, norms folded"]
    assert len(names) == 3 * len(parts) + 3


def test_the_first_run_does_not_count(monkeypatch):
    clock = iter([0, 100, 100, 101, 101, 104, 104, 109])  # 100 s, then 1, 3 and 5
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    runs = []
    assert median_seconds(lambda: runs.append(1), 3, "cpu") == pytest.approx(3)
    assert len(runs) == 4
