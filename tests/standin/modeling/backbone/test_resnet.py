"""Residual networks: shapes, strides, freezing, and blocks by hand."""

import pytest
import torch
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling.backbone import BasicStem, BottleneckBlock, ResNet, build_resnet_backbone, make_stage
from detectron2.modeling.backbone.resnet import BasicBlock


def build(cfg, **changes):
    nets = cfg.MODEL.RESNETS
    nets.DEPTH, nets.STEM_OUT_CHANNELS, nets.RES2_OUT_CHANNELS, nets.WIDTH_PER_GROUP = 50, 8, 16, 4
    for key, value in changes.items():
        nets[key] = value
    return build_resnet_backbone(cfg, ShapeSpec(channels=3))


def test_shapes_and_strides(cfg):
    net = build(cfg)
    features = net(torch.zeros(2, 3, 64, 96))
    shapes = {name: tuple(f.shape) for name, f in features.items()}
    assert shapes == {
        "res2": (2, 16, 16, 24),
        "res3": (2, 32, 8, 12),
        "res4": (2, 64, 4, 6),
        "res5": (2, 128, 2, 3),
    }
    assert {n: (s.channels, s.stride) for n, s in net.output_shape().items()} == {
        "res2": (16, 4),
        "res3": (32, 8),
        "res4": (64, 16),
        "res5": (128, 32),
    }


@pytest.mark.parametrize(("in_1x1", "strides"), [(True, [2, 1, 1]), (False, [1, 2, 1])])
def test_where_the_stride_lies(cfg, in_1x1, strides):
    block = build(cfg, STRIDE_IN_1X1=in_1x1).res3[0]
    assert [conv.stride[0] for conv in (block.conv1, block.conv2, block.conv3)] == strides


def test_dilation_stands_in_for_the_last_stride(cfg):
    net = build(cfg, RES5_DILATION=2)
    assert net.output_shape()["res5"].stride == 16
    assert net(torch.zeros(1, 3, 32, 32))["res5"].shape[-2:] == (2, 2)
    assert [block.conv2.dilation for block in net.res5] == [(2, 2)] * 3


def test_resnext_has_groups(cfg):
    net = build(cfg, NUM_GROUPS=4, WIDTH_PER_GROUP=8)
    conv = net.res4[0].conv2
    assert (conv.groups, conv.in_channels) == (4, 4 * 8 * 4)  # groups * width, doubled twice since res2


def test_only_the_stages_asked_for_are_built(cfg):
    net = build(cfg, OUT_FEATURES=["stem", "res3"])
    assert net.stage_names == ["res2", "res3"]
    assert list(net(torch.zeros(1, 3, 32, 32))) == ["stem", "res3"]


@pytest.mark.parametrize("freeze_at", [0, 1, 2, 3])
def test_freezing(cfg, freeze_at):
    cfg.MODEL.BACKBONE.FREEZE_AT = freeze_at
    net = build(cfg, NORM="BN", OUT_FEATURES=["res4"])
    for number, part in enumerate((net.stem, net.res2, net.res3, net.res4), start=1):
        frozen = number <= freeze_at
        assert all(p.requires_grad != frozen for p in part.parameters())
        assert any(isinstance(m, FrozenBatchNorm2d) for m in part.modules()) == frozen
        assert any(isinstance(m, torch.nn.BatchNorm2d) for m in part.modules()) != frozen


@pytest.mark.parametrize(
    ("depth", "blocks", "channels"),
    [(18, [2, 2, 2, 2], 512), (50, [3, 4, 6, 3], 2048), (101, [3, 4, 23, 3], 2048)],
)
def test_default_stages_follow_the_paper(depth, blocks, channels):
    with torch.device("meta"):  # counts only: no memory, no initial values
        stages = ResNet.make_default_stages(depth)
    assert [len(stage) for stage in stages] == blocks
    assert stages[-1][-1].out_channels == channels
    assert isinstance(stages[0][0], BasicBlock if depth < 50 else BottleneckBlock)


def test_a_block_adds_its_input():
    block = BasicBlock(4, 4, norm="")
    torch.nn.init.zeros_(block.conv2.weight)
    x = torch.tensor([-1.0, 2.0]).repeat(1, 4, 3, 1)
    assert torch.equal(block(x), x.relu())  # nothing but the skip path is left


def test_per_block_arguments():
    blocks = make_stage(BasicBlock, 2, in_channels=4, out_channels=8, stride_per_block=[2, 1], norm="")
    assert [(b.in_channels, b.out_channels, b.stride) for b in blocks] == [(4, 8, 2), (8, 8, 1)]
    with pytest.raises(ValueError, match="one value for each of the 3 blocks"):
        make_stage(BasicBlock, 3, in_channels=4, out_channels=8, stride_per_block=[2, 1])


def test_a_classifier():
    stages = [ResNet.make_stage(BasicBlock, 1, in_channels=4, out_channels=4, norm="")]
    net = ResNet(BasicStem(3, 4, norm=""), stages, num_classes=10)
    assert net(torch.zeros(2, 3, 16, 16))["linear"].shape == (2, 10)
    assert net.output_shape()["linear"].channels == 10


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("DEPTH", 49, "DEPTH must be one of"),
        ("RES5_DILATION", 3, "RES5_DILATION must be 1 or 2"),
        ("OUT_FEATURES", ["res6"], "OUT_FEATURES must be some of"),
        ("DEPTH", 18, "RES2_OUT_CHANNELS must be 64 with MODEL.RESNETS.DEPTH=18, but is 16"),
    ],
)
def test_wrong_config_values_are_named(cfg, key, value, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(cfg, **{key: value})


def test_an_image_without_a_batch_is_named(cfg):
    with pytest.raises(ValueError, match=r"\(N, C, H, W\), but got \(3, 32, 32\)"):
        build(cfg)(torch.zeros(3, 32, 32))
