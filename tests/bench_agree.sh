#!/bin/sh
# By hand, on a quiet machine: does `bench` tell the speed that a training's log tells?  Both make the same updates of the same batches: the
# log's second line is of updates N + 1 to 2 N, bench times as many after N that it does not count.  Medians of alternating rounds must
# agree within 3 %.
#
#   tests/bench_agree.sh DATA [options of train: --config tiny --batch-tokens 4096 ...]
#
# Environment: DRAGOMAN (the program; build/dragoman of this tree), MPIRUN (mpirun -n 2), STEPS (20), ROUNDS (5).
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
: "${DRAGOMAN:=$here/build/dragoman}" "${MPIRUN:=mpirun -n 2}" "${STEPS:=20}" "${ROUNDS:=5}"
[ $# -eq 0 ] || [ -d "$1" ] || { echo "bench_agree.sh: $1 is no folder: expected DATA, which dragoman prepare makes, before the options" >&2; exit 2; }
[ $# -ge 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
data=$1
shift
[ "$ROUNDS" -ge 1 ] 2>/dev/null || { echo "ROUNDS=$ROUNDS: expected a whole number from 1 on" >&2; exit 2; }
tmp=$(mktemp -d)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
trap 'rm -rf "$tmp"' EXIT

median() { sort -n | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'; }

for round in $(seq "$ROUNDS"); do
    $MPIRUN "$DRAGOMAN" train --data "$data" "$@" --max-steps $((2 * STEPS)) --log-every "$STEPS" --validate-every 0 --average-last 0 --out "$tmp/run" \
        2>"$tmp/err" || { cat "$tmp/err" >&2; exit 1; }
    sed -n '2s/.*"tgt_tokens_per_s":\([0-9.e+-]*\).*/\1/p' "$tmp/run/timing.jsonl" >>"$tmp/train"
    rm -rf "$tmp/run"
    $MPIRUN "$DRAGOMAN" bench --data "$data" "$@" --steps "$STEPS" --settle-steps "$STEPS" --no-ceilings --json 2>"$tmp/err" >"$tmp/json" ||
        { cat "$tmp/err" >&2; exit 1; }
    sed -n 's/^  "tokens_per_s": \([0-9.e+-]*\),*/\1/p' "$tmp/json" >>"$tmp/bench"
    echo "round $round: train $(tail -n 1 "$tmp/train") bench $(tail -n 1 "$tmp/bench") target tokens/s"
done
train=$(median <"$tmp/train") bench=$(median <"$tmp/bench")
awk -v t="$train" -v b="$bench" 'BEGIN { d = 100 * (b / t - 1); printf "medians: train %.0f, bench %.0f target tokens/s: %+.1f %%\n", t, b, d
    exit !(d < 3 && d > -3) }' || { echo "they differ by more than 3 %" >&2; exit 1; }
