"""Counts that can be done by hand, sums over parts, memory that is measured, and the tool's output."""

import json
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest
import torch

from maskrcnn_project.benchmarks import model_costs as module
from maskrcnn_project.benchmarks.model_costs import Costs, Memory, ModuleCost, costs_of, training_image
from maskrcnn_project.config import add_maskrcnn_config
from tests.contract.tiny import tiny_cfg

SIZE = (64, 96)


@pytest.fixture(scope="module")
def cfg():
    cfg = tiny_cfg()
    add_maskrcnn_config(cfg)
    cfg.MODEL.WEIGHTS = ""
    return cfg


@pytest.fixture(scope="module")
def costs(cfg):
    return costs_of(cfg, SIZE, depth=3, memory=False)


@pytest.fixture(scope="module")
def by_name(costs):
    return {cost.name: cost for cost in costs.modules}


def test_a_convolution_by_hand(by_name):
    # fpn_output2: 3x3 from 16 to 16 channels with a bias, on a map of a quarter of each side
    cells = (64 // 4) * (96 // 4)
    assert by_name["backbone.fpn_output2"] == ModuleCost(
        "backbone.fpn_output2", 16 * 16 * 9 + 16, 16 * 16 * 9 * cells, 16 * cells
    )


def test_as_many_regions_as_the_config_allows(cfg, costs, by_name):
    assert costs.instances == cfg.TEST.DETECTIONS_PER_IMAGE == 5
    proposals, features = 20, 16 * 3 * 3  # POST_NMS_TOPK_TEST; channels and cells of a region
    assert by_name["roi_heads.box_head"].multiply_adds == proposals * features * 16
    # mask head: 3x3 from 16 to 8 on 4x4 cells, then on 8x8 a deconvolution of 8 to 8 channels and 1x1 to 2 classes
    assert by_name["roi_heads.mask_head"].activations == 5 * (8 * 16 + 8 * 64 + 2 * 64)


def test_parts_add_up_to_the_whole(costs, by_name):
    assert costs.modules[0].name == ""
    parts = [by_name[name] for name in ("backbone", "proposal_generator", "roi_heads")]
    for attribute in ("parameters", "multiply_adds", "activations"):
        total = sum(getattr(part, attribute) for part in parts)
        assert getattr(costs.modules[0], attribute) == total
    assert max(name.count(".") for name in by_name) == 2  # three levels


def test_frozen_parameters_do_not_train(cfg, costs):
    frozen = cfg.clone()
    frozen.MODEL.FREEZE = ("backbone",)
    fewer = costs_of(frozen, SIZE, depth=1, memory=False)
    backbone = next(cost for cost in fewer.modules if cost.name == "backbone")
    assert fewer.trainable == fewer.modules[0].parameters - backbone.parameters < costs.trainable


def test_the_objects_of_the_training_image_lie_in_it():
    truth = training_image((64, 96))["instances"]
    assert len(truth) == module.TRAINING_OBJECTS and truth.gt_boxes.area().tolist() == pytest.approx([64] * 20)
    assert truth.gt_boxes.tensor.min() == 0 and truth.gt_boxes.tensor[:, 2].max() == 96
    assert truth.gt_masks.area().tolist() == pytest.approx([64] * 20)


def test_memory_is_measured_in_a_process_of_its_own(cfg):
    small = module._measure(module._run_training, cfg, SIZE)
    large = module._measure(module._run_training, cfg, (512, 512))
    assert 2**20 < small.before <= small.peak < large.peak


@pytest.mark.parametrize("error", [MemoryError(), BrokenProcessPool(), torch.OutOfMemoryError("CUDA out of memory")])
def test_what_does_not_fit_is_said(cfg, monkeypatch, error):
    def task(cfg, size):
        raise error

    monkeypatch.setattr(module, "ProcessPoolExecutor", lambda *arguments: ThreadPoolExecutor(1))
    assert module._measure(task, cfg, SIZE) == Memory(None, None)


def test_other_errors_are_not_for_want_of_memory(cfg, monkeypatch):
    monkeypatch.setattr(module, "ProcessPoolExecutor", lambda *arguments: ThreadPoolExecutor(1))
    with pytest.raises(ZeroDivisionError):
        module._measure(lambda cfg, size: 1 / 0, cfg, SIZE)


def test_the_table_and_json_say_the_same():
    costs = Costs(
        (480, 640),
        "cpu",
        2_500_000,
        100,
        [ModuleCost("", 44_000_000, 1_234_500_000_000, 7_000_000), ModuleCost("backbone", 1_000_000, 0, 0)],
        {"inference": Memory(2**30, 3 * 2**29), "training": Memory(None, None)},
    )
    lines = costs.table().splitlines()
    assert lines[0] == "One image of 480 x 640 (height x width), 100 instances found; 2.50 M parameters train."
    assert lines[3].split() == ["all", "44.00", "1,234.50", "7.00"]
    assert lines[5] == "Memory, inference: 1.50 GiB at most on cpu, 1.00 GiB of it before the first image."
    assert lines[6] == "Memory, training: does not fit on cpu."
    content = json.loads(json.dumps(costs.as_dict()))
    assert content["modules"][0] == {
        "name": "", "parameters": 44_000_000, "multiply_adds": 1_234_500_000_000, "activations": 7_000_000
    }  # fmt: skip
    assert content["memory"]["training"] == {"before": None, "peak": None}
