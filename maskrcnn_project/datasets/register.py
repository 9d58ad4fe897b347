"""
COCO sets in Detectron2's catalogs: from arguments, or from a description in YAML.

A registered set is loaded by Detectron2's own ``load_coco_json``; before that, ``read_coco_file`` looks for
what would make it fail halfway.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import load_coco_json

from maskrcnn_project.datasets.coco_file import (
    CocoFile,
    DatasetError,
    class_names,
    read_categories,
    read_coco_file,
)
from maskrcnn_project.datasets.description import read_description
from maskrcnn_project.datasets.shapes import describe_shapes, ensure_shapes
from maskrcnn_project.resources import INSTALLED_FOLDERS, find_resource

__all__ = [
    "check_same_categories",
    "class_names",
    "register_coco_dataset",
    "register_descriptions",
    "register_from_yaml",
    "register_shapes",
]

Color = tuple[int, int, int]  # red, green, blue from 0 to 255, as Detectron2's ``thing_colors``
# The metadata's value that holds the arguments; Detectron2 adds values of its own when it loads the file.
ARGUMENTS_KEY = "registered_with"


def register_coco_dataset(
    name: str,
    json_file: str | Path,
    image_root: str | Path,
    *,
    thing_colors: Sequence[Color] | None = None,
    extra_metadata: Mapping[str, Any] | None = None,
) -> None:
    """
    Makes a COCO file known to Detectron2 as ``name``. It is read and checked when the set is first used.

    Registering a name again with equal arguments does nothing.

    Args:
        image_root: folder that the ``file_name`` of every image is relative to.
        thing_colors: one (red, green, blue) from 0 to 255 for each class, in the order of the class indices.
        extra_metadata: further values for ``MetadataCatalog``. ``thing_classes`` among them makes the class
            names known before the file is read; it is an error if the file then has others.

    Raises:
        DatasetError: the file or the folder does not exist, or the name stands for another set.
    """
    json_file, image_root = Path(json_file).absolute(), Path(image_root).absolute()
    if not json_file.is_file():
        raise DatasetError(f"Dataset {name!r} wants the COCO file {json_file}, which does not exist.")
    if not image_root.is_dir():
        raise DatasetError(f"Dataset {name!r} wants the image folder {image_root}, which does not exist.")
    _register(name, json_file, image_root, thing_colors, extra_metadata)


def register_from_yaml(file: str | Path) -> list[str]:
    """
    Registers every split of a dataset description (see datasets/README.md) as ``<name>_<split>``.

    Returns:
        the registered names, in the order of the file.

    Raises:
        DatasetError: the description, or something that it names, is missing or wrong.
    """
    file = Path(file).absolute()
    description = read_description(file)
    target = description.get("draw_shapes_into")
    if target is None:
        return _register_description(description, file.parent)
    # an installed package is no place for data: its description draws into the working directory's datasets/
    base = Path("datasets").absolute() if file.parent == INSTALLED_FOLDERS["datasets"] else file.parent
    return _register_description(description, base / target, prepare=lambda: ensure_shapes(base / target))


def register_descriptions(files: Sequence[str | Path]) -> list[str]:
    """
    Registers all descriptions of ``cfg.DATASETS.DESCRIPTIONS``; returns the registered names.

    Raises:
        FileNotFoundError: a description is neither in the working directory nor among the project's own.
        DatasetError: see :func:`register_from_yaml`.
    """
    return [name for file in files for name in register_from_yaml(find_resource(file))]


def register_shapes(root: str | Path | None = None) -> list[str]:
    """
    Registers the sample set as ``shapes_train`` and ``shapes_val``, to be drawn into ``root`` at first use.

    Args:
        root: by default ``shapes`` in the folder that ``DETECTRON2_DATASETS`` names, which is ``datasets`` if
            unset (Detectron2's own convention).
    """
    if root is None:
        root = Path(os.environ.get("DETECTRON2_DATASETS", "datasets")) / "shapes"
    folder = Path(root).absolute()
    return _register_description(describe_shapes(), folder, prepare=lambda: ensure_shapes(folder))


def check_same_categories(
    train: CocoFile | Mapping[str, Any] | str | Path, val: CocoFile | Mapping[str, Any] | str | Path
) -> None:
    """
    Checks that two COCO files (or their contents) agree on category ids, names and order.

    Raises:
        DatasetError: they do not; it lists each difference.
    """
    train_title, train_names = _categories(train, "train")
    val_title, val_names = _categories(val, "val")
    differences = []
    for key in sorted({*train_names, *val_names}):
        if train_names.get(key) != val_names.get(key):
            found = [repr(names[key]) if key in names else "nothing" for names in (train_names, val_names)]
            differences.append(f"id {key} is {found[0]} in train and {found[1]} in val")
    if not differences and list(train_names) != list(val_names):
        differences.append(f"the order of the ids is {list(train_names)} in train and {list(val_names)} in val")
    if differences:
        raise DatasetError(
            f"The categories of {train_title} and {val_title} differ, but one model has to serve both; "
            "write the same list into both files: " + "; ".join(differences) + "."
        )


def _categories(side: CocoFile | Mapping[str, Any] | str | Path, split: str) -> tuple[str, dict[int, str]]:
    """A title for the error (file or split), and {category id: name} in the order of the file."""
    if isinstance(side, CocoFile):
        title, rows = str(side.path), side.categories
    elif isinstance(side, Mapping):
        title, rows = split, side["categories"]
    else:
        title, rows = str(side), read_categories(side)
    return title, {row["id"]: row["name"] for row in rows}


def _register(
    name: str,
    json_file: Path,
    image_root: Path,
    thing_colors: Sequence[Color] | None,
    extra_metadata: Mapping[str, Any] | None,
    prepare: Callable[[], Any] | None = None,
) -> None:
    """``prepare`` is called before the set is first loaded; it makes files that need not exist yet."""
    values = dict(extra_metadata or {})
    if thing_colors is not None:
        values["thing_colors"] = [tuple(color) for color in thing_colors]
    arguments = {"json_file": str(json_file), "image_root": str(image_root), **values}
    if name in DatasetCatalog.list():
        known = MetadataCatalog.get(name).get(ARGUMENTS_KEY)
        if known == arguments:
            return
        raise DatasetError(
            f"Dataset {name!r} is registered already, with other arguments "
            f"({_difference(known, arguments)}): choose another name, or remove it from "
            "DatasetCatalog and MetadataCatalog first."
        )
    metadata = MetadataCatalog.get(name)
    metadata.set(evaluator_type="coco", **arguments, **{ARGUMENTS_KEY: arguments})

    def load() -> list[dict]:
        if prepare is not None:
            prepare()
        _check_classes(name, read_coco_file(json_file, image_root))
        return load_coco_json(str(json_file), str(image_root), name)

    DatasetCatalog.register(name, load)


def _check_classes(name: str, file: CocoFile) -> None:
    """The classes and colours that are known of a set have to be those of its file."""
    metadata = MetadataCatalog.get(name)
    known = metadata.get("thing_classes")
    if known is not None and list(known) != file.class_names:
        raise DatasetError(
            f"Dataset {name!r} was registered with the classes {', '.join(known)}, but {file.path} has "
            f"{', '.join(file.class_names)} (by ascending category id): make both agree."
        )
    colors = metadata.get("thing_colors")
    if colors is not None and len(colors) != len(file.categories):
        raise DatasetError(
            f"Dataset {name!r} was registered with {len(colors)} colours, but {file.path} has "
            f"{len(file.categories)} classes: give one colour for each class."
        )


def _difference(known: Mapping[str, Any] | None, arguments: Mapping[str, Any]) -> str:
    if known is None:
        return "it was not registered by this project"
    keys = [key for key in {**known, **arguments} if known.get(key) != arguments.get(key)]
    return "; ".join(f"{key} was {known.get(key)!r} and is now {arguments.get(key)!r}" for key in keys)


def _register_description(
    description: Mapping[str, Any], folder: Path, prepare: Callable[[], Any] | None = None
) -> list[str]:
    """Registers the splits of a checked description whose paths are relative to ``folder``."""
    extra = {key: description[key] for key in ("description", "licence") if key in description}
    names = []
    for split, paths in description["splits"].items():
        json_file, image_root = folder / paths["json"], folder / paths["images"]
        classes = description.get("classes")
        colors = None
        name = f"{description['name']}_{split}"
        if "colours" in description:
            colors = _colors(name, description["colours"], classes or class_names(json_file))
        metadata = {**extra, "thing_classes": list(classes)} if classes else extra
        if prepare is None:
            register_coco_dataset(name, json_file, image_root, thing_colors=colors, extra_metadata=metadata)
        else:
            _register(name, json_file, image_root, colors, metadata, prepare)
        names.append(name)
    return names


def _colors(name: str, colours: Mapping[str, str], classes: Sequence[str]) -> list[Color]:
    """``{class: "#rrggbb"}`` -> one (red, green, blue) for each class."""
    if set(colours) != set(classes):
        unknown, missing = sorted(set(colours) - set(classes)), sorted(set(classes) - set(colours))
        raise DatasetError(
            f"The colours of dataset {name!r} should name each of its classes once, "
            f"but lack {missing or 'none'} and have unknown {unknown or 'none'}."
        )
    return [(int(c[1:3], 16), int(c[3:5], 16), int(c[5:7], 16)) for c in (colours[key] for key in classes)]
