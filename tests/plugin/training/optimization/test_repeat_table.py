"""How often an epoch shows the images of a rare class, by hand."""

import pytest
from detectron2.data.build import _training_sampler

from maskrcnn_project.config import get_config
from maskrcnn_project.training.optimization.repeat_table import repeat_table


def record(*classes):
    return {"annotations": [{"category_id": index} for index in classes]}


def test_images_of_rare_classes_repeat():
    records = [record(0), record(0), record(0, 0), record(0, 1, 1)]
    rows = [line.split() for line in repeat_table(records, 0.5, ["screw", "nut", "bolt"]).splitlines()[2:]]
    assert rows == [
        ["bolt", "0", "0", "-"],
        ["nut", "1", "2", "1.41"],  # in a quarter of the images: sqrt(0.5 / 0.25)
        ["screw", "4", "5", "1.10"],  # its last image repeats for the nut: (3 + 1.41) / 4
    ]


def test_without_the_root_rare_classes_repeat_more():
    records = [record(0), record(0), record(0, 0), record(0, 1, 1)]
    rows = [line.split() for line in repeat_table(records, 0.5, ["screw", "nut"], sqrt=False).splitlines()[2:]]
    assert rows == [["nut", "1", "2", "2.00"], ["screw", "4", "5", "1.25"]]  # 0.5 / 0.25; (3 + 2) / 4


@pytest.mark.parametrize("sqrt", [True, False])
def test_the_table_tells_what_the_loaders_sampler_does(sqrt):
    """Every key of the sampler is in the table: one class an image, so that a class's figure is its images' factor."""
    cfg = get_config()
    cfg.DATALOADER.SAMPLER_TRAIN, cfg.DATALOADER.REPEAT_THRESHOLD = "RepeatFactorTrainingSampler", 0.9
    cfg.DATALOADER.REPEAT_SQRT = sqrt
    records = [record(0), record(0), record(0), record(1)]
    sampler = _training_sampler(cfg, records)
    factors = (sampler._int_part + sampler._frac_part).tolist()
    table = repeat_table(records, cfg.DATALOADER.REPEAT_THRESHOLD, ["screw", "nut"], sqrt=cfg.DATALOADER.REPEAT_SQRT)
    shown = {line.split()[0]: line.split()[3] for line in table.splitlines()[2:]}
    assert shown == {"screw": f"{factors[0]:.2f}", "nut": f"{factors[3]:.2f}"}


def test_nothing_to_sample():
    assert repeat_table([], 0.5, []).splitlines()[0].split() == [
        "class",
        "images",
        "instances",
        "times",
        "per",
        "epoch",
    ]
