"""The pyramid's wiring, with weights that make its sums visible."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import FPN, Backbone, build_backbone
from detectron2.modeling.backbone.fpn import LastLevelMaxPool


class Given(Backbone):
    """Hands out one-channel maps: ones in res4 (4 x 4) and res5 (2 x 2), by default."""

    def __init__(self, strides=(16, 32)):
        super().__init__()
        self._out_features = [f"res{s.bit_length() - 1}" for s in strides]
        self._out_feature_channels = dict.fromkeys(self._out_features, 1)
        self._out_feature_strides = dict(zip(self._out_features, strides, strict=True))

    def forward(self, x):
        res5 = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 1, 2, 2)
        return {"res4": torch.full((1, 1, 4, 4), 10.0), "res5": res5}


def identity_pyramid(**kwargs):
    """All convolutions hand their input on, so that the outputs are the sums themselves."""
    fpn = FPN(Given(), ["res4", "res5"], 1, **kwargs)
    for name, conv in fpn.named_children():
        if name.startswith("fpn_"):
            torch.nn.init.dirac_(conv.weight)
    return fpn


UPSAMPLED = torch.tensor([[1.0, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]])


@pytest.mark.parametrize(("fuse_type", "expected"), [("sum", UPSAMPLED + 10), ("avg", (UPSAMPLED + 10) / 2)])
def test_the_coarser_level_is_repeated_and_fused(fuse_type, expected):
    pyramid = identity_pyramid(fuse_type=fuse_type)(torch.zeros(1))
    assert list(pyramid) == ["p4", "p5"]
    assert torch.equal(pyramid["p4"][0, 0], expected)
    assert pyramid["p5"][0, 0].tolist() == [[1, 2], [3, 4]]


def test_p6_is_every_second_pixel_of_p5():
    fpn = identity_pyramid(top_block=LastLevelMaxPool())
    assert fpn(torch.zeros(1))["p6"].tolist() == [[[[1.0]]]]
    assert {n: (s.channels, s.stride) for n, s in fpn.output_shape().items()} == {
        "p4": (1, 16),
        "p5": (1, 32),
        "p6": (1, 64),
    }
    (odd,) = LastLevelMaxPool()(torch.arange(15.0).reshape(1, 1, 3, 5))
    assert odd.tolist() == [[[[0, 2, 4], [10, 12, 14]]]]


def test_padding_wishes():
    fpn = FPN(Given(), ["res4", "res5"], 1, square_pad=128)
    assert fpn.size_divisibility == 32
    assert fpn.padding_constraints == {"square_size": 128}


def test_with_a_norm_there_is_no_bias():
    assert FPN(Given(), ["res4", "res5"], 32, norm="GN").fpn_lateral4.bias is None
    assert FPN(Given(), ["res4", "res5"], 32).fpn_lateral4.bias is not None


def test_names_of_weights_and_maps(cfg):
    fpn = build_backbone(cfg)
    assert {k.split(".")[0] for k in fpn.state_dict()} == {
        "bottom_up",
        *(f"fpn_{kind}{level}" for kind in ("lateral", "output") for level in (2, 3, 4, 5)),
    }
    shapes = {name: tuple(f.shape) for name, f in fpn(torch.zeros(1, 3, 64, 64)).items()}
    assert shapes == {f"p{k}": (1, 16, 64 // 2**k, 64 // 2**k) for k in (2, 3, 4, 5, 6)}


def test_p6_and_p7_by_convolution(cfg):
    cfg.MODEL.BACKBONE.NAME = "build_retinanet_resnet_fpn_backbone"
    cfg.MODEL.FPN.IN_FEATURES = ["res3", "res4", "res5"]
    fpn = build_backbone(cfg)
    assert [f.shape[-1] for f in fpn(torch.zeros(1, 3, 64, 64)).values()] == [8, 4, 2, 1, 1]
    assert "top_block.p7.weight" in fpn.state_dict()


@pytest.mark.parametrize(
    ("strides", "kwargs", "sentence"),
    [
        ((16, 64), {}, "must double"),
        ((16, 32), {"fuse_type": "max"}, "'sum' or 'avg', but is 'max'"),
    ],
)
def test_errors(strides, kwargs, sentence):
    backbone = Given(strides)
    with pytest.raises(ValueError, match=sentence):
        FPN(backbone, list(backbone.output_shape()), 1, **kwargs)


def test_a_backbone_of_another_type_is_named(cfg):
    from detectron2.modeling import BACKBONE_REGISTRY

    name = "test_fpn_no_backbone"
    if name not in BACKBONE_REGISTRY:
        BACKBONE_REGISTRY._do_register(name, lambda cfg, shape: shape)
    cfg.MODEL.BACKBONE.NAME = name
    with pytest.raises(TypeError, match="must make a detectron2.modeling.Backbone, but made a ShapeSpec"):
        build_backbone(cfg, ShapeSpec(channels=3))
