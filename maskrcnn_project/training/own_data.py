"""The user's own files: a folder of images and a COCO JSON, read once, checked, split, described for the run."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import yaml

from maskrcnn_project.datasets.categories import change_classes, find_roots_of
from maskrcnn_project.datasets.checking.precheck import check_images, refuse_errors, warning_lines
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.class_consistency import check_same_categories
from maskrcnn_project.datasets.coco_file import CocoFile, coco_file_of, read_json
from maskrcnn_project.datasets.editing.split import split_coco
from maskrcnn_project.datasets.statistics import DatasetStatistics, dataset_statistics
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import write_text
from maskrcnn_project.training.user_options import RECORD_NAME, UserOptions, record_flags

VAL_FRACTION = 0.2


@dataclass(frozen=True)
class OwnData:
    """
    A training and a validation set, read and found sound.

    Attributes:
        name: of the set; the catalog knows its splits as ``<name>_train`` and ``<name>_val``.
        train, val: with the classes that the model will learn.
        as_read: the files as they are on disk, where each split has a file of its own.
        split_from: the one file that both come from, else None.
        warnings: of the check, as lines to print.
    """

    name: str
    train: CocoFile
    val: CocoFile
    as_read: tuple[CocoFile, ...] = ()
    split_from: Path | None = None
    warnings: tuple[str, ...] = ()

    @cached_property
    def statistics(self) -> DatasetStatistics:
        """Of the training set."""
        return dataset_statistics(self.train.as_dict())

    def title(self, seed: int) -> str:
        """How many images there are, and where they come from."""
        origin = f" (a seeded split of {self.split_from}, seed {seed})" if self.split_from else ""
        return f"Training images: {len(self.train.images)}, validation images: {len(self.val.images)}{origin}"


def read_own_data(args: argparse.Namespace, options: UserOptions) -> OwnData:
    """
    Reads each file once, checks it, and splits the one file or takes both.

    Raises:
        DatasetError, FileNotFoundError: one sentence; nothing is written.
    """
    contents = [read_json(args.annotations)]
    if args.val_annotations is not None:
        contents.append(read_json(args.val_annotations))
    warnings: list[str] = []
    if not args.skip_data_check:
        tables = SplitTables.of_content("train", args.annotations, args.images, contents[0])
        val_tables = None
        if args.val_annotations is not None:
            val_tables = SplitTables.of_content("val", args.val_annotations, args.val_images, contents[1])
        # the limit of detections is chosen from the data
        warnings = warning_lines(refuse_errors(tables, val_tables, None, masks=options.masks, page=options.page))
    whole = coco_file_of(Path(args.annotations), contents[0], args.images)
    if args.val_annotations is not None:
        val = coco_file_of(Path(args.val_annotations), contents[1], args.val_images, require_annotations=False)
        data = _of_two_files(Path(args.images).resolve().name, whole, val)
    else:
        data = _split(Path(args.annotations).stem, whole, options.seed)
    if not args.skip_image_check:
        check_images(data.train, options.page)
        check_images(data.val, options.page)
    return replace(data, warnings=tuple(warnings))


def _of_two_files(name: str, train: CocoFile, val: CocoFile) -> OwnData:
    roots = find_roots_of(train.as_dict(), val.as_dict())
    changed = [file.with_content(change_classes(file.as_dict(), roots=roots)[0]) for file in (train, val)]
    check_same_categories(changed[0].as_dict(), changed[1].as_dict())
    return OwnData(name, changed[0], changed[1], as_read=(train, val))


def _split(name: str, whole: CocoFile, seed: int) -> OwnData:
    if len(whole.images) < 2:
        raise DatasetError(
            f"{whole.path} holds {len(whole.images)} image, and a split needs two: add images, or give --val-images "
            "and --val-annotations."
        )
    changed = whole.with_content(change_classes(whole.as_dict())[0])
    train, val = split_coco(changed.as_dict(), VAL_FRACTION, seed)
    return OwnData(name, changed.with_content(train), changed.with_content(val), split_from=whole.path)


def new_output_folder(name: str) -> Path:
    """``output/NAME``, or the first of ``output/NAME-2``, ``-3``, ... that does not exist yet."""
    folder = Path("output") / name
    number = 2
    while folder.exists():
        folder = Path("output") / f"{name}-{number}"
        number += 1
    return folder


def write_description(folder: Path, data: OwnData, args: argparse.Namespace) -> dict[Path, CocoFile]:
    """
    Writes ``dataset.yaml``, the JSON of a split, and the flags, so that the run can be evaluated, resumed and moved.

    Returns:
        The content of each file that the description names, by path, for the catalog.
    """
    folder.mkdir(parents=True, exist_ok=True)
    splits, contents = {}, {}
    files = data.as_read or (data.train, data.val)
    for part, content in zip(("train", "val"), files, strict=True):
        json_file = content.path.absolute()
        # a file with notes is not what was read, and evaluators read it from disk
        is_new = data.split_from is not None or bool(content.notes)
        if is_new:
            json_file = folder.absolute() / f"{part}.json"
            write_text(json_file, json.dumps(content.as_dict()))
            content = replace(content, path=json_file, notes=())
        contents[json_file] = content
        # a file of the run's own folder is named from there, so that the folder can be moved
        written = json_file.name if is_new else str(json_file.resolve())
        splits[part] = {"json": written, "images": str(content.image_root.resolve())}
        contents[folder.absolute() / written] = content
    write_text(folder / "dataset.yaml", yaml.safe_dump({"name": data.name, "splits": splits}, sort_keys=False))
    write_text(folder / RECORD_NAME, record_flags(args))
    return contents
