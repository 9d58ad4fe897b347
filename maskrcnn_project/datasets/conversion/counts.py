"""What a conversion left out or changed: counted, with examples, so that it is told at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from maskrcnn_project.datasets.coco_annotations import MAX_NAMED
from maskrcnn_project.errors import DatasetError


class Counts:
    """
    Reasons (phrases in the singular) with how often each applied and where it applied first.

    Attributes:
        refusals: how many things were left out for a ``DatasetError``.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.refusals = 0
        self._first: DatasetError | None = None
        self._places: dict[str, list[str]] = {}
        self._sentences: dict[str, list[str]] = {}

    def add(self, reason: str, where: str) -> None:
        self._note(self._places, reason, where)

    def refuse(self, reason: str, error: DatasetError) -> None:
        """Counts what cannot be converted; its error tells why and where."""
        self._note(self._sentences, reason, str(error).rstrip("."))
        self._first = self._first or error
        self.refusals += 1

    @contextmanager
    def leaving_out(self, reason: str) -> Iterator[None]:
        """A DatasetError in the block ends the block only, and is counted."""
        try:
            yield
        except DatasetError as error:
            self.refuse(reason, error)

    def raise_if_nothing_is_left(self, count: int) -> None:
        """
        Raises DatasetError with the first reason where something was refused and ``count``, of the objects that are
        left, is 0: a mistake that all of them share is no matter of one object.
        """
        if count or self._first is None:
            return
        others = self.refusals - 1
        more = f"; {others} more cannot be used either, so that no object is left." if others else "."
        raise DatasetError(str(self._first).rstrip(".") + more) from self._first

    def table(self) -> str:
        """A line a reason, the most frequent first, and below it where to look; empty if there is none."""
        lines = []
        for reason, count in sorted(self.counts.items(), key=lambda item: -item[1]):
            lines.append(f"  {count:6d}  {reason}")
            more = ["..."] if count > MAX_NAMED else []
            if reason in self._places:
                lines.append(f"          in {', '.join(self._places[reason] + more)}")
            else:
                lines += [f"          {sentence}" for sentence in self._sentences[reason] + more]
        return "\n".join(lines)

    def _note(self, examples: dict[str, list[str]], reason: str, example: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        noted = examples.setdefault(reason, [])
        if len(noted) < MAX_NAMED:
            noted.append(example)
