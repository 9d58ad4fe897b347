"""The hooks, each on a training of a few empty iterations."""

import json
import logging
import math
import os

import pytest
import torch
from detectron2.engine import TrainerBase, hooks
from detectron2.utils.events import EventWriter, JSONWriter
from fvcore.common.param_scheduler import LinearParamScheduler
from torch import nn


class Idle(TrainerBase):
    """Iterations that do nothing."""

    def __init__(self, *hooks):
        super().__init__()
        self.optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        self.register_hooks(list(hooks))

    def run_step(self):
        self.optimizer.step()


class Saves:
    """A checkpointer that writes down what it is asked to save."""

    def __init__(self):
        self.saved = []

    def save(self, name, **kwargs):
        self.saved.append((name, kwargs))


def evaluation(values, period=2):
    """An EvalHook that returns the values one after the other."""
    remaining = iter(values)
    return hooks.EvalHook(period, lambda: {"segm": {"AP": next(remaining)}})


def test_callbacks_take_the_trainer_and_are_let_go():
    seen = []
    hook = hooks.CallbackHook(
        before_train=lambda t: seen.append("begin"), after_step=lambda t: seen.append(t.iter), after_train=None
    )
    Idle(hook).train(0, 2)
    assert seen == ["begin", 0, 1]
    assert hook._after_step is None


def test_time_is_put_from_the_warmup_on(caplog):
    t = Idle(hooks.IterationTimer(warmup_iter=3))
    with caplog.at_level(logging.INFO):
        t.train(10, 16)
    assert [i for _, i in t.storage.history("time").values()] == [12, 13, 14, 15]
    assert "Overall training speed: 4 iterations" in caplog.text
    assert "Total training time" in caplog.text


def test_timer_survives_a_training_that_fails_before_it_begins():
    def fail(trainer):
        raise KeyError("data")

    with pytest.raises(KeyError, match="data"):
        Idle(hooks.CallbackHook(before_train=fail), hooks.IterationTimer()).train(0, 2)


def test_writers_write_every_period_at_the_end_and_after():
    class Notes(EventWriter):
        def __init__(self):
            self.at, self.closed = [], False

        def write(self):
            self.at.append(t.iter)

        def close(self):
            self.closed = True

    writer = Notes()
    t = Idle(hooks.PeriodicWriter([writer], period=3))
    t.train(0, 7)
    assert writer.at == [2, 5, 6, 7]
    assert writer.closed


def test_checkpoints_are_named_as_detectron2_names_them():
    class File(Saves):
        path_manager = None

    checkpointer = File()
    Idle(hooks.PeriodicCheckpointer(checkpointer, 2)).train(0, 5)
    assert checkpointer.saved == [
        ("model_0000001", {"iteration": 1}),
        ("model_0000003", {"iteration": 3}),
        ("model_final", {"iteration": 4}),
    ]


def test_learning_rate_is_put_and_stepped():
    t = Idle(hooks.LRScheduler(scheduler=LinearParamScheduler(1.0, 0.0)))
    t.train(0, 4)
    assert [(v, i) for v, i in t.storage.history("lr").values()] == [(1, 0), (0.75, 1), (0.5, 2), (0.25, 3)]


def test_learning_rate_of_the_trainers_scheduler():
    hook = hooks.LRScheduler()
    t = Idle(hook)
    t.scheduler = torch.optim.lr_scheduler.StepLR(t.optimizer, 1, gamma=0.5)
    t.train(0, 3)
    assert [v for v, _ in t.storage.history("lr").values()] == [1, 0.5, 0.25]
    state = t.state_dict()["hooks"]["LRScheduler"]
    assert state["last_epoch"] == 3
    other = Idle(hooks.LRScheduler())
    other.scheduler = torch.optim.lr_scheduler.StepLR(other.optimizer, 1, gamma=0.5)
    other.load_state_dict({"iteration": 2, "hooks": {"LRScheduler": state}})
    assert other.scheduler.last_epoch == 3


@pytest.mark.parametrize(
    "groups, best",
    [
        ([(1, 0.1), (5, 0.2), (2, 0.3)], 1),  # the largest group
        ([(1, 0.1), (1, 0.2), (1, 0.2)], 1),  # one parameter each: the most frequent rate
    ],
)
def test_group_whose_rate_is_shown(groups, best):
    optimizer = torch.optim.SGD(
        [{"params": [nn.Parameter(torch.zeros(1)) for _ in range(n)], "lr": lr} for n, lr in groups]
    )
    assert hooks.LRScheduler.get_best_param_group_id(optimizer) == best


def test_evaluation_every_period_and_once_at_the_end():
    t = Idle(evaluation([1, 2, 3]))
    t.train(0, 6)  # after 2 and 4, and at the end in place of after 6
    assert t.storage.history("segm/AP").values() == [(1, 1), (2, 3), (3, 6)]


