"""Values that this stand-in does not honour are refused, and nothing else is."""

from __future__ import annotations

import pytest
from detectron2.config import CfgNode, get_cfg
from detectron2.config._honoured import refuse_unhonoured


@pytest.mark.parametrize(
    ("key", "value", "feature"),
    [
        ("MODEL.KEYPOINT_ON", True, "keypoints"),
        ("MODEL.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS", 5, "keypoints"),
        ("TEST.KEYPOINT_OKS_SIGMAS", [0.1], "keypoints"),
        ("MODEL.LOAD_PROPOSALS", True, "precomputed proposals"),
        ("DATASETS.PROPOSAL_FILES_TRAIN", ("p.pkl",), "precomputed proposals"),
        ("DATASETS.PROPOSAL_FILES_TEST", ("p.pkl",), "precomputed proposals"),
        ("MODEL.RESNETS.DEFORM_ON_PER_STAGE", [False, True, True, True], "deformable convolutions"),
        ("MODEL.ANCHOR_GENERATOR.ANGLES", [[0]], "rotated boxes"),
        ("MODEL.PANOPTIC_FPN.COMBINE.OVERLAP_THRESH", 0.6, "panoptic segmentation"),
        ("MODEL.SEM_SEG_HEAD.CONVS_DIM", 64, "semantic segmentation"),
        ("MODEL.RETINANET.NUM_CONVS", 2, "RetinaNet"),
    ],
)
def test_refused(key, value, feature):
    cfg = get_cfg()
    cfg.merge_from_list([key, value])
    with pytest.raises(ValueError) as caught:
        refuse_unhonoured(cfg)
    sentence = str(caught.value)
    assert sentence.startswith(f"{key} is {value!r}, but this stand-in leaves out {feature}")
    assert "install the real Detectron2" in sentence


def test_defaults_pass():
    refuse_unhonoured(get_cfg())


def test_lists_and_tuples_are_the_same():
    cfg = get_cfg()
    cfg.MODEL.RETINANET.BBOX_REG_WEIGHTS = [1, 1, 1, 1]
    cfg.MODEL.ROI_KEYPOINT_HEAD.CONV_DIMS = [512] * 8
    cfg.DATASETS.PROPOSAL_FILES_TRAIN = []
    refuse_unhonoured(cfg)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MODEL.ROI_HEADS.NAME", "Res5ROIHeads"),
        ("MODEL.RESNETS.RES5_DILATION", 2),  # DC5
        ("MODEL.RESNETS.NUM_GROUPS", 32),  # ResNeXt
        ("MODEL.ROI_BOX_CASCADE_HEAD.IOUS", (0.5, 0.55, 0.6)),
        ("MODEL.ROI_BOX_HEAD.USE_FED_LOSS", True),
        ("MODEL.ROI_BOX_HEAD.USE_SIGMOID_CE", True),
        ("TEST.PRECISE_BN.ENABLED", True),
        # What scripts for all kinds of models set; Detectron2's Mask R-CNN does not read these either.
        ("MODEL.RETINANET.SCORE_THRESH_TEST", 0.5),
        ("MODEL.RETINANET.NUM_CLASSES", 3),
        ("MODEL.PANOPTIC_FPN.COMBINE.INSTANCES_CONFIDENCE_THRESH", 0.3),
    ],
)
def test_honoured(key, value):
    cfg = get_cfg()
    cfg.merge_from_list([key, value])
    refuse_unhonoured(cfg)


def test_own_keys_and_missing_groups_pass():
    cfg = get_cfg()
    cfg.MODEL.MY_HEAD = CfgNode({"DEPTH": 3})
    del cfg.MODEL["RETINANET"]
    refuse_unhonoured(cfg)
