PYTHON ?= python3
PY := .venv/bin/python
BUILD_TOOLS := 'scikit-build-core>=0.11.2' 'nanobind>=2.4' 'cmake>=3.26' 'ninja>=1.11'
SOURCES := $(shell find src evidence/src -name '*.cpp' -o -name '*.hpp' -o -name '*.h')
PYTHON_FILES := $(shell find src evidence/src -name '*.py')
BUILD_FILES := pyproject.toml CMakeLists.txt $(wildcard cmake/* evidence/*.*) src/rmodels/__init__.py $(SOURCES)
# A build with other settings is another build.
SETTINGS := $(if $(RMODELS_BUILD),$(RMODELS_BUILD),native)

.DELETE_ON_ERROR:
.PHONY: demo test test-only test-processors test-oldest test-gpu-oldest conformance test-gpu test-interpreter lint sanitize format stub clean help

help: ## what make does
	@sed -n 's/^\([a-z-]*\):.* ## /make \1: /p' Makefile
	@echo "PYTHON=python3.12 chooses another Python; RMODELS_BUILD=pure builds without the native engine."

# Threads of OpenMP and OpenBLAS that have no work sleep at once: where processes of tests share the
# cores, those that spin take more time than the tests. Times that are shown to people are without it.
TESTS := test test-only test-processors test-oldest test-gpu-oldest test-wheel conformance test-gpu test-interpreter sanitize
$(TESTS): export OMP_WAIT_POLICY := passive
$(TESTS): export OPENBLAS_THREAD_TIMEOUT := 4

PARALLEL := -n logical --dist loadgroup

demo: .venv/demo-$(SETTINGS) ## set up, and run the models on real data
	$(PY) -m rmodels demo

test: lint test-only ## set up, and run every check

# The same without lint.
test-only: build/pure ## the same without lint
	$(PY) -m pytest $(PARALLEL)

# The wheels of the reference engine alone, which tests/test_package.py looks into.
build/pure: .venv/test-$(SETTINGS) $(BUILD_FILES) $(PYTHON_FILES)
	rm -rf build/pure
	RMODELS_BUILD=pure $(PY) -m pip wheel -q --no-deps --no-build-isolation -w build/pure . ./evidence
	@touch $@

# The tests that touch BLAS, as on other processors, with 1 to 3 threads, and on busy cores: an hour.
# SHORT=--short runs one setting of them.
test-processors: .venv/test-$(SETTINGS) ## the tests that touch BLAS, as on other processors; SHORT=--short: in one setting
	$(PY) tests/processors.py $(SHORT)

# The tests with the oldest versions that pyproject.toml promises, of Python too, and a wheel of ours.
OLDEST := build/oldest
test-oldest: $(OLDEST)/installed ## the tests with the oldest versions that are promised
	$(OLDEST)/bin/python -m pytest $(PARALLEL)

$(OLDEST)/tools: pyproject.toml evidence/pyproject.toml tests/oldest.py
	rm -rf $(OLDEST)
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python tests/oldest.py $(BUILD_TOOLS) > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install -q --upgrade pip
	$(OLDEST)/bin/python -m pip install -q -c $(OLDEST)/constraints.txt $(BUILD_TOOLS)
	@touch $@

$(OLDEST)/installed: $(OLDEST)/tools $(BUILD_FILES) $(PYTHON_FILES)
	$(OLDEST)/bin/python -m pip install -q --no-build-isolation -c $(OLDEST)/constraints.txt \
	  '.[test]' './evidence[test]'
	@touch $@

# The GPU engine with the oldest PyTorch and Triton, in the interpreter, whose code NumPy warns of.
test-gpu-oldest: $(OLDEST)/gpu ## the GPU engine with the oldest PyTorch and Triton
	TRITON_INTERPRET=1 OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -n logical \
	  -W 'ignore:Conversion of an array:DeprecationWarning' $(INTERPRETED)

$(OLDEST)/gpu: $(OLDEST)/installed
	$(OLDEST)/bin/python -m pip install -q -c $(OLDEST)/constraints.txt 'rmodels[gpu]'
	@touch $@

# The wheel of the source distribution, checked, and tested outside of the checkout in an environment without a compiler.
# PYTHON names the Python it is for: from 3.12 on, the stable ABI.
.PHONY: test-wheel
test-wheel: ## the wheel, checked and tested outside of the checkout
	$(PYTHON) tests/installed.py build/wheel $(PARALLEL) tests

# scikit-learn's own tests, with ours in the place of scikit-learn's, on both engines.
# SHORT=--short runs fewer of the reference engine.
SEEDS := 0-4
conformance: .venv/test-$(SETTINGS) ## scikit-learn's own tests; SEEDS=0 SHORT=--short: fewer
	$(PY) tests/conformance/run.py --seeds $(SEEDS) $(SHORT)

# The part of its tests that takes a few minutes.
INTERPRETED := tests/ops/test_gpu*.py tests/evidence/test_gpu*.py tests/data/test_tensors.py
INTERPRETER := TRITON_INTERPRET=1 OMP_NUM_THREADS=1 $(PY) -m pytest -n logical
# The GPU engine's contract, on the GPU if there is one, else in Triton's interpreter.
test-gpu: .venv/gpu-$(SETTINGS) ## the GPU engine, on the GPU or in Triton's interpreter
	if $(PY) -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; \
	  then $(PY) -m pytest -n 4 -m gpu; \
	  else $(INTERPRETER) -m gpu; fi

# A part of it, in the interpreter, and whether all kernels compile for GPUs.
test-interpreter: .venv/gpu-$(SETTINGS) ## a part of that, in the interpreter
	$(INTERPRETER) $(INTERPRETED)

.venv/gpu-$(SETTINGS): .venv/test-$(SETTINGS)
	$(PY) -c 'import torch, triton' 2>/dev/null || $(PY) -m pip install -q --no-build-isolation -e '.[gpu-test]'
	@touch $@

# What tests/on_a_gpu.py takes along to a machine that has a GPU, and neither network nor pip. GPU_PYTHON is a Python of
# the version that machine has.
GPU_KIT := build/gpu-kit
GPU_PYTHON ?= $(PYTHON)
GPU_TAG = $(shell $(GPU_PYTHON) -c 'import sys; print(sys.implementation.cache_tag)')
GPU_PACKAGES := click execnet hypothesis iniconfig markdown-it-py mdurl nanobind packaging pandas patsy pluggy pygments \
  pytest pytest-timeout pytest-xdist python-dateutil rich six sortedcontainers statsmodels threadpoolctl
.PHONY: gpu-kit
gpu-kit: ## what tests take along to a machine with a GPU and no network
	rm -rf $(GPU_KIT)
	$(GPU_PYTHON) -m pip wheel -q --no-deps -w $(GPU_KIT)/wheel .
	$(GPU_PYTHON) -m zipfile -e $(GPU_KIT)/wheel/rmodels-*.whl $(GPU_KIT)/wheel
	mv $(GPU_KIT)/wheel/rmodels/native $(GPU_KIT)/native
	rm -r $(GPU_KIT)/wheel $(GPU_KIT)/native/*.py
	$(GPU_PYTHON) -m pip install -q --no-deps --no-compile --only-binary :all: --target $(GPU_KIT)/$(GPU_TAG) $(GPU_PACKAGES)
	find $(GPU_KIT)/$(GPU_TAG) -depth -type d -name tests -exec rm -r {} +

# The documentation as a site in build/docs; its notebooks are executed, its warnings are errors.
.PHONY: docs
docs: .venv/docs ## the documentation, in build/docs
	$(PY) -m sphinx -q -W --keep-going docs build/docs
	@echo build/docs/index.html

# The same by version: in SERVED, a copy of what is served, a folder of this version beside those of others.
SERVED := build/site
.PHONY: site
site: docs ## the same by version, in SERVED
	$(PY) docs/by_version.py build/docs $(SERVED)
	@echo $(SERVED)/index.html

.venv/docs: .venv/test-$(SETTINGS) pyproject.toml
	$(PY) -m pip install -q --no-build-isolation -e '.[test,docs]'
	@touch $@

WORKFLOWS := $(wildcard .github/workflows/*.yml)
lint: .venv/test-$(SETTINGS) ## style, types and imports
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/clang-format --dry-run -Werror $(SOURCES)
	$(if $(WORKFLOWS),.venv/bin/check-jsonschema -q --builtin-schema vendor.github-workflows $(WORKFLOWS))
	$(if $(WORKFLOWS),.venv/bin/zizmor --offline -q .github)

# The native engine's tests under AddressSanitizer and UndefinedBehaviorSanitizer. -S leaves the
# editable install out, so that the sanitized build is the one imported.
SITE = $(shell $(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
SANITIZERS = $(shell $(CXX) -print-file-name=libasan.so) $(shell $(CXX) -print-file-name=libubsan.so)
SANITIZED = LD_PRELOAD="$(SANITIZERS)" ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc \
  PYTHONPATH="build/sanitized:$(SITE)" $(PY) -S
# Each process of pytest-xdist is started with -S, too. Tests of threads have the processor to themselves;
# those of the library for other languages build a sanitized one.
WORKERS = --tx $(shell $(PY) -c 'import os; print(os.cpu_count())')'*popen//python=$(PY) -S'
sanitize: build/sanitized ## the native engine's tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(SANITIZED) -c 'import rmodels; assert "sanitized" in rmodels.__file__, rmodels.__file__'
	$(SANITIZED) -m pytest -q -p no:cacheprovider -d $(WORKERS) --ignore-glob='*test_gpu*' \
	  -k 'not [reference' tests/ops
	$(SANITIZED) -m pytest -q -p no:cacheprovider tests/native

# For the instruction sets that this processor runs: no test meets the others.
RUNS = $(shell $(PY) -c 'from rmodels import native; print(*native.instruction_sets(), sep=";")')
build/sanitized: .venv/test-$(SETTINGS) $(BUILD_FILES) $(PYTHON_FILES)
	rm -rf build/sanitized
	$(PY) -m pip install -q --no-build-isolation --no-deps --target build/sanitized \
	  -C cmake.define.RMODELS_SANITIZE=ON -C 'cmake.define.RMODELS_SETS=$(RUNS)' \
	  -C build-dir=build/sanitizing .
	@touch $@

# The library for other languages, and its examples in C++ and Rust, run.
.PHONY: native-examples
LIBRARY := build/library
native-examples: .venv/tools ## the library for other languages, and its examples
	PATH="$(CURDIR)/.venv/bin:$$PATH" cmake -S src/librmodels -B $(LIBRARY)
	PATH="$(CURDIR)/.venv/bin:$$PATH" cmake --build $(LIBRARY) --parallel --target all example_cpp
	$(LIBRARY)/example_cpp
	@if command -v rustc >/dev/null; then \
	  rustc --edition 2021 -O src/librmodels/examples/models.rs -L $(LIBRARY) -o $(LIBRARY)/example_rs && \
	  LD_LIBRARY_PATH=$(LIBRARY) DYLD_LIBRARY_PATH=$(LIBRARY) $(LIBRARY)/example_rs; \
	else echo "no rustc: the example in Rust was not run"; fi

format: .venv/test-$(SETTINGS) ## format all sources
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	.venv/bin/clang-format -i $(SOURCES)

# The public names for type checkers: __init__.pyi of src/rmodels and of its families.
stub: .venv/test-$(SETTINGS) ## the public names for type checkers
	$(PY) tests/shared/stub.py

clean: ## remove what all these made
	rm -rf .venv build

.venv/tools:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "rmodels needs Python 3.11 or newer; $(PYTHON) is $$({ $(PYTHON) --version || echo missing; } 2>/dev/null)."; \
	  echo "Install one and say: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(PY) -m pip install -q $(BUILD_TOOLS)
	@touch $@

# .venv/demo-... and .venv/test-...: the package is installed, without or with what the tests need.
.venv/demo-$(SETTINGS): EXTRA :=
.venv/test-$(SETTINGS): EXTRA := [test]
.venv/demo-$(SETTINGS) .venv/test-$(SETTINGS): .venv/tools $(BUILD_FILES)
	@[ "$(SETTINGS)" = pure ] || command -v $${CXX:-c++} >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || { \
	  echo "No C++ compiler found (looked for $${CXX:-c++}, g++ and clang++)."; \
	  echo "Debian or Ubuntu: apt install g++     Fedora: dnf install gcc-c++     macOS: xcode-select --install"; \
	  echo "Without one, the slower reference engine still works: make RMODELS_BUILD=pure demo"; exit 1; }
	$(PY) -m pip install -q --no-build-isolation -e '.$(EXTRA)' -e './evidence$(EXTRA)'
	@rm -f .venv/demo-* .venv/test-*
	@touch .venv/demo-$(SETTINGS) $@
