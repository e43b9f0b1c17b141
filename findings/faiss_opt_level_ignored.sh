#!/usr/bin/env bash
# faiss-cpu 1.12.0 and 1.15.1, x86-64: `FAISS_OPT_LEVEL`, by which one keeps to one code path, so that distances have the
# same bits on all machines or two programs are compared on the same instructions, does nothing any more.
# What a good engineer would guess: the variable works as before, as `faiss/loader.py` still reads it, logs that it uses
# it, and tells in an error how to set it. What happens: up to 1.12 the wheel has a library for each instruction set, and
# "generic" loads the plain one. The wheel of 1.15 has one library, which chooses its code when it is loaded:
# `loader.py` looks for modules that are not there, loads the one that is, and with "generic" searches run on AVX2 or
# AVX-512 all the same, with the last bits of these. No warning. What is obeyed now is another variable,
# `FAISS_SIMD_LEVEL` ("NONE", "AVX2", "AVX512"), of which 1.12 knows nothing; `faiss.SIMDConfig.get_level_name()` tells
# what is in use. Whoever pins results or benchmarks across versions has to set both.
set -euo pipefail
if ! grep -qw avx2 /proc/cpuinfo 2>/dev/null; then
  echo "this processor has no AVX2: FAISS has no two code paths to choose from here"
  exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/search.py" <<'PYTHON'
import hashlib

import faiss
import numpy as np

rng = np.random.default_rng(0)
points, queries = (rng.random((n, 33), dtype=np.float32) for n in (1000, 20))
index = faiss.IndexFlatL2(33)
index.add(points)
distances, _ = index.search(queries, 5)
level = faiss.SIMDConfig.get_level_name() if hasattr(faiss, "SIMDConfig") else faiss.get_compile_options().split()[-1]
print(level, hashlib.sha256(distances.tobytes()).hexdigest()[:12])
PYTHON

for version in 1.12.0 1.15.1; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install -q "faiss-cpu==$version" 'numpy==2.4.6'
  run() { env -u FAISS_OPT_LEVEL -u FAISS_SIMD_LEVEL "$@" "$folder/$version/bin/python" "$folder/search.py"; }
  found=$(run) opt_level=$(run FAISS_OPT_LEVEL=generic) simd_level=$(run FAISS_SIMD_LEVEL=NONE)
  echo "faiss-cpu $version, level and digest of the distances"
  echo "  neither variable:         $found"
  echo "  FAISS_OPT_LEVEL=generic:  $opt_level"
  echo "  FAISS_SIMD_LEVEL=NONE:    $simd_level"
  if [ "$version" = 1.12.0 ]; then
    [ "$opt_level" != "$found" ]
    [ "$simd_level" = "$found" ]
  else
    [ "$opt_level" = "$found" ]
    [ "$simd_level" != "$found" ]
  fi
done
