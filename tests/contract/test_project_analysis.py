"""A project that measures and ships its model: configs of the zoo, counts of operations, a traced graph."""

import pytest
import torch
from detectron2 import model_zoo
from detectron2.config import get_cfg
from detectron2.export import TracingAdapter
from detectron2.modeling import build_model
from detectron2.structures import Boxes
from detectron2.utils.analysis import (
    FlopCountAnalysis,
    activation_count_operators,
    find_unused_parameters,
    flop_count_operators,
    parameter_count,
    parameter_count_table,
)
from detectron2.utils.events import EventStorage

from tests.contract.tiny import tiny_batch, tiny_cfg

R50 = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml"


def pictures():
    return [{k: v for k, v in x.items() if k == "image"} for x in tiny_batch()[:1]]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model(tiny_cfg()).eval()


def test_a_config_of_the_zoo():
    cfg = model_zoo.get_config(R50)
    assert (cfg.MODEL.RESNETS.DEPTH, cfg.MODEL.MASK_ON, cfg.SOLVER.MAX_ITER) == (50, True, 270000)
    assert cfg.MODEL.WEIGHTS == "detectron2://ImageNetPretrained/MSRA/R-50.pkl"
    by_file = get_cfg()
    by_file.merge_from_file(model_zoo.get_config_file(R50))
    by_file.MODEL.WEIGHTS = model_zoo.get_checkpoint_url(R50)
    assert by_file == model_zoo.get_config(R50, trained=True)
    assert by_file.MODEL.WEIGHTS.endswith("mask_rcnn_R_50_FPN_3x/137849600/model_final_f10217.pkl")
    with pytest.raises(RuntimeError):
        model_zoo.get_config_file("COCO-InstanceSegmentation/mask_rcnn_R_51_FPN.yaml")


def test_counts(model):
    flops = FlopCountAnalysis(model, pictures())
    assert 1e8 < flops.total() < 1e9
    assert flops.total() == sum(flops.by_operator().values())
    assert flops.by_module()["model.backbone"] > flops.by_module()["model.proposal_generator"] > 0
    assert flop_count_operators(model, pictures())["conv"] == pytest.approx(flops.by_operator()["conv"] / 1e9, rel=0.05)
    assert activation_count_operators(model, pictures())["conv"] > 0
    counts = parameter_count(model)
    assert counts[""] == sum(p.numel() for p in model.parameters())
    assert counts["roi_heads.mask_head"] == 16 * 8 * 9 + 8 + 8 * 8 * 4 + 8 + 8 * 2 + 2
    assert "backbone.bottom_up" in parameter_count_table(model, max_depth=3)


def test_every_trainable_parameter_is_used(model):
    model.train()
    try:
        with EventStorage():
            assert find_unused_parameters(model, tiny_batch()) == []
    finally:
        model.eval()


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_traced_graph(model, tmp_path):
    def inference(model, inputs):
        return [{"instances": model.inference(inputs, do_postprocess=False)[0]}]

    adapter = TracingAdapter(model, pictures(), inference)
    graph = torch.jit.trace(adapter, adapter.flattened_inputs, check_trace=False)
    graph.save(str(tmp_path / "model.ts"))
    loaded = torch.jit.load(str(tmp_path / "model.ts"))
    (output,) = adapter.outputs_schema(loaded(*adapter.flattened_inputs))
    with torch.no_grad():
        wanted = inference(model, pictures())[0]["instances"]
    got = output["instances"]
    assert isinstance(got.pred_boxes, Boxes) and len(got) == len(wanted) > 0
    torch.testing.assert_close(got.pred_boxes.tensor, wanted.pred_boxes.tensor)
    torch.testing.assert_close(got.pred_masks, wanted.pred_masks)
    assert got.image_size == wanted.image_size
