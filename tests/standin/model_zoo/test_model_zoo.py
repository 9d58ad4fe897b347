"""Published models: their configs are complete, and their weights' URLs are the published ones."""

from __future__ import annotations

import os

import pytest
import yaml
from detectron2 import model_zoo
from detectron2.config import get_cfg
from detectron2.config._honoured import refuse_unhonoured
from detectron2.model_zoo.model_zoo import ENTRIES

MASK_R50 = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml"


@pytest.mark.parametrize("name", ENTRIES)
def test_each_entry_has_a_config_that_merges(name):
    cfg = model_zoo.get_config(f"{name}.yaml")
    refuse_unhonoured(cfg)
    assert (ENTRIES[name].mask_ap is not None) == cfg.MODEL.MASK_ON
    assert (50 if "_R_50_" in name else 101) == cfg.MODEL.RESNETS.DEPTH
    assert cfg.MODEL.ROI_HEADS.NAME.startswith(
        "Res5" if "_C4_" in name else "Cascade" if "cascade" in name else "Standard"
    )
    assert cfg.DATASETS.TRAIN == ("coco_2017_train",)
    assert cfg.SOLVER.STEPS[-1] < cfg.SOLVER.MAX_ITER
    epochs = cfg.SOLVER.MAX_ITER * cfg.SOLVER.IMS_PER_BATCH / 118287  # images of train2017
    wanted = {"_1x": 12, "_3x": 36, "100ep_LSJ": 100, "200ep_LSJ": 200, "400ep_LSJ": 400}
    assert epochs == pytest.approx(next(v for k, v in wanted.items() if name.endswith(k)), rel=0.03)


def test_every_config_file_has_its_entry():
    folder = os.path.dirname(model_zoo.get_config_file("Base-RCNN-FPN.yaml"))
    files = {
        os.path.relpath(os.path.join(place, file), folder).removesuffix(".yaml")
        for place, _, names in os.walk(folder)
        for file in names
    }
    assert {f for f in files if not f.startswith("Base-")} == set(ENTRIES)


def test_mask_rcnn_r50_fpn_is_that_of_the_paper():
    cfg = model_zoo.get_config(MASK_R50)
    assert cfg.MODEL.WEIGHTS == "detectron2://ImageNetPretrained/MSRA/R-50.pkl"
    assert cfg.MODEL.BACKBONE.NAME == "build_resnet_fpn_backbone"
    assert cfg.MODEL.ANCHOR_GENERATOR.SIZES == [[32], [64], [128], [256], [512]]
    rpn = cfg.MODEL.RPN
    assert (rpn.PRE_NMS_TOPK_TRAIN, rpn.PRE_NMS_TOPK_TEST) == (2000, 1000)
    assert (rpn.POST_NMS_TOPK_TRAIN, rpn.POST_NMS_TOPK_TEST) == (1000, 1000)
    assert (cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION, cfg.MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION) == (7, 14)
    assert cfg.MODEL.ROI_MASK_HEAD.NUM_CONV == 4
    assert (cfg.SOLVER.BASE_LR, cfg.SOLVER.STEPS, cfg.SOLVER.MAX_ITER) == (0.02, (210000, 250000), 270000)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        (MASK_R50, "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x/137849600/model_final_f10217.pkl"),
        (
            "new_baselines/mask_rcnn_R_50_FPN_100ep_LSJ.py",
            "new_baselines/mask_rcnn_R_50_FPN_100ep_LSJ/42047764/model_final_bb69de.pkl",
        ),
    ],
)
def test_trained_weights(name, url):
    url = f"https://dl.fbaipublicfiles.com/detectron2/{url}"
    assert model_zoo.get_checkpoint_url(name) == url
    assert url == model_zoo.get_config(name, trained=True).MODEL.WEIGHTS


def test_python_name_gives_the_yaml_file():
    file = model_zoo.get_config_file("new_baselines/mask_rcnn_R_101_FPN_400ep_LSJ.py")
    assert file == model_zoo.get_config_file("new_baselines/mask_rcnn_R_101_FPN_400ep_LSJ.yaml")
    assert os.path.isabs(file)


def test_ones_own_config_builds_on_a_published_one(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"_BASE_": model_zoo.get_config_file(MASK_R50), "SEED": 5}))
    cfg = get_cfg()
    cfg.merge_from_file(str(path))
    assert (cfg.SEED, cfg.MODEL.MASK_ON) == (5, True)


def test_no_such_model():
    wrong = "COCO-InstanceSegmentation/mask_rcnn_R50_FPN_3x.yaml"
    for function in (model_zoo.get_config_file, model_zoo.get_checkpoint_url, model_zoo.get_config):
        with pytest.raises(RuntimeError, match=f"{wrong} is not available .* closest: .*mask_rcnn_R_50_FPN_3x.yaml"):
            function(wrong)
    with pytest.raises(RuntimeError, match="not available"):
        model_zoo.get_config_file("../model_zoo")
    with pytest.raises(RuntimeError, match="not available"):
        model_zoo.get_checkpoint_url("Base-RCNN-FPN.yaml")  # a config, but no model


def test_model_on_the_cpu(tmp_path, monkeypatch):
    """``get`` builds the config's model and loads the config's weights into it."""
    modeling = pytest.importorskip("detectron2.modeling")
    checkpoint = pytest.importorskip("detectron2.checkpoint")
    seen = {}
    monkeypatch.setattr(modeling, "build_model", lambda cfg: seen.setdefault("cfg", cfg))

    class Checkpointer:
        def __init__(self, model):
            seen["model"] = model

        def load(self, path):
            seen["weights"] = path

    monkeypatch.setattr(checkpoint, "DetectionCheckpointer", Checkpointer)
    model = model_zoo.get(MASK_R50, trained=True, device="cpu")
    assert seen["model"] is model is seen["cfg"]
    assert model.MODEL.DEVICE == "cpu"
    assert seen["weights"] == model_zoo.get_checkpoint_url(MASK_R50)
