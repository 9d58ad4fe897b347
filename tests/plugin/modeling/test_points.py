"""Points in boxes, by hand."""

import pytest
import torch

from maskrcnn_project.modeling.points import sample_grids, sample_map, training_points, uncertain_cells


def test_a_grid_is_read_at_its_centres_and_between_them():
    grid = torch.tensor([[0.0, 1.0], [2.0, 3.0]])[None, None]  # centres at 0.25 and 0.75
    points = torch.tensor([[[0.25, 0.25], [0.75, 0.25], [0.5, 0.5], [0.0, 1.0]]])
    assert sample_grids(grid, points).tolist() == [[[0.0, 1.0, 1.5, 2.0]]]  # the last lies beyond the lower left centre


def test_a_map_is_read_in_pixels_of_the_image():
    feature_map = torch.arange(4.0).repeat(4, 1)[None]  # value = column; stride 2: column c lies at x = 2 * c + 1
    boxes = torch.tensor([[1.0, 1.0, 5.0, 5.0], [3.0, 3.0, 3.0, 3.0]])
    points = torch.tensor([[[0.0, 0.0], [0.5, 0.5]], [[0.0, 0.0], [1.0, 1.0]]])
    values = sample_map(feature_map, boxes, points, stride=2)  # x = 1, 3 in the first box; 3 all over the second
    torch.testing.assert_close(values, torch.tensor([[[0.0, 1.0]], [[1.0, 1.0]]]))


def test_the_most_uncertain_cells_are_those_nearest_to_zero():
    logits = torch.tensor([[5.0, -0.1], [0.3, -4.0]])[None, None]
    cells, points = uncertain_cells(logits, 2)
    assert cells.tolist() == [[1, 2]]
    assert points.tolist() == [[[0.75, 0.25], [0.25, 0.75]]]  # upper right, lower left
    assert uncertain_cells(logits, 100)[0].shape == (1, 4)


@pytest.mark.parametrize(("important", "fraction"), [(1.0, 1.0), (0.0, 0.5)])
def test_training_looks_where_it_is_uncertain(important, fraction):
    torch.manual_seed(0)
    logits = torch.tensor([[9.0, 0.0], [9.0, 0.0]])[None, None]  # the right half is uncertain
    points = training_points(logits, 200, oversample=3.0, important=important)
    assert points.shape == (1, 200, 2) and points.min() >= 0 and points.max() <= 1
    assert (points[..., 0] > 0.5).float().mean().item() == pytest.approx(fraction, abs=0.1)


def test_no_region_has_no_points():
    nothing = torch.zeros(0, 1, 4, 4)
    assert training_points(nothing, 6, 3.0, 0.5).shape == (0, 6, 2)
    assert sample_grids(nothing, torch.zeros(0, 6, 2)).shape == (0, 1, 6)
    assert sample_map(torch.zeros(3, 4, 4), torch.zeros(0, 4), torch.zeros(0, 6, 2), 4).shape == (0, 3, 6)
