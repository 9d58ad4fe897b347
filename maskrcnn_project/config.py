"""Every configuration key that this plugin adds to Detectron2's tree, and the one way to read a config file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode, get_cfg

from maskrcnn_project.resources import find_resource


def add_maskrcnn_config(cfg: CfgNode) -> None:
    """Adds the plugin's keys with their defaults to ``cfg``, in place."""
    # Dataset descriptions (YAML, see datasets/README.md) to register before anything else is read. Paths are
    # relative to the working directory or to the root of this project.
    cfg.DATASETS.DESCRIPTIONS = ()

    # True: train with bitmasks where a training set holds any run-length encoding, with polygons elsewhere.
    # False: INPUT.MASK_FORMAT decides, and a file that mixes both is an error under "polygon".
    cfg.INPUT.MASK_FORMAT_FROM_DATA = True

    # Images of more than 8 bits (16 to 64 bits, floats): (low, high), the values that become 0 and 255. Unless it is
    # given, training measures it on its images, RANGE_PERCENTILES of their values, and keeps it with the run. (): the
    # full range of the image's type, from 0. Images of 8 bits are never touched. PAGE: of a stack (TIFF), from 0.
    cfg.INPUT.RANGE = ()
    cfg.INPUT.RANGE_PERCENTILES = (0.1, 99.9)
    cfg.INPUT.PAGE = 0

    # An image that vanishes or breaks while a training runs: raise ends it; skip lets another image take its place and
    # lists it in OUTPUT_DIR/left_out.txt, until more are listed than the share ERROR_BUDGET of all (one at least).
    cfg.DATALOADER.ON_ERROR = "raise"
    cfg.DATALOADER.ERROR_BUDGET = 0.01

    # What prediction and drawing keep, 0 to 1. Evaluation is not touched by it: AP needs the full ranking, which
    # MODEL.ROI_HEADS.SCORE_THRESH_TEST cuts at 0.05.
    cfg.PREDICT = CfgNode()
    cfg.PREDICT.SCORE_THRESHOLD = 0.5

    # Evaluation at the end of training and with --eval-only. REPORT: also write report.html, metrics.json and
    # per_class.csv into OUTPUT_DIR/inference, with counts at PREDICT.SCORE_THRESHOLD.
    cfg.EVALUATION = CfgNode({"REPORT": True})
    # Look at the images in tiles of SIZE pixels as well (0: do not), which have OVERLAP pixels in common (the width of
    # the objects is best), and compare with untiled in the report. It takes as long as there are tiles.
    cfg.EVALUATION.TILE = CfgNode({"SIZE": 0, "OVERLAP": 0})

    _add_augmentation(cfg)
    _add_solver(cfg)
    _add_model(cfg)
    _add_hooks(cfg)


def _add_augmentation(cfg: CfgNode) -> None:
    # Augmentations beyond Detectron2's resizing, flip and crop; all off. A PROBABILITY is for each training sample, 0.0
    # (off) to 1.0. Look at them: tools/visualize_data.py --source dataloader --config-file FILE KEY VALUE ...
    cfg.INPUT.AUGMENT = CfgNode()
    # Four images in one (YOLOv4). SCALES: smallest and largest size of an image in it, as a factor of its size in
    # training; (0.5, 1.5) is what the YOLO family draws. To end without it, train on with 0.0 for the last tenth.
    cfg.INPUT.AUGMENT.MOSAIC = CfgNode({"PROBABILITY": 0.0, "SCALES": (0.5, 1.5)})
    # Some objects of another image put onto this one, covering what is there (Ghiasi et al. 2021). SCALES: of the other
    # image, as above; (0.1, 2.0) is the paper's.
    cfg.INPUT.AUGMENT.COPY_PASTE = CfgNode({"PROBABILITY": 0.0, "SCALES": (0.1, 2.0)})
    # An object cut by a mosaic or covered by a paste is left out where less than this fraction of it stays, 0.0 (only
    # what vanished wholly) to 1.0. 0.1 is the limit of the YOLO family's mosaic.
    cfg.INPUT.AUGMENT.MIN_VISIBLE = 0.1
    # In place of MIN_SIZE_TRAIN: the image fitted into a square of SIZE pixels times a scale drawn from SCALES, then
    # cut or padded to that square. (0.1, 2.0) and 1024 are those of Ghiasi et al. 2021; (0.8, 1.25) is the gentle one.
    # Set MIN_SIZE_TEST and MAX_SIZE_TEST to SIZE as well.
    cfg.INPUT.AUGMENT.LARGE_SCALE_JITTER = CfgNode({"ENABLED": False, "SIZE": 1024, "SCALES": (0.1, 2.0)})
    # Where up and down look alike: cells, parts on a belt, pictures from above.
    cfg.INPUT.AUGMENT.VERTICAL_FLIP = CfgNode({"PROBABILITY": 0.0})
    # About the centre, by up to DEGREES (0.0 to 180.0) either way; the image keeps its size and loses its corners. 10:
    # a camera held by hand; 180: where no direction is up.
    cfg.INPUT.AUGMENT.ROTATION = CfgNode({"PROBABILITY": 0.0, "DEGREES": 10.0})
    # Each of the three by itself with PROBABILITY: BRIGHTNESS, CONTRAST, and SATURATION with HUE. A strength s
    # (0.0 to 1.0) stands for a factor of 1 - s to 1 + s; HUE is turned by up to so many degrees (0.0 to 180.0). From
    # SSD (Liu et al. 2016); its brightness, up to 32 grey levels more or less, is a quarter of mid-grey.
    cfg.INPUT.AUGMENT.COLOUR = CfgNode(
        {"PROBABILITY": 0.0, "BRIGHTNESS": 0.25, "CONTRAST": 0.5, "SATURATION": 0.5, "HUE": 18.0}
    )
    # A Gaussian blur of up to SIGMA pixels of the training image (2.0: SimCLR, Chen et al. 2020).
    cfg.INPUT.AUGMENT.BLUR = CfgNode({"PROBABILITY": 0.0, "SIGMA": 2.0})
    # Normal noise of up to SIGMA grey levels of 255; 10 is a plainly grainy picture.
    cfg.INPUT.AUGMENT.NOISE = CfgNode({"PROBABILITY": 0.0, "SIGMA": 10.0})


