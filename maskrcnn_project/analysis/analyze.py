"""Measures, checks and draws a dataset: all that the page shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskrcnn_project.analysis.anchors import anchor_fit
from maskrcnn_project.analysis.examples import DrawnExample, draw_examples
from maskrcnn_project.analysis.objects import ObjectTable, objects_of, sound_part
from maskrcnn_project.analysis.settings import ComparedSetting, compare_settings, user_options_of, with_settings
from maskrcnn_project.config import get_config
from maskrcnn_project.datasets.checking.check import check_dataset
from maskrcnn_project.datasets.checking.findings import Finding
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.statistics import DatasetStatistics, dataset_statistics
from maskrcnn_project.training.recommend import BASE_CONFIG
from maskrcnn_project.training.user_options import UserOptions


@dataclass(frozen=True)
class Analysis:
    """What is known of one split."""

    json_file: Path
    config_file: str  # whose settings are the present ones
    statistics: DatasetStatistics  # of the rows that can be measured
    objects: ObjectTable
    rows_left_out: int  # annotations too broken to be measured; the check names them
    settings: list[ComparedSetting]
    present_fit: np.ndarray  # (N,) IoU of each object with its best anchor
    suggested_fit: np.ndarray
    findings: list[tuple[Finding, list[DrawnExample]]]
    quick: bool  # whether images and masks were left undecoded


def analyze_dataset(
    json_file: str | Path,
    image_root: str | Path,
    config_file: str | Path | None = None,
    *,
    quick: bool = False,
    page: int | None = None,
    progress: bool = True,
) -> Analysis:
    """
    Args:
        image_root: folder of the images; files may be missing.
        config_file: of the model to be trained. None: one from COCO weights, as ``train_net.py`` takes by itself.
        quick: leaves out the rules that decode every image and draw every mask.
        page: of images that are stacks; None: INPUT.PAGE of the config.

    Raises:
        DatasetError: there is no COCO file, or no folder.
        FileNotFoundError, KeyError, ValueError: the config cannot be read, or has anchors that cannot be made.
    """
    cfg = get_config(BASE_CONFIG if config_file is None else config_file)
    tables = SplitTables.read("train", json_file, image_root)
    coco = sound_part(tables)
    statistics = dataset_statistics(coco)
    objects = objects_of(coco)
    settings = compare_settings(statistics, cfg, UserOptions() if config_file is None else user_options_of(cfg))
    page = cfg.INPUT.PAGE if page is None else page
    limit = cfg.TEST.DETECTIONS_PER_IMAGE
    findings = check_dataset(tables, quick=quick, detections_per_image=limit, page=page, progress=progress)
    return Analysis(
        json_file=Path(json_file),
        config_file=str(config_file or BASE_CONFIG),
        statistics=statistics,
        objects=objects,
        rows_left_out=len(tables.annotations) - len(coco.annotations),
        settings=settings,
        present_fit=anchor_fit(objects, cfg),
        suggested_fit=anchor_fit(objects, with_settings(cfg, settings)),
        findings=draw_examples(tables, findings, page=page, progress=progress),
        quick=quick,
    )
