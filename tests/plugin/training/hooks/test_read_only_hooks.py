"""Hooks that only look: a training of Mask R-CNN with each of them ends with the same weights, bit for bit."""

import json
import random

import numpy as np
import pytest
import torch
from detectron2.engine import HookBase
from detectron2.utils.events import JSONWriter

from maskrcnn_project.modeling.weights import load_for_inference
from maskrcnn_project.training.hooks import arrange_hooks, build_named_hooks
from tests.contract.tiny import CLASSES
from tests.plugin.training.hooks.tiny_training import Trainer, assert_equal_weights, tiny, train  # noqa: F401


@pytest.fixture
def periodic(tiny):  # noqa: F811
    """All happens after the first iteration, too, so that the second shows what was disturbed."""

    def config(*names):
        cfg = tiny(*names)
        cfg.TEST.EVAL_PERIOD = 1
        cfg.PREDICT.SCORE_THRESHOLD = 0.0
        for name in ("ValidationLoss", "PredictionSnapshots"):
            cfg.HOOKS[name].PERIOD = 1
        cfg.HOOKS.GradientNorms.PERIOD = 1
        return cfg

    return config


@pytest.mark.parametrize(
    "names",
    [("ValidationLoss",), ("PredictionSnapshots",), ("ModelEMA",), ("GradientNorms", "NonFiniteGuard", "StopOnSignal")],
    ids=lambda names: names[0],
)
def test_the_weights_are_the_same_with_and_without(periodic, names):
    assert_equal_weights(train(periodic()), train(periodic(*names)))


def test_a_hook_that_disturbs_would_be_seen(periodic):
    class Disturbs(Trainer):
        def build_hooks(self):
            disturbing = HookBase()
            disturbing.after_step = lambda: next(disturbing.trainer.model.parameters()).data.mul_(1.001)
            return [*super().build_hooks(), disturbing]

    with pytest.raises(AssertionError):
        assert_equal_weights(train(periodic()), train(periodic(), Disturbs))


def test_a_hook_may_draw_random_numbers(periodic):
    """What training draws is a function of the iteration and the sample, not of what was drawn before."""

    class Draws(Trainer):
        def build_hooks(self):
            drawing = HookBase()
            drawing.after_step = lambda: (torch.rand(1), np.random.rand(), random.random())
            return [*super().build_hooks(), drawing]

    assert_equal_weights(train(periodic()), train(periodic(), Draws))


def test_what_they_leave_behind(periodic, tmp_path):
    cfg = periodic("PredictionSnapshots", "ModelEMA", "ValidationLoss", "BestCheckpoint")
    cfg.HOOKS.BestCheckpoint.METRIC = "ema/segm/AP"

    class Writes(Trainer):
        """With Detectron2's writer, which drops what comes after it."""

        def build_hooks(self):
            detectron2s = super(Trainer.__mro__[1], self).build_hooks()
            return arrange_hooks(detectron2s, build_named_hooks(self.cfg))

        def build_writers(self):
            self.writer = JSONWriter(str(tmp_path / "run" / "metrics.json"))
            return [self.writer]

        @classmethod
        def test(cls, cfg, model, evaluators=None):
            folders.append(cfg.OUTPUT_DIR)
            return {"segm": {"AP": float(len(folders)), "APl": float("nan")}}

    folders = []
    trainer = train(cfg, Writes)
    run = tmp_path / "run"
    pictures = sorted(path.relative_to(run).as_posix() for path in run.glob("snapshots/*/*.png"))
    assert pictures == [f"snapshots/iteration_000000{i}/{n}_picture_{n}.png" for i in (0, 1) for n in range(4)]
    shown = [(name, image.shape[0], image.dtype, i) for name, image, i in trainer.storage._vis_data]
    assert ("snapshots/0_picture_0", 3, "uint8", 0) in [(n, c, str(d), i) for n, c, d, i in shown]
    rows = {row["iteration"]: row for row in map(json.loads, (run / "metrics.json").read_text().splitlines())}
    assert folders == [str(run / "ema"), str(run), str(run / "ema"), str(run)]  # each time before the model's own
    assert rows[1]["ema/segm/AP"] == 3.0
    assert rows[1]["val/total_loss"] > 0
    best = json.loads((run / "model_best.json").read_text())
    assert (best["metric"], best["value"], best["iteration"]) == ("ema/segm/AP", 3.0, 1)
    assert best["metrics"]["ema/segm/APl"] is None
    for name in ("model_ema.pth", "model_best.pth"):  # as predict.py takes them
        table = load_for_inference(trainer.build_model(cfg), str(run / name))
        assert table.names == tuple(CLASSES)
