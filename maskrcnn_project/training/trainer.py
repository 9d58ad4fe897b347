"""The trainer: Detectron2's DefaultTrainer with the mask format taken from the data, a class table, named hooks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.data import (
    DatasetFromList,
    DatasetMapper,
    build_detection_test_loader,
    get_detection_dataset_dicts,
)
from detectron2.engine import DefaultTrainer, HookBase
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm
from torch import nn

from maskrcnn_project.datasets.statistics import mask_format_of
from maskrcnn_project.evaluation.evaluator import Detecting, DetectionEvaluator
from maskrcnn_project.evaluation.results_folder import most_detections, results_folder, write_speed
from maskrcnn_project.modeling import build_model
from maskrcnn_project.modeling.class_table import CHECKPOINT_KEY, ClassMismatchError, ClassTable
from maskrcnn_project.training.augmentation.build import Mapper, build_test_mapper, build_training_mapper
from maskrcnn_project.training.augmentation.mapper import TolerantMapper
from maskrcnn_project.training.data_workers import worker_start
from maskrcnn_project.training.hooks import arrange_hooks, build_named_hooks
from maskrcnn_project.training.hooks.undisturbed import unwrap
from maskrcnn_project.training.optimization.parameter_groups import build_optimizer
from maskrcnn_project.training.optimization.repeat_table import repeat_table
from maskrcnn_project.training.sample_stream import TrainingBatches, TrainingRecords, training_batches
from maskrcnn_project.training.training_step import TrainingStep, install_training_step

logger = logging.getLogger(__name__)

STREAM_KEY = "sample_stream"  # in a checkpoint


class MaskRCNNTrainer(DefaultTrainer):
    """Trains what ``cfg`` describes. Overrides only: see DefaultTrainer for the rest."""

    def __init__(self, cfg: CfgNode):
        warn_of_frozen_noise(cfg)
        super().__init__(cfg)
        install_training_step(self, cfg.SOLVER.ACCUMULATE_STEPS, precision_of(cfg))
        classes = ClassTable.from_dataset(cfg.DATASETS.TRAIN[0])
        check_class_count(cfg, classes)
        self.checkpointer.add_checkpointable(CHECKPOINT_KEY, classes)
        if isinstance(self.data_loader, TrainingBatches):
            self.checkpointer.add_checkpointable(STREAM_KEY, self.data_loader)

    def resume_or_load(self, resume: bool = True) -> None:
        """
        As Detectron2's; but a resumed run has the rate, decay and momentum of its config, not those of the checkpoint,
        which would override a change without a word. What differs is logged.
        """
        wanted = [hyperparameters(group) for group in self.optimizer.param_groups]
        base_rates = list(self.scheduler.base_lrs)
        super().resume_or_load(resume=resume)
        self._go_on_in_stream()
        found = [hyperparameters(group) for group in self.optimizer.param_groups]
        if not resume or found == wanted:
            return
        for name in sorted(
            {key for old, new in zip(found, wanted, strict=True) for key in new if old[key] != new[key]}
        ):
            old, new = ({group[name] for group in groups} for groups in (found, wanted))
            logger.info("%s: %s -> %s (from this start on)", name, _listed(old), _listed(new))
        for group, values in zip(self.optimizer.param_groups, wanted, strict=True):
            group.update(values)
        self.scheduler.base_lrs = base_rates
        for group, rate in zip(self.optimizer.param_groups, self.scheduler.get_lr(), strict=True):
            group["lr"] = rate

    def train(self) -> Any:  # type: ignore[override]  # as DefaultTrainer's
        """As Detectron2's; an error in mid-run leaves a checkpoint of the last whole iteration, if there is such."""
        try:
            return super().train()
        except Exception:
            self._save_last_whole()
            raise

    def _save_last_whole(self) -> None:
        """
        Not where the iteration that failed has changed the model already: statistics of norms move in the forward
        pass. The error is what counts: another one, as of a full disk, is only logged.
        """
        step = self._trainer
        done = step.done if isinstance(step, TrainingStep) else None
        if done is None or done < self.start_iter or not comm.is_main_process():
            return
        self.iter = done
        try:
            self.checkpointer.save(f"model_{done:07d}", iteration=done)
        except Exception as error:
            logger.error("No checkpoint can be written of iteration %d: %s", done, error)
        else:
            logger.info("Iteration %d was the last whole one: --resume goes on after it.", done)

    def _go_on_in_stream(self) -> None:
        """A checkpoint that keeps no place in the stream, as of Detectron2, still tells how many batches were taken."""
        if isinstance(self.data_loader, TrainingBatches) and self.start_iter and not self.data_loader.taken:
            self.data_loader.go_on_after(self.start_iter * self.cfg.SOLVER.ACCUMULATE_STEPS)

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        """Detectron2's model with this project's heads, and what MODEL.FREEZE and MODEL.FREEZE_NORMS name frozen."""
        return build_model(cfg)

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
        return build_optimizer(cfg, model)

    @classmethod
    def training_records(cls, cfg: CfgNode) -> TrainingRecords:
        """The records of DATASETS.TRAIN that training will see, held once, serialised, for all workers."""
        records = get_detection_dataset_dicts(cfg.DATASETS.TRAIN, filter_empty=cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS)
        return TrainingRecords(records)

    @classmethod
    def build_train_mapper(cls, cfg: CfgNode, records: DatasetFromList) -> Mapper:
        """From a record to a training sample, with masks in the format that the records ask for."""
        mapper_cfg = cfg.clone()
        mapper_cfg.defrost()
        mapper_cfg.INPUT.MASK_FORMAT = mask_format(cfg, each_of(records))
        return build_training_mapper(mapper_cfg, records)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode):
        """Reads the records once: for the mask format, then for the loader."""
        records = cls.training_records(cfg)
        if cfg.DATALOADER.SAMPLER_TRAIN == "RepeatFactorTrainingSampler":
            names = ClassTable.from_dataset(cfg.DATASETS.TRAIN[0]).names
            logger.info(
                "Rare classes repeat:\n%s",
                repeat_table(each_of(records), cfg.DATALOADER.REPEAT_THRESHOLD, names, sqrt=cfg.DATALOADER.REPEAT_SQRT),
            )
        return training_batches(cfg, records, cls.build_train_mapper(cfg, records))

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str):
        """Detectron2's; images of more than 8 bits are read as in training, and a broken one costs itself alone."""
        mapper = build_test_mapper(cfg) or DatasetMapper(cfg, False)
        loader = build_detection_test_loader(cfg, dataset_name, mapper=TolerantMapper(mapper))
        loader.worker_init_fn = worker_start() if cfg.DATALOADER.NUM_WORKERS else None
        return loader

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
        """COCO box and mask AP over as many detections per image as the model gives (100 where it gives fewer)."""
        return DetectionEvaluator(
            dataset_name, output_dir=str(results_folder(cfg, dataset_name)), max_dets_per_image=most_detections(cfg)
        )

    @classmethod
    def test(
        cls,
        cfg: CfgNode,
        model: nn.Module,
        evaluators: list[DatasetEvaluator] | None = None,
        failures: list[tuple[str, str]] | None = None,
    ) -> dict[str, Any]:
        """
        As Detectron2's; with our own evaluators no mask is ever as large as its image, and the speed is noted.

        Args:
            failures: filled on the main process with (file name, reason) of images that could not be read.
        """
        if evaluators is None:
            evaluators = [cls.build_evaluator(cfg, name) for name in cfg.DATASETS.TEST]
        if not all(isinstance(evaluator, DetectionEvaluator) for evaluator in evaluators):
            return super().test(cfg, model, evaluators)
        detecting = Detecting(unwrap(model))
        results = super().test(cfg, detecting, evaluators)
        failed = [failure for share in comm.gather(detecting.failures) for failure in share]
        for file_name, reason in failed:
            logger.warning("%s is left out of the evaluation, nothing counts as found in it: %s", file_name, reason)
        if comm.is_main_process():
            write_speed(cfg, detecting.seconds_per_image)
        if failures is not None:
            failures += failed
        return results

    def build_hooks(self) -> list[HookBase | None]:
        """Detectron2's hooks, and among them those that ``cfg.HOOKS.NAMES`` lists, each at its place."""
        return arrange_hooks(super().build_hooks(), build_named_hooks(self.cfg))


