"""Another test set for a run: its files, with the classes brought to the model's by their names."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml
from detectron2.config import CfgNode

from maskrcnn_project.datasets.checking.precheck import refuse_errors
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.coco_file import CocoFile, coco_file_of, read_json
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import write_text
from maskrcnn_project.modeling.class_table import ClassTable


def add_evaluation_set(cfg: CfgNode, args: argparse.Namespace) -> None:
    """
    Turns the config of a run into one that evaluates it on ``args.images`` and ``args.annotations``, in a folder of its
    own below the run's: ``evaluation-NAME``.

    Raises:
        DatasetError: the file is not sound, or has objects of classes that the model does not know.
        ValueError: the weights carry no class names.
    """
    table = ClassTable.from_checkpoint(cfg.MODEL.WEIGHTS)
    if table is None:
        raise ValueError(
            f"The weights {cfg.MODEL.WEIGHTS} carry no class names to compare with {args.annotations}: describe the "
            "set (datasets/README.md) and evaluate with --config-file."
        )
    coco = read_json(args.annotations)
    if not args.skip_data_check:
        tables = SplitTables.of_content("val", args.annotations, args.images, coco)
        refuse_errors(
            tables, detections_per_image=cfg.TEST.DETECTIONS_PER_IMAGE, masks=cfg.MODEL.MASK_ON, page=cfg.INPUT.PAGE
        )
    file = coco_file_of(Path(args.annotations), coco, args.images, require_annotations=False)
    content = with_classes_of(table, file)
    folder = new_folder(Path(cfg.OUTPUT_DIR), file.path.stem)
    name = folder.name.replace("-", "_")
    (folder / "dataset").mkdir(parents=True)
    write_text(folder / "dataset" / "annotations.json", json.dumps(content))
    split = {"json": "annotations.json", "images": str(file.image_root.resolve())}
    description = yaml.safe_dump({"name": name, "splits": {"val": split}}, sort_keys=False)
    write_text(folder / "dataset" / "dataset.yaml", description)
    cfg.OUTPUT_DIR = str(folder)
    cfg.DATASETS.DESCRIPTIONS = (str(folder / "dataset" / "dataset.yaml"),)
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = (), (f"{name}_val",)
    print(f"Evaluating {cfg.MODEL.WEIGHTS} on {file.path}: {folder}")


def with_classes_of(table: ClassTable, file: CocoFile) -> dict[str, Any]:
    """
    The content of ``file`` with the model's categories; classes of one name are the same, whatever their ids.

    Raises:
        DatasetError: an annotation is of a class that the model does not know.
    """
    ids = dict(zip(table.names, table.ids, strict=True))
    names = {row["id"]: row["name"] for row in file.categories}
    used = {names[row["category_id"]] for row in file.annotations}
    unknown = sorted(used - set(ids))
    if unknown:
        raise DatasetError(
            f"{file.path} has objects of {', '.join(unknown)}, but the model knows {', '.join(table.names)}: rename "
            "the classes, or leave these out (tools/edit_dataset.py subset --classes ...)."
        )
    rows = [{**row, "category_id": ids[names[row["category_id"]]]} for row in file.annotations]
    categories = [{"id": ids[name], "name": name} for name in table.names]
    return {**file.as_dict(), "annotations": rows, "categories": categories}


def new_folder(run: Path, stem: str) -> Path:
    """``evaluation-STEM`` below the run, or the first of ``-2``, ``-3``, ... that does not exist yet."""
    folder, number = run / f"evaluation-{stem}", 2
    while folder.exists():
        folder, number = run / f"evaluation-{stem}-{number}", number + 1
    return folder
