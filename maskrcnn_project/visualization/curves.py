"""Curves of a run, read from the ``metrics.json`` that Detectron2's JSONWriter writes (one JSON object per line)."""

from __future__ import annotations

import json
import math
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from maskrcnn_project.files import atomic_path

# The parts of the Mask R-CNN loss in the order of the model: proposals, boxes, masks.
LOSS_NAMES = ("loss_rpn_cls", "loss_rpn_loc", "loss_cls", "loss_box_reg", "loss_mask")

VALIDATION_LOSS = "val/total_loss"  # of the hook ValidationLoss


def read_metrics(path: Path) -> dict[str, list[tuple[int, float]]]:
    """
    Every scalar of a run as (iteration, value), sorted by iteration; the last value wins where a resumed run
    wrote an iteration again. A last line cut off by a kill is left out.
    """
    series: dict[str, dict[int, float]] = {}
    for line in path.read_text("utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue  # the line being written when the process was killed
        iteration = record.get("iteration")
        if iteration is None:
            continue
        for key, value in record.items():
            if key != "iteration" and isinstance(value, (int, float)):
                series.setdefault(key, {})[int(iteration)] = float(value)
    return {key: sorted(points.items()) for key, points in series.items()}


def smooth(values: list[float], weight: float = 0.8) -> list[float]:
    """Exponential moving average with the bias of its start removed; non-finite values are stepped over."""
    average, norm, out = 0.0, 0.0, []
    for value in values:
        if math.isfinite(value):
            average = weight * average + (1 - weight) * value
            norm = weight * norm + (1 - weight)
        out.append(average / norm if norm else math.nan)
    return out


def draw_run_curves(metrics: Path, output: Path) -> bool:
    """Draws losses (left), validation AP and learning rate (right). Returns False, writing nothing, without losses."""
    series = read_metrics(metrics)
    if not series.get("total_loss"):
        return False
    figure = Figure(figsize=(12, 4.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    losses, quality = figure.subplots(1, 2)
    for name in ("total_loss", *LOSS_NAMES):
        if series.get(name):
            _draw_loss(losses, name, series[name])
    validation = [point for point in series.get(VALIDATION_LOSS, []) if math.isfinite(point[1])]
    if validation:
        losses.plot(*zip(*validation, strict=True), "o--", color="black", markersize=4, label=VALIDATION_LOSS)
    losses.set(xlabel="iteration", ylabel="loss", title="Losses" if validation else "Training loss")
    losses.set_ylim(bottom=0)
    losses.legend(fontsize=8)
    _draw_quality(quality, series)
    for axes in (losses, quality):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(output) as beside:
        figure.savefig(beside)
    return True


def _draw_loss(axes, name: str, points: list[tuple[int, float]]) -> None:
    iterations, values = [p[0] for p in points], [p[1] for p in points]
    total = name == "total_loss"
    (line,) = axes.plot(
        iterations,
        smooth(values),
        label=name,
        linewidth=2.2 if total else 1.3,
        color="black" if total else None,
    )
    axes.plot(iterations, values, color=line.get_color(), alpha=0.18, linewidth=1)


def _draw_quality(axes, series: dict[str, list[tuple[int, float]]]) -> None:
    """AP of boxes and masks against the left axis, the learning rate against the right one."""
    drawn = False
    for name, label in (("bbox/AP", "box AP"), ("segm/AP", "mask AP"), ("segm/AP50", "mask AP50")):
        points = [p for p in series.get(name, []) if math.isfinite(p[1])]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=label)
            drawn = True
    axes.set(xlabel="iteration", ylabel="AP (%)", title="Validation AP" if drawn else "Learning rate")
    if drawn:
        axes.set_ylim(0, 100)
        axes.legend(fontsize=8, loc="upper left")
    else:
        axes.set_yticks([])
        axes.set_ylabel("")
    if series.get("lr"):
        rate = axes.twinx()
        rate.plot(*zip(*series["lr"], strict=True), color="0.6", linestyle=":", linewidth=1.2)
        rate.set_ylabel("learning rate", color="0.45")
        rate.spines["top"].set_visible(False)
