"""Charts of an evaluation: precision over recall, F1 over the score, whether scores can be believed."""

from __future__ import annotations

import math

import numpy as np

from maskrcnn_project.evaluation.evaluation_result import EvaluationResult
from maskrcnn_project.evaluation.metrics.calibration import Calibration
from maskrcnn_project.evaluation.metrics.class_scores import ClassScores
from maskrcnn_project.evaluation.report.verdict import ERROR_KINDS, count_phrase, kinds_of_errors
from maskrcnn_project.pages import html_page as page
from maskrcnn_project.pages.html_page import Html
from maskrcnn_project.pages.svg_charts import LINE_COLOURS, against_diagonal, bars, columns, lines

SCORE, PRECISION, RECALL, F1 = range(4)  # columns of ClassScores.curve


def curves(classes: list[ClassScores]) -> Html:
    """Precision over recall and F1 over the score, of the classes with most objects."""
    drawn = [each for each in classes if len(each.curve) and each.objects]
    if not drawn:
        return page.paragraph("There are no curves, because no class has both objects and detections.")
    drawn = sorted(drawn, key=lambda each: -each.objects)[: len(LINE_COLOURS)]
    by_name = _with_name(drawn)
    recalls = lines(
        {name: each.curve[:, [RECALL, PRECISION]] for name, each in by_name.items()},
        title="Precision over recall",
        x_label="recall",
        y_label="precision",
        marks={name: _at_threshold(each, RECALL, PRECISION) for name, each in by_name.items()},
    )
    scores = lines(
        {name: each.curve[:, [SCORE, F1]] for name, each in by_name.items()},
        title="F1 over the score threshold",
        x_label="score threshold",
        y_label="F1",
        marks={name: (each.threshold, each.f1 / 100) for name, each in by_name.items() if each.threshold >= 0},
    )
    note = "" if len(drawn) == len(classes) else f" The {len(drawn)} classes with most objects, of {len(classes)}."
    key = [page.legend(dict(zip(by_name, LINE_COLOURS, strict=False)))] if len(classes) > 1 else []
    return page.join(
        [
            *key,
            page.row(
                page.figure(
                    recalls,
                    "Precision: which part of what it finds is right. Recall: which part of what is there it finds. "
                    f"The dot is the suggested score threshold.{note}",
                ),
                page.figure(scores, f"F1 weighs both against each other; the dot is its best, the suggestion.{note}"),
            ),
        ]
    )


def calibration_charts(calibration: Calibration) -> Html:
    """The reliability diagram, and how many detections it rests on."""
    said = [
        f"{low:.2f} to {high:.2f}: {count_phrase(int(count), 'detection')}, "
        + ("" if math.isnan(right) else f"mean score {mean:.2f}, {100 * right:.0f}% right")
        for low, high, count, mean, right in zip(
            calibration.edges[:-1],
            calibration.edges[1:],
            calibration.count,
            calibration.mean_score,
            calibration.precision,
            strict=True,
        )
    ]
    diagram = against_diagonal(
        calibration.edges.tolist(),
        calibration.precision.tolist(),
        said,
        title="Reliability: share that is right over the score",
        x_label="score",
        y_label="share that is right",
    )
    counts = columns(
        np.round(calibration.edges, 6).tolist(),
        calibration.count.tolist(),
        title="Histogram of scores",
        x_label="score",
    )
    return page.row(
        page.figure(
            diagram,
            "Columns on the line: a score of 0.8 is right in 8 of 10 cases. Below it the model is too sure of itself, "
            "above it too modest.",
        ),
        page.figure(counts, "How many detections have such a score."),
    )


def cost_chart(evaluation: EvaluationResult) -> Html:
    """Points of AP50 that each kind of error costs."""
    kinds = sorted(kinds_of_errors(evaluation), key=lambda kind: -_cost(evaluation, kind))
    names = [ERROR_KINDS[kind][0] for kind in kinds]
    return bars(
        names,
        {"points of AP50": [round(_cost(evaluation, kind), 2) for kind in kinds]},
        title="What each kind of error costs",
    )


def _cost(evaluation: EvaluationResult, kind: str) -> float:
    """0 where nothing could be measured; fixing can cost a little too, which a bar cannot show."""
    cost = evaluation.error_cost.get(kind, 0.0)
    return 0.0 if math.isnan(cost) else max(0.0, cost)


def _at_threshold(each: ClassScores, *which: int) -> tuple[float, float]:
    """Two columns of the curve where its score is nearest to the suggested threshold."""
    row = each.curve[int(np.argmin(np.abs(each.curve[:, SCORE] - np.nan_to_num(each.threshold))))]
    return float(row[which[0]]), float(row[which[1]])


def _with_name(classes: list[ClassScores]) -> dict[str, ClassScores]:
    """By name; two classes of one name stay two."""
    named: dict[str, ClassScores] = {}
    for each in classes:
        named[each.name if each.name not in named else f"{each.name} ({len(named) + 1})"] = each
    return named
