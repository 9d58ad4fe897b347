"""What is drawn of a folder and a file, as annotated and as training sees it."""

import json

import cv2
import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from maskrcnn_project.analysis.data_pictures import annotated_pictures, config_to_draw, sample_pictures, write_pictures
from maskrcnn_project.datasets.shapes.shapes import ShapesOptions, write_shapes
from maskrcnn_project.files import ResultFolder
from maskrcnn_project.visualization.json_results import draw_results


@pytest.fixture
def shapes(tmp_path):
    """(images, annotations) of four drawn pictures, which are registered under the file's name."""
    write_shapes(tmp_path / "shapes", ShapesOptions(train=4, val=2, size=64))
    annotations = tmp_path / "shapes" / "annotations" / "train.json"
    annotations.rename(annotations.with_name("drawn_for_pictures.json"))
    yield str(tmp_path / "shapes" / "train"), str(annotations.with_name("drawn_for_pictures.json"))
    for catalog in (DatasetCatalog, MetadataCatalog):
        catalog.remove("drawn_for_pictures")


def test_annotated_pictures_are_their_images_enlarged_if_small(shapes):
    cfg = config_to_draw(None, *shapes, [])
    pictures = dict(annotated_pictures(cfg.DATASETS.TRAIN, 2))
    assert list(pictures) == ["000001", "000003"]  # spread over the set
    assert {(h % 64, w % 64, c) for h, w, c in (picture.shape for picture in pictures.values())} == {(0, 0, 3)}


def test_samples_are_augmented_as_the_options_say(shapes):
    options = ["INPUT.MIN_SIZE_TRAIN", "(96,)", "INPUT.AUGMENT.MOSAIC.PROBABILITY", "1.0"]
    cfg = config_to_draw(None, *shapes, options)
    assert cfg.MODEL.MASK_ON  # masks are what is looked at
    pictures = list(sample_pictures(cfg, 3))
    assert [(h % 96, w % 96, c) for h, w, c in (picture.shape for _, picture in pictures)] == [(0, 0, 3)] * 3


def test_the_colours_of_a_description_are_those_of_annotations_and_of_results(tmp_path):
    """A plain grey image with one square: the tints of both drawings are the class's colour, and no other's."""
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images/a.png"), np.full((480, 480, 3), 100, np.uint8))
    image, box = {"id": 1, "file_name": "a.png", "height": 480, "width": 480}, [100, 100, 200, 200]
    square = {"id": 1, "image_id": 1, "category_id": 2, "bbox": box, "area": 40000, "iscrowd": 0}
    square["segmentation"] = [[100, 100, 300, 100, 300, 300, 100, 300]]
    classes = [{"id": 1, "name": "nut"}, {"id": 2, "name": "screw"}]
    (tmp_path / "set.json").write_text(json.dumps({"images": [image], "annotations": [square], "categories": classes}))
    (tmp_path / "results.json").write_text(json.dumps([{**square, "score": 0.9}]))
    splits = {"val": {"json": str(tmp_path / "set.json"), "images": str(tmp_path / "images")}}
    colours = {"nut": "#0000ff", "screw": "#c8320a"}  # 200, 50, 10
    content = {"name": "coloured_for_pictures", "splits": splits, "colours": colours}
    (tmp_path / "description.yaml").write_text(json.dumps(content))
    name = "coloured_for_pictures_val"
    config = {"DATASETS": {"DESCRIPTIONS": [str(tmp_path / "description.yaml")], "TRAIN": [name], "TEST": [name]}}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    cfg = config_to_draw(str(tmp_path / "config.yaml"), None, None, [])
    try:
        [(_, annotated)] = annotated_pictures(cfg.DATASETS.TRAIN, 1)
        draw_results(tmp_path / "results.json", name, tmp_path / "drawn")
    finally:
        for catalog in (DatasetCatalog, MetadataCatalog):
            catalog.remove(name)
    tint = np.array([10, 50, 200]) * 0.4 + 100 * 0.6  # BGR
    np.testing.assert_allclose(annotated[250, 250], tint, atol=1)
    pair = cv2.imread(str(tmp_path / "drawn/a.png"))
    caption = pair.shape[0] - 480
    np.testing.assert_allclose(pair[caption + 250, 250], tint, atol=1)
    np.testing.assert_allclose(pair[caption + 250, 250 + 480 + 8], tint, atol=1)


def test_a_sheet_and_an_image_called_sheet(tmp_path):
    picture = np.zeros((8, 8, 3), np.uint8)
    folder = ResultFolder(tmp_path / "out", [])
    sheet, count = write_pictures(iter([("sheet", picture), ("b", picture)]), folder, 2)
    assert count == 2 and sheet.name != "sheet.png"
    assert {file.name for file in (tmp_path / "out").glob("*.png")} == {"sheet.png", "b.png", sheet.name}
