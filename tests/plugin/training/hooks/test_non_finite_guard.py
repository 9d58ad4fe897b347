import json
import math

import pytest
import torch
from detectron2.engine import HookBase, SimpleTrainer
from detectron2.structures import Boxes, Instances

from maskrcnn_project.training.hooks import NonFiniteGuard
from maskrcnn_project.training.hooks.non_finite_guard import image_metadata
from tests.plugin.training.hooks.small_training import RaisingModel, SmallModel, SmallTrainer


def guard(folder, policy="skip", budget=2, gradients=True):
    return NonFiniteGuard(folder, policy, budget, gradients)


def small_trainer(folder, hook, **options):
    return SmallTrainer(folder, [hook], model=SmallModel(norm=False), **options)


def test_a_broken_step_is_left_out_and_told_of(tmp_path, caplog):
    hook = guard(tmp_path)
    trainer = small_trainer(tmp_path, hook, broken={3})
    trainer.run()
    assert hook.skipped == 1
    assert all(torch.isfinite(value).all() for value in trainer.model.state_dict().values())
    bundle = json.loads((tmp_path / "nonfinite" / "iteration_0000003.json").read_text())
    assert [image["file_name"] for image in bundle["images"]] == ["3_0.png", "3_1.png", "3_2.png", "3_3.png"]
    assert [image["image_id"] for image in bundle["images"]] == [0, 1, 2, 3]
    assert bundle["likely_cause"].startswith("3_0.png holds pixels that are not finite")
    assert bundle["losses"] == [[{"loss_a": "nan", "loss_b": "nan"}]]
    assert bundle["broken_losses"] == ["loss_a", "loss_b"]
    assert bundle["broken_gradients"] == ["head.weight", "head.bias"]
    assert bundle["gradient_norms"] == {"total": "nan", "head": "nan"}
    assert bundle["learning_rate"] == pytest.approx(0.1 * 0.75)  # half of the way from 1.0 to 0.5
    assert bundle["last_checkpoint"] == str(tmp_path / "model_0000001.pth")
    assert len(bundle["recent_losses"]) == 3
    assert "at iteration 3: 3_0.png holds pixels" in caplog.text
    assert "The step is left out (1 of 2 that may be)." in caplog.text
    assert [i for _, i in trainer.storage.history("total_loss").values()] == [0, 1, 2, 4, 5]


def test_what_is_left_out_leaves_no_trace(tmp_path):
    """Weights, momentum and the statistics of norms are those before the step, without a NaN."""
    trainer = SmallTrainer(tmp_path, [guard(tmp_path)], broken={3}, checkpoint_period=1)
    trainer.run()
    before, after = (torch.load(tmp_path / f"model_000000{i}.pth", weights_only=True) for i in (2, 3))
    assert torch.isfinite(before["model"]["norm.running_mean"]).all()
    assert all(torch.equal(value, after["model"][name]) for name, value in before["model"].items())
    momenta = [part["trainer"]["_trainer"]["optimizer"]["state"] for part in (before, after)]
    assert all(torch.equal(momenta[0][i]["momentum_buffer"], momenta[1][i]["momentum_buffer"]) for i in momenta[0])


def test_the_budget_ends_and_goes_on_after_a_resume(tmp_path):
    hook = guard(tmp_path, budget=2)
    with pytest.raises(FloatingPointError, match="iteration 4: .*nonfinite/iteration_0000004.json tells more"):
        small_trainer(tmp_path, hook, broken={0, 2, 4}).run()
    assert hook.skipped == 2
    resumed = guard(tmp_path, budget=2)  # from the checkpoint of iteration 3, which knows of two
    with pytest.raises(FloatingPointError):
        small_trainer(tmp_path, resumed, broken={4}).run(resume=True)
    assert resumed.skipped == 2


def test_stop_stops_at_the_first(tmp_path):
    with pytest.raises(FloatingPointError, match="iteration 1"):
        small_trainer(tmp_path, guard(tmp_path, "stop", budget=9), broken={1}).run()


def test_broken_weights_end_the_training_at_once(tmp_path):
    trainer = small_trainer(tmp_path, guard(tmp_path))
    with torch.no_grad():
        trainer.model.head.bias.fill_(math.inf)
    with pytest.raises(FloatingPointError, match="the weights were broken before this step"):
        trainer.run()


