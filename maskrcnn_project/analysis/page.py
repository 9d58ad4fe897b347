"""The page of an analysis: what the numbers are, and what to do about them."""

from __future__ import annotations

from collections import Counter

import numpy as np

from maskrcnn_project.analysis import GENERATOR
from maskrcnn_project.analysis.analyze import Analysis
from maskrcnn_project.analysis.anchors import RECALL_AT, recalls
from maskrcnn_project.analysis.bins import counts_between, factor_edges, step_edges
from maskrcnn_project.analysis.check_section import check_section, count_of
from maskrcnn_project.analysis.objects import LONG, ObjectTable
from maskrcnn_project.analysis.settings import as_yaml
from maskrcnn_project.datasets.statistics import LARGE, SMALL, DatasetStatistics
from maskrcnn_project.pages import html_page as page
from maskrcnn_project.pages.html_page import Html
from maskrcnn_project.pages.svg_charts import bars, columns, heat_map, number

MAX_BARS = 40  # classes in the chart
MAX_CLASSES = 2000  # in the table: the richest public set has 1,203
MAX_SIZES = 10  # of images, in the table
CELLS = 32  # of the map of positions, a side
SIZE_LIMITS = (1.0, 8192.0)  # pixels, of the histograms of sizes
RATIO_LIMITS = (1 / 8, 8.0)


def analysis_page(analysis: Analysis) -> Html:
    """The whole page."""
    statistics, objects = analysis.statistics, analysis.objects
    lead = (
        f"{analysis.json_file}. Sizes are in pixels of the images on disk, unless it says otherwise. Crowd regions are "
        "left out of every figure, as training leaves them out."
    )
    sections = [
        summary_section(analysis),
        check_section(analysis.findings, analysis.quick),
        classes_section(statistics),
        objects_section(objects),
        images_section(objects),
        anchors_section(analysis),
        settings_section(analysis),
    ]
    return page.page(f"Dataset analysis: {analysis.json_file.name}", lead, sections, generator=GENERATOR)


def summary_section(analysis: Analysis) -> Html:
    data = analysis.statistics
    errors, warnings = count_of(analysis.findings, "error"), count_of(analysis.findings, "warning")
    size = data.object_size_quantiles.get(0.5)
    tiles = [
        (number(data.num_images), "images"),
        (number(sum(data.class_counts.values())), "objects"),
        (number(data.num_classes), "classes"),
        (number(data.images_without_objects), "images without objects"),
        (number(data.max_instances_per_image), "objects in the fullest image"),
        (f"{data.median_short_edge:.0f} x {data.median_long_edge:.0f}", "image, shorter and longer side (median)"),
        ("-" if size is None else f"{size:.0f}", "object size: square root of the box's area (median)"),
        (masks_of(data), "masks"),
        (f"{data.crowd_fraction:.1%}", "of all annotations are crowd regions"),
        (page.badge(number(errors), "error") if errors else "0", "places with an error"),
        (page.badge(number(warnings), "warning") if warnings else "0", "places with a warning"),
    ]
    missing = sum(finding.count for finding, _ in analysis.findings if finding.rule.id == "image-missing")
    notes = []
    if not data.num_images:
        notes.append("The file lists no images, so there is nothing to measure.")
    elif not len(analysis.objects.boxes):
        notes.append("There is no object with a box of any area, so what is said of objects below is empty.")
    if missing:
        notes.append(
            f"{missing:,} of {data.num_images:,} image files are not in the folder. Their sizes are the JSON's."
        )
    if analysis.rows_left_out:
        notes.append(
            f"{analysis.rows_left_out:,} annotations are too broken to be measured and are left out of the figures: "
            "the check names them."
        )
    return page.section("Summary", page.fact_list(tiles), *map(page.paragraph, notes))


def masks_of(data: DatasetStatistics) -> str:
    """How the masks are written, in a few words."""
    kinds = {"polygons": data.polygon_fraction, "RLE": data.rle_fraction, "missing": data.missing_mask_fraction}
    return ", ".join(f"{share:.0%} {kind}" for kind, share in kinds.items() if share) or "-"


def classes_section(data: DatasetStatistics) -> Html:
    """Instances and images of each class: the most frequent as a chart, all in a table."""
    ranked = sorted(data.class_counts, key=lambda name: -data.class_counts[name])
    if not ranked:
        return page.section("Classes", page.paragraph("The file lists no classes."))
    shown = ranked[:MAX_BARS]
    chart = bars(
        shown,
        {
            "instances": [data.class_counts[name] for name in shown],
            "images": [data.class_image_counts[name] for name in shown],
        },
        title="Instances and images of each class",
    )
    caption = "How many objects of each class there are, and in how many images; each colour has its own scale."
    if len(ranked) > len(shown):
        caption += f" The {len(shown)} most frequent of {len(ranked):,} classes."
    total = max(1, sum(data.class_counts.values()))
    rows = [
        (name, number(count), f"{count / total:.1%}", number(data.class_image_counts[name]))
        for name, count in ((name, data.class_counts[name]) for name in ranked[:MAX_CLASSES])
    ]
    table = page.table(("class", "instances", "share", "images"), rows)
    title = "The same as a table, all classes"
    if len(rows) < len(ranked):
        title = f"The {len(rows):,} most frequent classes as a table"
    return page.section("Classes", page.figure(chart, caption), page.details(title, table))


