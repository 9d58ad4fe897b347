"""The default trainer, predictor and set-up, on a model of four parameters."""

import json
import logging
import os

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.engine import (
    DefaultPredictor,
    DefaultTrainer,
    HookBase,
    create_ddp_model,
    default_argument_parser,
    default_setup,
    defaults,
    hooks,
)
from detectron2.evaluation import DatasetEvaluator
from torch import nn


class Toy(nn.Module):
    """A batch is a tensor (B, 3) in training, a list of dicts in inference."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3, 1)

    def forward(self, batch):
        if self.training:
            return {"loss": (self.linear(batch) - 1).square().mean()}
        return [{"image_id": each["image_id"]} for each in batch]


class Numbers:
    """Endless batches of an own fixed sequence, from a place on."""

    def __init__(self, start=0):
        self.start = start

    def __iter__(self):
        index = self.start
        while True:
            yield torch.randn(4, 3, generator=torch.Generator().manual_seed(index))
            index += 1


class Evaluator(DatasetEvaluator):
    def reset(self):
        self.count = 0

    def process(self, inputs, outputs):
        self.count += len(outputs)

    def evaluate(self):
        return {"segm": {"AP": float(self.count)}}


class Trainer(DefaultTrainer):
    start = 0

    @classmethod
    def build_model(cls, cfg):
        return Toy()

    @classmethod
    def build_train_loader(cls, cfg):
        return Numbers(cls.start)

    @classmethod
    def build_test_loader(cls, cfg, dataset_name):
        return [[{"image_id": i}] for i in range(len(dataset_name))]

    @classmethod
    def build_evaluator(cls, cfg, dataset_name):
        return Evaluator()


def config(folder, **solver):
    cfg = get_cfg()
    cfg.OUTPUT_DIR = str(folder)
    cfg.MODEL.DEVICE = "cpu"
    cfg.DATASETS.TEST = ("four",)
    cfg.SOLVER.BASE_LR, cfg.SOLVER.MAX_ITER, cfg.SOLVER.STEPS, cfg.SOLVER.WARMUP_ITERS = 0.1, 6, (4,), 3
    cfg.SOLVER.CHECKPOINT_PERIOD = 3
    for key, value in solver.items():
        cfg.SOLVER[key] = value
    return cfg


def test_training_leaves_detectron2s_files(tmp_path):
    cfg = config(tmp_path)
    cfg.TEST.EVAL_PERIOD = 3
    cfg.TEST.EXPECTED_RESULTS = [["segm", "AP", 4.0, 0.1]]
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    assert trainer.train() == {"segm": {"AP": 4.0}}
    names = {name for name in os.listdir(tmp_path) if not name.startswith("events.")}
    assert names == {"metrics.json", "last_checkpoint", "model_0000002.pth", "model_0000005.pth", "model_final.pth"}
    assert (tmp_path / "last_checkpoint").read_text() == "model_final.pth"
    rows = [json.loads(line) for line in (tmp_path / "metrics.json").read_text().splitlines()]
    last_training = next(row for row in rows if row["iteration"] == 5)
    assert {"total_loss", "lr", "data_time", "time", "eta_seconds"} <= last_training.keys()
    assert {row["iteration"]: row["segm/AP"] for row in rows if "segm/AP" in row}[6] == 4
    saved = torch.load(tmp_path / "model_final.pth", weights_only=True)
    assert saved.keys() == {"model", "trainer", "iteration"}
    assert saved["trainer"]["iteration"] == saved["iteration"] == 5
    assert saved["trainer"]["hooks"]["LRScheduler"]["last_epoch"] == 6


@pytest.mark.parametrize("amp", [False, True])
def test_resumed_training_is_the_same_bit_for_bit(tmp_path, amp):
    def train(folder, start, resume, stop_at=None):
        cfg = config(folder)
        cfg.SOLVER.AMP.ENABLED = amp
        kind = type("FromThere", (Trainer,), {"start": start})
        trainer = kind(cfg)
        trainer.resume_or_load(resume=resume)
        assert trainer.start_iter == start
        trainer.max_iter = stop_at or cfg.SOLVER.MAX_ITER
        trainer.train()
        return trainer

    whole = train(tmp_path / "whole", 0, False)
    train(tmp_path / "parts", 0, False, stop_at=3)
    resumed = train(tmp_path / "parts", 3, True)
    files = [torch.load(tmp_path / name / "model_final.pth", weights_only=True) for name in ("whole", "parts")]
    assert torch.equal(whole.model.linear.weight, resumed.model.linear.weight)
    assert torch.equal(*(f["model"]["linear.weight"] for f in files))
    momenta = [f["trainer"]["_trainer"]["optimizer"]["state"][0]["momentum_buffer"] for f in files]
    assert torch.equal(*momenta)
    assert files[0]["trainer"]["hooks"] == files[1]["trainer"]["hooks"]
    groups = [f["trainer"]["_trainer"]["optimizer"]["param_groups"] for f in files]
    assert groups[0] == groups[1]


def test_hooks_see_the_gradients(tmp_path):
    seen = []

    class Look(HookBase):
        def after_backward(self):
            seen.append((self.trainer.iter, self.trainer.model.linear.weight.grad is not None))

    trainer = Trainer(config(tmp_path, MAX_ITER=2))
    trainer.register_hooks([Look()])
    trainer.train()
    assert seen == [(0, True), (1, True)]


def test_order_of_the_default_hooks(tmp_path):
    cfg = config(tmp_path, CHECKPOINT_PERIOD=0)
    kinds = [type(hook) for hook in Trainer(cfg).build_hooks() if hook is not None]
    assert kinds == [
        hooks.IterationTimer,
        hooks.LRScheduler,
        hooks.PeriodicCheckpointer,
        hooks.EvalHook,
        hooks.PeriodicWriter,
    ]


def test_only_the_last_checkpoint_with_period_0(tmp_path):
    Trainer(config(tmp_path, CHECKPOINT_PERIOD=0, MAX_ITER=4)).train()
    assert sorted(name for name in os.listdir(tmp_path) if name.endswith(".pth")) == [
        "model_0000003.pth",
        "model_final.pth",
    ]


def test_evaluation_of_several_datasets_and_of_none(tmp_path, caplog):
    cfg = config(tmp_path)
    cfg.DATASETS.TEST = ("four", "three")
    assert Trainer.test(cfg, Toy()) == {"four": {"segm": {"AP": 4}}, "three": {"segm": {"AP": 5}}}
    cfg.DATASETS.TEST = ("four",)
    assert Trainer.test(cfg, Toy(), evaluators=Evaluator()) == {"segm": {"AP": 4}}
    with pytest.raises(ValueError, match="2 evaluators were given for the 1 datasets"):
        Trainer.test(cfg, Toy(), evaluators=[Evaluator(), Evaluator()])

    class Without(Trainer):
        build_evaluator = DefaultTrainer.build_evaluator

    with caplog.at_level(logging.WARNING):
        assert Without.test(cfg, Toy()) == {}
    assert "four is not evaluated" in caplog.text


def test_scaling_to_another_number_of_processes():
    cfg = get_cfg()
    solver = cfg.SOLVER
    solver.REFERENCE_WORLD_SIZE, solver.IMS_PER_BATCH, solver.BASE_LR = 8, 16, 0.02
    solver.MAX_ITER, solver.STEPS, solver.WARMUP_ITERS, solver.CHECKPOINT_PERIOD = 90, (60, 80), 10, 50
    cfg.TEST.EVAL_PERIOD = 30
    cfg.freeze()
    scaled = DefaultTrainer.auto_scale_workers(cfg, 4)
    solver = scaled.SOLVER
    assert (solver.IMS_PER_BATCH, solver.BASE_LR) == (8, 0.01)
    assert (solver.MAX_ITER, solver.STEPS, solver.WARMUP_ITERS) == (180, (120, 160), 20)
    assert (solver.CHECKPOINT_PERIOD, scaled.TEST.EVAL_PERIOD) == (100, 60)
    assert scaled.is_frozen()
    assert cfg.SOLVER.IMS_PER_BATCH == 16  # the one that came is as it was
    assert DefaultTrainer.auto_scale_workers(scaled, 4) is scaled  # once is enough
    cfg = cfg.clone()
    cfg.defrost()
    cfg.SOLVER.IMS_PER_BATCH = 12
    with pytest.raises(ValueError, match="IMS_PER_BATCH 12 cannot be shared equally by SOLVER.REFERENCE_WORLD_SIZE 8"):
        DefaultTrainer.auto_scale_workers(cfg, 4)


def test_arguments_are_detectron2s():
    command = "--config-file a.yaml --resume --eval-only --num-gpus 2 --num-machines 3 --machine-rank 1 --dist-url auto"
    args = default_argument_parser().parse_args([*command.split(" "), "SOLVER.BASE_LR", "0.1"])
    assert vars(args) == {
        "config_file": "a.yaml",
        "resume": True,
        "eval_only": True,
        "num_gpus": 2,
        "num_machines": 3,
        "machine_rank": 1,
        "dist_url": "auto",
        "opts": ["SOLVER.BASE_LR", "0.1"],
    }
    args = default_argument_parser().parse_args([])
    assert args.opts == []
    assert args.dist_url.startswith("tcp://127.0.0.1:")
    assert 49152 <= int(args.dist_url.rpartition(":")[2]) < 65536


@pytest.fixture
def quiet_logging():
    """default_setup adds handlers, which would go on writing to a folder that is gone."""
    loggers = [logging.getLogger(name) for name in ("detectron2", "fvcore")]
    before = [(each, list(each.handlers), each.propagate, each.level) for each in loggers]
    yield
    for each, handlers, propagate, level in before:
        for handler in set(each.handlers) - set(handlers):
            each.removeHandler(handler)
            handler.close()
        each.propagate, each.level = propagate, level


def test_setup_writes_config_and_log_and_seeds(tmp_path, quiet_logging):
    cfg = config(tmp_path / "new")
    cfg.SEED, cfg.CUDNN_BENCHMARK = 7, True
    (tmp_path / "a.yaml").write_text("VERSION: 2\n")
    args = default_argument_parser().parse_args(["--config-file", str(tmp_path / "a.yaml")])
    benchmark = torch.backends.cudnn.benchmark
    try:
        default_setup(cfg, args)
        assert torch.backends.cudnn.benchmark
    finally:
        torch.backends.cudnn.benchmark = benchmark
    drawn = torch.rand(1), np.random.rand()
    torch.manual_seed(7)
    np.random.seed(7)
    assert (torch.rand(1), np.random.rand()) == drawn
    again = get_cfg()
    again.merge_from_file(str(tmp_path / "new" / "config.yaml"))
    assert again.dump() == cfg.dump()
    log = (tmp_path / "new" / "log.txt").read_text()
    assert "World size: 1" in log
    assert "Environment info" in log
    assert "VERSION: 2" in log


def test_setup_refuses_what_is_not_honoured(tmp_path):
    cfg = config(tmp_path)
    cfg.MODEL.KEYPOINT_ON = True
    with pytest.raises(ValueError, match="MODEL.KEYPOINT_ON"):
        default_setup(cfg, None)


def test_one_process_needs_no_wrapping():
    model = Toy()
    assert create_ddp_model(model, broadcast_buffers=False) is model


@pytest.fixture
def predictor(monkeypatch):
    class Echo(nn.Module):
        def forward(self, batch):
            return batch

    monkeypatch.setattr(defaults, "build_model", lambda cfg: Echo())

    def make(image_format):
        cfg = get_cfg()
        cfg.MODEL.DEVICE = "cpu"
        cfg.INPUT.FORMAT, cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = image_format, 8, 100
        return DefaultPredictor(cfg)

    return make


@pytest.mark.parametrize("image_format, first", [("BGR", 10.0), ("RGB", 30.0)])
def test_predictor_turns_an_image_into_the_models_input(predictor, image_format, first):
    image = np.empty((4, 6, 3), "uint8")
    image[:] = (10, 20, 30)  # blue, green, red
    out = predictor(image_format)(image)
    assert (out["height"], out["width"]) == (4, 6)  # of the image that came
    assert out["image"].shape == (3, 8, 12)  # shorter side 8
    assert out["image"].dtype == torch.float32
    assert out["image"][:, 0, 0].tolist() == [first, 20.0, 40 - first]


@pytest.mark.parametrize(
    "image, came",
    [
        (None, "nothing .*cv2.imread returns None"),
        (np.zeros((4, 6), "uint8"), r"a ndarray of shape \(4, 6\)"),
        (torch.zeros(3, 4, 6), r"a Tensor of shape \(3, 4, 6\)"),
    ],
)
def test_predictor_refuses_what_is_not_an_image(predictor, image, came):
    with pytest.raises(ValueError, match=f"takes an array .height, width, 3. in BGR order, but got {came}"):
        predictor("BGR")(image)


def test_predictor_knows_two_formats(predictor):
    with pytest.raises(ValueError, match="INPUT.FORMAT must be one of RGB, BGR, but is 'L'"):
        predictor("L")