def hyperparameters(group: dict[str, Any]) -> dict[str, Any]:
    """What a config sets of a parameter group: all but its parameters and the rate of the moment."""
    return {key: value for key, value in group.items() if key not in ("params", "lr")}


def _listed(values: set[Any]) -> str:
    return ", ".join(str(value) for value in sorted(values, key=str))


def each_of(records: DatasetFromList) -> Iterator[dict]:
    """One record after the other, so that no more than one is held unserialised."""
    return (records[index] for index in range(len(records)))


PRECISIONS = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def precision_of(cfg: CfgNode) -> torch.dtype | None:
    """What the forward pass computes in; None: as the weights are. ValueError for an unknown SOLVER.AMP.PRECISION."""
    name = cfg.SOLVER.AMP.PRECISION
    if name not in PRECISIONS:
        raise ValueError(f"SOLVER.AMP.PRECISION must be one of {', '.join(PRECISIONS)}, but is {name!r}.")
    return PRECISIONS[name] if cfg.SOLVER.AMP.ENABLED else None


def mask_format(cfg: CfgNode, records: Iterable[dict]) -> str:
    """``mask_format_of`` the records, unless INPUT.MASK_FORMAT_FROM_DATA is off and INPUT.MASK_FORMAT decides."""
    if not cfg.INPUT.MASK_FORMAT_FROM_DATA:
        return cfg.INPUT.MASK_FORMAT
    chosen = mask_format_of(annotation for record in records for annotation in record["annotations"])
    if chosen != cfg.INPUT.MASK_FORMAT:
        logger.info(
            "Masks are trained as %ss: %s of the training objects is run-length encoded (INPUT.MASK_FORMAT said %s).",
            chosen,
            "at least one" if chosen == "bitmask" else "none",
            cfg.INPUT.MASK_FORMAT,
        )
    return chosen


