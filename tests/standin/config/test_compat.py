"""Files and trees of older versions."""

from __future__ import annotations

import pytest
from detectron2.config import CfgNode, downgrade_config, get_cfg, upgrade_config

OLD = """
MODEL:
  WEIGHT: "r50.pkl"
  RPN_HEAD: {NAME: "MyHead"}
  ROI_HEADS: {SCORE_THRESH: 0.1, NMS: 0.4}
TEST:
  DETECTIONS_PER_IMG: 7
  AUG_ON: true
"""


@pytest.mark.parametrize("head", ["", "VERSION: 0\n"])
def test_old_file_is_read(tmp_path, head):
    path = tmp_path / "old.yaml"
    path.write_text(head + OLD)
    cfg = get_cfg()
    cfg.merge_from_file(str(path))
    assert (cfg.MODEL.WEIGHTS, cfg.MODEL.RPN.HEAD_NAME) == ("r50.pkl", "MyHead")
    assert (cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST, cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST) == (0.1, 0.4)
    assert (cfg.TEST.DETECTIONS_PER_IMAGE, cfg.TEST.AUG.ENABLED) == (7, True)
    assert cfg.VERSION == 2


@pytest.mark.parametrize("version", ["3", "-1", "two"])
def test_unreadable_version(tmp_path, version):
    path = tmp_path / "new.yaml"
    path.write_text(f"VERSION: {version}\n")
    with pytest.raises(ValueError, match=r"new\.yaml is of config version .* this is version 2"):
        get_cfg().merge_from_file(str(path))


@pytest.mark.parametrize("version", [0, 1])
def test_down_and_up_again(version):
    cfg = get_cfg()
    cfg.MODEL.WEIGHTS = "x.pkl"
    old = downgrade_config(cfg, version)
    assert (version, "x.pkl") == (old.VERSION, old.MODEL.WEIGHT)
    assert "WEIGHTS" not in old.MODEL
    assert ("RPN_HEAD" in old.MODEL) == (version == 0)
    assert upgrade_config(old) == cfg
    assert cfg.VERSION == 2  # the originals stay as they are
    assert isinstance(old.MODEL, CfgNode)


def test_steps_in_the_wrong_direction():
    with pytest.raises(ValueError, match="upgrade_config goes up"):
        upgrade_config(get_cfg(), 1)
    with pytest.raises(ValueError, match="upgrade_config goes up"):
        downgrade_config(get_cfg(), 3)
