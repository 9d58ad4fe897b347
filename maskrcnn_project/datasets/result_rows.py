"""
What a model found, as files hold it: COCO's results (a list of detections), or the predictions.json of
tools/predict.py (a COCO file whose annotations have a score). One reader for every tool that takes results.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from maskrcnn_project.datasets.text_files import read_json_value
from maskrcnn_project.errors import DatasetError

WANTED = '{"image_id", "category_id", "bbox", "score", "segmentation"}'


def read_result_rows(path: Path, file_names: Mapping[int, str], categories: Mapping[int, str]) -> list[dict[str, Any]]:
    """
    The detections of a results file, with the image and category ids of the data set.

    The rows of a results list are as the file has them. Those of a predictions.json, which numbers images by itself,
    are brought to the data set's ids by the names of files and classes.

    Args:
        file_names: {image id: file name} of the data set.
        categories: {category id: class name} of the data set.

    Raises:
        DatasetError: there is no such file, it is no JSON, no results, or of other images or classes.
    """
    if not path.is_file():
        raise DatasetError(f"The results file {path} does not exist: run the evaluation, which writes it, or name it.")
    content = read_json_value(path)
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        return _of_predictions(path, content, file_names, categories)
    if not isinstance(content, list) or not all(type(row) is dict for row in content):
        raise DatasetError(
            f"{path} should be a list of detections {WANTED}, as COCO's results format has it, or a predictions.json "
            "of tools/predict.py, but is something else."
        )
    return content


def _of_predictions(
    path: Path, content: Mapping[str, Any], file_names: Mapping[int, str], categories: Mapping[int, str]
) -> list[dict[str, Any]]:
    rows = content["annotations"]
    if any(not isinstance(row, dict) or "score" not in row for row in rows):
        raise DatasetError(
            f"{path} is a COCO file without scores, so it is a ground truth and no predictions: give it as "
            "--annotations, and a results file or predictions.json as --results."
        )
    image_ids = _image_ids(path, content, file_names)
    by_name = {name: category for category, name in categories.items()}
    names = {row["id"]: row["name"] for row in content.get("categories", [])}
    unknown = sorted({str(names.get(row["category_id"])) for row in rows} - set(by_name))
    if unknown:
        raise DatasetError(
            f"{path} has instances of {', '.join(unknown)}, but the data set has the classes "
            f"{', '.join(by_name)}: evaluate with the data set that the model was trained for."
        )
    return [
        {**row, "image_id": image_ids[row["image_id"]], "category_id": by_name[names[row["category_id"]]]}
        for row in rows
    ]


def _image_ids(path: Path, content: Mapping[str, Any], file_names: Mapping[int, str]) -> dict[int, int]:
    """{image id of the predictions: image id of the data set}: by the whole name, else by its last part if unique."""
    whole = {PurePosixPath(name).as_posix(): key for key, name in file_names.items()}
    last: dict[str, int | None] = {}
    for key, name in file_names.items():
        base = PurePosixPath(name.replace("\\", "/")).name
        last[base] = None if base in last else key
    ids = {}
    for image in content.get("images", []):
        path_of_image = PurePosixPath(image["file_name"])
        found = whole.get(path_of_image.as_posix(), last.get(path_of_image.name))
        if found is None:
            reason = (
                "two images of the data set have that name"
                if path_of_image.name in last
                else "the data set lists none so"
            )
            raise DatasetError(f"{path} has predictions on {image['file_name']}, but {reason}.")
        ids[image["id"]] = found
    return ids
