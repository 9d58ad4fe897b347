"""Is it worth looking in tiles? The same images untiled, in tiles, and in tiles and whole, each evaluated."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from tqdm import tqdm

from maskrcnn_project.datasets.image_file import ValueRange, read_image, value_range
from maskrcnn_project.evaluation.evaluation_result import EvaluationResult, evaluate
from maskrcnn_project.evaluation.ground_truth import GroundTruth, read_ground_truth
from maskrcnn_project.evaluation.read_pairs import read_pairs
from maskrcnn_project.evaluation.results_folder import COCO_DETECTIONS, RESULTS_NAME, results_folder
from maskrcnn_project.files import write_text
from maskrcnn_project.inference.predictor import Predictor
from maskrcnn_project.inference.tiling.tiles import DetectImages, detect_tiled
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.pages import html_page as page

Way = Callable[[np.ndarray], Detections]  # from an image (H, W, 3) uint8 in BGR to what is found in it


@dataclass(frozen=True)
class EvaluatedWay:
    """
    What one way of looking at the images gave.

    Attributes:
        name: "untiled", "tiles" or "tiles and whole image".
        seconds_per_image: of the looking, without the reading of images.
    """

    name: str
    evaluation: EvaluationResult
    seconds_per_image: float


def ways_of_looking(detect_images: DetectImages, size: int, overlap: int, batch_size: int = 1) -> dict[str, Way]:
    """
    The three ways to compare.

    Args:
        detect_images: finds objects in images: ``Predictor.detect``, with the score threshold of an evaluation.
        size, overlap, batch_size: see ``detect_tiled``.
    """
    tiled = partial(detect_tiled, detect_images, size=size, overlap=overlap, batch_size=batch_size)
    return {
        "untiled": lambda image: detect_images([image])[0],
        "tiles": partial(tiled, full_image=False),
        "tiles and whole image": tiled,
    }


def compare_ways(
    ways: Mapping[str, Way],
    annotations: Path,
    image_root: Path,
    folder: Path,
    score_threshold: float,
    values: ValueRange | None = None,
) -> list[EvaluatedWay]:
    """
    Looks at every image of a COCO file in every way, and evaluates what is found.

    As many detections of an image count as the way that gives most: the limit of a tile holds for each.

    Args:
        folder: ``untiled/coco_instances_results.json`` and so on are written into it.
        score_threshold: 0 to 1, where counts are taken. AP looks at all that the ways give.
        values: how images of more than 8 bits are read.

    Raises:
        DatasetError, OSError: a file that cannot be read.
    """
    truth = read_ground_truth(annotations)
    found: dict[str, dict[int, Detections]] = {name: {} for name in ways}
    seconds = dict.fromkeys(ways, 0.0)
    for image_id, file_name in tqdm(truth.file_names.items(), desc="Tiled or not", unit="image", disable=None):
        image = read_image(image_root / file_name, "BGR", values)
        for name, look in ways.items():
            begin = time.perf_counter()
            found[name][image_id] = look(image)
            seconds[name] += time.perf_counter() - begin
    most = max((len(one) for of_way in found.values() for one in of_way.values()), default=0)
    evaluated = []
    for name, of_way in found.items():
        results = folder / name.replace(" ", "_") / RESULTS_NAME
        write_results(results, of_way, truth)
        pairs = read_pairs(
            annotations,
            results,
            name=name,
            image_root=image_root,
            max_detections=max(COCO_DETECTIONS, most),
        )
        evaluated.append(EvaluatedWay(name, evaluate(pairs, score_threshold), seconds[name] / max(1, len(of_way))))
    return evaluated


def write_results(path: Path, found: Mapping[int, Detections], truth: GroundTruth) -> None:
    """COCO results of images by their id. Classes are those of the file by rising id, which is Detectron2's order."""
    category_ids = sorted(truth.categories)
    rows = [row for image_id, detections in found.items() for row in detections.to_results(image_id)]
    for row in rows:
        row["category_id"] = category_ids[row["category_id"]]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(rows))


COLUMNS = ("way", "mask AP", "AP50", "AP75", "small", "medium", "large", "found", "right", "missed", "duplicates")


def compare_tiled(cfg: CfgNode, weights: str, dataset_name: str) -> list[EvaluatedWay]:
    """
    ``compare_ways`` on a registered set that has been loaded, with the tiles of EVALUATION.TILE and AP's score floor,
    MODEL.ROI_HEADS.SCORE_THRESH_TEST. The results go to ``tiled/`` beside those of the evaluation.

    Raises:
        ValueError: the set has no COCO file, or the tiles cannot be.
    """
    metadata = MetadataCatalog.get(dataset_name)
    if metadata.get("json_file", None) is None or metadata.get("image_root", None) is None:
        raise ValueError(
            f"Tiled and untiled are compared on sets with a COCO file and a folder of images, but {dataset_name} has "
            "none: set EVALUATION.TILE.SIZE 0."
        )
    predictor = Predictor(cfg, weights, cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST)
    ways = ways_of_looking(predictor.detect, cfg.EVALUATION.TILE.SIZE, cfg.EVALUATION.TILE.OVERLAP)
    folder = results_folder(cfg, dataset_name) / "tiled"
    annotations, images = Path(metadata.json_file), Path(metadata.image_root)
    return compare_ways(ways, annotations, images, folder, cfg.PREDICT.SCORE_THRESHOLD, value_range(cfg))


def rows_of(ways: Sequence[EvaluatedWay]) -> list[tuple[str, ...]]:
    """A row of ``COLUMNS`` and the seconds for each way."""
    rows = []
    for way in ways:
        mask, errors = way.evaluation.mask, way.evaluation.errors
        numbers = [f"{mask[key]:.1f}" for key in ("AP", "AP50", "AP75", "APs", "APm", "APl")]
        counts = [str(way.evaluation.num_found), *(str(errors[key]) for key in ("correct", "missed", "duplicate"))]
        rows.append((way.name, *numbers, *counts, f"{way.seconds_per_image:.2f}"))
    return rows


def tiled_section(ways: Sequence[EvaluatedWay], size: int, overlap: int) -> page.Html:
    """The comparison as a section of a report."""
    return page.section(
        "In tiles or as a whole",
        page.paragraph(
            f"The same images, looked at as a whole, in tiles of {size} pixels with an overlap of {overlap} or more, "
            "and in both ways; counts are taken from the report's score on."
        ),
        page.table((*COLUMNS, "seconds per image"), rows_of(ways)),
    )
