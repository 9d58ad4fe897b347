"""A whole Mask R-CNN as one graph: what it returns for images of sizes that the example did not have."""

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.export import TracingAdapter
from detectron2.export.flatten import flatten_to_tuple
from detectron2.modeling import build_model


@pytest.fixture(scope="module")
def model():
    """The smallest Mask R-CNN with an FPN, with random weights that find something."""
    cfg = get_cfg()
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.MASK_ON = True
    cfg.MODEL.BACKBONE.NAME = "build_resnet_fpn_backbone"
    cfg.MODEL.RESNETS.DEPTH = 18
    cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 64
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    cfg.MODEL.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[32], [64], [128], [256], [512]]
    cfg.MODEL.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 20
    cfg.MODEL.ROI_HEADS.NAME = "StandardROIHeads"
    cfg.MODEL.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 2
    cfg.MODEL.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    cfg.MODEL.ROI_BOX_HEAD.NUM_FC = 1
    cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 16
    cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION = 7
    cfg.MODEL.ROI_MASK_HEAD.NAME = "MaskRCNNConvUpsampleHead"
    cfg.MODEL.ROI_MASK_HEAD.NUM_CONV = 1
    cfg.MODEL.ROI_MASK_HEAD.CONV_DIM = 16
    torch.manual_seed(0)
    return build_model(cfg).eval()


def inference(model, batch):
    return [{"instances": model.inference(batch, do_postprocess=False)[0]}]


def batch_of(height, width, seed=0):
    image = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed)) * 255
    return [{"image": image}]


def trace(adapter):
    return torch.jit.trace(adapter, adapter.flattened_inputs, check_trace=False)


def export(adapter):
    sides = {1: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO}
    return torch.export.export(adapter, adapter.flattened_inputs, dynamic_shapes=((sides,),)).module()


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("make_graph", [trace, export])
def test_a_graph_of_the_model_equals_the_model(model, make_graph):
    adapter = TracingAdapter(model, (batch_of(96, 128),), inference)
    graph = make_graph(adapter)
    for other in (batch_of(96, 128, 1), batch_of(70, 150, 2)):
        with torch.no_grad():
            want = inference(model, other)[0]["instances"]
        got = adapter.outputs_schema(graph(*flatten_to_tuple(other)[0]))[0]["instances"]
        assert len(want) > 0 and got.image_size == want.image_size
        torch.testing.assert_close(got.pred_boxes.tensor, want.pred_boxes.tensor, rtol=1e-4, atol=1e-2)
        torch.testing.assert_close(got.scores, want.scores, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(got.pred_masks, want.pred_masks, rtol=1e-3, atol=1e-3)
        assert torch.equal(got.pred_classes, want.pred_classes)

    # A bias towards the background leaves no detection. A traced graph shares it with the model: put it back.
    with torch.no_grad():
        biases = [p for name, p in graph.named_parameters() if name.endswith("cls_score.bias")]
        old = biases[0].clone()
        biases[0][-1] = 50.0
        nothing = adapter.outputs_schema(graph(*flatten_to_tuple(batch_of(96, 128))[0]))[0]["instances"]
        biases[0].copy_(old)
    assert (
        len(nothing) == 0 and nothing.pred_masks.shape == (0, 1, 28, 28) and nothing.pred_boxes.tensor.shape == (0, 4)
    )
