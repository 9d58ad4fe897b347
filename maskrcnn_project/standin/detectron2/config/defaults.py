"""
The whole public tree of configuration keys, with its default values.

It is the tree of Detectron2 (commit 02b5c4e), so that a YAML file written for it finds every key. The keys
that only models outside this stand-in read are here too (``_add_left_out``); setting those is refused when the
model or the data is built (``_honoured.py``). Sizes are (height, width) or one side, in pixels,
unless a key says otherwise.
"""

from __future__ import annotations

from detectron2.config._node import CfgNode as CN


def _add_model(cfg: CN) -> None:
    """Adds ``MODEL``: what the Mask R-CNN family reads. The values are those of the C4 baseline."""
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
    # One box for all classes instead of one per class.
    model.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG = False
    # Whether the other heads train on predicted boxes instead of proposals.
    model.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES = False
    # Federated loss for many classes with few examples (arXiv:2103.07461): it needs the sigmoid loss, draws
    # FED_LOSS_NUM_CLASSES classes per image, each by its image count to the given power.
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
    # One mask for all classes instead of one per class.
    model.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK = False
    model.ROI_MASK_HEAD.POOLER_TYPE = "ROIAlignV2"


def _add_left_out(cfg: CN) -> None:
    """Adds what only models outside this stand-in read; RESNETS and ANCHOR_GENERATOR must exist."""
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


def _add_input(cfg: CN) -> None:
    cfg.INPUT = CN()
    # Length of an image's shorter side when training, in pixels: one of these ("choice"), or any between the
    # two ("range"). The longer side stays below the maximum. 800 and 1333 are those of arXiv:1612.03144.
    cfg.INPUT.MIN_SIZE_TRAIN = (800,)
    cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING = "choice"
    cfg.INPUT.MAX_SIZE_TRAIN = 1333
    # The same when testing; 0 leaves images at their size.
    cfg.INPUT.MIN_SIZE_TEST = 800
    cfg.INPUT.MAX_SIZE_TEST = 1333
    # Mirroring at random when training: "horizontal", "vertical" or "none".
    cfg.INPUT.RANDOM_FLIP = "horizontal"

    # Cropping at random when training.
    cfg.INPUT.CROP = CN({"ENABLED": False})
    # How SIZE is meant: "absolute" pixels, "absolute_range" of pixels, "relative" share of each side,
    # "relative_range": a share between SIZE and 1.
    cfg.INPUT.CROP.TYPE = "relative_range"
    # (height, width), or (low, high) for "absolute_range".
    cfg.INPUT.CROP.SIZE = [0.9, 0.9]

    # Channel order of images as the model gets them: "BGR", "RGB", "L" or "YUV-BT.601".
    cfg.INPUT.FORMAT = "BGR"
    # How ground-truth masks are kept: "polygon" or "bitmask" (which run-length annotations need).
    cfg.INPUT.MASK_FORMAT = "polygon"


def _add_data(cfg: CN) -> None:
    cfg.DATASETS = CN()
    # Names in DatasetCatalog.
    cfg.DATASETS.TRAIN = ()
    cfg.DATASETS.TEST = ()
    # Precomputed proposals, one file per dataset; used with MODEL.LOAD_PROPOSALS only.
    cfg.DATASETS.PROPOSAL_FILES_TRAIN = ()
    cfg.DATASETS.PRECOMPUTED_PROPOSAL_TOPK_TRAIN = 2000
    cfg.DATASETS.PROPOSAL_FILES_TEST = ()
    cfg.DATASETS.PRECOMPUTED_PROPOSAL_TOPK_TEST = 1000

    cfg.DATALOADER = CN()
    # Loading processes for each training process; 0 loads in the training process itself.
    cfg.DATALOADER.NUM_WORKERS = 4
    # Whether a batch holds only wide or only tall images, which saves padding.
    cfg.DATALOADER.ASPECT_RATIO_GROUPING = True
    # "TrainingSampler", "RepeatFactorTrainingSampler" or "RandomSubsetTrainingSampler".
    cfg.DATALOADER.SAMPLER_TRAIN = "TrainingSampler"
    # Share of images below which a class's images are repeated (arXiv:1908.03195), by the square root of
    # threshold / share, or by that itself where REPEAT_SQRT is false.
    cfg.DATALOADER.REPEAT_THRESHOLD = 0.0
    cfg.DATALOADER.REPEAT_SQRT = True
    # Whether images without annotations are left out of training.
    cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS = True


