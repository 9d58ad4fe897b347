"""Parameter groups, clipping and the schedules that ``cfg.SOLVER`` can ask for."""

import logging

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.solver import build_lr_scheduler, build_optimizer, get_default_optimizer_params
from detectron2.solver.build import maybe_add_gradient_clipping, reduce_param_groups
from torch import nn


@pytest.fixture
def model():
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Linear(2, 2, bias=False))


def hyperparameters_of(groups, parameter):
    found = [g for g in groups if any(p is parameter for p in g["params"])]
    assert len(found) == 1  # in one group alone
    return {k: v for k, v in found[0].items() if k != "params"}


def test_groups_by_kind_of_parameter(model):
    groups = get_default_optimizer_params(
        model, base_lr=0.1, weight_decay=1e-4, weight_decay_norm=0.0, bias_lr_factor=2.0, weight_decay_bias=1e-5
    )
    conv, norm, linear = model
    assert hyperparameters_of(groups, conv.weight) == {"lr": 0.1, "weight_decay": 1e-4}
    assert hyperparameters_of(groups, linear.weight) == {"lr": 0.1, "weight_decay": 1e-4}
    assert hyperparameters_of(groups, conv.bias) == {"lr": 0.2, "weight_decay": 1e-5}
    assert hyperparameters_of(groups, norm.weight) == {"lr": 0.1, "weight_decay": 0.0}
    assert hyperparameters_of(groups, norm.bias) == {"lr": 0.2, "weight_decay": 1e-5}  # a bias before a norm
    assert len(groups) == 3  # equal hyperparameters share a group


def test_groups_leave_out_frozen_and_repeated_parameters(model):
    model[0].weight.requires_grad_(False)
    twice = nn.ModuleList([model, model[2]])
    groups = get_default_optimizer_params(twice)
    assert [len(g["params"]) for g in groups] == [4]
    assert set(groups[0]) == {"params"}  # nothing was prescribed


def test_factor_by_name_and_overrides(model):
    groups = get_default_optimizer_params(
        model,
        base_lr=1.0,
        lr_factor_func=lambda name: 0.5 if name.startswith("0.") else 1.0,
        overrides={"bias": {"lr": 7.0}},
    )
    assert hyperparameters_of(groups, model[0].weight) == {"lr": 0.5}
    assert hyperparameters_of(groups, model[2].weight) == {"lr": 1.0}
    assert hyperparameters_of(groups, model[0].bias) == {"lr": 7.0}  # an override has the last word


def test_contradictions_are_refused(model):
    with pytest.raises(ValueError, match="bias_lr_factor 2.0 needs base_lr"):
        get_default_optimizer_params(model, bias_lr_factor=2.0)
    with pytest.raises(ValueError, match="given twice"):
        get_default_optimizer_params(model, weight_decay_bias=0.0, overrides={"bias": {"lr": 1.0}})
    with pytest.raises(ValueError, match="lr_factor_func needs base_lr"):
        get_default_optimizer_params(model, lr_factor_func=len)


def test_reduce_joins_equal_groups_in_order():
    a, b, c = (nn.Parameter(torch.zeros(1)) for _ in range(3))
    groups = reduce_param_groups(
        [{"params": [a], "lr": 1.0}, {"params": [b], "lr": 2.0}, {"params": [c], "lr": 1.0}, {"params": [b], "wd": 3}]
    )
    assert groups == [{"params": [a, c], "lr": 1.0}, {"params": [b], "lr": 2.0, "wd": 3}]


def test_optimizer_of_the_config(model):
    cfg = get_cfg()
    cfg.SOLVER.BASE_LR, cfg.SOLVER.MOMENTUM, cfg.SOLVER.NESTEROV = 0.3, 0.8, True
    optimizer = build_optimizer(cfg, model)
    assert isinstance(optimizer, torch.optim.SGD)
    assert all(g["momentum"] == 0.8 and g["nesterov"] and g["lr"] == 0.3 for g in optimizer.param_groups)
    assert sorted({g["weight_decay"] for g in optimizer.param_groups}) == [0.0, 1e-4]


