"""
COCO sets in Detectron2's catalogs: from arguments, or from a description in YAML.

A registered set is read and checked by ``read_coco_file`` when it is first used. Registering reads the table of
categories only, and nothing where the files have been read already; where classes are to be changed, it also writes the
changed file (``remapped``), which loader and evaluator read in place of the user's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog

from maskrcnn_project.datasets.categories import (
    ClassChanges,
    ClassPlan,
    class_differences,
    find_roots,
    plan_classes,
)
from maskrcnn_project.datasets.class_consistency import (
    check_same_categories,
    check_sets_agree,
    refuse_differences,
    registered_classes,
)
from maskrcnn_project.datasets.coco_file import CocoFile, class_names, read_categories
from maskrcnn_project.datasets.coco_index import is_annotated
from maskrcnn_project.datasets.coco_set import ARGUMENTS_KEY, CocoSet, require_classes
from maskrcnn_project.datasets.description import CHANGE_KEYS, class_changes_of, read_description
from maskrcnn_project.datasets.shapes.shapes import describe_shapes, ensure_shapes
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.resources import INSTALLED_FOLDERS, find_resource

__all__ = [
    "ClassChanges",
    "check_same_categories",
    "check_sets_agree",
    "class_names",
    "register_coco_dataset",
    "register_descriptions",
    "register_from_yaml",
    "register_shapes",
    "registered_classes",
]

EMPTY: Mapping[Path, CocoFile] = {}
Color = tuple[int, int, int]  # red, green, blue from 0 to 255, as Detectron2's ``thing_colors``


def register_coco_dataset(
    name: str,
    json_file: str | Path,
    image_root: str | Path,
    *,
    thing_colors: Sequence[Color] | None = None,
    extra_metadata: Mapping[str, Any] | None = None,
    class_changes: ClassChanges | None = None,
) -> None:
    """
    Makes a COCO file known to Detectron2 as ``name``. Its categories are read at once, the rest is read and checked
    when the set is first used.

    A root category, which only holds the others and has no annotation, is left out (``ClassChanges`` keeps it).
    Registering a name again with equal arguments does nothing.

    Args:
        image_root: folder that the ``file_name`` of every image is relative to.
        thing_colors: one (red, green, blue) from 0 to 255 for each class, in the order of the class indices.
        extra_metadata: further values for ``MetadataCatalog``. ``thing_classes`` among them states the class names:
            it is an error if the file has others.
        class_changes: classes to keep, to rename, to merge. The changed file is written into the cache folder
            (``MASKRCNN_CACHE``), and the metadata's ``json_file`` is that one.

    Raises:
        DatasetError: the file or the folder does not exist, the file has no sound categories, or others than are
            stated or named by the changes, or the name stands for another set.
    """
    json_file, image_root = Path(json_file).absolute(), Path(image_root).absolute()
    _require_files(name, json_file, image_root)
    changes = class_changes or ClassChanges()
    [plan] = _plans([json_file], changes)
    _register(CocoSet(name, json_file, image_root, changes, plan), thing_colors, extra_metadata)


@dataclass(frozen=True)
class DescribedSet:
    """One split of a description: where it lies, and what draws it if it is not there yet."""

    json_file: Path
    image_root: Path
    prepare: Callable[[], Any] | None
    description: Mapping[str, Any]

    def kept_keys(self) -> dict[str, Any]:
        """What of the description holds for a part of the set as well: its classes, their changes and colours."""
        return {key: self.description[key] for key in (*CHANGE_KEYS, "classes", "colours") if key in self.description}


def described_sets(files: Sequence[str | Path]) -> dict[str, DescribedSet]:
    """
    The sets that ``register_descriptions`` would register, by name; nothing is registered or drawn.

    Raises:
        FileNotFoundError, DatasetError: see :func:`register_descriptions`.
    """
    sets = {}
    for file in files:
        description, folder, prepare = _read(find_resource(file))
        for split, paths in description["splits"].items():
            name = f"{description['name']}_{split}"
            sets[name] = DescribedSet(folder / paths["json"], folder / paths["images"], prepare, description)
    return sets


def register_from_yaml(file: str | Path, contents: Mapping[Path, CocoFile] | None = None) -> list[str]:
    """
    Registers every split of a dataset description (see datasets/README.md) as ``<name>_<split>``.

    Args:
        contents: COCO files that have been read already, by path; they are not parsed again.

    Returns:
        the registered names, in the order of the file.

    Raises:
        DatasetError: the description, or something that it names, is missing or wrong.
    """
    return _register_description(*_read(Path(file)), contents=contents or {})


def _read(file: Path) -> tuple[dict[str, Any], Path, Callable[[], Any] | None]:
    """The description, the folder that its paths are relative to, and what draws its files if they are drawn."""
    file = file.absolute()
    description = read_description(file)
    target = description.get("draw_shapes_into")
    if target is None:
        return description, file.parent, None
    # an installed package is no place for data: its description draws into the working directory's datasets/
    base = Path("datasets").absolute() if file.parent == INSTALLED_FOLDERS["datasets"] else file.parent
    return description, base / target, lambda: ensure_shapes(base / target)


def register_descriptions(files: Sequence[str | Path], contents: Mapping[Path, CocoFile] | None = None) -> list[str]:
    """
    Registers all descriptions of ``cfg.DATASETS.DESCRIPTIONS``; returns the registered names.

    Args:
        contents: see :func:`register_from_yaml`.

    Raises:
        FileNotFoundError: a description is neither in the working directory nor among the project's own.
        DatasetError: see :func:`register_from_yaml`.
    """
    return [name for file in files for name in register_from_yaml(find_resource(file), contents)]


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


def _require_files(name: str, json_file: Path, image_root: Path) -> None:
    if not json_file.is_file():
        raise DatasetError(f"Dataset {name!r} wants the COCO file {json_file}, which does not exist.")
    if not image_root.is_dir():
        raise DatasetError(f"Dataset {name!r} wants the image folder {image_root}, which does not exist.")


def _usage(json_file: Path, content: CocoFile | None) -> Callable[[int], bool]:
    """Whether a file has annotations of a category id."""
    if content is None:
        return partial(is_annotated, json_file)
    return {row["category_id"] for row in content.annotations}.__contains__


def _plans(
    json_files: Sequence[Path], changes: ClassChanges, contents: Mapping[Path, CocoFile] = EMPTY
) -> list[ClassPlan]:
    """What becomes of the categories of files that one model has to serve: a root of one is a root of all."""
    tables = [contents[file].categories if file in contents else read_categories(file) for file in json_files]
    used = [_usage(file, contents.get(file)) for file in json_files]
    roots = find_roots(zip(tables, used, strict=True))

    def plan_all(renumber: bool) -> list[ClassPlan]:
        pairs = zip(json_files, tables, strict=True)
        return [plan_classes(table, changes, roots, str(file), renumber=renumber) for file, table in pairs]

    plans = plan_all(renumber=False)
    same = all(plan.names == plans[0].names for plan in plans)
    return plans if same or changes.keep is None else plan_all(renumber=True)


def _register(
    coco_set: CocoSet, thing_colors: Sequence[Color] | None, extra_metadata: Mapping[str, Any] | None
) -> None:
    name = coco_set.name
    values = dict(extra_metadata or {})
    if thing_colors is not None:
        values["thing_colors"] = [tuple(color) for color in thing_colors]
    arguments = {**coco_set.arguments(), **values}
    if name in DatasetCatalog.list():
        known = MetadataCatalog.get(name).get(ARGUMENTS_KEY)
        if known == arguments:
            return
        raise DatasetError(
            f"Dataset {name!r} is registered already, with other arguments "
            f"({_difference(known, arguments)}): choose another name, or remove it from "
            "DatasetCatalog and MetadataCatalog first."
        )
    if coco_set.plan is not None:
        require_classes(name, str(coco_set.json_file), coco_set.plan.names, values)
    MetadataCatalog.get(name).set(**{**coco_set.metadata(), **values, ARGUMENTS_KEY: arguments})
    DatasetCatalog.register(name, coco_set)


def _difference(known: Mapping[str, Any] | None, arguments: Mapping[str, Any]) -> str:
    if known is None:
        return "it was not registered by this project"
    keys = [key for key in {**known, **arguments} if known.get(key) != arguments.get(key)]
    return "; ".join(f"{key} was {known.get(key)!r} and is now {arguments.get(key)!r}" for key in keys)


def _register_description(
    description: Mapping[str, Any],
    folder: Path,
    prepare: Callable[[], Any] | None = None,
    contents: Mapping[Path, CocoFile] = EMPTY,
) -> list[str]:
    """Registers the splits of a checked description whose paths are relative to ``folder``; all of them, or none."""
    changes = class_changes_of(description)
    files = {
        f"{description['name']}_{split}": (folder / paths["json"], folder / paths["images"])
        for split, paths in description["splits"].items()
    }
    if prepare is not None and changes.as_dict():
        prepare()  # classes can be changed only in files that are there
        prepare = None
    plans: list[ClassPlan | None] = [None] * len(files)
    if prepare is None:
        for name, (json_file, image_root) in files.items():
            _require_files(name, json_file, image_root)
        plans = list(_consistent_plans({name: json_file for name, (json_file, _) in files.items()}, changes, contents))
    sets = [
        CocoSet(name, *paths, changes, plan, prepare, contents.get(paths[0]))
        for (name, paths), plan in zip(files.items(), plans, strict=True)
    ]
    extra = {key: description[key] for key in ("description", "licence") if key in description}
    if "classes" in description:
        extra["thing_classes"] = list(description["classes"])
    for coco_set in sets:
        colors = None
        if "colours" in description:
            classes = coco_set.metadata().get("thing_classes") or extra.get("thing_classes")
            colors = _colors(coco_set.name, description["colours"], classes or class_names(coco_set.json_file))
        _register(coco_set, colors, extra)
    return list(files)


def _consistent_plans(
    json_files: Mapping[str, Path], changes: ClassChanges, contents: Mapping[Path, CocoFile]
) -> list[ClassPlan]:
    """The plans of ``{name: file}``. Raises DatasetError unless all lead to the same classes."""
    plans = _plans(list(json_files.values()), changes, contents)
    first, *others = zip(json_files, plans, strict=True)
    for name, plan in others:
        refuse_differences(
            f"The categories of {json_files[first[0]]} and {json_files[name]} differ",
            class_differences(first[1].names, plan.names, (first[0], name)),
            "write the same list into both files, or list the classes to learn as keep_classes of the description",
        )
    return plans


def _colors(name: str, colours: Mapping[str, str], classes: Sequence[str]) -> list[Color]:
    """``{class: "#rrggbb"}`` -> one (red, green, blue) for each class."""
    if set(colours) != set(classes):
        unknown, missing = sorted(set(colours) - set(classes)), sorted(set(classes) - set(colours))
        raise DatasetError(
            f"The colours of dataset {name!r} should name each of its classes once, "
            f"but lack {missing or 'none'} and have unknown {unknown or 'none'}."
        )
    return [(int(c[1:3], 16), int(c[3:5], 16), int(c[5:7], 16)) for c in (colours[key] for key in classes)]
