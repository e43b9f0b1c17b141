#!/usr/bin/env bash
# Triton 3.6.0 with NumPy 2.4: the interpreter (TRITON_INTERPRET=1) runs no loop up to an argument. What a good engineer would guess: a
# kernel with `for i in range(0, n)`, n an argument, runs in the interpreter as on a device. What happens: the interpreter makes of n an
# array of one element, of which `range` takes an index by int(); NumPy 2.4 ended that for arrays that have a dimension, and the
# kernel ends in an InterpreterError "only 0-dimensional arrays can be converted to Python scalars". With NumPy 2.3 (which warns that it
# is deprecated) it runs, and so does Triton 3.9.0 with either. Triton asks for no version of NumPy, so that pip warns of nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/count.py" <<'PYTHON'
import sys

import numpy
import triton
import triton.language as tl


@triton.jit
def count(n):
    total = 0
    for i in range(0, n):
        total += i
    tl.device_print("total", total)


print("NumPy", numpy.__version__, "Triton", triton.__version__)
try:
    count[(1,)](3)
except Exception as error:
    print(type(error).__name__, error)
    assert sys.argv[1] == "fails" and "only 0-dimensional arrays" in str(error)
else:
    assert sys.argv[1] == "works"
PYTHON
python3 -m venv "$folder/venv"
for versions in "3.6.0 2.3.5 works" "3.6.0 2.4.6 fails" "3.9.0 2.4.6 works"; do
  read -r triton numpy outcome <<< "$versions"
  "$folder/venv/bin/pip" install -q "triton==$triton" "numpy==$numpy"
  TRITON_INTERPRET=1 "$folder/venv/bin/python" -W ignore "$folder/count.py" "$outcome"
done
