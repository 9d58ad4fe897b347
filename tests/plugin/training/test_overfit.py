"""Learning a few images by heart: which images, which settings, which verdict."""

import json
from types import SimpleNamespace

import pytest
import yaml

from maskrcnn_project.config import get_config
from maskrcnn_project.datasets.coco_file import CocoFile, read_coco_file
from maskrcnn_project.datasets.shapes.shapes import ShapesOptions, write_shapes
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.training.overfit import OverfitSource, images_to_learn, overfit_config, overfit_summary


def file_of(shown, count=10):
    annotations = [{"id": i, "image_id": image} for i, image in enumerate(shown)]
    return CocoFile(SimpleNamespace(name="a.json"), [{"id": i} for i in range(count)], annotations, [])


def test_images_with_objects_spread_over_the_file():
    assert images_to_learn(file_of(range(10)), 4) == [0, 3, 6, 9]
    assert images_to_learn(file_of([2, 2, 5, 8]), 2) == [2, 8]


@pytest.mark.parametrize("count", [0, 4])
def test_more_than_there_are_is_an_error(count):
    with pytest.raises(DatasetError, match="wants 1 to 3 images with objects"):
        images_to_learn(file_of([2, 5, 8]), count)


def test_a_config_becomes_one_without_variety(tmp_path):
    write_shapes(tmp_path / "shapes", ShapesOptions(train=6, val=2, size=64))
    cfg = get_config("configs/quick/mask_rcnn_R_18_FPN_shapes.yaml")
    cfg.OUTPUT_DIR = str(tmp_path / "run-overfit")
    cfg.INPUT.AUGMENT.MOSAIC.PROBABILITY = 1.0
    cfg.HOOKS.NAMES = ("LossCurves", "EarlyStopping")
    file = read_coco_file(tmp_path / "shapes" / "annotations" / "train.json", tmp_path / "shapes" / "train")
    contents = overfit_config(cfg, 3, OverfitSource("overfit_shapes", file, {"colours": {}}))
    assert cfg.DATASETS.TRAIN == cfg.DATASETS.TEST == ("overfit_shapes_overfit_train",)
    written = tmp_path / "run-overfit/dataset/overfit.json"
    assert len(json.loads(written.read_text())["images"]) == len(contents[written].images) == 3
    assert yaml.safe_load((tmp_path / "run-overfit/dataset/dataset.yaml").read_text())["colours"] == {}
    assert cfg.INPUT.RANDOM_FLIP == "none" and cfg.INPUT.AUGMENT.MOSAIC.PROBABILITY == 0.0
    assert cfg.HOOKS.NAMES == ("LossCurves",) and cfg.SOLVER.IMS_PER_BATCH == 3


def test_the_verdict():
    assert "mask AP50 97.0" in overfit_summary({"bbox": {"AP50": 99.0}, "segm": {"AP50": 97.0}}, "out")
    for poor in (40.0, float("nan")):
        with pytest.raises(DatasetError, match=r"Not learnt by heart: mask AP50 .*out/loss_curves.png"):
            overfit_summary({"segm": {"AP50": poor}}, "out")
