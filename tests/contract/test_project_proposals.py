"""A project with its own way to proposals: an RPN head, anchors, an RPN with another loss, a fixed grid."""

import pytest
import torch
import torch.nn.functional as F
from detectron2.config import configurable
from detectron2.layers import Conv2d
from detectron2.modeling import (
    ANCHOR_GENERATOR_REGISTRY,
    PROPOSAL_GENERATOR_REGISTRY,
    RPN_HEAD_REGISTRY,
    GeneralizedRCNN,
    build_anchor_generator,
    build_model,
)
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.proposal_generator import RPN, StandardRPNHead
from detectron2.modeling.proposal_generator.proposal_utils import add_ground_truth_to_proposals
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import get_event_storage
from torch import nn

from tests.contract.tiny import detect, tiny_batch, tiny_cfg, train_step


@RPN_HEAD_REGISTRY.register()
class DepthwiseRPNHead(nn.Module):
    """A depthwise 3x3 before the two predictions, in place of a full convolution."""

    @configurable
    def __init__(self, *, in_channels: int, num_anchors: int, box_dim: int):
        super().__init__()
        self.conv = Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, activation=F.relu)
        self.objectness = Conv2d(in_channels, num_anchors, 1)
        self.deltas = Conv2d(in_channels, num_anchors * box_dim, 1)
        nn.init.normal_(self.deltas.weight, std=0.01)

    @classmethod
    def from_config(cls, cfg, input_shape):
        anchors = build_anchor_generator(cfg, input_shape)
        (num_anchors,) = set(anchors.num_anchors)
        return {"in_channels": input_shape[0].channels, "num_anchors": num_anchors, "box_dim": anchors.box_dim}

    def forward(self, features):
        features = [self.conv(x) for x in features]
        return [self.objectness(x) for x in features], [self.deltas(x) for x in features]


@RPN_HEAD_REGISTRY.register()
class NormedRPNHead(StandardRPNHead):
    """The standard head on features scaled by a learnt factor."""

    @configurable
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, features):
        return super().forward([x * self.scale for x in features])


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        (
            "DepthwiseRPNHead",
            {f"{layer}.{kind}" for layer in ("conv", "objectness", "deltas") for kind in ("weight", "bias")},
        ),
        (
            "NormedRPNHead",
            {"scale"}
            | {f"{x}.{kind}" for x in ("conv", "objectness_logits", "anchor_deltas") for kind in ("weight", "bias")},
        ),
    ],
)
def test_an_rpn_head_by_name(name, keys):
    cfg = tiny_cfg()
    cfg.MODEL.RPN.HEAD_NAME = name
    model = build_model(cfg)
    assert set(model.proposal_generator.rpn_head.state_dict()) == keys
    train_step(cfg, model)
    assert all(p.grad is not None for p in model.proposal_generator.rpn_head.parameters())
    detect(model)


@ANCHOR_GENERATOR_REGISTRY.register()
class SquareAnchors(DefaultAnchorGenerator):
    """Squares only, whatever the aspect ratios of the config."""

    def generate_cell_anchors(self, sizes=(32,), aspect_ratios=(1,)):
        return torch.tensor([[-s / 2, -s / 2, s / 2, s / 2] for s in sizes])


def test_anchors_by_name():
    cfg = tiny_cfg()
    cfg.MODEL.ANCHOR_GENERATOR.NAME = "SquareAnchors"
    model = build_model(cfg)
    generator = model.proposal_generator.anchor_generator
    assert generator.num_anchors == [1] * 5
    first = generator([torch.zeros(1, 16, 2, 3)] * 5)[0]
    assert len(first) == 6
    assert first.tensor[1].tolist() == [0.0, -4.0, 8.0, 4.0]  # second column: centre (4, 0), side 8
    assert model.proposal_generator.rpn_head.objectness_logits.out_channels == 1
    train_step(cfg, model)
    detect(model)


