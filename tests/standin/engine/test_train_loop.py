"""The loop: order of hooks, losses, exact resuming, errors."""

import itertools
import logging
import math
import weakref

import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import AMPTrainer, HookBase, SimpleTrainer, TrainerBase, hooks
from detectron2.utils.events import EventStorage, get_event_storage
from torch import nn


class Regression(nn.Module):
    """Two losses of a linear layer; a batch is a tensor (B, 3)."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.linear = nn.Linear(3, 1)

    def forward(self, batch):
        out = self.linear(batch)
        return {"loss_square": (out - batch.sum(1, keepdim=True)).square().mean(), "loss_size": 0.01 * out.abs().mean()}


def batches():
    """An endless, fixed sequence."""
    generator = torch.Generator().manual_seed(3)
    fixed = [torch.randn(4, 3, generator=generator) for _ in range(3)]
    return itertools.cycle(fixed)


def trainer(kind=SimpleTrainer, model=None, **kwargs):
    model = model or Regression()
    return kind(model, batches(), torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), **kwargs)


class Recorder(HookBase):
    """Writes down each call."""

    def __init__(self, name, log):
        self.name = name
        self.log = log

    def note(self, event):
        self.log.append((event, self.name, self.trainer.iter))

    def before_train(self):
        self.note("before_train")

    def after_train(self):
        self.note("after_train")

    def before_step(self):
        self.note("before_step")

    def after_backward(self):
        assert self.trainer.model.linear.weight.grad is not None
        self.note("after_backward")

    def after_step(self):
        self.note("after_step")


def test_order_of_hooks():
    log = []
    t = trainer()
    t.register_hooks([Recorder("a", log), None, Recorder("b", log)])
    t.train(5, 7)
    moments = [("before_train", 5)]
    moments += [(m, i) for i in (5, 6) for m in ("before_step", "after_backward", "after_step")]
    moments += [("after_train", 7)]  # after the end, by which a hook knows that the training finished
    assert log == [(moment, name, i) for moment, i in moments for name in ("a", "b")]


def test_hooks_do_not_keep_the_trainer_alive():
    t = trainer()
    hook = Recorder("a", [])
    t.register_hooks([hook])
    gone = weakref.ref(t)
    del t
    assert gone() is None
    with pytest.raises(AssertionError, match="a hook must be a HookBase, but is a int"):
        trainer().register_hooks([3])


def test_after_train_runs_after_an_exception(caplog):
    class Broken(TrainerBase):
        def run_step(self):
            raise ZeroDivisionError("step")

    log = []
    t = Broken()
    t.register_hooks([Recorder("a", log)])
    with caplog.at_level(logging.ERROR), pytest.raises(ZeroDivisionError):
        t.train(0, 3)
    assert [event for event, _, _ in log] == ["before_train", "before_step", "after_train"]
    assert t.iter == 0  # not max_iter: it was interrupted
    assert "Exception during training" in caplog.text
    with pytest.raises(NotImplementedError, match="TrainerBase must define run_step"):
        TrainerBase().run_step()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_metrics_of_each_iteration(asynchronous):
    t = trainer(async_write_metrics=asynchronous)
    t.train(0, 4)
    history = {name: h.values() for name, h in t.storage.histories().items()}
    assert {"loss_square", "loss_size", "total_loss", "data_time"} <= history.keys()
    for (square, i), (size, _), (total, j) in zip(
        history["loss_square"], history["loss_size"], history["total_loss"], strict=True
    ):
        assert i == j
        assert total == pytest.approx(square + size)
    assert [i for _, i in history["total_loss"]] == [0, 1, 2, 3]


def test_metrics_are_gathered_every_so_often():
    t = trainer(gather_metric_period=2)
    t.train(0, 5)
    assert [i for _, i in t.storage.history("total_loss").values()] == [1, 3]


def test_a_single_loss_is_the_total():
    class One(Regression):
        def forward(self, batch):
            return super().forward(batch)["loss_square"]

    t = trainer(model=One())
    t.train(0, 2)
    assert len(t.storage.history("total_loss").values()) == 2


def test_one_step_is_one_step_of_gradient_descent():
    model, twin = Regression(), Regression()
    t = trainer(model=model)
    t.train(0, 1)
    sum(twin(next(batches())).values()).backward()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q - 0.1 * q.grad, rtol=0, atol=1e-7)


def test_clearing_gradients_before_or_after_the_forward_pass_is_the_same():
    one, other = trainer(), trainer(zero_grad_before_forward=True)
    one.train(0, 3)
    other.train(0, 3)
    assert torch.equal(one.model.linear.weight, other.model.linear.weight)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_loss_that_is_not_finite_names_iteration_and_losses(bad, asynchronous):
    class Breaking(Regression):
        calls = 0

        def forward(self, batch):
            self.calls += 1
            losses = super().forward(batch)
            return {**losses, "loss_bad": losses["loss_size"] * (bad if self.calls == 3 else 1)}

    model = Breaking()
    t = trainer(model=model, async_write_metrics=asynchronous)
    with pytest.raises(FloatingPointError, match=rf"at iteration 2 \(loss_square = .*, loss_bad = {bad}\)"):
        t.train(0, 10)
    if not asynchronous:
        assert torch.isfinite(model.linear.weight).all()  # it did not reach the parameters


def test_write_metrics_for_trainers_of_ones_own():
    with EventStorage(9) as storage:
        SimpleTrainer.write_metrics({"a": torch.tensor(1.0), "b": torch.tensor([2.0])}, 0.25, 9, prefix="val_")
        latest = storage.latest()
    assert latest["val_total_loss"] == (3, 9)
    assert latest["b"] == (2, 9)
    assert latest["data_time"] == (0.25, 9)


def test_an_overridden_write_metrics_gets_tensors():
    class Own(SimpleTrainer):
        def _write_metrics(self, loss_dict, data_time, prefix="", iter=None):
            get_event_storage().put_scalar("mine", loss_dict["loss_size"].detach().cpu().item())

    t = trainer(Own)
    t.train(0, 2)
    assert len(t.storage.history("mine").values()) == 2


def test_loader_may_be_replaced():
    t = trainer()
    t.train(0, 1)
    t.reset_data_loader(lambda: itertools.repeat(torch.zeros(1, 3)))
    assert torch.equal(next(t._data_loader_iter), torch.zeros(1, 3))


def test_model_in_eval_mode_is_refused():
    t = trainer()
    t.model.eval()
    with pytest.raises(AssertionError, match="changed to eval mode"):
        t.train(0, 1)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_mixed_precision_trains_in_that_precision(precision):
    class Watching(Regression):
        def forward(self, batch):
            assert self.linear(batch).dtype == precision
            return super().forward(batch)

    t = trainer(AMPTrainer, Watching(), precision=precision, log_grad_scaler=True)
    before = t.model.linear.weight.clone()
    t.train(0, 3)
    assert not torch.equal(t.model.linear.weight, before)
    assert t.model.linear.weight.dtype == torch.float32
    # float16 needs its gradients scaled, bfloat16 has the range of float32
    assert (t.storage.history("[metric]grad_scaler").latest() > 1) == (precision == torch.float16)


class Losing(HookBase):
    """A hook with state."""

    def __init__(self):
        self.seen = []

    def after_step(self):
        self.seen.append(self.trainer.iter)

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


def make_scheduled_trainer(kind, folder, position=0):
    t = trainer(kind)
    for _ in range(position):
        next(t._data_loader_iter)  # the fixed sequence goes on where it was
    t.scheduler = torch.optim.lr_scheduler.ExponentialLR(t.optimizer, 0.7)
    checkpointer = DetectionCheckpointer(t.model, str(folder), trainer=weakref.proxy(t))
    t.register_hooks([hooks.LRScheduler(), Losing(), Losing(), hooks.PeriodicCheckpointer(checkpointer, 3)])
    return t, checkpointer


@pytest.mark.parametrize("kind", [SimpleTrainer, AMPTrainer])
def test_resumed_training_is_the_same_bit_for_bit(tmp_path, kind):
    whole, _ = make_scheduled_trainer(kind, tmp_path / "whole")
    whole.train(0, 6)

    first, _ = make_scheduled_trainer(kind, tmp_path / "parts")
    first.train(0, 3)
    second, checkpointer = make_scheduled_trainer(kind, tmp_path / "parts", position=3)
    checkpointer.resume_or_load("", resume=True)
    assert second.iter == 2  # the last that was finished
    second.train(second.iter + 1, 6)

    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name])
    one, other = whole.state_dict(), second.state_dict()
    assert one["iteration"] == other["iteration"] == 5
    assert one["hooks"] == other["hooks"]
    assert one["hooks"]["Losing"] == one["hooks"]["Losing#2"] == {"seen": [0, 1, 2, 3, 4, 5]}
    assert one["optimizer"]["param_groups"] == other["optimizer"]["param_groups"]
    for key, state in one["optimizer"]["state"].items():
        assert torch.equal(state["momentum_buffer"], other["optimizer"]["state"][key]["momentum_buffer"])


def test_state_of_a_hook_that_is_gone_is_passed_over(caplog):
    t = trainer()
    with caplog.at_level(logging.WARNING):
        TrainerBase.load_state_dict(t, {"iteration": 4, "hooks": {"Gone": {"x": 1}}})
    assert t.iter == 4
    assert "state of a hook Gone" in caplog.text
