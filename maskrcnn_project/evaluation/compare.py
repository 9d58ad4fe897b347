"""
Two models on the same images: which is better, and is the difference real or chance?

Chance is tested by exchanging: in each image what A and B found changes places or stays, by the toss of a coin, and
both mixtures are scored (approximate randomisation: Noreen, Computer-Intensive Methods for Testing Hypotheses, 1989;
Yeh, COLING 2000). If the models are equal, the results as they stand are one such mixture like any other, so that
p = (1 + mixtures with a change as large) / (1 + mixtures) is at most 5 % in at most 5 % of the comparisons of equal
models, for any measure and any number of images (Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9, 2010). Measures
that are shown together share those 5 % (``shared_p_values``).

How large the change may be is told by drawing the images anew, with replacement (the bootstrap, Efron 1979), both
models on the same draw. The percentiles of the draws alone cannot tell chance: where only 4 of 48 images differ, all in
the same direction, 98 % of the draws hold one of them and leave out zero, while coins fall alike one time in eight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from tqdm import tqdm

from maskrcnn_project.evaluation.evaluation_result import NamedResult
from maskrcnn_project.evaluation.metrics.class_matches import ClassMatches, matches_by_class
from maskrcnn_project.evaluation.metrics.image_pairs import ImagePair, ImagePairs
from maskrcnn_project.evaluation.metrics.image_scores import ImageScores
from maskrcnn_project.evaluation.metrics.matching import box_overlaps, mask_overlaps

RESAMPLES = 1000  # the ends of a 95 % interval then rest on 25 draws each, and p is known to 0.7 %
SEED = 0
LEVEL = 0.05  # of equal models, those that may be called different
MIN_RESAMPLES = 19  # below, 1 / (1 + resamples) is above LEVEL, and no difference could be real
# Below, two images that say the opposite of all others take a difference away: by the sign test, with 12 images
# 2 * (1 + 12 + 66) / 2^12 = 3.9 % of equal models differ so clearly, with 11 images 2 * (1 + 11 + 55) / 2^11 = 6.5 %.
MIN_IMAGES = 12
TIE = 1e-9  # points of AP that only rounding makes differ
MEASURES = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}  # of the IoU thresholds


@dataclass(frozen=True)
class Difference:
    """
    One measure of both models, in points (0 to 100); NaN where there is nothing to measure.

    Attributes:
        a, b: on the images as they are.
        low, high: 95 % interval of b - a. It holds zero unless ``p`` is at most LEVEL and there are MIN_IMAGES.
        p: of equal models, the share that would differ as clearly by chance, 0 to 1.
        num_images: on which both were scored.
    """

    a: float
    b: float
    low: float
    high: float
    p: float
    num_images: int

    @property
    def change(self) -> float:
        return self.b - self.a

    @property
    def is_real(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0

    @property
    def has_few_images(self) -> bool:
        """Whether there are too few to tell, however large the difference is."""
        return self.num_images < MIN_IMAGES


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
        measures: "mask AP", "mask AP50", "mask AP75", "box AP" ...; without masks those of boxes only. Of all of them
            together at most 5 % are called different by chance.
        classes: class name -> its AP, of masks where there are any; of each class by itself at most 5 %.
        images: all of them, those that differ most first.
    """

    name_a: str
    name_b: str
    num_images: int
    resamples: int
    measures: dict[str, Difference]
    classes: list[tuple[str, Difference]]
    images: list[ImageDifference]


@dataclass(frozen=True)
class Draws:
    """
    Attributes:
        anew: (R, I) how often each image is drawn.
        exchanged: (R, I) 1 where A and B change places, else 0.
    """

    anew: np.ndarray
    exchanged: np.ndarray


@dataclass(frozen=True)
class Changes:
    """One measure of both models on the images as they are, and its change in each draw and each exchange, (R,)."""

    a: float
    b: float
    anew: np.ndarray
    exchanged: np.ndarray


def compare(a: NamedResult, b: NamedResult, *, resamples: int = RESAMPLES, seed: int = SEED) -> Comparison:
    """
    Raises:
        ValueError: the two were not evaluated on the same ground truth, or fewer than MIN_RESAMPLES.
    """
    if resamples < MIN_RESAMPLES:
        raise ValueError(
            f"A comparison needs {MIN_RESAMPLES} resamples or more to call a difference real, but was given "
            f"{resamples}: {RESAMPLES:,} are usual."
        )
    require_same_truth(a, b)
    count = len(a.pairs.pairs)
    draws = draw(count, resamples, seed)
    kinds = ["mask", "box"] if a.pairs.has_masks and b.pairs.has_masks else ["box"]
    measures: dict[str, Changes] = {}
    classes: list[Difference] = []
    for kind in kinds:
        joint = _joint_matches(a.pairs, b.pairs, kind)
        bar = tqdm(joint, desc=f"Drawing images anew, {kind} AP", unit="class", leave=False, disable=None)
        of_classes = [changes_of(matches, draws) for matches in bar]
        measures.update({f"{kind} {name}": mean_changes(of_classes, which) for name, which in MEASURES.items()})
        if kind == kinds[0]:
            classes = [differences_of([mean_changes([each], slice(None))], count)[0] for each in of_classes]
    tested = differences_of(list(measures.values()), count)
    of_names = list(zip(a.pairs.class_names, classes, strict=True))
    of_measures = dict(zip(measures, tested, strict=True))
    return Comparison(a.name, b.name, count, resamples, of_measures, of_names, _images(a, b))


