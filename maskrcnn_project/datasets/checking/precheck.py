"""Before a training: the quick rules, and a refusal that says how to see and fix what they found."""

from __future__ import annotations

from maskrcnn_project.datasets.checking.alignment_rules import check_alignment
from maskrcnn_project.datasets.checking.check import check_dataset
from maskrcnn_project.datasets.checking.check_report import (
    fix_command,
    fixable_splits,
    place_and_detail,
    show_command,
)
from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.image_listing import image_path
from maskrcnn_project.datasets.checking.image_reading import read_pictures
from maskrcnn_project.datasets.checking.image_rules import size_fault
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.coco_file import CocoFile
from maskrcnn_project.errors import DatasetError

MAX_RULES_NAMED = 4  # in the sentence; the page shows all
MAX_WARNINGS = 6  # lines before a training
MAX_IMAGES_NAMED = 3  # so many examples make an error readable; the rest is counted


def refuse_errors(
    train: SplitTables,
    val: SplitTables | None = None,
    detections_per_image: int | None = 100,
    *,
    masks: bool = True,
    page: int = 0,
) -> Findings:
    """
    Runs the quick rules, which read no image and draw no mask, and looks at a sample of the images for annotations that
    are mirrored or those of another image.

    Args:
        detections_per_image: ``TEST.DETECTIONS_PER_IMAGE``; None where it is chosen from the data.
        page: of images that are stacks, INPUT.PAGE.
        masks: False for a model of boxes only (``MODEL.MASK_ON`` False), which needs no masks.

    Returns:
        The findings, of which none is an error, but for missing masks where none are needed.

    Raises:
        DatasetError: there are errors; it names the rules, and the commands that show and fix them.
    """
    findings = check_dataset(train, val, quick=True, detections_per_image=detections_per_image, progress=False)
    for tables in (train, val):
        if tables is not None:
            check_alignment(tables, findings, page)
    needless = () if masks else ("mask-missing",)
    errors = [finding for finding in findings if finding.rule.severity == "error" and finding.rule.id not in needless]
    if not errors:
        return findings
    named = "; ".join(
        f"{finding.rule.id} ({finding.count}): {finding.rule.title}, e.g. {place_and_detail(finding.examples[0])}"
        for finding in errors[:MAX_RULES_NAMED]
    )
    more = f"; and {len(errors) - MAX_RULES_NAMED} more rules" if len(errors) > MAX_RULES_NAMED else ""
    fixing = f" Fix what can be fixed: {fix_command(findings, train, val)}." if fixable_splits(findings) else ""
    raise DatasetError(
        f"The annotations have errors: {named}{more}. See them: {show_command(train, val)}.{fixing} Or train past "
        "them with --skip-data-check."
    )


def warning_lines(findings: Findings) -> list[str]:
    """The warnings of a check that has passed, a line for each rule, so that they are seen before the training."""
    counts: dict[str, int] = {}
    titles: dict[str, str] = {}
    for finding in findings:
        if finding.rule.severity == "warning":
            counts[finding.rule.id] = counts.get(finding.rule.id, 0) + finding.count
            titles[finding.rule.id] = finding.rule.title
    lines = [f"Warning: {titles[rule_id]} ({rule_id}: {count})" for rule_id, count in counts.items()]
    if len(lines) > MAX_WARNINGS:
        rest = ", ".join(list(counts)[MAX_WARNINGS - 1 :])
        lines = [*lines[: MAX_WARNINGS - 1], f"Warning: and {rest} (tools/check_dataset.py tells more)"]
    return lines


def check_images(data: CocoFile, page: int = 0) -> None:
    """
    Reads every image of ``data`` in full; of stacks, ``page``.

    Raises:
        DatasetError: names the images that cannot be decoded or whose size (height, width) disagrees with the JSON.
    """
    paths = [image_path(data.image_root, image["file_name"]) for image in data.images]
    pictures = read_pictures(paths, hashed=False, page=page, label="Checking images")
    faults = []
    for image, path in zip(data.images, paths, strict=True):
        fault = pictures[path].detail or size_fault(image, pictures[path])
        if fault:
            faults.append(f"{path} (image id {image['id']}) {fault}")
    if faults:
        more = f"; and {len(faults) - MAX_IMAGES_NAMED} more" if len(faults) > MAX_IMAGES_NAMED else ""
        raise DatasetError(
            f"{len(faults)} of {len(data.images)} images of {data.path} cannot be used: "
            f"{'; '.join(faults[:MAX_IMAGES_NAMED])}{more}. Fix or remove them "
            "(or train past them with --skip-image-check)."
        )
