"""Names of classes as users and formats list them."""

from pathlib import Path

import pytest

from maskrcnn_project.datasets.conversion.class_names import (
    names_by_number,
    one_line,
    parse_class_names,
    read_class_list,
    show_class_names,
)
from maskrcnn_project.errors import DatasetError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b", ["a", "b"]),
        (" a , two words", ["a", "two words"]),
        ('["cat, big", "no"]', ["cat, big", "no"]),
        (' ["a"]', ["a"]),
        ("a]", ["a]"]),
    ],
)
def test_names_with_commas_between_or_as_json(text, names):
    assert parse_class_names(text) == names


@pytest.mark.parametrize("text", ["[a, b]", "[1, 2]", '["a"', '["a", null]'])
def test_a_json_list_that_is_none(text):
    with pytest.raises(DatasetError, match="--classes should be a,b,c or a JSON list of texts"):
        parse_class_names(text)


def test_what_is_shown_can_be_given():
    names = ["cat, big", 'a "b"', "[c]", "細胞", " "]
    assert show_class_names(names[:4]) == '["cat, big", "a \\"b\\"", "[c]", "細胞"]'
    assert parse_class_names(show_class_names(names[:4])) == names[:4]


def test_one_line():
    assert one_line(" a\nb\u2028c\x00\t") == "a b c"


def test_numbers_and_names():
    assert names_by_number(Path("x"), ["a\nb", " c "]) == {0: "a b", 1: "c"}
    with pytest.raises(DatasetError, match="x has one name for several classes"):
        names_by_number(Path("x"), ["a\tb", "a b"])


def test_a_list_without_a_name(tmp_path):
    (tmp_path / "a.txt").write_text("\n\nnothing\n")
    assert read_class_list(tmp_path / "a.txt", ("nothing",)) == []
