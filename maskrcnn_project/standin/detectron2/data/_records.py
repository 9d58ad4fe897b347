"""The records of registered datasets: joined, filtered, counted."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from detectron2.data.catalog import DatasetCatalog, MetadataCatalog
from detectron2.data.detection_utils import check_metadata_consistency
from detectron2.utils.logger import log_first_n
from torch.utils import data

__all__ = [
    "filter_images_with_only_crowd_annotations",
    "get_detection_dataset_dicts",
    "print_instances_class_histogram",
]

_HISTOGRAM_COLUMNS = 3  # classes in a row: fits 80 characters with ordinary class names


def filter_images_with_only_crowd_annotations(dataset_dicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    The records with at least one annotation that is not a crowd region; others teach a detector nothing.
    """
    kept = [r for r in dataset_dicts if any(not a.get("iscrowd", 0) for a in r["annotations"])]
    logging.getLogger(__name__).info(
        "Left out %d of %d images, which have no usable annotations.",
        len(dataset_dicts) - len(kept),
        len(dataset_dicts),
    )
    return kept


def print_instances_class_histogram(dataset_dicts: Sequence[dict[str, Any]], class_names: Sequence[str]) -> None:
    """
    Logs how many objects of each class there are, crowd regions left out.

    Args:
        dataset_dicts: records with "annotations".
        class_names: (C,) names in the order of the class indices.

    Raises:
        ValueError: an annotation has a class index outside [0, C).
    """
    counts = np.zeros(len(class_names), dtype=np.int64)
    for record in dataset_dicts:
        classes = [a["category_id"] for a in record["annotations"] if not a.get("iscrowd", 0)]
        outside = [c for c in classes if not 0 <= c < len(class_names)]
        if outside:
            raise ValueError(
                f"Image {record.get('file_name', '(unnamed)')} (image id "
                f"{record.get('image_id', 'unknown')}) has an annotation with category_id {outside[0]}, but "
                f"there are {len(class_names)} classes, numbered from 0: map the ids of the file to 0 ... "
                "number of classes - 1."
            )
        counts += np.bincount(np.asarray(classes, dtype=np.int64), minlength=len(class_names))
    log_first_n(logging.INFO, _histogram_table(counts.tolist(), class_names), key="message", name=__name__)


def _histogram_table(counts: list[int], class_names: Sequence[str]) -> str:
    """Name and count of each class and their sum, in aligned columns, read from left to right."""
    name_width = max((len(str(n)) for n in class_names), default=0)
    total = sum(counts)
    count_width = len(str(total))
    cells = [f"{name!s:<{name_width}}  {count:>{count_width}}" for name, count in zip(class_names, counts, strict=True)]
    rows = [cells[i : i + _HISTOGRAM_COLUMNS] for i in range(0, len(cells), _HISTOGRAM_COLUMNS)]
    lines = ["  " + "  |  ".join(row) for row in rows]
    return "\n".join([f"{total} objects of {len(class_names)} classes:", *lines])


def get_detection_dataset_dicts(
    names: str | Sequence[str],
    filter_empty: bool = True,
    min_keypoints: int = 0,
    proposal_files: Sequence[str] | None = None,
    check_consistency: bool = True,
) -> Any:
    """
    Loads registered datasets and joins them.

    Args:
        names: one name or several.
        filter_empty: leave out images without annotations other than crowd regions.
        min_keypoints: not supported; keypoints are left out.
        proposal_files: not supported; precomputed proposals are left out.
        check_consistency: check that all datasets have the same classes.

    Returns:
        ``list[dict]``; a torch dataset where one was registered.

    Raises:
        KeyError: a name is not registered.
        ValueError: no name, an empty dataset, no usable image, datasets with different classes.
    """
    if min_keypoints > 0 or proposal_files:
        raise NotImplementedError(
            "get_detection_dataset_dicts was asked for keypoints or precomputed proposals, which this "
            "stand-in leaves out: leave min_keypoints and proposal_files as they are, or install the real "
            "Detectron2."
        )
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        raise ValueError("No dataset was named: set DATASETS.TRAIN and DATASETS.TEST to registered names.")
    loaded = [DatasetCatalog.get(name) for name in names]
    if any(isinstance(d, data.Dataset) for d in loaded):
        return _join_torch_datasets(names, loaded)
    for name, records in zip(names, loaded, strict=True):
        if not len(records):
            raise ValueError(f"Dataset {name!r} is empty: the function registered for it returned no records.")
    records = list(itertools.chain.from_iterable(loaded))
    has_instances = "annotations" in records[0]
    if filter_empty and has_instances:
        kept = filter_images_with_only_crowd_annotations(records)
        if not kept:
            raise ValueError(
                f"None of the {len(records)} images of {', '.join(names)} has an annotation that is not a "
                "crowd region: check the annotation file, or set DATALOADER.FILTER_EMPTY_ANNOTATIONS to "
                "False."
            )
        records = kept
    if check_consistency and has_instances and all(_has_classes(name) for name in names):
        check_metadata_consistency("thing_classes", names)
        print_instances_class_histogram(records, MetadataCatalog.get(names[0]).thing_classes)
    return records


def _has_classes(name: str) -> bool:
    """Class names are optional: a dataset that is only looped over needs none."""
    return MetadataCatalog.get(name).get("thing_classes") is not None


def _join_torch_datasets(names: list[str], loaded: list[Any]) -> data.Dataset:
    if len(loaded) == 1:
        return loaded[0]
    for name, dataset in zip(names, loaded, strict=True):
        if isinstance(dataset, data.IterableDataset):
            raise ValueError(f"Dataset {name!r} is iterable and cannot be joined with others: name it alone.")
    return data.ConcatDataset(loaded)
