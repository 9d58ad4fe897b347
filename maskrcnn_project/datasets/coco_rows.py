"""
What a row of a COCO file may hold: the one place that says it. The strict reader raises these phrases, the check lists
them, the tools that fix and analyse ask the same functions.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any, TypeGuard

Row = dict[str, Any]

# No image has more pixels per side (whole slides have some 200,000). What lies beyond is a mistake, as NaN is, and
# would exhaust the memory of what draws it.
MAX_COORDINATE = 1e6
MAX_SHOWN = 60  # characters of a value in a sentence
MAX_ID = 2**63 - 1  # COCO's evaluation keeps ids in 64 bits, of which one is the sign
MAX_CATEGORY_ID = 2**53 - 1  # up to here every integer is a floating-point number of its own
# Detectron2's INPUT.MIN_SIZE_TEST and MAX_SIZE_TEST: what an image is brought to before the model sees it.
TEST_SHORT_EDGE, TEST_LONG_EDGE = 800, 1333
CONTROLS = frozenset(("Cc", "Zl", "Zp"))  # Unicode's control characters, line and paragraph separators


def image_fault(row: Any) -> str | None:
    """Why an image row cannot be used (a phrase), or None."""
    fault = _fault(row, {"id": (is_image_id, "an integer"), "file_name": (_is_text, "a text")})
    return fault or _fault(row, dict.fromkeys(("height", "width"), (is_side, "a whole number of pixels")))


def annotation_fault(row: Any) -> str | None:
    """Why an annotation row cannot be used (a phrase), or None. Box and mask have rules of their own."""
    # the usual case first: there are a million of them
    if isinstance(row, dict) and all(
        type(value) is int and -MAX_ID <= value <= MAX_ID
        for value in (row.get("id"), row.get("image_id"), row.get("category_id"))
    ):
        return None
    return _fault(row, dict.fromkeys(("id", "image_id", "category_id"), (is_id, "an integer")))


def category_fault(row: Any) -> str | None:
    """Why a category row cannot be used (a phrase), or None."""
    return _fault(row, {"id": (is_category_id, "an integer"), "name": (is_class_name, "a text")})


def is_id(value: Any) -> bool:
    """An integer that fits into 64 bits; True and False, which Python counts as integers, are none."""
    return is_whole(value) and -MAX_ID <= value <= MAX_ID


def is_image_id(value: Any) -> bool:
    """An id that the evaluation can keep: it takes image ids without a sign."""
    return is_id(value) and value >= 0


def is_category_id(value: Any) -> bool:
    """An id that the evaluation can keep: it takes category ids as floating-point numbers."""
    return is_id(value) and abs(value) <= MAX_CATEGORY_ID


def is_whole(value: Any) -> bool:
    """An integer of any length."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_class_name(value: Any) -> bool:
    """A text that shows something, on one line, without control characters: it goes into tables, files and pictures."""
    return isinstance(value, str) and bool(value.strip()) and (value.isprintable() or not any(map(is_control, value)))


def is_control(letter: str) -> bool:
    """Whether a character is a control character, or ends a line or paragraph."""
    return unicodedata.category(letter) in CONTROLS


def is_number(value: Any) -> bool:
    """A finite number that can be a coordinate in pixels."""
    # compared, and not converted: a JSON integer may be too large for a float
    return type(value) in (int, float) and -MAX_COORDINATE <= value <= MAX_COORDINATE


def is_box(box: Any) -> TypeGuard[list[float]]:
    """Four finite numbers."""
    return isinstance(box, list) and len(box) == 4 and all(map(is_number, box))


def is_side(value: Any) -> bool:
    """A height or width of an image: whole pixels, one at least."""
    return is_number(value) and value >= 1 and value == int(value)


def is_crowd(annotation: Row) -> bool:
    """Whether training leaves an annotation out (Detectron2 keeps those whose ``iscrowd`` is 0 or absent)."""
    return annotation.get("iscrowd", 0) != 0


def short_repr(value: Any) -> str:
    """A JSON value in a sentence, cut where it gets long."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def is_thin(height: int, width: int) -> bool:
    """Whether a side of the image rounds to no pixel at Detectron2's test size, so that no model can look at it."""
    short, long = sorted((height, width))
    scale = min(TEST_SHORT_EDGE / short, TEST_LONG_EDGE / long)
    return int(short * scale + 0.5) < 1


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _fault(row: Any, wanted: dict[str, tuple[Callable[[Any], bool], str]]) -> str | None:
    if not isinstance(row, dict):
        return f"is no object, but {short_repr(row)}"
    for key, (is_right, kind) in wanted.items():
        if not is_right(row.get(key)):
            kind += _limit(row.get(key), is_right)
            return f"wants {kind} as {key!r}, but has {short_repr(row[key])}" if key in row else f"has no {key!r}"
    return None


def _limit(value: Any, is_right: Callable[[Any], bool]) -> str:
    """What a value of the right type breaks all the same."""
    if is_whole(value) and is_right in (is_id, is_image_id, is_category_id):
        largest = MAX_CATEGORY_ID if is_right is is_category_id else MAX_ID
        return f" of at most {largest.bit_length()} bits" if abs(value) > largest else " from 0 on"
    return (
        " of one line without control characters"
        if isinstance(value, str) and value.strip() and not is_class_name(value)
        else ""
    )
