"""What a conversion left out or changed: counted, with examples, so that it is told at the end."""

from __future__ import annotations

from maskrcnn_project.datasets.coco_annotations import MAX_NAMED


class Counts:
    """Reasons (phrases in the singular) with how often each applied and where it applied first."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._places: dict[str, list[str]] = {}

    def add(self, reason: str, where: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        places = self._places.setdefault(reason, [])
        if len(places) < MAX_NAMED:
            places.append(where)

    def table(self) -> str:
        """A line a reason, the most frequent first, and below it where to look; empty if there is none."""
        lines = []
        for reason, count in sorted(self.counts.items(), key=lambda item: -item[1]):
            more = ", ..." if count > MAX_NAMED else ""
            lines += [f"  {count:6d}  {reason}", f"          in {', '.join(self._places[reason])}{more}"]
        return "\n".join(lines)