def objects_section(objects: ObjectTable) -> Html:
    """Sizes, shapes and places of objects."""
    if not len(objects.boxes):
        return page.section("Objects", page.paragraph("There are no objects to measure."))
    sizes, ratios = objects.sizes, objects.aspect_ratios
    size_chart = columns(
        *_histogram(sizes, factor_edges(sizes, 2, SIZE_LIMITS)),
        title="Histogram of object sizes",
        x_label="square root of the box's area, pixels",
        marks={f"medium from {SMALL:g}": SMALL, f"large from {LARGE:g}": LARGE},
    )
    ratio_chart = columns(
        *_histogram(ratios, factor_edges(ratios, 4, RATIO_LIMITS)),
        title="Histogram of aspect ratios",
        x_label="height / width of the box",
        marks={"square": 1.0},
    )
    image_ratio = float(np.median(objects.image_sizes[:, 0] / objects.image_sizes[:, 1]))
    places = heat_map(objects.coverage(CELLS), title="Map of object positions", aspect=image_ratio)
    rows = [(name, number(int(rows.sum())), f"{rows.mean():.1%}") for name, rows in objects.groups().items()]
    return page.section(
        "Objects",
        page.row(
            page.figure(size_chart, "Object sizes, with COCO's bounds between small, medium and large."),
            page.figure(ratio_chart, "Shapes of boxes. Columns at the ends hold all that lies beyond 1/8 or 8."),
        ),
        page.row(
            page.figure(
                places,
                "Where objects lie: the stronger the colour, the more boxes cover the place. All images are stretched "
                "to one size.",
                small=True,
            ),
            page.figure(page.table(("group", "objects", "share"), rows)),
        ),
    )


def images_section(objects: ObjectTable) -> Html:
    """Sizes of images and how many objects they hold."""
    if not len(objects.image_sizes):
        return page.section("Images", page.paragraph("There are no images to measure."))
    per_image = objects.per_image
    crowding = columns(
        *_histogram(per_image, step_edges(per_image)),
        title="Histogram of objects in an image",
        x_label="objects in an image",
        whole=True,
    )
    figures = [page.figure(crowding, "How many images hold so many objects.")]
    common = Counter(map(tuple, objects.image_sizes.astype(int).tolist())).most_common()
    for name, splits in (("shorter", objects.image_sizes.min(axis=1)), ("longer", objects.image_sizes.max(axis=1))):
        if len(common) > 1:
            chart = columns(
                *_histogram(splits, factor_edges(splits, 4, SIZE_LIMITS)),
                title=f"Histogram of the {name} side of images",
                x_label=f"{name} side, pixels",
            )
            figures.append(page.figure(chart, f"The {name} side of images."))
    rows = [
        (f"{height:,} x {width:,}", number(count), f"{count / len(objects.image_sizes):.1%}")
        for (height, width), count in common[:MAX_SIZES]
    ]
    note = f"The {MAX_SIZES} most frequent of {len(common):,} image sizes." if len(common) > MAX_SIZES else ""
    figures.append(page.figure(page.table(("image size, height x width", "images", "share"), rows), note, small=True))
    return page.section("Images", page.row(*figures))


def anchors_section(analysis: Analysis) -> Html:
    """How well the present and the suggested anchors cover the boxes."""
    if not len(analysis.objects.boxes):
        return page.section("Anchors", page.paragraph("Without objects there is nothing that anchors could cover."))
    explanation = (
        "Anchors are the boxes from which the model starts. The table says how many objects have an anchor that "
        f"overlaps them by at least {RECALL_AT[0]:g} and {RECALL_AT[1]:g} (intersection over union), at the "
        f"size at which the model gets the images in testing. Now: {analysis.config_file}."
    )
    sizes = {s.key: (s.present, s.suggested) for s in analysis.settings}
    test = sizes["INPUT.MIN_SIZE_TEST"]
    heads = [f"{name}, IoU {at:g}" for name in ("now", "suggested") for at in RECALL_AT]
    rows = []
    for name, members in analysis.objects.groups().items():
        fits = [*recalls(analysis.present_fit[members]), *recalls(analysis.suggested_fit[members])]
        rows.append((name, number(int(members.sum())), *("-" if np.isnan(fit) else f"{fit:.1%}" for fit in fits)))
    rows.append(("shorter side of the images in testing", "", *(f"{tables} px" for tables in test for _ in RECALL_AT)))
    advice = [
        "An object without such an anchor is learnt too, since each object gets its best anchor, but later and less "
        "exactly. Where small objects are missed, smaller anchors or larger images help; where long ones are "
        f"(over {LONG:g} times as long as wide), further ASPECT_RATIOS do."
    ]
    if test[0] and test[1] and test[0] != test[1]:
        effect = (
            "faster, and small objects get smaller" if test[1] < test[0] else "slower, and small objects get larger"
        )
        advice.append(
            f"At the suggested size images have about {(test[1] / test[0]) ** 2:.2g} times the pixels of now: {effect}."
        )
    head = ("group (sizes on disk)", "objects", *heads)
    return page.section("Anchors", page.paragraph(explanation), page.table(head, rows), *map(page.paragraph, advice))


def settings_section(analysis: Analysis) -> Html:
    """The settings that training would choose, beside the present ones, and as YAML."""
    if not analysis.settings:
        return page.section("Suggested settings", page.paragraph("Without images there is nothing to choose for."))
    rows = [
        (s.key, s.present, "as now" if s.suggested == s.present else s.suggested, s.reason) for s in analysis.settings
    ]
    return page.section(
        "Suggested settings",
        page.paragraph(
            "What train_net.py --images ... --annotations ... chooses for this dataset by itself. For a config of your "
            "own, copy the lines under the table into it."
        ),
        page.table(("key", "now", "suggested", "reason"), rows, texts=4),
        page.code(as_yaml(analysis.settings)),
    )


def _histogram(values: np.ndarray, edges: np.ndarray) -> tuple[list[float], list[float]]:
    """Edges and counts as a chart takes them."""
    return edges.tolist(), counts_between(values, edges).tolist()
