"""A project with a loop of its own: every part built from the cfg and put together by hand, stopped and resumed."""

import json
import os
from collections import OrderedDict

import numpy as np
import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer, PeriodicCheckpointer
from detectron2.data import build_detection_test_loader, build_detection_train_loader
from detectron2.engine import default_writers
from detectron2.evaluation import COCOEvaluator, inference_context, inference_on_dataset, print_csv_format
from detectron2.modeling import build_model
from detectron2.solver import build_lr_scheduler, build_optimizer
from detectron2.utils import comm
from detectron2.utils.events import EventStorage

from tests.contract.tiny import coco_set, tiny_cfg


def evaluate(cfg, model):
    results = OrderedDict()
    for name in cfg.DATASETS.TEST:
        evaluator = COCOEvaluator(name, output_dir=os.path.join(cfg.OUTPUT_DIR, "inference", name))
        results[name] = inference_on_dataset(model, build_detection_test_loader(cfg, name), evaluator)
        if comm.is_main_process():
            print_csv_format(results[name])
    return results[cfg.DATASETS.TEST[0]] if len(results) == 1 else results


def train(cfg, model, resume=False, stop_after=None):
    """Returns (iteration, learning rate, sum of losses) of each step, up to ``cfg.SOLVER.MAX_ITER``."""
    model.train()
    optimizer = build_optimizer(cfg, model)
    scheduler = build_lr_scheduler(cfg, optimizer)
    checkpointer = DetectionCheckpointer(model, cfg.OUTPUT_DIR, optimizer=optimizer, scheduler=scheduler)
    start = checkpointer.resume_or_load(cfg.MODEL.WEIGHTS, resume=resume).get("iteration", -1) + 1
    max_iter = cfg.SOLVER.MAX_ITER
    periodic = PeriodicCheckpointer(checkpointer, cfg.SOLVER.CHECKPOINT_PERIOD, max_iter=max_iter)
    writers = default_writers(cfg.OUTPUT_DIR, max_iter) if comm.is_main_process() else []
    loader, steps = build_detection_train_loader(cfg), []
    with EventStorage(start) as storage:
        for batch, iteration in zip(loader, range(start, max_iter), strict=False):
            storage.iter = iteration
            losses = model(batch)
            total = sum(losses.values())
            assert torch.isfinite(total).all(), losses
            reduced = {name: loss.item() for name, loss in comm.reduce_dict(losses).items()}
            if comm.is_main_process():
                storage.put_scalars(total_loss=sum(reduced.values()), **reduced)
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            storage.put_scalar("lr", optimizer.param_groups[0]["lr"], smoothing_hint=False)
            steps.append((iteration, optimizer.param_groups[0]["lr"], sum(reduced.values())))
            scheduler.step()
            if cfg.TEST.EVAL_PERIOD > 0 and (iteration + 1) % cfg.TEST.EVAL_PERIOD == 0 and iteration != max_iter - 1:
                evaluate(cfg, model)
                assert model.training  # as it was before
                comm.synchronize()
            for writer in writers:
                writer.write()
            periodic.step(iteration)
            if iteration == stop_after:
                break
    for writer in writers:
        writer.close()
    return steps


@pytest.fixture
def cfg(tmp_path):
    (tmp_path / "data").mkdir()
    with coco_set(tmp_path / "data", "project_plain_loop") as name:
        cfg = tiny_cfg(tmp_path / "run")
        cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = (name,)
        cfg.SOLVER.MAX_ITER, cfg.SOLVER.STEPS, cfg.SOLVER.WARMUP_ITERS = 3, (2,), 1
        cfg.SOLVER.CHECKPOINT_PERIOD, cfg.TEST.EVAL_PERIOD = 1, 2
        yield cfg


def test_a_run_stopped_and_resumed(cfg):
    torch.manual_seed(0)
    first = train(cfg, build_model(cfg), stop_after=1)
    assert [i for i, _, _ in first] == [0, 1]
    rest = train(cfg, build_model(cfg), resume=True)
    # One iteration of warm-up at a thousandth, and a tenth from iteration 2 on.
    rates = [rate / cfg.SOLVER.BASE_LR for _, rate, _ in first + rest]
    np.testing.assert_allclose(rates, [0.001, 1.0, 0.1], rtol=1e-6)
    assert [i for i, _, _ in rest] == [2]
    files = set(os.listdir(cfg.OUTPUT_DIR))
    assert {"model_0000000.pth", "model_0000001.pth", "model_0000002.pth", "model_final.pth", "metrics.json"} <= files
    assert any(name.startswith("events.out.tfevents") for name in files)
    with open(os.path.join(cfg.OUTPUT_DIR, "metrics.json")) as file:
        rows = [json.loads(line) for line in file]
    assert [row["iteration"] for row in rows] == [0, 1, 2]
    assert {"loss_mask", "loss_rpn_cls", "total_loss", "lr"} <= rows[-1].keys()
    saved = torch.load(os.path.join(cfg.OUTPUT_DIR, "model_final.pth"), weights_only=True)
    assert saved.keys() == {"model", "optimizer", "scheduler", "iteration"}

    model = build_model(cfg)
    DetectionCheckpointer(model, save_dir=cfg.OUTPUT_DIR).resume_or_load(cfg.MODEL.WEIGHTS, resume=True)
    key = "roi_heads.box_predictor.cls_score.weight"
    assert torch.equal(model.state_dict()[key], saved["model"][key])
    results = evaluate(cfg, model)
    assert results.keys() == {"bbox", "segm"}
    assert all(0 <= results[task]["AP"] <= 100 for task in results)


def test_inference_by_hand(cfg):
    model = build_model(cfg).train()
    frozen = model.backbone.bottom_up.stem.eval()  # a part that its project keeps out of training mode
    evaluator = COCOEvaluator(cfg.DATASETS.TEST[0], tasks=("bbox",), distributed=False)
    evaluator.reset()
    with inference_context(model), torch.no_grad():
        for inputs in build_detection_test_loader(cfg, cfg.DATASETS.TEST[0]):
            assert not model.training
            evaluator.process(inputs, model(inputs))
    assert model.training and not frozen.training
    assert evaluator.evaluate().keys() == {"bbox"}
