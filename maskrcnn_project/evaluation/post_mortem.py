"""When an evaluation finds nothing: what the run shows, and the most likely causes, the cheapest to check first."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FOUND_NOTHING = 1.0  # AP50 in percent below which an evaluation counts as empty: less than one object in a hundred
FEW_EPOCHS = 2.0  # below this even COCO weights have hardly seen each image
SURE = 0.5  # a score from which a detection is meant
BINS = np.linspace(0, 1, 11)
BAR = 40  # characters of the longest bar


@dataclass(frozen=True)
class RunEvidence:
    """What a run leaves behind."""

    iterations: int
    images_per_step: int
    training_images: int
    learning_rate: float
    weights: str  # MODEL.WEIGHTS that the training began with
    num_objects: int  # in the evaluated set
    scores: Sequence[float]  # of all detections
    score_floor: float  # MODEL.ROI_HEADS.SCORE_THRESH_TEST
    box_ap50: float
    mask_ap50: float

    @property
    def epochs(self) -> float:
        return self.iterations * self.images_per_step / max(1, self.training_images)


def found_nothing(results: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether the best AP50 (percent) of an evaluation's results is next to nothing; NaN, of no objects, is not."""
    values = [float(task["AP50"]) for task in results.values() if isinstance(task, Mapping) and "AP50" in task]
    values = [value for value in values if not math.isnan(value)]
    return bool(values) and max(values) < FOUND_NOTHING


def read_scores(results_file: Path) -> list[float]:
    """The scores in a COCO results file; none if there is no such file."""
    if not results_file.is_file():
        return []
    rows: list[dict[str, Any]] = json.loads(results_file.read_text("utf-8"))
    return [float(row["score"]) for row in rows]


def post_mortem(evidence: RunEvidence) -> str:
    """Some lines: the evidence, a histogram of the scores, the likely causes in the order in which to look."""
    lines = [
        "The evaluation found next to nothing. What the run shows:",
        f"  trained {evidence.iterations} iterations of {evidence.images_per_step} images: "
        f"{evidence.epochs:.1f} passes over {evidence.training_images} images, BASE_LR {evidence.learning_rate:g}, "
        f"from {evidence.weights or 'nothing'}",
        f"  {len(evidence.scores)} detections for {evidence.num_objects} objects; box AP50 {evidence.box_ap50:.1f}, "
        f"mask AP50 {evidence.mask_ap50:.1f}",
    ]
    lines += [f"  {line}" for line in histogram(evidence.scores)]
    lines.append("Most likely, in this order:")
    lines += [f"  {number}. {cause}" for number, cause in enumerate(likely_causes(evidence), start=1)]
    return "\n".join(lines)


def likely_causes(evidence: RunEvidence) -> list[str]:
    """Sentences; at least one."""
    causes = []
    sure = sum(score >= SURE for score in evidence.scores)
    if evidence.epochs < FEW_EPOCHS:
        causes.append(
            f"The training was too short: {evidence.epochs:.1f} passes over the images. 12 (SOLVER.EPOCHS 12) is "
            "usual, more from nothing."
        )
    if sure > evidence.num_objects / 10:
        causes.append(
            f"{sure} detections are sure of themselves (score {SURE:g} and more) and still match nothing: boxes or "
            "classes of the two sets disagree. Compare ids, sizes and EXIF with tools/check_dataset.py --val-images, "
            "and look at tools/visualize_json_results.py."
        )
    if evidence.box_ap50 >= FOUND_NOTHING > evidence.mask_ap50:
        causes.append("Boxes are right and masks are not: the masks of one set are shifted, empty or of another size.")
    if not evidence.scores:
        causes.append(
            f"Every score is below SCORE_THRESH_TEST {evidence.score_floor:g}: the model calls all of it background. "
            "The learning rate was too low, or the loss diverged: see loss_curves.png."
        )
    elif not sure:
        causes.append(
            f"The best score is {max(evidence.scores):.2f}: it begins to learn. Train longer, or raise the learning "
            "rate if the loss still falls slowly (loss_curves.png)."
        )
    if not evidence.weights:
        causes.append(
            "It began from nothing: give COCO weights (--weights, MODEL.WEIGHTS), or ten times the iterations."
        )
    causes.append(
        "The annotations are wrong: train_net.py --overfit 4 must reach nearly 100 on four images; if it does not, "
        "tools/check_dataset.py and tools/visualize_data.py show why."
    )
    return causes


def histogram(scores: Sequence[float]) -> list[str]:
    """A line for each tenth of the range that holds a score, from high to low."""
    counts, _ = np.histogram(np.asarray(scores, dtype=float), BINS)
    longest = max(1, counts.max())
    return [
        f"score {BINS[i]:.1f}-{BINS[i + 1]:.1f} {'#' * max(1, round(BAR * int(counts[i]) / int(longest)))} {counts[i]}"
        for i in reversed(range(len(counts)))
        if counts[i]
    ]
