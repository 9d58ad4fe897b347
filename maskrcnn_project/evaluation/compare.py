"""
Two models on the same images: which is better, and is the difference real or chance?

The images are drawn anew, with replacement, many times over (the bootstrap, Efron 1979); each time both models are
scored on the same draw, so that an image that is hard for both does not count as a difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from maskrcnn_project.evaluation.evaluation_result import NamedResult
from maskrcnn_project.evaluation.metrics.class_matches import ClassMatches, matches_by_class
from maskrcnn_project.evaluation.metrics.image_pairs import ImagePair, ImagePairs
from maskrcnn_project.evaluation.metrics.image_scores import ImageScores
from maskrcnn_project.evaluation.metrics.matching import box_overlaps, mask_overlaps

RESAMPLES = 1000  # the ends of a 95 % interval then rest on 25 draws each
INTERVAL = (2.5, 97.5)  # percentiles
SEED = 0
MEASURES = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}  # of the IoU thresholds


@dataclass(frozen=True)
class Difference:
    """
    One measure of both models, in points (0 to 100); NaN where there is nothing to measure.

    Attributes:
        a, b: on the images as they are.
        low, high: 95 % interval of b - a.
    """

    a: float
    b: float
    low: float
    high: float

    @property
    def change(self) -> float:
        return self.b - self.a

    @property
    def is_real(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class ImageDifference:
    """Quality (0 to 1, see ``quality``) of both models on one image."""

    image_id: int
    file_name: str
    a: float
    b: float

    @property
    def change(self) -> float:
        return self.b - self.a


@dataclass(frozen=True)
class Comparison:
    """
    Attributes:
        measures: "mask AP", "mask AP50", "mask AP75", "box AP" ...; without masks those of boxes only.
        classes: class name -> its AP, of masks where there are any.
        images: all of them, those that differ most first.
    """

    name_a: str
    name_b: str
    num_images: int
    resamples: int
    measures: dict[str, Difference]
    classes: list[tuple[str, Difference]]
    images: list[ImageDifference]


def compare(a: NamedResult, b: NamedResult, *, resamples: int = RESAMPLES, seed: int = SEED) -> Comparison:
    """
    Raises:
        ValueError: the two were not evaluated on the same ground truth.
    """
    require_same_truth(a, b)
    count = len(a.pairs.pairs)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    weights = np.concatenate([np.ones((1, count), dtype=np.int64), drawn])  # the first row: the images as they are
    kinds = ["mask", "box"] if a.pairs.has_masks and b.pairs.has_masks else ["box"]
    measures: dict[str, Difference] = {}
    classes: list[tuple[str, Difference]] = []
    for kind in kinds:
        scores_a, scores_b = (_scores(each.pairs, kind, weights) for each in (a, b))  # (K, 1 + R, T) each
        for name, which in MEASURES.items():
            measures[f"{kind} {name}"] = _difference(*(_mean(each[..., which]) for each in (scores_a, scores_b)))
        if kind == kinds[0]:
            rows = zip(a.pairs.class_names, scores_a, scores_b, strict=True)
            classes = [(name, _difference(of_a.mean(axis=1), of_b.mean(axis=1))) for name, of_a, of_b in rows]
    return Comparison(a.name, b.name, count, resamples, measures, classes, _images(a, b))


def require_same_truth(a: NamedResult, b: NamedResult) -> None:
    """Raises ValueError, naming the first difference, unless both were evaluated by the same classes and objects."""
    where = f"{a.name} and {b.name} were not evaluated on the same ground truth"
    hint = "compare runs that were evaluated on the same annotation file"
    if a.pairs.class_names != b.pairs.class_names:
        raise ValueError(
            f"{where}: the classes are {_list(a.pairs.class_names)} and {_list(b.pairs.class_names)}; {hint}."
        )
    cases_a, cases_b = ({pair.image_id: pair for pair in each.pairs.pairs} for each in (a, b))
    strange = sorted(cases_a.keys() ^ cases_b.keys())
    if strange:
        only = a.name if strange[0] in cases_a else b.name
        raise ValueError(f"{where}: image {strange[0]} is among those of {only} only; {hint}.")
    if not cases_a:
        raise ValueError(f"{where}: there are no images; {hint}.")
    for image_id, pair in cases_a.items():
        if not _same_objects(pair, cases_b[image_id]):
            raise ValueError(f"{where}: the objects of image {image_id} ({pair.file_name}) differ; {hint}.")


def _same_objects(a: ImagePair, b: ImagePair) -> bool:
    if len(a.truth) != len(b.truth) or tuple(a.found.size) != tuple(b.found.size):
        return False
    columns = ("classes", "boxes", "areas", "crowd")
    return all(np.array_equal(getattr(a.truth, name), getattr(b.truth, name)) for name in columns) and all(
        one["counts"] == other["counts"] for one, other in zip(a.truth.masks, b.truth.masks, strict=True)
    )


def _scores(pairs: ImagePairs, kind: str, weights: np.ndarray) -> np.ndarray:
    """(K, R, T) AP in points of each class for weights (R, I) of the images by ascending id; NaN without objects."""
    ordered = sorted(pairs.evaluated if kind == "mask" else pairs.pairs, key=lambda pair: pair.image_id)
    overlaps = [(mask_overlaps if kind == "mask" else box_overlaps)(pair.truth, pair.found) for pair in ordered]
    by_class: list[ClassMatches] = matches_by_class(ordered, overlaps, len(pairs.class_names))
    bar = tqdm(by_class, desc=f"Drawing images anew, {kind} AP", unit="class", leave=False, disable=None)
    return 100 * np.stack([matches.average_precisions(weights) for matches in bar])


def _mean(scores: np.ndarray) -> np.ndarray:
    """(K, R, T) -> (R,), mean of the classes that have objects; NaN where none has."""
    of_classes = scores.mean(axis=2)
    known = ~np.isnan(of_classes)
    with np.errstate(invalid="ignore"):
        return np.where(known, of_classes, 0).sum(axis=0) / known.sum(axis=0)


def _difference(a: np.ndarray, b: np.ndarray) -> Difference:
    """Of (1 + R,) values of both models, the first of which is that of the images as they are."""
    changes = (b - a)[1:]
    changes = changes[~np.isnan(changes)]  # a draw without any object says nothing
    low, high = np.percentile(changes, INTERVAL) if len(changes) else (np.nan, np.nan)
    return Difference(float(a[0]), float(b[0]), float(low), float(high))


def quality(image: ImageScores) -> float:
    """F1 times the mean IoU of what is right, 0 to 1: panoptic quality (Kirillov et al. 2019) of one image."""
    return image.f1 * image.mean_iou if image.correct else image.f1


def _images(a: NamedResult, b: NamedResult) -> list[ImageDifference]:
    of_b = {image.image_id: quality(image) for image in b.evaluation.per_image}
    images = [
        ImageDifference(image.image_id, image.file_name, quality(image), of_b[image.image_id])
        for image in a.evaluation.per_image
    ]
    return sorted(images, key=lambda image: (-abs(image.change), image.image_id))


def _list(names: tuple[str, ...], most: int = 8) -> str:
    return f"{len(names)} ({', '.join(names[:most])}{', ...' if len(names) > most else ''})"
