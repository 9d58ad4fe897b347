"""
Samplers for many processes: in training one endless stream dealt out in turn, at inference one shard each.

All processes draw the same stream from the same seed, and process r of W takes items r, r + W, r + 2W, ... of
it.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from detectron2.utils import comm
from torch.utils.data import Sampler

__all__ = [
    "InferenceSampler",
    "RandomSubsetTrainingSampler",
    "RepeatFactorTrainingSampler",
    "TrainingSampler",
]


class TrainingSampler(Sampler):
    """
    Endless: every index once, then every index once again, each round in another order.

    Iterating again starts at the first round, so that a run that resumes may skip what it has seen.
    """

    def __init__(self, size: int, shuffle: bool = True, seed: int | None = None) -> None:
        """
        Args:
            size: number of items in the dataset.
            shuffle: draw a new order for each round; else 0, 1, 2, ...
            seed: the same on all processes; None: drawn by the first one and shared.

        Raises:
            TypeError: ``size`` is not an int.
            ValueError: ``size`` is not positive.
        """
        if not isinstance(size, int):
            raise TypeError(f"TrainingSampler needs the number of items as an int, but got {size!r}.")
        if size <= 0:
            raise ValueError(f"TrainingSampler needs at least one item to draw from, but size is {size}.")
        self._size = size
        self._shuffle = shuffle
        self._seed = int(comm.shared_random_seed() if seed is None else seed)
        self._rank = comm.get_rank()
        self._world_size = comm.get_world_size()

    def __iter__(self) -> Iterator[int]:
        yield from itertools.islice(self._infinite_indices(), self._rank, None, self._world_size)

    def _infinite_indices(self) -> Iterator[int]:
        """The stream that all processes share, before it is dealt out."""
        generator = torch.Generator().manual_seed(self._seed)
        while True:
            yield from self._one_round(generator).tolist()

    def _one_round(self, generator: torch.Generator) -> torch.Tensor:
        return torch.randperm(self._size, generator=generator) if self._shuffle else torch.arange(self._size)


class RandomSubsetTrainingSampler(TrainingSampler):
    """A :class:`TrainingSampler` over a random part of the dataset, drawn once."""

    def __init__(
        self,
        size: int,
        subset_ratio: float,
        shuffle: bool = True,
        seed_shuffle: int | None = None,
        seed_subset: int | None = None,
    ) -> None:
        """
        Args:
            size: number of items in the dataset.
            subset_ratio: fraction of them to use, in (0, 1].
            shuffle: draw a new order for each round.
            seed_shuffle: of the order; None: drawn by the first process and shared.
            seed_subset: of the choice of items; None: drawn by the first process and shared.

        Raises:
            ValueError: the fraction is out of range or leaves no item.
        """
        super().__init__(size, shuffle=shuffle, seed=seed_shuffle)
        if not 0.0 < subset_ratio <= 1.0:
            raise ValueError(f"subset_ratio must lie in (0, 1], but is {subset_ratio}.")
        count = int(size * subset_ratio)
        if count == 0:
            raise ValueError(f"subset_ratio {subset_ratio} of {size} items leaves none: use a larger fraction.")
        self._size_subset = count
        self._seed_subset = int(comm.shared_random_seed() if seed_subset is None else seed_subset)
        generator = torch.Generator().manual_seed(self._seed_subset)
        self._indexes_subset = torch.randperm(size, generator=generator)[:count]
        logging.getLogger(__name__).info("Using %d random items of %d.", count, size)

    def _one_round(self, generator: torch.Generator) -> torch.Tensor:
        if not self._shuffle:
            return self._indexes_subset
        return self._indexes_subset[torch.randperm(self._size_subset, generator=generator)]


class RepeatFactorTrainingSampler(Sampler):
    """
    Endless: images with rare classes come more often (repeat factor sampling of the LVIS paper, section 4.2).

    An image of factor 2.3 comes twice in each round, and a third time in 30 % of the rounds.
    """

    def __init__(self, repeat_factors, *, shuffle=True, seed=None) -> None:
        """
        Args:
            repeat_factors: (N,) float tensor, one factor an image.
            shuffle: draw a new order for each round.
            seed: the same on all processes; None: drawn by the first one and shared.
        """
        repeat_factors = torch.as_tensor(repeat_factors, dtype=torch.float32)
        # Without this check factors that are all zero would loop for ever without giving an index.
        if not len(repeat_factors) or not bool((repeat_factors > 0).any()):
            raise ValueError(f"At least one repeat factor must be above 0, but got {repeat_factors.tolist()[:8]}.")
        self._shuffle = shuffle
        self._seed = int(comm.shared_random_seed() if seed is None else seed)
        self._rank = comm.get_rank()
        self._world_size = comm.get_world_size()
        self._int_part = torch.trunc(repeat_factors)
        self._frac_part = repeat_factors - self._int_part

    @staticmethod
    def repeat_factors_from_category_frequency(
        dataset_dicts: Sequence[dict[str, Any]], repeat_thresh: float, sqrt: bool = True
    ) -> torch.Tensor:
        """
        The factor of an image is the largest among its classes; of a class with frequency f it is
        ``max(1, sqrt(repeat_thresh / f))``, where f is the fraction of images that hold the class.

        Args:
            dataset_dicts: records with "annotations".
            repeat_thresh: frequency below which a class is repeated, in [0, 1].
            sqrt: without it ``max(1, repeat_thresh / f)``.

        Returns:
            (N,) float32 tensor.
        """
        classes_per_image = [{x["category_id"] for x in record["annotations"]} for record in dataset_dicts]
        images_of_class = Counter(c for classes in classes_per_image for c in classes)
        factor_of_class = {}
        for c, images in images_of_class.items():
            ratio = repeat_thresh * len(dataset_dicts) / images
            factor_of_class[c] = max(1.0, ratio**0.5 if sqrt else ratio)
        factors = [max((factor_of_class[c] for c in classes), default=1.0) for classes in classes_per_image]
        return torch.tensor(factors, dtype=torch.float32)

    def __iter__(self) -> Iterator[int]:
        yield from itertools.islice(self._infinite_indices(), self._rank, None, self._world_size)

    def _get_epoch_indices(self, generator: torch.Generator) -> torch.Tensor:
        """
        One round: the fraction of a factor is rounded up with the probability it states, drawn again each time.
        """
        round_up = torch.rand(len(self._frac_part), generator=generator) < self._frac_part
        return torch.repeat_interleave((self._int_part + round_up.float()).long())

    def _infinite_indices(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed)
        while True:
            indices = self._get_epoch_indices(generator)
            if self._shuffle:
                indices = indices[torch.randperm(len(indices), generator=generator)]
            yield from indices.tolist()


class InferenceSampler(Sampler):
    """
    Every index exactly once over all processes: each has one contiguous shard, the first ones one item more.
    """

    def __init__(self, size: int) -> None:
        """
        Args:
            size: number of items in the dataset.
        """
        if not isinstance(size, int) or size <= 0:
            raise ValueError(f"InferenceSampler needs the number of items, at least 1, but got {size!r}.")
        self._size = size
        self._rank = comm.get_rank()
        self._world_size = comm.get_world_size()
        self._local_indices = self._get_local_indices(size, self._world_size, self._rank)

    @staticmethod
    def _get_local_indices(total_size: int, world_size: int, rank: int) -> range:
        share, rest = divmod(total_size, world_size)
        begin = rank * share + min(rank, rest)
        return range(begin, begin + share + (rank < rest))

    def __iter__(self) -> Iterator[int]:
        yield from self._local_indices

    def __len__(self) -> int:
        return len(self._local_indices)