def _add_solver(cfg: CfgNode) -> None:
    # "SGD" (with SOLVER.MOMENTUM), or "AdamW", which wants a rate about 50 times lower and a weight decay of 0.05.
    cfg.SOLVER.OPTIMIZER = "SGD"
    # The learning rate of the residual network, as a factor of BASE_LR; 0.1 is the recipe for fine-tuning.
    cfg.SOLVER.BACKBONE_LR_FACTOR = 1.0
    # Factors of BASE_LR for further parts: (("regular expression", factor), ...), looked for in each parameter's name
    # ("roi_heads.mask_head"); the first that is found counts, before BACKBONE_LR_FACTOR.
    cfg.SOLVER.LR_FACTORS = ()
    # Batches of IMS_PER_BATCH images whose gradients are added up before a step of the optimizer; an iteration is one
    # such step, so the schedule needs no change. 4 with IMS_PER_BATCH 2 trains as a batch of 8.
    cfg.SOLVER.ACCUMULATE_STEPS = 1
    # Images a step that BASE_LR is meant for; the rate is then scaled in proportion to the batch. 0: taken as it is.
    cfg.SOLVER.REFERENCE_BATCH_SIZE = 0
    # Passes over the training images, in place of MAX_ITER; STEPS, CHECKPOINT_PERIOD and TEST.EVAL_PERIOD are stretched
    # with it. 12 is 1x, 36 is 3x. 0.0: MAX_ITER counts.
    cfg.SOLVER.EPOCHS = 0.0
    # With SOLVER.AMP.ENABLED: "float16" (any GPU since 2017, scaled losses) or "bfloat16" (GPUs since 2020; CPUs, too,
    # but those without instructions for it are many times slower: tools/benchmark.py).
    cfg.SOLVER.AMP.PRECISION = "float16"


def _add_model(cfg: CfgNode) -> None:
    # Parameters that do not train: regular expressions looked for in their names ("backbone", "roi_heads.box_head").
    cfg.MODEL.FREEZE = ()
    # True: batch norms keep the statistics and weights of MODEL.WEIGHTS; advised under 1,000 images or small batches.
    cfg.MODEL.FREEZE_NORMS = False

    # With MODEL.ROI_HEADS.NAME CrowdedROIHeads: factors of the classes' loss, one for each class (empty: 1 each);
    cfg.MODEL.ROI_HEADS.CLASS_WEIGHTS = ()
    # whether boxes of different classes suppress one another (each object has one class, whatever the scores);
    cfg.MODEL.ROI_HEADS.ACROSS_CLASSES_NMS = False
    # and the IoU above which the lower-scored of two masks of one class is removed, 0.0 to 1.0; 1.0: none does.
    cfg.MODEL.ROI_HEADS.MASK_NMS_THRESH_TEST = 1.0
    # With MODEL.ROI_MASK_HEAD.NAME PointRefinedMaskHead and POOLER_TYPE "". From the PointRend paper (1912.08193):
    # points of a region in training, candidates as a multiple of them, the fraction that are uncertain ones,
    cfg.MODEL.ROI_MASK_HEAD.POINTS = CfgNode({"TRAIN_POINTS": 196, "OVERSAMPLE": 3.0, "IMPORTANT": 0.75})
    # how often the side of a mask is doubled in testing (28 -> 112), and the cells looked at after each doubling,
    cfg.MODEL.ROI_MASK_HEAD.POINTS.SUBDIVISIONS = 2
    cfg.MODEL.ROI_MASK_HEAD.POINTS.PER_SUBDIVISION = 784
    # and the point head's channels and hidden layers.
    cfg.MODEL.ROI_MASK_HEAD.POINTS.WIDTH = 256
    cfg.MODEL.ROI_MASK_HEAD.POINTS.DEPTH = 3


