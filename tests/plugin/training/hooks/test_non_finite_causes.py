import pytest

from maskrcnn_project.training.hooks.non_finite_causes import ImageMetadata, StepEvidence, likely_cause


def image(name="a.png", **state):
    return ImageMetadata(
        **{"image_id": 1, "file_name": name, "objects": 3, "finite_pixels": True, "broken_boxes": 0, **state}
    )


def evidence(**state):
    usual = {"broken_losses": ["loss_mask"], "images": [image(), image("b.png")], "learning_rate": 0.0025}
    return StepEvidence(**{**usual, "is_sgd": True, "half_precision": False, "gradients_overflow": False, **state})


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"broken_weights": ["backbone.stem.conv1.weight"], "half_precision": True}, "the weights were broken before"),
        ({"images": [image("bad.png", finite_pixels=False)]}, "bad.png holds pixels that are not finite"),
        (
            {"images": [image(), image("c.png", broken_boxes=1), image("d.png", broken_boxes=2)]},
            "c.png (and 1 more) has objects without area",
        ),
        ({"half_precision": True}, "float16 overflowed"),
        ({"broken_losses": [], "gradients_overflow": True}, "float16 overflowed"),
        ({"learning_rate": 0.02}, "0.02 is 8.0 times the usual 0.0025 for 2 images per step: lower SOLVER.BASE_LR"),
        ({"learning_rate": 0.02, "is_sgd": False}, "loss_mask alone tells of no known cause"),
        ({"recent_losses": [1.0, 1.0, 1.0, 9.0]}, "the loss was rising (from 1 to 9)"),
        ({"recent_losses": [1.0, 1.0, 1.0, 2.0]}, "loss_mask alone tells of no known cause"),
        ({"broken_losses": [], "broken_gradients": ["x", "y"]}, "x (and 1 more) alone tells of no known cause"),
    ],
)
def test_the_likeliest_cause(state, said):
    assert said in likely_cause(evidence(**state))
