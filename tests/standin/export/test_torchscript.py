"""Listings of TorchScript models, what scripting refuses, and the config keys of old export scripts."""

import pytest
import torch
from detectron2 import export
from detectron2.config import get_cfg
from torch import nn


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.ReLU()

    def forward(self, x):
        return self.inner(x) * 2


@pytest.mark.parametrize("make", [torch.jit.script, lambda model: torch.jit.trace(model, torch.zeros(2))])
def test_a_listing_holds_code_graphs_and_tree(tmp_path, make):
    folder = tmp_path / "new" / "listing"
    export.dump_torchscript_IR(make(Twice()), str(folder))
    text = {file.name: file.read_text() for file in folder.iterdir()}
    assert sorted(text) == ["model.txt", "model_ts_IR.txt", "model_ts_IR_inlined.txt", "model_ts_code.txt"]
    assert "===== model (Twice)" in text["model_ts_code.txt"] and "===== inner (ReLU)" in text["model_ts_code.txt"]
    assert "def forward" in text["model_ts_code.txt"]
    assert "aten::mul" in text["model_ts_IR.txt"] and "aten::relu" in text["model_ts_IR_inlined.txt"]


def test_only_torchscript_is_listed(tmp_path):
    with pytest.raises(TypeError, match="scripted or traced model, but got Twice"):
        export.dump_torchscript_IR(Twice(), str(tmp_path))


def test_scripting_takes_a_detector_and_says_what_else_to_do():
    with pytest.raises(TypeError, match="got a Twice.*TracingAdapter"):
        export.scripting_with_instances(Twice(), {"scores": torch.Tensor})


def test_export_keys_are_added_and_the_config_stays_frozen():
    cfg = get_cfg()
    cfg.freeze()
    assert export.add_export_config(cfg) is cfg and cfg.is_frozen()
    assert cfg.EXPORT_CAFFE2.USE_HEATMAP_MAX_KEYPOINT is False
    with pytest.raises(ImportError, match="STABLE_ONNX_OPSET_VERSION is not in this stand-in"):
        _ = export.STABLE_ONNX_OPSET_VERSION
