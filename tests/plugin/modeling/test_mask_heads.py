"""The finer mask heads: shapes, weights of the usual head, refinement of a border, training, nothing."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_mask_head, build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.modeling import PointRefinedMaskHead
from tests.contract.tiny import tiny_batch, tiny_cfg

SHAPES = {"p2": ShapeSpec(channels=8, stride=4), "p3": ShapeSpec(channels=8, stride=8)}


def config(name):
    cfg = tiny_cfg()
    add_maskrcnn_config(cfg)
    cfg.MODEL.ROI_MASK_HEAD.NAME = name
    if name == "PointRefinedMaskHead":
        cfg.MODEL.ROI_MASK_HEAD.POOLER_TYPE = ""
        cfg.MODEL.ROI_MASK_HEAD.POINTS.TRAIN_POINTS = 10
        cfg.MODEL.ROI_MASK_HEAD.POINTS.WIDTH = 8
    return cfg


@pytest.mark.parametrize(
    ("name", "side", "losses"),
    [("UpsampleTwiceMaskHead", 16, {"loss_mask"}), ("PointRefinedMaskHead", 32, {"loss_mask", "loss_mask_point"})],
)
def test_a_step_of_training_and_one_of_detection(name, side, losses):
    torch.manual_seed(0)
    cfg = config(name)
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    model = build_model(cfg)
    with EventStorage():
        found = model(tiny_batch())
    assert losses <= set(found)
    sum(found.values()).backward()
    assert all(p.grad is not None for p in model.roi_heads.mask_head.parameters())
    with torch.no_grad():
        (detected, *_) = model.eval().inference(tiny_batch(), do_postprocess=False)
    assert detected.pred_masks.shape == (len(detected), 1, side, side) and len(detected) > 0  # 4x4 pooled cells


@pytest.mark.parametrize("name", ["UpsampleTwiceMaskHead", "PointRefinedMaskHead"])
def test_the_usual_heads_weights_fit(name):
    usual = build_model(config("MaskRCNNConvUpsampleHead")).state_dict()
    finer = build_model(config(name))
    missing, unexpected = finer.load_state_dict(usual, strict=False)
    assert not unexpected
    assert missing and all(".deconv2." in key or ".point_head." in key for key in missing)


def test_the_second_deconvolution_begins_as_an_enlargement():
    torch.manual_seed(0)
    usual = build_mask_head(config("MaskRCNNConvUpsampleHead"), ShapeSpec(channels=8, height=4, width=4))
    finer = build_mask_head(config("UpsampleTwiceMaskHead"), ShapeSpec(channels=8, height=4, width=4))
    finer.load_state_dict(usual.state_dict(), strict=False)
    x = torch.rand(3, 8, 4, 4)
    torch.testing.assert_close(finer.layers(x), usual.layers(x).repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_only_uncertain_cells_are_looked_at_again():
    head = build_mask_head(config("PointRefinedMaskHead"), SHAPES).eval()
    head.subdivisions, head.points_per_subdivision = 1, 2
    coarse = torch.full((1, 2, 4, 4), -8.0)
    coarse[0, 1, :, 2:] = 8.0  # class 1: the right half
    for parameter in head.point_head.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(head.point_head.predictor.bias, 3.0)  # what a second look says
    features = {"p2": torch.zeros(1, 8, 16, 16)}
    boxes = [Boxes(torch.tensor([[0.0, 0.0, 32.0, 32.0]]))]
    masks = head._refined(features, coarse, boxes, torch.tensor([1]))
    assert masks.shape == (1, 1, 8, 8)
    changed = (masks[0, 0] == 3.0).nonzero().tolist()
    assert len(changed) == 2 and {column for _, column in changed} <= {3, 4}  # on both sides of the border
    assert (masks[0, 0, :, :3] == -8).all() and (masks[0, 0, :, 5:] == 8).all()


@torch.no_grad()
def test_nothing_detected_has_masks_of_the_same_side():
    head = build_mask_head(config("PointRefinedMaskHead"), SHAPES).eval()
    features = {name: torch.zeros(1, 8, 16 // shape.stride * 4, 16) for name, shape in SHAPES.items()}
    nothing = Instances((64, 64), pred_boxes=Boxes(torch.zeros(0, 4)), pred_classes=torch.zeros(0, dtype=torch.int64))
    (found,) = head(features, [nothing])
    assert found.pred_masks.shape == (0, 1, 32, 32) and found.pred_masks.dtype == torch.float32


def test_no_foreground_costs_nothing_and_has_a_gradient():
    head = build_mask_head(config("PointRefinedMaskHead"), SHAPES)
    features = {"p2": torch.zeros(1, 8, 16, 16), "p3": torch.zeros(1, 8, 8, 8)}
    nothing = Instances((64, 64), proposal_boxes=Boxes(torch.zeros(0, 4)), gt_classes=torch.zeros(0, dtype=torch.int64))
    losses = head(features, [nothing])
    sum(losses.values()).backward()
    assert [loss.item() for loss in losses.values()] == [0.0, 0.0]
    assert all(p.grad is not None for p in head.parameters())


def test_a_pooler_of_its_own_is_asked_for():
    cfg = config("PointRefinedMaskHead")
    cfg.MODEL.ROI_MASK_HEAD.POOLER_TYPE = "ROIAlignV2"
    with pytest.raises(ValueError, match="POOLER_TYPE"):
        PointRefinedMaskHead(cfg, SHAPES)
