"""All rules over one split or two."""

from __future__ import annotations

from maskrcnn_project.datasets.checking.box_rules import check_boxes
from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.image_reading import Picture
from maskrcnn_project.datasets.checking.image_rules import check_image_files, check_shared_images
from maskrcnn_project.datasets.checking.mask_rules import check_masks
from maskrcnn_project.datasets.checking.set_rules import check_same_categories, check_set
from maskrcnn_project.datasets.checking.split_tables import Side
from maskrcnn_project.datasets.checking.table_rules import check_tables


def check_dataset(
    train: Side,
    val: Side | None = None,
    *,
    quick: bool = False,
    detections_per_image: int = 100,
    progress: bool = True,
) -> Findings:
    """
    Runs every rule. No row is too broken: what cannot be used is found as malformed and left out of other rules.

    Args:
        quick: only the rules that neither decode images nor draw masks (``Rule.quick``).
        detections_per_image: ``TEST.DETECTIONS_PER_IMAGE`` of the model to be trained.
        progress: shows bars where standard error is a terminal.
    """
    findings = Findings()
    pictures: dict[str, Picture] = {}  # each file is read once for all rules
    for side, other in ((train, val), (val, train)):
        if side is None:
            continue
        check_tables(side, findings, other)
        findings.image_faults[side.split] = check_image_files(
            side, findings, quick=quick, progress=progress, other=other, pictures=pictures
        )
        check_boxes(side, findings, progress=progress)
        check_masks(side, findings, quick=quick, progress=progress)
        check_set(side, findings, detections_per_image)
    if val is not None:
        check_same_categories(train, val, findings)
        if not quick:
            check_shared_images(train, val, findings, progress=progress, pictures=pictures)
    return findings
