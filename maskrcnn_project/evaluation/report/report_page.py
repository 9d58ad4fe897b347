"""The page on an evaluation: is it good, where does it fail, from which score on to believe it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from maskrcnn_project.evaluation.evaluation_result import Judged, Judgement
from maskrcnn_project.evaluation.metrics.image_pairs import Cases
from maskrcnn_project.evaluation.metrics.image_scores import ImageScores
from maskrcnn_project.evaluation.report.gallery import Album, legend
from maskrcnn_project.evaluation.report.report_charts import calibration_charts, cost_chart, curves
from maskrcnn_project.evaluation.report.report_tables import (
    MOST_CLASSES,
    class_table,
    confusion_table,
    error_table,
    size_table,
    thresholds,
)
from maskrcnn_project.evaluation.report.verdict import counted, percent, shares, verdict
from maskrcnn_project.files import write_text
from maskrcnn_project.pages import html_page as page
from maskrcnn_project.pages.html_page import Html
from maskrcnn_project.pages.svg_charts import number

GENERATOR = "maskrcnn_project evaluation"  # by which a tool knows its own earlier pages
MOST_WORST, MOST_FUSED = 24, 8  # images with pictures
MOST_LISTED = 20  # rows of a list of images
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
        "AP by the lesser of mask IoU and the IoU of narrow bands along both outlines: strict with the outlines of "
        "large objects, where mask IoU is lenient.",
    ),
    ("precision, recall", "What part of the detections is right; what part of the objects is found."),
    ("F1", "2 x precision x recall / (precision + recall): good only where both are."),
)


@dataclass(frozen=True)
class RunFacts:
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
    path: Path, cases: Cases, judgement: Judgement, *, run: RunFacts, further: Sequence[Html] = ()
) -> None:
    """
    Writes the page over an earlier one, never half. Images that cannot be read are named on it. ``further``: sections
    that other modules made.
    """
    write_text(path, report_page(cases, judgement, run, further))


def report_page(cases: Cases, judgement: Judgement, run: RunFacts, further: Sequence[Html] = ()) -> Html:
    """The whole page, at most about 25 MB: pictures are bounded in size and number."""
    lead = f"{judgement.name}: {counted(judgement.num_images, 'image')}, {counted(judgement.num_objects, 'object')}. "
    if run.weights:
        lead += f"Weights: {run.weights}. "
    lead += (
        f"What is counted is counted from a score of {judgement.score_threshold:g} on; crowd regions are left out. AP, "
        "curves and calibration look at all scores."
    )
    album = Album([Judged("the model", cases, judgement)])
    worst = worst_section(judgement, album)
    sections = [
        result_section(cases, judgement, run),
        classes_section(judgement),
        page.section("Score thresholds", thresholds(judgement.classes)),
        confusion_section(judgement, cases.class_names),
        errors_section(judgement),
        worst,
        fusions_section(judgement, album),
        calibration_section(judgement),
        *further,
        page.section("Words", page.table(("word", "meaning"), WORDS, texts=2)),
    ]
    return page.page(f"Evaluation: {run.title}", lead, sections, generator=GENERATOR)


def result_section(cases: Cases, judgement: Judgement, run: RunFacts) -> Html:
    """The verdict in words, the headline as tiles and as a table by size."""
    _, recall, precision = shares(judgement)
    tiles = [
        (percent(judgement.mask["AP"]), "mask AP"),
        (percent(judgement.mask["AP50"]), "mask AP50"),
        (percent(judgement.box["AP"]), "box AP"),
        (percent(judgement.boundary["AP"]), "boundary AP"),
        (_whole(recall), f"of {counted(judgement.num_objects, 'object')} found"),
        (_whole(precision), f"of {counted(judgement.num_found, 'detection')} right"),
    ]
    if run.seconds_per_image is not None:
        place = f" on {run.device}" if run.device else ""
        tiles.append((_time(run.seconds_per_image), f"an image{place}, without reading it"))
    first, *others = verdict(judgement)
    notes = [page.paragraph(page.Html(f"<strong>{page.escaped(first)}</strong>")), *map(page.paragraph, others)]
    areas = np.concatenate([np.zeros(0), *(case.truth.areas[~case.truth.crowd] for case in cases.cases)])
    if not cases.has_masks:
        notes.append(page.paragraph("There are no masks to compare, so all but the AP is about boxes."))
    return page.section(
        "Result", *notes, page.facts(tiles), size_table(judgement, areas), *_over_limit(cases, judgement)
    )


def classes_section(judgement: Judgement) -> Html:
    notes = []
    if len(judgement.classes) > MOST_CLASSES:
        notes.append(
            page.paragraph(f"The weakest {MOST_CLASSES:,} of {len(judgement.classes):,}; all are in per_class.csv.")
        )
    return page.section("Classes", class_table(judgement.classes), *notes, curves(judgement.classes))


def confusion_section(judgement: Judgement, names: Sequence[str]) -> Html:
    return page.section(
        "Who is taken for whom",
        page.paragraph(
            "Rows are what is there, columns what was found. Objects and detections are paired where their masks "
            "overlap by half, whatever their class; the more of its row, the stronger the shade. Each row sums to the "
            "objects of a class, each column to its detections."
        ),
        confusion_table(judgement.confusion, names),
    )


def errors_section(judgement: Judgement) -> Html:
    said = (
        "What is wrong, by its cause, and by how many points the mask AP50 would rise if that alone were mended. The "
        f"counts are from a score of {judgement.score_threshold:g} on, the points over all scores."
    )
    return page.section("Errors", page.paragraph(said), page.figure(cost_chart(judgement)), error_table(judgement))


def worst_section(judgement: Judgement, album: Album) -> Html:
    """The images that went worst, as pictures and as a list."""
    flawed = [image for image in judgement.per_image if image.f1 < FLAWLESS]
    if not flawed:
        return page.section("Worst images", page.paragraph("Nothing is wrong in any image."))
    bar = tqdm(flawed[:MOST_WORST], desc="Drawing images", unit="image", leave=False, disable=None)
    shots = [shot for image in bar if (shot := album.shot(image.image_id, _caption(image))) is not None]
    blocks = []
    if shots:
        said = "On the left what is there, on the right what was found. Click to see them large, and again to close."
        blocks = [page.paragraph(said), legend(), page.gallery(shots)]
    head = ("image", "objects", "found", "right", "missed", "false", "F1")
    rows = [
        (each.file_name, each.objects, each.found, each.correct, each.missed, each.false, f"{each.f1:.2f}")
        for each in flawed[:MOST_LISTED]
    ]
    title = f"The same as a list: {counted(len(rows), 'image')} of {len(flawed):,} with something wrong"
    return page.section("Worst images", *blocks, *album.notes(), page.details(title, page.table(head, rows)))


def fusions_section(judgement: Judgement, album: Album) -> Html:
    """Touching objects taken for one, one taken for several: how often, where, and pictures of further images."""
    title = "Merged and split"
    if not judgement.fusions:
        return page.section(title, page.paragraph("No objects were taken for one, and none for several."))
    names = {image.image_id: image.file_name for image in judgement.per_image}
    by_image = Counter(fusion.image_id for fusion in judgement.fusions)
    merged = [fusion for fusion in judgement.fusions if fusion.kind == "merged"]
    together = sum(len(fusion.truth_ids) for fusion in merged)
    said = (
        f"{together:,} objects were taken for {counted(len(merged), 'detection')} (merged); "
        f"{counted(len(judgement.fusions) - len(merged), 'object')} found in several pieces (split). "
        "In the pictures they have a colour of their own."
    )
    further = [image_id for image_id, _ in by_image.most_common() if not album.has_shown(image_id)][:MOST_FUSED]
    captions = {image_id: f"{names[image_id]}: {by_image[image_id]} merged or split" for image_id in further}
    shots = [shot for image_id in further if (shot := album.shot(image_id, captions[image_id])) is not None]
    rows = [(names[image_id], count) for image_id, count in by_image.most_common(MOST_LISTED)]
    listed = page.details("Images with most of them", page.table(("image", "merged or split"), rows))
    return page.section(title, page.paragraph(said), *([page.gallery(shots)] if shots else []), listed)


def calibration_section(judgement: Judgement) -> Html:
    title = "Can the scores be believed"
    if not judgement.calibration.count.sum():
        return page.section(title, page.paragraph("Nothing was found, so there are no scores to look at."))
    said = (
        "Scores and the share of detections that is right differ by "
        f"{100 * judgement.calibration.ece:.1f} points on average (expected calibration error)."
    )
    return page.section(title, page.paragraph(said), calibration_charts(judgement.calibration))


def _over_limit(cases: Cases, judgement: Judgement) -> list[Html]:
    """Images in which not everything can be found."""
    if not judgement.over_limit:
        return []
    names = {case.image_id: case.file_name for case in cases.cases}
    most = max(objects for _, objects in judgement.over_limit)
    said = (
        f"{counted(len(judgement.over_limit), 'image')} with more objects than the {cases.max_detections:,} detections "
        f"that count: not all of them can be found. TEST.DETECTIONS_PER_IMAGE {most} lets them."
    )
    rows = [(names[image_id], number(objects)) for image_id, objects in judgement.over_limit[:MOST_LISTED]]
    return [page.paragraph(page.badge(said, "warning")), page.details("Which", page.table(("image", "objects"), rows))]


def _caption(image: ImageScores) -> str:
    return f"{image.file_name}: {counted(image.objects, 'object')}, {image.missed:,} missed, {image.false:,} false"


def _whole(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0f}%"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
