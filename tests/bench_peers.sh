#!/bin/sh
# By hand, on a quiet machine: updates of Dragoman and of PyTorch on the same sentences, in turns, on two cores.
#
#   tests/bench_peers.sh PEERS SRC TGT [tiny small base]
#
# PEERS is a folder with torch_train.py (usage: CONFIG THREADS STEPS IDS; prints "target tokens/s median N") and torch_ddp.sh (CONFIG STEPS IDS),
# which are not part of this tree; SRC and TGT are the two sides of a parallel text (plain or compressed).  Both programs get its sentences in
# the same 10,000 pieces, batches of 4,096 target tokens, and dropout 0.1 in the same places; base has a vocabulary of 32,000 on both sides.
# PyTorch runs in three set-ups, of which the fastest counts: two processes of one thread; one process, whose products have two threads; one
# process of two threads.  Printed: every run, medians, ratio, and most memory of all processes together.
#
# Environment: DRAGOMAN (build/dragoman of this tree), ROUNDS (5), PYTHON (/usr/bin/python3), OPTIONS (more options for bench), TORCH_BLAS (a
# folder with libblas.so.3 and liblapack.so.3: Debian's PyTorch takes the system's, and if those are BLIS's, generic kernels on processors
# newer than they; OpenBLAS's, also unpacked without being installed, is the one to compare with).  OPENBLAS_CORETYPE=SKYLAKEX gives OpenBLAS
# 0.3.21 its AVX-512 kernels where it does not know the processor.  What PyTorch's product of 2048-cubed matrices makes is printed first.
# Exit code 77 where there is no PyTorch.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
: "${DRAGOMAN:=$here/build/dragoman}" "${ROUNDS:=5}" "${PYTHON:=/usr/bin/python3}" "${OPTIONS:=}" "${TORCH_BLAS:=}"
[ $# -ge 3 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
peers=$1 src=$2 tgt=$3
shift 3
[ $# -gt 0 ] || set -- tiny small base
for file in "$peers/torch_train.py" "$peers/torch_ddp.sh" "$src" "$tgt"; do [ -r "$file" ] || { echo "bench_peers.sh: $file cannot be read" >&2; exit 2; }; done
"$PYTHON" -c 'import torch' 2>/dev/null || { echo "skipped: $PYTHON has no PyTorch" >&2; exit 77; }
[ "$ROUNDS" -ge 1 ] 2>/dev/null || { echo "ROUNDS=$ROUNDS: expected a whole number from 1 on" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
[ -z "$TORCH_BLAS" ] || [ -f "$TORCH_BLAS/libblas.so.3" ] || { echo "TORCH_BLAS: no $TORCH_BLAS/libblas.so.3" >&2; exit 2; }
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=1073741824 # of PyTorch; taken away for Dragoman

plain() { case $1 in *.zst) zstd -dcq "$1" ;; *.gz) gzip -dc "$1" ;; *.xz) xz -dc "$1" ;; *) cat "$1" ;; esac; }
median() { sort -n | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'; }

# Runs a command and leaves in $tmp/memory the MiB that it and its descendants had at most, each at its own largest, added.
with_memory() {
    "$@" &
    watched=$!
    : >"$tmp/seen"
    while kill -0 $watched 2>/dev/null; do
        ps -eo pid=,ppid= | awk -v root=$watched '{ parent[$1] = $2 }
            END { for (p in parent) for (q = p; q in parent; q = parent[q]) if (q == root) { print p; break } }' |
            while read -r pid; do sed -n "s/^VmHWM:[^0-9]*\([0-9]*\).*/$pid \1/p" "/proc/$pid/status" 2>/dev/null; done >>"$tmp/seen"
        sleep 0.5
    done
    awk '{ if ($2 > most[$1]) most[$1] = $2 } END { for (p in most) sum += most[p]; printf "%.0f\n", sum / 1024 }' "$tmp/seen" >"$tmp/memory"
    wait $watched
}

# Runs a command of PyTorch with the BLAS of TORCH_BLAS.
with_blas() { if [ -n "$TORCH_BLAS" ]; then LD_LIBRARY_PATH=$TORCH_BLAS${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} "$@"; else "$@"; fi; }

torch() { # torch NAME COMMAND...: one run; appends its median to NAME and its memory to NAME.memory
    name=$tmp/$preset.$1
    shift
    with_memory with_blas "$@" >"$tmp/out" 2>"$tmp/err" || { cat "$tmp/err" >&2; exit 1; }
    sed -n 's/.*target tokens\/s median \([0-9.]*\).*/\1/p' "$tmp/out" >>"$name"
    cat "$tmp/memory" >>"$name.memory"
    printf '  %s %s' "${name##*.}" "$(tail -n 1 "$name")"
}

ours() {
    vocabulary=
    [ "$preset" != base ] || vocabulary="--vocab-size 32000"
    # shellcheck disable=SC2086 # options are words
    env -u MALLOC_MMAP_THRESHOLD_ -u MALLOC_TRIM_THRESHOLD_ -u MALLOC_TOP_PAD_ OMP_NUM_THREADS=1 mpirun -n 2 "$DRAGOMAN" bench --config "$preset" \
        --data "$tmp/data" --batch-tokens 4096 --dropout 0.1 --attention-dropout 0.1 --activation-dropout 0.1 --steps "$steps" --json $vocabulary \
        $OPTIONS >"$tmp/json" 2>"$tmp/err" || { cat "$tmp/err" >&2; exit 1; }
    for field in tokens_per_s_median share_of_peak peak_gflops peak_memory_total_mb; do
        sed -n "s/^  \"$field\": \([0-9.e+-]*\),*/\1/p" "$tmp/json" >>"$tmp/$preset.$field"
    done
    printf '  dragoman %.0f (%.1f %% of peak)' "$(tail -n 1 "$tmp/$preset.tokens_per_s_median")" \
        "$(tail -n 1 "$tmp/$preset.share_of_peak" | awk '{ print 100 * $1 }')"
}

plain "$src" >"$tmp/src"
plain "$tgt" >"$tmp/tgt"
head -n 100 "$tmp/src" >"$tmp/valid.src"
head -n 100 "$tmp/tgt" >"$tmp/valid.tgt"
"$DRAGOMAN" prepare --src "$tmp/src" --tgt "$tmp/tgt" --valid-src "$tmp/valid.src" --valid-tgt "$tmp/valid.tgt" --vocab-size 10000 --out "$tmp/data" 2>"$tmp/err" ||
    { cat "$tmp/err" >&2; exit 1; }
"$DRAGOMAN" tokenize --model "$tmp/data" --ids <"$tmp/src" >"$tmp/src.ids"
"$DRAGOMAN" tokenize --model "$tmp/data" --ids <"$tmp/tgt" >"$tmp/tgt.ids"
paste "$tmp/src.ids" "$tmp/tgt.ids" >"$tmp/ids"

with_blas env OPENBLAS_NUM_THREADS=2 BLIS_NUM_THREADS=2 "$PYTHON" -c '
import time, torch
a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
def once():
    start = time.perf_counter()
    torch.mm(a, b)
    return time.perf_counter() - start
print("PyTorch %s: products of 2048 x 2048, best of 8, two threads: %.0f GFLOP/s" % (torch.__version__, 2 * 2048**3 / min(once() for _ in range(8)) / 1e9))'

for preset; do
    case $preset in tiny) steps=20 torch_steps=10 ;; small) steps=12 torch_steps=6 ;; *) steps=4 torch_steps=3 ;; esac
    for round in $(seq "$ROUNDS"); do
        printf '%s, round %s: target tokens/s' "$preset" "$round"
        ours
        torch two-processes sh "$peers/torch_ddp.sh" "$preset" $torch_steps "$tmp/ids"
        torch two-in-products env OPENBLAS_NUM_THREADS=2 "$PYTHON" "$peers/torch_train.py" "$preset" 1 $torch_steps "$tmp/ids"
        torch two-threads env OMP_WAIT_POLICY=passive "$PYTHON" "$peers/torch_train.py" "$preset" 2 $torch_steps "$tmp/ids"
        echo
    done
    best=0 best_name=none
    for name in two-processes two-in-products two-threads; do
        speed=$(median <"$tmp/$preset.$name")
        if [ "$(awk -v a="$speed" -v b="$best" 'BEGIN { print (a > b) }')" = 1 ]; then best=$speed best_name=$name; fi
    done
    awk -v p="$preset" -v n="$ROUNDS" -v ours="$(median <"$tmp/$preset.tokens_per_s_median")" -v share="$(median <"$tmp/$preset.share_of_peak")" \
        -v peak="$(median <"$tmp/$preset.peak_gflops")" -v torch="$best" -v name="$best_name" -v mo="$(median <"$tmp/$preset.peak_memory_total_mb")" \
        -v mt="$(median <"$tmp/$preset.$best_name.memory")" 'BEGIN {
        printf "%s: medians of %d: dragoman %.0f target tokens/s, %.1f %% of the peak of %.1f GFLOP/s; PyTorch %.0f (%s); ratio %.2f; memory %.0f and %.0f MiB, %.2f\n",
            p, n, ours, 100 * share, peak, torch, name, ours / torch, mo, mt, mo / mt }'
done
