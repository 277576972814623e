#!/bin/sh
# By hand, on a quiet machine: what the fixed order of sums costs.  Runs `bench` with --reduction fixed and fast in turns, each pair in the
# opposite order of the last, and prints the medians of target tokens/s over the rounds and the time that fixed takes more.
#
#   tests/bench_price.sh PRESET... [-- options of bench]
#
# Environment: DRAGOMAN (the program; build/dragoman of this tree), MPIRUN (mpirun -n 2), STEPS (20), ROUNDS (5), BATCH (4096 target tokens).
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
: "${DRAGOMAN:=$here/build/dragoman}" "${MPIRUN:=mpirun -n 2}" "${STEPS:=20}" "${ROUNDS:=5}" "${BATCH:=4096}"
presets=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    presets="$presets $1"
    shift
done
[ $# -eq 0 ] || shift
case " $presets" in *' -'*) presets= ;; esac # options stand behind --
[ -n "$presets" ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ "$ROUNDS" -ge 1 ] 2>/dev/null || { echo "ROUNDS=$ROUNDS: expected a whole number from 1 on" >&2; exit 2; }
tmp=$(mktemp -d)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
trap 'rm -rf "$tmp"' EXIT

median() { sort -n | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'; }

for preset in $presets; do
    for round in $(seq "$ROUNDS"); do
        order="fixed fast"
        [ $((round % 2)) -eq 1 ] || order="fast fixed"
        for reduction in $order; do
            $MPIRUN "$DRAGOMAN" bench --config "$preset" --batch-tokens "$BATCH" "$@" --reduction "$reduction" --steps "$STEPS" --no-ceilings --json \
                2>"$tmp/err" >"$tmp/json" || { cat "$tmp/err" >&2; exit 1; }
            sed -n 's/^  "tokens_per_s_median": \([0-9.e+-]*\),*/\1/p' "$tmp/json" >>"$tmp/$preset.$reduction"
        done
        echo "$preset, round $round: fixed $(tail -n 1 "$tmp/$preset.fixed"), fast $(tail -n 1 "$tmp/$preset.fast") target tokens/s"
    done
    awk -v p="$preset" -v a="$(median <"$tmp/$preset.fixed")" -v b="$(median <"$tmp/$preset.fast")" \
        'BEGIN { printf "%s: medians fixed %.0f, fast %.0f target tokens/s: fixed takes %+.1f %% time\n", p, a, b, 100 * (b / a - 1) }'
done
