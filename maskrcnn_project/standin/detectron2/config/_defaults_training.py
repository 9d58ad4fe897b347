"""Defaults of everything but ``MODEL.*``: input, data, solver, test, and the run as a whole."""

from __future__ import annotations

from detectron2.config.config import CfgNode as CN


def add_training_defaults(cfg: CN) -> None:
    """Adds INPUT, DATASETS, DATALOADER, SOLVER, TEST and the root keys to ``cfg``."""
    _add_input(cfg)
    _add_data(cfg)
    _add_solver(cfg)
    _add_test(cfg)
    _add_run(cfg)


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
    # Precomputed proposals, one file a dataset; used with MODEL.LOAD_PROPOSALS only.
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

    # Batch-norm statistics computed anew before evaluation, from this many batches (arXiv:2105.07576).
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
