"""All rules over one split or two."""

from __future__ import annotations

from maskrcnn_project.datasets.checking.alignment_rules import check_alignment
from maskrcnn_project.datasets.checking.box_rules import check_boxes, pairs_of
from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.image_reading import DecodedImage
from maskrcnn_project.datasets.checking.image_rules import check_image_files, check_shared_images
from maskrcnn_project.datasets.checking.mask_rules import check_masks
from maskrcnn_project.datasets.checking.set_rules import check_category_consistency, check_set, check_shared_annotations
from maskrcnn_project.datasets.checking.split_tables import SplitTables
from maskrcnn_project.datasets.checking.table_rules import check_tables


def check_dataset(
    train: SplitTables,
    val: SplitTables | None = None,
    *,
    quick: bool = False,
    detections_per_image: int | None = 100,
    page: int = 0,
    progress: bool = True,
) -> Findings:
    """
    Runs every rule. No row is too broken: what cannot be used is found as malformed and left out of other rules.

    Args:
        quick: only the rules that neither decode images nor draw masks (``Rule.quick``).
        detections_per_image: ``TEST.DETECTIONS_PER_IMAGE`` of the model to be trained; None: chosen from the data.
        page: of images that are stacks, INPUT.PAGE of the model to be trained.
        progress: shows bars where standard error is a terminal.
    """
    findings = Findings()
    pictures: dict[str, DecodedImage] = {}  # each file is read once for all rules
    for tables, other in ((train, val), (val, train)):
        if tables is None:
            continue
        check_tables(tables, findings, other)
        findings.image_faults[tables.split] = check_image_files(
            tables, findings, quick=quick, progress=progress, other=other, pictures=pictures, page=page
        )
        pairs = pairs_of(tables, progress=progress)
        check_boxes(tables, findings, pairs)
        check_masks(tables, findings, pairs, quick=quick, progress=progress)
        check_set(tables, findings, detections_per_image)
        if not quick:
            check_alignment(tables, findings, page)
    if val is not None:
        check_category_consistency(train, val, findings)
        check_shared_annotations(train, val, findings)
        if not quick:
            check_shared_images(train, val, findings, progress=progress, pictures=pictures)
    return findings
