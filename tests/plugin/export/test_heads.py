"""This project's own heads in a file: other numbers of instances than the example had, and none."""

import pytest
import torch

from maskrcnn_project.export import torchscript_file
from maskrcnn_project.export.deployed import Deployed
from maskrcnn_project.export.exporting import model_to_export
from maskrcnn_project.export.parity import check


def points(cfg):
    cfg.MODEL.ROI_MASK_HEAD.NAME, cfg.MODEL.ROI_MASK_HEAD.POOLER_TYPE = "PointRefinedMaskHead", ""


def twice(cfg):
    cfg.MODEL.ROI_MASK_HEAD.NAME = "UpsampleTwiceMaskHead"


def crowded(cfg):
    cfg.MODEL.ROI_HEADS.NAME, cfg.MODEL.ROI_HEADS.ACROSS_CLASSES_NMS = "CrowdedROIHeads", True


def cascade(cfg):
    cfg.MODEL.ROI_HEADS.NAME, cfg.MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG = "CascadeROIHeads", True


@pytest.mark.parametrize("choose", [points, twice, crowded, cascade])
def test_a_head_in_torchscript(choose, cfg, noise, tmp_path):
    choose(cfg)
    cfg.MODEL.WEIGHTS, cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = "", 0.35
    torch.manual_seed(0)
    model, _ = model_to_export(cfg)
    for name, parameter in model.named_parameters():
        if "cls_score.weight" in name:
            parameter.mul_(30)  # scores that differ
    deployed = Deployed(model, paste=False).eval()
    torchscript_file.write(deployed, noise(128, 160), tmp_path / "head.ts", {})
    images = [noise(96, 131), noise(203, 97), noise(256, 256), model.pixel_mean.expand(3, 96, 130).contiguous()]
    comparisons = list(check(deployed, torchscript_file.load(tmp_path / "head.ts"), images, 0.35))
    assert all(c.passed and c.unpaired == 0 for c in comparisons), comparisons
    assert comparisons[-1].count == 0 and len({c.count for c in comparisons}) > 1
