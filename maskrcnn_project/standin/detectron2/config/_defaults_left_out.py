"""
Defaults of ``MODEL.*`` keys that only models outside this stand-in read. ``_honoured.py`` refuses other
values.
"""

from __future__ import annotations

from detectron2.config.config import CfgNode as CN


def add_left_out_defaults(cfg: CN) -> None:
    """Adds the groups to ``cfg.MODEL``, which must exist with its RESNETS and ANCHOR_GENERATOR."""
    model = cfg.MODEL
    # Fast R-CNN on proposals from a file, instead of a proposal network.
    model.LOAD_PROPOSALS = False
    # Rotated anchors: counter-clockwise angles in degrees.
    model.ANCHOR_GENERATOR.ANGLES = [[-90, 0, 90]]
    # Deformable convolutions (arXiv:1703.06211), for each of res2 .. res5.
    model.RESNETS.DEFORM_ON_PER_STAGE = [False, False, False, False]
    model.RESNETS.DEFORM_MODULATED = False
    model.RESNETS.DEFORM_NUM_GROUPS = 1

    _add_keypoints(model)
    _add_segmentation(model)
    _add_retinanet(model)


def _add_keypoints(model: CN) -> None:
    model.KEYPOINT_ON = False
    model.ROI_KEYPOINT_HEAD = CN()
    model.ROI_KEYPOINT_HEAD.NAME = "KRCNNConvDeconvUpsampleHead"
    model.ROI_KEYPOINT_HEAD.POOLER_RESOLUTION = 14
    model.ROI_KEYPOINT_HEAD.POOLER_SAMPLING_RATIO = 0
    model.ROI_KEYPOINT_HEAD.CONV_DIMS = (512,) * 8
    model.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS = 17  # COCO's persons
    model.ROI_KEYPOINT_HEAD.MIN_KEYPOINTS_PER_IMAGE = 1
    model.ROI_KEYPOINT_HEAD.NORMALIZE_LOSS_BY_VISIBLE_KEYPOINTS = True
    model.ROI_KEYPOINT_HEAD.LOSS_WEIGHT = 1.0
    model.ROI_KEYPOINT_HEAD.POOLER_TYPE = "ROIAlignV2"


def _add_segmentation(model: CN) -> None:
    # Semantic segmentation on a feature pyramid (arXiv:1901.02446).
    model.SEM_SEG_HEAD = CN()
    model.SEM_SEG_HEAD.NAME = "SemSegFPNHead"
    model.SEM_SEG_HEAD.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    model.SEM_SEG_HEAD.IGNORE_VALUE = 255
    model.SEM_SEG_HEAD.NUM_CLASSES = 54
    model.SEM_SEG_HEAD.CONVS_DIM = 128
    model.SEM_SEG_HEAD.COMMON_STRIDE = 4
    model.SEM_SEG_HEAD.NORM = "GN"
    model.SEM_SEG_HEAD.LOSS_WEIGHT = 1.0

    # How instances and stuff become one panoptic picture (the same paper).
    model.PANOPTIC_FPN = CN()
    model.PANOPTIC_FPN.INSTANCE_LOSS_WEIGHT = 1.0
    model.PANOPTIC_FPN.COMBINE = CN()
    model.PANOPTIC_FPN.COMBINE.ENABLED = True
    model.PANOPTIC_FPN.COMBINE.OVERLAP_THRESH = 0.5
    model.PANOPTIC_FPN.COMBINE.STUFF_AREA_LIMIT = 4096
    model.PANOPTIC_FPN.COMBINE.INSTANCES_CONFIDENCE_THRESH = 0.5


def _add_retinanet(model: CN) -> None:
    # RetinaNet (arXiv:1708.02002).
    model.RETINANET = CN()
    model.RETINANET.NUM_CLASSES = 80
    model.RETINANET.IN_FEATURES = ["p3", "p4", "p5", "p6", "p7"]
    model.RETINANET.NUM_CONVS = 4
    model.RETINANET.IOU_THRESHOLDS = [0.4, 0.5]
    model.RETINANET.IOU_LABELS = [0, -1, 1]
    model.RETINANET.PRIOR_PROB = 0.01
    model.RETINANET.SCORE_THRESH_TEST = 0.05
    model.RETINANET.TOPK_CANDIDATES_TEST = 1000
    model.RETINANET.NMS_THRESH_TEST = 0.5
    model.RETINANET.BBOX_REG_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
    model.RETINANET.FOCAL_LOSS_GAMMA = 2.0
    model.RETINANET.FOCAL_LOSS_ALPHA = 0.25
    model.RETINANET.SMOOTH_L1_LOSS_BETA = 0.1
    model.RETINANET.BBOX_REG_LOSS_TYPE = "smooth_l1"
    model.RETINANET.NORM = ""
