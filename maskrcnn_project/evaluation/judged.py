"""A model's results with their judgement, under a name."""

from __future__ import annotations

from dataclasses import dataclass

from maskrcnn_project.evaluation.cases import Cases
from maskrcnn_project.evaluation.judgement import Judgement


@dataclass(frozen=True)
class Judged:
    """One of the models on a page; ``name`` is what it is called there."""

    name: str
    cases: Cases
    judgement: Judgement
