"""A run from beginning to end, in little."""

import json

import pytest
import torch

from maskrcnn_project.training.run import evaluate, train, weights_to_report
from maskrcnn_project.training.trainer import MaskRCNNTrainer
from tests.plugin.training.hooks.tiny_training import tiny  # noqa: F401


@pytest.fixture
def scarce(monkeypatch):
    """A device that holds one image at a time: the steps that were begun, by their number of images."""
    begun = []
    forward = MaskRCNNTrainer.build_model

    def build_model(cfg):
        model = forward(cfg)
        model.register_forward_pre_hook(refuse_two)
        return model

    def refuse_two(model, arguments):
        if model.training:
            begun.append(len(arguments[0]))
            if len(arguments[0]) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(MaskRCNNTrainer, "build_model", staticmethod(build_model))
    return begun


def test_fit_memory_goes_on_with_parts_of_the_batch(tiny, tmp_path, scarce):  # noqa: F811
    cfg = tiny()
    cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.ACCUMULATE_STEPS = 4, 1
    cfg.freeze()
    (tmp_path / "run").mkdir()
    results = train(cfg, fit_memory=True)
    assert scarce == [4, 2, 1, 1, 1, 1, 1, 1, 1, 1]  # two iterations of four times one image
    assert {"bbox", "segm"} <= results.keys()
    assert (tmp_path / "run" / "model_final.pth").is_file()


def test_without_it_the_sentence_says_what_to_lower(tiny, tmp_path, scarce):  # noqa: F811
    cfg = tiny()
    cfg.SOLVER.IMS_PER_BATCH = 4
    (tmp_path / "run").mkdir()
    with pytest.raises(MemoryError, match="SOLVER.IMS_PER_BATCH 2 SOLVER.ACCUMULATE_STEPS 2"):
        train(cfg)
    assert scarce == [4]


def test_a_training_that_ends_early_evaluates_the_weights_it_leaves(tiny, tmp_path):  # noqa: F811
    cfg = tiny("TimeLimit")
    cfg.SOLVER.MAX_ITER, cfg.HOOKS.TimeLimit.HOURS, cfg.TEST.EVAL_PERIOD = 5, 1e-9, 0
    cfg.freeze()
    (tmp_path / "run").mkdir()
    results = train(cfg)
    assert {"bbox", "segm"} <= results.keys()
    assert (tmp_path / "run" / "inference" / "coco_instances_results.json").is_file()
    assert not (tmp_path / "run" / "model_0000004.pth").is_file()  # it stopped after the first iteration


def test_the_report_is_on_the_best_weights_where_there_are_such(tiny, tmp_path):  # noqa: F811
    cfg = tiny()
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "model_final.pth").touch()
    assert weights_to_report(cfg, stopped=False) == (str(folder / "model_final.pth"), True)
    assert weights_to_report(cfg, stopped=True) == (str(folder / "model_final.pth"), False)
    (folder / "model_best.pth").touch()
    for iteration, metric, evaluated in ((1, "segm/AP", True), (0, "segm/AP", False), (1, "ema/segm/AP", False)):
        (folder / "model_best.json").write_text(json.dumps({"iteration": iteration, "metric": metric}))
        assert weights_to_report(cfg, stopped=False) == (str(folder / "model_best.pth"), evaluated)


def test_a_broken_image_costs_itself_alone_in_an_evaluation(tiny, tmp_path, caplog):  # noqa: F811
    cfg = tiny()
    cfg.MODEL.WEIGHTS = str(tmp_path / "weights.pth")
    torch.save({"model": MaskRCNNTrainer.build_model(cfg).state_dict()}, tmp_path / "weights.pth")
    (tmp_path / "run").mkdir()
    cfg.freeze()
    evaluate(cfg)
    broken = sorted((tmp_path / "data").glob("*.png"))[1]
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(OSError, match=rf"^1 images could not be read .*{broken.name}"):
        evaluate(cfg)
    assert f"{broken} is left out of the evaluation" in caplog.text
    rows = json.loads((tmp_path / "run" / "inference" / "coco_instances_results.json").read_text())
    assert len({row["image_id"] for row in rows}) <= 3