def warn_of_frozen_noise(cfg: CfgNode) -> None:
    """From nothing, frozen layers stay as random as they began, and frozen norms normalise nothing."""
    if cfg.MODEL.WEIGHTS or not (cfg.MODEL.BACKBONE.FREEZE_AT or cfg.MODEL.RESNETS.NORM == "FrozenBN"):
        return
    logger.warning(
        "MODEL.WEIGHTS is empty, but MODEL.BACKBONE.FREEZE_AT is %d and MODEL.RESNETS.NORM is %s: what is frozen stays "
        "random. To train from nothing, set MODEL.BACKBONE.FREEZE_AT 0 MODEL.RESNETS.NORM BN.",
        cfg.MODEL.BACKBONE.FREEZE_AT,
        cfg.MODEL.RESNETS.NORM,
    )


def check_class_count(cfg: CfgNode, classes: ClassTable) -> None:
    """Raises ClassMismatchError unless MODEL.ROI_HEADS.NUM_CLASSES is the number of classes in the training set."""
    configured = cfg.MODEL.ROI_HEADS.NUM_CLASSES
    if configured != len(classes):
        raise ClassMismatchError(
            f"MODEL.ROI_HEADS.NUM_CLASSES is {configured}, but {cfg.DATASETS.TRAIN[0]} has {len(classes)} classes "
            f"({', '.join(classes.names[:8])}): set MODEL.ROI_HEADS.NUM_CLASSES {len(classes)}."
        )
