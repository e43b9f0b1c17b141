#!/usr/bin/env bash
# Triton 3.6.0: `tl.dot` of float64 tiles of 64 × 64 or more does not compile for compute capability 10.0 (B200, GB200). What a good
# engineer would guess: a kernel that compiles for 8.0 and 9.0, where it is on tensor cores, compiles for 10.0, too. What happens: the
# compiler takes it for a product of Blackwell's tensor memory, which has none in float64, computes a column stride of 32 / 64 = 0, and
# ends with "colStride must be 1, 2, or 4 but got but got 0" and "PassManager::run failed". Tiles of 32 × 32 compile (without
# tensor cores), and so do larger ones by Triton 3.9.0 (with them). No GPU is needed to see it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/product.py" <<'PYTHON'
import sys

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource


@triton.jit
def product(a, b, c, SIDE: tl.constexpr):
    row, column = tl.arange(0, SIDE)[:, None] * SIDE, tl.arange(0, SIDE)[None, :]
    x, y = tl.load(a + row + column), tl.load(b + row + column)
    tl.store(c + row + column, tl.dot(x, y, out_dtype=tl.float64))


def compiles(capability, side):
    types = {"a": "*fp64", "b": "*fp64", "c": "*fp64", "SIDE": "constexpr"}
    source = ASTSource(product, types, {"SIDE": side})
    try:
        triton.compile(source, GPUTarget("cuda", capability, 32), {"num_warps": 8})
    except RuntimeError:
        return False
    return True


found = {(c, side): compiles(c, side) for c in (90, 100) for side in (32, 64)}
print("Triton", triton.__version__, found)
assert found == {key: key != (100, 64) or sys.argv[1] != "fails" for key in found}
PYTHON
for version in 3.6.0 3.9.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install -q "triton==$version"
  outcome=$([ "$version" = 3.6.0 ] && echo fails || echo works)
  TRITON_CACHE_DIR="$folder/cache-$version" "$folder/$version/bin/python" "$folder/product.py" "$outcome" 2>/dev/null
done
