"""Data loaders for training and inference, from a config or from arguments."""

from __future__ import annotations

import functools
import logging
import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from detectron2.config import configurable
from detectron2.config._honoured import refuse_unhonoured
from detectron2.data._records import (
    filter_images_with_only_crowd_annotations,
    get_detection_dataset_dicts,
    print_instances_class_histogram,
)
from detectron2.data.common import AspectRatioGroupedDataset, DatasetFromList, MapDataset, ToIterableDataset
from detectron2.data.dataset_mapper import DatasetMapper
from detectron2.data.samplers import (
    InferenceSampler,
    RandomSubsetTrainingSampler,
    RepeatFactorTrainingSampler,
    TrainingSampler,
)
from detectron2.utils import comm
from detectron2.utils._refused import refuse
from detectron2.utils.env import seed_all_rng
from torch.utils import data

__all__ = [
    "build_batch_data_loader",
    "build_detection_test_loader",
    "build_detection_train_loader",
    "filter_images_with_only_crowd_annotations",
    "get_detection_dataset_dicts",
    "print_instances_class_histogram",
    "trivial_batch_collator",
    "worker_init_reset_seed",
]


def trivial_batch_collator(batch: list[Any]) -> list[Any]:
    """A batch is the list of its items: images of different sizes cannot be stacked."""
    return batch


def worker_init_reset_seed(worker_id: int) -> None:
    """
    Seeds Python, numpy and torch in a data loader worker.

    torch gives each worker its own seed, drawn from the loader's generator. numpy's generator, which the
    augmentations use, would be the same in all workers without this.
    """
    seed_all_rng(torch.initial_seed() % 2**31 + worker_id)


def build_batch_data_loader(
    dataset,
    sampler,
    total_batch_size,
    *,
    aspect_ratio_grouping=False,
    num_workers=0,
    collate_fn=None,
    drop_last: bool = True,
    single_gpu_batch_size=None,
    prefetch_factor=2,
    persistent_workers=False,
    pin_memory=False,
    seed=None,
    **kwargs,
):
    """
    An iterable over batches, one process' share of each total batch.

    Args:
        dataset: map-style or iterable.
        sampler: gives indices; None for an iterable dataset.
        total_batch_size: images in a batch over all processes; a multiple of their number.
        aspect_ratio_grouping: batches of wide, or of not wide, images only. Items need "width" and "height".
        num_workers: processes that load data, for each training process.
        collate_fn: makes a batch of a list of items; None: the list itself.
        drop_last: leave out a last batch that is not full.
        single_gpu_batch_size: images in a batch of one process, in place of ``total_batch_size``, then 0.
        prefetch_factor: batches each worker loads ahead; grouped by aspect ratio, all of them together.
        persistent_workers: keep the workers between two iterations.
        pin_memory: copy batches to page-locked memory.
        seed: of the workers' random numbers; None: drawn from torch's global generator.
        kwargs: handed on to ``torch.utils.data.DataLoader``.
    """
    batch_size = _batch_size_per_process(total_batch_size, single_gpu_batch_size)
    if isinstance(dataset, data.IterableDataset):
        _refuse_sampler(sampler)
    else:
        dataset = ToIterableDataset(dataset, sampler, shard_chunk_size=batch_size)
    if seed is not None:
        # One more for each process, or all of them would draw the same augmentations.
        kwargs["generator"] = torch.Generator().manual_seed(int(seed) + comm.get_rank())
    make_loader = functools.partial(
        data.DataLoader,
        dataset,
        num_workers=num_workers,
        worker_init_fn=worker_init_reset_seed,
        persistent_workers=persistent_workers and num_workers > 0,
        pin_memory=pin_memory,
        **kwargs,
    )
    if not aspect_ratio_grouping:
        return make_loader(
            batch_size=batch_size,
            drop_last=drop_last,
            collate_fn=collate_fn or trivial_batch_collator,
            prefetch_factor=prefetch_factor if num_workers > 0 else None,
        )
    if not drop_last:
        raise ValueError("Batches grouped by aspect ratio are always full: drop_last=False is not possible with them.")
    # The workers give single images, and the groups are made of all workers' images together. torch counts
    # what is loaded ahead in what a worker gives, here images.
    ahead = prefetch_factor * math.ceil(batch_size / num_workers) if num_workers > 0 else None
    images = make_loader(collate_fn=operator.itemgetter(0), prefetch_factor=ahead)
    grouped = AspectRatioGroupedDataset(images, batch_size)
    return grouped if collate_fn is None else MapDataset(grouped, collate_fn)


def _batch_size_per_process(total_batch_size: int, single_gpu_batch_size: int | None) -> int:
    if single_gpu_batch_size:
        if total_batch_size:
            raise ValueError(
                f"Both total_batch_size={total_batch_size} and "
                f"single_gpu_batch_size={single_gpu_batch_size} are set: set one of them, the other to 0."
            )
        return single_gpu_batch_size
    processes = comm.get_world_size()
    if not total_batch_size or total_batch_size <= 0 or total_batch_size % processes:
        raise ValueError(
            f"The total batch size (SOLVER.IMS_PER_BATCH) must be a positive multiple of the {processes} "
            f"processes, but is {total_batch_size}."
        )
    return total_batch_size // processes


def _refuse_sampler(sampler: Any) -> None:
    if sampler is not None:
        raise ValueError(
            f"An iterable dataset decides itself which images come, but a {type(sampler).__name__} was "
            "given: pass sampler=None."
        )


def _as_dataset(dataset: Any, mapper: Callable[[dict[str, Any]], Any] | None) -> data.Dataset:
    if isinstance(dataset, list):
        dataset = DatasetFromList(dataset, copy=False)
    return dataset if mapper is None else MapDataset(dataset, mapper)


