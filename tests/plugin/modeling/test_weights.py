"""Which weights a tool's command means."""

import pytest

from maskrcnn_project.config import get_config_of
from maskrcnn_project.modeling.weights import chosen_weights


def test_the_flag_then_the_option_then_the_run(tmp_path):
    (tmp_path / "model_final.pth").touch()
    run = str(tmp_path)
    assert chosen_weights(run, "a.pth", []) == "a.pth"
    assert chosen_weights(run, None, ["MODEL.WEIGHTS", "b.pth"]) == "b.pth"
    assert chosen_weights(run, None, ["MODEL.DEVICE", "cpu"]) == str(tmp_path / "model_final.pth")
    assert chosen_weights(None, None, []) is None
    with pytest.raises(ValueError, match="--weights a.pth and MODEL.WEIGHTS b.pth say two things"):
        chosen_weights(run, "a.pth", ["MODEL.WEIGHTS", "b.pth"])


@pytest.mark.parametrize("key", ["SOLVER.MAX_ITER", "HOOKS.NAMES", "INPUT.AUGMENT.HUE", "TEST.EVAL_PERIOD"])
def test_keys_of_a_training_are_refused_where_nothing_is_trained(key):
    with pytest.raises(ValueError, match=f"{key} acts on a training only"):
        get_config_of(None, "configs/mask_rcnn_R_50_FPN_1x.yaml", [key, "1"])
