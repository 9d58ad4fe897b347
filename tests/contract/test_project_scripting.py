"""A stranger's deployment: the detector as a TorchScript file, called like the detector."""

import pytest
import torch
from detectron2.export import scripting_with_instances
from detectron2.modeling import build_model
from detectron2.structures import Boxes

from tests.contract.tiny import tiny_cfg

FIELDS = {
    "proposal_boxes": Boxes,
    "objectness_logits": torch.Tensor,
    "pred_boxes": Boxes,
    "scores": torch.Tensor,
    "pred_classes": torch.Tensor,
    "pred_masks": torch.Tensor,
}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    cfg = tiny_cfg()
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    return build_model(cfg).eval()


def images(*sizes):
    generator = torch.Generator().manual_seed(0)
    return [{"image": torch.rand((3, *size), generator=generator) * 255} for size in sizes]


@pytest.mark.filterwarnings("ignore")  # PyTorch's own about TorchScript's age, and about constants while tracing
def test_a_saved_script_detects_what_the_model_detects(model, tmp_path):
    scripting_with_instances(model, FIELDS).save(str(tmp_path / "model.ts"))
    scripted = torch.jit.load(str(tmp_path / "model.ts"))
    for size in ((64, 80), (128, 96)):
        with torch.no_grad():
            (want,) = model.inference(images(size), do_postprocess=False)
            (got,) = scripted.inference(images(size), do_postprocess=False)
        assert len(got) == len(want) > 0
        assert tuple(got.image_size) == want.image_size
        torch.testing.assert_close(got.pred_boxes.tensor, want.pred_boxes.tensor, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(got.scores, want.scores, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(got.pred_masks, want.pred_masks, rtol=1e-4, atol=1e-5)
        assert torch.equal(got.pred_classes, want.pred_classes)
