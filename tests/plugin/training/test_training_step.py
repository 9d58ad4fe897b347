import copy
import json
import math

import pytest
import torch
from detectron2.engine import AMPTrainer, HookBase, SimpleTrainer
from detectron2.modeling import build_model
from detectron2.solver.build import maybe_add_gradient_clipping
from detectron2.utils.events import EventStorage
from torch import nn

from maskrcnn_project.config import get_config
from maskrcnn_project.training.training_step import TrainingStep, begin_reading
from tests.contract.tiny import tiny_batch, tiny_cfg
from tests.plugin.training.hooks.small_training import RaisingModel, SmallModel, SmallTrainer, batches


class FrozenNorm(SmallModel):
    """The norm takes its statistics from elsewhere, as frozen batch norms do: a batch's size is nothing to it."""

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self


def steps(model, loader, number, accumulate, precision=None, clip=None):
    """The model after ``number`` steps of SGD with momentum, and what was logged."""
    kind = torch.optim.SGD
    if clip is not None:
        cfg = get_config(None, ["SOLVER.CLIP_GRADIENTS.ENABLED", "True", "SOLVER.CLIP_GRADIENTS.CLIP_VALUE", str(clip)])
        kind = maybe_add_gradient_clipping(cfg, kind)
    optimizer = kind(model.parameters(), lr=0.1, momentum=0.9)
    step = TrainingStep(model, loader, optimizer, HookBase(), accumulate, precision)
    if precision is torch.float16:  # from the usual 65536 the first steps may overflow, which leaves them out
        step.grad_scaler = torch.amp.GradScaler("cpu", init_scale=16.0)
    with EventStorage() as storage:
        for step.iter in range(number):
            step.run_step()
        return model, storage


def joined(loader, number):
    """Batches ``number`` times as large."""
    while True:
        yield [sample for _ in range(number) for sample in next(loader)]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("precision", "clip"), [(None, None), (None, 0.05), (torch.bfloat16, None), (torch.float16, 0.05)]
)
def test_accumulated_batches_are_one_large_batch(precision, clip):
    model = FrozenNorm()
    parts, logged = steps(copy.deepcopy(model), batches(size=2), 3, 4, precision, clip)
    whole, logged_of_whole = steps(copy.deepcopy(model), joined(batches(size=2), 4), 3, 1, precision, clip)
    tolerance = 1e-6 if precision is None else 2e-3  # the mean over a batch is taken in the lower precision
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, rtol=0, atol=tolerance)
    assert not torch.equal(model.head.weight, parts.head.weight)
    for name in ("total_loss", "loss_a", "loss_b"):
        assert logged.history(name).latest() == pytest.approx(logged_of_whole.history(name).latest(), abs=1e-2)


def test_an_unclipped_step_would_differ():
    model = FrozenNorm()
    clipped, _ = steps(copy.deepcopy(model), batches(), 1, 2, clip=0.01)
    free, _ = steps(copy.deepcopy(model), batches(), 1, 2)
    assert not torch.allclose(clipped.head.weight, free.head.weight, atol=1e-3)


@pytest.mark.parametrize("precision", [None, torch.bfloat16, torch.float16])
def test_one_batch_a_step_is_detectron2s_own_step(precision):
    model = SmallModel()
    ours, _ = steps(copy.deepcopy(model), batches(), 4, 1, precision)
    theirs = copy.deepcopy(model)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    if precision is None:
        trainer = SimpleTrainer(theirs, batches(), optimizer)
    else:
        scaler = torch.amp.GradScaler("cpu", init_scale=16.0, enabled=precision is torch.float16)
        trainer = AMPTrainer(theirs, batches(), optimizer, precision=precision, grad_scaler=scaler)
    trainer.train(0, 4)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name


def test_the_schedule_counts_steps_of_the_optimizer(tmp_path):
    trainer = SmallTrainer(tmp_path, max_iter=4, accumulate=3)
    trainer.run()
    # from 1.0 to 0.5 over four iterations, whatever the number of batches in one
    assert [lr for lr, _ in trainer.storage.history("lr").values()] == pytest.approx([0.1, 0.0875, 0.075, 0.0625])
    seen = next(trainer._trainer._data_loader_iter)[0]["file_name"]
    assert seen == "12_0.png"


