"""Simple copy-paste: objects of one image put onto another (Ghiasi et al. 2021, section 3). No blending, as there."""

from __future__ import annotations

import numpy as np

from maskrcnn_project.training.augmentation.sample import Sample


def draw_objects(sample: Sample) -> Sample:
    """Some objects of ``sample``: any number from one to all is as likely as any other. None where there is none."""
    count = len(sample)
    if not count:
        return sample
    return sample.chosen(np.random.permutation(count)[: np.random.randint(1, count + 1)])


def paste(base: Sample, objects: Sample, min_visible: float = 0.0) -> Sample:
    """
    Puts the pixels of ``objects`` onto ``base``, in front of all that is there.

    Masks of ``base`` lose the pixels that are covered; an object that keeps none of its pixels, or a smaller fraction
    than ``min_visible``, is left out.

    Args:
        base, objects: of one size.

    Returns:
        What is left of the objects of ``base``, then all of ``objects``.
    """
    covered = np.logical_or.reduce(objects.masks, axis=0)  # (H, W)
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    if not len(rows):
        return base
    image = np.where(covered[:, :, None], objects.image, base.image)
    masks = np.concatenate([base.masks, objects.masks])
    region = np.s_[: len(base), rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # nothing changes outside of it
    cover = covered[region[1:]]
    visible = np.ones(len(masks), dtype=bool)
    for row in np.flatnonzero((masks[region] & cover).any(axis=(1, 2))):
        whole = np.count_nonzero(masks[row])
        masks[region][row] &= ~cover
        left = np.count_nonzero(masks[row])
        visible[row] = left > 0 and left >= min_visible * whole
    joined = Sample(image, masks, np.concatenate([base.classes, objects.classes]))
    return joined if visible.all() else joined.chosen(visible)
