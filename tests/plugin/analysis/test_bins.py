import numpy as np
import pytest

from maskrcnn_project.analysis.bins import counts_between, factor_edges, step_edges


def test_factor_edges_reach_round_all_values():
    assert factor_edges(np.array([3.0, 9.0]), 1, (1, 1024)).tolist() == [2, 4, 8, 16]
    assert factor_edges(np.array([3.0]), 2, (1, 1024)) == pytest.approx([2, 8**0.5, 4])


@pytest.mark.parametrize("values", [[8.0], [4.0, 8.0], [1.0], [16.0], [1e-9], [1e9], []])
def test_edges_and_counts_hold_every_value_once(values):
    values = np.array(values)
    edges = factor_edges(values, 2, (1, 16))
    assert len(edges) >= 2 and (np.diff(edges) > 0).all()
    assert edges[0] >= 1 and edges[-1] <= 16
    assert counts_between(values, edges).sum() == len(values)


def test_values_beyond_the_limits_belong_to_the_ends():
    edges = factor_edges(np.array([0.01, 3.0, 99.0]), 1, (1, 8))
    assert edges.tolist() == [1, 2, 4, 8]
    assert counts_between(np.array([0.01, 3.0, 99.0]), edges).tolist() == [1, 1, 1]


def test_step_edges_are_few_and_round():
    assert step_edges(np.array([0, 3])).tolist() == [0, 1, 2, 3, 4]
    assert step_edges(np.array([82]))[:3].tolist() == [0, 5, 10]
    assert step_edges(np.array([], dtype=int)).tolist() == [0, 1]
    assert counts_between(np.array([0, 0, 4, 5]), np.array([0, 5, 10])).tolist() == [3, 1]


@pytest.mark.parametrize("most", [0, 1, 23, 24, 25, 1000, 123_456])
def test_step_edges_hold_the_largest_value(most):
    edges = step_edges(np.array([0, most]))
    assert edges[0] == 0 and edges[-2] <= most < edges[-1] and len(edges) <= 25
