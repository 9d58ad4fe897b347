"""Lists of strangers are UTF-8 text, with or without a byte order mark, or end in one sentence that names the file."""

import pytest

from maskrcnn_project.datasets.conversion.labelme import read_labelme
from maskrcnn_project.datasets.conversion.text_lists import read_entries, read_lines
from maskrcnn_project.datasets.conversion.voc import read_voc
from maskrcnn_project.datasets.conversion.yolo import read_yolo
from maskrcnn_project.errors import DatasetError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_lines_and_entries(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("Käse\r\n\r\n nut \n".encode(encoding))
    assert read_lines(tmp_path / "a.txt") == ["Käse", "", "nut"]
    assert read_entries(tmp_path / "a.txt") == ["Käse", "nut"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("labels.txt", read_labelme),
        ("classes.txt", read_yolo),
        ("obj.names", read_yolo),
        ("train.txt", lambda folder: read_yolo(folder, split="train")),
        ("labelmap.txt", read_voc),
        ("ImageSets/Segmentation/train.txt", lambda folder: read_voc(folder, split="train")),
    ],
)
def test_a_list_that_is_no_utf_8(tmp_path, photo, encoding, name, read):
    photo(tmp_path / "JPEGImages" / "a.png")
    for folder in ("SegmentationClass", "SegmentationObject", "ImageSets/Segmentation"):
        (tmp_path / folder).mkdir(parents=True)
    if name == "train.txt":
        (tmp_path / "data.yaml").write_text("names: [a]\ntrain: train.txt\n")
    (tmp_path / name).write_bytes("Käse\n".encode(encoding))
    with pytest.raises(DatasetError, match=rf"{name} is not UTF-8 text \(byte [01]\): save it as UTF-8\.$"):
        read(tmp_path)
