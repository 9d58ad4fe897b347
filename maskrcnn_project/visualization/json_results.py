"""Results of an evaluation (Detectron2's ``coco_instances_results.json``) drawn beside the ground truth."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.catalog import Metadata
from tqdm import tqdm

from maskrcnn_project.datasets.image_file import read_to_look
from maskrcnn_project.datasets.result_rows import read_result_rows
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import ResultFolder, picture_names
from maskrcnn_project.masks.coding import as_rle
from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.visualization.pictures import (
    class_names_of,
    draw_annotations,
    draw_detections,
    save_picture,
    side_by_side,
)


def draw_results(
    results_file: Path,
    dataset: str,
    output: Path,
    score_threshold: float = 0.5,
    number: int | None = None,
    page: int = 0,
) -> int:
    """
    Draws each image of ``dataset`` with the results at ``score_threshold`` or above (left) and the annotations (right).

    Args:
        page: of images that are stacks.

    Returns:
        How many pictures were written to ``output``, each named as its image.

    Raises:
        DatasetError, ValueError: one sentence about the results file, or about ``output``, in which images lie.
        FileExistsError: in the place of a picture lies a file that no tool has written.
    """
    records = DatasetCatalog.get(dataset)
    metadata = MetadataCatalog.get(dataset)
    by_image = results_by_image(results_file, records, metadata)
    strangers = set(by_image) - {r["image_id"] for r in records}
    if strangers:
        raise ValueError(
            f"{results_file} has results for image id {min(strangers, key=str)}, which {dataset} does not hold: "
            "name the data set that was evaluated."
        )
    files = [Path(record["file_name"]) for record in records]
    folder, names = ResultFolder(output, files), picture_names(files)
    pairs = list(zip(records, names, strict=True))[:number]
    for record, name in tqdm(pairs, desc="Drawing", unit="image", disable=None):
        image = read_to_look(record["file_name"], "BGR", page)
        found = results_to_detections(by_image[record["image_id"]], image.shape[:2], metadata, score_threshold)
        pair = side_by_side(
            draw_detections(
                image, found, class_names_of(metadata, found.classes), thing_colors=metadata.get("thing_colors", None)
            ),
            draw_annotations(image, record, metadata),
            (
                f"prediction: {len(found)} at {score_threshold:g}",
                f"ground truth: {len(record['annotations'])}",
            ),
        )
        save_picture(folder.place(f"{name}.png"), pair)
    return len(pairs)


def results_by_image(path: Path, records: list[dict], metadata: Metadata) -> dict[int, list[dict]]:
    """
    Results by image id, an empty list for an image without any.

    Raises:
        DatasetError: one sentence about the file.
    """
    indices = metadata.get("thing_dataset_id_to_contiguous_id", None) or {}
    categories = {category: metadata.thing_classes[index] for category, index in indices.items()}
    by_image: dict[int, list[dict]] = defaultdict(list)
    for row in read_result_rows(path, {r["image_id"]: r["file_name"] for r in records}, categories):
        if not {"image_id", "category_id", "bbox", "score"} <= set(row):
            raise DatasetError(f"{path} is no list of COCO results (each with image_id, category_id, bbox and score).")
        by_image[row["image_id"]].append(row)
    return by_image


def results_to_detections(
    results: list[dict], image_size: tuple[int, int], metadata: Metadata, score_threshold: float
) -> Detections:
    """COCO results of one image of ``image_size`` (height, width) from ``score_threshold`` on, the best first."""
    kept = sorted((r for r in results if r["score"] >= score_threshold), key=lambda r: -r["score"])
    to_output = metadata.get("thing_dataset_id_to_contiguous_id", None)
    boxes = np.asarray([r["bbox"] for r in kept], dtype=np.float32).reshape(-1, 4)  # XYWH
    categories = [to_output[r["category_id"]] if to_output else r["category_id"] for r in kept]
    with_masks = all("segmentation" in r for r in kept)
    return Detections(
        image_size,
        np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1),
        np.array([r["score"] for r in kept], dtype=np.float32),
        np.array(categories, dtype=np.int64),
        [as_rle(r["segmentation"], *image_size) for r in kept] if with_masks else None,
    )
