import numpy as np
import pytest

from maskrcnn_project.inference.thresholds import ScoreThresholds, select_above
from maskrcnn_project.masks.detections import Detections

NAMES = ("cell", "dirt", "hair")


@pytest.mark.parametrize(
    ("text", "expected", "lowest", "reason"),
    [
        ("0.7", [0.7, 0.7, 0.7], 0.7, "one for all"),
        ("cell=0.6,dirt=0.3", [0.6, 0.3, 0.5], 0.3, "the others have the default"),
        ("0.9, cell = 0.95", [0.95, 0.9, 0.9], 0.9, "the bare number is of the others"),
        ("cell=0,0.2", [0.0, 0.2, 0.2], 0.0, "in any order"),
        ("1", [1, 1, 1], 1, "the ends belong to it"),
    ],
)
def test_what_is_said_by_class(text, expected, lowest, reason):
    thresholds = ScoreThresholds.parse(text, default=0.5)
    np.testing.assert_allclose(thresholds.per_class(NAMES), expected, rtol=1e-6, err_msg=reason)
    assert thresholds.lowest == lowest
    assert ScoreThresholds.parse(str(thresholds), default=0.123) == thresholds


@pytest.mark.parametrize(
    ("text", "default", "by_class", "reason"),
    [
        (r"screw\, long=0.6,nut=0.3", 0.5, {"screw, long": 0.6, "nut": 0.3}, "a backslash before the comma"),
        ('{"screw, long": 0.6, "nut": 0.3}', 0.5, {"screw, long": 0.6, "nut": 0.3}, "JSON"),
        (' {"": 0.2, "nut": 1}', 0.2, {"nut": 1.0}, "the class without a name: all others"),
        ("a=b=0.4", 0.5, {"a=b": 0.4}, "the last equals sign parts"),
        (r"a\b=0.4,c\\=0.3", 0.5, {"a\\b": 0.4, "c\\": 0.3}, "backslashes that stand for themselves"),
        ("{}", 0.5, {}, "nothing said"),
    ],
)
def test_any_class_name_can_be_given(text, default, by_class, reason):
    thresholds = ScoreThresholds.parse(text, default=0.5)
    assert thresholds == ScoreThresholds(default, by_class), reason
    assert ScoreThresholds.parse(str(thresholds), default=0.123) == thresholds


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1.5", "must be between 0 and 1, but 1.5 was given"),
        ("cell=-0.1", "must be between 0 and 1, but -0.1 was given"),
        ("nan", "must be between 0 and 1, but nan"),
        ("cell", "wants a number, or NAME=P"),
        ("cell=", "wants a number, or NAME=P"),
        ("", "wants a number, or NAME=P"),
        ("=0.4", "wants NAME=P once for a class, but has '=0.4'"),
        ("cell=0.4,cell=0.5", "once for a class, but has 'cell=0.5'"),
        ("0.4,0.5", "once for a class, but has '0.5'"),
        ("screw, long=0.6", r"a comma in a name as \\,\), but 'screw, long=0.6' was given"),
        ('{"cell": 0.6', "is no JSON"),
        ('{"cell": "high"}', "a number for each class, .* but 'cell' has 'high'"),
        ('{"cell": true}', "a number for each class"),
        ('{"cell": 2}', "must be between 0 and 1, but 2 was given"),
        ('{"cell": NaN}', "must be between 0 and 1"),
        ('{"cell": 0.1, "cell": 0.2}', "once for a class, but has 'cell=0.2'"),
    ],
)
def test_what_is_no_threshold(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        ScoreThresholds.parse(text, default=0.5)


def test_an_unknown_class_is_told_those_that_exist():
    with pytest.raises(ValueError, match="the class 'cel', which the model does not know; its classes are cell, dirt"):
        ScoreThresholds.parse("cel=0.5", default=0.5).per_class(NAMES)


def test_only_what_reaches_the_threshold_of_its_class_is_kept():
    scores, classes = np.array([0.9, 0.6, 0.59, 0.3, 0.29], np.float32), np.array([0, 0, 0, 1, 1])
    found = Detections((4, 4), np.zeros((5, 4), np.float32), scores, classes, None)
    thresholds = ScoreThresholds.parse("cell=0.6,dirt=0.3", 0.5).per_class(NAMES)
    assert select_above(found, thresholds).scores.tolist() == scores[[0, 1, 3]].tolist()
    assert len(select_above(Detections.none((4, 4)), thresholds)) == 0