def draw(count: int, resamples: int, seed: int) -> Draws:
    """``resamples`` draws and exchanges of ``count`` images."""
    random = np.random.default_rng(seed)
    anew = random.multinomial(count, np.full(count, 1 / count), size=resamples)
    return Draws(anew, random.integers(0, 2, size=(resamples, count)))


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


def _joint_matches(a: ImagePairs, b: ImagePairs, kind: str) -> list[ClassMatches]:
    """Of each class, over A's images by ascending id and then B's."""
    both = [
        sorted(pairs.evaluated if kind == "mask" else pairs.pairs, key=lambda pair: pair.image_id) for pairs in (a, b)
    ]
    joint = [*both[0], *both[1]]
    overlaps = [(mask_overlaps if kind == "mask" else box_overlaps)(pair.truth, pair.found) for pair in joint]
    return matches_by_class(joint, overlaps, len(a.class_names))


def changes_of(joint: ClassMatches, draws: Draws) -> list[np.ndarray]:
    """
    Args:
        joint: of one class, over the I images of A and then those of B.

    Returns:
        AP in points by IoU threshold, NaN without objects: of A and of B on the images as they are and in each draw,
        (1 + R, T) each; of A's and of B's place in each exchange, (R, T) each.
    """
    count = draws.anew.shape[1]
    as_they_are = np.ones((1, count), dtype=np.int64)
    weights = np.concatenate([as_they_are, draws.anew])
    kept, changed = 1 - draws.exchanged, draws.exchanged
    return [
        100 * _part(joint, 0, count).average_precisions(weights),
        100 * _part(joint, count, count).average_precisions(weights),
        100 * joint.average_precisions(np.concatenate([kept, changed], axis=1)),
        100 * joint.average_precisions(np.concatenate([changed, kept], axis=1)),
    ]


def _part(joint: ClassMatches, first: int, count: int) -> ClassMatches:
    """The matches in ``count`` images from ``first`` on."""
    own = (joint.images >= first) & (joint.images < first + count)
    objects = joint.objects[first : first + count]
    return ClassMatches(joint.images[own] - first, joint.right[:, own], joint.ignored[:, own], objects)


def mean_changes(of_classes: Sequence[list[np.ndarray]], which: slice) -> Changes:
    """Of the classes that have objects and the IoU thresholds ``which``; NaN where none has."""
    kinds = zip(*of_classes, strict=True)
    a, b, first, second = (_mean_of_known(np.stack(each)[..., which].mean(axis=2)) for each in kinds)
    return Changes(float(a[0]), float(b[0]), (b - a)[1:], second - first)


def _mean_of_known(scores: np.ndarray) -> np.ndarray:
    """(K, R) -> (R,)"""
    known = ~np.isnan(scores)
    with np.errstate(invalid="ignore"):
        return np.where(known, scores, 0).sum(axis=0) / known.sum(axis=0)


def differences_of(measures: Sequence[Changes], count: int) -> list[Difference]:
    """Of ``count`` images; all ``measures`` together are called different by chance in at most 5 %."""
    observed = np.array([each.b - each.a for each in measures])
    shared = shared_p_values(observed, np.stack([each.exchanged for each in measures], axis=1))
    out = []
    for each, p in zip(measures, shared.tolist(), strict=True):
        low, high = interval(each.anew, count)
        if p > LEVEL or count < MIN_IMAGES:  # zero is not ruled out, so it belongs to what is left open
            low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
        out.append(Difference(each.a, each.b, float(low), float(high), p, count))
    return out


def shared_p_values(observed: np.ndarray, exchanged: np.ndarray) -> np.ndarray:
    """
    The p of each of M measures, such that equal models have any of at most x with a chance of at most x: the
    single-step "minP" of Westfall and Young, Resampling-Based Multiple Testing, 1993. Of one measure it is its own p.

    Args:
        observed: (M,) changes on the images as they are; NaN where there is nothing to measure, which is p 1.
        exchanged: (R, M) in each exchange.
    """
    sizes = np.round(np.abs(np.concatenate([observed[None], exchanged])) / TIE)  # (1 + R, M)
    known = ~np.isnan(observed)
    p = np.ones(sizes.shape)
    for column in np.flatnonzero(known):
        ascending = np.sort(sizes[:, column])
        p[:, column] = 1 - np.searchsorted(ascending, sizes[:, column], side="left") / len(sizes)  # share as large
    smallest = p.min(axis=1, initial=1.0)  # (1 + R,)
    return np.where(known, (smallest[:, None] <= p[0] + TIE).mean(axis=0), 1.0)


def interval(changes: np.ndarray, count: int) -> tuple[float, float]:
    """
    The 95 % interval of the changes in draws of ``count`` images: expanded percentiles (Hesterberg, The American
    Statistician 69, 2015), because those of 2.5 and 97.5 % are too narrow by the factor sqrt((n - 1) / n)
    and by what the t distribution has over the normal one. NaN without changes.
    """
    changes = changes[~np.isnan(changes)]  # a draw without any object says nothing
    if not len(changes):
        return math.nan, math.nan
    share = expanded_share(count)
    low, high = np.percentile(changes, [100 * share, 100 * (1 - share)])
    return float(low), float(high)


def expanded_share(count: int) -> float:
    """What is left out at each end: Phi(-sqrt(n / (n - 1)) t), t the quantile of Student's distribution of n - 1."""
    if count < 2:
        return 0.0
    free, z = count - 1, NormalDist().inv_cdf(1 - LEVEL / 2)
    # Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5: within 0.001 from 7 degrees of freedom on
    t = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * free**3)
    return NormalDist().cdf(-math.sqrt(count / free) * t)


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
