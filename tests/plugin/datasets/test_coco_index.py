"""What is read off a JSON file without parsing it, and where that is left to the whole file."""

import json

import pytest

from maskrcnn_project.datasets import coco_index
from maskrcnn_project.datasets.coco_index import is_annotated, read_value


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "set.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), "utf-8")
        return path

    return write


NAMES = [{"id": 1, "name": 'a "quoted" }] name'}, {"id": 2, "name": "Mutter für Größe 8, 螺母"}]


@pytest.mark.parametrize("window", [1, 7, 1 << 16])
def test_a_value_wherever_it_stands(write, monkeypatch, window):
    monkeypatch.setattr(coco_index, "FIRST_WINDOW", window)  # windows that end within the value, and within a character
    for content in ({"categories": NAMES, "images": [1]}, {"images": [1], "categories": NAMES}):
        assert read_value(write(content), "categories") == NAMES
    assert read_value(write(json.dumps({"a": 0, "categories": NAMES}, indent=4)), "categories") == NAMES
    assert read_value(write('{"categories" :\n[ ]}'), "categories") == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        {"images": []},
        {"info": {"categories": []}, "categories": NAMES},  # two places: which one is not told by a glance
        '{"categories": [{"id": 1',  # not written to its end
        "{'categories': []}",
    ],
)
def test_nothing_is_said_where_a_glance_is_not_enough(write, content):
    assert read_value(write(content), "categories") is None


def test_text_that_quotes_a_key_is_no_key(write):
    quoting = {"info": 'has "categories": [1] and "category_id": 5 inside', "categories": NAMES}
    assert read_value(write(quoting), "categories") == NAMES
    assert not is_annotated(write(quoting), 5)


def test_whether_a_category_is_annotated(write):
    path = write({"categories": [{"id": 1}, {"id": 12}], "annotations": [{"category_id": 12}, {"category_id": 3}]})
    assert [key for key in range(20) if is_annotated(path, key)] == [3, 12]  # 12 is not 1
    assert is_annotated(write('{"annotations":[{"category_id":0}]}'), 0)
    assert not is_annotated(write(""), 0)
