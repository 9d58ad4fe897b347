"""Defaults of ``MODEL.*``: what the Mask R-CNN family reads. The values are those of the C4 baseline."""

from __future__ import annotations

from detectron2.config.config import CfgNode as CN


def add_model_defaults(cfg: CN) -> None:
    """Adds ``MODEL`` to the root node ``cfg``."""
    cfg.MODEL = CN()

    # Whether instances have masks, which adds the mask head.
    cfg.MODEL.MASK_ON = False
    # "cuda", "cuda:1", "cpu", "mps".
    cfg.MODEL.DEVICE = "cuda"
    # A name in META_ARCH_REGISTRY: the class of the whole model.
    cfg.MODEL.META_ARCHITECTURE = "GeneralizedRCNN"
    # Path, URL or detectron2:// name of the weights to start from; "" starts from random ones.
    cfg.MODEL.WEIGHTS = ""
    # Mean and standard deviation of each channel, in the order of INPUT.FORMAT, on the scale 0..255. The
    # defaults are ImageNet's mean in BGR order, and 1 because the MSRA weights have the deviation folded into
    # their first layer. Weights trained by torchvision want RGB and [58.395, 57.12, 57.375].
    cfg.MODEL.PIXEL_MEAN = [103.530, 116.280, 123.675]
    cfg.MODEL.PIXEL_STD = [1.0, 1.0, 1.0]

    _add_backbone(cfg.MODEL)
    _add_proposals(cfg.MODEL)
    _add_box_head(cfg.MODEL)
    _add_mask_head(cfg.MODEL)


def _add_backbone(model: CN) -> None:
    model.BACKBONE = CN()
    # A name in BACKBONE_REGISTRY.
    model.BACKBONE.NAME = "build_resnet_backbone"
    # Stages that do not train, counted from the input: 0 none, 1 the stem, 2 the stem and res2, up to 5.
    model.BACKBONE.FREEZE_AT = 2

    # Residual networks (arXiv:1512.03385).
    model.RESNETS = CN()
    # 18, 34, 50, 101 or 152 layers.
    model.RESNETS.DEPTH = 50
    # Which of "stem", "res2" .. "res5" the backbone returns.
    model.RESNETS.OUT_FEATURES = ["res4"]
    # Groups of the 3x3 convolutions: 1 is ResNet; ResNeXt-101-32x8d has 32 groups of width 8
    # (arXiv:1611.05431).
    model.RESNETS.NUM_GROUPS = 1
    model.RESNETS.WIDTH_PER_GROUP = 64
    # "FrozenBN", "BN", "SyncBN", "GN" or "".
    model.RESNETS.NORM = "FrozenBN"
    # Where a bottleneck downsamples: in its first 1x1 convolution (the MSRA weights) or its 3x3
    # (torchvision's).
    model.RESNETS.STRIDE_IN_1X1 = True
    # 2 dilates res5 instead of downsampling it: the "DC5" models.
    model.RESNETS.RES5_DILATION = 1
    # Channels behind res2 (64 for depth 18 and 34) and behind the stem.
    model.RESNETS.RES2_OUT_CHANNELS = 256
    model.RESNETS.STEM_OUT_CHANNELS = 64

    # Feature pyramid (arXiv:1612.03144).
    model.FPN = CN()
    # The backbone's features that the pyramid is built on, finest first.
    model.FPN.IN_FEATURES = []
    model.FPN.OUT_CHANNELS = 256
    # "", "BN", "SyncBN" or "GN".
    model.FPN.NORM = ""
    # How the lateral and the upsampled map combine: "sum" or "avg".
    model.FPN.FUSE_TYPE = "sum"


