"""A run's folder as it lies there: its config says what it was evaluated on, its results what it found."""

from __future__ import annotations

from pathlib import Path

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from maskrcnn_project.config import get_run_config
from maskrcnn_project.datasets.coco_set import IDS_KEY
from maskrcnn_project.datasets.register import register_descriptions
from maskrcnn_project.evaluation.metrics.image_pairs import ImagePairs
from maskrcnn_project.evaluation.read_pairs import read_pairs
from maskrcnn_project.evaluation.results_folder import RESULTS_NAME, most_detections, results_folder


def pairs_of_run(folder: Path, dataset: str | None = None) -> ImagePairs:
    """
    Args:
        folder: OUTPUT_DIR of a run, wherever it lies now.
        dataset: one of its DATASETS.TEST; None: the first.

    Raises:
        FileNotFoundError, ValueError: no config, no results, no such set.
    """
    cfg = _config_of(folder)
    name = dataset or cfg.DATASETS.TEST[0]
    if name not in cfg.DATASETS.TEST:
        raise ValueError(f"{folder} was evaluated on {', '.join(cfg.DATASETS.TEST)}, not on {name}.")
    if not (results_folder(cfg, name) / RESULTS_NAME).is_file():
        raise FileNotFoundError(
            f"{results_folder(cfg, name) / RESULTS_NAME} does not exist: "
            f"run train_net.py --eval-only --output {folder} first."
        )
    before = set(DatasetCatalog.list())
    try:
        register_descriptions(cfg.DATASETS.DESCRIPTIONS)
        if name not in DatasetCatalog.list():
            raise ValueError(
                f"{folder / 'config.yaml'} names the set {name}, which none of its DATASETS.DESCRIPTIONS describes: "
                "compare with --annotations and --results."
            )
        if not MetadataCatalog.get(name).get(IDS_KEY):
            DatasetCatalog.get(name)  # a set that is drawn at first use tells its classes then
        pairs = pairs_of(cfg, name)
    finally:
        for added in set(DatasetCatalog.list()) - before:  # another run may mean another set by the same name
            DatasetCatalog.remove(added)
            MetadataCatalog.remove(added)
    if pairs is None:
        raise ValueError(f"The set {name} of {folder} has no COCO file, so it cannot be evaluated.")
    return pairs


def pairs_of(cfg: CfgNode, name: str) -> ImagePairs | None:
    """Ground truth and results of a registered set, once loaded; None where either is missing."""
    metadata = MetadataCatalog.get(name)
    annotations = metadata.get("json_file", None)
    results = results_folder(cfg, name) / RESULTS_NAME
    if annotations is None or not results.is_file():
        return None
    contiguous = metadata.thing_dataset_id_to_contiguous_id
    image_root = metadata.get("image_root", None)
    return read_pairs(
        Path(annotations),
        results,
        name=name,
        image_root=None if image_root is None else Path(image_root),
        max_detections=most_detections(cfg),
        class_ids=sorted(contiguous, key=contiguous.__getitem__),
        class_names=metadata.thing_classes,
        page=cfg.INPUT.get("PAGE", 0),
    )


def score_threshold_of(folder: Path) -> float:
    """PREDICT.SCORE_THRESHOLD of a run."""
    return float(_config_of(folder).PREDICT.SCORE_THRESHOLD)


def _config_of(folder: Path) -> CfgNode:
    cfg = get_run_config(folder)
    if not cfg.DATASETS.TEST:
        raise ValueError(f"{folder / 'config.yaml'} has no DATASETS.TEST, so nothing was evaluated.")
    return cfg