class Moments(HookBase):
    def __init__(self):
        self.seen = []

    def before_step(self):
        self.seen.append("before_step")

    def after_backward(self):
        gradient = self.trainer.model.head.weight.grad
        self.seen.append("after_backward" if gradient is not None and gradient.abs().sum() > 0 else "no gradient")

    def after_step(self):
        self.seen.append("after_step")


def test_hooks_of_the_outer_trainer_see_each_moment_once(tmp_path):
    moments = Moments()
    SmallTrainer(tmp_path, [moments], max_iter=2, accumulate=2).run()
    assert moments.seen == ["before_step", "after_backward", "after_step"] * 2


def test_a_loss_that_is_not_finite_ends_the_training_before_the_weights_are_touched(tmp_path):
    trainer = SmallTrainer(tmp_path, broken={1}, model=SmallModel(norm=False))
    with pytest.raises(FloatingPointError, match=r"infinite or NaN at iteration 1 \(loss_a = nan, loss_b = nan\)"):
        trainer.run()
    assert torch.isfinite(trainer.model.head.weight).all()


def test_a_forward_pass_that_raises_ends_the_training_with_what_it_said(tmp_path):
    trainer = SmallTrainer(tmp_path, broken={1}, model=RaisingModel(norm=False))
    with pytest.raises(FloatingPointError, match="The forward pass failed at iteration 1: Predicted boxes or scores"):
        trainer.run()
    assert torch.isfinite(trainer.model.head.weight).all()


def test_another_error_of_the_forward_pass_is_not_held_back(tmp_path):
    class Bug(SmallModel):
        def forward(self, batch):
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        SmallTrainer(tmp_path, model=Bug()).run()


def test_the_state_of_the_scaler_goes_on():
    def made():
        model = SmallModel()
        return TrainingStep(model, batches(), torch.optim.SGD(model.parameters(), 0.1), HookBase(), 1, torch.float16)

    first, second = made(), made()
    first.max_iter = 1
    first.grad_scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    with EventStorage():
        first.run_step()
    second.load_state_dict(first.state_dict())
    assert second.grad_scaler.get_scale() == 8.0
    json.dumps(first.state_dict()["grad_scaler"])  # plain values: a checkpoint must load without running code


def test_float16_leaves_out_a_step_that_overflows_by_itself():
    model = SmallModel(norm=False)
    step = TrainingStep(model, batches(), torch.optim.SGD(model.parameters(), 0.1), HookBase(), 1, torch.float16)
    step.grad_scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    before = model.head.weight.clone()
    with EventStorage():
        step.run_step()
    assert torch.equal(model.head.weight, before)
    assert step.grad_scaler.get_scale() == 2.0**126


def test_no_batches_are_refused():
    model = nn.Linear(1, 1)
    with pytest.raises(ValueError, match="ACCUMULATE_STEPS must be at least 1, but is 0"):
        TrainingStep(model, (), torch.optim.SGD(model.parameters(), 0.1), HookBase(), 0)


def test_losses_are_read_as_numbers():
    read = begin_reading({"a": torch.tensor(1.5), "b": torch.tensor([math.inf])})
    assert read() == {"a": 1.5, "b": math.inf}


def test_mask_rcnn_accumulated_is_mask_rcnn_of_a_large_batch(monkeypatch):
    """Boxes only: the mask loss is a mean over foreground regions, of which two pictures may have unequal numbers."""
    monkeypatch.setattr(torch, "randperm", lambda n, **_: torch.arange(n))  # else other regions are sampled
    cfg = tiny_cfg()
    cfg.MODEL.MASK_ON = False
    torch.manual_seed(0)
    model = build_model(cfg)
    first = tiny_batch()[0]
    second = {**first, "image": first["image"].flip(0)}  # of one size, as the larger of a batch pads the smaller
    parts, _ = steps(copy.deepcopy(model), iter([[first], [second]]), 1, 2)
    whole, _ = steps(copy.deepcopy(model), iter([[first, second]]), 1, 1)
    moved = 0.0
    for (name, value), before in zip(whole.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(dict(parts.named_parameters())[name], value, rtol=0, atol=2e-6, msg=name)
        moved = max(moved, float((value - before).detach().abs().max()))
    assert moved > 1e-3
