import pytest

from maskrcnn_project.evaluation.evaluation_result import evaluate
from maskrcnn_project.evaluation.report.verdict import kinds_of_errors, percent, shares, verdict
from tests.plugin.evaluation.small_pairs import image, together

CELL, DIRT = (0, 0, 0, 8, 8), (1, 10, 10, 18, 18)


def sentences(*images, names=("cell", "dirt"), score_threshold=0.5):
    return verdict(evaluate(together(*images, names=names), score_threshold))


def test_a_perfect_model():
    first, counts, costs, *_ = sentences(image([CELL, DIRT], [(0, 0.9, *CELL[1:]), (1, 0.8, *DIRT[1:])]))
    assert first.startswith("Mask AP50 is 100.0 and mask AP 100.0, of 100.")
    assert counts.endswith("finds 2 of 2 objects (100%); of its 2 detections, 100% are right.")
    assert costs == "No single kind of error costs more than half a point of AP50."


def test_what_costs_most_comes_first_with_what_helps():
    # one of two cells is missed: AP50 of the class falls to half
    said = sentences(image([CELL, (0, 10, 10, 18, 18)], [(0, 0.9, *CELL[1:])]), names=("cell",))
    [costs] = [each for each in said if each.startswith("What costs most")]
    assert costs.startswith("What costs most: missed objects, 49.5 points of AP50. Look at the gallery")


def test_the_weakest_class_is_named():
    said = sentences(image([CELL, DIRT], [(0, 0.9, *CELL[1:])]))
    assert "The weakest class is dirt (AP50 0.0, 1 object), the strongest cell (100.0)." in said


def test_nothing_found_and_nothing_there():
    assert sentences(image([CELL], [(0, 0.4, *CELL[1:])]))[1] == (
        "At a score of 0.5 and more, the model finds nothing at all where there is 1 object: lower the score threshold."
    )
    assert sentences(image([], [(0, 0.9, *CELL[1:])])) == [
        "small has no objects, so there is nothing to measure the model by."
    ]
    assert sentences() == ["small has no objects, so there is nothing to measure the model by."]


def test_without_masks_boxes_are_the_headline():
    assert sentences(image([CELL], [(0, 0.9, *CELL[1:])], masks=False))[0].startswith("Box AP50 is 100.0 and box AP")


def test_touching_objects_taken_for_one():
    said = sentences(image([(0, 0, 0, 8, 8), (0, 8, 0, 16, 8)], [(0, 0.9, 0, 0, 16, 8)]), names=("cell",))
    assert "1 detection took several objects for one; 0 objects were found in pieces." in said


def test_shares_are_of_all_images():
    evaluation = evaluate(together(image([CELL, DIRT], [(0, 0.9, *CELL[1:]), (1, 0.9, 0, 0, 3, 3)])), 0.5)
    assert shares(evaluation) == (1, pytest.approx(50), pytest.approx(50))


def test_one_class_is_never_taken_for_another():
    assert "class" not in kinds_of_errors(evaluate(together(image(), names=("cell",)), 0.5))
    assert "class" in kinds_of_errors(evaluate(together(image()), 0.5))


def test_percent():
    assert (percent(12.345), percent(float("nan"))) == ("12.3", "-")
