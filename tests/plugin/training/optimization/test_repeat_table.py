"""How often an epoch shows the images of a rare class, by hand."""

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


def test_nothing_to_sample():
    assert repeat_table([], 0.5, []).splitlines()[0].split() == ["class", "images", "instances", "times", "an", "epoch"]
