import pytest
import torch
from torch import nn

from maskrcnn_project.training.hooks import ModelEMA
from maskrcnn_project.training.hooks.model_ema import ramped_decay, update_average
from tests.plugin.training.hooks.small_training import At, SmallTrainer, fail


def test_the_decay_rises():
    assert [round(ramped_decay(0.999, n), 4) for n in (1, 8, 98)] == [0.1818, 0.5, 0.9167]  # 2/11, 9/18, 99/108
    assert ramped_decay(0.999, 10**6) == 0.999
    assert ramped_decay(0.1, 1) == 0.1


def test_one_update_by_hand():
    average, model = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    with torch.no_grad():
        model.weight.fill_(3.0)
        model.running_mean.fill_(4.0)
        model.num_batches_tracked.fill_(7)
    update_average(average, model, 0.75)
    assert average.weight.item() == 1.5  # 1 + (3 - 1) / 4
    assert average.running_mean.item() == 1.0  # 0 + (4 - 0) / 4
    assert average.bias.item() == 0.0
    assert average.num_batches_tracked.item() == 7  # a count is no weight


def test_the_average_of_a_training(tmp_path):
    seen = []
    ema = ModelEMA(tmp_path, 0.9, evaluation_period=0, evaluates=False)
    trainer = SmallTrainer(tmp_path, [ema], max_iter=3)
    for i in range(3):
        trainer.register_hooks([At(i, lambda: seen.append(trainer.model.head.bias.detach().clone()))])
    first = trainer.model.head.bias.detach().clone()
    trainer.run()
    average = first
    for update, weights in enumerate(seen, start=1):
        decay = (1 + update) / (10 + update)
        average = decay * average + (1 - decay) * weights
    torch.testing.assert_close(ema.averaged.head.bias, average)
    saved = torch.load(tmp_path / "model_ema.pth", weights_only=True)
    assert torch.equal(saved["model"]["head.bias"], ema.averaged.head.bias)
    assert saved["iteration"] == 2
    assert (tmp_path / "last_checkpoint").read_text() == "model_final.pth"


def test_a_resumed_average_is_that_of_an_unbroken_training(tmp_path):
    def ema(name):
        (tmp_path / name).mkdir(exist_ok=True)
        return ModelEMA(tmp_path / name, 0.5, evaluation_period=0, evaluates=False)

    whole = ema("whole")
    SmallTrainer(tmp_path / "whole", [whole]).run()
    with pytest.raises(RuntimeError):  # the last checkpoint is that of iteration 3
        SmallTrainer(tmp_path / "parts", [ema("parts"), At(4, fail)]).run()
    resumed = ema("parts")
    SmallTrainer(tmp_path / "parts", [resumed]).run(resume=True)
    assert resumed.updates == whole.updates == 6
    for name, value in whole.averaged.state_dict().items():
        assert torch.equal(value, resumed.averaged.state_dict()[name]), name


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_that_cannot_be(tmp_path, decay):
    with pytest.raises(ValueError, match="DECAY must be at least 0 and below 1"):
        ModelEMA(tmp_path, decay, 0)
