"""A run from beginning to end, in little."""

import pytest
import torch

from maskrcnn_project.training.run import train
from maskrcnn_project.training.trainer import MaskRCNNTrainer
from tests.plugin.training.hooks.tiny_training import tiny  # noqa: F401


@pytest.fixture
def scarce(monkeypatch):
    """A device that holds one image at a time: the steps that were begun, by their number of images."""
    begun = []
    forward = MaskRCNNTrainer.build_model

    def build_model(cfg):
        model = forward(cfg)
        model.register_forward_pre_hook(refuse_two)
        return model

    def refuse_two(model, arguments):
        if model.training:
            begun.append(len(arguments[0]))
            if len(arguments[0]) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(MaskRCNNTrainer, "build_model", staticmethod(build_model))
    return begun


def test_fit_memory_goes_on_with_parts_of_the_batch(tiny, tmp_path, scarce):  # noqa: F811
    cfg = tiny()
    cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.ACCUMULATE_STEPS = 4, 1
    cfg.freeze()
    (tmp_path / "run").mkdir()
    results = train(cfg, fit_memory=True)
    assert scarce == [4, 2, 1, 1, 1, 1, 1, 1, 1, 1]  # two iterations of four times one image
    assert {"bbox", "segm"} <= results.keys()
    assert (tmp_path / "run" / "model_final.pth").is_file()


def test_without_it_the_sentence_says_what_to_lower(tiny, tmp_path, scarce):  # noqa: F811
    cfg = tiny()
    cfg.SOLVER.IMS_PER_BATCH = 4
    (tmp_path / "run").mkdir()
    with pytest.raises(MemoryError, match="SOLVER.IMS_PER_BATCH 2 SOLVER.ACCUMULATE_STEPS 2"):
        train(cfg)
    assert scarce == [4]
