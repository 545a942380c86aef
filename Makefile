# make book   the rendered book, in _build/html, and in Chinese in _build/html/zh
# make test   everything that CI checks: `make checked`, the pages and unit tests, then `make browser`
# make peers  our block against other people's packages, which it installs first
# make foreign   a block put into other people's models, their bytes, and ONNX; installs them first
# make bench  bytes and times beside theirs, into book/data; wants a quiet machine
# make mutants   the module with one mistake at a time: 40 a room, or MUTANTS=all; JUDGE=pages ROOMS="…"
# make gpu    all that the book says of CUDA, checked on the first GPU, in eight minutes
# make portable   pages and tests as on other machines, into book/data/tested_on.json; half an hour
# make mutants-book   the book with one mistake at a time, and which checks notice; two hours
# make notebooks   run the pages again and write their outputs back

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# Where torch comes from: on Linux without an NVIDIA card, PyTorch's index of CPU builds, since PyPI's
# torch brings several GB of CUDA there. Set it to another index, or to nothing for pip's own choice.
TORCH_INDEX ?= $(if $(PIP_INDEX_URL)$(PIP_EXTRA_INDEX_URL),,$(shell { test "$$(uname)" = Linux && \
	! nvidia-smi -L >&2 && echo https://download.pytorch.org/whl/cpu; } 2>/dev/null))
BIN := .venv/bin
INSTALL = $(BIN)/python tools/install.py
READY := .venv/.ready
export KINETO_LOG_LEVEL ?= 6

.PHONY: book test checked units browser lint peers foreign install-peers bench mutants gpu portable mutants-book notebooks clean
book test units browser peers foreign mutants mutants-book notebooks: export OMP_NUM_THREADS ?= 1

book: $(READY)
	@$(BIN)/python tools/build_book.py
	@echo "The book is ready. Open $(CURDIR)/_build/html/index.html (English) or zh/index.html there (中文)"

test: checked browser

checked: lint units

units: $(READY)
	$(BIN)/python -m pytest --nbval -n 2 --dist loadscope --no-loadscope-reorder -q

browser: book
	$(BIN)/python -m pytest -n 2 --dist loadgroup -q tests/browser

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --exclude '*.ipynb' .
	$(BIN)/codespell nonlocal_tut tests tools bench book README.md CONTRIBUTING.md CHANGELOG.md
	$(BIN)/mypy
	$(BIN)/zizmor --offline --quiet --pedantic .github

install-peers: $(READY)
	@$(INSTALL) --no-deps -r requirements-peers.txt

peers: install-peers
	REQUIRE_PEERS=1 $(BIN)/python -m pytest -q tests/test_peers.py

foreign: $(READY)
	@$(INSTALL) --no-deps -r requirements-foreign.txt
	REQUIRE_FOREIGN=1 $(BIN)/python -m pytest -n 2 -q tests/test_foreign.py tests/test_networks.py tests/test_onnx.py

bench: install-peers
	$(BIN)/python -m bench $(BENCH)

mutants: $(READY)
	@$(INSTALL) --no-deps -r requirements-mutants.txt
	$(BIN)/python tools/mutants.py --sample $(or $(MUTANTS),40) --judge $(or $(JUDGE),tests) $(ROOMS)

gpu: $(READY)
	$(BIN)/python tools/gpu.py $(GPU)

portable: $(READY)
	$(BIN)/python tools/portable.py $(PORTABLE)

mutants-book: $(READY)
	$(BIN)/python tools/mutants_book.py $(MUTANTS)

notebooks: $(READY)
	$(BIN)/python tools/run_notebooks.py

$(READY): requirements.txt constraints.txt pyproject.toml
	@$(if $(PYTHON),,echo "This book needs Python 3.11 or newer; none was found. Name one: make PYTHON=/path/to/python3.11" >&2; exit 1)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "This book needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; exit 1; }
	@echo "Setting up .venv with $(PYTHON): a few minutes at most, once"
	@echo "torch: from $(if $(TORCH_INDEX),$(TORCH_INDEX) if that answers,pip's own index). To choose otherwise:" \
		"make clean book TORCH_INDEX=ADDRESS, or TORCH_INDEX= for pip's own"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet "$$(grep '^uv==' requirements.txt)" 2>/dev/null || true
	@$(if $(TORCH_INDEX),PIP_RETRIES=0 $(INSTALL) --no-deps --extra-index-url $(TORCH_INDEX) \
		"$$(grep '^torch==' requirements.txt)")
	@$(INSTALL) -r requirements.txt -c constraints.txt --editable .
	@$(BIN)/python -c 'import torch; print("torch", torch.__version__, "is in .venv")'
	@touch $@

clean:
	rm -rf _build .venv
