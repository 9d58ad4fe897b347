"""Shares of images, by class: exact numbers, groups that stay whole, every class in the part."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_project.datasets.editing.stratification import NO_OBJECTS, PART, REST, Sharing, strata_of
from maskrcnn_project.errors import DatasetError

STRATA = st.sets(st.integers(1, 5), max_size=3).map(lambda shown: shown or {NO_OBJECTS})


def test_strata_of_images():
    coco = {
        "images": [{"id": 4}, {"id": 2}],
        "annotations": [{"id": 1, "image_id": 2, "category_id": 9}, {"id": 2, "image_id": 2, "category_id": 8}],
    }
    assert strata_of(coco) == [{NO_OBJECTS}, {8, 9}]
    coco["annotations"][0]["image_id"] = 3
    with pytest.raises(DatasetError, match="Annotation 1 belongs to the image 3, which is not listed"):
        strata_of(coco)


@settings(max_examples=100, deadline=None)
@given(images=st.lists(STRATA, min_size=1, max_size=30), data=st.data(), seed=st.integers(0, 3))
def test_exactly_the_wanted_number(images, data, seed):
    number = data.draw(st.integers(1, len(images)))
    sides = Sharing([[shown] for shown in images], number / len(images), seed, keep=0).take_exactly()
    assert sides.count(PART) == number


@settings(max_examples=100, deadline=None)
@given(classes=st.lists(st.integers(1, 6), min_size=6, max_size=30), seed=st.integers(0, 3))
def test_a_part_as_large_as_the_number_of_classes_shows_all_of_them(classes, seed):
    """One class an image, so that nothing but the choice decides."""
    fraction = len(set(classes)) / len(classes)
    sides = Sharing([[{shown}] for shown in classes], fraction, seed, keep=0).take_exactly()
    taken = [shown for shown, side in zip(classes, sides, strict=True) if side == PART]
    assert sorted(taken) == sorted(set(classes))


def test_groups_come_near_the_wanted_share_of_the_images():
    """40 groups of 1 to 10 images, 220 in all, of which a quarter is 55."""
    units = [[{number % 3}] * (number % 10 + 1) for number in range(40)]
    for seed in range(5):
        sides = Sharing(units, 0.25, seed).share_out()
        images = sum(len(unit) for unit, side in zip(units, sides, strict=True) if side == PART)
        assert 52 <= images <= 58
        for stratum in range(3):
            of_stratum = [(len(unit), side) for unit, side in zip(units, sides, strict=True) if {stratum} == unit[0]]
            in_part = sum(size for size, side in of_stratum if side == PART)
            assert 0.15 <= in_part / sum(size for size, _ in of_stratum) <= 0.35


def test_a_group_larger_than_the_part_stays_in_the_rest():
    units = [[{1}] * 50, [{1}] * 5, [{1}] * 5]
    assert Sharing(units, 0.1, 0).share_out().count(PART) == 1
    assert Sharing(units, 0.1, 0).share_out()[0] == REST


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_rest_keeps_enough_of_each_class_for_the_parts_to_come(keep):
    for number in range(keep + 1, keep + 5):
        sides = Sharing([[{1}]] * number, 0.9, 0, keep).share_out()
        assert sides.count(REST) >= keep and sides.count(PART) >= 1
