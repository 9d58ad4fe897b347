"""Learning rate schedules, by values that can be checked by hand."""

import math

import pytest
import torch
from detectron2.solver import LRMultiplier, WarmupCosineLR, WarmupMultiStepLR, WarmupParamScheduler
from fvcore.common.param_scheduler import (
    ConstantParamScheduler,
    CosineParamScheduler,
    LinearParamScheduler,
    MultiStepParamScheduler,
)


def optimizer(lr=1.0, groups=1):
    return torch.optim.SGD(
        [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr * (i + 1)} for i in range(groups)]
    )


def rates(scheduler, steps):
    taken = []
    for _ in range(steps):
        taken.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return taken


def test_linear_warmup_then_steps():
    # 10 iterations, 4 of them warm-up from 0.2 to 1, then a tenth from iteration 8 on
    steps = MultiStepParamScheduler(values=[1.0, 0.1], milestones=[8], num_updates=10)
    scheduler = LRMultiplier(optimizer(), WarmupParamScheduler(steps, 0.2, 0.4), max_iter=10)
    assert rates(scheduler, 10) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 0.1, 0.1])


def test_constant_warmup_keeps_its_factor():
    steps = MultiStepParamScheduler(values=[1.0, 0.1], milestones=[4], num_updates=5)
    scheduler = LRMultiplier(optimizer(2.0), WarmupParamScheduler(steps, 0.25, 0.4, "constant"), max_iter=5)
    assert rates(scheduler, 5) == pytest.approx([0.5, 0.5, 2, 2, 0.2])


@pytest.mark.parametrize(
    "rescale, after_half",
    [
        (False, 0.5),  # the decay from 1 to 0 goes on where it would be without warm-up
        (True, 1.0),  # it begins when the warm-up ends
    ],
)
def test_rescale_interval_moves_the_start_of_the_schedule(rescale, after_half):
    schedule = WarmupParamScheduler(LinearParamScheduler(1.0, 0.0), 0.0, 0.5, rescale_interval=rescale)
    assert schedule(0.0) == 0
    assert schedule(0.5 - 1e-5) == pytest.approx(after_half, abs=1e-3)  # warm-up meets the schedule
    assert schedule(0.5) == pytest.approx(after_half)
    assert schedule(1.0) == pytest.approx(0)


@pytest.mark.parametrize("length", [0.0, 1.0])
def test_warmup_may_be_none_or_all_of_the_training(length):
    schedule = WarmupParamScheduler(CosineParamScheduler(1, 0), 0.1, length)
    assert schedule(0.0) == pytest.approx(1.0 if length == 0 else 0.1)


def test_warmup_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="one of linear, constant, but is 'burnin'"):
        WarmupParamScheduler(ConstantParamScheduler(1), 0.1, 0.5, "burnin")
    with pytest.raises(ValueError, match=r"fraction of the training in \[0, 1\], but is 1000"):
        WarmupParamScheduler(ConstantParamScheduler(1), 0.1, 1000)


def test_multiplier_scales_each_group_and_goes_on_from_its_state():
    cosine = CosineParamScheduler(1, 0)
    one = LRMultiplier(optimizer(groups=2), cosine, max_iter=4)
    rates(one, 2)
    assert [g["lr"] for g in one.optimizer.param_groups] == pytest.approx([0.5, 1.0])  # half way down, base 1 and 2
    state = one.state_dict()
    assert state == {"base_lrs": [1.0, 2.0], "last_epoch": 2}
    other = LRMultiplier(optimizer(groups=2), cosine, max_iter=4)
    other.load_state_dict(state)
    rates(one, 1)
    rates(other, 1)
    assert other.get_last_lr() == one.get_last_lr()


def test_multiplier_stays_at_its_end_and_wants_a_schedule_of_progress():
    scheduler = LRMultiplier(optimizer(), LinearParamScheduler(1.0, 0.5), max_iter=2)
    assert rates(scheduler, 5) == pytest.approx([1, 0.75, 0.5, 0.5, 0.5])
    with pytest.raises(ValueError, match="must be a fvcore.common.param_scheduler.ParamScheduler, but is a function"):
        LRMultiplier(optimizer(), lambda iteration: 1.0, max_iter=2)


def test_older_schedulers_count_iterations():
    multi = WarmupMultiStepLR(optimizer(), [3, 5], gamma=0.5, warmup_factor=0.0, warmup_iters=2)
    assert rates(multi, 6) == pytest.approx([0, 0.5, 1, 0.5, 0.5, 0.25])
    cosine = WarmupCosineLR(optimizer(), 4, warmup_factor=0.5, warmup_iters=1, warmup_method="constant")
    quarter = 0.5 * (1 + math.cos(math.pi / 4))
    assert rates(cosine, 4) == pytest.approx([0.5, quarter, 0.5, 1 - quarter])
    with pytest.raises(ValueError, match="milestones must increase"):
        WarmupMultiStepLR(optimizer(), [5, 3])
