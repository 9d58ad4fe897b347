"""Groups of images: by key, by file name, and tiles by the photograph they come from."""

import pytest

from maskrcnn_project.datasets.editing.grouping import group_of_each, name_pattern
from maskrcnn_project.errors import DatasetError

IMAGES = [
    {"id": 1, "file_name": "P01_a.png", "patient": 7},
    {"id": 2, "file_name": "P02_a.png", "patient": 8},
    {"id": 3, "file_name": "P01_b.png", "patient": 7},
]


def test_by_a_key_of_the_record():
    assert group_of_each(IMAGES, "patient") == [7, 8, 7]


@pytest.mark.parametrize("expression", ["^(P[0-9]+)_", "^P[0-9]+", "^(?:X|(P[0-9]+))"])
def test_by_the_first_bracket_or_all_that_is_found(expression):
    assert group_of_each(IMAGES, name_pattern(expression)) == ["P01", "P02", "P01"]


def test_without_a_key_each_file_is_by_itself():
    assert len(set(group_of_each(IMAGES))) == 3
    twice = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "a.png"}]  # the same pixels
    assert len(set(group_of_each(twice))) == 1


def test_tiles_belong_to_their_photograph_and_to_the_photograph_itself():
    images = [
        {"id": 1, "file_name": "tiles/a_1.png", "source_file_name": "a.png"},
        {"id": 2, "file_name": "tiles/a_2.png", "source_file_name": "a.png"},
        {"id": 3, "file_name": "photos/a.png", "merged_file_name": "a.png"},
        {"id": 4, "file_name": "photos/b.png", "merged_file_name": "b.png"},
    ]
    first, second, photograph, other = group_of_each(images)
    assert first == second == photograph != other
    # without tiles, equal names of two folders mean nothing
    assert len(set(group_of_each([images[2], {**images[2], "id": 5, "file_name": "others/a.png"}]))) == 2


@pytest.mark.parametrize("value", [None, ["P01"]])
def test_an_image_without_a_usable_key_is_named(value):
    images = [*IMAGES, {"id": 4, "file_name": "x.png", "patient": value}]
    with pytest.raises(DatasetError, match=r"Image 4 \(x.png\) wants a text or a number under the key 'patient'"):
        group_of_each(images, "patient")


def test_a_name_that_does_not_fit_is_named():
    with pytest.raises(DatasetError, match=r"P02_a.png does not fit the expression '\^P01'"):
        group_of_each(IMAGES, name_pattern("^P01"))


def test_a_broken_expression():
    with pytest.raises(DatasetError, match="no regular expression for file names"):
        name_pattern("(P[0-9]+")