def _add_solver(cfg: CN) -> None:
    cfg.SOLVER = CN()
    # "WarmupMultiStepLR", "WarmupCosineLR" or "WarmupStepWithFixedGammaLR".
    cfg.SOLVER.LR_SCHEDULER_NAME = "WarmupMultiStepLR"
    # Iterations. One iteration sees IMS_PER_BATCH images, over all devices.
    cfg.SOLVER.MAX_ITER = 40000
    cfg.SOLVER.IMS_PER_BATCH = 16
    # Processes that IMS_PER_BATCH, BASE_LR and the iterations are meant for. Another number of processes
    # scales them (arXiv:1706.02677); 0 never does.
    cfg.SOLVER.REFERENCE_WORLD_SIZE = 0
    # Learning rate after warm-up, and at the end of the cosine schedule.
    cfg.SOLVER.BASE_LR = 0.001
    cfg.SOLVER.BASE_LR_END = 0.0
    cfg.SOLVER.MOMENTUM = 0.9
    cfg.SOLVER.NESTEROV = False
    cfg.SOLVER.WEIGHT_DECAY = 0.0001
    # Weight decay of the normalisation layers.
    cfg.SOLVER.WEIGHT_DECAY_NORM = 0.0
    # Biases: a factor on the learning rate, and their weight decay (None: as the weights'). 2 and 0 in
    # arXiv:1504.08083.
    cfg.SOLVER.BIAS_LR_FACTOR = 1.0
    cfg.SOLVER.WEIGHT_DECAY_BIAS = None
    # At each of these iterations the learning rate is multiplied by GAMMA.
    cfg.SOLVER.GAMMA = 0.1
    cfg.SOLVER.STEPS = (30000,)
    # Equal steps of the fixed-gamma schedule.
    cfg.SOLVER.NUM_DECAYS = 3
    # The learning rate rises from this share of its value, for these iterations: "linear" or "constant".
    cfg.SOLVER.WARMUP_FACTOR = 1.0 / 1000
    cfg.SOLVER.WARMUP_ITERS = 1000
    cfg.SOLVER.WARMUP_METHOD = "linear"
    # Whether each interval of the fixed-gamma schedule is rescaled to where it begins.
    cfg.SOLVER.RESCALE_INTERVAL = False
    # Iterations between checkpoints.
    cfg.SOLVER.CHECKPOINT_PERIOD = 5000

    # Gradient clipping.
    cfg.SOLVER.CLIP_GRADIENTS = CN({"ENABLED": False})
    # "value": each element by itself. "norm": each parameter's gradient by its norm. "full_model": all
    # together.
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_TYPE = "value"
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_VALUE = 1.0
    # Order of the norm; infinity is allowed.
    cfg.SOLVER.CLIP_GRADIENTS.NORM_TYPE = 2.0

    # Mixed precision when training.
    cfg.SOLVER.AMP = CN({"ENABLED": False})


def _add_test(cfg: CN) -> None:
    cfg.TEST = CN()
    # Results to verify when training ends: [task, metric, value, tolerance], such as ["segm", "AP", 35.2,
    # 0.3].
    cfg.TEST.EXPECTED_RESULTS = []
    # Iterations between evaluations; 0 evaluates at the end only.
    cfg.TEST.EVAL_PERIOD = 0
    # Keypoint similarity spreads; [] takes COCO's. Read for keypoints only.
    cfg.TEST.KEYPOINT_OKS_SIGMAS = []
    # Detections kept for each image, over all classes. 100 is what the COCO metric looks at.
    cfg.TEST.DETECTIONS_PER_IMAGE = 100

    # Test-time augmentation: several sizes (shorter side, pixels), each also mirrored.
    cfg.TEST.AUG = CN({"ENABLED": False})
    cfg.TEST.AUG.MIN_SIZES = (400, 500, 600, 700, 800, 900, 1000, 1100, 1200)
    cfg.TEST.AUG.MAX_SIZE = 4000
    cfg.TEST.AUG.FLIP = True

    # Batch-norm statistics computed again before evaluation, from this many batches (arXiv:2105.07576).
    cfg.TEST.PRECISE_BN = CN({"ENABLED": False})
    cfg.TEST.PRECISE_BN.NUM_ITER = 200


def _add_run(cfg: CN) -> None:
    # Where logs, checkpoints and results go.
    cfg.OUTPUT_DIR = "./output"
    # Seed of every generator; negative draws one. A fixed seed alone does not make CUDA's results repeat bit
    # for bit.
    cfg.SEED = -1
    # Lets cuDNN try its algorithms for each input size. Slow where the sizes change from image to image.
    cfg.CUDNN_BENCHMARK = False
    # torch.set_float32_matmul_precision: "highest", "high" or "medium"; "" leaves it.
    cfg.FLOAT32_PRECISION = ""
    # Iterations between pictures of training samples and proposals in TensorBoard; 0 draws none.
    cfg.VIS_PERIOD = 0
    # For quick experiments that need some value in code that gets no cfg. Nothing here reads it.
    cfg.GLOBAL = CN({"HACK": 1.0})


_C = CN()

# The version of the tree itself. Files of versions 0 and 1 are converted when merged (compat.py).
_C.VERSION = 2

_add_model(_C)
_add_left_out(_C)
for _add in (_add_input, _add_data, _add_solver, _add_test, _add_run):
    _add(_C)
