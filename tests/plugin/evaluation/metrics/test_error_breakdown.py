import math

import pytest

from maskrcnn_project.evaluation.metrics.error_breakdown import FOUND_KINDS, KINDS, count_errors, error_costs, errors_of
from maskrcnn_project.evaluation.metrics.matching import mask_overlaps, match_objects
from tests.plugin.evaluation.small_pairs import image

A, B = (0, 0, 8, 8), (10, 0, 18, 8)
PART = (0, 0, 8, 2)  # a quarter of A
FAR = (0, 12, 4, 16)


def errors(*pairs, threshold=0.0):
    return [errors_of(match_objects(pair, mask_overlaps(pair.truth, pair.found)), threshold) for pair in pairs]


def named(result):
    return [FOUND_KINDS[kind] for kind in result.kinds]


@pytest.mark.parametrize(
    "truth, found, kinds, missed",
    [
        ([(0, *A)], [(0, 0.9, *A)], ["correct"], 0),
        ([(0, *A)], [(0, 0.9, *A), (0, 0.8, *A)], ["correct", "duplicate"], 0),
        ([(0, *A)], [(1, 0.9, *A)], ["class"], 0),
        ([(0, *A)], [(0, 0.9, *PART)], ["localisation"], 0),
        ([(0, *A)], [(1, 0.9, *PART)], ["both"], 1),
        ([(0, *A)], [(0, 0.9, *FAR)], ["background"], 1),
        ([(0, *A)], [], [], 1),
        ([], [(0, 0.9, *A)], ["background"], 0),
        ([], [], [], 0),
    ],
)
def test_every_kind_by_hand(truth, found, kinds, missed):
    (result,) = errors(image(truth, found))
    assert named(result) == kinds
    counts = count_errors([result])
    assert counts["missed"] == missed
    assert sum(counts.values()) - missed == len(found)


def test_only_what_is_sure_enough_counts():
    pair = image([(0, *A)], [(0, 0.4, *A)])
    assert count_errors(errors(pair, threshold=0.5)) == {**dict.fromkeys(KINDS, 0), "missed": 1, "correct": 0}


def test_crowds_are_neither_missed_nor_found():
    (result,) = errors(image([(0, 0, 0, 20, 20)], [(0, 0.9, *A), (1, 0.8, *A)], crowd=[0]))
    assert named(result) == ["background"]  # of the other class; the first lies on the crowd and does not count
    assert count_errors([result])["missed"] == 0


def test_fixing_the_only_kind_there_is_gives_all():
    pairs = {
        "class": image([(0, *A), (1, *B)], [(1, 0.9, *A), (1, 0.8, *B)]),
        "localisation": image([(0, *A), (1, *B)], [(0, 0.9, *PART), (1, 0.8, *B)]),
        "missed": image([(0, *A), (1, *B)], [(1, 0.8, *B)]),
        "background": image([(1, *B)], [(1, 0.9, *FAR), (1, 0.8, *B)]),
        "duplicate": image([(1, *A), (1, *B)], [(1, 0.9, *A), (1, 0.8, *A), (1, 0.7, *B)]),
    }
    # class 1 with a wrong detection above its right one: AP50 50 instead of 100, and class 0 has none
    base = {"class": 25.0, "localisation": 50.0, "missed": 50.0, "background": 50.0}
    for kind, pair in pairs.items():
        costs = error_costs(errors(pair), 2)
        if kind == "missed":
            assert costs["missed"] == pytest.approx(50.0)  # the class without a wanted object is left out of the mean
        elif kind == "duplicate":
            assert costs["duplicate"] == pytest.approx(100 * (1 - (51 + 50 * 2 / 3) / 101))
        else:
            assert costs[kind] == pytest.approx(100 - base[kind])
        others = {other: cost for other, cost in costs.items() if other != kind}
        assert all(cost == pytest.approx(0) for other, cost in others.items() if other != "missed")


def test_a_fixed_class_takes_its_object_once():
    # two detections of the wrong class at one object: the more confident one is fixed, the other goes
    pair = image([(0, *A)], [(1, 0.9, *A), (1, 0.8, *A)])
    assert error_costs(errors(pair), 2)["class"] == pytest.approx(100)


def test_what_is_both_of_the_wrong_class_and_place_goes():
    pair = image([(0, *A), (1, *B)], [(1, 0.9, *PART), (1, 0.8, *B)])
    assert error_costs(errors(pair), 2)["both"] == pytest.approx(25.0)  # class 1 from 50 to 100


def test_without_objects_there_is_no_cost():
    for pairs in ([], [image()], [image(found=[(0, 0.9, *A)])]):
        costs = error_costs(errors(*pairs), 2)
        assert list(costs) == list(KINDS) and all(math.isnan(cost) for cost in costs.values())
