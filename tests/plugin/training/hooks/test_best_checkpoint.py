import json
import math

import pytest
import torch

from maskrcnn_project.training.hooks import BestCheckpoint, ModelEMA
from maskrcnn_project.training.hooks.metric import Metric
from tests.plugin.training.hooks.small_training import At, Evaluations, SmallTrainer, fail

EVERY = 1  # iterations between two evaluations


def train(folder, values, mode="max", name="segm/AP", **options):
    hook = BestCheckpoint(folder, Metric(name, mode), EVERY)
    trainer = SmallTrainer(folder, [Evaluations(values), hook], **options)
    trainer.run()
    return hook, json.loads((folder / "model_best.json").read_text())


@pytest.mark.parametrize(("mode", "best", "iteration"), [("max", 7.0, 3), ("min", 1.0, 4)])
def test_the_best_is_kept_with_its_numbers(tmp_path, mode, best, iteration):
    hook, record = train(tmp_path, {1: 5.0, 2: math.nan, 3: 7.0, 4: 1.0}, mode)
    assert (hook.best, hook.best_iteration) == (best, iteration)
    assert (record["metric"], record["mode"]) == ("segm/AP", mode)
    assert (record["value"], record["iteration"], record["metrics"]["segm/AP"]) == (best, iteration, best)
    assert record["metrics"]["total_loss"] > 0
    assert sorted(p.name for p in tmp_path.glob("*best*")) == ["model_best.json", "model_best.pth"]


def test_the_file_holds_the_weights_of_that_iteration_and_resuming_ignores_it(tmp_path):
    train(tmp_path, {3: 7.0, 4: 1.0})
    kept = torch.load(tmp_path / "model_best.pth", weights_only=True)
    of_iteration_3 = torch.load(tmp_path / "model_0000003.pth", weights_only=True)
    assert kept["iteration"] == 3
    assert "trainer" not in kept
    assert all(torch.equal(value, of_iteration_3["model"][name]) for name, value in kept["model"].items())
    assert (tmp_path / "last_checkpoint").read_text() == "model_final.pth"


def test_an_evaluation_that_gives_nothing_or_nan_never_wins(tmp_path, caplog):
    hook = BestCheckpoint(tmp_path, Metric("segm/AP"), EVERY)
    SmallTrainer(tmp_path, [Evaluations({3: math.nan}), hook]).run()
    assert hook.best is None
    assert not list(tmp_path.glob("model_best*"))
    assert "There is no metric segm/AP" in caplog.text
    assert "segm/AP is nan: not the best model." in caplog.text


def test_coco_has_minus_one_where_nothing_was_measured(tmp_path, caplog):
    hook, record = train(tmp_path, {1: -1.0, 2: 0.0, 3: -1.0})
    assert (hook.best, hook.best_iteration, record["value"]) == (0.0, 2, 0.0)
    assert caplog.text.count("segm/AP is -1.0: not the best model.") == 2


def test_a_resumed_run_does_not_overwrite_a_better_model(tmp_path):
    """The evaluation at iteration 3 is after the checkpoint of iteration 3, which does not know of it."""
    hook = BestCheckpoint(tmp_path, Metric("segm/AP"), EVERY)
    with pytest.raises(RuntimeError):
        SmallTrainer(tmp_path, [Evaluations({1: 2.0, 3: 9.0}), hook, At(3, fail)]).run()
    resumed = BestCheckpoint(tmp_path, Metric("segm/AP"), EVERY)
    SmallTrainer(tmp_path, [Evaluations({4: 5.0, 5: 8.9}), resumed]).run(resume=True)
    assert (resumed.best, resumed.best_iteration) == (9.0, 3)
    assert torch.load(tmp_path / "model_best.pth", weights_only=True)["iteration"] == 3


def test_the_state_of_the_checkpoint_is_taken_where_the_files_are_gone(tmp_path):
    with pytest.raises(RuntimeError):
        hook = BestCheckpoint(tmp_path, Metric("segm/AP"), EVERY)
        SmallTrainer(tmp_path, [Evaluations({0: 9.0}), hook, At(3, fail)]).run()
    for path in tmp_path.glob("model_best*"):
        path.unlink()
    resumed = BestCheckpoint(tmp_path, Metric("segm/AP"), EVERY)
    SmallTrainer(tmp_path, [Evaluations({5: 8.0}), resumed]).run(resume=True)
    assert resumed.best == 9.0
    assert not list(tmp_path.glob("model_best*"))


def test_another_metric_starts_anew(tmp_path):
    train(tmp_path, {1: 90.0}, max_iter=2)
    resumed = BestCheckpoint(tmp_path, Metric("segm/AP", "min"), EVERY)
    SmallTrainer(tmp_path, [Evaluations({3: 50.0}), resumed]).run(resume=True)
    assert resumed.best == 50.0


def test_a_metric_of_the_averaged_weights_keeps_those(tmp_path):
    ema = ModelEMA(tmp_path, 0.9, evaluation_period=0, evaluates=False)
    hook = BestCheckpoint(tmp_path, Metric("ema/segm/AP"), EVERY)

    class Averaged(Evaluations):
        def after_step(self):
            if self.trainer.iter == 5:
                self.trainer.storage.put_scalar("ema/segm/AP", 1.0, smoothing_hint=False)

    SmallTrainer(tmp_path, [Averaged({}), ema, hook]).run()
    best, average = (torch.load(tmp_path / f"model_{n}.pth", weights_only=True)["model"] for n in ("best", "ema"))
    final = torch.load(tmp_path / "model_final.pth", weights_only=True)["model"]
    assert torch.equal(best["head.weight"], average["head.weight"])
    assert not torch.equal(best["head.weight"], final["head.weight"])