def clip_gradients(clip_type, value, norm_type=2.0, make=None):
    """Gradients (3, 4) and (0, 12) after one step that clips them."""
    cfg = get_cfg()
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED = True
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_TYPE = clip_type
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_VALUE = value
    cfg.SOLVER.CLIP_GRADIENTS.NORM_TYPE = norm_type
    parameters = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 12.0])  # the third has none
    if make is None:
        optimizer = maybe_add_gradient_clipping(cfg, torch.optim.SGD(parameters, lr=1.0))
    else:
        optimizer = maybe_add_gradient_clipping(cfg, make)(parameters, lr=1.0)
    optimizer.step()
    return [(-p).tolist() for p in parameters[:2]]


@pytest.mark.parametrize(
    "clip_type, value, norm_type, expected",
    [
        ("value", 3.5, 2.0, [[3, 3.5], [0, 3.5]]),
        ("norm", 6.0, 2.0, [[3, 4], [0, 6]]),  # norms 5 and 12, one by one
        ("norm", 6.0, 1.0, [[18 / 7, 24 / 7], [0, 6]]),  # norms 7 and 12
        ("full_model", 6.5, 2.0, [[1.5, 2], [0, 6]]),  # norm 13 of all
    ],
)
def test_clipping(clip_type, value, norm_type, expected):
    for row, wanted in zip(clip_gradients(clip_type, value, norm_type), expected, strict=True):
        assert row == pytest.approx(wanted, rel=1e-5)


def test_clipping_of_a_class_of_optimizers():
    assert clip_gradients("value", 1.0, make=torch.optim.SGD) == [[1, 1], [0, 1]]


def test_clipping_also_works_under_a_learning_rate_scheduler():
    cfg = get_cfg()
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED = True
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = maybe_add_gradient_clipping(cfg, torch.optim.SGD([parameter], lr=1.0))
    torch.optim.lr_scheduler.StepLR(optimizer, 5)  # wraps optimizer.step
    parameter.grad = torch.tensor([50.0])
    optimizer.step()
    assert parameter.item() == -1


def test_unknown_clipping_is_refused():
    with pytest.raises(ValueError, match="CLIP_TYPE must be one of value, norm, full_model, but is 'median'"):
        clip_gradients("median", 1.0)


def schedule_of(name, **keys):
    cfg = get_cfg()
    cfg.SOLVER.LR_SCHEDULER_NAME, cfg.SOLVER.BASE_LR, cfg.SOLVER.WARMUP_ITERS = name, 1.0, 0
    for key, value in keys.items():
        cfg.SOLVER[key] = value
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=cfg.SOLVER.BASE_LR)
    scheduler = build_lr_scheduler(cfg, optimizer)
    rates = []
    for _ in range(cfg.SOLVER.MAX_ITER):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()  # also past the last iteration, as the hook does
    return rates


def test_multi_step_takes_only_the_steps_that_are_reached(caplog):
    with caplog.at_level(logging.WARNING):
        rates = schedule_of("WarmupMultiStepLR", MAX_ITER=6, STEPS=(2, 4, 6, 9), GAMMA=0.1)
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    assert "only [2, 4] will be taken" in caplog.text


def test_cosine_ends_where_the_config_says():
    rates = schedule_of("WarmupCosineLR", MAX_ITER=4, BASE_LR_END=0.2)
    assert rates == pytest.approx([1, 0.2 + 0.4 * (1 + 0.5**0.5), 0.6, 0.2 + 0.4 * (1 - 0.5**0.5)])
    with pytest.raises(ValueError, match=r"BASE_LR_END must lie in \[0, SOLVER.BASE_LR = 1.0\], but is 2.0"):
        schedule_of("WarmupCosineLR", MAX_ITER=4, BASE_LR_END=2.0)


def test_fixed_gamma_decays_at_equal_distances():
    rates = schedule_of("WarmupStepWithFixedGammaLR", MAX_ITER=6, NUM_DECAYS=2, GAMMA=0.5)
    assert rates == pytest.approx([1, 1, 0.5, 0.5, 0.25, 0.25])


def test_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="or WarmupStepWithFixedGammaLR, but is 'Poly'"):
        schedule_of("Poly", MAX_ITER=2)
