"""The length of a training in epochs, and its learning rate for the batch at hand."""

from __future__ import annotations

import math
from collections.abc import Collection

from detectron2.config import CfgNode


def images_per_step(cfg: CfgNode) -> int:
    """Images between two steps of the optimizer, over all processes."""
    return cfg.SOLVER.IMS_PER_BATCH * cfg.SOLVER.ACCUMULATE_STEPS


def scale_learning_rate(cfg: CfgNode) -> str:
    """
    The linear scaling rule (Goyal et al., arXiv:1706.02677, section 2.1): twice the batch, twice the rate.

    With SOLVER.REFERENCE_BATCH_SIZE = 0 the rate stays as it is; otherwise BASE_LR is the rate for that many images a
    step, and is set to that for :func:`images_per_step`, once: the key is 0 afterwards.

    Returns:
        What was done, as a line to print; "" for nothing.
    """
    reference, batch = cfg.SOLVER.REFERENCE_BATCH_SIZE, images_per_step(cfg)
    if reference < 0:
        raise ValueError(f"SOLVER.REFERENCE_BATCH_SIZE must be a number of images, or 0, but is {reference}.")
    if reference == 0:
        return ""
    before = cfg.SOLVER.BASE_LR
    cfg.SOLVER.BASE_LR = before * batch / reference
    cfg.SOLVER.REFERENCE_BATCH_SIZE = 0
    return f"batch {batch} -> lr {cfg.SOLVER.BASE_LR:g} ({before:g} for a batch of {reference})"


def stretch_to_epochs(cfg: CfgNode, num_images: int, given: Collection[str] = ()) -> str:
    """
    Sets MAX_ITER to SOLVER.EPOCHS passes over ``num_images``; 0 leaves the schedule as it is.

    All that is counted in iterations is stretched with it, see :func:`stretch`. The key is 0 afterwards.

    Args:
        given: keys that the user set, and that stay.

    Returns:
        What was done, as a line to print; "" for nothing.

    Raises:
        ValueError: EPOCHS is negative, or there are no images.
    """
    epochs = cfg.SOLVER.EPOCHS
    if epochs == 0:
        return ""
    if epochs < 0 or num_images < 1:
        raise ValueError(f"SOLVER.EPOCHS must be above 0 and needs images, but is {epochs} with {num_images} images.")
    before = cfg.SOLVER.MAX_ITER
    cfg.SOLVER.MAX_ITER = max(1, math.ceil(epochs * num_images / images_per_step(cfg)))
    stretch(cfg, before, given)
    cfg.SOLVER.EPOCHS = 0.0
    return f"{epochs:g} epochs of {num_images} images at {images_per_step(cfg)} per step -> {describe_schedule(cfg)}"


def follow_iterations(cfg: CfgNode, before: int, given: Collection[str]) -> str:
    """
    Where the user has set MAX_ITER, all else that is counted in iterations follows it.

    Args:
        before: MAX_ITER of the config.
        given: keys that the user set, and that stay.

    Returns:
        What was done, as a line to print; "" for nothing.
    """
    if before == cfg.SOLVER.MAX_ITER or cfg.SOLVER.EPOCHS:
        return ""
    stretch(cfg, before, given)
    return f"SOLVER.MAX_ITER {cfg.SOLVER.MAX_ITER} in place of {before}: {describe_schedule(cfg)}"


def stretch(cfg: CfgNode, before: int, given: Collection[str]) -> None:
    """
    Stretches STEPS and the periods of checkpoints and evaluation from ``before`` to MAX_ITER iterations, so that a
    schedule keeps its shape. The warm-up is only ever shortened: it protects the first steps, however many follow.
    """
    solver, iterations = cfg.SOLVER, cfg.SOLVER.MAX_ITER
    factor = iterations / before
    if "SOLVER.STEPS" not in given:
        steps = sorted({round(step * factor) for step in solver.STEPS})
        solver.STEPS = tuple(step for step in steps if 0 < step < iterations)
    if "SOLVER.WARMUP_ITERS" not in given:
        solver.WARMUP_ITERS = min(solver.WARMUP_ITERS, math.ceil(solver.WARMUP_ITERS * factor))
    if "SOLVER.CHECKPOINT_PERIOD" not in given:
        solver.CHECKPOINT_PERIOD = max(1, round(solver.CHECKPOINT_PERIOD * factor))
    if "TEST.EVAL_PERIOD" not in given:
        cfg.TEST.EVAL_PERIOD = math.ceil(cfg.TEST.EVAL_PERIOD * factor)


def describe_schedule(cfg: CfgNode) -> str:
    """The schedule in words."""
    return (
        f"{cfg.SOLVER.MAX_ITER} iterations; the rate falls at {', '.join(map(str, cfg.SOLVER.STEPS)) or 'no step'}, "
        f"evaluation every {cfg.TEST.EVAL_PERIOD}, checkpoint every {cfg.SOLVER.CHECKPOINT_PERIOD}"
    )
