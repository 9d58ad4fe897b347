"""What a step of training shows before it reaches the weights, and who may forbid it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch


@dataclass
class StepState:
    """
    What is known of a step on this process when its gradients are there and its weights still are the old ones. Where
    the forward pass of any process failed there are no gradients to go by.
    """

    iteration: int
    batches: list[list[dict[str, Any]]]
    losses: list[dict[str, float]]  # of each batch; none where its forward pass failed
    gradients_overflow: bool  # float16 found no scale that its gradients fit into
    precision: torch.dtype | None
    loss_scale: float
    failures: list[str] = field(default_factory=list)  # what forward passes said that raised FloatingPointError

    def broken_losses(self) -> dict[str, float]:
        """Those that are infinite or NaN, by name."""
        return {k: v for losses in self.losses for k, v in losses.items() if not math.isfinite(v)}


class StepGuard(Protocol):
    """Says whether a step may be taken."""

    def admits(self, state: StepState) -> bool:
        """
        Called by every process with its own facts, and the same answer for all. False: the step is left out.

        Raises:
            FloatingPointError: on every process: the training must end.
        """


@runtime_checkable
class GuardedStep(Protocol):
    """A step of training that asks its ``guard`` before the optimizer moves the weights."""

    guard: StepGuard
