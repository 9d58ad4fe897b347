"""What is drawn of a folder and a file, as annotated and as training sees it."""

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from maskrcnn_project.analysis.data_pictures import annotated_pictures, config_to_draw, sample_pictures
from maskrcnn_project.datasets.shapes.shapes import ShapesOptions, write_shapes


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
