import itertools
import math

import pytest
import torch
from detectron2.utils.events import EventStorage

from maskrcnn_project.training.hooks import BestCheckpoint, EarlyStopping, ValidationLoss
from maskrcnn_project.training.hooks.metric import Metric
from maskrcnn_project.training.hooks.validation_loss import mean_losses, spread_evenly, validation_loader
from tests.plugin.training.hooks.small_training import SmallModel, SmallTrainer, batches
from tests.plugin.training.hooks.tiny_training import DATASET, Trainer, tiny, train  # noqa: F401


def two_batches():
    """Of 4 and of 2 samples."""
    return [next(batches(4, seed=1)), next(batches(2, seed=2))]


def test_losses_are_means_over_images_with_the_statistics_of_testing():
    model = SmallModel().train()
    model.norm.running_mean.fill_(0.5)
    (four, two), sums = two_batches(), {"loss_a": 0.0, "loss_b": 0.0}
    model.eval()
    for sample in four + two:  # one by one, which a norm in training mode could not do
        out = model([sample])[0]["instances"]
        sums["loss_a"] += float(out[0].detach() ** 2)
        sums["loss_b"] += float((out[1].detach() - 1).abs())
    model.train()
    found = mean_losses(model, two_batches())
    assert list(found) == ["total_loss", "loss_a", "loss_b"]
    assert found["loss_a"] == pytest.approx(sums["loss_a"] / 6)
    assert found["loss_b"] == pytest.approx(sums["loss_b"] / 6)
    assert found["total_loss"] == pytest.approx((sums["loss_a"] + sums["loss_b"]) / 6)
    assert model.training
    assert model.norm.running_mean.tolist() == [0.5] * 3
    assert model.norm.num_batches_tracked == 0


def test_no_images_no_losses():
    assert mean_losses(SmallModel(), []) == {}


class Diverged(SmallModel):
    """Says so in place of the losses of batches of ``size`` while gradients are off, as Detectron2's RPN does."""

    def __init__(self, size):
        super().__init__(norm=False)
        self.size = size

    def forward(self, batch):
        if len(batch) == self.size and not torch.is_grad_enabled():
            raise FloatingPointError("Predicted boxes or scores contain Inf/NaN. Training has diverged.")
        return super().forward(batch)


def broken_batch():
    return next(batches(4, broken={0}))


@pytest.mark.parametrize(
    ("model", "validation", "names"),
    [
        (SmallModel(norm=False), [broken_batch()], {"total_loss", "loss_a", "loss_b"}),
        (Diverged(2), two_batches(), {"total_loss", "loss_a", "loss_b"}),  # the second batch
        (Diverged(4), two_batches(), {"total_loss"}),  # the first: what the losses are called is not known
    ],
)
def test_a_loss_that_is_not_finite_is_logged_and_the_training_goes_on(tmp_path, caplog, model, validation, names):
    hook = ValidationLoss({"x": validation}, period=2)
    trainer = SmallTrainer(tmp_path, [hook], model=model, max_iter=6)
    trainer.run()
    assert trainer.iter == 6
    assert {n[len("val/") :] for n in trainer.storage.histories() if n.startswith("val/")} == names
    values = trainer.storage.history("val/total_loss").values()
    assert [iteration for _, iteration in values] == [1, 3, 5]
    assert all(math.isnan(value) for value, _ in values)
    assert caplog.text.count("The validation loss is infinite or NaN at iteration") == 1
    assert "at iteration 1 (val/total_loss" in caplog.text


