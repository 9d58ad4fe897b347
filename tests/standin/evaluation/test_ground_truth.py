import json

import pytest
from detectron2.evaluation._ground_truth import complete_annotations, load_ground_truth

SQUARE = [[10, 10, 20, 10, 20, 20, 10, 20]]  # 10x10 pixels


def dataset(*annotations):
    return {
        "images": [{"id": 5, "height": 50, "width": 60}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [{"image_id": 5, "category_id": 1, **a} for a in annotations],
    }


@pytest.mark.parametrize(
    "given, bbox, area, reason",
    [
        ({"bbox": [1, 2, 3, 4]}, [1, 2, 3, 4], 12, "no mask: the box's area"),
        ({"bbox": [1, 2, 3, 4], "area": 7}, [1, 2, 3, 4], 7, "what is there stays"),
        ({"segmentation": SQUARE}, [10, 10, 10, 10], 100, "both from the polygon"),
        ({"segmentation": {"size": [50, 60], "counts": [0, 2, 2998]}}, [0, 0, 1, 2], 2, "uncompressed RLE"),
        ({"bbox": [1, 2, 3, 4], "segmentation": SQUARE}, [1, 2, 3, 4], 100, "the mask's area before the box's"),
        ({"bbox": [1, 2, 3, 4], "segmentation": [[1, 1, 2, 2]]}, [1, 2, 3, 4], 12, "two points enclose nothing"),
    ],
)
def test_missing_keys_are_filled_in(given, bbox, area, reason):
    data = dataset(given)
    complete_annotations(data, "gt.json")
    (annotation,) = data["annotations"]
    assert annotation["bbox"] == bbox and annotation["area"] == area, reason
    assert annotation["iscrowd"] == 0 and annotation["id"] == 1


@pytest.mark.parametrize("ids, result", [([7, 9], [7, 9]), ([0, 1], [1, 2]), ([3, 3], [1, 2]), (["a", "b"], [1, 2])])
def test_ids_that_the_metric_cannot_use_are_numbered_anew(ids, result, caplog):
    data = dataset(*({"bbox": [0, 0, 1, 1], "id": i} for i in ids))
    complete_annotations(data, "gt.json")
    assert [a["id"] for a in data["annotations"]] == result
    assert ("gt.json" in caplog.text) == (ids != result)


@pytest.mark.parametrize(
    "broken, words",
    [
        ({"id": 4}, "annotation 4 of gt.json has neither"),
        ({"id": 4, "bbox": [0, 0, 1, 1], "category_id": None}, None),
    ],
)
def test_what_cannot_be_filled_in_is_named(broken, words):
    data = dataset(broken)
    if words is None:
        del data["annotations"][0]["category_id"]
        words = "needs an 'category_id', but annotation 4 of gt.json"
    with pytest.raises(ValueError, match=words):
        complete_annotations(data, "gt.json")


def test_a_file_of_another_kind_is_named(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps([{"image_id": 1}]))
    with pytest.raises(ValueError, match="results.json should be a COCO annotation file.*but holds list"):
        load_ground_truth(str(path))


def test_a_file_is_indexed_in_silence(tmp_path, capsys):
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(dataset({"segmentation": SQUARE})))
    coco = load_ground_truth(str(path))
    assert [a["area"] for a in coco.imgToAnns[5]] == [100]
    assert capsys.readouterr().out == ""
