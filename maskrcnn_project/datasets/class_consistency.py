"""Sets that one model has to serve have the same classes: ids, names and order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog, Metadata, MetadataCatalog

from maskrcnn_project.datasets.categories import class_differences
from maskrcnn_project.datasets.coco_file import CocoFile, read_categories
from maskrcnn_project.datasets.coco_set import ARGUMENTS_KEY, IDS_KEY
from maskrcnn_project.errors import DatasetError

CategorySource = CocoFile | Mapping[str, Any] | str | Path


def check_same_categories(train: CategorySource, val: CategorySource) -> None:
    """
    Checks that two COCO files (or their contents) agree on category ids, names and order.

    Raises:
        DatasetError: they do not; it lists each difference.
    """
    (train_title, train_names), (val_title, val_names) = _title_and_names(train, "train"), _title_and_names(val, "val")
    refuse_differences(
        f"The categories of {train_title} and {val_title} differ",
        class_differences(train_names, val_names, ("train", "val")),
    )


def refuse_differences(
    title: str, differences: Sequence[str], cure: str = "write the same list into both files"
) -> None:
    """Raises DatasetError that prints ``differences``, if there are any."""
    if differences:
        raise DatasetError(f"{title}, but one model has to serve both; {cure}: {'; '.join(differences)}.")


def check_sets_agree(names: Sequence[str]) -> None:
    """
    Checks that registered sets, as of DATASETS.TRAIN and DATASETS.TEST, have the same classes under the same category
    ids. Reads what the catalog knows; a set is loaded only where it knows no classes yet.

    Sets without class names are passed over; where a set has no category ids, names and order are compared.

    Raises:
        KeyError: a name is not registered.
        DatasetError: two sets differ; it lists each difference.
    """
    sets = [(name, *known) for name in dict.fromkeys(names) if (known := _known_classes(name)) is not None]
    for name, classes, ids in sets[1:]:
        first_name, first_classes, first_ids = sets[0]
        if ids is None or first_ids is None:
            ids, first_ids = range(len(classes)), range(len(first_classes))
        first = dict(zip(first_ids, first_classes, strict=True))
        other = dict(zip(ids, classes, strict=True))
        refuse_differences(
            f"The classes of the datasets {first_name!r} and {name!r} differ",
            class_differences(first, other, (first_name, name)),
        )


def registered_classes(name: str) -> list[str]:
    """
    The class names of a registered set, in the order of the model's outputs. The set is loaded only where the catalog
    does not know them: a set that is drawn at its first use, or of another project.

    Raises:
        KeyError: the name is not registered.
        DatasetError: the set has no class names.
    """
    names = _metadata_of(name, "thing_classes").get("thing_classes")
    if names is None:
        raise DatasetError(
            f"Dataset {name!r} has no class names: set MetadataCatalog.get({name!r}).thing_classes where the set is "
            "registered."
        )
    return list(names)


def _known_classes(name: str) -> tuple[list[str], Sequence[int] | None] | None:
    """Class names and category ids by class index, or None without names; the ids are None if it has none."""
    metadata = _metadata_of(name, "thing_classes")
    if metadata.get(ARGUMENTS_KEY) is not None:  # a set of this project has ids, if only once it is drawn
        _metadata_of(name, IDS_KEY)
    names, indices = metadata.get("thing_classes"), metadata.get(IDS_KEY)
    if names is None:
        return None
    return list(names), None if indices is None else sorted(indices, key=indices.__getitem__)


def _metadata_of(name: str, *keys: str) -> Metadata:
    """What the catalog knows of a set, which is loaded if one of ``keys`` is missing."""
    if name not in DatasetCatalog.list():
        DatasetCatalog.get(name)  # its KeyError lists the names that exist
    metadata = MetadataCatalog.get(name)
    if any(metadata.get(key) is None for key in keys):
        DatasetCatalog.get(name)
    return metadata


def _title_and_names(source: CategorySource, split: str) -> tuple[str, dict[int, str]]:
    """A title for the error (file or split), and {category id: name} in the order of the file."""
    if isinstance(source, CocoFile):
        title, rows = str(source.path), source.categories
    elif isinstance(source, Mapping):
        title, rows = split, source["categories"]
    else:
        title, rows = str(source), read_categories(source)
    return title, {row["id"]: row["name"] for row in rows}
