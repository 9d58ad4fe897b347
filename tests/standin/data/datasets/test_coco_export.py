"""Records written as COCO: by hand, there and back, and never half a file."""

import json

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import convert_to_coco_json, load_coco_json
from detectron2.data.datasets.coco import convert_to_coco_dict
from detectron2.structures import BoxMode
from pycocotools import mask as coco_mask

NAME = "export_test"
SQUARE = [1.0, 1.0, 5.0, 1.0, 5.0, 5.0, 1.0, 5.0]
MASK = np.zeros((8, 10), np.uint8)
MASK[2:5, 3:7] = 1  # 12 pixels


@pytest.fixture
def register():
    def under_name(records, **metadata):
        DatasetCatalog.register(NAME, lambda: records)
        MetadataCatalog.get(NAME).set(**{"thing_classes": ["a", "b"], **metadata})

    yield under_name
    DatasetCatalog.pop(NAME, None)
    MetadataCatalog.pop(NAME, None)


def _record(*annotations, **more):
    return {"file_name": "x.png", "height": 8, "width": 10, "image_id": 40, "annotations": list(annotations), **more}


def _anno(category_id=0, bbox=(1, 1, 5, 5), mode=BoxMode.XYXY_ABS, **more):
    return {"category_id": category_id, "bbox": bbox, "bbox_mode": mode, **more}


def test_boxes_areas_and_ids_by_hand(register):
    rle = coco_mask.encode(np.asfortranarray(MASK))
    uncompressed = {"size": [8, 10], "counts": [26, 3, 5, 3, 5, 3, 5, 3, 27]}
    register(
        [
            _record(
                _anno(1, segmentation=[SQUARE]),
                _anno(0, bbox=np.array([3, 2, 7, 5]), segmentation=rle, iscrowd=1),
                _anno(0, bbox=[3, 2, 4, 3], mode=BoxMode.XYWH_ABS, segmentation=uncompressed),
                _anno(0, bbox=(3, 2, 7, 5), segmentation=MASK.astype(bool)),
                _anno(0, bbox=[0.12345, 0, 2, 3]),
            )
        ],
        thing_dataset_id_to_contiguous_id={5: 0, 9: 1},
    )
    coco = convert_to_coco_dict(NAME)
    json.dumps(coco)
    assert coco["images"] == [{"id": 40, "width": 10, "height": 8, "file_name": "x.png"}]
    assert coco["categories"] == [{"id": 5, "name": "a"}, {"id": 9, "name": "b"}]
    annos = coco["annotations"]
    assert [a["id"] for a in annos] == [1, 2, 3, 4, 5]
    assert {a["image_id"] for a in annos} == {40}
    assert [a["category_id"] for a in annos] == [9, 5, 5, 5, 5]
    assert [a["iscrowd"] for a in annos] == [0, 1, 0, 0, 0]
    assert [a["bbox"] for a in annos[:4]] == [[1, 1, 4, 4]] + [[3, 2, 4, 3]] * 3
    assert annos[4]["bbox"] == [0.123, 0, 1.877, 3]
    assert [a["area"] for a in annos] == pytest.approx([16, 12, 12, 12, 1.877 * 3])
    assert annos[0]["segmentation"] == [SQUARE]
    assert all((coco_mask.decode(a["segmentation"]) == MASK).all() for a in annos[1:4])
    assert "segmentation" not in annos[4]


def test_there_and_back(register, tmp_path):
    record = _record(
        _anno(1, bbox=[1.0, 1.0, 4.0, 4.0], mode=BoxMode.XYWH_ABS, iscrowd=0, segmentation=[SQUARE]),
        file_name=str(tmp_path / "x.png"),
    )
    register([record, _record(image_id=41)])
    convert_to_coco_json(NAME, str(tmp_path / "new" / "out.json"))
    back = load_coco_json(str(tmp_path / "new" / "out.json"), "")
    assert back[0] == record
    assert back[1]["annotations"] == []


def test_without_annotations_and_ids(register):
    register([{"file_name": "x.png", "height": 8, "width": 10}, {"file_name": "y.png", "height": 8, "width": 10}])
    coco = convert_to_coco_dict(NAME)
    assert [i["id"] for i in coco["images"]] == [0, 1]
    assert "annotations" not in coco


def test_a_file_that_exists_is_kept_unless_told_otherwise(register, tmp_path):
    register([_record()])
    out = tmp_path / "out.json"
    out.write_text("{}")
    convert_to_coco_json(NAME, str(out))
    assert out.read_text() == "{}"
    convert_to_coco_json(NAME, str(out), allow_cached=False)
    assert len(json.loads(out.read_text())["images"]) == 1


def test_a_failed_conversion_leaves_no_file(register, tmp_path):
    register([_record(_anno(segmentation="mask"))])
    with pytest.raises(ValueError, match="image id 40 has a segmentation of type str"):
        convert_to_coco_json(NAME, str(tmp_path / "out.json"))
    assert not (tmp_path / "out.json").exists()


def test_a_record_without_a_size_says_so(register):
    register([{"file_name": "x.png"}])
    with pytest.raises(ValueError, match="Record 0 of dataset 'export_test' has no 'width'"):
        convert_to_coco_dict(NAME)
