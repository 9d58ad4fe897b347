"""What a evaluation leaves on disk for other programs: metrics.json and per_class.csv."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import fields
from pathlib import Path

from maskrcnn_project.evaluation.evaluation_result import ClassScores, EvaluationResult, as_metrics
from maskrcnn_project.files import write_text

METRICS_NAME = "metrics.json"
PER_CLASS_NAME = "per_class.csv"


def write_metrics(folder: Path, evaluation: EvaluationResult) -> None:
    """Writes both files into ``folder``, over those of an earlier evaluation."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / METRICS_NAME, json.dumps(as_metrics(evaluation), indent=1, allow_nan=False) + "\n")
    write_text(folder / PER_CLASS_NAME, per_class_table(evaluation.classes))


def per_class_table(classes: list[ClassScores]) -> str:
    """CSV: a row for each class, a column for each attribute but the curve; empty where nothing can be measured."""
    columns = [field.name for field in fields(ClassScores) if field.name != "curve"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", *columns[1:]])
    for scores in classes:
        writer.writerow([_cell(getattr(scores, column)) for column in columns])
    return text.getvalue()


def _cell(value: str | float) -> str | float:
    if isinstance(value, float):
        return "" if math.isnan(value) else value
    return value
