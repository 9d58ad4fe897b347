"""Caffe2 names, the order of classes, and the matching of names by their endings."""

import logging

import numpy as np
import pytest
import torch
from detectron2.checkpoint.c2_model_loading import (
    align_and_update_state_dicts,
    convert_basic_c2_names,
    convert_c2_detectron_names,
)


@pytest.mark.parametrize(
    "blob, ours",
    [
        ("conv1_w", "stem.conv1.weight"),
        ("conv1_b", "stem.conv1.bias"),
        ("res_conv1_bn_s", "stem.conv1.norm.weight"),
        ("res_conv1_bn_b", "stem.conv1.norm.bias"),
        ("res_conv1_bn_rm", "stem.conv1.norm.running_mean"),
        ("res_conv1_bn_riv", "stem.conv1.norm.running_var"),
        ("conv1_gn_s", "stem.conv1.norm.weight"),
        ("res2_0_branch1_w", "res2.0.shortcut.weight"),
        ("res4_22_branch2a_w", "res4.22.conv1.weight"),
        ("res2_0_branch2b_bn_s", "res2.0.conv2.norm.weight"),
        ("res5_1_branch2c_bn_running_var", "res5.1.conv3.norm.running_var"),
        ("res5_1_branch2c_bn_gamma", "res5.1.conv3.norm.weight"),
        ("pred_w", "linear.weight"),
    ],
)
def test_backbone_names(blob, ours):
    assert convert_basic_c2_names([blob]) == [ours]


@pytest.mark.parametrize(
    "blob, ours",
    [
        ("conv_rpn_fpn2_w", "proposal_generator.rpn_head.conv.weight"),
        ("conv_rpn_b", "proposal_generator.rpn_head.conv.bias"),
        ("rpn_cls_logits_fpn2_w", "proposal_generator.rpn_head.objectness_logits.weight"),
        ("rpn_bbox_pred_fpn2_b", "proposal_generator.rpn_head.anchor_deltas.bias"),
        ("fc6_w", "box_head.fc1.weight"),
        ("fc7_b", "box_head.fc2.bias"),
        ("head_conv3_gn_s", "box_head.conv3.norm.weight"),
        ("_[mask]_fcn4_w", "mask_head.mask_fcn4.weight"),
        ("conv5_mask_w", "mask_head.deconv.weight"),
        ("fpn_inner_res5_2_sum_w", "fpn_lateral5.weight"),
        ("fpn_inner_res4_22_sum_lateral_b", "fpn_lateral4.bias"),
        ("fpn_inner_res2_2_sum_lateral_gn_s", "fpn_lateral2.norm.weight"),
        ("fpn_res3_3_sum_b", "fpn_output3.bias"),
    ],
)
def test_detector_names(blob, ours):
    converted, origin = convert_c2_detectron_names({blob: np.zeros(4)})
    assert list(converted) == [ours]
    assert origin == {ours: blob}


def test_background_is_class_0_there_and_last_here():
    # background and two classes; each row says which class it is
    weights = {
        "cls_score_b": np.array([0, 1, 2]),
        "bbox_pred_b": np.repeat([0, 1, 2], 4),
        "mask_fcn_logits_b": np.array([0, 1, 2]),
    }
    converted, _ = convert_c2_detectron_names(weights)
    assert converted["cls_score.bias"].tolist() == [1, 2, 0]
    assert converted["bbox_pred.bias"].tolist() == [1, 1, 1, 1, 2, 2, 2, 2]
    assert converted["mask_head.predictor.bias"].tolist() == [1, 2]


def test_two_blobs_of_one_meaning_are_refused():
    with pytest.raises(ValueError, match="'conv_rpn_w' and 'conv_rpn_fpn2_w' of the checkpoint both mean"):
        convert_c2_detectron_names({"conv_rpn_w": np.zeros(1), "conv_rpn_fpn2_w": np.zeros(1)})


def aligned(model, checkpoint, **kwargs):
    return align_and_update_state_dicts(
        {name: torch.zeros(shape) for name, shape in model.items()},
        {name: torch.ones(shape) for name, shape in checkpoint.items()},
        **kwargs,
    )


def test_longest_ending_wins_and_the_rest_stays():
    result = aligned(
        {"net.a.conv.weight": (1,), "net.b.conv.weight": (1,), "net.bias": (1,)},
        {"a.conv.weight": (1,), "b.conv.weight": (1,), "other": (1,)},
        c2_conversion=False,
    )
    assert set(result) == {"net.a.conv.weight", "net.b.conv.weight", "other"}


def test_an_ending_starts_after_a_dot():
    result = aligned({"myconv.weight": (1,)}, {"conv.weight": (1,)}, c2_conversion=False)
    assert set(result) == {"conv.weight"}


def test_shapes_that_disagree_are_left_out(caplog):
    with caplog.at_level(logging.WARNING):
        result = aligned({"x.conv1_w": (2,)}, {"conv1_w": (3,)}, c2_conversion=False)
    assert set(result) == {"conv1_w"}
    assert "conv1_w of the checkpoint has shape (3,), but x.conv1_w of the model has (2,)" in caplog.text


def test_one_tensor_for_two_places_is_refused():
    with pytest.raises(ValueError, match="'conv.weight' of the checkpoint fits both 'a.conv.weight' and"):
        aligned({"a.conv.weight": (1,), "b.conv.weight": (1,)}, {"conv.weight": (1,)}, c2_conversion=False)
