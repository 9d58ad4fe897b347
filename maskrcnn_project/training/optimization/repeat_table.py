"""What sampling rare classes more often does to each class, as a table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from detectron2.data.samplers import RepeatFactorTrainingSampler
from tabulate import tabulate


def repeat_table(records: Iterable[dict], threshold: float, names: Sequence[str], sqrt: bool = True) -> str:
    """
    A row for each class, the rarest first: its images, its instances, and how often per epoch shows one of its images.

    An image repeats as often as its rarest class asks: sqrt(threshold / share of images with the class), at least
    once (section B.1 of LVIS, arXiv:1908.03195); without ``sqrt``: threshold / share.

    Args:
        records: in Detectron2's dataset format, with ``annotations``.
        threshold: DATALOADER.REPEAT_THRESHOLD, the share of images below which a class is rare, 0 to 1.
        names: of the classes, by ``category_id``.
        sqrt: DATALOADER.REPEAT_SQRT.
    """
    held = list(records)
    factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(held, threshold, sqrt=sqrt).tolist()
    instances: Counter[int] = Counter()
    shown: defaultdict[int, list[float]] = defaultdict(list)
    for record, factor in zip(held, factors, strict=True):
        classes = [annotation["category_id"] for annotation in record["annotations"]]
        instances.update(classes)
        for category in set(classes):
            shown[category].append(factor)
    rows = []
    for category in sorted(range(len(names)), key=lambda index: len(shown[index])):
        repeats = shown[category]
        mean = f"{sum(repeats) / len(repeats):.2f}" if repeats else "-"
        rows.append([names[category], len(repeats), instances[category], mean])
    return tabulate(rows, ["class", "images", "instances", "times per epoch"], stralign="right", disable_numparse=True)
