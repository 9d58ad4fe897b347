"""Pascal VOC's XML files."""

import pytest
from detectron2.data.datasets import load_voc_instances
from detectron2.structures import BoxMode

SIZE = "<size><width>50</width><height>40</height></size>"
BOX = "<bndbox><xmin>1</xmin><ymin>11</ymin><xmax>20</xmax><ymax>30.5</ymax></bndbox>"
WITH_DOG = f"<annotation>{SIZE}<object><name>dog</name>{BOX}</object></annotation>"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text("000005\n000007\n")
    (tmp_path / "Annotations" / "000005.xml").write_text(WITH_DOG)
    (tmp_path / "Annotations" / "000007.xml").write_text(f"<annotation>{SIZE}</annotation>")
    return tmp_path


def test_records_by_hand(folder):
    first, second = load_voc_instances(str(folder), "train", ["cat", "dog"])
    assert first == {
        "file_name": str(folder / "JPEGImages" / "000005.jpg"),
        "image_id": "000005",
        "height": 40,
        "width": 50,
        # VOC counts from 1 and includes the last pixel: 1..20 is 0 to 20.
        "annotations": [{"category_id": 1, "bbox": [0.0, 10.0, 20.0, 30.5], "bbox_mode": BoxMode.XYXY_ABS}],
    }
    assert second["annotations"] == []


def test_errors_name_the_file(folder):
    with pytest.raises(FileNotFoundError, match="val.txt does not exist"):
        load_voc_instances(str(folder), "val", ["dog"])
    with pytest.raises(ValueError, match="000005.xml cannot be used: an object has class 'dog', .* among cat"):
        load_voc_instances(str(folder), "train", ["cat"])
    (folder / "Annotations" / "000007.xml").write_text("<annotation/>")
    with pytest.raises(ValueError, match="000007.xml cannot be used: <annotation> has no <size/height>"):
        load_voc_instances(str(folder), "train", ["dog"])
    (folder / "Annotations" / "000005.xml").write_text("no xml")
    with pytest.raises(ValueError, match="000005.xml cannot be used: syntax error"):
        load_voc_instances(str(folder), "train", ["dog"])
