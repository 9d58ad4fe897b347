"""
The COCO metric over two libraries that give the same numbers: faster-coco-eval (C++) and pycocotools.

Shape vocabulary: T IoU thresholds (0.50:0.05:0.95), R recall thresholds (0:0.01:1), K categories,
A area ranges (all, small, medium, large), M limits on detections per image.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from faster_coco_eval import COCO as FastCOCO
from faster_coco_eval import COCOeval_faster
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

# COCO's limits on detections per image; AP is read at the last (cocodataset.org/#detection-eval).
COCO_MAX_DETS = (1, 10, 100)


def detection_limits(max_dets_per_image: int | None) -> list[int]:
    """The three limits M, ascending: COCO's own, or with ``max_dets_per_image`` in place of the last, 100."""
    if max_dets_per_image is None:
        return list(COCO_MAX_DETS)
    return [min(limit, max_dets_per_image) for limit in COCO_MAX_DETS[:2]] + [max_dets_per_image]


def evaluate_detections(
    coco_gt: COCO,
    results: Sequence[dict[str, Any]],
    iou_type: str,
    *,
    max_dets: Sequence[int] = COCO_MAX_DETS,
    img_ids: Sequence[Any] | None = None,
    fast: bool = True,
) -> Any:
    """
    Match detections with ground truth and accumulate precision and recall.

    Args:
        coco_gt: completed ground truth (``_ground_truth.load_ground_truth``).
        results: detections in COCO's results format, at least one; left unchanged.
        iou_type: "bbox" or "segm".
        max_dets: the limits M, ascending.
        img_ids: evaluate these images only.
        fast: use the C++ library where it can be used (it needs integer image ids).

    Returns:
        The library's evaluator, of both libraries with: ``eval["precision"]`` (T, R, K, A, M) and
        ``eval["recall"]`` (T, K, A, M), -1 where there is no ground truth; ``params``; ``stats`` (12,) of
        ``summarize_detections``.
    """
    detections = [_for_task(result, iou_type) for result in results]
    dataset = _without_maskless(coco_gt.dataset) if iou_type == "segm" else coco_gt.dataset
    fast = fast and all(type(image["id"]) is int for image in dataset["images"])
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        if fast:
            # Copies, for the library leaves its marks on annotations, and evaluations share them.
            shared = {**dataset, "annotations": [dict(annotation) for annotation in dataset["annotations"]]}
            ground_truth = FastCOCO(shared)
            evaluator = COCOeval_faster(ground_truth, ground_truth.loadRes(detections), iou_type)
        else:
            ground_truth = coco_gt if dataset is coco_gt.dataset else _indexed(dataset)
            evaluator = COCOevalMaxDets(ground_truth, ground_truth.loadRes(detections), iou_type)
        evaluator.params.maxDets = list(max_dets)
        if img_ids is not None:
            evaluator.params.imgIds = list(img_ids)
        evaluator.evaluate()
        evaluator.accumulate()
    evaluator.stats = summarize_detections(evaluator.eval, evaluator.params, logging.getLogger(__name__).info)
    return evaluator


def _for_task(result: dict[str, Any], iou_type: str) -> dict[str, Any]:
    """A copy for one task. Without its box a mask is small, medium or large by its own pixels."""
    unused = "bbox" if iou_type == "segm" else "segmentation"
    return {key: value for key, value in result.items() if key != unused}


def _indexed(dataset: dict[str, Any]) -> COCO:
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def _without_maskless(dataset: dict[str, Any]) -> dict[str, Any]:
    """Leave out, with a warning, annotations that enclose nothing; ``load_coco_json`` does so for training."""
    unusable = [annotation["id"] for annotation in dataset["annotations"] if not annotation.get("segmentation")]
    if not unusable:
        return dataset
    logging.getLogger(__name__).warning(
        "%d annotations have no mask that encloses anything and are left out of the task 'segm' (ids %s%s).",
        len(unusable),
        ", ".join(map(str, unusable[:5])),
        ", ..." if len(unusable) > 5 else "",
    )
    return {**dataset, "annotations": [a for a in dataset["annotations"] if a.get("segmentation")]}


class COCOevalMaxDets(COCOeval):
    """pycocotools' evaluator, but AP counts ``params.maxDets[-1]`` detections an image instead of 100."""

    def summarize(self) -> None:
        """Set ``stats`` (12,), see ``summarize_detections``, and print them."""
        if not self.eval:
            raise RuntimeError(
                "COCOevalMaxDets.summarize needs accumulated results; call evaluate() and accumulate() first."
            )
        self.stats = summarize_detections(self.eval, self.params, print)


def summarize_detections(
    accumulated: dict[str, Any], params: Any, report: Callable[[str], Any] = lambda line: None
) -> np.ndarray:
    """
    The twelve numbers of the COCO detection challenge, 0..1, -1 where there is no ground truth.

    Args:
        accumulated: holds "precision" (T, R, K, A, M) and "recall" (T, K, A, M).
        params: the evaluator's: ``iouThrs``, ``areaRngLbl``, ``maxDets``.
        report: called with each line of the customary table.

    Returns:
        (12,): AP, AP50, AP75, AP small, medium, large at the last limit on detections; AR at the three
        limits; AR small, medium, large at the last.
    """
    rows: list[tuple[str, float | None, str, int]] = [
        ("precision", None, "all", -1),
        ("precision", 0.5, "all", -1),
        ("precision", 0.75, "all", -1),
        *(("precision", None, area, -1) for area in ("small", "medium", "large")),
        *(("recall", None, "all", limit) for limit in range(3)),
        *(("recall", None, area, -1) for area in ("small", "medium", "large")),
    ]
    stats = np.empty(len(rows))
    for i, (kind, threshold, area, limit) in enumerate(rows):
        values = np.asarray(accumulated[kind])[..., params.areaRngLbl.index(area), limit]  # (T, ..., K)
        if threshold is not None:
            values = values[np.isclose(params.iouThrs, threshold)]
        known = values[values > -1]
        stats[i] = known.mean() if known.size else -1
        between = f"{threshold:.2f}" if threshold else f"{params.iouThrs[0]:.2f}:{params.iouThrs[-1]:.2f}"
        report(
            f" Average {kind.capitalize():<9} ({'AP' if kind == 'precision' else 'AR'}) @[ IoU={between:<9} "
            f"| area={area:>6s} | maxDets={params.maxDets[limit]:>3d} ] = {stats[i]:0.3f}"
        )
    return stats
