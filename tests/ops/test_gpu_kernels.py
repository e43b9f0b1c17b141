"""The kernels compile for a GPU that need not be there, and exact ones do not contract products."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="the extra gpu is not installed: PyTorch")
pytest.importorskip("triton", reason="the extra gpu is not installed: Triton")

# In a process of its own, in which the interpreter is off.
COMPILE = """
import re, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from rmodels.ops.descent import kernels as descent
from rmodels.ops.moments import kernels as moments
from rmodels.ops.nearest import kernels as nearest

F16, F32, F64, I8, I32, I64 = "*fp16", "*fp32", "*fp64", "*i8", "*i32", "*i64"
bounds = dict(low=F32, high=F32, group_errors=F32, query_errors=F32)
products = dict(bounds, queries=F16, points=F16, query_norms=F32, query_squares=F32, squares=F32,
                group_norms=F32, accumulation="fp32")
exact = dict(points=F32, zeros=I8, queries=F32, query_zeros=I8, survivors=I32, counts=I32,
             limits=F64, starts=I64, room=I64, found=I64, sums=F64, indices=I64)
cases = {
    "product": (nearest.product_bounds_kernel, products,
                dict(FEATURES=128, STEP=128, QUERIES=128, TILE=128, GROUP=64), 8, True),
    "product in steps": (nearest.product_bounds_kernel, products,
                         dict(FEATURES=768, STEP=64, QUERIES=128, TILE=128, GROUP=64), 8, True),
    "difference": (nearest.difference_bounds_kernel,
                   dict(bounds, queries=F32, points=F32, padding=F32, relative="fp32"),
                   dict(P=3, QUERIES=64, TILE=128, GROUP=64), 4, True),
    "survivors": (nearest.survivors_kernel,
                  dict(low=F32, high=F32, reach=F32, survivors=I32, counts=I32, ceiling="fp32"),
                  dict(CLASSES=256, BLOCK=1024, QUERIES=1, RADIUS=False), 4, True),
    "exact euclidean": (nearest.distances_kernel, exact,
                        dict(P=2, COSINE=False, COUNT=False, GROUP=64, AT_ONCE=4, QUERIES=1),
                        4, False),
    "exact cosine": (nearest.distances_kernel, dict(exact, points=F64, queries=F64),
                     dict(P=2, COSINE=True, COUNT=True, GROUP=64, AT_ONCE=4, QUERIES=1), 4, False),
    "exact normalise": (nearest.normalise_kernel, dict(rows="*bf16", normalised=F64, zeros=I8),
                        dict(ROWS=32), 1, False),
    "exact root": (nearest.square_root_kernel, dict(squares=F64, roots=F64), dict(BLOCK=1024),
                   4, False),
    "moments": (moments.products_kernel,
                dict(X=F32, Y=F64, weights=F32, shift=F64, products=F64, pairs=I32),
                dict(WEIGHTED=True, ROWS=32, TILE=64), 8, True),
    "gradient": (descent.gradient_kernel,
                 dict(X=F32, Y=F32, weights=F32, shift=F64, coefficients=F64, sums=F64),
                 dict(WEIGHTED=True, SHIFTED=True, ROWS=64, COLUMNS=64, TARGETS=1), 4, True),
}
kernel, types, constants, warps, fusion = cases[sys.argv[1]]
signature = {
    name: "constexpr" if name in constants else types.get(name, "i32") for name in kernel.arg_names
}
source = ASTSource(kernel, signature, constants)
options = dict(num_warps=warps, enable_fp_fusion=fusion)
ptx = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options).asm["ptx"]
print(*sorted(set(re.findall(r"\\b(?:wgmma|mma|fma|sqrt|div)\\.[a-z0-9._]+", ptx))))
"""


def instructions(name):
    environment = {**os.environ, "TRITON_INTERPRET": "0"}
    command = [sys.executable, "-c", COMPILE, name]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("name", ["product", "product in steps"])
def test_scores_on_tensor_cores(name):
    assert any(word.startswith("wgmma") and ".f32.f16.f16" in word for word in instructions(name))


@pytest.mark.parametrize("name", ["euclidean", "cosine", "normalise", "root"])
def test_exact_kernels_round_every_operation(name):
    found = instructions(f"exact {name}")
    assert not any(word.startswith("fma") and "f64" in word for word in found)
    assert {word for word in found if "f64" in word} <= {"sqrt.rn.f64", "div.rn.f64"}
    assert ("sqrt.rn.f64" in found) == (name in ("normalise", "root"))


def test_moments_on_tensor_cores_in_float64():
    assert any("f64.f64.f64.f64" in word for word in instructions("moments"))


@pytest.mark.parametrize("name", ["difference", "survivors", "gradient"])
def test_compiles(name):
    assert instructions(name) is not None
