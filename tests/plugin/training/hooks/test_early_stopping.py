import math

import pytest

from maskrcnn_project.training.hooks import EarlyStopping
from maskrcnn_project.training.hooks.early_stopping import evaluations_since_best
from maskrcnn_project.training.hooks.metric import Metric
from tests.plugin.training.hooks.small_training import At, Evaluations, SmallTrainer, fail

AP = Metric("segm/AP")


@pytest.mark.parametrize(
    ("values", "min_delta", "waited"),
    [
        ([], 0.0, 0),
        ([1.0, 2.0, 3.0], 0.0, 0),
        ([3.0, 2.0, 3.0], 0.0, 2),
        ([3.0, 3.4, 3.6], 0.5, 0),  # 3.6 is better than the best that counted, 3.0
        ([3.0, 3.4, 3.5], 0.5, 2),
        ([3.0, None, None], 0.0, 2),
        ([None], 0.0, 0),  # the first, as [0.0] would be
        ([None, None, None], 0.0, 2),  # as [0.0, 0.0, 0.0] would be
        ([None, 0.0, 0.0], 0.0, 1),
    ],
)
def test_how_many_evaluations_have_been_in_vain(values, min_delta, waited):
    assert evaluations_since_best(values, AP, min_delta) == waited


NOTHING = {"NaN": math.nan, "infinite": -math.inf, "COCO's -1": -1.0, "no value": None}


@pytest.mark.parametrize("nothing", NOTHING.values(), ids=NOTHING.keys())
@pytest.mark.parametrize("first", [5.0, None])
def test_evaluations_in_which_nothing_was_found_count(tmp_path, nothing, first):
    """The first, at iteration 0, is the best; those of 1 and 2 are not better, and patience is 2."""
    values = {0: first if first is not None else nothing, 1: nothing, 2: nothing, 3: 9.0, 4: 9.5, 5: 9.9}
    put = Evaluations({iteration: value for iteration, value in values.items() if value is not None})
    trainer = SmallTrainer(tmp_path, [early_stopping(tmp_path), put])
    assert trainer.run().code == 0
    assert trainer.iter == 2


def test_a_value_after_nothing_is_better(tmp_path):
    values = Evaluations({1: -1.0, 2: 0.0, 3: math.nan, 4: 0.5})
    assert SmallTrainer(tmp_path, [early_stopping(tmp_path), values]).run() is None


@pytest.mark.parametrize("name", ["segm/APP", "val/total_loss"])  # misspelt; its hook is not there
def test_a_metric_that_no_evaluation_gives_does_not_end_a_training(tmp_path, caplog, name):
    hook = EarlyStopping(tmp_path, Metric(name), period=1, patience=2, min_delta=0.0)
    assert SmallTrainer(tmp_path, [hook, Evaluations(dict.fromkeys(range(6), 5.0))]).run() is None
    assert f"There is no metric {name}; there are: segm/AP." in caplog.text


def early_stopping(folder, patience=2, min_delta=0.0):
    return EarlyStopping(folder, AP, period=1, patience=patience, min_delta=min_delta)


def test_it_ends_with_final_weights_and_exit_code_0(tmp_path, caplog):
    caplog.set_level("INFO", "maskrcnn_project")
    trainer = SmallTrainer(tmp_path, [early_stopping(tmp_path), Evaluations({0: 5.0, 1: 4.0, 2: math.nan, 3: 9.0})])
    stopped = trainer.run()
    assert stopped.code == 0
    assert trainer.iter == 2
    assert (tmp_path / "last_checkpoint").read_text() == "model_final.pth"
    assert (
        "has not been better by more than 0 for 2 evaluations: the training stops early, after iteration 2"
        in caplog.text
    )


def test_a_training_that_gets_better_is_left_alone(tmp_path):
    trainer = SmallTrainer(tmp_path, [early_stopping(tmp_path), Evaluations({i: float(i) for i in range(6)})])
    assert trainer.run() is None
    assert trainer.iter == 6


def test_patience_goes_on_after_a_resume(tmp_path):
    """The evaluation at iteration 3 comes after the checkpoint of iteration 3, and counts nevertheless."""
    with pytest.raises(RuntimeError):
        values = Evaluations({0: 3.0, 1: 4.0, 2: 5.0, 3: 4.0, 4: 9.0})
        SmallTrainer(tmp_path, [early_stopping(tmp_path), values, At(3, lambda: None), At(4, fail)]).run()
    resumed = SmallTrainer(tmp_path, [early_stopping(tmp_path), Evaluations({4: 4.5, 5: 9.0})])
    assert resumed.run(resume=True).code == 0
    assert resumed.iter == 4


def test_evaluations_that_are_made_again_count_once(tmp_path):
    with pytest.raises(RuntimeError):  # the last checkpoint is that of iteration 1
        values = Evaluations({0: 4.0, 1: 5.0, 2: 4.0})
        SmallTrainer(tmp_path, [early_stopping(tmp_path), values, At(2, fail)]).run()
    resumed = SmallTrainer(tmp_path, [early_stopping(tmp_path), Evaluations({2: 4.0, 3: 6.0, 4: 7.0})])
    assert resumed.run(resume=True) is None


def test_a_new_run_in_the_same_folder_starts_anew(tmp_path):
    SmallTrainer(tmp_path, [early_stopping(tmp_path), Evaluations({0: 90.0})]).run()
    again = SmallTrainer(tmp_path, [early_stopping(tmp_path), Evaluations({i: float(i) for i in range(6)})])
    assert again.run() is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"period": 0}, "set TEST.EVAL_PERIOD above 0"),
        ({"patience": 0}, "PATIENCE must be at least 1"),
        ({"min_delta": -1.0}, "MIN_DELTA at least 0"),
    ],
)
def test_settings_that_cannot_be(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(tmp_path, AP, **{"period": 1, "patience": 1, "min_delta": 0.0, **options})


def test_a_training_that_has_stopped_does_not_go_on_unless_patience_grows(tmp_path):
    values = {0: 5.0, 1: 4.0, 2: 3.0, 3: 9.0}
    SmallTrainer(tmp_path, [early_stopping(tmp_path), Evaluations(values)]).run()
    again = SmallTrainer(tmp_path, [early_stopping(tmp_path), Evaluations(values)])
    assert again.run(resume=True).code == 0
    assert again.iter == 3  # where it would have begun
    patient = SmallTrainer(tmp_path, [early_stopping(tmp_path, patience=3), Evaluations(values)])
    assert patient.run(resume=True) is None
    assert patient.iter == 6
