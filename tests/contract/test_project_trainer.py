"""A project around the default trainer: its own evaluator, data, optimizer, hooks, and test-time augmentation."""

import copy
import json
import logging
import os
from collections import OrderedDict

import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.data import DatasetMapper, build_detection_test_loader, build_detection_train_loader
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.engine import DefaultTrainer, HookBase, default_argument_parser, default_setup, hooks
from detectron2.evaluation import COCOEvaluator, DatasetEvaluator, DatasetEvaluators, verify_results
from detectron2.modeling import GeneralizedRCNNWithTTA
from detectron2.solver.build import get_default_optimizer_params, maybe_add_gradient_clipping
from detectron2.utils import comm
from detectron2.utils.events import CommonMetricPrinter, EventWriter, JSONWriter, get_event_storage
from detectron2.utils.logger import log_every_n_seconds

from tests.contract.tiny import coco_set, tiny_cfg


def own_mapper(record):
    """A mapper as projects write them: a function of one record, on detection_utils."""
    record = copy.deepcopy(record)
    image = utils.read_image(record["file_name"], format="BGR")
    utils.check_image_size(record, image)
    recipe = [T.Resize((64, 64)), T.RandomBrightness(0.9, 1.1), T.RandomFlip(prob=0.5, horizontal=True)]
    image, transforms = T.apply_transform_gens(recipe, image)
    record["image"] = torch.as_tensor(image.transpose(2, 0, 1).astype("float32"))
    annotations = [
        utils.transform_instance_annotations(a, transforms, image.shape[:2])
        for a in record.pop("annotations")
        if a.get("iscrowd", 0) == 0
    ]
    record["instances"] = utils.filter_empty_instances(utils.annotations_to_instances(annotations, image.shape[:2]))
    return record


class CountDetections(DatasetEvaluator):
    def reset(self):
        self.counts = []

    def process(self, inputs, outputs):
        for x, output in zip(inputs, outputs, strict=True):
            assert set(x) >= {"file_name", "image_id", "height", "width", "image"}
            self.counts.append(len(output["instances"]))

    def evaluate(self):
        counts = comm.gather(self.counts)
        if not comm.is_main_process():
            return None
        counts = [n for part in counts for n in part]
        return OrderedDict(detections={"mean": sum(counts) / len(counts), "images": float(len(counts))})


class ValidationLoss(HookBase):
    """The loss on a second loader, which the training does not learn from."""

    def __init__(self, model, loader, period):
        self._model, self._loader, self._period = model, loader, period

    def _losses(self):
        for batch in self._loader:
            with torch.no_grad():
                losses = {k: v.detach().cpu().item() for k, v in self._model(batch).items()}
            log_every_n_seconds(logging.INFO, f"validation loss {sum(losses.values()):.3f}", n=5)
            yield sum(losses.values())

    def after_step(self):
        following = self.trainer.iter + 1
        if following % self._period == 0 or following == self.trainer.max_iter:
            losses = list(self._losses())
            self.trainer.storage.put_scalar("validation_loss", sum(losses) / len(losses))
            comm.synchronize()


class Progress(HookBase):
    """Every moment of the training, with what the trainer shows at it."""

    def __init__(self):
        self.seen = []

    def before_train(self):
        self.seen.append(("before_train", self.trainer.iter, self.trainer.max_iter))

    def before_step(self):
        self.seen.append(("before_step", self.trainer.iter))

    def after_step(self):
        storage = get_event_storage()
        assert storage is self.trainer.storage
        assert storage.iter == self.trainer.iter
        losses = [x for name, (x, _) in storage.latest().items() if "loss" in name and "valid" not in name]
        assert len(losses) == 6  # the five, and their sum
        self.seen.append(("after_step", self.trainer.iter))

    def after_train(self):
        self.seen.append(("after_train", self.trainer.iter))


class LearningRates(EventWriter):
    def __init__(self):
        self.rates = []

    def write(self):
        self.rates.append(get_event_storage().history("lr").values())


class Trainer(DefaultTrainer):
    @classmethod
    def build_evaluator(cls, cfg, dataset_name, output_folder=None):
        folder = output_folder or os.path.join(cfg.OUTPUT_DIR, "inference")
        return DatasetEvaluators([COCOEvaluator(dataset_name, output_dir=folder), CountDetections()])

    @classmethod
    def build_train_loader(cls, cfg):
        return build_detection_train_loader(cfg, mapper=own_mapper)

    @classmethod
    def build_test_loader(cls, cfg, dataset_name):
        return build_detection_test_loader(cfg, dataset_name, mapper=DatasetMapper(cfg, is_train=False))

    @classmethod
    def build_optimizer(cls, cfg, model):
        groups = get_default_optimizer_params(
            model,
            base_lr=cfg.SOLVER.BASE_LR,
            lr_factor_func=lambda name: 0.1 if name.startswith("backbone") else 1.0,
        )
        return maybe_add_gradient_clipping(cfg, torch.optim.AdamW)(groups, lr=cfg.SOLVER.BASE_LR, weight_decay=0.05)

    def build_hooks(self):
        own = super().build_hooks()
        loader = build_detection_test_loader(self.cfg, self.cfg.DATASETS.TEST[0], DatasetMapper(self.cfg, True))
        own.insert(-1, ValidationLoss(self.model, loader, period=1))
        return own

    def build_writers(self):
        self.rates = LearningRates()
        metrics = JSONWriter(os.path.join(self.cfg.OUTPUT_DIR, "metrics.json"))
        return [CommonMetricPrinter(self.max_iter), metrics, self.rates]

    @classmethod
    def test_with_TTA(cls, cfg, model):  # noqa: N802 (its usual name)
        logging.getLogger("detectron2.trainer").info("Running inference with test-time augmentation ...")
        model = GeneralizedRCNNWithTTA(cfg, model)
        evaluators = [
            cls.build_evaluator(cfg, name, output_folder=os.path.join(cfg.OUTPUT_DIR, "inference_TTA"))
            for name in cfg.DATASETS.TEST
        ]
        results = cls.test(cfg, model, evaluators)
        return OrderedDict({name + "_TTA": result for name, result in results.items()})


