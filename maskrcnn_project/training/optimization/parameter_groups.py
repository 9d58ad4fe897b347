"""The optimizer: SGD or AdamW, with a learning rate of their own for the parts of the model that ask for one."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence

import torch
from detectron2.config import CfgNode
from detectron2.solver import get_default_optimizer_params
from detectron2.solver.build import maybe_add_gradient_clipping
from tabulate import tabulate
from torch import nn

from maskrcnn_project.modeling.freezing import part_of

logger = logging.getLogger(__name__)

# The residual network, whether or not a feature pyramid stands on it. The pyramid itself is no part of it.
BACKBONE = r"^backbone\.(bottom_up\.)?(stem|res\d)"


def build_optimizer(cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
    """
    The optimizer that ``cfg.SOLVER`` describes, with Detectron2's gradient clipping.

    The learning rate of a parameter is BASE_LR x the factor of its part (LR_FACTORS, BACKBONE_LR_FACTOR) x
    BIAS_LR_FACTOR where it is a bias. Its weight decay is the first that is set of WEIGHT_DECAY_BIAS (biases, those of
    norms included), WEIGHT_DECAY_NORM (norms) and WEIGHT_DECAY, as in Detectron2's get_default_optimizer_params.

    Raises:
        ValueError: an unknown SOLVER.OPTIMIZER, or a pattern of SOLVER.LR_FACTORS that matches nothing.
    """
    solver = cfg.SOLVER
    factors = [*solver.LR_FACTORS, (BACKBONE, solver.BACKBONE_LR_FACTOR)]
    check_factors(solver.LR_FACTORS, model)
    groups = get_default_optimizer_params(
        model,
        base_lr=solver.BASE_LR,
        weight_decay=solver.WEIGHT_DECAY,
        weight_decay_norm=solver.WEIGHT_DECAY_NORM,
        weight_decay_bias=solver.WEIGHT_DECAY_BIAS,
        # not as bias_lr_factor: there the rate BASE_LR x BIAS_LR_FACTOR replaces that of lr_factor_func
        lr_factor_func=factor_by_name(factors, solver.BIAS_LR_FACTOR),
    )
    if solver.OPTIMIZER == "SGD":
        kind = maybe_add_gradient_clipping(cfg, torch.optim.SGD)
        optimizer = kind(groups, solver.BASE_LR, momentum=solver.MOMENTUM, nesterov=solver.NESTEROV, foreach=True)
    elif solver.OPTIMIZER == "AdamW":
        optimizer = maybe_add_gradient_clipping(cfg, torch.optim.AdamW)(groups, solver.BASE_LR)
    else:
        raise ValueError(f"SOLVER.OPTIMIZER must be SGD or AdamW, but is {solver.OPTIMIZER!r}.")
    logger.info("What trains, and how fast:\n%s", training_table(model, optimizer))
    return optimizer


def factor_by_name(factors: Sequence[tuple[str, float]], bias_factor: float | None = None) -> Callable[[str], float]:
    """
    Full parameter name -> the factor of the first regular expression that is found in it, else 1; times
    ``bias_factor`` (None: 1) where the last part of the name is "bias".
    """

    def factor(name: str) -> float:
        of_part = next((value for pattern, value in factors if re.search(pattern, name)), 1.0)
        is_bias = name.rpartition(".")[2] == "bias"
        return of_part * bias_factor if is_bias and bias_factor is not None else of_part

    return factor


def check_factors(factors: Sequence[tuple[str, float]], model: nn.Module) -> None:
    """Raises ValueError for an entry that is no (pattern, positive factor), or whose pattern matches no parameter."""
    names = [name for name, _ in model.named_parameters()]
    for entry in factors:
        if len(entry) != 2 or not isinstance(entry[0], str) or not float(entry[1]) >= 0:
            raise ValueError(f'SOLVER.LR_FACTORS wants entries ("pattern", factor of 0 or more), but has {entry!r}.')
        if not any(re.search(entry[0], name) for name in names):
            raise ValueError(
                f"SOLVER.LR_FACTORS: {entry[0]!r} matches none of the model's {len(names)} parameters; its parts are "
                f"{', '.join(dict.fromkeys(map(part_of, names)))}."
            )


def training_table(model: nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """A row for each part of the model: parameters that train, that are frozen, learning rates and weight decays."""
    settings = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    parts: dict[str, list[tuple[int, tuple[float, float] | None]]] = {}
    for name, parameter in model.named_parameters():
        parts.setdefault(part_of(name), []).append((parameter.numel(), settings.get(id(parameter))))
    rows = []
    for part, entries in parts.items():
        trained = [setting for _, setting in entries if setting is not None]
        rows.append(
            [
                part,
                f"{sum(count for count, setting in entries if setting is not None):,}",
                f"{sum(count for count, setting in entries if setting is None):,}",
                *(" / ".join(f"{value:g}" for value in sorted({s[i] for s in trained})) or "-" for i in (0, 1)),
            ]
        )
    return tabulate(
        rows, ["part", "trains", "frozen", "learning rate", "weight decay"], colalign=["left"] + ["right"] * 4
    )
