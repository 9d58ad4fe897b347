"""A project with its own mask head: from the base class, from the standard head, and from nothing."""

import pytest
import torch
import torch.nn.functional as F
from detectron2.config import configurable
from detectron2.layers import Conv2d, ConvTranspose2d, ShapeSpec, get_norm, interpolate
from detectron2.modeling import ROI_MASK_HEAD_REGISTRY, BaseMaskRCNNHead, build_mask_head, build_model
from detectron2.modeling.roi_heads.mask_head import MaskRCNNConvUpsampleHead, mask_rcnn_inference, mask_rcnn_loss
from detectron2.structures import Boxes, Instances
from torch import nn

from tests.contract.tiny import CLASSES, detect, tiny_cfg, train_step


@ROI_MASK_HEAD_REGISTRY.register()
class BilinearMaskHead(BaseMaskRCNNHead):
    """Convolution, group norm, bilinear upsampling; loss and inference are those of the base class."""

    @configurable
    def __init__(self, input_shape: ShapeSpec, *, num_classes: int, channels: int, norm: str, **kwargs):
        super().__init__(**kwargs)
        self.conv = Conv2d(
            input_shape.channels, channels, 3, padding=1, bias=False, norm=get_norm(norm, channels), activation=F.relu
        )
        self.predictor = Conv2d(channels, num_classes, kernel_size=1)

    @classmethod
    def from_config(cls, cfg, input_shape):
        arguments = super().from_config(cfg, input_shape)
        arguments.update(
            input_shape=input_shape,
            num_classes=cfg.MODEL.ROI_HEADS.NUM_CLASSES,
            channels=32,
            norm=cfg.MODEL.ROI_MASK_HEAD.NORM,
        )
        return arguments

    def layers(self, x):
        return self.predictor(interpolate(self.conv(x), scale_factor=2, mode="bilinear", align_corners=False))


@ROI_MASK_HEAD_REGISTRY.register()
class SmoothMaskHead(MaskRCNNConvUpsampleHead):
    """The standard head, with a second loss on ragged masks."""

    @configurable
    def __init__(self, input_shape, *, smooth_weight=1.0, **kwargs):
        super().__init__(input_shape, **kwargs)
        self.smooth_weight = smooth_weight

    @classmethod
    def from_config(cls, cfg, input_shape):
        return {**super().from_config(cfg, input_shape), "smooth_weight": cfg.MODEL.ROI_MASK_HEAD.SMOOTH_WEIGHT}

    def forward(self, x, instances):
        logits = self.layers(x)
        if not self.training:
            mask_rcnn_inference(logits, instances)
            return instances
        ragged = logits.sigmoid().diff(dim=3).abs().mean() if len(logits) else logits.sum()
        return {
            "loss_mask": mask_rcnn_loss(logits, instances, self.vis_period) * self.loss_weight,
            "loss_mask_smooth": ragged * self.smooth_weight,
        }


@ROI_MASK_HEAD_REGISTRY.register()
class PlainMaskHead(nn.Module):
    """A module that knows nothing of the base class; cfg in its constructor, as older projects have it."""

    def __init__(self, cfg, input_shape):
        super().__init__()
        self.up = ConvTranspose2d(input_shape.channels, cfg.MODEL.ROI_HEADS.NUM_CLASSES, kernel_size=2, stride=2)

    def forward(self, x, instances):
        logits = self.up(x)
        if self.training:
            return {"loss_mask": mask_rcnn_loss(logits, instances)}
        mask_rcnn_inference(logits, instances)
        return instances


@pytest.mark.parametrize(
    ("name", "keys", "further_losses"),
    [
        ("BilinearMaskHead", {"conv.weight", "conv.norm.weight", "conv.norm.bias"}, set()),
        (
            "SmoothMaskHead",
            {"mask_fcn1.weight", "mask_fcn1.bias", "deconv.weight", "deconv.bias"},
            {"loss_mask_smooth"},
        ),
        ("PlainMaskHead", {"up.weight", "up.bias"}, set()),
    ],
)
def test_a_mask_head_by_name(name, keys, further_losses):
    cfg = tiny_cfg()
    cfg.MODEL.ROI_MASK_HEAD.NAME = name
    cfg.MODEL.ROI_MASK_HEAD.NORM = "GN" if name == "BilinearMaskHead" else ""
    cfg.MODEL.ROI_MASK_HEAD.SMOOTH_WEIGHT = 0.1
    model = build_model(cfg)
    prefix = "roi_heads.mask_head."
    found_keys = {k.removeprefix(prefix) for k in model.state_dict() if k.startswith(prefix)}
    assert found_keys - {"predictor.weight", "predictor.bias"} == keys
    losses = train_step(cfg, model)
    assert {k for k in losses if "mask" in k} == {"loss_mask"} | further_losses
    assert 0.1 < losses["loss_mask"] < 5  # the binary entropy of a guess is log 2
    for found in detect(model):
        assert found.has("pred_masks")
        assert len(found) > 0


def test_built_from_explicit_arguments():
    head = MaskRCNNConvUpsampleHead(
        ShapeSpec(channels=4, width=7, height=7), num_classes=3, conv_dims=[6, 5], conv_norm="BN", loss_weight=0.5
    )
    assert head.loss_weight == 0.5
    assert head.layers(torch.zeros(2, 4, 7, 7)).shape == (2, 3, 14, 14)
    assert head.mask_fcn1.norm is not None and head.mask_fcn1.bias is None
    found = Instances((30, 40))
    found.pred_boxes = Boxes(torch.tensor([[1.0, 2.0, 11.0, 12.0], [0.0, 0.0, 5.0, 5.0]]))
    found.pred_classes = torch.tensor([2, 0])
    head.eval()
    with torch.no_grad():
        (found,) = head(torch.zeros(2, 4, 7, 7), [found])
    assert found.pred_masks.shape == (2, 1, 14, 14)
    assert torch.allclose(found.pred_masks, torch.full((2, 1, 14, 14), 0.5), atol=1e-3)


def test_one_mask_for_all_classes():
    cfg = tiny_cfg()
    cfg.MODEL.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK = True
    head = build_mask_head(cfg, ShapeSpec(channels=16, height=4, width=4))
    assert head.predictor.out_channels == 1
    cfg.MODEL.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK = False
    assert build_mask_head(cfg, ShapeSpec(channels=16, height=4, width=4)).predictor.out_channels == len(CLASSES)


@pytest.mark.parametrize("name", ["BilinearMaskHead", "SmoothMaskHead", "PlainMaskHead"])
def test_no_region_at_all(name):
    cfg = tiny_cfg()
    cfg.MODEL.ROI_MASK_HEAD.NAME, cfg.MODEL.ROI_MASK_HEAD.SMOOTH_WEIGHT = name, 0.1
    head = build_mask_head(cfg, ShapeSpec(channels=16, height=4, width=4))
    losses = head(torch.zeros(0, 16, 4, 4, requires_grad=True), [])
    assert [loss.item() for loss in losses.values()] == [0.0] * len(losses)
    sum(losses.values()).backward()
