#!/usr/bin/env bash
# faiss-cpu 1.12.0 and 1.15.1, x86-64: `FAISS_OPT_LEVEL`, by which one keeps FAISS to one code path, to have distances of
# the same bits on several machines or to compare programs on the same instructions, does nothing any more.
# What a good engineer would guess: the variable works as before: `faiss/loader.py` still reads it and logs that it uses
# it. What happens: the wheel of 1.12.0 has a library for each instruction set, and "generic" loads the plain one. That
# of 1.15.1 has one library, which chooses its code while it is loaded: with "generic" searches run on AVX2 or AVX-512 as
# without it, with the last bits of these. No warning. What is obeyed now is another variable, `FAISS_SIMD_LEVEL` ("NONE",
# "AVX2", "AVX512" and more; an unknown name ends the import), of which 1.12.0 knows nothing. Who pins results across
# both versions sets both, and then gets the same bits: of few queries. From 20 on, products are BLAS's, which has code
# paths of its own.
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
points, queries = (rng.random((n, 33), dtype=np.float32) for n in (1000, 19))
index = faiss.IndexFlatL2(33)
index.add(points)
distances, _ = index.search(queries, 5)
print(hashlib.sha256(distances.tobytes()).hexdigest()[:12])
PYTHON

for version in 1.12.0 1.15.1; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install -q "faiss-cpu==$version" 'numpy==2.4.6'
  run() { env -u FAISS_OPT_LEVEL -u FAISS_SIMD_LEVEL "$@" "$folder/$version/bin/python" "$folder/search.py"; }
  neither=$(run)
  opt_level=$(run FAISS_OPT_LEVEL=generic)
  simd_level=$(run FAISS_SIMD_LEVEL=NONE)
  echo "faiss-cpu $version, digest of the distances"
  echo "  neither variable:         $neither"
  echo "  FAISS_OPT_LEVEL=generic:  $opt_level"
  echo "  FAISS_SIMD_LEVEL=NONE:    $simd_level"
  if [ "$version" = 1.12.0 ]; then
    [ "$opt_level" != "$neither" ]
    [ "$simd_level" = "$neither" ]
    plain=$opt_level
  else
    [ "$opt_level" = "$neither" ]
    [ "$simd_level" = "$plain" ]
  fi
done
