import json
import math

import cv2

from maskrcnn_project.visualization.curves import draw_run_curves, read_metrics, smooth


def write(path, records, tail=""):
    path.write_text("".join(json.dumps(r) + "\n" for r in records) + tail)
    return path


def test_a_resumed_run_overwrites_what_it_did_again(tmp_path):
    records = [{"iteration": i, "total_loss": v} for i, v in ((0, 3.0), (20, 2.0), (0, 9.0))]
    metrics = read_metrics(write(tmp_path / "m.json", records, tail='{"iteration": 40, "tot'))
    assert metrics == {"total_loss": [(0, 9.0), (20, 2.0)]}


def test_smoothing_starts_at_the_first_value_and_steps_over_nan():
    assert smooth([2.0, math.nan, 2.0]) == [2.0, 2.0, 2.0]
    # weights 0.8 * 0.2 and 0.2 over their sum 0.36
    assert math.isclose(smooth([0.0, 9.0])[1], 9 * 0.2 / 0.36)


def test_draws_losses_and_ap(tmp_path):
    records = [{"iteration": i, "total_loss": 3 / (i + 1), "loss_mask": 1 / (i + 1), "lr": 0.01} for i in range(9)]
    records.append({"iteration": 9, "segm/AP": 40.0, "bbox/AP": math.nan, "val/total_loss": 0.5})
    assert draw_run_curves(write(tmp_path / "m.json", records), tmp_path / "curve.png")
    picture = cv2.imread(str(tmp_path / "curve.png"))
    assert picture is not None and picture.std() > 1


def test_no_losses_no_picture(tmp_path):
    assert not draw_run_curves(write(tmp_path / "m.json", [{"iteration": 1, "lr": 1.0}]), tmp_path / "c.png")
    assert not (tmp_path / "c.png").exists()
