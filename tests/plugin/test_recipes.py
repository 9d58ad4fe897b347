"""Every config of the project builds its model; the recipes are what their names say."""

import pytest
from detectron2 import model_zoo

from maskrcnn_project.config import get_config
from maskrcnn_project.modeling import build_model
from maskrcnn_project.training.augmentation.build import check_augmentation
from maskrcnn_project.training.hooks import build_named_hooks
from tests.places import ROOT

CONFIGS = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if not path.name.startswith("Base"))
ZOO = "COCO-InstanceSegmentation/mask_rcnn_R_{}_FPN_3x.yaml"


@pytest.mark.parametrize("file", CONFIGS, ids=lambda path: path.stem)
def test_every_config_builds(file, tmp_path):
    cfg = get_config(file, ["MODEL.DEVICE", "cpu", "OUTPUT_DIR", str(tmp_path)])
    check_augmentation(cfg)
    build_named_hooks(cfg)
    model = build_model(cfg)
    assert sum(parameter.numel() for parameter in model.parameters()) > 1e6
    assert file.read_text("utf-8").startswith("# ")  # for whom, the command, what to expect


@pytest.mark.parametrize(
    ("name", "depth", "batch", "rate"),
    [
        ("defects_R_50", 50, 4, 0.005),
        ("cells_R_101", 101, 2, 0.002),
        ("shelves_R_50", 50, 4, 0.005),
        ("small_data_R_50", 50, 2, 0.001),
        ("lsj_R_50", 50, 16, 0.02),
        ("lsj_R_101", 101, 16, 0.02),
    ],
)
def test_the_recipes_knobs(name, depth, batch, rate):
    cfg = get_config(f"configs/recipes/{name}.yaml")
    assert (depth, batch, rate) == (cfg.MODEL.RESNETS.DEPTH, cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.BASE_LR)
    assert model_zoo.get_checkpoint_url(ZOO.format(depth)).endswith(cfg.MODEL.WEIGHTS.rpartition("/")[2])
    assert cfg.SOLVER.EPOCHS >= 12


def test_cells_and_small_sets_have_what_they_need():
    cells = get_config("configs/recipes/cells_R_101.yaml")
    assert cells.PREDICT.SCORE_THRESHOLD == 0.6 and cells.TEST.DETECTIONS_PER_IMAGE == 500
    small = get_config("configs/recipes/small_data_R_50.yaml")
    assert small.MODEL.FREEZE_NORMS and small.SOLVER.BACKBONE_LR_FACTOR == 0.1
