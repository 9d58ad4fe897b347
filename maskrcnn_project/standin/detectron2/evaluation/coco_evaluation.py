"""COCO's average precision of boxes and masks over a registered dataset."""

from __future__ import annotations

import copy
import itertools
import json
import logging
import math
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.data import MetadataCatalog
from detectron2.data.datasets.coco import convert_to_coco_json
from detectron2.structures import BitMasks, Boxes, BoxMode, Instances, pairwise_iou
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager, write_atomically
from detectron2.utils.logger import create_small_table
from pycocotools.coco import COCO
from tabulate import tabulate

from .evaluator import DatasetEvaluator
from .fast_eval_api import (
    COCOevalMaxDets,
    detection_limits,
    encode_masks,
    evaluate_detections,
    load_ground_truth,
)

__all__ = ["COCOEvaluator", "COCOevalMaxDets", "instances_to_coco_json"]

TASKS = ("bbox", "segm")
METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
# COCO's area ranges in square pixels, and the letters that its metric names carry.
AREA_RANGES = {"": (0.0, 1e10), "s": (0.0, 32.0**2), "m": (32.0**2, 96.0**2), "l": (96.0**2, 1e10)}
# Proposals per image: few, as a detector at test time uses, and many.
PROPOSAL_LIMITS = (100, 1000)
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)


def proposal_recalls(predictions: Sequence[dict[str, Any]], coco_gt: COCO) -> dict[str, float]:
    """
    AR@100, ARs@100, ..., ARl@1000 in percent; NaN where the dataset has no box of that size.

    Args:
        predictions: dicts with "image_id" and "proposals", an Instances with ``proposal_boxes`` and
            ``objectness_logits``.
        coco_gt: completed ground truth; crowds are left out.
    """
    images = []
    for prediction in predictions:
        proposals = prediction["proposals"]
        order = torch.argsort(proposals.objectness_logits, descending=True)
        annotations = [a for a in coco_gt.imgToAnns[prediction["image_id"]] if not a["iscrowd"]]
        boxes = torch.tensor([a["bbox"] for a in annotations], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]  # XYWH -> XYXY, (G, 4)
        ious = pairwise_iou(proposals.proposal_boxes[order], Boxes(boxes)).numpy()  # (P, G)
        images.append((ious, np.array([a["area"] for a in annotations])))
    recalls = {}
    for limit in PROPOSAL_LIMITS:
        for letter, (low, high) in AREA_RANGES.items():
            chosen = (ious[:limit, (areas >= low) & (areas <= high)] for ious, areas in images)
            recalls[f"AR{letter}@{limit}"] = 100.0 * _average_recall(chosen)
    return recalls


def _average_recall(ious_per_image: Iterable[np.ndarray]) -> float:
    best = np.concatenate([np.zeros(0), *(assign_one_to_one(ious) for ious in ious_per_image)])
    if not best.size:
        return float("nan")
    return float((best[None] >= IOU_THRESHOLDS[:, None]).mean())


def assign_one_to_one(ious: np.ndarray) -> np.ndarray:
    """
    IoUs (P, G) -> (G,) the IoU that each ground-truth box gets when the best pair of all is taken again and
    again and both of its members leave; 0 for those left without a proposal.
    """
    left = ious.copy()
    best = np.zeros(left.shape[1])
    for _ in range(min(left.shape)):
        proposal, box = np.unravel_index(np.argmax(left), left.shape)
        best[box] = left[proposal, box]
        left[proposal], left[:, box] = -1, -1
    return best


