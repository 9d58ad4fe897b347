"""From ``cfg.SOLVER`` to an optimizer with its parameter groups, gradient clipping and schedule."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.solver.lr_scheduler import LRMultiplier, WarmupParamScheduler
from fvcore.common.param_scheduler import (
    CosineParamScheduler,
    MultiStepParamScheduler,
    ParamScheduler,
    StepWithFixedGammaParamScheduler,
)
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

logger = logging.getLogger(__name__)

# Layers whose weights scale or shift normalised activations: decaying them only changes the effective step.
NORM_LAYERS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.GroupNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.LayerNorm,
    nn.LocalResponseNorm,
)


class GradientClipType(Enum):
    """What ``SOLVER.CLIP_GRADIENTS.CLIP_TYPE`` may be."""

    VALUE = "value"  # every element into [-CLIP_VALUE, CLIP_VALUE]
    NORM = "norm"  # the norm of each parameter's gradient, one by one
    FULL_MODEL = "full_model"  # the norm of all gradients together


def build_optimizer(cfg: CfgNode, model: nn.Module) -> Optimizer:
    """SGD over the trainable parameters of ``model`` as ``cfg.SOLVER`` says, with clipping if enabled."""
    solver = cfg.SOLVER
    groups = get_default_optimizer_params(
        model,
        base_lr=solver.BASE_LR,
        weight_decay_norm=solver.WEIGHT_DECAY_NORM,
        bias_lr_factor=solver.BIAS_LR_FACTOR,
        weight_decay_bias=solver.WEIGHT_DECAY_BIAS,
    )
    optimizer = torch.optim.SGD(
        groups,
        lr=solver.BASE_LR,
        momentum=solver.MOMENTUM,
        nesterov=solver.NESTEROV,
        weight_decay=solver.WEIGHT_DECAY,
        foreach=True,  # a few large kernels in place of several for each parameter
    )
    return maybe_add_gradient_clipping(cfg, optimizer)


def get_default_optimizer_params(
    model: nn.Module,
    base_lr: float | None = None,
    weight_decay: float | None = None,
    weight_decay_norm: float | None = None,
    bias_lr_factor: float | None = 1.0,
    weight_decay_bias: float | None = None,
    lr_factor_func: Callable | None = None,
    overrides: dict[str, dict[str, float]] | None = None,
) -> list[dict[str, Any]]:
    """
    Parameter groups for a torch optimizer; what is None is left to the optimizer's own default.

    Args:
        model: its parameters that require gradients are listed, each once.
        base_lr: learning rate of every group.
        weight_decay: of every group.
        weight_decay_norm: of the parameters of normalisation layers.
        bias_lr_factor: multiplies ``base_lr`` for parameters named ``bias``.
        weight_decay_bias: of parameters named ``bias``, those of normalisation layers included.
        lr_factor_func: full parameter name -> factor on ``base_lr``.
        overrides: last part of a parameter's name -> hyperparameters, which win over all the above.

    Returns:
        Groups of equal hyperparameters, in the order of their first parameter.

    Raises:
        ValueError: a factor without ``base_lr``, or two prescriptions for ``bias``.
    """
    by_name = _add_bias_override(overrides or {}, base_lr, bias_lr_factor, weight_decay_bias)
    if lr_factor_func is not None and base_lr is None:
        raise ValueError("lr_factor_func needs base_lr, which is None.")
    common = {"lr": base_lr, "weight_decay": weight_decay}
    common = {key: value for key, value in common.items() if value is not None}
    groups: list[dict[str, Any]] = []
    for full_name, name, module, parameter in _trainable(model):
        values: dict[str, Any] = dict(common)
        if isinstance(module, NORM_LAYERS) and weight_decay_norm is not None:
            values["weight_decay"] = weight_decay_norm
        if lr_factor_func is not None:
            values["lr"] *= lr_factor_func(full_name)
        values.update(by_name.get(name, {}))
        groups.append({"params": [parameter], **values})
    return reduce_param_groups(groups)


def reduce_param_groups(params: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Joins groups of equal hyperparameters, so that the optimizer's kernels take many parameters at once.

    Args:
        params: torch parameter groups; a parameter that appears twice takes the hyperparameters of its last
            group, over those of the first.
    """
    settings: dict[int, dict[str, Any]] = {}
    parameters: dict[int, torch.Tensor] = {}
    for group in params:
        values = {key: value for key, value in group.items() if key != "params"}
        for parameter in group["params"]:
            parameters[id(parameter)] = parameter
            settings.setdefault(id(parameter), {}).update(values)
    merged: dict[tuple, dict[str, Any]] = {}
    for key, values in settings.items():
        signature = tuple(sorted(values.items()))
        merged.setdefault(signature, {"params": [], **values})["params"].append(parameters[key])
    return list(merged.values())


def maybe_add_gradient_clipping(cfg: CfgNode, optimizer: Any) -> Any:
    """
    Makes an optimizer clip gradients right before each step, if ``cfg.SOLVER.CLIP_GRADIENTS.ENABLED``.

    Args:
        cfg: the whole config.
        optimizer: an optimizer, or a class of optimizers.

    Returns:
        The same optimizer, or a subclass of the class. A GradScaler unscales the gradients before.

    Raises:
        ValueError: an unknown ``CLIP_TYPE``.
    """
    if not cfg.SOLVER.CLIP_GRADIENTS.ENABLED:
        return optimizer
    clip = _clipper(cfg.SOLVER.CLIP_GRADIENTS)

    def clip_before_step(stepping: Optimizer, args: Any, kwargs: Any) -> None:
        clip([p for group in stepping.param_groups for p in group["params"] if p.grad is not None])

    if isinstance(optimizer, Optimizer):
        optimizer.register_step_pre_hook(clip_before_step)
        return optimizer

    def init_with_clipping(self: Any, *args: Any, **kwargs: Any) -> None:
        optimizer.__init__(self, *args, **kwargs)
        self.register_step_pre_hook(clip_before_step)

    return type(f"{optimizer.__name__}WithGradientClip", (optimizer,), {"__init__": init_with_clipping})


