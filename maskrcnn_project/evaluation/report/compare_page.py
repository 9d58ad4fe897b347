"""The page that sets two models side by side."""

from __future__ import annotations

import math
from pathlib import Path

from maskrcnn_project.evaluation.compare import LEVEL, MIN_IMAGES, Comparison, Difference
from maskrcnn_project.evaluation.evaluation_result import NamedResult
from maskrcnn_project.evaluation.report.gallery import Album, legend
from maskrcnn_project.evaluation.report.report_tables import MAX_CLASSES
from maskrcnn_project.evaluation.report.verdict import percent
from maskrcnn_project.files import write_text
from maskrcnn_project.pages import html_page as page
from maskrcnn_project.pages.html_page import Html
from maskrcnn_project.pages.svg_charts import intervals

GENERATOR = "maskrcnn_project comparison"  # by which a tool knows its own earlier pages
MAX_PICTURED = 16  # images
MAX_LISTED = 20
MAX_DRAWN = 40  # classes in the chart
FEW_IMAGES = 30  # below, draws of them repeat each other too much for an exact interval


def write_comparison(path: Path, comparison: Comparison, a: NamedResult, b: NamedResult) -> None:
    """Writes the page over an earlier one, never half."""
    write_text(path, comparison_page(comparison, a, b))


def comparison_page(comparison: Comparison, a: NamedResult, b: NamedResult) -> Html:
    """The whole page."""
    lead = (
        f"A is {comparison.name_a}, B is {comparison.name_b}, both over the {comparison.num_images:,} images of "
        f"{a.pairs.name}. A change is B less A, in points of 100."
    )
    sections = [result_section(comparison, a, b), classes_section(comparison), images_section(comparison, a, b)]
    return page.page(f"{comparison.name_a} or {comparison.name_b}?", lead, sections, generator=GENERATOR)


def conclusion(name: str, difference: Difference) -> str:
    """Whether one of them is better in a measure, in one sentence."""
    low, high, change = difference.low, difference.high, difference.change
    if math.isnan(change):
        return f"There are no objects to measure {name} by."
    if low == high == change == 0:
        return f"A and B have the same {name}, whichever images are taken."
    if difference.has_few_images:
        return (
            f"{_changes(name, change)}, but {_images(difference.num_images)} too few to tell which is better, however "
            f"large the difference: it takes at least {MIN_IMAGES}."
        )
    between = f"the 95% interval of the change goes from {_with_sign(low)} to {_with_sign(high)}"
    if difference.is_real:
        better, worse = ("B", "A") if change > 0 else ("A", "B")
        said = f"{better} is better than {worse} by {abs(change):.1f} points of {name}"
        return f"{said}, and that is real on such images: {between}."
    return f"{_changes(name, change)}, but that may be chance: {between}, so it leaves open which is better."


def result_section(comparison: Comparison, a: NamedResult, b: NamedResult) -> Html:
    first = next(iter(comparison.measures))
    said = [
        page.Html(f"<strong>{page.escape(conclusion(first, comparison.measures[first]))}</strong>"),
        f"The interval comes from drawing the images anew {comparison.resamples:,} times, some twice and some not at "
        "all, and scoring both models on each draw. Whether a difference is real is decided by a second trial: in each "
        "image a coin says whether the results of A and B change places, and both mixtures are scored, as many times. "
        f"A difference is called real only if at most {100 * LEVEL:g}% of these mixtures differ as clearly in any "
        "measure of the table. All this covers which images happen to be in the set; how much another training of the "
        "same model would differ it cannot tell.",
    ]
    if MIN_IMAGES <= comparison.num_images < FEW_IMAGES:
        said.append(f"With {comparison.num_images} images the interval itself is rough.")
    if a.pairs.max_detections != b.pairs.max_detections:
        most = f"{a.pairs.max_detections:,} detections of an image count for A, {b.pairs.max_detections:,} for B."
        said.append(f"They are not measured quite alike: {most}")
    rows = [(name, *_cells(difference)) for name, difference in comparison.measures.items()]
    head = ("of 100", "A", "B", "change", "95% interval", "verdict")
    return page.section("Result", *map(page.paragraph, said), page.table(head, rows))