class COCOEvaluator(DatasetEvaluator):
    """
    Box and mask AP as the COCO challenge defines it (cocodataset.org/#detection-eval).

    Results are percentages, NaN where nothing could be measured:
    task -> {"AP", "AP50", "AP75", "APs", "APm", "APl", and with several classes "AP-<class>"}.
    """

    def __init__(
        self,
        dataset_name: str,
        tasks: Sequence[str] | None = None,
        distributed: bool = True,
        output_dir: str | None = None,
        *,
        max_dets_per_image: int | None = None,
        use_fast_impl: bool = True,
        kpt_oks_sigmas: Sequence[float] = (),
        allow_cached_coco: bool = True,
    ) -> None:
        """
        Args:
            dataset_name: a registered dataset. Where its metadata name no ``json_file``, it is converted to
                COCO's format in ``output_dir``.
            tasks: of "bbox" and "segm"; None: whatever the predictions hold.
            distributed: gather predictions of all workers; False: evaluate this worker's own.
            output_dir: where to write "instances_predictions.pth" (all predictions, for ``torch.load``) and
                "coco_instances_results.json" (COCO's results format). None: nothing is written.
            max_dets_per_image: detections of an image that count, best first; None: COCO's 100.
            use_fast_impl: the C++ library instead of pycocotools; the numbers are the same.
            kpt_oks_sigmas: must be empty: keypoints are not in this stand-in.
            allow_cached_coco: use the converted file of an earlier run if there is one.
        """
        self._logger = logging.getLogger(__name__)
        self._distributed = distributed
        self._output_dir = output_dir
        self._use_fast_impl = use_fast_impl
        self._max_dets_per_image = detection_limits(max_dets_per_image)
        self._cpu_device = torch.device("cpu")
        self._tasks = self._check_tasks(tasks, kpt_oks_sigmas)
        self._metadata = MetadataCatalog.get(dataset_name)
        if not hasattr(self._metadata, "json_file"):
            self._convert_dataset(dataset_name, allow_cached_coco)
        self._coco_api = load_ground_truth(self._metadata.json_file)
        # Files without annotations describe test images, for which predictions are only written.
        self._do_evaluation = "annotations" in self._coco_api.dataset
        self._predictions: list[dict[str, Any]] = []
        self._results: OrderedDict[str, Any] = OrderedDict()

    def _check_tasks(self, tasks: Any, kpt_oks_sigmas: Sequence[float]) -> tuple[str, ...] | None:
        if hasattr(tasks, "MODEL"):  # a config, which early versions took in this place
            self._logger.warning("COCOEvaluator takes no config any more: the tasks are read from the predictions.")
            tasks = None
        wanted = None if tasks is None else (tasks,) if isinstance(tasks, str) else tuple(tasks)
        if len(kpt_oks_sigmas) or "keypoints" in (wanted or ()):
            raise ValueError(
                "COCOEvaluator was asked to evaluate keypoints, which this stand-in leaves out; evaluate 'bbox' "
                "and 'segm', or install the real Detectron2."
            )
        unknown = [task for task in wanted or () if task not in TASKS]
        if unknown:
            raise ValueError(
                f"COCOEvaluator knows the tasks {list(TASKS)}, but got {unknown[0]!r}; correct or remove it."
            )
        return wanted

    def _convert_dataset(self, dataset_name: str, allow_cached: bool) -> None:
        if self._output_dir is None:
            raise ValueError(
                f"Dataset {dataset_name!r} has no 'json_file' in its metadata and must be converted to COCO's "
                "format; give COCOEvaluator an output_dir to write the converted file to."
            )
        path = os.path.join(self._output_dir, f"{dataset_name}_coco_format.json")
        self._logger.info("Converting dataset %r to COCO's format in %s", dataset_name, path)
        convert_to_coco_json(dataset_name, path, allow_cached=allow_cached)
        self._metadata.json_file = path

    def reset(self) -> None:
        self._predictions = []

    def process(self, inputs: Iterable[Mapping[str, Any]], outputs: Iterable[Mapping[str, Any]]) -> None:
        """
        Args:
            inputs: dicts with "image_id".
            outputs: dicts with "instances" (see ``instances_to_coco_json``) or "proposals". Masks are
                run-length encoded here, so that memory grows with the number of outlines and not of pixels.
        """
        for given, output in zip(inputs, outputs, strict=True):
            prediction: dict[str, Any] = {"image_id": given["image_id"]}
            if "instances" in output:
                prediction["instances"] = instances_to_coco_json(output["instances"], given["image_id"])
            if "proposals" in output:
                prediction["proposals"] = output["proposals"].to(self._cpu_device)
            if len(prediction) > 1:
                self._predictions.append(prediction)

    def evaluate(self, img_ids: Sequence[Any] | None = None) -> OrderedDict[str, Any]:
        """
        Args:
            img_ids: ids of the images to evaluate on; None: all of the dataset.

        Returns:
            task -> {metric -> percent}; {} on all workers but the main one, and where no image was predicted.
        """
        predictions = self._predictions
        if self._distributed:
            comm.synchronize()
            predictions = list(itertools.chain(*comm.gather(predictions, dst=0)))
            if not comm.is_main_process():
                return OrderedDict()
        if not predictions:
            self._logger.warning("COCOEvaluator received no predictions: there is nothing to evaluate.")
            return OrderedDict()
        if self._output_dir:
            PathManager.mkdirs(self._output_dir)
            path = os.path.join(self._output_dir, "instances_predictions.pth")
            with write_atomically(PathManager.get_local_path(path)) as file:
                torch.save(predictions, file)
        self._results = OrderedDict()
        if "proposals" in predictions[0]:
            self._eval_box_proposals(predictions)
        if "instances" in predictions[0]:
            self._eval_predictions(predictions, img_ids=img_ids)
        return copy.deepcopy(self._results)

    def _tasks_from_predictions(self, predictions: Iterable[Mapping[str, Any]]) -> set[str]:
        return {"bbox"} | ({"segm"} if any("segmentation" in result for result in predictions) else set())

    def _eval_predictions(self, predictions: Sequence[Mapping[str, Any]], img_ids: Sequence[Any] | None = None) -> None:
        """Write all detections as one results file, then evaluate task by task."""
        results = self._translate_categories([r for p in predictions for r in p["instances"]])
        tasks = self._tasks or self._tasks_from_predictions(results)
        if self._output_dir:
            path = os.path.join(self._output_dir, "coco_instances_results.json")
            self._logger.info("Saving results to %s", path)
            with write_atomically(PathManager.get_local_path(path), "w") as file:
                file.write(json.dumps(results))
        if not self._do_evaluation:
            self._logger.info("The dataset has no annotations: predictions are written but not evaluated.")
            return
        self._check_images(results)
        self._logger.info("Evaluating %d detections with %s", len(results), self._library())
        for task in sorted(tasks):
            evaluator = None
            if results:
                evaluator = _evaluate_predictions_on_coco(
                    self._coco_api,
                    results,
                    task,
                    img_ids=img_ids,
                    max_dets_per_image=self._max_dets_per_image,
                    use_fast_impl=self._use_fast_impl,
                )
            self._results[task] = self._derive_coco_results(
                evaluator, task, class_names=self._metadata.get("thing_classes")
            )

    def _library(self) -> str:
        return "faster-coco-eval" if self._use_fast_impl else "pycocotools"

    def _translate_categories(self, results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The model counts classes 0, 1, ...; the dataset's file has its own ids."""
        contiguous = self._metadata.get("thing_dataset_id_to_contiguous_id")
        if contiguous is None:  # set when the dataset is loaded; a converted one keeps the model's numbers
            dataset_ids = {category: category for category in self._coco_api.cats}
        else:
            dataset_ids = {own: dataset_id for dataset_id, own in contiguous.items()}
        translated = []
        for result in results:
            category = result["category_id"]
            if category not in dataset_ids:
                raise ValueError(
                    f"The model predicted class {category} on image {result['image_id']!r}, but dataset "
                    f"{self._metadata.name!r} has the classes {sorted(dataset_ids)}; set "
                    f"MODEL.ROI_HEADS.NUM_CLASSES to {len(dataset_ids)}, or load the dataset "
                    "(DatasetCatalog.get) before it is evaluated."
                )
            translated.append({**result, "category_id": dataset_ids[category]})
        return translated

    def _check_images(self, results: Iterable[Mapping[str, Any]]) -> None:
        strange = next((r["image_id"] for r in results if r["image_id"] not in self._coco_api.imgs), None)
        if strange is not None:
            raise ValueError(
                f"Image id {strange!r} was predicted, but {self._metadata.json_file} has no such image; "
                f"run the model on dataset {self._metadata.name!r} itself."
            )

    def _eval_box_proposals(self, predictions: list[dict[str, Any]]) -> None:
        if self._do_evaluation:
            recalls = proposal_recalls(predictions, self._coco_api)
            self._logger.info("Proposal metrics:\n%s", create_small_table(recalls))
            self._results["box_proposals"] = recalls

    def _derive_coco_results(
        self, coco_eval: Any | None, iou_type: str, class_names: Sequence[str] | None = None
    ) -> dict[str, float]:
        """
        Percentages out of the accumulated evaluation, logged as tables.

        Args:
            coco_eval: what ``_evaluate_predictions_on_coco`` returned; None: there was no detection at all.
            iou_type: the task, for the log.
            class_names: in the order of the dataset's category ids; with several, each gets an "AP-<class>".
        """
        if coco_eval is None:
            self._logger.warning(
                "No detection on any image: the metrics of task %r are NaN. Early in training this is to be "
                "expected; otherwise lower MODEL.ROI_HEADS.SCORE_THRESH_TEST or look at the training loss.",
                iou_type,
            )
            return dict.fromkeys(METRICS, math.nan)
        results = {
            metric: 100.0 * float(value) if value >= 0 else math.nan
            for metric, value in zip(METRICS, coco_eval.stats, strict=False)
        }
        self._logger.info("Evaluation results for %s:\n%s", iou_type, create_small_table(results))
        if any(math.isnan(value) for value in results.values()):
            self._logger.info("Some metrics cannot be computed and are shown as NaN: no object is of that size.")
        if class_names is None or len(class_names) <= 1:
            return results

        average_precisions = average_precision_per_class(coco_eval)
        if len(class_names) != len(average_precisions):
            raise ValueError(
                f"Dataset {self._metadata.name!r} has {len(class_names)} thing_classes in its metadata, but "
                f"{self._metadata.json_file} has {len(average_precisions)} categories; make the two agree."
            )
        per_class = dict(zip(class_names, average_precisions, strict=True))
        self._logger.info("Per-category %s AP:\n%s", iou_type, _columns(per_class))
        results.update({f"AP-{name}": value for name, value in per_class.items()})
        return results


def average_precision_per_class(coco_eval: Any) -> list[float]:
    """AP in percent of each category, over all IoU thresholds, areas and detections; NaN without ground truth."""
    precision = coco_eval.eval["precision"][:, :, :, 0, -1]  # (T, R, K)
    return [
        100.0 * float(np.mean(known)) if (known := of_class[of_class > -1]).size else math.nan
        for of_class in np.moveaxis(precision, 2, 0)
    ]


def _columns(values: Mapping[str, float], pairs: int = 3) -> str:
    """A table "category AP" that runs in several pairs of columns."""
    cells = [cell for name, value in values.items() for cell in (name, f"{value:.3f}")]
    width = min(2 * pairs, len(cells))
    rows = [cells[start : start + width] for start in range(0, len(cells), width)]
    return tabulate(rows, headers=["category", "AP"] * (width // 2), tablefmt="pipe", numalign="left")


def instances_to_coco_json(instances: Instances, img_id: Any) -> list[dict[str, Any]]:
    """
    One image's predictions in COCO's results format.

    Args:
        instances: ``pred_boxes``, ``scores`` (N,), ``pred_classes`` (N,), and optionally ``pred_masks``,
            bool (N, H, W) or BitMasks, on any device.
        img_id: written to each result.

    Returns:
        N dicts: "image_id", "category_id" (the model's class), "bbox" (XYWH pixels), "score", and where there
        are masks "segmentation" (compressed RLE, its counts a str).
    """
    if not len(instances):
        return []
    boxes = instances.pred_boxes.tensor.detach().cpu().numpy()
    boxes = np.asarray(BoxMode.convert(boxes, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)).tolist()
    scores, classes = instances.scores.tolist(), instances.pred_classes.tolist()
    results = [
        {"image_id": img_id, "category_id": category, "bbox": box, "score": score}
        for category, box, score in zip(classes, boxes, scores, strict=True)
    ]
    if instances.has("pred_masks"):
        masks = instances.pred_masks
        rles = encode_masks(masks.tensor if isinstance(masks, BitMasks) else masks)
        for result, rle in zip(results, rles, strict=True):
            result["segmentation"] = rle
    return results


def _evaluate_predictions_on_coco(
    coco_gt: Any,
    coco_results: Sequence[dict[str, Any]],
    iou_type: str,
    *,
    img_ids: Sequence[Any] | None = None,
    max_dets_per_image: Sequence[int] | None = None,
    use_fast_impl: bool = True,
) -> Any:
    """
    The accumulated evaluator of one task, its customary table logged. ``max_dets_per_image``: three limits.
    """
    limits = detection_limits(None) if max_dets_per_image is None else max_dets_per_image
    return evaluate_detections(coco_gt, coco_results, iou_type, max_dets=limits, img_ids=img_ids, fast=use_fast_impl)
