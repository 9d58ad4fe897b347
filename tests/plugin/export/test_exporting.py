"""From a run's folder to a file: class tables that agree, samples, files that fail, refusals."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from maskrcnn_project.export import exporting
from maskrcnn_project.export.deployed import Deployed
from maskrcnn_project.export.exporting import export, model_to_export
from maskrcnn_project.export.parity import check
from maskrcnn_project.export.refusals import refuse_what_no_graph_can_be
from maskrcnn_project.export.samples import model_input, sample_images, several_sizes
from maskrcnn_project.inference.predictor import Predictor
from maskrcnn_project.modeling.class_table import ClassMismatchError


def test_the_report_holds_numbers_and_tolerances(write):
    exported = write("torchscript")
    assert [c.size for c in exported.comparisons] == [(96, 128), (128, 96), (65, 113), (96, 160)]
    report = exported.report()
    assert "tolerated" in report and f"{exported.path}: " in report and " MB, recorded in " in report


def test_a_file_that_differs_is_not_kept(cfg, tmp_path, monkeypatch):
    class Writer:
        @staticmethod
        def write(module, example, path, metadata):
            path.write_bytes(b"new")

        @staticmethod
        def load(path):
            model, _ = model_to_export(cfg)

            def shifted(image):
                boxes, *others = Deployed(model)(image)
                return (boxes + 0.5, *others)

            return shifted

    monkeypatch.setitem(exporting.WRITERS, "torchscript", Writer)
    target = tmp_path / "model.ts"
    target.write_bytes(b"old")
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 255, (96, 120, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"does not find what the model finds in 4 of 4 images.*\n(.*\n)+.*5\.0e-01"):
        export(cfg, "torchscript", target, samples=[tmp_path / "a.png"])
    assert target.read_bytes() == b"old" and sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "model.ts"]


def test_an_opset_is_of_onnx(cfg, tmp_path):
    with pytest.raises(ValueError, match="opset goes with the format onnx"):
        export(cfg, "torchscript", tmp_path / "a.ts", opset=18)


def test_classes_of_the_annotations_have_to_be_those_of_the_weights(cfg, coco_file):
    model, table = model_to_export(cfg, coco_file(["square", "disk"]))
    assert table.names == ("square", "disk") and table.ids == (3, 7) and not model.training
    with pytest.raises(ClassMismatchError, match="output 1 is 'disk' there and 'ring' here"):
        model_to_export(cfg, coco_file(["square", "ring"]))


def test_an_untrained_model_takes_its_names_from_the_annotations_or_gets_numbers(cfg, coco_file):
    cfg.MODEL.WEIGHTS = ""
    assert model_to_export(cfg)[1].names == ("class 0", "class 1")
    assert model_to_export(cfg, coco_file(["a", "b"]))[1].names == ("a", "b")
    with pytest.raises(ClassMismatchError, match=r"The model has 2 classes, but .*names 3 \(a, b, c\)"):
        model_to_export(cfg, coco_file(["a", "b", "c"]))


def test_samples_are_the_predictors_input_in_three_shapes_and_one_of_nothing(cfg, tmp_path, photo):
    cv2.imwrite(str(tmp_path / "a.png"), photo)
    [picture] = sample_images(cfg, [tmp_path / "a.png"])
    assert np.array_equal(picture, photo)  # both BGR
    wanted = Predictor(cfg)._model_input(photo)["image"]
    assert torch.equal(model_input(picture, cfg), wanted.float()) and wanted.shape == (3, 96, 128)
    images = list(several_sizes([picture, picture], cfg))
    sizes = [(96, 128), (128, 96), (65, 113), (96, 128), (128, 96), (85, 81), (96, 160)]
    assert [tuple(image.shape[1:]) for image in images] == sizes
    assert torch.equal(images[1], images[0].transpose(1, 2)) and torch.equal(images[2], images[0][:, :65, :113])
    assert images[-1].mean(dim=(1, 2)).tolist() == pytest.approx([m + 0.5 for m in cfg.MODEL.PIXEL_MEAN], abs=0.1)
    assert 0 < images[-1].std(dim=(1, 2)).max() < 1


def test_without_a_test_set_shapes_are_drawn_and_said(cfg, caplog):
    cfg.DATASETS.TEST = ("no_such_set",)
    assert [picture.shape for picture in sample_images(cfg, [])] == [(256, 256, 3)] * 3
    assert "drawn shapes are used" in caplog.text and "no_such_set" in caplog.text


def test_masks_in_boxes_are_those_that_are_pasted(deployed, noise):
    with torch.no_grad():
        boxes, _, _, masks = Deployed(deployed.model, paste=False)(noise(96, 128))
        _, _, _, pasted = deployed(noise(96, 128))
    assert masks.shape == (len(boxes), 8, 8) and masks.dtype == torch.float32
    assert pasted.shape == (len(boxes), 96, 128) and pasted.dtype == torch.bool


def test_what_no_graph_can_be_is_refused(cfg, deployed):
    model = deployed.model
    refuse_what_no_graph_can_be(cfg, model)
    with pytest.raises(ValueError, match="META_ARCHITECTURE GeneralizedRCNN cannot be exported: only"):
        refuse_what_no_graph_can_be(cfg, nn.Identity())
    cfg.MODEL.ROI_HEADS.NAME, cfg.MODEL.ROI_HEADS.MASK_NMS_THRESH_TEST = "CrowdedROIHeads", 0.5
    with pytest.raises(ValueError, match="one mask after the other.*MASK_NMS_THRESH_TEST 1.0"):
        refuse_what_no_graph_can_be(cfg, model)
    cfg.TEST.AUG.ENABLED = True
    with pytest.raises(ValueError, match="Test-time augmentation cannot.*TEST.AUG.ENABLED False"):
        refuse_what_no_graph_can_be(cfg, model)


def test_a_file_that_fails_says_on_what_image():
    def fail(image):
        raise RuntimeError("shape {0,512}\nfurther lines")

    with pytest.raises(ValueError, match=r"^The file fails on an image of 4 x 6 \(RuntimeError: shape \{0,512\}\)"):
        list(check(lambda image: [], fail, [torch.zeros(3, 4, 6)], 0.5))
