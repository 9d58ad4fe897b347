import subprocess
import sys
from types import SimpleNamespace

import pytest

from maskrcnn_project.config import get_config
from maskrcnn_project.training.hooks import MLflowWriter, WandbWriter
from tests.plugin.training.hooks.small_training import At, SmallTrainer, fail


class FakeWandb:
    """What the writer uses of wandb, remembered."""

    def __init__(self):
        self.calls, self.rows, self.finished = [], [], 0

    def init(self, **options):
        self.calls.append(options)
        return SimpleNamespace(id=options["id"] or "run1", log=self.log, finish=self.finish)

    def log(self, scalars, step):
        self.rows.append((step, scalars))

    def finish(self):
        self.finished += 1


def wandb_writer(folder):
    cfg = get_config(None, ["OUTPUT_DIR", str(folder), "HOOKS.WandbWriter.PERIOD", "2"])
    return WandbWriter.from_config(cfg)


def test_wandb_gets_the_scalars_and_one_run_over_a_resume(tmp_path, monkeypatch):
    wandb = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    with pytest.raises(RuntimeError):
        SmallTrainer(tmp_path, [wandb_writer(tmp_path), At(4, fail)]).run()
    SmallTrainer(tmp_path, [wandb_writer(tmp_path)]).run(resume=True)
    assert [call["id"] for call in wandb.calls] == [None, "run1"]
    assert wandb.calls[0]["project"] == "maskrcnn_project"
    assert wandb.calls[0]["config"]["SOLVER"]["BASE_LR"] == 0.001
    assert [step for step, _ in wandb.rows] == [1, 3, 4, 5]
    assert wandb.rows[0][1]["total_loss"] > 0
    assert wandb.finished == 2


class FakeMlflow:
    """What the writer uses of MLflow, remembered."""

    def __init__(self):
        self.runs, self.rows, self.texts, self.ended = [], [], {}, 0

    def set_experiment(self, name):
        self.experiment = name

    def start_run(self, run_id):
        self.runs.append(run_id)
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id or "run1"))

    def log_text(self, text, name):
        self.texts[name] = text

    def log_metrics(self, metrics, step):
        self.rows.append((step, metrics))

    def end_run(self):
        self.ended += 1


def test_mlflow_gets_finite_scalars_and_the_config(tmp_path, monkeypatch):
    mlflow = FakeMlflow()
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    writer = MLflowWriter.from_config(get_config(None, ["HOOKS.MLflowWriter.PERIOD", "3"]))
    trainer = SmallTrainer(tmp_path, [writer], max_iter=4)
    trainer.register_hooks([At(2, lambda: trainer.storage.put_scalar("segm/APl", float("nan")))])
    trainer.run()
    assert mlflow.runs == [None]
    assert "BASE_LR: 0.001" in mlflow.texts["config.yaml"]
    assert [step for step, _ in mlflow.rows] == [2, 2, 3]  # the NaN of iteration 2 came after it was written
    assert not any("segm/APl" in metrics for _, metrics in mlflow.rows)
    assert mlflow.ended == 1


@pytest.mark.parametrize(("kind", "package"), [(WandbWriter, "wandb"), (MLflowWriter, "mlflow")])
def test_a_missing_package_is_one_sentence(kind, package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    trainer = SmallTrainer(tmp_path, [kind.from_config(get_config())])
    with pytest.raises(ImportError, match=f"pip install {package}, or take it out of HOOKS.NAMES"):
        trainer.run()


def test_neither_is_imported_unasked():
    code = "import sys, maskrcnn_project.training.hooks; print([m for m in ('wandb', 'mlflow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