def _add_proposals(model: CN) -> None:
    model.PROPOSAL_GENERATOR = CN()
    # A name in PROPOSAL_GENERATOR_REGISTRY.
    model.PROPOSAL_GENERATOR.NAME = "RPN"
    # Proposals with a side of at most this many pixels are dropped.
    model.PROPOSAL_GENERATOR.MIN_SIZE = 0

    model.ANCHOR_GENERATOR = CN()
    # A name in ANCHOR_GENERATOR_REGISTRY.
    model.ANCHOR_GENERATOR.NAME = "DefaultAnchorGenerator"
    # For each feature map a list of anchor sizes (square roots of the area, pixels of the network's input)
    # and of aspect ratios (height / width). One list alone holds for every map. Sizes as in arXiv:1506.01497
    # and 1612.03144.
    model.ANCHOR_GENERATOR.SIZES = [[32, 64, 128, 256, 512]]
    model.ANCHOR_GENERATOR.ASPECT_RATIOS = [[0.5, 1.0, 2.0]]
    # Where the first anchor's centre lies, in strides from the image's corner: [0, 1).
    model.ANCHOR_GENERATOR.OFFSET = 0.0

    # Region proposal network (arXiv:1506.01497).
    model.RPN = CN()
    # A name in RPN_HEAD_REGISTRY.
    model.RPN.HEAD_NAME = "StandardRPNHead"
    model.RPN.IN_FEATURES = ["res4"]
    # Anchors that leave the image by more than this many pixels do not train; -1 lets all train.
    model.RPN.BOUNDARY_THRESH = -1
    # Anchors of IoU below the first threshold are background (0), above the second foreground (1), between
    # ignored.
    model.RPN.IOU_THRESHOLDS = [0.3, 0.7]
    model.RPN.IOU_LABELS = [0, -1, 1]
    # Anchors drawn for the loss from each image, and the highest share of foreground among them.
    model.RPN.BATCH_SIZE_PER_IMAGE = 256
    model.RPN.POSITIVE_FRACTION = 0.5
    # "smooth_l1", "giou", "diou" or "ciou".
    model.RPN.BBOX_REG_LOSS_TYPE = "smooth_l1"
    model.RPN.BBOX_REG_LOSS_WEIGHT = 1.0
    # Factors on (dx, dy, dw, dh), the regression targets.
    model.RPN.BBOX_REG_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
    # Where smooth L1 turns from square to straight; 0 is plain L1.
    model.RPN.SMOOTH_L1_BETA = 0.0
    model.RPN.LOSS_WEIGHT = 1.0
    # Proposals kept before non-maximum suppression (each level by itself) and after it (all levels together).
    model.RPN.PRE_NMS_TOPK_TRAIN = 12000
    model.RPN.PRE_NMS_TOPK_TEST = 6000
    model.RPN.POST_NMS_TOPK_TRAIN = 2000
    model.RPN.POST_NMS_TOPK_TEST = 1000
    # IoU above which the lower-scored proposal of a level is dropped.
    model.RPN.NMS_THRESH = 0.7
    # Channels of the head's hidden 3x3 convolutions; -1 keeps the input's.
    model.RPN.CONV_DIMS = [-1]


