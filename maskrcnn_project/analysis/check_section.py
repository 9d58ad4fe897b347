"""What the check has found, with pictures, as a section of the page."""

from __future__ import annotations

from collections.abc import Sequence

from maskrcnn_project.analysis.examples import DrawnExample
from maskrcnn_project.datasets.checking.findings import Finding
from maskrcnn_project.datasets.checking.rules import RULES
from maskrcnn_project.pages import html_page as page
from maskrcnn_project.pages.html_page import Html

DrawnFindings = Sequence[tuple[Finding, Sequence[DrawnExample]]]


def count_of(findings: DrawnFindings, severity: str) -> int:
    """How many places break a rule of this severity."""
    return sum(finding.count for finding, _ in findings if finding.rule.severity == severity)


def check_section(findings: DrawnFindings, quick: bool) -> Html:
    """Every broken rule with its advice and examples, the worst first."""
    rules = [rule for rule in RULES.values() if rule.quick or not quick]
    said = [f"{len(rules)} rules were checked, {len(findings)} are broken."]
    if quick:
        said.append("Images were not decoded and masks not drawn (--quick), so the other rules are not checked.")
    if any(finding.rule.fixes for finding, _ in findings):
        said.append("tools/check_dataset.py --fix OUT.json writes a fixed copy of the annotations.")
    if any(drawn.jpeg for _, examples in findings for drawn in examples):
        said.append("In the pictures boxes are orange, masks blue.")
    return page.section("Check", page.paragraph(" ".join(said)), *(_finding(*found) for found in findings))


def _finding(finding: Finding, examples: Sequence[DrawnExample]) -> Html:
    rule = finding.rule
    title = page.join([page.badge(rule.severity, rule.severity), f": {rule.title} ({finding.count:,})"], "")
    advice = f"Rule {rule.id}. Advice: {rule.advice}."
    if rule.fixes:
        advice += f" With --fix: {rule.fixes}."
    blocks = [page.heading(title), page.paragraph(advice)]
    figures = [
        page.figure(page.picture(drawn.jpeg, _words(drawn)), _words(drawn), small=True)
        for drawn in examples
        if drawn.jpeg is not None
    ]
    if figures:
        blocks.append(page.row(*figures))
    blocks += [page.paragraph(_words(drawn)) for drawn in examples if drawn.jpeg is None]
    return page.join(blocks)


def _words(drawn: DrawnExample) -> str:
    """Where an example is and what came there: "image 3 (a.png), annotation 17: ..."."""
    example = drawn.example
    places = []
    if example.image_id is not None:
        places.append(f"image {example.image_id}" + (f" ({example.file_name})" if example.file_name else ""))
    elif example.file_name:
        places.append(example.file_name)
    if example.annotation_id is not None:
        places.append(f"annotation {example.annotation_id}")
    words = ": ".join(part for part in (", ".join(places), example.detail) if part)
    return f"{words} ({drawn.lacking})" if drawn.lacking else words
