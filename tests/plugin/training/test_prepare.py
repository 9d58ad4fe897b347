"""What a config learns from its data before a training."""

import json
from types import SimpleNamespace

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from maskrcnn_project.config import get_config
from maskrcnn_project.datasets.register import register_coco_dataset
from maskrcnn_project.errors import DatasetError
from maskrcnn_project.training.prepare import infer_num_classes, prepare_training

SQUARE = {"category_id": 1, "bbox": [2, 2, 4, 4], "area": 16, "iscrowd": 0, "segmentation": [[2, 2, 6, 2, 6, 6, 2, 6]]}


@pytest.fixture
def registered(tmp_path):
    """A function that registers a set of ``count`` images with one square each, and removes them all at the end."""
    names = []

    def register(name, count=6, classes=("square", "circle"), **changes):
        rows = [{"id": i + 1, "image_id": i + 1, **SQUARE, **changes} for i in range(count)]
        images = [{"id": i + 1, "file_name": f"{i}.png", "height": 10, "width": 10} for i in range(count)]
        for image in images:
            (tmp_path / image["file_name"]).touch()  # the quick rules look at names only
        categories = [{"id": i + 1, "name": text} for i, text in enumerate(classes)]
        content = {"images": images, "annotations": rows, "categories": categories}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
        register_coco_dataset(name, tmp_path / f"{name}.json", tmp_path)
        names.append(name)
        return name

    yield register
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def config(train, test=None):
    cfg = get_config()
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = (train,), (test or train,)
    return cfg


ARGS = SimpleNamespace(skip_data_check=False, overfit=None, opts=[])


def test_the_number_of_classes_comes_from_the_set(registered):
    cfg = config(registered("prepare_classes"))
    assert infer_num_classes(cfg) == "MODEL.ROI_HEADS.NUM_CLASSES 2: the classes of prepare_classes"
    assert cfg.MODEL.ROI_HEADS.NUM_CLASSES == 2
    assert infer_num_classes(cfg) == ""  # it is known now


def test_another_number_than_the_default_is_somebodys_choice(registered):
    cfg = config(registered("prepare_choice"))
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 5
    assert infer_num_classes(cfg) == "" and cfg.MODEL.ROI_HEADS.NUM_CLASSES == 5


def test_epochs_and_rate_follow_the_set(registered, capsys):
    cfg = config(registered("prepare_epochs"))
    cfg.SOLVER.EPOCHS, cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.REFERENCE_BATCH_SIZE = 10.0, 2, 16
    cfg.SOLVER.BASE_LR = 0.02
    prepare_training(cfg, ARGS)
    assert cfg.SOLVER.MAX_ITER == 30  # 10 * 6 / 2
    assert pytest.approx(0.0025) == cfg.SOLVER.BASE_LR
    assert "10 epochs of 6 images at 2 a step -> 30 iterations" in capsys.readouterr().out


def test_errors_stop_it_and_a_switch_passes_over_them(registered):
    cfg = config(registered("prepare_errors", bbox=[2, 2, 0, 4]))
    with pytest.raises(DatasetError, match="box-empty.*--skip-data-check"):
        prepare_training(cfg, ARGS)
    prepare_training(cfg, SimpleNamespace(**{**vars(ARGS), "skip_data_check": True}))


def test_sets_that_disagree_are_refused(registered):
    cfg = config(registered("prepare_a"), registered("prepare_b", classes=("square", "disk")))
    with pytest.raises(DatasetError, match="'circle' in prepare_a and 'disk' in prepare_b"):
        prepare_training(cfg, ARGS)
