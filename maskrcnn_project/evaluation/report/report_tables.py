"""Tables of an evaluation: AP by size, classes, score thresholds, who is taken for whom, kinds of errors."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

import numpy as np

from maskrcnn_project.datasets.statistics import LARGE, SMALL
from maskrcnn_project.evaluation.evaluation_result import EvaluationResult
from maskrcnn_project.evaluation.metrics.class_scores import ClassScores
from maskrcnn_project.evaluation.report.verdict import ERROR_KINDS, FEW_OBJECTS, kinds_of_errors, percent
from maskrcnn_project.pages import html_page as page
from maskrcnn_project.pages.html_page import Html
from maskrcnn_project.pages.svg_charts import number

METRICS = {
    "AP": "AP",
    "AP50": "AP50",
    "AP75": "AP75",
    "APs": "small",
    "APm": "medium",
    "APl": "large",
    "AR": "AR",
}  # key of Evaluation.mask -> head of its column
MAX_CLASSES = 2000  # in a table: the richest public set has 1,203
MAX_IN_MATRIX = 30  # classes whose confusion matrix can be read
MAX_CONFUSIONS = 40  # pairs that are listed where there are more classes
RIGHT_SHADE, WRONG_SHADE = "rgba(42,111,151,{:.2f})", "rgba(193,68,60,{:.2f})"  # bear the ink of light and dark pages
DARKEST = 0.6


def size_table(evaluation: EvaluationResult, areas: np.ndarray) -> Html:
    """
    Box, mask and boundary AP, all and by size.

    Args:
        areas: (G,) square pixels of all objects but crowd regions: an AP of two objects says little.
    """
    parts = {"masks": evaluation.mask, "boxes": evaluation.box, "boundaries": evaluation.boundary}
    rows = [(name, *(percent(part.get(key, math.nan)) for key in METRICS)) for name, part in parts.items()]
    # COCO's limits hold on both sides, as its ranges are closed
    sizes = {"APs": areas <= SMALL**2, "APm": (areas >= SMALL**2) & (areas <= LARGE**2), "APl": areas >= LARGE**2}
    counts = [number(int(sizes[key].sum())) if key in sizes else "" for key in METRICS]
    counts[0] = number(len(areas))
    return page.table(("of 100", *METRICS.values()), [*rows, ("objects", *counts)])


def class_table(classes: Sequence[ClassScores]) -> Html:
    """All of each class, the weakest first."""
    ranked = sorted(classes, key=lambda each: (math.isnan(each.ap), each.ap))[:MAX_CLASSES]
    rows = [
        (
            each.name,
            number(each.objects),
            *map(percent, (each.ap, each.ap50, each.ap75, each.ar, each.boundary_ap, each.box_ap, each.box_ap50)),
            threshold_text(each),
            *map(percent, (each.precision, each.recall, each.f1)),
        )
        for each in ranked
    ]
    head = ("class", "objects", "AP", "AP50", "AP75", "AR", "boundary AP", "box AP", "box AP50")
    return page.table((*head, "best threshold", "precision", "recall", "F1"), rows)


def threshold_text(each: ClassScores) -> str:
    return "-" if math.isnan(each.threshold) else f"{down(each.threshold):.2f}"


def down(threshold: float) -> float:
    """To two digits, so that the detection that has just this score is still taken."""
    return math.floor(threshold * 100 + 1e-9) / 100


def threshold_argument(classes: Sequence[ClassScores]) -> str | None:
    """What to give to predict.py, quoted for a shell; None where no class has a threshold."""
    known = [each for each in classes if not math.isnan(each.threshold) and "," not in each.name]  # it parts the pairs
    if not known:
        return None
    if len(classes) == 1:
        return f"--score-threshold {down(known[0].threshold):.2f}"
    pairs = ",".join(f"{each.name}={down(each.threshold):.2f}" for each in known)
    return f"--score-threshold {shlex.quote(pairs)}"


def thresholds(classes: Sequence[ClassScores]) -> Html:
    """The suggestion to paste, and what it rests on."""
    argument = threshold_argument(classes)
    if argument is None:
        return page.paragraph("There is no threshold to suggest, because no class has both objects and detections.")
    blocks = [
        page.paragraph(
            "At these scores precision and recall are best balanced (the best F1, for masks that overlap by half). "
            "Give them to predict.py; lower them to miss less, raise them to be wrong less often:"
        ),
        page.code(f"tools/predict.py {argument} ..."),
    ]
    if len(classes) == 1:
        setting = f"PREDICT:\n  SCORE_THRESHOLD: {down(classes[0].threshold):.2f}"
        blocks += [page.paragraph("Or once and for all in the config:"), page.code(setting)]
    few = [each.name for each in classes if each.objects < FEW_OBJECTS and not math.isnan(each.threshold)]
    if few:
        names = ", ".join(few[:10]) + (f" and {len(few) - 10} more" if len(few) > 10 else "")
        blocks.append(page.paragraph(f"Fewer than {FEW_OBJECTS} objects stand behind the suggestion for {names}."))
    return page.join(blocks)


def confusion_table(confusion: np.ndarray, names: Sequence[str]) -> Html:
    """
    Args:
        confusion: (K+1, K+1) int64, rows: what is there, columns: what was found, the last of both: nothing.
    """
    if len(names) > MAX_IN_MATRIX:
        return _confusion_list(confusion, names)
    rows = []
    for index, name in enumerate((*names, "nothing there")):
        counts = confusion[index]
        cells = [
            (number(int(count)), _shade(index, column, int(count), int(counts.sum())))
            for column, count in enumerate(counts)
        ]
        if index == len(names):
            cells[-1] = ("", "")  # what is not there and was not found cannot be counted
        rows.append((name, [*cells, (page.Html(f"<b>{number(int(counts.sum()))}</b>"), "")]))
    sums = [(page.Html(f"<b>{number(int(total))}</b>"), "") for total in (*confusion.sum(axis=0), confusion.sum())]
    return page.shaded_table("there / found", (*names, "not found", "sum"), [*rows, ("sum", sums)])


def error_table(evaluation: EvaluationResult) -> Html:
    """Kinds of errors: how many, what each costs."""
    kinds = sorted(kinds_of_errors(evaluation), key=lambda kind: -np.nan_to_num(evaluation.error_cost.get(kind, 0.0)))
    rows = [
        (
            *ERROR_KINDS[kind],
            number(evaluation.errors.get(kind, 0)),
            percent(evaluation.error_cost.get(kind, math.nan)),
        )
        for kind in kinds
    ]
    return page.table(("kind", "what helps", "how many", "points of AP50"), rows, texts=2)


def _confusion_list(confusion: np.ndarray, names: Sequence[str]) -> Html:
    """The most frequent confusions of two classes."""
    pairs = confusion[:-1, :-1].copy()
    np.fill_diagonal(pairs, 0)
    order = np.argsort(-pairs, axis=None, kind="stable")[:MAX_CONFUSIONS]
    rows = [
        (names[row], names[column], number(int(pairs[row, column])), number(int(confusion[row].sum())))
        for row, column in zip(*np.unravel_index(order, pairs.shape), strict=True)
        if pairs[row, column]
    ]
    said = page.paragraph(
        f"The matrix of {len(names)} classes is in metrics.json; these are its most frequent confusions of two classes."
    )
    if not rows:
        return page.paragraph(f"None of the {len(names)} classes was taken for another.")
    return page.join([said, page.table(("there", "found", "times", "objects of the class"), rows, texts=2)])


def _shade(row: int, column: int, count: int, total: int) -> str:
    """The stronger, the larger the part of the row; red for what is wrong."""
    share = DARKEST * count / total if total else 0.0
    return (RIGHT_SHADE if row == column else WRONG_SHADE).format(share) if share >= 0.01 else ""
