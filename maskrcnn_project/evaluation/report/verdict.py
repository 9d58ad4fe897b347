"""What the numbers of an evaluation mean, in a few sentences: is it good, what costs most, what to do about it."""

from __future__ import annotations

import math

from maskrcnn_project.evaluation.evaluation_result import EvaluationResult

# After Bolya et al. 2020 (TIDE, arXiv:2008.08115), in plain words: kind -> (what it is, what helps).
ERROR_KINDS = {
    "missed": (
        "missed objects",
        "Look at the gallery for what they have in common. Small ones want larger images (INPUT.MIN_SIZE_TRAIN and "
        "MIN_SIZE_TEST), rare ones more examples.",
    ),
    "background": (
        "things that are not there",
        "Look at them: often they are there, and the annotation lacks them. Else train with images of what must not be "
        "found, and raise the score threshold.",
    ),
    "localisation": (
        "masks that fit badly",
        "Look whether the annotated outlines are as exact as you want the masks to be. MODEL.ROI_MASK_HEAD.NAME "
        "PointRefinedMaskHead draws finer ones, and larger images show small objects more exactly.",
    ),
    "class": (
        "wrong classes",
        "The confusion matrix says which; classes that people confuse, too, are better merged.",
    ),
    "both": ("wrong classes with masks that fit badly", "They go down with the other two kinds."),
    "duplicate": (
        "objects found twice",
        "Lower MODEL.ROI_HEADS.NMS_THRESH_TEST, or predict with --overlap highest.",
    ),
}
WORTH_SAYING = 0.5  # points of AP50: less is within the noise of nearly any set
MASKS_BEHIND = 10.0  # points of AP that masks may lie below boxes before it is said
BOUNDARIES_BEHIND = 10.0  # and boundaries below masks
SMALL_BEHIND = 20.0  # and small objects below large ones
UNSURE_SCORES = 0.1  # calibration error from which it is said
FEW_OBJECTS = 30  # with fewer of them, chance moves an AP by several points


def verdict(evaluation: EvaluationResult) -> list[str]:
    """Sentences, the most important first; at least one."""
    if not evaluation.num_objects:
        return [f"{evaluation.name} has no objects, so there is nothing to measure the model by."]
    said = [_headline(evaluation), _counts(evaluation)]
    if not sum(image.found for image in evaluation.per_image):
        return said
    said += _costs(evaluation)
    said += _sides(evaluation)
    if evaluation.num_objects < FEW_OBJECTS:
        said.append(
            f"All of this rests on {evaluation.num_objects} objects only: chance alone moves it by many points."
        )
    return said


def kinds_of_errors(evaluation: EvaluationResult) -> list[str]:
    """Keys of ERROR_KINDS; one class cannot be taken for another."""
    return [kind for kind in ERROR_KINDS if len(evaluation.classes) > 1 or kind not in ("class", "both")]


def percent(value: float) -> str:
    """One digit behind the point; a dash where nothing could be measured."""
    return "-" if math.isnan(value) else f"{value:.1f}"


def count_phrase(count: int, noun: str) -> str:
    """ "1 object", "2,000 objects"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def shares(evaluation: EvaluationResult) -> tuple[int, float, float]:
    """(correct, recall, precision) over all images at the score threshold; percent, NaN of nothing."""
    correct, objects, found = (
        sum(getattr(image, name) for image in evaluation.per_image) for name in ("correct", "objects", "found")
    )
    nan = float("nan")
    return correct, 100 * correct / objects if objects else nan, 100 * correct / found if found else nan


def _headline(evaluation: EvaluationResult) -> str:
    kind, kinds, average = "mask", "masks", evaluation.mask
    if math.isnan(average["AP"]):
        kind, kinds, average = "box", "boxes", evaluation.box
    return (
        f"{kind.capitalize()} AP50 is {percent(average['AP50'])} and {kind} AP {percent(average['AP'])}, of 100. AP50 "
        f"asks for {kinds} that overlap the truth by half, AP for ever closer ones as well."
    )


def _counts(evaluation: EvaluationResult) -> str:
    correct, recall, precision = shares(evaluation)
    objects, found = (sum(getattr(image, name) for image in evaluation.per_image) for name in ("objects", "found"))
    asked = f"At a score of {evaluation.score_threshold:g} and more, the model "
    if not found:
        return asked + f"finds nothing at all where there {_are(objects, 'object')}: lower the score threshold."
    return (
        asked + f"finds {correct:,} of {count_phrase(objects, 'object')} ({recall:.0f}%); of its "
        f"{count_phrase(found, 'detection')}, {precision:.0f}% are right."
    )


def _are(count: int, noun: str) -> str:
    return f"{'is' if count == 1 else 'are'} {count_phrase(count, noun)}"


def _costs(evaluation: EvaluationResult) -> list[str]:
    """Which kinds of error cost most, and what to do about the first."""
    costs = {kind: cost for kind, cost in evaluation.error_cost.items() if cost >= WORTH_SAYING and kind in ERROR_KINDS}
    if not costs:
        return ["No single kind of error costs more than half a point of AP50."]
    first, *others = sorted(costs, key=lambda kind: -costs[kind])
    text = f"What costs most: {ERROR_KINDS[first][0]}, {_points(costs[first])} of AP50"
    if others:
        text += "; then " + ", ".join(f"{ERROR_KINDS[kind][0]}, {costs[kind]:.1f}" for kind in others[:2])
    return [f"{text}. {ERROR_KINDS[first][1]}"]


def _points(cost: float) -> str:
    return f"{cost:.1f} points"


def _sides(evaluation: EvaluationResult) -> list[str]:
    """Weak sides that an average hides. A comparison with NaN is false: then there is nothing to say."""
    said = []
    box, mask = evaluation.box["AP"], evaluation.mask["AP"]
    if box - mask > MASKS_BEHIND:
        said.append(f"Boxes (AP {box:.1f}) are much better than masks ({mask:.1f}): it sees things, and draws badly.")
    boundary = evaluation.boundary["AP"]
    if mask - boundary > BOUNDARIES_BEHIND:
        said.append(f"Outlines are off: boundary AP is {boundary:.1f} where mask AP is {mask:.1f}.")
    small, large = evaluation.mask["APs"], evaluation.mask["APl"]
    if large - small > SMALL_BEHIND:
        said.append(
            f"Small objects, below 32 x 32 pixels, do much worse (mask AP {small:.1f}) than large ones ({large:.1f}): "
            "larger images help, or tiles."
        )
    if len(evaluation.classes) > 1:
        measured = [each for each in evaluation.classes if not math.isnan(each.ap50)]
        ranked = sorted(measured, key=lambda each: each.ap50)
        if len(ranked) > 1:
            said.append(
                f"The weakest class is {ranked[0].name} (AP50 {ranked[0].ap50:.1f}, "
                f"{count_phrase(ranked[0].objects, 'object')}), the strongest {ranked[-1].name} "
                f"({ranked[-1].ap50:.1f})."
            )
    merged = sum(event.kind == "merged" for event in evaluation.merges_and_splits)
    split = len(evaluation.merges_and_splits) - merged
    if merged or split:
        said.append(
            f"{count_phrase(merged, 'detection')} took several objects for one; {count_phrase(split, 'object')} "
            f"{'was' if split == 1 else 'were'} found in pieces."
        )
    if evaluation.calibration.ece > UNSURE_SCORES:
        said.append(
            "A score is no probability here: scores and the share that is right differ by "
            f"{100 * evaluation.calibration.ece:.0f} points on average. Choose thresholds from the table, not by feel."
        )
    return said