@PROPOSAL_GENERATOR_REGISTRY.register()
class PatientRPN(RPN):
    """An RPN that leaves the smallest objects out and weighs its box loss by itself."""

    def label_and_sample_anchors(self, anchors, gt_instances):
        return super().label_and_sample_anchors(anchors, [x[x.gt_boxes.area() > 16] for x in gt_instances])

    def losses(self, anchors, pred_objectness_logits, gt_labels, pred_anchor_deltas, gt_boxes):
        assert [x.dtype for x in gt_boxes] == [torch.float32] * len(gt_boxes)
        total = sum(len(x) for x in anchors)
        assert [tuple(x.shape) for x in gt_labels] == [(total,)] * len(gt_labels)
        assert sum(x.shape[1] for x in pred_objectness_logits) == total
        assert sum(x.shape[1] for x in pred_anchor_deltas) == total
        losses = super().losses(anchors, pred_objectness_logits, gt_labels, pred_anchor_deltas, gt_boxes)
        positives = sum(int((x == 1).sum()) for x in gt_labels)
        get_event_storage().put_scalar("patient/positives", positives)
        return {**losses, "loss_rpn_loc": losses["loss_rpn_loc"] * 0.5}


def test_an_rpn_with_another_loss():
    torch.manual_seed(0)
    cfg = tiny_cfg()
    cfg.MODEL.RPN.BATCH_SIZE_PER_IMAGE, cfg.MODEL.RPN.POSITIVE_FRACTION = 100000, 1.0  # nothing is drawn at random
    cfg.MODEL.PROPOSAL_GENERATOR.NAME = "PatientRPN"
    model = build_model(cfg)
    cfg.MODEL.PROPOSAL_GENERATOR.NAME = "RPN"
    standard = build_model(cfg)
    standard.load_state_dict(model.state_dict())
    halved, whole = train_step(cfg, model), train_step(cfg, standard)
    assert halved["loss_rpn_loc"] == pytest.approx(whole["loss_rpn_loc"] / 2, rel=1e-5)
    assert halved["loss_rpn_cls"] == pytest.approx(whole["loss_rpn_cls"], rel=1e-5)


@PROPOSAL_GENERATOR_REGISTRY.register()
class GridProposals(nn.Module):
    """Nothing learnt: the same windows in every picture, and in training the truth among them."""

    def __init__(self, cfg, input_shape):
        super().__init__()
        self.side = cfg.MODEL.GRID_SIDE

    def forward(self, images, features, gt_instances=None):
        proposals = []
        for height, width in images.image_sizes:
            y, x = torch.meshgrid(
                torch.arange(0, height - self.side + 1, self.side // 2),
                torch.arange(0, width - self.side + 1, self.side // 2),
                indexing="ij",
            )
            corners = torch.stack([x.flatten(), y.flatten()], dim=1).float()
            boxes = Boxes(torch.cat([corners, corners + self.side], dim=1).to(images.device))
            proposals.append(
                Instances((height, width), proposal_boxes=boxes, objectness_logits=torch.zeros(len(boxes)))
            )
        if self.training:
            proposals = add_ground_truth_to_proposals(gt_instances, proposals)
        return proposals, {}


def test_proposals_without_an_rpn():
    cfg = tiny_cfg()
    cfg.MODEL.PROPOSAL_GENERATOR.NAME, cfg.MODEL.GRID_SIDE = "GridProposals", 24
    model = build_model(cfg)
    assert train_step(cfg, model).keys() == {"loss_cls", "loss_box_reg", "loss_mask"}
    assert all(len(found) > 0 for found in detect(model))


def test_proposals_that_come_with_the_input():
    cfg = tiny_cfg()
    model = build_model(cfg)
    without = GeneralizedRCNN(
        backbone=model.backbone,
        proposal_generator=None,
        roi_heads=model.roi_heads,
        pixel_mean=cfg.MODEL.PIXEL_MEAN,
        pixel_std=cfg.MODEL.PIXEL_STD,
    )
    batch = tiny_batch()
    for x in batch:
        boxes = x["instances"].gt_boxes
        x["proposals"] = Instances(
            x["instances"].image_size, proposal_boxes=boxes, objectness_logits=torch.zeros(len(boxes))
        )
    assert train_step(cfg, without, batch).keys() == {"loss_cls", "loss_box_reg", "loss_mask"}
    detect(without, batch)
