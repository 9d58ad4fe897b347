"""Settings chosen from statistics: every rule on a data set small enough to follow by hand."""

import pytest

from maskrcnn_project.config import get_config
from maskrcnn_project.datasets.statistics import dataset_statistics
from maskrcnn_project.training.recommend import apply_settings, recommend, settings_table, steps_for, warmup_for
from maskrcnn_project.training.user_options import UserOptions


def coco(images, objects_per_image, size, image_size=(256, 256)):
    """``images`` pictures of (height, width) ``image_size``, each with squares of ``size`` pixels."""
    height, width = image_size
    square = {"category_id": 1, "iscrowd": 0, "bbox": [0, 0, size, size], "area": size * size}
    square["segmentation"] = [[0, 0, size, 0, size, size, 0, size]]
    annotations = [
        {"id": i * objects_per_image + j + 1, "image_id": i + 1, **square}
        for i in range(images)
        for j in range(objects_per_image)
    ]
    records = [{"id": i + 1, "file_name": f"{i}.png", "height": height, "width": width} for i in range(images)]
    return {"images": records, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}


def chosen(data, **options):
    return {c.key: c.value for c in recommend(dataset_statistics(data), UserOptions(**options), "zoo://weights")}


def test_from_coco_weights_small_objects_are_enlarged_at_most_twofold():
    keys = chosen(coco(10, 3, size=10))
    assert keys["MODEL.WEIGHTS"] == "zoo://weights"
    assert keys["INPUT.MIN_SIZE_TEST"] == 512  # 256 pixels, twice
    assert keys["INPUT.MIN_SIZE_TRAIN"][0] == 307 and keys["INPUT.MIN_SIZE_TRAIN"][-1] == 512  # 0.6 to 1.0
    assert keys["SOLVER.BASE_LR"] == 0.005
    assert keys["MODEL.RESNETS.NORM"] == "FrozenBN"


def test_from_coco_weights_large_images_keep_the_published_size_and_anchors():
    keys = chosen(coco(10, 3, size=200, image_size=(1500, 2000)))
    assert keys["INPUT.MIN_SIZE_TEST"] == 800 and keys["INPUT.MAX_SIZE_TEST"] == 1333
    assert keys["INPUT.MIN_SIZE_TRAIN"][0] == 480
    assert "MODEL.ANCHOR_GENERATOR.SIZES" not in keys
    assert "TEST.DETECTIONS_PER_IMAGE" not in keys


def test_a_panorama_may_be_longer_than_the_published_limit():
    assert chosen(coco(10, 3, size=200, image_size=(1000, 4000)))["INPUT.MAX_SIZE_TEST"] == 3200  # 800 * 4


def test_from_nothing_norms_train_and_anchors_fit():
    keys = chosen(coco(10, 70, size=10), backbone="resnet18")
    assert keys["MODEL.WEIGHTS"] == "" and keys["MODEL.RESNETS.NORM"] == "BN"
    assert keys["MODEL.BACKBONE.FREEZE_AT"] == 0
    assert keys["INPUT.MIN_SIZE_TEST"] == 256
    # the lower quartile is 10 pixels, the power of two below it 8
    assert keys["MODEL.ANCHOR_GENERATOR.SIZES"] == [[8], [16], [32], [64], [128]]
    assert keys["TEST.DETECTIONS_PER_IMAGE"] == 200  # twice 70, in hundreds


def test_epochs_become_iterations():
    # 3 epochs of 10 images by 4 are 7.5 iterations, rounded up
    assert chosen(coco(10, 1, 50), epochs=3, batch_size=4)["SOLVER.MAX_ITER"] == 8


def test_few_images_get_a_least_number_of_iterations_unless_epochs_are_given():
    assert chosen(coco(10, 1, 50))["SOLVER.MAX_ITER"] == 1000
    assert chosen(coco(1000, 1, 50))["SOLVER.MAX_ITER"] == 6000  # 12 epochs of 1000 by 2


def test_images_without_objects_do_not_count_as_an_epoch():
    data = coco(10, 1, 50)
    data["annotations"] = data["annotations"][:4]
    assert chosen(data, epochs=1, batch_size=1)["SOLVER.MAX_ITER"] == 4


@pytest.mark.parametrize(("iterations", "steps"), [(90000, (60000, 80000)), (3, (2,)), (1, ())])
def test_the_rate_falls_at_two_thirds_and_eight_ninths(iterations, steps):
    assert steps_for(iterations) == steps


def test_a_wish_is_kept_and_named_in_the_table():
    choices = recommend(dataset_statistics(coco(4, 1, 50)), UserOptions(learning_rate=0.002, short_edge=320))
    assert {c.key: c.value for c in choices}["SOLVER.BASE_LR"] == 0.002
    lines = settings_table(choices).splitlines()
    assert any("INPUT.MIN_SIZE_TEST" in line and "320" in line and "--short-edge" in line for line in lines)


@pytest.mark.parametrize("backbone", ["resnet18", "resnet34", "resnet50", "resnet101"])
def test_every_choice_is_a_key_of_the_config(backbone):
    cfg = get_config("configs/Base-RCNN-FPN.yaml")
    apply_settings(cfg, recommend(dataset_statistics(coco(4, 70, 6)), UserOptions(backbone=backbone)))
    assert int(backbone[6:]) == cfg.MODEL.RESNETS.DEPTH
    assert cfg.MODEL.ROI_HEADS.NUM_CLASSES == 1


def test_a_data_set_without_objects_still_gets_settings():
    data = {**coco(4, 1, 50), "annotations": []}
    assert chosen(data)["INPUT.MIN_SIZE_TEST"] == 256


@pytest.mark.parametrize(
    ("iterations", "warmup"), [(1, 1), (4, 2), (80, 40), (200, 50), (500, 50), (2000, 200), (50000, 1000)]
)
def test_a_short_training_still_warms_up(iterations, warmup):
    assert warmup_for(iterations) == warmup