def test_a_validation_that_fails_does_not_change_the_training(tmp_path):
    weights = []
    for number, hooks in enumerate([[], [ValidationLoss({"x": two_batches()}, 1)]]):
        torch.manual_seed(0)
        trainer = SmallTrainer(tmp_path / str(number), hooks, model=Diverged(2))
        trainer.run()
        weights.append(trainer.model.state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_other_hooks_take_a_loss_that_is_not_finite(tmp_path):
    metric = Metric("val/total_loss", "min")
    hooks = [
        ValidationLoss({"x": [broken_batch()]}, 1),
        BestCheckpoint(tmp_path, metric, 1),
        EarlyStopping(tmp_path, metric, 1, 3, 0.0),
    ]
    trainer = SmallTrainer(tmp_path, hooks, model=SmallModel(norm=False), max_iter=6)
    assert trainer.run().code == 0  # patience is 3, and the first is at iteration 0
    assert trainer.iter == 3
    assert not list(tmp_path.glob("model_best*"))


def test_a_share_without_images_is_kept(tiny, monkeypatch):  # noqa: F811
    """As on the second of two processes with one image: its loader is false, but its set is one of the sets."""
    module = "maskrcnn_project.training.hooks.validation_loss"
    monkeypatch.setattr(f"{module}.build_detection_test_loader", lambda *_, **__: torch.utils.data.DataLoader([]))
    hook = ValidationLoss.from_config(tiny("ValidationLoss"))
    assert list(hook.loaders) == [DATASET] and not hook.loaders[DATASET]


def test_when_they_are_logged_and_for_several_sets(tmp_path):
    trainer = SmallTrainer(tmp_path, [ValidationLoss({"x": two_batches()}, period=4)])
    trainer.run()
    assert [i for _, i in trainer.storage.history("val/total_loss").values()] == [3, 5]
    trainer = SmallTrainer(tmp_path, [ValidationLoss({"x": two_batches(), "y": two_batches()[:1]}, period=0)])
    trainer.run()
    names = {name for name in trainer.storage.histories() if name.startswith("val/")}
    assert {"val/x/total_loss", "val/y/loss_a"} < names
    assert [i for _, i in trainer.storage.history("val/y/total_loss").values()] == [5]


def test_it_is_measured_in_full_precision_whatever_the_training_has(tmp_path):
    trainer = SmallTrainer(tmp_path, [ValidationLoss({"x": two_batches()}, period=0)])
    trainer._trainer.precision = torch.bfloat16
    trainer.run()
    assert trainer.storage.history("val/total_loss").latest() == mean_losses(trainer.model, two_batches())["total_loss"]


@pytest.mark.parametrize(("number", "kept"), [(0, [0, 1, 2, 3, 4]), (9, [0, 1, 2, 3, 4]), (2, [0, 2]), (3, [0, 1, 3])])
def test_a_cap_takes_images_at_equal_distances(number, kept):
    assert [record["n"] for record in spread_evenly([{"n": i} for i in range(5)], number)] == kept


def test_batches_are_resized_as_in_testing_and_never_flipped(tiny):  # noqa: F811
    cfg = tiny("ValidationLoss")
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MIN_SIZE_TRAIN = 48, (96,)
    loader = validation_loader(cfg, DATASET, 0)
    first, second = (list(itertools.chain(*loader)) for _ in range(2))
    assert [tuple(s["image"].shape[1:]) for s in first] == [(48, 60), (60, 48), (48, 48), (48, 64)]
    assert [len(s["instances"]) for s in first] == [2] * 4
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(first, second, strict=True))
    assert [s["image_id"] for batch in validation_loader(cfg, DATASET, 1) for s in batch] == [0, 2]


def test_a_set_without_annotations_is_told(tiny, monkeypatch, caplog):  # noqa: F811
    monkeypatch.setattr(
        "maskrcnn_project.training.hooks.validation_loss.get_detection_dataset_dicts", lambda *_, **__: [{}]
    )
    assert validation_loader(tiny(), DATASET, 0) == []
    assert f"{DATASET} has no annotations" in caplog.text
    assert ValidationLoss.from_config(tiny("ValidationLoss")).loaders == {}


def test_every_component_of_mask_rcnn(tiny):  # noqa: F811
    cfg = tiny("ValidationLoss")
    trainer = train(cfg)
    loader = validation_loader(cfg, DATASET, 0)
    with EventStorage():
        again = [mean_losses(trainer.model, loader) for _ in range(2)]
    assert again[0] == again[1]  # the same proposals are sampled each time
    assert set(again[0]) == {"total_loss", "loss_cls", "loss_box_reg", "loss_mask", "loss_rpn_cls", "loss_rpn_loc"}
    assert trainer.storage.history("val/total_loss").latest() == again[0]["total_loss"]
