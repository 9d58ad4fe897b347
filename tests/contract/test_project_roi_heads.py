"""A project with its own per-region heads: an extra branch and loss, a box head, a predictor, heads from scratch."""

import pytest
import torch
import torch.nn.functional as F
from detectron2.config import configurable
from detectron2.layers import ShapeSpec, cat
from detectron2.modeling import (
    ROI_BOX_HEAD_REGISTRY,
    ROI_HEADS_REGISTRY,
    FastRCNNOutputLayers,
    ROIHeads,
    StandardROIHeads,
    build_box_head,
    build_model,
)
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.roi_heads import FastRCNNConvFCHead, select_foreground_proposals
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import get_event_storage
from fvcore.nn import sigmoid_focal_loss
from torch import nn

from tests.contract.tiny import CLASSES, detect, tiny_batch, tiny_cfg, train_step

STANDARD_LOSSES = {"loss_cls", "loss_box_reg", "loss_mask", "loss_rpn_cls", "loss_rpn_loc"}


@ROI_HEADS_REGISTRY.register()
class CountingROIHeads(StandardROIHeads):
    """The standard heads, and the number of objects in the picture, read from one map as a whole."""

    @configurable
    def __init__(self, *, count_in: str, count_channels: int, count_weight: float, **kwargs):
        super().__init__(**kwargs)
        self.count_in = count_in
        self.count_weight = count_weight
        self.counter = nn.Linear(count_channels, 1)

    @classmethod
    def from_config(cls, cfg, input_shape):
        arguments = super().from_config(cfg, input_shape)
        arguments["count_in"] = cfg.MODEL.ROI_HEADS.IN_FEATURES[-1]
        arguments["count_channels"] = input_shape[arguments["count_in"]].channels
        arguments["count_weight"] = cfg.MODEL.COUNT_WEIGHT
        return arguments

    def forward(self, images, features, proposals, targets=None):
        counts = self.counter(features[self.count_in].mean(dim=(2, 3))).squeeze(1)
        instances, losses = super().forward(images, features, proposals, targets)
        if self.training:
            wanted = counts.new_tensor([len(x) for x in targets])
            losses["loss_count"] = self.count_weight * F.smooth_l1_loss(counts, wanted)
            get_event_storage().put_scalar("count/mean", counts.detach().mean())
        else:
            for x, count in zip(instances, counts, strict=True):
                x.picture_count = count.expand(len(x))
        return instances, losses


def test_an_extra_branch_trains_and_its_field_reaches_the_result():
    cfg = tiny_cfg()
    cfg.MODEL.COUNT_WEIGHT = 0.25
    cfg.MODEL.ROI_HEADS.NAME = "CountingROIHeads"
    model = build_model(cfg)
    assert isinstance(model.roi_heads, CountingROIHeads)
    assert "roi_heads.counter.weight" in model.state_dict()
    assert train_step(cfg, model).keys() == STANDARD_LOSSES | {"loss_count"}
    for found in detect(model):
        assert len(found) > 0
        assert found.picture_count.unique().numel() == 1


@ROI_BOX_HEAD_REGISTRY.register()
class AverageBoxHead(nn.Module):
    """One convolution and the mean over the region; written with cfg in its constructor, as older projects are."""

    def __init__(self, cfg, input_shape: ShapeSpec):
        super().__init__()
        self.width = cfg.MODEL.ROI_BOX_HEAD.FC_DIM
        self.conv = nn.Conv2d(input_shape.channels, self.width, 3, padding=1)

    def forward(self, x):
        return F.relu(self.conv(x)).mean(dim=(2, 3))

    @property
    def output_shape(self):
        return ShapeSpec(channels=self.width)


@ROI_BOX_HEAD_REGISTRY.register()
class ResidualBoxHead(FastRCNNConvFCHead):
    """Detectron2's head with a short cut around the whole of it."""

    @configurable
    def __init__(self, input_shape, **kwargs):
        super().__init__(input_shape, **kwargs)
        flat = input_shape.channels * input_shape.height * input_shape.width
        self.short_cut = nn.Linear(flat, self.output_shape.channels)

    def forward(self, x):
        around = self.short_cut(x.flatten(1))
        for name, layer in self.named_children():
            x = x if name == "short_cut" else layer(x)
        return x + around


@pytest.mark.parametrize(
    ("name", "weight"),
    [("AverageBoxHead", "box_head.conv.weight"), ("ResidualBoxHead", "box_head.short_cut.weight")],
)
def test_a_box_head_by_name(name, weight):
    cfg = tiny_cfg()
    cfg.MODEL.ROI_BOX_HEAD.NAME = name
    model = build_model(cfg)
    assert type(model.roi_heads.box_head).__name__ == name
    assert f"roi_heads.{weight}" in model.state_dict()
    train_step(cfg, model)
    detect(model)


