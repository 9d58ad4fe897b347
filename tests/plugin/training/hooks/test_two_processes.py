"""Decisions are taken together: none of these would end if one process went on and the other did not."""

import json
import math

import pytest
import torch
import torch.multiprocessing as mp

from maskrcnn_project.training.hooks.validation_loss import mean_losses
from tests.plugin.training.hooks.small_training import SmallModel, SmallTrainer, batches
from tests.plugin.training.hooks.two_processes import ACCUMULATE, FAILED_BATCHES, STEPS, main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("two")
    mp.spawn(main, (str(made),), nprocs=2)
    return made


@pytest.fixture
def found(folder):
    return [torch.load(folder / f"found_{rank}.pt", weights_only=True) for rank in range(2)]


def assert_equal(first, second, tolerance=0.0):
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=0, atol=tolerance)


def test_accumulated_gradients_travel_once_a_step(found, tmp_path):
    alone = SmallTrainer(tmp_path, model=same_model(), max_iter=STEPS, accumulate=2 * ACCUMULATE)
    alone.run()
    for weights, exchanges in (each["accumulate"] for each in found):
        assert exchanges == STEPS
        assert_equal(alone.model.state_dict(), weights, 1e-6)


def same_model():
    torch.manual_seed(0)
    return SmallModel(norm=False)


def test_a_loss_that_is_broken_in_one_is_left_out_in_both(found, folder):
    assert [each["guard"][1] for each in found] == [1, 1]
    assert_equal(found[0]["guard"][0], found[1]["guard"][0])
    assert all(torch.isfinite(value).all() for value in found[0]["guard"][0].values())
    bundle = json.loads((folder / "guard" / "nonfinite" / "iteration_0000002.json").read_text())
    assert len(bundle["images"]) == 8
    assert [image["finite_pixels"] for image in bundle["images"]] == [True] * 4 + [False] + [True] * 3
    assert len(bundle["losses"]) == 2


@pytest.mark.parametrize("case", range(len(FAILED_BATCHES)), ids=[f"batch {b} of {a}" for b, a in FAILED_BATCHES])
def test_a_forward_pass_that_raises_in_one_is_left_out_in_both(found, folder, case):
    (weights, skipped, iteration), (others, *also) = (each["forward"][case] for each in found)
    assert (skipped, iteration) == tuple(also) == (1, 6)
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert_equal({k: v for k, v in weights.items() if k.startswith("head")}, others)  # each has its own statistics
    number, _ = FAILED_BATCHES[case]
    bundle = json.loads((folder / f"forward_{number}" / "nonfinite" / "iteration_0000002.json").read_text())
    assert bundle["failures"] == ["Predicted boxes or scores contain Inf/NaN. Training has diverged."]


def test_a_forward_pass_that_raises_in_one_ends_both_without_a_guard(found):
    for each in found:
        assert each["forward without a guard"].startswith("The forward pass failed at iteration 2: Predicted boxes")


def test_the_evaluation_is_known_to_the_first_alone(found):
    assert [each["early"] for each in found] == [(0, 1)] * 2


def test_a_signal_to_the_second_stops_both_when_they_ask_one_another(found, folder):
    assert [each["signal"] for each in found] == [(75, 1)] * 2
    assert (folder / "signal" / "model_0000001.pth").exists()


def test_the_clock_of_the_first_counts(found):
    assert [each["time"] for each in found] == [(75, 1)] * 2


def test_validation_losses_of_unequal_shares(found):
    torch.manual_seed(0)
    alone = mean_losses(SmallModel(), [next(batches(4)), next(batches(2, seed=1))])
    assert found[1]["losses"] == {}
    assert found[0]["losses"] == pytest.approx(alone)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_validation_sets_that_do_not_give_each_process_an_image(found, number):
    torch.manual_seed(0)
    alone = mean_losses(SmallModel(norm=False), [next(batches(number))]) if number else {}
    assert found[1]["validated"][number] == {}
    assert found[0]["validated"][number] == {f"val/{name}": pytest.approx(value) for name, value in alone.items()}


def test_a_validation_that_fails_on_one_process_is_nan_on_the_first(found):
    for logged in found[0]["validated with one broken"]:
        assert {"val/total_loss"} <= logged.keys()
        assert all(math.isnan(value) for value in logged.values())
    assert found[1]["validated with one broken"] == [{}] * 3
