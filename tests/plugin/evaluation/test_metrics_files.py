import csv
import json

from maskrcnn_project.evaluation.evaluation_result import as_metrics, evaluate
from maskrcnn_project.evaluation.metrics_files import write_metrics
from tests.plugin.evaluation.small_pairs import image, together

A = (0, 0, 8, 8)


def test_both_files_hold_the_judgement(tmp_path):
    evaluation = evaluate(together(image([(0, *A)], [(0, 0.75, *A)]), names=("cell", "dirt, dust")), 0.5)
    write_metrics(tmp_path / "new" / "folder", evaluation)
    write_metrics(tmp_path / "new" / "folder", evaluation)  # over an earlier evaluation
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["metrics.json", "per_class.csv"]
    text = (tmp_path / "new" / "folder" / "metrics.json").read_text("utf-8")
    assert json.loads(text) == as_metrics(evaluation)
    with (tmp_path / "new" / "folder" / "per_class.csv").open(newline="", encoding="utf-8") as file:
        cell, dirt = csv.DictReader(file)
    assert (cell["class"], cell["objects"], cell["threshold"]) == ("cell", "1", "0.75")
    assert float(cell["f1"]) == 100
    assert (dirt["class"], dirt["objects"], dirt["ap"], dirt["threshold"]) == ("dirt, dust", "0", "", "")