def _add_hooks(cfg: CfgNode) -> None:
    # Names in maskrcnn_project.training.hooks.HOOK_REGISTRY, in the order in which those of one place
    # (hooks/registry.py) run.
    cfg.HOOKS = CfgNode()
    cfg.HOOKS.NAMES = ("LossCurves",)
    # Iterations between two drawings of OUTPUT_DIR/loss_curves.png; 0: at the end only.
    cfg.HOOKS.LossCurves = CfgNode({"PERIOD": 200})
    # Losses on DATASETS.TEST as val/total_loss and so on. PERIOD in iterations, 0: TEST.EVAL_PERIOD. MAX_BATCHES of
    # each process, over images spread evenly over the set; 0: all.
    cfg.HOOKS.ValidationLoss = CfgNode({"PERIOD": 0, "MAX_BATCHES": 100})
    # OUTPUT_DIR/model_best.pth. METRIC: a name in metrics.json ("NAME/segm/AP" where several sets are evaluated,
    # "val/total_loss" with ValidationLoss, "ema/segm/AP" with ModelEMA: then it keeps the averaged weights). MODE:
    # which is better, "max" or "min".
    cfg.HOOKS.BestCheckpoint = CfgNode({"METRIC": "segm/AP", "MODE": "max"})
    # METRIC and MODE as above. PATIENCE: evaluations in a row that are not better by more than MIN_DELTA (in the unit
    # of the metric: points of AP) until the training ends.
    cfg.HOOKS.EarlyStopping = CfgNode({"METRIC": "segm/AP", "MODE": "max", "PATIENCE": 5, "MIN_DELTA": 0.0})
    # A running average of the weights. DECAY: 0.0 to below 1.0; 0.999 looks back on about 1000 iterations. EVALUATE: as
    # ema/segm/AP, at each evaluation, which then takes twice as long.
    cfg.HOOKS.ModelEMA = CfgNode({"DECAY": 0.999, "EVALUATE": True})
    # Periodic checkpoints (SOLVER.CHECKPOINT_PERIOD) that are kept, at least 1.
    cfg.HOOKS.KeepLastCheckpoints = CfgNode({"NUMBER": 3})
    # An infinite or NaN loss or gradient. POLICY: "skip" leaves the step out, up to BUDGET times in a run; "stop" ends
    # the training. GRADIENTS: False looks at the losses alone, which spares the GPU a wait per iteration.
    cfg.HOOKS.NonFiniteGuard = CfgNode({"POLICY": "skip", "BUDGET": 10, "GRADIENTS": True})
    # NUMBER of images of the first set of DATASETS.TEST, into OUTPUT_DIR/snapshots. PERIOD in iterations, 0:
    # TEST.EVAL_PERIOD. Predictions below PREDICT.SCORE_THRESHOLD are not drawn.
    cfg.HOOKS.PredictionSnapshots = CfgNode({"PERIOD": 0, "NUMBER": 4})
    # PERIOD in iterations; 20 is that of Detectron2's log. DEPTH: levels of a parameter's name that make a part; 1 is
    # backbone, proposal_generator, roi_heads.
    cfg.HOOKS.GradientNorms = CfgNode({"PERIOD": 20, "DEPTH": 1})
    # Hours of wall-clock time, 0.0: no limit. HOURS_PER_START: of one start; exit code 75, --resume goes on. HOURS: of
    # the run with all its resumes; then it is finished. Leave time for one evaluation and a checkpoint. PERIOD:
    # iterations between two looks at the clock, where there are several processes.
    cfg.HOOKS.TimeLimit = CfgNode({"HOURS_PER_START": 0.0, "HOURS": 0.0, "PERIOD": 10})
    # SIGNALS that end the training between two iterations with a checkpoint and exit code 75; --resume goes on. PERIOD
    # as above.
    cfg.HOOKS.StopOnSignal = CfgNode({"SIGNALS": ("SIGTERM", "SIGUSR1", "SIGINT", "SIGHUP"), "PERIOD": 10})
    # Curves at Weights & Biases and in MLflow, which must be installed. PERIOD in iterations; 20 is that of the log.
    cfg.HOOKS.WandbWriter = CfgNode({"PROJECT": "maskrcnn_project", "PERIOD": 20})
    cfg.HOOKS.MLflowWriter = CfgNode({"EXPERIMENT": "maskrcnn_project", "PERIOD": 20})


