"""
Pictures of evaluated images on a page: the truth beside what one or more models found, a click away from full size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from PIL import Image

from maskrcnn_project.evaluation.evaluation_result import NamedResult
from maskrcnn_project.evaluation.metrics.outcomes import outcome_of
from maskrcnn_project.evaluation.report.pair_picture import (
    INKS,
    MEANINGS,
    MISSED,
    draw_marks,
    found_marks,
    read_case_image,
    truth_marks,
)
from maskrcnn_project.pages import html_page as page
from maskrcnn_project.pages.html_page import Html

JPEG_QUALITY = 82
MAX_BYTES = 16 * 2**20  # of all pictures of a page: it can be sent by mail and opens at once


@dataclass
class Album:
    """
    Makes the pictures of one page, and stops when they weigh ``MAX_BYTES``.

    Attributes:
        evaluated: one or more models on the same images.
        lacking: words on every image that could not be shown.
        spent: bytes of pictures so far.
    """

    evaluated: Sequence[NamedResult]
    lacking: list[str] = field(default_factory=list)
    spent: int = 0

    def __post_init__(self) -> None:
        self._cases = [{pair.image_id: pair for pair in each.pairs.evaluated} for each in self.evaluated]
        self._shown: set[int] = set()

    def has_shown(self, image_id: int) -> bool:
        return image_id in self._shown

    def shot(self, image_id: int, caption: str) -> Html | None:
        """The pictures of one image with their caption; None, with a word in ``lacking``, where there are none."""
        pair, root = self._cases[0][image_id], self.evaluated[0].pairs.image_root
        if root is None or self.spent >= MAX_BYTES:
            return None
        image = read_case_image(root, pair, self.evaluated[0].pairs.page)
        if isinstance(image, str):
            self.lacking.append(f"{pair.file_name}: {image}")
            return None
        self._shown.add(image_id)
        return page.shot([self._picture(data, words) for data, words in self._pictures(image_id, image)], caption)

    def notes(self) -> list[Html]:
        """What is not shown, and why."""
        notes = []
        if self.evaluated[0].pairs.image_root is None:
            notes.append("Pictures need the images: their folder was not given.")
        if self.spent >= MAX_BYTES:
            notes.append(f"Further pictures are left out, so that the page stays below {MAX_BYTES * 4 // 3 >> 20} MB.")
        if self.lacking:
            more = f"; and {len(self.lacking) - 5} more" if len(self.lacking) > 5 else ""
            notes.append(f"Not shown: {'; '.join(self.lacking[:5])}{more}.")
        return [page.paragraph(note) for note in notes]

    def _pictures(self, image_id: int, image: np.ndarray) -> list[tuple[np.ndarray, str]]:
        """(picture, what it shows): the truth, then what each model found."""
        drawn = []
        for place, each in enumerate(self.evaluated):
            pair, pairs, evaluation = self._cases[place][image_id], each.pairs, each.evaluation
            outcome = outcome_of(
                pair, evaluation.score_threshold, evaluation.merges_and_splits, has_masks=pairs.has_masks
            )
            if place == 0:
                # of two models, what one of them missed is not drawn into the truth: each picture shows its own
                truth = list(truth_marks(pair, outcome, pairs.class_names))
                if len(self.evaluated) > 1:
                    truth = [mark.plain() for mark in truth]
                drawn.append((draw_marks(image, truth), f"{pair.file_name}: what is there"))
            marks = list(found_marks(pair, outcome, pairs.class_names))
            if len(self.evaluated) > 1:
                marks += [mark for mark in truth_marks(pair, outcome, pairs.class_names) if mark.kind == MISSED]
            drawn.append((draw_marks(image, marks), f"{pair.file_name}: what {each.name} found"))
        return drawn

    def _picture(self, picture: np.ndarray, words: str) -> Html:
        file = BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=JPEG_QUALITY)
        self.spent += file.tell()
        height, width = picture.shape[:2]
        return page.picture(file.getvalue(), words, size=(width, height))


def legend() -> Html:
    """What the colours of the pictures mean."""
    return page.legend({MEANINGS[kind]: f"rgb{ink}".replace(" ", "") for kind, ink in INKS.items()})
