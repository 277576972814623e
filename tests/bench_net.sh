#!/bin/sh
# By hand, as root, on a quiet machine: what the network costs an update of training.  Runs `bench` on hosts that are namespaces of this machine
# (tests/net_hosts.sh), for each number of hosts, rate of the links and overlap of the reduction with the backward pass, and prints what
# communication was exposed and hidden.  The share hidden is 1 - exposed with overlap / exposed without.
#
#   tests/bench_net.sh [options of bench: --config tiny --batch-tokens 4096 ...]
#
# Environment: HOSTS ("2"; more than there are cores take turns, so that only `reduce` and `gather` mean something), RATES ("1gbit 10gbit"),
# STEPS (10), ROUNDS (3), OUT (a folder for the JSON of each run), DRAGOMAN and JSON_GET (those of build/).
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
: "${DRAGOMAN:=$here/build/dragoman}" "${JSON_GET:=$here/build/tests/json_get}" "${HOSTS:=2}" "${RATES:=1gbit 10gbit}" "${STEPS:=10}" "${ROUNDS:=3}" "${OUT:=}"
case ${1-} in --help | -h) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;; esac
[ "$ROUNDS" -ge 1 ] 2>/dev/null || { echo "ROUNDS=$ROUNDS: expected a whole number from 1 on" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
[ -n "$OUT" ] || OUT=$tmp/json
mkdir -p "$OUT"

median() { sort -n | awk '{ x[NR] = $1 } END { if (NR) print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'; }
# Medians over the rounds of the value at PATH in the runs of one kind.
of() { # of PATTERN PATH
    for json in $1; do "$JSON_GET" "$json" "$2"; done | median
}
[ -x "$JSON_GET" ] || make -s -C "$here/build" tests/json_get

for n in $HOSTS; do
    for rate in $RATES; do
        for round in $(seq "$ROUNDS"); do
            for overlap in on off; do
                ceilings=--no-ceilings
                [ $overlap = off ] || ceilings=--ceilings
                json=$OUT/$n-$rate-$overlap-$round.json
                status=0
                sh "$here/tests/net_hosts.sh" "$n" "$rate" "$DRAGOMAN" bench "$@" --steps "$STEPS" --overlap $overlap $ceilings --json >"$json" 2>"$tmp/err" ||
                    status=$?
                [ $status -eq 0 ] || { cat "$tmp/err" >&2; exit $status; }
            done
        done
        on=$OUT/$n-$rate-on-*.json off=$OUT/$n-$rate-off-*.json
        for overlap in on off; do
            which=$on
            [ $overlap = on ] || which=$off
            printf '%s hosts %-7s overlap %-3s  update %8.1f ms  exposed %8.1f ms  waiting %7.1f ms  hidden %7.1f ms  target tokens/s %.0f\n' "$n" "$rate" \
                $overlap "$(of "$which" step.median_ms)" "$(of "$which" regions.communication.median_ms)" "$(of "$which" regions.waiting.median_ms)" \
                "$(of "$which" regions.hidden.median_ms)" "$(of "$which" tokens_per_s_median)"
        done
        awk -v a="$(of "$on" regions.communication.median_ms)" -v b="$(of "$off" regions.communication.median_ms)" -v n="$n" -v rate="$rate" \
            -v r="$(of "$on" ceilings.reduce_ms)" -v g="$(of "$on" ceilings.gather_ms)" -v m="$(of "$on" ceilings.gradient_mb)" \
            -v l="$(of "$on" ceilings.latency_us)" -v x="$(of "$on" ceilings.exchange_gb_per_s)" -v add="$(of "$on" ceilings.add_gb_per_s)" \
            -v leaves="$(of "$on" virtual_dp)" '
            function sums(V, n,    r, lo, hi, size, c, most) { # the most partial sums of one of n replicas that share V leaves
                for (r = 0; r < n; r++) {
                    lo = int(r * V / n); hi = int((r + 1) * V / n)
                    for (c = 0; lo < hi; lo += size) {
                        for (size = 1; lo % (2 * size) == 0 && lo + 2 * size <= hi; size *= 2) {}
                        c++
                    }
                    if (c > most) most = c
                }
                return most
            }
            BEGIN {
            printf "%s hosts %-7s overlap hides %.0f %% of what is exposed without\n", n, rate, 100 * (1 - a / b)
            unit = rate ~ /gbit/ ? 1 : 1e-3; sub(/[gm]bit/, "", rate) # GB/s of payload: 0.94 of the rate
            w = rate == "none" ? x : 0.94 * unit * rate / 8
            printf "%s hosts: messages %.0f us, %.3f GB/s each way; %.1f MB of gradients: reduce %.1f ms (predicted %.1f), gather %.1f ms (predicted %.1f)\n",
                n, l, x, m, r, (n - 1) / n * m * sums(leaves, n) * (1 / w + 1 / add), g, (n - 1) / n * m / w }'
    done
done
