"""From config to model: what would be ignored is refused, what is frozen does not train."""

import pytest
from detectron2.layers import FrozenBatchNorm2d

from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.modeling import build_model
from tests.contract.tiny import tiny_cfg


@pytest.fixture
def cfg():
    cfg = tiny_cfg()
    add_maskrcnn_config(cfg)
    return cfg


@pytest.mark.parametrize(
    ("key", "value"),
    [("CLASS_WEIGHTS", (1.0, 2.0)), ("ACROSS_CLASSES_NMS", True), ("MASK_NMS_THRESH_TEST", 0.5)],
)
def test_what_the_usual_heads_would_ignore_is_refused(cfg, key, value):
    cfg.MODEL.ROI_HEADS[key] = value
    with pytest.raises(ValueError, match=f"{key} is heeded by CrowdedROIHeads, but .*NAME is StandardROIHeads"):
        build_model(cfg)


def test_patterns_and_norms_are_frozen(cfg):
    cfg.MODEL.RESNETS.NORM = "BN"
    cfg.MODEL.FREEZE_NORMS = True
    cfg.MODEL.FREEZE = ("mask_head",)
    model = build_model(cfg)
    assert isinstance(model.backbone.bottom_up.res2[0].conv1.norm, FrozenBatchNorm2d)
    assert not any(p.requires_grad for p in model.roi_heads.mask_head.parameters())
    assert all(p.requires_grad for p in model.roi_heads.box_head.parameters())
