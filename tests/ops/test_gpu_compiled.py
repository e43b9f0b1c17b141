"""Every launch of the engine compiles, and fits GPUs that need not be there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra gpu is not installed: PyTorch")
pytest.importorskip("triton", reason="the extra gpu is not installed: Triton")

import triton

pytestmark = pytest.mark.gpu

# For compute capability 10.0, Triton 3.6 takes no tensor cores for float64, and spills registers.
NO_CORES = tuple(map(int, triton.__version__.split(".")[:2])) < (3, 9)

KERNELS = Path(__file__).parents[2] / "src" / "rmodels" / "ops"
# Bytes of shared memory that a program may have. Compute capability 8.6 and 8.9 run what is
# compiled as for 8.0, and have the least of all.
SHARED = {80: 99 << 10, 90: 227 << 10, 100: 227 << 10}
CORES = {80: "mma.sync", 90: "wgmma.mma_async", 100: "tcgen05.mma"}

EXACT = {
    *("distances_kernel", "normalise_kernel", "square_root_kernel"),
    *("assign_kernel", "own_squares_kernel", "sums_kernel"),
    *("gains_kernel", "seed_kernel", "potentials_kernel"),
}


def compiled(capability):
    """Return what `compile_kernels.py` prints, from a process in which the interpreter is off."""
    script = Path(__file__).with_name("compile_kernels.py")
    done = subprocess.run(
        [sys.executable, str(script), str(capability)],
        env={**os.environ, "TRITON_INTERPRET": "0", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("capability", SHARED)
def test_every_launch(capability):
    found = compiled(capability)
    written = " ".join(path.read_text() for path in KERNELS.glob("*/kernels.py"))
    names = {word.partition("(")[0] for word in written.split() if "_kernel(" in word}
    assert {launch["kernel"] for launch in found} == names
    for launch in found:
        assert launch["shared"] <= SHARED[capability], launch
        if (launch["kernel"], capability) == ("products_kernel", 100) and NO_CORES:
            continue
        assert launch["spilled"] <= 8, launch
        double = [word for word in launch["instructions"] if "f64" in word]
        match launch["kernel"]:
            case "product_bounds_kernel":
                core = CORES[capability]
                products = [w for w in launch["instructions"] if w.startswith(core)]
                assert products, launch
                if capability < 100:  # there, the types are operands
                    assert all(".f32.f16.f16" in word for word in products)
            case "products_kernel":
                assert any("mma" in word and "f64.f64.f64.f64" in word for word in double), launch
            case kernel if kernel in EXACT:
                # every operation is rounded on its own
                assert set(double) <= {"sqrt.rn.f64", "div.rn.f64"}, launch
                roots = kernel in ("normalise_kernel", "square_root_kernel")
                assert ("sqrt.rn.f64" in double) == roots, launch
