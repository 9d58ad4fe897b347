"""Evaluation on run lengths gives the numbers and files of Detectron2's, on little memory."""

import json

import pytest
import torch
from detectron2.engine import DefaultTrainer
from detectron2.evaluation import COCOEvaluator

from maskrcnn_project.config import add_maskrcnn_config
from maskrcnn_project.evaluation.evaluator import WARM_UP_BATCHES, Detecting
from maskrcnn_project.evaluation.results_folder import most_detections, read_speed, results_folder, write_speed
from maskrcnn_project.modeling import build_model
from maskrcnn_project.training.trainer import MaskRCNNTrainer
from tests.contract.tiny import coco_set, tiny_cfg


@pytest.fixture
def cfg(tmp_path):
    cfg = tiny_cfg(tmp_path / "run")
    add_maskrcnn_config(cfg)
    cfg.DATASETS.TEST = ("tiny_evaluated",)
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    cfg.DATALOADER.NUM_WORKERS = 0
    (tmp_path / "data").mkdir()
    with coco_set(tmp_path / "data", "tiny_evaluated"):
        yield cfg


def test_the_numbers_and_files_are_those_of_detectron2(cfg, tmp_path):
    torch.manual_seed(0)
    model = build_model(cfg)
    theirs = COCOEvaluator("tiny_evaluated", output_dir=str(tmp_path / "theirs"))
    expected = DefaultTrainer.test(cfg, model, [theirs])
    found = MaskRCNNTrainer.test(cfg, model)
    assert found.keys() == expected.keys() == {"bbox", "segm"}
    for task, values in expected.items():
        assert found[task] == pytest.approx(values, nan_ok=True, abs=1e-9)
    name = "coco_instances_results.json"
    results = json.loads((tmp_path / "run" / "inference" / name).read_text())
    assert len(results) > 0
    assert results == json.loads((tmp_path / "theirs" / name).read_text())


def test_another_evaluator_gets_the_models_own_output(cfg):
    seen = []

    class Looking(COCOEvaluator):
        def process(self, inputs, outputs):
            seen.extend(output["instances"].pred_masks.dtype for output in outputs)
            super().process(inputs, outputs)

    class Trainer(MaskRCNNTrainer):
        @classmethod
        def build_evaluator(cls, cfg, dataset_name):
            return Looking(dataset_name)

    Trainer.test(cfg, build_model(cfg))
    assert seen == [torch.bool] * 4


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_of_every_part_is_given_back(cfg, training):
    model = build_model(cfg).train(training)
    model.backbone.eval()
    modes = [module.training for module in model.modules()]
    MaskRCNNTrainer.test(cfg, model)
    assert [module.training for module in model.modules()] == modes


def test_the_first_batches_are_not_timed(cfg):
    detecting = Detecting(build_model(cfg).eval())
    for done in range(WARM_UP_BATCHES + 2):
        assert (detecting.seconds_per_image is None) == (done <= WARM_UP_BATCHES)
        with torch.no_grad():
            detecting([{"image": torch.zeros(3, 64, 64)}] * 2)
    assert detecting.images == 4
    assert detecting.seconds_per_image == detecting.seconds / 4


def test_folders_limits_and_speed(cfg, tmp_path):
    assert results_folder(cfg, "tiny_evaluated") == tmp_path / "run" / "inference"
    cfg.DATASETS.TEST = ("a", "b")
    assert results_folder(cfg, "b") == tmp_path / "run" / "inference" / "b"
    limits = []
    for cfg.TEST.DETECTIONS_PER_IMAGE in (20, 300):
        limits.append(most_detections(cfg))
    assert limits == [100, 300]
    assert read_speed(tmp_path) is None
    results_folder(cfg, "a").mkdir(parents=True), results_folder(cfg, "b").mkdir()
    write_speed(cfg, None)
    assert read_speed(results_folder(cfg, "a")) is None
    write_speed(cfg, 0.25)
    assert read_speed(results_folder(cfg, "b")) == 0.25
