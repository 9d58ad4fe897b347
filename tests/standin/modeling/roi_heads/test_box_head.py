"""The head between pooled features and predictions."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import FastRCNNConvFCHead, build_box_head

POOLED = ShapeSpec(channels=4, height=3, width=3)


@pytest.mark.parametrize(
    ("conv_dims", "fc_dims", "output", "names"),
    [
        ([], [8, 6], (5, 6), ["fc1", "fc2"]),
        ([7], [], (5, 7, 3, 3), ["conv1"]),
        ([7, 8], [6], (5, 6), ["conv1", "conv2", "fc1"]),
    ],
)
def test_shapes_and_names(conv_dims, fc_dims, output, names):
    head = FastRCNNConvFCHead(POOLED, conv_dims=conv_dims, fc_dims=fc_dims)
    assert head(torch.randn(5, 4, 3, 3)).shape == output
    assert head(torch.zeros(0, 4, 3, 3)).shape == (0, *output[1:])
    assert {k.split(".")[0] for k in head.state_dict()} == set(names)
    shape = head.output_shape
    assert (shape.channels, shape.height, shape.width) == (*output[1:], None, None)[:3]


def test_outputs_are_not_negative():
    torch.manual_seed(0)
    assert FastRCNNConvFCHead(POOLED, conv_dims=[4], fc_dims=[8])(torch.randn(5, 4, 3, 3)).min() >= 0


def test_with_a_norm_convolutions_have_no_bias():
    names = FastRCNNConvFCHead(POOLED, conv_dims=[32], fc_dims=[], conv_norm="GN").state_dict()
    assert set(names) == {"conv1.weight", "conv1.norm.weight", "conv1.norm.bias"}


def test_built_from_a_config(cfg):
    cfg.MODEL.ROI_BOX_HEAD.NUM_CONV, cfg.MODEL.ROI_BOX_HEAD.CONV_DIM = 2, 5
    head = build_box_head(cfg, POOLED)
    assert [head.conv2.out_channels, head.fc1.in_features, head.fc1.out_features] == [5, 45, 16]


def test_a_head_without_layers_is_named():
    with pytest.raises(ValueError, match=r"MODEL\.ROI_BOX_HEAD\.NUM_CONV or MODEL\.ROI_BOX_HEAD\.NUM_FC"):
        FastRCNNConvFCHead(POOLED, conv_dims=[], fc_dims=[])
