"""Borders for histograms that suit what is counted: sizes and ratios by factors, counts by steps."""

from __future__ import annotations

import math

import numpy as np

MAX_STEPS = 24  # columns of a histogram of counts: more cannot be told apart


def factor_edges(values: np.ndarray, per_doubling: int, limits: tuple[float, float]) -> np.ndarray:
    """
    Borders from one power of two to another, ``per_doubling`` steps each, round all ``values`` within ``limits``.

    Args:
        values: above 0.
        limits: powers of two; values beyond belong to the first or last column.

    Returns:
        Ascending, at least two.
    """
    low, high = (math.log2(limit) for limit in limits)
    if len(values):
        places = np.log2(np.clip(values, *limits))
        low = min(math.floor(places.min()), high - 1)
        high = min(math.floor(places.max()) + 1, high)
    return 2.0 ** (np.arange(round(low * per_doubling), round(high * per_doubling) + 1) / per_doubling)


def step_edges(values: np.ndarray) -> np.ndarray:
    """Borders for whole numbers from 0 on: steps of 1, 2 or 5 times a power of ten, so that MAX_STEPS suffice."""
    most = int(values.max(initial=0)) + 1
    sizes = (factor * 10**power for power in range(12) for factor in (1, 2, 5))
    step = next(size for size in sizes if math.ceil(most / size) <= MAX_STEPS)
    return np.arange(0, math.ceil(most / step) + 1) * step


def counts_between(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How many values lie in each column; those beyond the borders belong to the first and the last."""
    inside = np.clip(values, edges[0], np.nextafter(float(edges[-1]), -np.inf))
    return np.histogram(inside, edges)[0]
