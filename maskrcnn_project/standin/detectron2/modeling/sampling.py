"""Draws a balanced sample of foreground and background for one image."""

from __future__ import annotations

import torch

__all__ = ["subsample_labels"]


def subsample_labels(
    labels: torch.Tensor, num_samples: int, positive_fraction: float, bg_label: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    At most ``num_samples`` random indices, of which at most the given fraction are foreground.

    Background fills what the foreground leaves; there may be fewer in all, but never repetitions. Foreground is
    drawn first, then background, each from one ``torch.randperm``: seeded runs depend on this order.

    Args:
        labels: (P,) integers: ``bg_label`` is background, -1 is ignored, every other is foreground.
        positive_fraction: the count is ``int(num_samples * positive_fraction)``.

    Returns:
        Indices (int64) of the foreground and of the background samples, in random order.
    """
    foreground = ((labels != -1) & (labels != bg_label)).nonzero().squeeze(1)
    background = (labels == bg_label).nonzero().squeeze(1)
    num_foreground = min(foreground.numel(), int(num_samples * positive_fraction))
    num_background = min(background.numel(), num_samples - num_foreground)
    return _draw(foreground, num_foreground), _draw(background, num_background)


def _draw(indices: torch.Tensor, count: int) -> torch.Tensor:
    """``count`` of (K,) ``indices`` at random, without repetition."""
    return indices[torch.randperm(indices.numel(), device=indices.device)[:count]]
