"""JSON and YAML of strangers end in a value, or in one sentence that names the file, whichever reader asks."""

import pytest
from detectron2.config import get_cfg

from maskrcnn_project.datasets.coco_file import read_json
from maskrcnn_project.datasets.conversion.labelme import read_labelme
from maskrcnn_project.datasets.conversion.yolo_set import read_yaml
from maskrcnn_project.datasets.description import read_description
from maskrcnn_project.datasets.result_rows import read_result_rows
from maskrcnn_project.datasets.text_files import read_json_value, read_yaml_value
from maskrcnn_project.errors import DatasetError

DEEP = "[" * 100_000
JSON_READERS = {
    "COCO": read_json,
    "results": lambda path: read_result_rows(path, {}, {}),
    "LabelMe": lambda path: read_labelme(path.parent),
}
YAML_READERS = {
    "description": read_description,
    "YOLO": read_yaml,
    "config": lambda path: get_cfg().merge_from_file(str(path)),
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.png").touch()  # LabelMe's reader wants an image
    return tmp_path


@pytest.mark.parametrize("reader", JSON_READERS.values(), ids=JSON_READERS)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[1,", "is not JSON: line 1, column 4"),
        (b"[1, \xff]", r"is not UTF-8 text \(byte 4\)"),
        (DEEP.encode(), "nests its lists and objects too deep"),
        (b"[" + b"9" * 5000 + b"]", "holds a number of more than 4300 digits"),
    ],
)
def test_json_that_cannot_be_read(folder, reader, content, words):
    (folder / "a.json").write_bytes(content)
    with pytest.raises(DatasetError, match=rf"a\.json {words}"):
        reader(folder / "a.json")


@pytest.mark.parametrize("reader", YAML_READERS.values(), ids=YAML_READERS)
@pytest.mark.parametrize(
    ("content", "words"), [(b"a: [", "is not plain YAML"), (b"a: \xff", "YAML"), (b"[" * 3000, "too deep to be read")]
)
def test_yaml_that_cannot_be_read(tmp_path, reader, content, words):
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.yaml.* {words}"):
        reader(tmp_path / "a.yaml")


def test_what_can_be_read(tmp_path):
    file = tmp_path / "file"
    for content, value in (("\ufeff[1, 2.5]", [1, 2.5]), ("{}", {}), ("null", None)):
        file.write_text(content, "utf-8")
        assert read_json_value(file) == value
        assert read_yaml_value(file) == value
    file.write_text("")
    assert read_yaml_value(file) is None