@pytest.fixture
def cfg(tmp_path):
    """The config of a run on the drawn set, after default_setup; its log is closed again afterwards."""
    loggers = [logging.getLogger(name) for name in ("detectron2", "fvcore")]
    before = [(each, list(each.handlers), each.propagate, each.level) for each in loggers]
    (tmp_path / "data").mkdir()
    with coco_set(tmp_path / "data", "project_trainer"):
        cfg = tiny_cfg()
        args = default_argument_parser().parse_args(["--num-gpus", "0", "OUTPUT_DIR", str(tmp_path / "run")])
        cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = ("project_trainer",)
        cfg.TEST.AUG.ENABLED, cfg.TEST.AUG.MIN_SIZES, cfg.TEST.AUG.MAX_SIZE = True, (48, 64), 128
        cfg.SOLVER.CLIP_GRADIENTS.ENABLED, cfg.SOLVER.CLIP_GRADIENTS.CLIP_TYPE = True, "norm"
        cfg.merge_from_list(args.opts)
        cfg.freeze()
        default_setup(cfg, args)
        yield cfg
    for each, handlers, propagate, level in before:
        for handler in set(each.handlers) - set(handlers):
            each.removeHandler(handler)
            handler.close()
        each.propagate, each.level = propagate, level


def test_a_run_from_set_up_to_test_time_augmentation(cfg):
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    progress, afterwards = Progress(), []
    assert len({group["lr"] for group in trainer.optimizer.param_groups}) == 2

    def evaluate_with_tta():
        afterwards.append(trainer.test_with_TTA(cfg, trainer.model))
        return afterwards[-1]

    trainer.register_hooks([progress, hooks.EvalHook(0, evaluate_with_tta)])
    trainer.train()

    assert progress.seen == [
        ("before_train", 0, 2),
        *[(f"{when}_step", i) for i in range(2) for when in ("before", "after")],
        ("after_train", 2),
    ]
    (results,) = afterwards
    assert list(results) == ["bbox_TTA", "segm_TTA", "detections_TTA"]
    assert results["detections_TTA"]["images"] == 4.0
    assert {"AP", "AP50", "AP75", "APs", "APm", "APl", "AP-square", "AP-disk"} == results["segm_TTA"].keys()
    with open(os.path.join(cfg.OUTPUT_DIR, "metrics.json")) as file:
        rows = [json.loads(line) for line in file]
    written = set().union(*rows)
    assert {"total_loss", "validation_loss", "lr", "bbox/AP", "segm/AP-disk", "detections/images"} <= written
    assert [i for _, i in trainer.rates.rates[-1]] == [0, 1]
    files = set(os.listdir(cfg.OUTPUT_DIR))
    assert {"config.yaml", "log.txt", "last_checkpoint", "model_final.pth", "inference", "inference_TTA"} <= files
    assert os.path.exists(os.path.join(cfg.OUTPUT_DIR, "inference_TTA", "coco_instances_results.json"))


def test_evaluation_only(cfg):
    model = Trainer.build_model(cfg)
    DetectionCheckpointer(model, save_dir=cfg.OUTPUT_DIR).resume_or_load(cfg.MODEL.WEIGHTS, resume=False)
    results = Trainer.test(cfg, model)
    if cfg.TEST.AUG.ENABLED:
        results.update(Trainer.test_with_TTA(cfg, model))
    verify_results(cfg, results)  # nothing is expected of this config
    assert list(results) == ["bbox", "segm", "detections", "bbox_TTA", "segm_TTA", "detections_TTA"]
    assert results["detections"]["mean"] > 0


class ClippedAdamW(torch.optim.AdamW):
    """Clips the norm of all gradients together, which Detectron2 leaves to projects."""

    def step(self, closure=None):
        torch.nn.utils.clip_grad_norm_([p for group in self.param_groups for p in group["params"]], 1.0)
        return super().step(closure)


class TwoBatchesAStep(Trainer):
    """Its own step: gradients of two batches are added up before the optimizer moves."""

    @classmethod
    def build_optimizer(cls, cfg, model):
        return ClippedAdamW(get_default_optimizer_params(model, base_lr=cfg.SOLVER.BASE_LR), cfg.SOLVER.BASE_LR)

    def run_step(self):
        assert self.model.training
        self.optimizer.zero_grad()
        sums = {}
        for _ in range(2):
            losses = self.model(next(self._trainer._data_loader_iter))
            (sum(losses.values()) / 2).backward()
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0) + loss.detach() / 2
        reduced = {name: float(loss) for name, loss in comm.reduce_dict(sums).items()}
        self.storage.put_scalars(total_loss=sum(reduced.values()), **reduced)
        self.optimizer.step()


def test_an_own_step_resumed(cfg):
    trainer = TwoBatchesAStep(cfg)
    trainer.resume_or_load(resume=False)
    trainer.max_iter = 1
    trainer.train()
    resumed = TwoBatchesAStep(cfg)
    resumed.resume_or_load(resume=True)
    assert resumed.start_iter == 1
    state = resumed.optimizer.state_dict()["state"]
    assert {float(entry["step"]) for entry in state.values()} == {1.0}
    resumed.train()
    assert resumed.iter == 2
    saved = torch.load(os.path.join(cfg.OUTPUT_DIR, "model_final.pth"), weights_only=True)
    assert saved["iteration"] == 1