def classes_section(comparison: Comparison) -> Html:
    """AP of each class, those that changed most first."""
    known = [(name, each) for name, each in comparison.classes if not math.isnan(each.change)]
    if not known:
        return page.section("Classes", page.paragraph("No class has objects."))
    ranked = sorted(known, key=lambda pair: -abs(pair[1].change))
    drawn = [(name, each) for name, each in ranked[:MAX_DRAWN] if not math.isnan(each.low)]
    chart = intervals(
        [name for name, _ in drawn],
        [(each.low, each.change, each.high) for _, each in drawn],
        title="Change of the AP of each class with its 95% interval",
        unit="points",
    )
    caption = "Change of AP from A to B. Coloured lines leave out zero: the difference is real."
    if len(comparison.classes) > 1:
        caption += " Each class is tested by itself: of twenty that did not change, one may look so by chance."
    rows = [(name, *_cells(each)) for name, each in ranked[:MAX_CLASSES]]
    return page.section(
        "Classes",
        page.figure(chart, caption),
        page.table(("class, AP", "A", "B", "change", "95% interval", "verdict"), rows),
    )


def images_section(comparison: Comparison, a: NamedResult, b: NamedResult) -> Html:
    """Where the two differ most, as pictures and as a list."""
    differing = [image for image in comparison.images if image.change]
    if not differing:
        return page.section("Images", page.paragraph("At the score threshold both find the same in every image."))
    album = Album([a, b])
    shots = []
    for image in differing[:MAX_PICTURED]:
        better = "B" if image.change > 0 else "A"
        caption = f"{image.file_name}: {better} is better, quality {image.a:.2f} and {image.b:.2f}"
        shot = album.shot(image.image_id, caption)
        if shot is not None:
            shots.append(shot)
    better_b = sum(image.change > 0 for image in differing)
    said = (
        f"{_from_scores(a, b)} B is better in {better_b:,} images, A in {len(differing) - better_b:,}, and "
        f"{comparison.num_images - len(differing):,} are alike. Quality is F1 times the mean IoU of what is right "
        "(panoptic quality). These differ most."
    )
    blocks = [page.paragraph(said)]
    if shots:
        how = "From left to right: what is there, what A found, what B found. Click to see them large."
        blocks += [page.paragraph(how), legend(), page.gallery(shots)]
    rows = [(each.file_name, f"{each.a:.2f}", f"{each.b:.2f}", f"{each.change:+.2f}") for each in differing]
    table = page.table(("image", "quality of A", "quality of B", "change"), rows[:MAX_LISTED])
    return page.section("Images", *blocks, *album.notes(), page.details("The same as a list", table))


def _from_scores(a: NamedResult, b: NamedResult) -> str:
    """What is counted in the images."""
    of_a, of_b = a.evaluation.score_threshold, b.evaluation.score_threshold
    if of_a == of_b:
        return f"From a score of {of_a:g} on,"
    return f"From a score of {of_a:g} on in A and of {of_b:g} in B,"


def _cells(difference: Difference) -> tuple[str, str, str, str, str]:
    if math.isnan(difference.change):
        return "-", "-", "-", "-", "nothing to measure"
    interval = f"{_with_sign(difference.low)} to {_with_sign(difference.high)}"
    verdict = "too few images" if difference.has_few_images else "may be chance"
    if difference.is_real:
        verdict = "B is better" if difference.change > 0 else "A is better"
    elif difference.low == difference.high == 0:
        verdict = "the same"
    return percent(difference.a), percent(difference.b), _with_sign(difference.change), interval, verdict


def _changes(name: str, change: float) -> str:
    if not change:
        return f"A and B have the same {name}"
    return f"{'B' if change > 0 else 'A'} has {abs(change):.1f} points more of {name}"


def _images(number: int) -> str:
    return "1 image is" if number == 1 else f"{number} images are"


def _with_sign(value: float) -> str:
    return "0.0" if abs(value) < 0.05 else f"{value:+.1f}"
