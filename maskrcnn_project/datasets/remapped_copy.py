"""
COCO files with other classes than the user's own, or with values as they are meant, written once into a cache folder.

Detectron2's loader reads category ids from the registered file, and so does its COCOEvaluator, from the file that the
metadata name. Both see changed classes, and what ``tidy`` has read otherwise, only where a file has them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.categories import ClassPlan, apply_plan
from maskrcnn_project.datasets.coco_file import CocoFile, read_coco_file
from maskrcnn_project.datasets.coco_index import read_value
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.files import CACHE_VARIABLE, atomic_path, cache_folder

FORMAT = 2  # of the written files; another number makes every file anew
REMARKS_KEY = "class_changes"  # of the written file: {"source": path, "notes": [...]}


def remapped_copy_path(json_file: Path, plan: ClassPlan) -> Path:
    """
    Where the file of ``plan`` lies: its name depends on the path, size and time of ``json_file`` and on the plan.
    """
    state = json_file.stat()
    key = [
        FORMAT,
        str(json_file.resolve()),
        state.st_size,
        state.st_mtime_ns,
        plan.categories,
        list(plan.new_ids.items()),
    ]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    return cache_folder() / "classes" / f"{json_file.stem}-{digest}.json"


def write_remapped_copy(json_file: Path, plan: ClassPlan, content: CocoFile | None = None) -> Path:
    """
    Writes ``remapped_copy_path`` unless it is there. Processes that do so at once write equal files, each renamed
    whole.

    Args:
        content: ``json_file`` as it was read already; None: it is read.

    Raises:
        DatasetError: ``json_file`` is no sound COCO file, or the cache cannot be written.
    """
    target = remapped_copy_path(json_file, plan)
    if target.is_file():
        return target
    coco, notes = apply_plan((content or read_coco_file(json_file)).as_dict(), plan)
    coco.pop(REMARKS_KEY, None)
    with_remarks = {REMARKS_KEY: {"source": str(json_file), "notes": notes}, **coco}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as beside:
            _write_json(beside, with_remarks)
    except OSError as error:
        raise DatasetError(
            f"{json_file} is read with changes, and the changed file cannot be written into {target.parent} "
            f"({error.strerror or error}): let {CACHE_VARIABLE} name a folder that can."
        ) from error
    return target


def notes_of(remapped: Path) -> list[str]:
    """What was changed, as ``apply_plan`` said it when the file was written."""
    remarks = read_value(remapped, REMARKS_KEY)
    return remarks["notes"] if remarks else []


def _write_json(path: Path, content: dict[str, Any]) -> None:
    """Row by row: the text of a large file is not held beside its rows."""
    with path.open("x", encoding="utf-8") as file:
        for start, (key, value) in zip(["{", *[", "] * len(content)], content.items(), strict=False):
            file.write(f"{start}{json.dumps(key)}: ")
            if isinstance(value, list):
                file.write("[")
                file.writelines(f"{', ' if index else ''}{json.dumps(row)}" for index, row in enumerate(value))
                file.write("]")
            else:
                file.write(json.dumps(value))
        file.write("}")
