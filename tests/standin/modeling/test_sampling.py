"""Balanced sampling."""

import pytest
import torch
from detectron2.modeling.sampling import subsample_labels

BACKGROUND = 3
LABELS = torch.tensor([3, 0, -1, 3, 1, 3, 2, 3, -1, 0])  # foreground at 1, 4, 6, 9; background at 0, 3, 5, 7


@pytest.mark.parametrize(
    ("num_samples", "fraction", "num_foreground", "num_background"),
    [
        (4, 0.5, 2, 2),
        (4, 0.25, 1, 3),
        (5, 0.5, 2, 3),  # int(2.5)
        (8, 0.1, 0, 4),  # int(0.8); background cannot fill the rest
        (100, 1.0, 4, 4),  # everything there is, ignored ones left out
    ],
)
def test_counts(num_samples, fraction, num_foreground, num_background):
    foreground, background = subsample_labels(LABELS, num_samples, fraction, BACKGROUND)
    assert len(foreground) == num_foreground
    assert len(background) == num_background
    assert set(foreground.tolist()) <= {1, 4, 6, 9}
    assert set(background.tolist()) <= {0, 3, 5, 7}
    assert len({*foreground.tolist(), *background.tolist()}) == num_foreground + num_background


def test_foreground_is_drawn_before_background():
    torch.manual_seed(5)
    first, second = torch.randperm(4)[:2], torch.randperm(4)[:2]
    torch.manual_seed(5)
    foreground, background = subsample_labels(LABELS, 4, 0.5, BACKGROUND)
    assert foreground.tolist() == torch.tensor([1, 4, 6, 9])[first].tolist()
    assert background.tolist() == torch.tensor([0, 3, 5, 7])[second].tolist()


def test_nothing_to_sample():
    foreground, background = subsample_labels(torch.zeros(0, dtype=torch.int64), 4, 0.5, BACKGROUND)
    assert foreground.shape == background.shape == (0,)
    assert foreground.dtype == background.dtype == torch.int64
