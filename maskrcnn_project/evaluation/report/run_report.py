"""The report on a run: out of the results files that its evaluation wrote."""

from __future__ import annotations

import logging
from pathlib import Path

from detectron2.config import CfgNode

from maskrcnn_project.evaluation.evaluation_result import evaluate
from maskrcnn_project.evaluation.metrics.image_pairs import ImagePairs
from maskrcnn_project.evaluation.metrics_files import write_metrics
from maskrcnn_project.evaluation.report.report_page import RunMetadata, write_report
from maskrcnn_project.evaluation.results_folder import read_speed, results_folder
from maskrcnn_project.evaluation.run_folder import pairs_of
from maskrcnn_project.evaluation.tiled_evaluation import compare_tiled, tiled_section
from maskrcnn_project.pages.html_page import Html

logger = logging.getLogger(__name__)

REPORT_NAME = "report.html"


def report_run(cfg: CfgNode, weights: str) -> list[Path]:
    """
    Evaluates every set of DATASETS.TEST that was evaluated; writes ``metrics.json``, ``per_class.csv`` and
    ``report.html`` beside its results.

    Args:
        weights: the file that was evaluated.

    Returns:
        The pages. None for a set without a COCO file or results.
    """
    pages = []
    for name in cfg.DATASETS.TEST:
        pairs = pairs_of(cfg, name)
        if pairs is None:
            continue
        warn_of_crowded_images(pairs)
        folder = results_folder(cfg, name)
        evaluation = evaluate(pairs, cfg.PREDICT.SCORE_THRESHOLD)
        write_metrics(folder, evaluation)
        facts = RunMetadata(
            title=Path(cfg.OUTPUT_DIR).name,
            weights=weights,
            seconds_per_image=read_speed(folder),
            device=cfg.MODEL.DEVICE,
        )
        write_report(folder / REPORT_NAME, pairs, evaluation, run=facts, further=tiled_sections(cfg, weights, name))
        logger.info("Report: %s", folder / REPORT_NAME)
        pages.append(folder / REPORT_NAME)
    return pages


def tiled_sections(cfg: CfgNode, weights: str, name: str) -> list[Html]:
    """With EVALUATION.TILE the comparison of tiled and untiled: the model is run again, in each way."""
    tile = cfg.EVALUATION.TILE
    if not tile.SIZE:
        return []
    return [tiled_section(compare_tiled(cfg, weights, name), tile.SIZE, tile.OVERLAP)]


def warn_of_crowded_images(pairs: ImagePairs) -> None:
    """Objects beyond the detections that count can never be found, however good the model."""
    if not pairs.over_limit:
        return
    most = max(objects for _, objects in pairs.over_limit)
    logger.warning(
        "%d images hold more objects than the %d detections that count (image ids %s): TEST.DETECTIONS_PER_IMAGE %d "
        "would let all of them be found.",
        len(pairs.over_limit),
        pairs.max_detections,
        ", ".join(str(image_id) for image_id, _ in pairs.over_limit[:5]),
        most,
    )