@pytest.mark.parametrize("period, after_train, times", [(0, True, 1), (2, False, 2), (0, False, 0)])
def test_evaluation_can_be_left_out(period, after_train, times):
    calls = []
    Idle(hooks.EvalHook(period, lambda: calls.append(1), eval_after_train=after_train)).train(0, 6)
    assert len(calls) == times


def test_no_evaluation_after_a_training_that_broke_off():
    def fail(trainer):
        raise KeyError("data")

    calls = []
    with pytest.raises(KeyError):
        Idle(hooks.CallbackHook(after_step=fail), hooks.EvalHook(0, lambda: calls.append(1))).train(0, 6)
    assert calls == []


def test_evaluation_must_give_numbers():
    with pytest.raises(ValueError, match="nested dict of numbers, but 'segm/AP' is 'high'"):
        Idle(evaluation(["high"])).train(0, 3)


@pytest.mark.parametrize(
    "mode, values, saved_at",
    [
        ("max", [10, 30, 20, 30, 40], [1, 3, 10]),  # an equal value does not win
        ("min", [10, 30, 20, 5, 5], [1, 7]),
        ("max", [math.nan, 3, math.inf, math.nan, 2], [3]),  # what is not finite never wins
    ],
)
def test_best_checkpoint(mode, values, saved_at):
    checkpointer = Saves()
    t = Idle(evaluation(values), hooks.BestCheckpointer(2, checkpointer, "segm/AP", mode))
    t.train(0, 10)
    assert checkpointer.saved == [("model_best", {"iteration": i}) for i in saved_at]


def test_best_checkpoint_without_its_metric(caplog):
    checkpointer = Saves()
    with caplog.at_level(logging.WARNING):
        Idle(evaluation([1, 2]), hooks.BestCheckpointer(2, checkpointer, "bbox/AP")).train(0, 4)
    assert checkpointer.saved == []
    assert "No metric bbox/AP to choose the best model by; there are: segm/AP." in caplog.text
    with pytest.raises(ValueError, match='mode must be "max" or "min", but is \'best\''):
        hooks.BestCheckpointer(2, checkpointer, "bbox/AP", mode="best")


def test_best_checkpoint_is_remembered_over_a_resume():
    first, second = Saves(), Saves()
    t = Idle(evaluation([50, 50]), hooks.BestCheckpointer(2, first, "segm/AP"))
    t.train(0, 4)
    resumed = Idle(evaluation([40, 60]), hooks.BestCheckpointer(2, second, "segm/AP"))
    resumed.load_state_dict(t.state_dict())
    resumed.train(4, 8)
    assert second.saved == [("model_best", {"iteration": 8})]  # not the 40 of iteration 5


def test_precise_statistics_are_those_of_the_data():
    model = nn.Sequential(nn.BatchNorm1d(1, momentum=0.01))
    model.train()
    data = [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])]
    Idle(hooks.PreciseBN(2, model, data * 3, num_iter=2)).train(0, 5)  # after 2, 4 and 5 iterations
    assert model[0].running_mean.item() == pytest.approx(4)
    assert model[0].running_var.item() == pytest.approx(5)  # the population variance of 1, 3, 5, 7
    assert model[0].momentum == 0.01


def test_precise_statistics_without_batch_norm(caplog):
    with caplog.at_level(logging.INFO):
        hook = hooks.PreciseBN(1, nn.Linear(1, 1), None, 10)
    hook.update_stats()
    assert "PreciseBN is disabled" in caplog.text


def test_profilers_leave_a_trace(tmp_path):
    at_one = lambda trainer: trainer.iter == 1  # noqa: E731
    Idle(
        hooks.TorchProfiler(at_one, str(tmp_path / "chrome"), save_tensorboard=False),
    ).train(0, 3)
    Idle(hooks.AutogradProfiler(at_one, str(tmp_path / "autograd"))).train(0, 3)
    Idle(hooks.TorchProfiler(at_one, str(tmp_path / "board"))).train(0, 3)
    assert os.listdir(tmp_path / "chrome") == ["profiler-trace-iter1.json"]
    assert os.listdir(tmp_path / "autograd") == ["profiler-trace-iter1.json"]
    assert os.listdir(tmp_path / "board" / "log") == ["profiler-tensorboard-iter1"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
def test_memory_is_not_told_without_a_gpu(caplog):
    with caplog.at_level(logging.INFO, logger="detectron2.engine.hooks"):
        Idle(hooks.TorchMemoryStats(period=1)).train(0, 2)
    assert "mem" not in caplog.text


def test_last_evaluation_reaches_metrics_json(tmp_path):
    path = tmp_path / "metrics.json"
    Idle(evaluation([1, 2]), hooks.PeriodicWriter([JSONWriter(str(path))])).train(0, 4)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows[-1] == {"iteration": 4, "segm/AP": 2.0}