def build_lr_scheduler(cfg: CfgNode, optimizer: Optimizer) -> LRScheduler:
    """
    The schedule that ``cfg.SOLVER`` describes, warm-up included.

    Raises:
        ValueError: an unknown ``LR_SCHEDULER_NAME``, or ``BASE_LR_END`` outside [0, BASE_LR].
    """
    solver = cfg.SOLVER
    multiplier = WarmupParamScheduler(
        _decay(solver),
        solver.WARMUP_FACTOR,
        min(solver.WARMUP_ITERS / solver.MAX_ITER, 1.0),
        solver.WARMUP_METHOD,
        solver.RESCALE_INTERVAL,
    )
    return LRMultiplier(optimizer, multiplier=multiplier, max_iter=solver.MAX_ITER)


class _StepsToTheEnd(StepWithFixedGammaParamScheduler):
    """fvcore's class is undefined at progress 1, which is asked for after the last iteration."""

    def __call__(self, where: float) -> float:
        return super().__call__(min(where, 1 - 2 * self.WHERE_EPSILON))


def _decay(solver: CfgNode) -> ParamScheduler:
    """The schedule after the warm-up, as a factor on BASE_LR."""
    name = solver.LR_SCHEDULER_NAME
    if name == "WarmupMultiStepLR":
        return _multi_step(solver.STEPS, solver.GAMMA, solver.MAX_ITER)
    if name == "WarmupCosineLR":
        if not 0 <= solver.BASE_LR_END <= solver.BASE_LR:
            raise ValueError(
                f"SOLVER.BASE_LR_END must lie in [0, SOLVER.BASE_LR = {solver.BASE_LR}], but is {solver.BASE_LR_END}."
            )
        return CosineParamScheduler(1, solver.BASE_LR_END / solver.BASE_LR)
    if name == "WarmupStepWithFixedGammaLR":
        return _StepsToTheEnd(
            base_value=1.0, num_decays=solver.NUM_DECAYS, gamma=solver.GAMMA, num_updates=solver.MAX_ITER
        )
    raise ValueError(
        "SOLVER.LR_SCHEDULER_NAME must be WarmupMultiStepLR, WarmupCosineLR or WarmupStepWithFixedGammaLR, "
        f"but is {name!r}."
    )


def _multi_step(steps: Iterable[int], gamma: float, max_iter: int) -> ParamScheduler:
    """A factor ``gamma`` at each of ``steps`` (iterations); those at or past the end can have no effect."""
    steps = list(steps)
    reached = [step for step in steps if step < max_iter]
    if any(step > max_iter for step in steps):
        logger.warning(
            "SOLVER.STEPS %s reach past SOLVER.MAX_ITER %d: only %s will be taken.", steps, max_iter, reached
        )
    values = [gamma**k for k in range(len(reached) + 1)]
    return MultiStepParamScheduler(values=values, milestones=reached, num_updates=max_iter)


def _add_bias_override(
    overrides: dict[str, dict[str, float]],
    base_lr: float | None,
    bias_lr_factor: float | None,
    weight_decay_bias: float | None,
) -> dict[str, dict[str, float]]:
    """``overrides`` with what the two arguments about biases add to them."""
    bias = {}
    if bias_lr_factor is not None and bias_lr_factor != 1.0:
        # A factor of 1 needs no entry of its own, so that biases share the group of the weights.
        if base_lr is None:
            raise ValueError(f"bias_lr_factor {bias_lr_factor} needs base_lr, which is None.")
        bias["lr"] = base_lr * bias_lr_factor
    if weight_decay_bias is not None:
        bias["weight_decay"] = weight_decay_bias
    if bias and "bias" in overrides:
        raise ValueError("Hyperparameters of biases are given twice: in overrides['bias'] and by their own arguments.")
    return {**overrides, "bias": bias} if bias else overrides


def _trainable(model: nn.Module) -> Iterator[tuple[str, str, nn.Module, nn.Parameter]]:
    """(full name, last part of the name, owning module, parameter), each parameter once, in module order."""
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                yield (f"{prefix}.{name}" if prefix else name), name, module, parameter


def _clipper(settings: CfgNode) -> Callable[[list[torch.Tensor]], None]:
    """The function that clips the gradients of parameters in place, without waiting for the device."""
    known = [kind.value for kind in GradientClipType]
    if settings.CLIP_TYPE not in known:
        raise ValueError(
            f"SOLVER.CLIP_GRADIENTS.CLIP_TYPE must be one of {', '.join(known)}, but is {settings.CLIP_TYPE!r}."
        )
    kind, limit, norm_type = GradientClipType(settings.CLIP_TYPE), settings.CLIP_VALUE, settings.NORM_TYPE

    def clip(parameters: list[torch.Tensor]) -> None:
        if kind is GradientClipType.VALUE:
            nn.utils.clip_grad_value_(parameters, limit)
        elif kind is GradientClipType.FULL_MODEL:
            nn.utils.clip_grad_norm_(parameters, limit, norm_type)
        else:
            for parameter in parameters:
                nn.utils.clip_grad_norm_(parameter, limit, norm_type)

    return clip
