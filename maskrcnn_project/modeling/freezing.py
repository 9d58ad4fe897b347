"""Which weights train: parameters frozen by the pattern of their names, norms frozen whole."""

from __future__ import annotations

import re
from collections.abc import Sequence

from detectron2.layers import FrozenBatchNorm2d
from torch import nn


def freeze_parameters(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """
    Stops training every parameter whose name holds a match of one of the regular expressions ``patterns``.

    Returns:
        The names that have been frozen, in the model's order.

    Raises:
        ValueError: a pattern is no regular expression, or matches no parameter: then it is probably misspelt.
    """
    names = dict(model.named_parameters())
    frozen: set[str] = set()
    for pattern in patterns:
        try:
            matched = [name for name in names if re.search(pattern, name)]
        except re.error as error:
            raise ValueError(f"MODEL.FREEZE: {pattern!r} is no regular expression ({error}).") from error
        if not matched:
            raise ValueError(
                f"MODEL.FREEZE: {pattern!r} matches none of the model's {len(names)} parameters; its parts are "
                f"{', '.join(dict.fromkeys(part_of(name) for name in names))}."
            )
        frozen.update(matched)
    for name in frozen:
        names[name].requires_grad = False
    return [name for name in names if name in frozen]


def freeze_norms(model: nn.Module) -> nn.Module:
    """
    The model with every batch norm replaced by one whose statistics and weights stay as they are.

    Batches of one or two images give statistics too noisy to learn from (section 4.1 of arXiv:1703.06870 freezes them
    for the same reason). Names in the state dict stay the same.
    """
    return FrozenBatchNorm2d.convert_frozen_batchnorm(model)


def part_of(name: str) -> str:
    """The part of a detector that a parameter belongs to: ``backbone.bottom_up.res2``, ``roi_heads.mask_head``, ..."""
    words = name.split(".")
    if words[0] == "backbone" and len(words) > 2:
        pyramid = re.match(r"fpn_", words[1])
        return "backbone.fpn" if pyramid else ".".join(words[: 3 if words[1] == "bottom_up" else 2])
    return ".".join(words[:2]) if len(words) > 2 else words[0]
