"""Statistics of a file small enough to count by hand."""

import pytest

from maskrcnn_project.config import get_config
from maskrcnn_project.datasets.coco_file import CocoFile
from maskrcnn_project.datasets.statistics import QUANTILES, dataset_statistics, mask_format_of
from maskrcnn_project.training.trainer import mask_format

POLYGON = [[0, 0, 1, 0, 1, 1]]
RLE = {"size": [10, 20], "counts": "04"}


def annotation(number, image_id, category_id, box, segmentation, **more):
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": box,
        "segmentation": segmentation,
        **more,
    }


def coco():
    """Four images (one without objects, one with a crowd only); sizes 2, 4, 6, 8; h / w of 1, 4, 1, 1/4."""
    return {
        "images": [
            {"id": 1, "file_name": "1.png", "height": 10, "width": 20},
            {"id": 2, "file_name": "2.png", "height": 30, "width": 20},
            {"id": 3, "file_name": "3.png", "height": 50, "width": 20},
            {"id": 4, "file_name": "4.png", "height": 70, "width": 20},
        ],
        "annotations": [
            annotation(1, 1, 5, [0, 0, 2, 2], POLYGON),
            annotation(2, 1, 5, [0, 0, 2, 8], POLYGON),
            annotation(3, 1, 2, [0, 0, 6, 6], RLE, iscrowd=0),
            annotation(4, 2, 5, [0, 0, 16, 4], []),
            annotation(5, 3, 2, [0, 0, 20, 20], RLE, iscrowd=1),
        ],
        "categories": [{"id": 5, "name": "nut"}, {"id": 2, "name": "screw"}, {"id": 9, "name": "bolt"}],
    }


def test_counts():
    found = dataset_statistics(coco())
    assert (found.num_images, found.num_instances, found.num_classes) == (4, 5, 3)
    assert list(found.class_counts.items()) == [("screw", 1), ("nut", 3), ("bolt", 0)]  # by ascending id
    assert found.class_image_counts == {"screw": 1, "nut": 2, "bolt": 0}
    assert found.images_without_objects == 2
    assert found.num_training_images == 2
    assert found.max_instances_per_image == 3


def test_masks():
    found = dataset_statistics(coco())
    assert found.polygon_fraction == 2 / 4
    assert found.rle_fraction == 1 / 4
    assert found.missing_mask_fraction == 1 / 4
    assert found.crowd_fraction == 1 / 5


def test_measures():
    found = dataset_statistics(coco())
    assert tuple(found.object_size_quantiles) == QUANTILES
    assert found.object_size_quantiles[0.5] == pytest.approx(5)  # of 2, 4, 6, 8
    assert found.object_size_quantiles[0.25] == pytest.approx(3.5)
    assert found.aspect_ratio_quantiles[0.75] == pytest.approx(1.75)  # of 1/4, 1, 1, 4
    assert found.image_height_quantiles[0.5] == pytest.approx(40)
    assert found.image_width_quantiles[0.99] == pytest.approx(20)
    assert found.instances_per_image_quantiles[0.5] == pytest.approx(0.5)  # of 3, 1, 0, 0
    assert (found.median_short_edge, found.median_long_edge) == (20, 40)


def test_a_crowd_of_rle_leaves_polygons_usable():
    """As in COCO itself: crowds are RLE, but training leaves them out."""
    data = coco()
    assert dataset_statistics(data).mask_format == "bitmask"
    data["annotations"] = [row for row in data["annotations"] if row["id"] != 3]
    found = dataset_statistics(data)
    assert found.rle_fraction == 0
    assert found.mask_format == "polygon"


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ([], "polygon"),
        ([{}], "polygon"),  # an object without a mask
        ([{"segmentation": POLYGON, "iscrowd": 0}], "polygon"),
        ([{"segmentation": POLYGON}, {"segmentation": RLE}], "bitmask"),
        ([{"segmentation": POLYGON}, {"segmentation": RLE, "iscrowd": 1}], "polygon"),
        ([{"segmentation": RLE, "iscrowd": 0}], "bitmask"),
    ],
)
def test_the_trainer_takes_the_same_mask_format(annotations, expected):
    """One rule for the file and for the records: crowds do not decide."""
    cfg = get_config()
    cfg.INPUT.MASK_FORMAT = "bitmask"
    assert mask_format_of(annotations) == expected
    assert mask_format(cfg, [{"annotations": []}, {"annotations": annotations}]) == expected
    cfg.INPUT.MASK_FORMAT_FROM_DATA = False
    assert mask_format(cfg, [{"annotations": annotations}]) == "bitmask"


def test_a_box_without_area_has_no_shape():
    data = coco()
    data["annotations"] = [
        annotation(1, 1, 5, [0, 0, 0, 4], POLYGON),
        annotation(2, 1, 5, [0, 0, 2, 2], POLYGON),
    ]
    found = dataset_statistics(data)
    assert found.class_counts["nut"] == 2
    assert set(found.object_size_quantiles.values()) == {2.0}
    assert set(found.aspect_ratio_quantiles.values()) == {1.0}


def test_nothing_at_all():
    found = dataset_statistics({"images": [], "annotations": [], "categories": []})
    assert found.object_size_quantiles == {}
    assert found.max_instances_per_image == 0
    assert found.crowd_fraction == found.polygon_fraction == found.median_short_edge == 0
    assert "images" in found.table()


def test_a_coco_file_is_taken_as_well():
    data = coco()
    file = CocoFile("set.json", data["images"], data["annotations"], data["categories"])
    assert dataset_statistics(file) == dataset_statistics(data)


def test_table():
    lines = dataset_statistics(coco()).table().splitlines()
    assert "INPUT.MASK_FORMAT           bitmask" in lines
    assert lines[10].split() == ["quantiles", "1%", "5%", "25%", "50%", "75%", "95%", "99%"]
    assert "object size sqrt(w h)   2.1   2.3   3.5   5.0   6.5   7.7   7.9" in lines
    assert [line.split() for line in lines[-3:]] == [
        ["screw", "1", "25.0%", "1"],
        ["nut", "3", "75.0%", "2"],
        ["bolt", "0", "0.0%", "0"],
    ]