def _add_box_head(model: CN) -> None:
    # Which regions train, and what is kept of the detections.
    model.ROI_HEADS = CN()
    # A name in ROI_HEADS_REGISTRY: "Res5ROIHeads" (C4), "StandardROIHeads" (FPN, DC5) or "CascadeROIHeads".
    model.ROI_HEADS.NAME = "Res5ROIHeads"
    # Foreground classes; background is the class after the last.
    model.ROI_HEADS.NUM_CLASSES = 80
    model.ROI_HEADS.IN_FEATURES = ["res4"]
    # Proposals of IoU at or above the threshold are foreground (1), below background (0).
    model.ROI_HEADS.IOU_THRESHOLDS = [0.5]
    model.ROI_HEADS.IOU_LABELS = [0, 1]
    # Regions drawn for the loss from each image, and the highest share of foreground among them
    # (arXiv:1504.08083).
    model.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 512
    model.ROI_HEADS.POSITIVE_FRACTION = 0.25
    # Detections below this score are dropped before suppression; it trades time for average precision.
    model.ROI_HEADS.SCORE_THRESH_TEST = 0.05
    # IoU above which the lower-scored detection of the same class is dropped.
    model.ROI_HEADS.NMS_THRESH_TEST = 0.5
    # Whether ground-truth boxes join the proposals, so that early training has positives.
    model.ROI_HEADS.PROPOSAL_APPEND_GT = True

    model.ROI_BOX_HEAD = CN()
    # A name in ROI_BOX_HEAD_REGISTRY, such as "FastRCNNConvFCHead". Res5ROIHeads has none.
    model.ROI_BOX_HEAD.NAME = ""
    # "smooth_l1", "giou", "diou" or "ciou".
    model.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE = "smooth_l1"
    model.ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT = 1.0
    # Factors on (dx, dy, dw, dh): about the inverse of the targets' spread (arXiv:1504.08083's
    # normalisation).
    model.ROI_BOX_HEAD.BBOX_REG_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
    model.ROI_BOX_HEAD.SMOOTH_L1_BETA = 0.0
    # Side of the pooled square, in cells; samples along each side of a cell (0: as many as the region has
    # pixels).
    model.ROI_BOX_HEAD.POOLER_RESOLUTION = 14
    model.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO = 0
    # "ROIAlignV2" (half-pixel centres), "ROIAlign" (without) or "ROIPool".
    model.ROI_BOX_HEAD.POOLER_TYPE = "ROIAlignV2"
    # Hidden layers: convolutions first, then fully connected ones.
    model.ROI_BOX_HEAD.NUM_FC = 0
    model.ROI_BOX_HEAD.FC_DIM = 1024
    model.ROI_BOX_HEAD.NUM_CONV = 0
    model.ROI_BOX_HEAD.CONV_DIM = 256
    # Normalisation of the convolutions: "", "BN", "SyncBN" or "GN".
    model.ROI_BOX_HEAD.NORM = ""
    # One box for all classes instead of one a class.
    model.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG = False
    # Whether the other heads train on predicted boxes instead of proposals.
    model.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES = False
    # Federated loss for many classes with few examples (arXiv:2103.07461): it needs the sigmoid loss, draws
    # FED_LOSS_NUM_CLASSES classes an image, each by its image count to the given power.
    model.ROI_BOX_HEAD.USE_FED_LOSS = False
    model.ROI_BOX_HEAD.USE_SIGMOID_CE = False
    model.ROI_BOX_HEAD.FED_LOSS_FREQ_WEIGHT_POWER = 0.5
    model.ROI_BOX_HEAD.FED_LOSS_NUM_CLASSES = 50

    # Cascade R-CNN (arXiv:1712.00726), for ROI_HEADS.NAME "CascadeROIHeads": of each stage the factors on the
    # regression targets, and the IoU from which a region is foreground. The first IoU must be that of
    # ROI_HEADS.IOU_THRESHOLDS.
    model.ROI_BOX_CASCADE_HEAD = CN()
    model.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS = (
        (10.0, 10.0, 5.0, 5.0),
        (20.0, 20.0, 10.0, 10.0),
        (30.0, 30.0, 15.0, 15.0),
    )
    model.ROI_BOX_CASCADE_HEAD.IOUS = (0.5, 0.6, 0.7)


def _add_mask_head(model: CN) -> None:
    # Mask head (arXiv:1703.06870).
    model.ROI_MASK_HEAD = CN()
    # A name in ROI_MASK_HEAD_REGISTRY.
    model.ROI_MASK_HEAD.NAME = "MaskRCNNConvUpsampleHead"
    # As in ROI_BOX_HEAD. The predicted mask has twice this side.
    model.ROI_MASK_HEAD.POOLER_RESOLUTION = 14
    model.ROI_MASK_HEAD.POOLER_SAMPLING_RATIO = 0
    # Hidden 3x3 convolutions, their channels, their normalisation ("", "BN", "SyncBN", "GN").
    model.ROI_MASK_HEAD.NUM_CONV = 0
    model.ROI_MASK_HEAD.CONV_DIM = 256
    model.ROI_MASK_HEAD.NORM = ""
    # One mask for all classes instead of one a class.
    model.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK = False
    model.ROI_MASK_HEAD.POOLER_TYPE = "ROIAlignV2"
