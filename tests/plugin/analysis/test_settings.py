import pytest
import yaml

from maskrcnn_project.analysis.settings import (
    COMPARED,
    ComparedSetting,
    as_yaml,
    compare_settings,
    user_options_of,
    value_of,
    with_settings,
)
from maskrcnn_project.config import get_config
from maskrcnn_project.datasets.statistics import dataset_statistics
from maskrcnn_project.training.recommend import recommend
from maskrcnn_project.training.user_options import UserOptions


def statistics(size=10, instances=70):
    """One image of 256 x 256 pixels with squares."""
    annotations = [
        {"id": i, "image_id": 1, "category_id": 1, "bbox": [0, 0, size, size], "segmentation": []}
        for i in range(instances)
    ]
    images = [{"id": 1, "file_name": "1.png", "height": 256, "width": 256}]
    return dataset_statistics({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "a"}]})


def config(*overrides):
    return get_config("configs/Base-RCNN-FPN.yaml", overrides)


def test_suggestions_are_those_of_the_training():
    options = UserOptions(backbone="resnet18")
    chosen = {choice.key: choice.value for choice in recommend(statistics(), options)}
    for setting in compare_settings(statistics(), config(), options):
        if setting.key in chosen:
            value = chosen[setting.key]
            assert setting.suggested == (tuple(value) if isinstance(setting.suggested, tuple) else value)
            assert setting.reason != "the default fits"


def test_what_needs_no_change_keeps_the_default():
    settings = {s.key: s for s in compare_settings(statistics(size=200, instances=1), config(), UserOptions())}
    assert settings["TEST.DETECTIONS_PER_IMAGE"].suggested == 100
    assert settings["MODEL.ANCHOR_GENERATOR.SIZES"].suggested == [[32], [64], [128], [256], [512]]


def test_a_model_with_one_feature_map_gets_all_sizes_on_it():
    cfg = config("MODEL.RPN.IN_FEATURES", ["res4"])
    settings = {s.key: s for s in compare_settings(statistics(), cfg, UserOptions(backbone="resnet18"))}
    assert settings["MODEL.ANCHOR_GENERATOR.SIZES"].suggested == [[8, 16, 32, 64, 128]]


def test_the_yaml_makes_a_config_of_the_suggestions(tmp_path):
    settings = compare_settings(statistics(), config(), UserOptions(backbone="resnet18"))
    text = as_yaml(settings)
    assert "    SIZES: [[8], [16], [32], [64], [128]]\n" in text
    (tmp_path / "pasted.yaml").write_text(text)
    pasted, suggested = get_config(tmp_path / "pasted.yaml"), with_settings(config(), settings)
    for key in COMPARED:
        assert value_of(pasted, key) == value_of(suggested, key)
    assert value_of(pasted, "TEST.DETECTIONS_PER_IMAGE") == 200


def test_yaml_of_any_order_reads_back():
    keys = {"A.B.C": [[1.5]], "D": 1, "A.B.E": "x", "A.F": None}
    tree = yaml.safe_load(as_yaml([ComparedSetting(key, None, value, "") for key, value in keys.items()]))
    assert tree == {"A": {"B": {"C": [[1.5]], "E": "x"}, "F": None}, "D": 1}


def test_the_config_that_is_compared_is_not_changed():
    cfg = config()
    cfg.freeze()
    before = cfg.dump()
    with_settings(cfg, compare_settings(statistics(), cfg, UserOptions()))
    assert cfg.dump() == before


@pytest.mark.parametrize(("weights", "from_nothing"), [("", True), ("model.pth", False)])
def test_a_config_tells_where_training_starts(weights, from_nothing):
    options = user_options_of(config("MODEL.RESNETS.DEPTH", 101, "MODEL.WEIGHTS", weights))
    assert (options.backbone, options.from_nothing) == ("resnet101", from_nothing)
