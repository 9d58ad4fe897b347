"""The findings as one page of text, or as JSON; and the commands that show and fix them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maskrcnn_project.datasets.checking.findings import Example, Finding, Findings
from maskrcnn_project.datasets.checking.fixes import Change
from maskrcnn_project.datasets.checking.rule import SEVERITIES
from maskrcnn_project.datasets.checking.rules import UNDECIDED_RULES
from maskrcnn_project.datasets.checking.split_tables import SplitTables

TOOL = "python tools/check_dataset.py"
MAX_LINES = 3  # of examples of one rule, so that the page stays one; the JSON has more
MEANING = {
    "error": "training would stop, or learn something false",
    "warning": "likely mistakes",
    "note": "good to know",
}


def as_text(findings: Findings, train: SplitTables, val: SplitTables | None = None) -> str:
    """The page: what is wrong, the worst first, an example of each; the verdict; the command that fixes."""
    lines = [_measure(tables) for tables in (train, val) if tables is not None]
    for severity in SEVERITIES:
        found = [finding for finding in findings if finding.rule.severity == severity]
        if found:
            lines += ["", f"{severity.upper()}S: {MEANING[severity]}"]
        for finding in found:
            lines += _paragraph(finding, with_split=val is not None)
    lines += ["", check_summary(findings)]
    if fixable_splits(findings):
        lines.append("What can be fixed, this fixes in a copy, and lists every change:")
        lines.append(f"  {fix_command(findings, train, val)}")
    return "\n".join(lines)


def as_json(findings: Findings) -> dict[str, Any]:
    """
    ``{"ok": no errors, "counts": {severity: places}, "findings": [...]}``, a finding a rule and split, the worst
    first, each with at most ``MAX_EXAMPLES`` examples.
    """
    return {
        "ok": not findings.count("error"),
        "counts": {severity: findings.count(severity) for severity in SEVERITIES},
        "findings": [
            {
                "rule": finding.rule.id,
                "severity": finding.rule.severity,
                "split": finding.split,
                "count": finding.count,
                "title": finding.rule.title,
                "advice": finding.rule.advice,
                "fixes": finding.rule.fixes,
                "examples": [asdict(example) for example in finding.examples],
            }
            for finding in findings
        ],
    }


def check_summary(findings: Findings) -> str:
    """One sentence."""
    counts = [f"{_places(findings, severity)} with {severity}s" for severity in SEVERITIES if findings.count(severity)]
    if findings.count("error"):
        return f"Not fit for training: {', '.join(counts)}."
    if findings.count("warning"):
        return f"Can be trained on; look at the warnings first: {', '.join(counts)}."
    return f"Sound{': ' + counts[0] if counts else ''}."


def remaining(findings: Findings, changes: Mapping[str, Collection[Change]]) -> list[str]:
    """
    The ids of the rules with errors that fixing left.

    Args:
        changes: of every split that was fixed.
    """
    left = []
    for finding in findings:
        made = changes.get(finding.split)
        if finding.rule.severity == "error" and (made is None or not _is_fixed(finding, made)):
            left.append(finding.rule.id)
    return list(dict.fromkeys(left))


def show_command(train: SplitTables, val: SplitTables | None = None) -> str:
    """The command that prints the page."""
    return f"{TOOL} {shlex.join(_arguments(train, '--') + ([] if val is None else _arguments(val, '--val-')))}"


def fix_command(findings: Findings, train: SplitTables, val: SplitTables | None = None) -> str:
    """The command that fixes the splits with anything to fix."""
    splits = fixable_splits(findings)
    flags = []
    for tables, flag in ((train, "--fix"), (val, "--val-fix")):
        if tables is not None and tables.split in splits:
            flags += [flag, str(new_name(tables.json_file))]
    if findings.of("polygon-centres"):
        flags.append("--grow-outlines")
    return f"{show_command(train, val)} {shlex.join(flags)}"


def fixable_splits(findings: Findings) -> set[str]:
    """The splits with anything to fix; none whose boxes and masks do not belong together, which ``fix`` refuses."""
    refused = {finding.split for finding in findings if finding.rule.id in UNDECIDED_RULES}
    for finding in findings.of("boxes-differ"):
        faults = findings.image_faults.get(finding.split)
        refused |= set() if faults is not None and faults.masks_fit else {finding.split}
    return {finding.split for finding in findings if _is_worth_fixing(finding)} - refused


def new_name(json_file: Path) -> Path:
    """NAME_fixed.json beside the file, or NAME_fixed_2.json, ... if that is taken."""
    number = 1
    while True:
        name = json_file.with_name(f"{json_file.stem}_fixed{f'_{number}' if number > 1 else ''}.json")
        if not name.exists() and not name.with_suffix(".changes.json").exists():
            return name
        number += 1


def removals_line(changes: Collection[Change], totals: Mapping[str, int]) -> str:
    """
    How many rows of each table go; "" where none does.

    Args:
        totals: {table: rows before}.
    """
    gone = Counter(change.table for change in changes if change.key is None)
    parts = [f"{gone[table]} of {totals[table]} {table}" for table in totals if gone[table]]
    return f"Going to be removed: {', '.join(parts)}." if parts else "No row is going to be removed."


def changes_table(changes: Collection[Change]) -> str:
    """How often each rule was fixed, one per line."""
    counts = Counter(change.rule for change in changes)
    return "\n".join(f"  {rule_id:<24} {count}" for rule_id, count in counts.items()) or "  nothing to fix"


def _is_worth_fixing(finding: Finding) -> bool:
    return bool(finding.rule.fixes) and finding.rule.severity != "note"


def _is_fixed(finding: Finding, changes: Collection[Change]) -> bool:
    if finding.rule.id == "image-size":  # only where the annotations fit
        return len({change.image_id for change in changes if change.rule == "image-size"}) == finding.count
    return bool(finding.rule.fixes)


def _measure(tables: SplitTables) -> str:
    numbers = f"{len(tables.images)} images, {len(tables.annotations)} annotations, {len(tables.categories)} categories"
    files = "" if tables.image_root is not None else "; the image files were not looked at"
    return f"{tables.split}: {tables.json_file}: {numbers}{files}"


def _paragraph(finding: Finding, with_split: bool) -> list[str]:
    rule = finding.rule
    where = f" in {finding.split}" if with_split else ""
    lines = [f"  {rule.id}{where} ({finding.count}): {rule.title}"]
    lines += [f"      {place_and_detail(example)}" for example in finding.examples[:MAX_LINES]]
    more = finding.count - min(len(finding.examples), MAX_LINES)
    if more > 0 and len(finding.examples) > 1:  # one example may speak for all
        lines.append(f"      ... and {more} more")
    fixes = f" (--fix: {rule.fixes})" if rule.fixes else ""
    return [*lines, f"    -> {rule.advice}{fixes}"]


def place_and_detail(example: Example) -> str:
    """One line: which image (file) and annotation, and what came there."""
    where = [f"image {example.image_id}"] if example.image_id is not None else []
    if example.file_name is not None:
        where.append(f"({example.file_name})" if where else example.file_name)
    place = " ".join(where)
    if example.annotation_id is not None:
        place += f"{', ' if place else ''}annotation {example.annotation_id}"
    return f"{place}: {example.detail}" if place else example.detail


def _places(findings: Findings, severity: str) -> str:
    count = findings.count(severity)
    return f"{count} place{'' if count == 1 else 's'}"


def _arguments(tables: SplitTables, prefix: str) -> list[str]:
    images = [] if tables.image_root is None else [f"{prefix}images", str(tables.image_root)]
    return [*images, f"{prefix}annotations", str(tables.json_file)]