def get_config(config_file: str | Path | None = None, overrides: Sequence[str] = ()) -> CfgNode:
    """
    Detectron2's defaults and the plugin's, then ``config_file``, then ``KEY VALUE`` pairs.

    Args:
        config_file: a YAML file; a path that does not exist here is looked for among the configs of this project
            ("configs/mask_rcnn_R_50_FPN_1x.yaml" works from anywhere).
        overrides: flat sequence of keys and values, as on the command line.

    Raises:
        FileNotFoundError, KeyError, ValueError: one sentence naming the file or key.
    """
    cfg = get_cfg()
    add_maskrcnn_config(cfg)
    if config_file is not None:
        cfg.merge_from_file(str(find_resource(config_file)))
    if len(overrides) % 2:
        raise ValueError(
            f"Options after the flags must be pairs of KEY VALUE, but {len(overrides)} words came: "
            f"{' '.join(overrides)}."
        )
    cfg.merge_from_list(list(overrides))
    return cfg


def value_of(cfg: CfgNode, key: str) -> Any:
    """The value of a dotted key."""
    for part in key.split("."):
        cfg = cfg[part]
    return cfg


# Keys that training alone heeds: given to a tool that uses a trained model, they would change nothing.
TRAINING_KEYS = ("SOLVER.", "HOOKS.", "INPUT.AUGMENT.", "INPUT.CROP.", "INPUT.MIN_SIZE_TRAIN", "TEST.EVAL_PERIOD")


def refuse_training_keys(options: Sequence[str], what: str) -> None:
    """Raises ValueError for a KEY VALUE pair that has no effect where nothing is trained; ``what``: the command."""
    idle = [key for key in options[::2] if key.startswith(TRAINING_KEYS)]
    if idle:
        raise ValueError(f"{idle[0]} acts on a training only, and {what} trains nothing: leave it out.")


def get_config_of(run: str | None, config_file: str | None, overrides: Sequence[str] = ()) -> CfgNode:
    """
    The config of a tool that takes ``--run`` or ``--config-file``, with ``KEY VALUE`` pairs over it.

    Raises:
        ValueError: a key that only training heeds; and as ``get_config``.
    """
    refuse_training_keys(overrides, "this tool")
    if run is None:
        return get_config(config_file, overrides)
    return get_run_config(run, overrides)


def get_run_config(folder: str | Path, overrides: Sequence[str] = ()) -> CfgNode:
    """
    The config of a training, from its folder wherever it lies now, with ``KEY VALUE`` pairs over it: OUTPUT_DIR is
    ``folder``, and what lay in the run's folder when it was trained (weights, the description of its data) is looked
    for there.

    Raises:
        FileNotFoundError: the folder has no config.yaml, which training writes.
    """
    folder = Path(folder)
    if not (folder / "config.yaml").is_file():
        raise FileNotFoundError(f"{folder} is no run: it has no config.yaml, which training writes.")
    cfg = get_config(folder / "config.yaml")
    before = Path(cfg.OUTPUT_DIR)

    def moved(path: str) -> str:
        inside = path and not Path(path).exists() and Path(path).is_relative_to(before)
        return str(folder / Path(path).relative_to(before)) if inside else path

    cfg.DATASETS.DESCRIPTIONS = tuple(_moved_description(folder, moved(path)) for path in cfg.DATASETS.DESCRIPTIONS)
    cfg.MODEL.WEIGHTS = moved(cfg.MODEL.WEIGHTS)
    cfg.OUTPUT_DIR = str(folder)
    cfg.merge_from_list(list(overrides))
    return cfg


def _moved_description(folder: Path, path: str) -> str:
    """A run keeps the description of its data in a folder of its own, however its path was written once."""
    own = folder / "dataset" / "dataset.yaml"
    is_own = Path(path).parts[-2:] == own.parts[-2:]
    return str(own) if is_own and own.is_file() and not Path(path).is_file() else path
