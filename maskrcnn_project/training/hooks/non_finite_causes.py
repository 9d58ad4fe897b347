"""Why a loss or a gradient became infinite or NaN: the likeliest of the known causes, from what is known of a step."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

# Detectron2's 1x schedule: 0.02 for 16 images per step, in proportion to the batch (Goyal et al., arXiv:1706.02677).
USUAL_RATE_PER_IMAGE = 0.02 / 16
# Where other losses than usual count as a cause: twice the usual rate is still tried with success, and the losses of
# single batches differ by a factor of two.
HIGH_RATE, RISEN_LOSS = 2.0, 3.0


@dataclass
class ImageMetadata:
    """One training image of the step, as the model got it."""

    image_id: int | str
    file_name: str
    objects: int
    finite_pixels: bool
    broken_boxes: int  # without area, or not finite


@dataclass
class StepEvidence:
    """The step, over all processes."""

    broken_losses: list[str]
    images: list[ImageMetadata]
    learning_rate: float
    is_sgd: bool
    half_precision: bool  # float16
    gradients_overflow: bool
    broken_weights: list[str] = field(default_factory=list)
    broken_gradients: list[str] = field(default_factory=list)
    recent_losses: list[float] = field(default_factory=list)  # total_loss of the iterations before
    failures: list[str] = field(default_factory=list)  # what forward passes said that raised FloatingPointError

    @property
    def usual_rate(self) -> float:
        """The learning rate of SGD for this batch."""
        return USUAL_RATE_PER_IMAGE * len(self.images)


def likely_cause(evidence: StepEvidence) -> str:
    """One sentence: the cause and what to do. What is certain comes before what is only usual."""
    blank = [image.file_name for image in evidence.images if not image.finite_pixels]
    boxes = [image.file_name for image in evidence.images if image.broken_boxes]
    rate, usual = evidence.learning_rate, evidence.usual_rate
    if evidence.broken_weights:
        return (
            f"the weights were broken before this step ({evidence.broken_weights[0]} is not finite): go on from an "
            "earlier checkpoint with a lower SOLVER.BASE_LR"
        )
    if blank:
        return f"{_few(blank)} holds pixels that are not finite: look at the file and at the augmentations"
    if boxes:
        return f"{_few(boxes)} has objects without area: correct its annotations"
    if evidence.gradients_overflow or (evidence.half_precision and (evidence.broken_losses or evidence.failures)):
        return (
            "float16 overflowed, whose largest number is 65504: set SOLVER.AMP.PRECISION bfloat16, or SOLVER.AMP."
            "ENABLED False"
        )
    if evidence.is_sgd and rate > HIGH_RATE * usual:
        return (
            f"the learning rate {rate:g} is {rate / usual:.1f} times the usual {usual:g} for {len(evidence.images)} "
            "images per step: lower SOLVER.BASE_LR, or lengthen SOLVER.WARMUP_ITERS"
        )
    if _has_risen(evidence.recent_losses):
        return (
            f"the loss was rising (from {statistics.median(evidence.recent_losses):.3g} to "
            f"{evidence.recent_losses[-1]:.3g}): lower SOLVER.BASE_LR, or set SOLVER.CLIP_GRADIENTS.ENABLED True"
        )
    first = evidence.broken_losses or evidence.broken_gradients or ["The forward pass"]
    return (
        f"{_few(first)} alone tells of no known cause: look at the images of this step, then lower SOLVER.BASE_LR or "
        "set SOLVER.CLIP_GRADIENTS.ENABLED True"
    )


def _has_risen(losses: list[float]) -> bool:
    return len(losses) >= 3 and losses[-1] > RISEN_LOSS * statistics.median(losses)


def _few(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)" if names else "This"
