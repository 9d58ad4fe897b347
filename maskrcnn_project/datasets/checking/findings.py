"""What a check has found: for every broken rule how often, and a few examples to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from maskrcnn_project.datasets.checking.rule import SEVERITIES, Rule
from maskrcnn_project.datasets.checking.rules import RULES

MAX_EXAMPLES = 5  # of one rule in one split; the rest is counted


@dataclass(frozen=True)
class Example:
    """One place where a rule is broken. What does not apply is None."""

    detail: str  # what came there, as a phrase
    image_id: Any = None
    file_name: str | None = None
    annotation_id: Any = None


@dataclass
class Finding:
    """One broken rule in one split: how often, and the first places."""

    rule: Rule
    split: str
    count: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass
class ImageFaults:
    """
    What fixing wants to know. Where an id occurs twice, both tables speak of its first image.

    ``sizes`` holds the true (height, width) of images whose size in the JSON is wrong, and to whose picture, as
    Detectron2 reads it, the annotations may belong: not of those made on a picture before it was turned upright.
    """

    unusable: dict[int, str] = field(default_factory=dict)  # image id -> the rule that it breaks
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)  # image id -> (height, width) in pixels
    masks_fit: bool = False  # the masks lie on edges of their pictures
    mirrored: str = ""  # how the annotations are, as a name of TURNS


class Findings:
    """Collects findings; one million broken rows cost no more memory than five."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}
        self.image_faults: dict[str, ImageFaults] = {}  # by split: what fixing wants to know of the image files

    def add(
        self,
        rule_id: str,
        split: str,
        detail: str,
        *,
        image_id: Any = None,
        file_name: str | None = None,
        annotation_id: Any = None,
        count: int = 1,
    ) -> None:
        """Notes that ``rule_id`` is broken in ``split``. Raises KeyError for a rule that RULES does not list."""
        finding = self._found.setdefault((rule_id, split), Finding(RULES[rule_id], split))
        finding.count += count
        if len(finding.examples) < MAX_EXAMPLES:
            finding.examples.append(Example(detail, image_id, file_name, annotation_id))

    def __iter__(self) -> Iterator[Finding]:
        """The worst first; within a severity in the order of RULES."""
        order = {rule_id: place for place, rule_id in enumerate(RULES)}
        return iter(
            sorted(
                self._found.values(),
                key=lambda finding: (SEVERITIES.index(finding.rule.severity), order[finding.rule.id], finding.split),
            )
        )

    def __len__(self) -> int:
        return len(self._found)

    def of(self, rule_id: str) -> list[Finding]:
        """The findings of one rule, one per split."""
        return [finding for finding in self if finding.rule.id == rule_id]

    def count(self, severity: str) -> int:
        """How many places break a rule of this severity."""
        return sum(finding.count for finding in self if finding.rule.severity == severity)
