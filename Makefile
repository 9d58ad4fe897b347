# Everything runs in .venv, which the first command makes. PYTHON may name another interpreter (3.10 or newer).
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DEMO_OUTPUT ?= output/demo
# Further KEY VALUE pairs for the demo's training, e.g. DEMO_OPTS="SOLVER.MAX_ITER 40".
DEMO_OPTS ?=
DEMO_CONFIG := configs/quick/mask_rcnn_R_18_FPN_shapes.yaml

.PHONY: demo test test-slow test-counterparts check lint types format venv clean

demo: $(STAMP)
	@if [ -e $(DEMO_OUTPUT) ]; then rm -rf $(DEMO_OUTPUT).previous && mv $(DEMO_OUTPUT) $(DEMO_OUTPUT).previous; fi
	$(BIN)/python tools/train_net.py --config-file $(DEMO_CONFIG) OUTPUT_DIR $(DEMO_OUTPUT) $(DEMO_OPTS)
	$(BIN)/python tools/predict.py --run $(DEMO_OUTPUT) --input datasets/shapes/val --output $(DEMO_OUTPUT)/predictions
	@$(BIN)/python tools/summarize_run.py $(DEMO_OUTPUT)

test: $(STAMP)
	$(BIN)/python -m pytest

# Minutes of simulation, which `make test` leaves out.
test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

# LabelMe, Ultralytics and Datumaro, installed into environments of their own, read what is written for them.
test-counterparts: $(STAMP)
	$(BIN)/python -m pytest -m counterparts

check: lint types test

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

venv: $(STAMP)

$(STAMP): setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed; say which with: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $(STAMP)

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
