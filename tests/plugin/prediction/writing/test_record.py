"""What was found, as a line of JSON and back."""

import json
from pathlib import PurePosixPath

import numpy as np
import pytest

from maskrcnn_project.masks.detections import Detections
from maskrcnn_project.prediction.writing.record import from_record, to_record
from tests.plugin.masks.found_of import found_of

NAME = PurePosixPath("deep/ä b.jpg")


def there_and_back(found):
    name, again = from_record(json.loads(json.dumps(to_record(NAME, found))))
    assert name == NAME
    return again


def assert_same(one, other):
    assert (one.size, one.masks) == (other.size, other.masks)
    for field in ("boxes", "scores", "classes"):
        ours, theirs = getattr(one, field), getattr(other, field)
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        assert ours.tobytes() == theirs.tobytes()  # to the last bit


def test_not_a_bit_is_lost():
    generator = np.random.default_rng(0)
    found = found_of(*(generator.random((20, 9, 7)) < 0.5), classes=list(range(20)))
    boxes, scores = generator.random((20, 4)).astype(np.float32) / 3, generator.random(20).astype(np.float32)
    found = Detections(found.size, boxes, scores, found.classes, found.masks)
    assert_same(there_and_back(found), found)


def test_nothing_and_boxes_alone():
    assert_same(there_and_back(Detections.none((3, 5))), Detections.none((3, 5)))
    one = found_of(np.ones((2, 3)))
    boxes = Detections(one.size, one.boxes, one.scores, one.classes, None)
    assert_same(there_and_back(boxes), boxes)


def test_what_is_no_record_is_refused():
    record = to_record(NAME, found_of(np.ones((2, 3))))
    with pytest.raises(ValueError, match="not have as many"):
        from_record({**record, "scores": []})
    del record["masks"]
    with pytest.raises(ValueError, match="lacks masks"):
        from_record(record)
