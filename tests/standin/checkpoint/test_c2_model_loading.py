"""Caffe2 names, the order of classes, and the matching of names by their endings."""

import logging

import numpy as np
import pytest
import torch
import torchvision
from detectron2.checkpoint.c2_model_loading import (
    COCO_UNUSED_IDS,
    align_and_update_state_dicts,
    convert_basic_c2_names,
    convert_c2_detectron_names,
    convert_torchvision_names,
    from_torchvision_name,
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


def align(model, checkpoint, **kwargs):
    return align_and_update_state_dicts(
        {name: torch.zeros(shape) for name, shape in model.items()},
        {name: torch.ones(shape) for name, shape in checkpoint.items()},
        **kwargs,
    )


def test_longest_ending_wins_and_the_rest_stays():
    result = align(
        {"net.a.conv.weight": (1,), "net.b.conv.weight": (1,), "net.bias": (1,)},
        {"a.conv.weight": (1,), "b.conv.weight": (1,), "other": (1,)},
        c2_conversion=False,
    )
    assert set(result) == {"net.a.conv.weight", "net.b.conv.weight", "other"}


def test_an_ending_starts_after_a_dot():
    result = align({"myconv.weight": (1,)}, {"conv.weight": (1,)}, c2_conversion=False)
    assert set(result) == {"conv.weight"}


def test_shapes_that_disagree_are_left_out(caplog):
    with caplog.at_level(logging.WARNING):
        result = align({"x.conv1_w": (2,)}, {"conv1_w": (3,)}, c2_conversion=False)
    assert set(result) == {"conv1_w"}
    assert "conv1_w of the checkpoint has shape (3,), but x.conv1_w of the model has (2,)" in caplog.text


def test_one_tensor_for_two_places_is_refused():
    with pytest.raises(ValueError, match="'conv.weight' of the checkpoint fits both 'a.conv.weight' and"):
        align({"a.conv.weight": (1,), "b.conv.weight": (1,)}, {"conv.weight": (1,)}, c2_conversion=False)


@pytest.mark.parametrize(
    "theirs, ours",
    [
        ("conv1.weight", "stem.conv1.weight"),
        ("bn1.running_mean", "stem.conv1.norm.running_mean"),
        ("layer1.0.downsample.0.weight", "res2.0.shortcut.weight"),
        ("layer4.2.downsample.1.bias", "res5.2.shortcut.norm.bias"),
        ("backbone.body.layer3.5.bn2.weight", "res4.5.conv2.norm.weight"),
        ("backbone.fpn.inner_blocks.0.0.weight", "backbone.fpn_lateral2.weight"),
        ("backbone.fpn.layer_blocks.3.bias", "backbone.fpn_output5.bias"),  # before torchvision 0.13
        ("backbone.fpn.layer_blocks.3.1.bias", "backbone.fpn_output5.norm.bias"),  # second generation
        ("rpn.head.conv.0.0.weight", "proposal_generator.rpn_head.conv.weight"),
        ("rpn.head.conv.weight", "proposal_generator.rpn_head.conv.weight"),
        ("roi_heads.mask_head.2.0.weight", "roi_heads.mask_head.mask_fcn3.weight"),
        ("roi_heads.mask_head.mask_fcn3.weight", "roi_heads.mask_head.mask_fcn3.weight"),
        ("roi_heads.box_head.5.weight", "roi_heads.box_head.fc1.weight"),
        ("something.else", "something.else"),
    ],
)
def test_names(theirs, ours):
    assert from_torchvision_name(theirs) == ours


def test_two_convolutions_of_the_second_generation():
    converted = convert_torchvision_names(
        {"rpn.head.conv.0.0.weight": np.zeros(1), "rpn.head.conv.1.0.weight": np.ones(1)}, {}
    )
    assert sorted(converted) == [f"proposal_generator.rpn_head.conv.conv{i}.weight" for i in (0, 1)]


def test_real_coco_categories_are_picked_out_of_ninety():
    scores = np.arange(91)  # background, then one row for each category number
    converted = convert_torchvision_names(
        {
            "roi_heads.box_predictor.cls_score.weight": scores,
            "roi_heads.box_predictor.bbox_pred.weight": np.repeat(scores, 4),
            "roi_heads.mask_predictor.mask_fcn_logits.weight": scores,
        },
        {"roi_heads.box_predictor.cls_score.weight": np.zeros(81)},
    )
    used = [i for i in range(1, 91) if i not in COCO_UNUSED_IDS]
    assert len(used) == 80
    assert converted["roi_heads.box_predictor.cls_score.weight"].tolist() == [*used, 0]
    assert converted["roi_heads.box_predictor.bbox_pred.weight"].tolist() == np.repeat(used, 4).tolist()
    assert converted["roi_heads.mask_head.predictor.weight"].tolist() == used


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    detection = torchvision.models.detection
    # the smallest backbone: names and shapes of the rest are those of maskrcnn_resnet50_fpn
    backbone = detection.backbone_utils.resnet_fpn_backbone(
        backbone_name="resnet18", weights=None, norm_layer=torchvision.ops.FrozenBatchNorm2d, trainable_layers=5
    )
    model = detection.MaskRCNN(backbone, num_classes=4)
    for module in model.modules():
        if hasattr(module, "running_var"):
            module.running_var.uniform_(0.5, 2)  # anything but the zeros and ones it starts from
            module.running_mean.uniform_(-0.5, 0.5)
    return model.eval()


@pytest.fixture(scope="module")
def ours(theirs, tmp_path_factory):
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model

    cfg = get_cfg()
    cfg.MODEL.DEVICE, cfg.MODEL.MASK_ON = "cpu", True
    cfg.MODEL.BACKBONE.NAME = "build_resnet_fpn_backbone"
    cfg.MODEL.RESNETS.OUT_FEATURES = cfg.MODEL.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    cfg.MODEL.RESNETS.DEPTH, cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 18, 64
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[32], [64], [128], [256], [512]]
    cfg.MODEL.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    cfg.MODEL.ROI_HEADS.NAME, cfg.MODEL.ROI_HEADS.NUM_CLASSES = "StandardROIHeads", 3
    cfg.MODEL.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    cfg.MODEL.ROI_BOX_HEAD.NAME, cfg.MODEL.ROI_BOX_HEAD.NUM_FC = "FastRCNNConvFCHead", 2
    cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION = 7
    cfg.MODEL.ROI_MASK_HEAD.NUM_CONV = 4
    model = build_model(cfg).eval()
    path = tmp_path_factory.mktemp("torchvision") / "maskrcnn.pth"
    torch.save(theirs.state_dict(), path)
    incompatible = []
    checkpointer = DetectionCheckpointer(model)
    checkpointer._log_incompatible_keys = incompatible.append
    checkpointer.load(str(path))
    assert incompatible[0] == ([], [], [])  # nothing missing, nothing left over, no other shape
    return model


def test_backbone_gives_the_same_features(theirs, ours):
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        wanted = list(theirs.backbone(image).values())
        got = list(ours.backbone(image).values())
    assert len(got) == 5
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_heads_give_the_same_outputs(theirs, ours):
    pooled, small = torch.randn(2, 256, 7, 7), torch.randn(2, 256, 14, 14)
    with torch.no_grad():
        scores, deltas = theirs.roi_heads.box_predictor(theirs.roi_heads.box_head(pooled))
        our_scores, our_deltas = ours.roi_heads.box_predictor(ours.roi_heads.box_head(pooled))
        masks = theirs.roi_heads.mask_predictor(theirs.roi_heads.mask_head(small))
        our_masks = ours.roi_heads.mask_head.layers(small)
    torch.testing.assert_close(our_scores, scores[:, [1, 2, 3, 0]], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(our_deltas, deltas[:, 4:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(our_masks, masks[:, 1:], rtol=1e-4, atol=1e-5)
