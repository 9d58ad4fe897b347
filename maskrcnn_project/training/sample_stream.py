"""
The samples of a training in their order, which a stop does not change: an endless stream that can begin anywhere.

Each sample is known by its record and its place in the stream of all processes. The order, the batches (wide and tall
images apart) and every augmentation follow from the run's seed and that place alone: not from the number of workers,
and not from what was loaded before.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetFromList
from detectron2.data.samplers import RandomSubsetTrainingSampler, RepeatFactorTrainingSampler, TrainingSampler
from detectron2.utils import comm
from torch.utils.data import DataLoader, Dataset, Sampler

from maskrcnn_project.training.data_workers import worker_start
from maskrcnn_project.training.left_out import LeftOut, left_out_of
from maskrcnn_project.training.seeds import seed_of, seeded

logger = logging.getLogger(__name__)

AHEAD = 2  # batches that each worker's share of loading is ahead
MOST_TRIED = 20  # records in place of one that gives no sample
LEFT_OUT = "left_out"  # key of a sample: [(file name, why)] of records that it stands in for
Key = tuple[int, int]  # index of a record, place in the stream of all processes


class TrainingRecords(DatasetFromList):
    """Records held once, serialised, for all workers; ``wide``: whether the image of each is wider than high."""

    def __init__(self, records: list[dict[str, Any]]):
        super().__init__(records, copy=False)
        self.wide = [record["width"] > record["height"] for record in records]


class SampleOrder(Sampler[Key]):
    """The keys of one process, batch after batch, from batch ``start`` on, without end."""

    def __init__(self, indices: Sampler[int], wide: np.ndarray | None, batch_size: int):
        """
        Args:
            indices: gives this process's share of an endless stream of indices.
            wide: (N,) bool, whether an image is wider than high: those are batched apart; None: all together.
            batch_size: of one process.
        """
        self.indices = indices
        self.wide = wide
        self.batch_size = batch_size
        self.start = 0

    def __iter__(self) -> Iterator[Key]:
        return itertools.islice(self._batched(), self.start * self.batch_size, None)

    def _batched(self) -> Iterator[Key]:
        rank, processes = comm.get_rank(), comm.get_world_size()
        keys = ((index, place * processes + rank) for place, index in enumerate(self.indices))
        if self.wide is None:
            yield from keys
            return
        waiting: tuple[list[Key], list[Key]] = ([], [])
        for key in keys:
            batch = waiting[int(self.wide[key[0]])]
            batch.append(key)
            if len(batch) == self.batch_size:
                yield from batch
                batch.clear()


class Samples(Dataset[dict[str, Any]]):
    """From a key to what the mapper makes of its record, with random numbers of its own."""

    def __init__(
        self,
        records: Any,
        mapper: Callable[[dict[str, Any]], dict[str, Any] | None],
        seed: int,
        tolerant: bool = False,
    ):
        """
        Args:
            tolerant: where a record raises an error, another one takes its place, and says so (LEFT_OUT).
        """
        self.tolerant = tolerant
        self.records = records
        self.mapper = mapper
        self.seed = seed

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: Key) -> dict[str, Any]:
        """Raises ValueError where the mapper gives no sample of this record, nor of those drawn in its place."""
        index, place = key
        left_out: list[tuple[str, str]] = []
        for number in range(MOST_TRIED):
            record = self.records[index]
            with seeded(seed_of(self.seed, place, number)):
                try:
                    sample = self.mapper(record)
                except Exception as error:  # on damaged files decoders raise nearly every type of error
                    if not self.tolerant:
                        raise
                    sample = None
                    left_out.append((str(record.get("file_name", index)), str(error) or type(error).__name__))
            if sample is not None:  # as Detectron2's mappers say that a record is of no use
                return {**sample, LEFT_OUT: left_out} if left_out else sample
            index = seed_of(self.seed, place, number, index) % len(self.records)
        why = f": {left_out[-1][1]}" if left_out else ""
        raise ValueError(f"{MOST_TRIED} records in turn give no sample, the last of index {index}{why}.")


class TrainingBatches:
    """
    An endless iterable over lists of samples. As a checkpointable (``state_dict``, ``load_state_dict``) it keeps its
    seed and how many batches were taken, and goes on after them.

    Attributes:
        seed: of the run; the same on all processes.
        dataset: what ``len`` gives the number of images of.
    """

    def __init__(
        self,
        samples: Samples,
        order: SampleOrder,
        num_workers: int,
        reseed: Callable[[int], None],
        left_out: LeftOut | None = None,
    ):
        """
        Args:
            num_workers: processes that load data, for this one.
            left_out: told of records that others stand in for.
            reseed: makes the order that of another seed, when a checkpoint has one.
        """
        self.dataset = samples
        self.order = order
        self.num_workers = num_workers
        self.taken = 0
        self.left_out = left_out
        self._reseed = reseed

    @property
    def seed(self) -> int:
        return self.dataset.seed

    @property
    def batch_size(self) -> int:
        return self.order.batch_size

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        self.order.start = self.taken
        ahead = AHEAD * math.ceil(self.batch_size / self.num_workers) if self.num_workers else None
        loader = DataLoader(
            self.dataset,
            batch_size=None,
            sampler=self.order,
            num_workers=self.num_workers,
            prefetch_factor=ahead,
            worker_init_fn=worker_start() if self.num_workers else None,
        )
        samples = iter(loader)
        while True:
            batch = list(itertools.islice(samples, self.batch_size))
            for sample in batch:
                if LEFT_OUT in sample and self.left_out is not None:
                    self.left_out.note(sample.pop(LEFT_OUT))
            self.taken += 1
            yield batch

    def go_on_after(self, batches: int) -> None:
        """Of batches that this process has taken; before the first is asked for."""
        self.taken = batches

    def state_dict(self) -> dict[str, int]:
        size = {"batch_size": self.batch_size, "processes": comm.get_world_size()}
        return {"seed": self.seed, "batches": self.taken, **size}

    def load_state_dict(self, state: dict[str, int]) -> None:
        if state["seed"] != self.seed:
            self.dataset.seed = state["seed"]
            self._reseed(state["seed"])
        before, now = state["batch_size"] * state["processes"], self.batch_size * comm.get_world_size()
        self.taken = state["batches"] * before // now
        if before != now:
            logger.info(
                "The batch has %d images and had %d: the training goes on at about the same place in its images.",
                now,
                before,
            )


def training_batches(
    cfg: CfgNode, records: TrainingRecords, mapper: Callable[[dict[str, Any]], Any]
) -> TrainingBatches:
    """
    Detectron2's training loader as ``cfg`` describes it, as a stream that can go on.

    Args:
        records: of the training set.
        mapper: from a record to a training sample.

    Raises:
        ValueError: a batch that cannot be dealt out to the processes, or an unknown sampler.
    """
    processes = comm.get_world_size()
    total = cfg.SOLVER.IMS_PER_BATCH
    if total < 1 or total % processes:
        raise ValueError(
            f"SOLVER.IMS_PER_BATCH must be a positive multiple of the {processes} processes, but is {total}."
        )
    seed = cfg.SEED if cfg.SEED >= 0 else int(comm.shared_random_seed()) % 2**31
    grouped = np.asarray(records.wide, dtype=bool) if cfg.DATALOADER.ASPECT_RATIO_GROUPING else None
    order = SampleOrder(training_sampler(cfg, records, seed), grouped, total // processes)

    def reseed(new: int) -> None:
        order.indices = training_sampler(cfg, records, new)

    left_out = left_out_of(cfg, len(records))
    samples = Samples(records, mapper, seed, tolerant=left_out is not None)
    return TrainingBatches(samples, order, cfg.DATALOADER.NUM_WORKERS, reseed, left_out)


def training_sampler(cfg: CfgNode, records: DatasetFromList, seed: int) -> Sampler[int]:
    """Detectron2's sampler that DATALOADER.SAMPLER_TRAIN names, of a seed."""
    name, loader = cfg.DATALOADER.SAMPLER_TRAIN, cfg.DATALOADER
    logger.info("Training sampler: %s", name)
    if name == "TrainingSampler":
        return TrainingSampler(len(records), seed=seed)
    if name == "RepeatFactorTrainingSampler":
        each: Any = records  # a list to all that look at one after the other
        factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(
            each, loader.REPEAT_THRESHOLD, sqrt=loader.REPEAT_SQRT
        )
        return RepeatFactorTrainingSampler(factors, seed=seed)
    if name == "RandomSubsetTrainingSampler":
        if "RANDOM_SUBSET_RATIO" not in loader:  # not among Detectron2's defaults
            raise ValueError(
                "DATALOADER.SAMPLER_TRAIN RandomSubsetTrainingSampler needs DATALOADER.RANDOM_SUBSET_RATIO, the "
                "fraction of the images to use."
            )
        return RandomSubsetTrainingSampler(
            len(records), loader.RANDOM_SUBSET_RATIO, seed_shuffle=seed, seed_subset=seed_of(seed, -1)
        )
    raise ValueError(
        "DATALOADER.SAMPLER_TRAIN must be TrainingSampler, RepeatFactorTrainingSampler or "
        f"RandomSubsetTrainingSampler, but is {name!r}."
    )
