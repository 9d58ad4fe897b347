"""The norm of the gradient, as a whole and by part of the model: which part moves, and which blows up."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, HookBase
from detectron2.utils import comm
from torch import nn

from maskrcnn_project.training.hooks.metric import is_due
from maskrcnn_project.training.hooks.registry import HOOK_REGISTRY

PREFIX = "gradient_norm/"
TOTAL = "total"


@HOOK_REGISTRY.register()
class GradientNorms(HookBase):
    """
    Logs ``gradient_norm/total`` and ``gradient_norm/backbone`` and the like every ``period`` iterations: the L2 norm
    before any clipping, with the loss scale of float16 taken out.
    """

    trainer: DefaultTrainer

    def __init__(self, period: int, depth: int):
        """``depth``: how many levels of a parameter's name make a part."""
        if period < 1 or depth < 1:
            raise ValueError(f"HOOKS.GradientNorms.PERIOD and DEPTH must be at least 1, but are {period} and {depth}.")
        self.period = period
        self.depth = depth

    @classmethod
    def from_config(cls, cfg: CfgNode) -> GradientNorms:
        return cls(cfg.HOOKS.GradientNorms.PERIOD, cfg.HOOKS.GradientNorms.DEPTH)

    def after_backward(self) -> None:
        # the gradients of all processes are the same by now
        if not is_due(self.trainer.iter, self.period) or not comm.is_main_process():
            return
        parameters = self.trainer.checkpointer.model.named_parameters()
        scale = loss_scale(self.trainer)
        for part, norm in gradient_norms(parameters, self.depth).items():
            self.trainer.storage.put_scalar(PREFIX + part, norm / scale, smoothing_hint=False)


def gradient_norms(parameters: Iterable[tuple[str, nn.Parameter]], depth: int) -> dict[str, float]:
    """
    The L2 norm of the gradients of each part (the first ``depth`` levels of the names), and ``total``, of all. Parts
    without a gradient are left out. One transfer from the device.
    """
    norms: dict[str, list[torch.Tensor]] = {}
    for name, parameter in parameters:
        if parameter.grad is not None:
            part = ".".join(name.split(".")[:-1][:depth]) or name
            norms.setdefault(part, []).append(parameter.grad.detach().float().norm())
    if not norms:
        return {TOTAL: 0.0}
    parts = torch.stack([torch.stack(values).norm() for values in norms.values()])
    values = torch.cat([parts.norm()[None], parts]).tolist()
    return dict(zip([TOTAL, *norms], values, strict=True))


def loss_scale(trainer: DefaultTrainer) -> float:
    """By what the losses are multiplied before the backward pass: float16 has no room for small gradients."""
    scaler = getattr(trainer._trainer, "grad_scaler", None)
    return scaler.get_scale() if scaler is not None else 1.0
