"""A project with its own backbone: one map, a pyramid on its own bottom-up network, a ResNet of its own blocks."""

import torch
import torch.nn.functional as F
from detectron2.layers import CNNBlockBase, Conv2d, FrozenBatchNorm2d, ShapeSpec, get_norm
from detectron2.modeling import BACKBONE_REGISTRY, FPN, Backbone, ResNet, build_backbone, build_model
from detectron2.modeling.backbone.fpn import LastLevelMaxPool
from detectron2.modeling.backbone.resnet import BasicStem
from torch import nn

from tests.contract.tiny import detect, one_level, tiny_cfg, train_step


@BACKBONE_REGISTRY.register()
class GridBackbone(Backbone):
    """One convolution of stride 16 whose map has the name "grid"."""

    def __init__(self, cfg, input_shape):
        super().__init__()
        self.conv = nn.Conv2d(input_shape.channels, 24, kernel_size=16, stride=16)

    def forward(self, image):
        return {"grid": F.relu(self.conv(image))}

    def output_shape(self):
        return {"grid": ShapeSpec(channels=24, stride=16)}

    @property
    def size_divisibility(self):
        return 16


def test_a_backbone_class_by_name():
    cfg = one_level(tiny_cfg(), "grid")
    cfg.MODEL.BACKBONE.NAME = "GridBackbone"
    model = build_model(cfg)
    assert isinstance(model.backbone, GridBackbone)
    assert model.backbone.padding_constraints == {}
    train_step(cfg, model)
    assert len(detect(model)) == 2


class Shrinking(Backbone):
    """Three convolutions of stride 4, 2, 2, as wrappers around a foreign network are usually written."""

    def __init__(self, in_channels, width, norm):
        super().__init__()
        self._out_features = ["s4", "s8", "s16"]
        self._out_feature_strides = {"s4": 4, "s8": 8, "s16": 16}
        self._out_feature_channels = {"s4": width, "s8": 2 * width, "s16": 4 * width}
        before = in_channels
        for name, stride in zip(self._out_features, (4, 2, 2), strict=True):
            out = self._out_feature_channels[name]
            self.add_module(name, Conv2d(before, out, 5, stride, 2, norm=get_norm(norm, out), activation=F.relu))
            before = out

    def forward(self, x):
        maps = {}
        for name in self._out_features:
            maps[name] = x = getattr(self, name)(x)
        return maps


@BACKBONE_REGISTRY.register()
def build_shrinking_fpn(cfg, input_shape: ShapeSpec):
    top_block = LastLevelMaxPool()
    top_block.in_feature = "p4"  # it stands on "p5" unless told
    return FPN(
        bottom_up=Shrinking(input_shape.channels, width=8, norm="BN"),
        in_features=["s4", "s8", "s16"],
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
        top_block=top_block,
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )


def test_a_pyramid_on_an_own_network():
    cfg = tiny_cfg()
    cfg.MODEL.BACKBONE.NAME = "build_shrinking_fpn"
    cfg.MODEL.FPN.FUSE_TYPE = "avg"
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[8], [16], [32], [64]]
    cfg.MODEL.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    cfg.MODEL.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4"]
    model = build_model(cfg)
    shapes = model.backbone.output_shape()
    assert {name: (s.channels, s.stride) for name, s in shapes.items()} == {
        "p2": (16, 4),
        "p3": (16, 8),
        "p4": (16, 16),
        "p5": (16, 32),
    }
    assert model.backbone.size_divisibility == 16
    assert "backbone.bottom_up.s8.norm.running_mean" in model.state_dict()
    assert "backbone.fpn_lateral3.weight" in model.state_dict()
    train_step(cfg, model)
    detect(model)


class WideBlock(CNNBlockBase):
    """One convolution with a short cut of average pooling."""

    def __init__(self, in_channels, out_channels, *, stride=1, norm="BN"):
        super().__init__(in_channels, out_channels, stride)
        self.conv = Conv2d(in_channels, out_channels, 3, stride, 1, bias=False, norm=get_norm(norm, out_channels))
        self.project = Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, x):
        return F.relu(self.conv(x) + self.project(F.avg_pool2d(x, self.stride) if self.stride > 1 else x))


@BACKBONE_REGISTRY.register()
def build_wide_resnet(cfg, input_shape):
    stages = []
    for i, (channels, stride) in enumerate([(8, 1), (16, 2)]):
        stages.append(
            ResNet.make_stage(
                WideBlock,
                2,
                stride_per_block=[stride, 1],
                in_channels=8 if i == 0 else 8 * i,
                out_channels=channels,
                norm=cfg.MODEL.RESNETS.NORM,
            )
        )
    stem = BasicStem(in_channels=input_shape.channels, out_channels=8, norm=cfg.MODEL.RESNETS.NORM)
    return ResNet(stem, stages, out_features=["res3"]).freeze(cfg.MODEL.BACKBONE.FREEZE_AT)


def test_a_resnet_of_own_blocks_partly_frozen():
    cfg = one_level(tiny_cfg(), "res3")
    cfg.MODEL.BACKBONE.NAME = "build_wide_resnet"
    cfg.MODEL.RESNETS.NORM = "BN"
    cfg.MODEL.BACKBONE.FREEZE_AT = 2
    model = build_model(cfg)
    trainable = {name.split(".")[0] for name, p in model.backbone.named_parameters() if p.requires_grad}
    assert trainable == {"res3"}
    assert isinstance(model.backbone.stem.conv1.norm, FrozenBatchNorm2d)
    assert [type(block) for block in model.backbone.res3] == [WideBlock, WideBlock]
    assert model.backbone.output_shape()["res3"].stride == 8
    train_step(cfg, model)
    detect(model)


def test_a_backbone_alone_with_another_number_of_channels():
    cfg = tiny_cfg()
    cfg.MODEL.BACKBONE.NAME = "GridBackbone"
    backbone = build_backbone(cfg, ShapeSpec(channels=5))
    assert backbone(torch.zeros(2, 5, 32, 48))["grid"].shape == (2, 24, 2, 3)


def test_a_model_for_pictures_of_four_channels():
    cfg = tiny_cfg()
    cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD = [100.0] * 4, [50.0] * 4
    model = build_model(cfg).eval()
    with torch.no_grad():
        (found,) = model([{"image": torch.zeros(4, 64, 64), "height": 32, "width": 32}])
    assert found["instances"].image_size == (32, 32)