class FocalPredictor(FastRCNNOutputLayers):
    """Independent classifiers trained by the focal loss (arXiv:1708.02002) in place of the softmax."""

    @configurable
    def __init__(self, input_shape, *, gamma: float, **kwargs):
        super().__init__(input_shape, **kwargs)
        self.gamma = gamma

    @classmethod
    def from_config(cls, cfg, input_shape):
        return {**super().from_config(cfg, input_shape), "gamma": 2.0}

    def losses(self, predictions, proposals):
        scores, _ = predictions
        losses = super().losses(predictions, proposals)
        gt_classes = cat([x.gt_classes for x in proposals], dim=0)
        wanted = F.one_hot(gt_classes, self.num_classes + 1)[:, :-1].to(scores.dtype)
        focal = sigmoid_focal_loss(scores[:, :-1], wanted, gamma=self.gamma, reduction="sum")
        losses["loss_cls"] = focal / max(len(gt_classes), 1)
        return losses

    def predict_probs(self, predictions, proposals):
        return predictions[0].sigmoid().split([len(x) for x in proposals])


@ROI_HEADS_REGISTRY.register()
class FocalROIHeads(StandardROIHeads):
    @classmethod
    def from_config(cls, cfg, input_shape):
        arguments = super().from_config(cfg, input_shape)
        arguments["box_predictor"] = FocalPredictor(cfg, arguments["box_head"].output_shape)
        return arguments


def test_a_predictor_of_its_own():
    cfg = tiny_cfg()
    cfg.MODEL.ROI_HEADS.NAME = "FocalROIHeads"
    model = build_model(cfg)
    predictor = model.roi_heads.box_predictor
    assert predictor.gamma == 2.0
    nn.init.constant_(predictor.cls_score.bias, 0.0)
    assert train_step(cfg, model).keys() == STANDARD_LOSSES
    for found in detect(model):
        assert (found.scores - 0.5).abs().max() < 0.2  # a sigmoid around 0, where a softmax of three gives a third


@ROI_HEADS_REGISTRY.register()
class OldStyleHeads(ROIHeads):
    """From scratch on the base class: one map, one box a region, no masks; cfg in the constructor."""

    def __init__(self, cfg, input_shape):
        super().__init__(cfg)
        self.level = cfg.MODEL.ROI_HEADS.IN_FEATURES[0]
        shape, side = input_shape[self.level], cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION
        self.pooler = ROIPooler(
            output_size=side, scales=(1.0 / shape.stride,), sampling_ratio=2, pooler_type="ROIAlignV2"
        )
        self.head = build_box_head(cfg, ShapeSpec(channels=shape.channels, height=side, width=side))
        self.predictor = FastRCNNOutputLayers(
            self.head.output_shape,
            box2box_transform=Box2BoxTransform(weights=(10.0, 10.0, 5.0, 5.0)),
            num_classes=self.num_classes,
            test_score_thresh=0.05,
            test_topk_per_image=3,
            cls_agnostic_bbox_reg=True,
        )

    def forward(self, images, features, proposals, targets=None):
        if self.training:
            proposals = self.label_and_sample_proposals(proposals, targets)
            foreground, chosen = select_foreground_proposals(proposals, self.num_classes)
            assert [len(x) for x in foreground] == [int(x.sum()) for x in chosen]
        pooled = self.pooler([features[self.level]], [x.proposal_boxes for x in proposals])
        predictions = self.predictor(self.head(pooled))
        if self.training:
            return proposals, self.predictor.losses(predictions, proposals)
        detections, kept = self.predictor.inference(predictions, proposals)
        assert [len(x) for x in detections] == [len(x) for x in kept]
        return detections, {}


def test_heads_from_scratch():
    cfg = tiny_cfg()
    cfg.MODEL.ROI_HEADS.NAME = "OldStyleHeads"
    model = build_model(cfg)
    assert model.roi_heads.num_classes == len(CLASSES)
    assert model.roi_heads.predictor.bbox_pred.out_features == 4
    assert train_step(cfg, model).keys() == STANDARD_LOSSES - {"loss_mask"}
    for found in detect(model):
        assert 0 < len(found) <= 3
        assert not found.has("pred_masks")


def test_masks_in_boxes_that_are_known_already():
    cfg = tiny_cfg()
    model = build_model(cfg).eval()
    batch = tiny_batch()
    known = []
    for x in batch:
        given = Instances(x["instances"].image_size)
        given.pred_boxes = Boxes(x["instances"].gt_boxes.tensor)
        given.pred_classes = x["instances"].gt_classes
        given.scores = torch.ones(len(given))
        known.append(given)
    with torch.no_grad():
        results = model.inference(batch, known)
        in_boxes = model.inference(batch, known, do_postprocess=False)
    for x, result, raw in zip(batch, results, in_boxes, strict=True):
        assert torch.equal(result["instances"].pred_boxes.tensor, x["instances"].gt_boxes.tensor)
        assert result["instances"].pred_masks.shape == (2, x["height"], x["width"])
        assert raw.pred_masks.shape == (2, 1, 8, 8)
