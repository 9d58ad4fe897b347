"""Before a training: the quick rules, and a refusal that says how to see and mend what they found."""

from __future__ import annotations

from maskrcnn_project.datasets.checking.check import check_dataset
from maskrcnn_project.datasets.checking.findings import Findings
from maskrcnn_project.datasets.checking.report import mend_command, place_and_detail, show_command
from maskrcnn_project.datasets.checking.side import Side
from maskrcnn_project.datasets.coco_file import DatasetError

MOST_NAMED = 4  # rules in the sentence; the page shows all


def refuse_errors(train: Side, val: Side | None = None, detections_per_image: int = 100) -> Findings:
    """
    Runs the quick rules, which read no image and draw no mask.

    Returns:
        The findings, of which none is an error.

    Raises:
        DatasetError: there are errors; it names the rules, and the commands that show and mend them.
    """
    findings = check_dataset(train, val, quick=True, detections_per_image=detections_per_image, progress=False)
    errors = [finding for finding in findings if finding.rule.severity == "error"]
    if not errors:
        return findings
    named = "; ".join(
        f"{finding.rule.id} ({finding.count}): {finding.rule.title}, e.g. {place_and_detail(finding.examples[0])}"
        for finding in errors[:MOST_NAMED]
    )
    more = f"; and {len(errors) - MOST_NAMED} more rules" if len(errors) > MOST_NAMED else ""
    mend = mend_command(findings, train, val)
    mending = f" Mend what can be mended: {mend}." if mend != f"{show_command(train, val)} " else ""
    raise DatasetError(
        f"The annotations have errors: {named}{more}. See them: {show_command(train, val)}.{mending} Or train past "
        "them with --skip-data-check."
    )
