"""A tiny model with weights in a run's folder, and a file of it in each format, written once for all tests."""

import json

import cv2
import numpy as np
import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer

from maskrcnn_project.config import add_maskrcnn_config, get_config
from maskrcnn_project.export import onnx_file, torch_export_file
from maskrcnn_project.export.deployed import Deployed
from maskrcnn_project.export.exporting import export, model_to_export
from maskrcnn_project.export.torch_export_file import record
from maskrcnn_project.modeling import build_model
from maskrcnn_project.modeling.class_table import ClassTable
from tests.contract.tiny import tiny_cfg

THRESHOLD = 0.5


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """config.yaml and model_final.pth of a model for two classes that finds something in noise."""
    folder = tmp_path_factory.mktemp("run")
    cfg = tiny_cfg(folder)
    add_maskrcnn_config(cfg)
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = 96, 160
    cfg.TEST.DETECTIONS_PER_IMAGE = 20
    cfg.MODEL.ROI_MASK_HEAD.NORM, cfg.MODEL.ROI_MASK_HEAD.CONV_DIM = "GN", 32
    # two levels instead of four, and a third for the anchors: a graph is recorded in half the time
    cfg.MODEL.RESNETS.OUT_FEATURES = cfg.MODEL.FPN.IN_FEATURES = ["res4", "res5"]
    cfg.MODEL.ROI_HEADS.IN_FEATURES, cfg.MODEL.RPN.IN_FEATURES = ["p4", "p5"], ["p4", "p5", "p6"]
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[16], [32], [64]]
    torch.manual_seed(0)
    model = build_model(cfg)
    with torch.no_grad():  # sure of itself, so that scores spread from 0 to 1
        model.roi_heads.box_predictor.cls_score.weight.mul_(100)
        model.roi_heads.mask_head.predictor.weight.mul_(1000)
    table = ClassTable(("square", "disk"), (3, 7))
    DetectionCheckpointer(model, str(folder), classes=table).save("model_final")
    (folder / "config.yaml").write_text(cfg.dump())
    return folder


@pytest.fixture
def cfg(run_folder):
    return config_of(run_folder)


def config_of(folder):
    cfg = get_config(folder / "config.yaml")
    cfg.MODEL.WEIGHTS = str(folder / "model_final.pth")
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = THRESHOLD
    cfg.DATASETS.TEST = ()
    return cfg


@pytest.fixture(scope="session")
def deployed(run_folder):
    """The model that the files are of."""
    return Deployed(model_to_export(config_of(run_folder))[0]).eval()


@pytest.fixture(scope="session")
def write(run_folder, photo):
    """``write(format)``: the file of that format, recorded at its first use."""
    files, programs = {}, []
    sample = run_folder / "sample.png"
    cv2.imwrite(str(sample), photo)

    def record_once(module, example):
        """ONNX is written from the graph of torch.export, so the same one does for both."""
        if not programs:
            programs.append(record(module, example))
        return programs[0]

    def of(format):
        if format == "onnx":
            pytest.importorskip("onnxscript", reason="ONNX files need the extra onnx")
            pytest.importorskip("onnxruntime", reason="ONNX files need the extra onnx")
        if format not in files:
            output = run_folder / f"model.{format}.pt2"
            with pytest.MonkeyPatch.context() as patch:
                for module in (onnx_file, torch_export_file):
                    patch.setattr(module, "record", record_once)
                files[format] = export(config_of(run_folder), format, output, samples=[sample], size=(128, 160))
        return files[format]

    return of


@pytest.fixture(scope="session")
def noise():
    """``noise(height, width)``: an image (3, H, W) float32, 0 to 255."""
    return lambda *size: torch.rand(3, *size, generator=torch.Generator().manual_seed(sum(size))) * 255


@pytest.fixture
def coco_file(tmp_path):
    """``coco_file(names)``: a COCO JSON with these classes, one image and one object of each."""

    def write(names):
        square = [0, 0, 5, 0, 5, 5, 0, 5]
        objects = [
            {"id": i, "image_id": 1, "category_id": i, "bbox": [0, 0, 5, 5], "area": 25, "iscrowd": 0}
            | {"segmentation": [square]}
            for i in range(1, len(names) + 1)
        ]
        path = tmp_path / f"{'_'.join(names)}.json"
        categories = [{"id": i, "name": name} for i, name in enumerate(names, start=1)]
        images = [{"id": 1, "file_name": "a.png", "height": 9, "width": 9}]
        path.write_text(json.dumps({"images": images, "annotations": objects, "categories": categories}))
        return path

    return write


@pytest.fixture(scope="session")
def photo():
    """(90, 120, 3) uint8: noise in cells of 6 pixels."""
    cells = np.random.default_rng(0).integers(0, 256, (15, 20, 3), dtype=np.uint8)
    return cells.repeat(6, axis=0).repeat(6, axis=1)
