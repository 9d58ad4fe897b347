"""Models small enough to build and run in a fraction of a second."""

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.structures import Boxes, Instances, PolygonMasks


def small_cfg():
    """A ResNet-18 with a narrow pyramid, on the CPU, with 3 classes and few proposals."""
    cfg = get_cfg()
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.MASK_ON = True
    cfg.MODEL.BACKBONE.NAME = "build_resnet_fpn_backbone"
    cfg.MODEL.RESNETS.DEPTH = 18
    cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 64
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    cfg.MODEL.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    cfg.MODEL.FPN.OUT_CHANNELS = 16
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[8], [16], [32], [64], [128]]
    cfg.MODEL.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    cfg.MODEL.RPN.POST_NMS_TOPK_TRAIN = 50
    cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 20
    cfg.MODEL.ROI_HEADS.NAME = "StandardROIHeads"
    cfg.MODEL.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 3
    cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 16
    cfg.MODEL.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    cfg.MODEL.ROI_BOX_HEAD.NUM_FC = 1
    cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 16
    cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION = 3
    cfg.MODEL.ROI_MASK_HEAD.NUM_CONV = 1
    cfg.MODEL.ROI_MASK_HEAD.CONV_DIM = 8
    cfg.MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION = 4
    return cfg


def single_level(cfg, feature):
    """``cfg`` with everything read from one map of a narrow ResNet-50, without a pyramid."""
    cfg.MODEL.BACKBONE.NAME = "build_resnet_backbone"
    cfg.MODEL.RESNETS.DEPTH = 50
    cfg.MODEL.RESNETS.STEM_OUT_CHANNELS = 8
    cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 16
    cfg.MODEL.RESNETS.WIDTH_PER_GROUP = 4
    cfg.MODEL.RESNETS.OUT_FEATURES = [feature]
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[8, 16, 32]]
    cfg.MODEL.RPN.IN_FEATURES = [feature]
    cfg.MODEL.ROI_HEADS.IN_FEATURES = [feature]
    return cfg


def training_inputs():
    """One 64 x 96 picture with two squares, and one 64 x 64 picture with nothing."""
    squares = [[8.0, 8.0, 40.0, 40.0], [50.0, 10.0, 90.0, 60.0]]
    some = Instances((64, 96))
    some.gt_boxes = Boxes(torch.tensor(squares))
    some.gt_classes = torch.tensor([0, 2])
    some.gt_masks = PolygonMasks([[[x0, y0, x1, y0, x1, y1, x0, y1]] for x0, y0, x1, y1 in squares])
    none = Instances((64, 64))
    none.gt_boxes = Boxes(torch.zeros(0, 4))
    none.gt_classes = torch.zeros(0, dtype=torch.int64)
    none.gt_masks = PolygonMasks([])
    generator = torch.Generator().manual_seed(0)
    return [
        {"image": torch.randint(0, 256, (3, 64, 96), generator=generator).to(torch.uint8), "instances": some},
        {"image": torch.randint(0, 256, (3, 64, 64), generator=generator).to(torch.uint8), "instances": none},
    ]


@pytest.fixture
def cfg():
    return small_cfg()


@pytest.fixture
def inputs():
    return training_inputs()


@pytest.fixture
def one_level():
    return single_level
