"""The page on an evaluation: is it good, where does it fail, from which score on to believe it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from maskrcnn_project.evaluation.evaluation_result import EvaluationResult, NamedResult
from maskrcnn_project.evaluation.metrics.image_pairs import ImagePairs
from maskrcnn_project.evaluation.metrics.image_scores import ImageScores
from maskrcnn_project.evaluation.report.gallery import Album, legend
from maskrcnn_project.evaluation.report.report_charts import calibration_charts, cost_chart, curves
from maskrcnn_project.evaluation.report.report_tables import (
    MAX_CLASSES,
    class_table,
    confusion_table,
    error_table,
    size_table,
    thresholds,
)
from maskrcnn_project.evaluation.report.verdict import count_phrase, percent, shares, verdict
from maskrcnn_project.files import write_text
from maskrcnn_project.pages import html_page as page
from maskrcnn_project.pages.html_page import Html
from maskrcnn_project.pages.svg_charts import number

GENERATOR = "maskrcnn_project evaluation"  # by which a tool knows its own earlier pages
MAX_WORST, MAX_MERGED_OR_SPLIT = 24, 8  # images with pictures
MAX_LISTED = 20  # rows of a list of images
FLAWLESS = 1.0  # F1 of an image in which nothing is wrong
WORDS = (
    ("IoU", "Intersection over union of two masks: what they share, divided by what they cover together. 1: the same."),
    (
        "AP",
        "Average precision: the area under the curve of precision over recall, mean over the IoUs 0.50, 0.55 ... 0.95, "
        "then over the classes. AP50 and AP75: at one IoU.",
    ),
    ("AR", "Average recall: how much of what is there is found at all, mean over the same IoUs."),
    ("small, medium, large", "Objects below 32 x 32 pixels, between, and from 96 x 96 on, by COCO's definition."),
    (
        "boundary AP",
        "AP by the smaller of mask IoU and the IoU of narrow bands along both outlines: strict with the outlines of "
        "large objects, where mask IoU is lenient.",
    ),
    ("precision, recall", "What part of the detections is right; what part of the objects is found."),
    ("F1", "2 x precision x recall / (precision + recall): good only where both are."),
)


@dataclass(frozen=True)
class RunMetadata:
    """
    What the page says of the run besides its numbers.

    Attributes:
        title: a name for the run.
        weights: where they lie, or "" where it is not known.
        seconds_per_image: None where it was not measured.
        device: on which; "" where it is not known.
    """

    title: str
    weights: str = ""
    seconds_per_image: float | None = None
    device: str = ""


def write_report(
    path: Path, pairs: ImagePairs, evaluation: EvaluationResult, *, run: RunMetadata, further: Sequence[Html] = ()
) -> None:
    """
    Writes the page over an earlier one, never half. Images that cannot be read are named on it. ``further``: sections
    that other modules made.
    """
    write_text(path, report_page(pairs, evaluation, run, further))


def report_page(
    pairs: ImagePairs, evaluation: EvaluationResult, run: RunMetadata, further: Sequence[Html] = ()
) -> Html:
    """The whole page, at most about 25 MB: pictures are bounded in size and number."""
    images, objects = count_phrase(evaluation.num_images, "image"), count_phrase(evaluation.num_objects, "object")
    lead = f"{evaluation.name}: {images}, {objects}. "
    if run.weights:
        lead += f"Weights: {run.weights}. "
    lead += (
        f"What is counted is counted from a score of {evaluation.score_threshold:g} on; crowd regions are left out. "
        "AP, curves and calibration look at all scores."
    )
    album = Album([NamedResult("the model", pairs, evaluation)])
    worst = worst_section(evaluation, album)
    sections = [
        result_section(pairs, evaluation, run),
        classes_section(evaluation),
        page.section("Score thresholds", thresholds(evaluation.classes)),
        confusion_section(evaluation, pairs.class_names),
        errors_section(evaluation),
        worst,
        merges_and_splits_section(evaluation, album),
        calibration_section(evaluation),
        *further,
        page.section("Words", page.table(("word", "meaning"), WORDS, texts=2)),
    ]
    return page.page(f"Evaluation: {run.title}", lead, sections, generator=GENERATOR)


def result_section(pairs: ImagePairs, evaluation: EvaluationResult, run: RunMetadata) -> Html:
    """The verdict in words, the headline as tiles and as a table by size."""
    _, recall, precision = shares(evaluation)
    tiles = [
        (percent(evaluation.mask["AP"]), "mask AP"),
        (percent(evaluation.mask["AP50"]), "mask AP50"),
        (percent(evaluation.box["AP"]), "box AP"),
        (percent(evaluation.boundary["AP"]), "boundary AP"),
        (_whole(recall), f"of {count_phrase(evaluation.num_objects, 'object')} found"),
        (_whole(precision), f"of {count_phrase(evaluation.num_found, 'detection')} right"),
    ]
    if run.seconds_per_image is not None:
        place = f" on {run.device}" if run.device else ""
        tiles.append((_time(run.seconds_per_image), f"an image{place}, without reading it"))
    first, *others = verdict(evaluation)
    notes = [page.paragraph(page.Html(f"<strong>{page.escape(first)}</strong>")), *map(page.paragraph, others)]
    areas = np.concatenate([np.zeros(0), *(pair.truth.areas[~pair.truth.crowd] for pair in pairs.pairs)])
    if not pairs.has_masks:
        notes.append(page.paragraph("There are no masks to compare, so all but the AP is about boxes."))
    return page.section(
        "Result", *notes, page.fact_list(tiles), size_table(evaluation, areas), *_over_limit(pairs, evaluation)
    )


def classes_section(evaluation: EvaluationResult) -> Html:
    notes = []
    if len(evaluation.classes) > MAX_CLASSES:
        notes.append(
            page.paragraph(f"The weakest {MAX_CLASSES:,} of {len(evaluation.classes):,}; all are in per_class.csv.")
        )
    return page.section("Classes", class_table(evaluation.classes), *notes, curves(evaluation.classes))


def confusion_section(evaluation: EvaluationResult, names: Sequence[str]) -> Html:
    return page.section(
        "Who is taken for whom",
        page.paragraph(
            "Rows are what is there, columns what was found. Objects and detections are paired where their masks "
            "overlap by half, whatever their class; the more of its row, the stronger the shade. Each row sums to the "
            "objects of a class, each column to its detections."
        ),
        confusion_table(evaluation.confusion, names),
    )


def errors_section(evaluation: EvaluationResult) -> Html:
    said = (
        "What is wrong, by its cause, and by how many points the mask AP50 would rise if that alone were fixed. The "
        f"counts are from a score of {evaluation.score_threshold:g} on, the points over all scores."
    )
    return page.section("Errors", page.paragraph(said), page.figure(cost_chart(evaluation)), error_table(evaluation))


def worst_section(evaluation: EvaluationResult, album: Album) -> Html:
    """The images that went worst, as pictures and as a list."""
    flawed = [image for image in evaluation.per_image if image.f1 < FLAWLESS]
    if not flawed:
        return page.section("Worst images", page.paragraph("Nothing is wrong in any image."))
    bar = tqdm(flawed[:MAX_WORST], desc="Drawing images", unit="image", leave=False, disable=None)
    shots = [shot for image in bar if (shot := album.shot(image.image_id, _caption(image))) is not None]
    blocks = []
    if shots:
        said = "On the left what is there, on the right what was found. Click to see them large, and again to close."
        blocks = [page.paragraph(said), legend(), page.gallery(shots)]
    head = ("image", "objects", "found", "right", "missed", "false", "F1")
    rows = [
        (each.file_name, each.objects, each.found, each.correct, each.missed, each.false, f"{each.f1:.2f}")
        for each in flawed[:MAX_LISTED]
    ]
    title = f"The same as a list: {count_phrase(len(rows), 'image')} of {len(flawed):,} with something wrong"
    return page.section("Worst images", *blocks, *album.notes(), page.details(title, page.table(head, rows)))


def merges_and_splits_section(evaluation: EvaluationResult, album: Album) -> Html:
    """Touching objects taken for one, one taken for several: how often, where, and pictures of further images."""
    title = "Merged and split"
    if not evaluation.merges_and_splits:
        return page.section(title, page.paragraph("No objects were taken for one, and none for several."))
    names = {image.image_id: image.file_name for image in evaluation.per_image}
    by_image = Counter(event.image_id for event in evaluation.merges_and_splits)
    merged = [event for event in evaluation.merges_and_splits if event.kind == "merged"]
    together = sum(len(event.truth_ids) for event in merged)
    said = (
        f"{together:,} objects were taken for {count_phrase(len(merged), 'detection')} (merged); "
        f"{count_phrase(len(evaluation.merges_and_splits) - len(merged), 'object')} found in several pieces (split). "
        "In the pictures they have a colour of their own."
    )
    further = [image_id for image_id, _ in by_image.most_common() if not album.has_shown(image_id)][
        :MAX_MERGED_OR_SPLIT
    ]
    captions = {image_id: f"{names[image_id]}: {by_image[image_id]} merged or split" for image_id in further}
    shots = [shot for image_id in further if (shot := album.shot(image_id, captions[image_id])) is not None]
    rows = [(names[image_id], count) for image_id, count in by_image.most_common(MAX_LISTED)]
    listed = page.details("Images with most of them", page.table(("image", "merged or split"), rows))
    return page.section(title, page.paragraph(said), *([page.gallery(shots)] if shots else []), listed)


def calibration_section(evaluation: EvaluationResult) -> Html:
    title = "Can the scores be believed"
    if not evaluation.calibration.count.sum():
        return page.section(title, page.paragraph("Nothing was found, so there are no scores to look at."))
    said = (
        "Scores and the share of detections that is right differ by "
        f"{100 * evaluation.calibration.ece:.1f} points on average (expected calibration error)."
    )
    return page.section(title, page.paragraph(said), calibration_charts(evaluation.calibration))


def _over_limit(pairs: ImagePairs, evaluation: EvaluationResult) -> list[Html]:
    """Images in which not everything can be found."""
    if not evaluation.over_limit:
        return []
    names = {pair.image_id: pair.file_name for pair in pairs.pairs}
    most = max(objects for _, objects in evaluation.over_limit)
    said = (
        f"{count_phrase(len(evaluation.over_limit), 'image')} with more objects than the {pairs.max_detections:,} "
        f"detections that count: not all of them can be found. TEST.DETECTIONS_PER_IMAGE {most} lets them."
    )
    rows = [(names[image_id], number(objects)) for image_id, objects in evaluation.over_limit[:MAX_LISTED]]
    return [page.paragraph(page.badge(said, "warning")), page.details("Which", page.table(("image", "objects"), rows))]


def _caption(image: ImageScores) -> str:
    return f"{image.file_name}: {count_phrase(image.objects, 'object')}, {image.missed:,} missed, {image.false:,} false"


def _whole(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0f}%"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