def _default_mapper(cfg: Any, is_train: bool, mapper: Any) -> Any:
    return DatasetMapper(cfg, is_train) if mapper is None else mapper


def _training_sampler(cfg: Any, dataset: Any) -> data.Sampler | None:
    """The sampler that ``cfg.DATALOADER.SAMPLER_TRAIN`` names; none for an iterable dataset."""
    if isinstance(dataset, data.IterableDataset):
        return None
    loader, name = cfg.DATALOADER, cfg.DATALOADER.SAMPLER_TRAIN
    logging.getLogger(__name__).info("Using training sampler %s", name)
    if name == "TrainingSampler":
        return TrainingSampler(len(dataset))
    if name == "RepeatFactorTrainingSampler":
        factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(
            dataset, loader.REPEAT_THRESHOLD, sqrt=loader.REPEAT_SQRT
        )
        return RepeatFactorTrainingSampler(factors)
    if name == "RandomSubsetTrainingSampler":
        if "RANDOM_SUBSET_RATIO" not in loader:  # not among the defaults, neither here nor in Detectron2
            raise ValueError(
                "DATALOADER.SAMPLER_TRAIN RandomSubsetTrainingSampler needs DATALOADER.RANDOM_SUBSET_RATIO: add the "
                "key to the config, with the fraction of the images to use."
            )
        return RandomSubsetTrainingSampler(len(dataset), loader.RANDOM_SUBSET_RATIO)
    raise ValueError(
        "DATALOADER.SAMPLER_TRAIN must be TrainingSampler, RepeatFactorTrainingSampler or "
        f"RandomSubsetTrainingSampler, but is {name!r}."
    )


def _train_loader_from_config(cfg, mapper=None, *, dataset=None, sampler=None):
    refuse_unhonoured(cfg)
    if dataset is None:
        dataset = get_detection_dataset_dicts(cfg.DATASETS.TRAIN, filter_empty=cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS)
    return {
        "dataset": dataset,
        "sampler": _training_sampler(cfg, dataset) if sampler is None else sampler,
        "mapper": _default_mapper(cfg, True, mapper),
        "total_batch_size": cfg.SOLVER.IMS_PER_BATCH,
        "aspect_ratio_grouping": cfg.DATALOADER.ASPECT_RATIO_GROUPING,
        "num_workers": cfg.DATALOADER.NUM_WORKERS,
        "seed": cfg.SEED if cfg.SEED >= 0 else None,
    }


@configurable(from_config=_train_loader_from_config)
def build_detection_train_loader(
    dataset,
    *,
    mapper,
    sampler=None,
    total_batch_size,
    aspect_ratio_grouping=True,
    num_workers=0,
    collate_fn=None,
    **kwargs,
):
    """
    The training loader: endless batches of mapped records. Also takes a ``cfg``.

    Args:
        dataset: list of records, or a torch dataset of them.
        mapper: from a record to the model's input; None for a dataset that is mapped already.
        sampler: gives indices without end; None: a :class:`TrainingSampler`.
        total_batch_size, aspect_ratio_grouping, num_workers, collate_fn, kwargs: as for
            :func:`build_batch_data_loader`.

    Returns:
        An iterable over lists of ``total_batch_size / processes`` mapped records.
    """
    dataset = _as_dataset(dataset, mapper)
    if isinstance(dataset, data.IterableDataset):
        _refuse_sampler(sampler)
    elif sampler is None:
        sampler = TrainingSampler(len(dataset))  # type: ignore[arg-type]
    return build_batch_data_loader(
        dataset,
        sampler,
        total_batch_size,
        aspect_ratio_grouping=aspect_ratio_grouping,
        num_workers=num_workers,
        collate_fn=collate_fn,
        **kwargs,
    )


def _test_loader_from_config(cfg, dataset_name, mapper=None):
    refuse_unhonoured(cfg)
    return {
        "dataset": get_detection_dataset_dicts(dataset_name, filter_empty=False),
        "mapper": _default_mapper(cfg, False, mapper),
        "num_workers": cfg.DATALOADER.NUM_WORKERS,
    }


@configurable(from_config=_test_loader_from_config)
def build_detection_test_loader(
    dataset: list[Any] | data.Dataset,
    *,
    mapper: Callable[[dict[str, Any]], Any],
    sampler: data.Sampler | None = None,
    batch_size: int = 1,
    num_workers: int = 0,
    collate_fn: Callable[[list[Any]], Any] | None = None,
) -> data.DataLoader:
    """
    The inference loader: every record once over all processes, in order. Also takes a ``cfg`` and a name.

    Args:
        dataset: list of records, or a torch dataset of them.
        mapper: from a record to the model's input; None for a dataset that is mapped already.
        sampler: gives each index once; None: an :class:`InferenceSampler`.
        batch_size: images in a batch of one process.
        num_workers: processes that load data, for each process.
        collate_fn: makes a batch of a list of items; None: the list itself.
    """
    dataset = _as_dataset(dataset, mapper)
    if isinstance(dataset, data.IterableDataset):
        _refuse_sampler(sampler)
    elif sampler is None:
        sampler = InferenceSampler(len(dataset))  # type: ignore[arg-type]
    return data.DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        drop_last=False,
        num_workers=num_workers,
        collate_fn=collate_fn or trivial_batch_collator,
    )


__getattr__ = refuse(
    __name__,
    {
        "filter_images_with_few_keypoints": "keypoints",
        "load_proposals_into_dataset": "precomputed proposals",
    },
)