def test_a_forward_pass_that_raises_is_left_out_without_a_trace(tmp_path, caplog):
    """Weights, momentum and the statistics of norms are those before; the steps after it are taken."""
    hook = guard(tmp_path, budget=1)
    trainer = SmallTrainer(tmp_path, [hook], model=RaisingModel(), broken={3}, checkpoint_period=1)
    trainer.run()
    assert (hook.skipped, trainer.iter) == (1, 6)
    parts = [torch.load(tmp_path / f"model_000000{i}.pth", weights_only=True) for i in (2, 3, 4)]
    before, after, following = (part["model"] for part in parts)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not torch.equal(before["head.weight"], following["head.weight"])
    momenta = [part["trainer"]["_trainer"]["optimizer"]["state"] for part in parts]
    assert all(torch.equal(momenta[0][i]["momentum_buffer"], momenta[1][i]["momentum_buffer"]) for i in momenta[0])
    bundle = json.loads((tmp_path / "nonfinite" / "iteration_0000003.json").read_text())
    assert bundle["failures"] == ["Predicted boxes or scores contain Inf/NaN. Training has diverged."]
    assert bundle["losses"] == [[{}]]
    assert bundle["likely_cause"].startswith("3_0.png holds pixels that are not finite")
    assert (
        "Something in the forward pass (Predicted boxes or scores contain Inf/NaN. Training has diverged) became "
        "infinite or NaN at iteration 3: 3_0.png holds pixels" in caplog.text
    )
    assert [i for _, i in trainer.storage.history("total_loss").values()] == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("precision", [None, torch.float16, torch.bfloat16])
def test_a_forward_pass_that_raises_in_any_batch_of_a_step(tmp_path, accumulate, precision):
    hook = guard(tmp_path, budget=3)
    trainer = SmallTrainer(tmp_path, [hook], model=RaisingModel(), broken={0, 5}, accumulate=accumulate, max_iter=8)
    trainer._trainer.precision = precision
    trainer.run()
    assert (hook.skipped, trainer.iter) == (2, 8)
    assert all(torch.isfinite(value).all() for value in trainer.model.state_dict().values())


@pytest.mark.parametrize(("policy", "budget", "iteration"), [("stop", 9, 1), ("skip", 0, 1), ("skip", 1, 4)])
def test_beyond_the_budget_it_ends_with_the_explanation(tmp_path, policy, budget, iteration):
    hook = guard(tmp_path, policy, budget=budget)
    said = f"forward pass .Predicted boxes .*at iteration {iteration}: .*iteration_000000{iteration}.json tells more"
    with pytest.raises(FloatingPointError, match=said):
        SmallTrainer(tmp_path, [hook], model=RaisingModel(), broken={1, 4}).run()


def test_hooks_see_no_backward_pass_that_did_not_take_place(tmp_path):
    class Seen(HookBase):
        backward = []

        def after_backward(self):
            self.backward.append(self.trainer.iter)

    SmallTrainer(tmp_path, [Seen(), guard(tmp_path)], model=RaisingModel(), broken={1}, max_iter=3).run()
    assert Seen.backward == [0, 2]


class BrokenGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * math.nan


class FiniteLoss(SmallModel):
    def forward(self, batch):
        return {name: BrokenGradient.apply(loss) for name, loss in super().forward(batch).items()}


def test_a_gradient_that_is_not_finite_under_a_loss_that_is(tmp_path):
    hook = guard(tmp_path, budget=1)
    with pytest.raises(FloatingPointError, match="The gradient became infinite or NaN at iteration 1"):
        SmallTrainer(tmp_path, [hook], model=FiniteLoss(norm=False)).run()
    assert hook.skipped == 1


def test_it_says_where_it_does_not_fit(tmp_path):
    trainer = SmallTrainer(tmp_path, [guard(tmp_path)])
    trainer._trainer = SimpleTrainer(trainer.model, (), trainer.optimizer)
    with pytest.raises(ValueError, match="its step is a SimpleTrainer"):
        trainer.train(0, 1)


def test_an_unknown_policy():
    with pytest.raises(ValueError, match="POLICY must be one of skip, stop, but is 'ignore'"):
        guard(".", policy="ignore")


def test_what_is_told_of_an_image():
    instances = Instances((8, 8), gt_boxes=Boxes(torch.tensor([[1.0, 1, 4, 4], [2, 2, 2, 6], [0, 0, math.nan, 3]])))
    sample = {"image": torch.zeros(3, 8, 8), "image_id": 7, "file_name": "x.png", "instances": instances}
    state = image_metadata(sample)
    assert (state.image_id, state.objects, state.broken_boxes, state.finite_pixels) == (7, 3, 2, True)
    nothing = image_metadata({"image": torch.full((3, 2, 2), math.inf)})
    assert (nothing.objects, nothing.broken_boxes, nothing.finite_pixels) == (0, 0, False)
