"""
Whether a written file finds what the model finds: the same instances, boxes, scores and masks, on images of several
sizes.

Shapes: N instances of the model, M of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tabulate import tabulate

Outputs = Sequence[torch.Tensor]  # boxes, classes, scores and, if any, masks; see deployed.py


@dataclass(frozen=True)
class Tolerance:
    """
    What may differ. Two runtimes add up the same products in another order, which gives some 1e-5 pixels and 1e-6 of a
    score; these limits are far above that, and far below what anyone would see.
    """

    box: float = 0.05  # pixels of the input
    score: float = 0.001
    mask: float = 0.01  # of a probability; of masks as pixels, the part of the two masks' pixels that is not in both
    pixels: int = 2  # as many may differ in the smallest mask


@dataclass(frozen=True)
class ParityResult:
    """
    One image: the largest differences between instances that belong together, 0 where there are none.

    Attributes:
        size: (height, width) of the input.
        count: N, what the model found.
        unpaired: instances of either side without a counterpart, but for those whose score lies at the threshold.
        box, score, mask: see Tolerance.
        passed: whether all of it is tolerated.
    """

    size: tuple[int, int]
    count: int
    unpaired: int
    box: float
    score: float
    mask: float
    passed: bool


def check(
    model: Callable[[torch.Tensor], Outputs],
    file: Callable[[torch.Tensor], Outputs],
    images: Iterable[torch.Tensor],
    score_threshold: float,
    tolerance: Tolerance | None = None,
) -> Iterator[ParityResult]:
    """
    Runs both on each image (3, H, W) and compares.

    Raises:
        ValueError: the file fails on an image.
    """
    for image in images:
        size = (image.shape[1], image.shape[2])
        with torch.no_grad():
            wanted = [output.cpu() for output in model(image)]
            try:
                came = [output.cpu() for output in file(image)]
            except Exception as error:
                reason = next(iter(str(error).splitlines()), "")
                raise ValueError(
                    f"The file fails on an image of {size[0]} x {size[1]} ({type(error).__name__}: {reason}), which "
                    "the model takes: use another format."
                ) from error
        yield compare_outputs(wanted, came, size, score_threshold, tolerance or Tolerance())


def compare_outputs(
    wanted: Outputs, came: Outputs, size: tuple[int, int], score_threshold: float, tolerance: Tolerance
) -> ParityResult:
    """
    Args:
        wanted, came: outputs of the model and of the file.
        score_threshold: of both; an instance may be on one side alone if its score is no further from it than
            ``tolerance.score``.
    """
    first, second = pair(wanted, came)
    alone = [
        score
        for outputs, paired in ((wanted, first), (came, second))
        for score in np.delete(outputs[2].numpy(), paired).tolist()
        if score - score_threshold > tolerance.score
    ]
    box, score = (_largest(wanted[k][first], came[k][second]) for k in (0, 2))
    mask, masks_pass = 0.0, len(wanted) == len(came)
    if len(wanted) > 3 and masks_pass:
        mask, masks_pass = _compare_masks(wanted[3][first], came[3][second], tolerance)
    passed = not alone and box <= tolerance.box and score <= tolerance.score and masks_pass
    return ParityResult(size, len(wanted[2]), len(alone), box, score, mask, passed)


def pair(wanted: Outputs, came: Outputs) -> tuple[list[int], list[int]]:
    """
    Indices into both sides of what belongs together: for each of the model's instances, the most confident first, the
    nearest box of the same class that is still free and nowhere further away than a pixel.
    """
    distances = (wanted[0][:, None] - came[0][None]).abs().amax(dim=2)  # (N, M) pixels
    distances[wanted[1][:, None] != came[1][None]] = torch.inf
    first, second = [], []
    for index in range(len(distances)):
        if distances.shape[1] == 0:
            break
        nearest = int(distances[index].argmin())
        if distances[index, nearest] <= 1:
            first.append(index)
            second.append(nearest)
            distances[:, nearest] = torch.inf
    return first, second


def _largest(wanted: torch.Tensor, came: torch.Tensor) -> float:
    return float((wanted - came).abs().max()) if wanted.numel() else 0.0


def _compare_masks(wanted: torch.Tensor, came: torch.Tensor, tolerance: Tolerance) -> tuple[float, bool]:
    """The largest difference, and whether all are tolerated, of masks (K, H, W) bool or (K, S, S) probabilities."""
    if wanted.dtype != came.dtype or wanted.shape != came.shape:
        return torch.inf, False
    if wanted.dtype != torch.bool:
        largest = _largest(wanted, came)
        return largest, largest <= tolerance.mask
    differing = (wanted ^ came).flatten(1).sum(dim=1)
    parts = differing / (wanted | came).flatten(1).sum(dim=1).clamp(min=1)
    return _largest(parts, torch.zeros_like(parts)), bool(
        ((parts <= tolerance.mask) | (differing <= tolerance.pixels)).all()
    )


def parity_table(comparisons: Sequence[ParityResult], tolerance: Tolerance) -> str:
    """A row for each image, and one with the tolerances."""
    rows: list[list[object]] = [
        [
            f"{c.size[0]} x {c.size[1]}",
            c.count,
            c.unpaired,
            f"{c.box:.1e}",
            f"{c.score:.1e}",
            f"{c.mask:.1e}",
            "yes" if c.passed else "NO",
        ]
        for c in comparisons
    ]
    rows.append(["tolerated", "", 0, f"{tolerance.box:g}", f"{tolerance.score:g}", f"{tolerance.mask:g}", ""])
    heads = ["height x width", "instances", "unpaired", "box (pixels)", "score", "mask", "agrees"]
    return tabulate(rows, heads, disable_numparse=True, stralign="right")
