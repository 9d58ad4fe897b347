"""Prediction over files: drawn pictures laid out as the inputs were, and one COCO JSON."""

from __future__ import annotations

from pathlib import Path

from detectron2.data.detection_utils import read_image
from tqdm import tqdm

from maskrcnn_project.inference.coco_writer import CocoWriter
from maskrcnn_project.inference.inputs import common_root
from maskrcnn_project.inference.predictor import Predictor
from maskrcnn_project.visualization.pictures import draw_predictions, save_picture

JSON_NAME = "predictions.json"


def predict_files(predictor: Predictor, files: list[Path], output: Path, pictures: bool = True) -> int:
    """
    Predicts every file and writes ``output/predictions.json``, and a picture below ``output`` for each file.

    Args:
        files: at least one image. A picture is a PNG named as its image, in the same folders below ``output``.

    Returns:
        The number of instances found.

    Raises:
        OSError: an image that cannot be read, before anything is written for it.
    """
    root = common_root(files)
    writer = CocoWriter(predictor.classes)
    output.mkdir(parents=True, exist_ok=True)
    taken: set[Path] = set()
    for file in tqdm(files, desc="Predicting", unit="image", disable=None):
        image = read_image(str(file), format="BGR")
        instances = predictor(image)
        name = file.absolute().relative_to(root)
        writer.add(name.as_posix(), instances)
        if pictures:
            target = picture_path(output / name, taken)
            save_picture(target, draw_predictions(image, instances, predictor.metadata))
    writer.write(output / JSON_NAME)
    return len(writer.annotations)


def picture_path(image: Path, taken: set[Path]) -> Path:
    """``image`` with the suffix .png; a.jpg beside a.png becomes a.jpg.png, so that neither picture is lost."""
    target = image.with_suffix(".png")
    if target in taken:
        target = image.with_name(image.name + ".png")
    taken.add(target)
    return target
