"""From which score on a prediction is kept: one threshold for all classes, or one for each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from maskrcnn_project.masks.detections import Detections

JSON_EXAMPLE = """{"screw, long": 0.6, "nut": 0.3}"""


@dataclass(frozen=True)
class ScoreThresholds:
    """
    Attributes:
        default: of the classes without one of their own, 0 to 1.
        by_class: {class name: threshold, 0 to 1}.
    """

    default: float
    by_class: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, default: float) -> ScoreThresholds:
        """
        Args:
            text: "0.5", "cell=0.6,dirt=0.3", or both, "0.5,cell=0.6": the bare number is of the other classes. A comma
                in a class name has a backslash before it, or the whole is a JSON object: '{"screw, long": 0.6}'.
            default: of the other classes where ``text`` has no bare number.

        Raises:
            ValueError: what is no number from 0 to 1, or is said twice.
        """
        by_class: dict[str, float] = {}
        pairs = _json_pairs(text) if text.lstrip().startswith("{") else _pairs(text)
        for name, value in pairs:
            if name in by_class:
                said = f"{f'{name}=' if name else ''}{value:g}"
                raise ValueError(f"--score-threshold {text}: wants NAME=P once for a class, but has {said!r}.")
            by_class[name] = value
        return cls(by_class.pop("", default), by_class)

    @property
    def lowest(self) -> float:
        """What the model has to give so that none is missed."""
        return min(self.default, *self.by_class.values()) if self.by_class else self.default

    def per_class(self, names: Sequence[str]) -> np.ndarray:
        """(K,) float32 thresholds of the classes ``names``. Raises ValueError for a name that is none of them."""
        unknown = [name for name in self.by_class if name not in names]
        if unknown:
            raise ValueError(
                f"--score-threshold names the class {unknown[0]!r}, which the model does not know; "
                f"its classes are {', '.join(names)}."
            )
        return np.array([self.by_class.get(name, self.default) for name in names], np.float32)

    def __str__(self) -> str:
        """As it is parsed: "0.5,cell=0.6"."""
        named = ((re.sub(r"([\\,])", r"\\\1", name), value) for name, value in self.by_class.items())
        return ",".join([f"{self.default:g}", *(f"{name}={value:g}" for name, value in named)])


def select_above(found: Detections, thresholds: np.ndarray) -> Detections:
    """Those of ``found`` whose score reaches the threshold (K,) of their class."""
    return found.kept(found.scores >= thresholds[found.classes])


def _pairs(text: str) -> Iterator[tuple[str, float]]:
    """(class, threshold) of "0.5,cell=0.6"; the bare number is of the class ""."""
    for part in _split_at_commas(text):
        name, equals, number = (piece.strip() for piece in part.rpartition("="))
        if equals and not name:
            raise ValueError(f"--score-threshold {text}: wants NAME=P once for a class, but has {part.strip()!r}.")
        yield re.sub(r"\\([\\,])", r"\1", name), _threshold(number, text)


def _split_at_commas(text: str) -> list[str]:
    """The parts of ``text`` between commas, but for those after a backslash; backslashes stay."""
    parts = [""]
    for piece in re.findall(r"\\[\\,]|.", text, re.DOTALL):
        if piece == ",":
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _json_pairs(text: str) -> Iterator[tuple[str, float]]:
    """(class, threshold) of a JSON object."""
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except ValueError as error:
        raise ValueError(
            f"--score-threshold wants a JSON object of classes and numbers, such as {JSON_EXAMPLE}, but {text!r} is no "
            f"JSON ({error})."
        ) from error
    for name, value in pairs:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(
                f"--score-threshold wants a number for each class, such as {JSON_EXAMPLE}, but {name!r} has {value!r}."
            )
        yield name, _threshold(str(value), text)


def _threshold(number: str, text: str) -> float:
    try:
        value = float(number)
    except ValueError:
        raise ValueError(
            "--score-threshold wants a number, or NAME=P for classes (cell=0.6,dirt=0.3; a comma in a name as \\,), "
            f"but {text!r} was given."
        ) from None
    if not 0 <= value <= 1:
        raise ValueError(f"--score-threshold must be between 0 and 1, but {number} was given.")
    return value
