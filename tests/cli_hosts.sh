#!/bin/sh
# Hosts that are namespaces of this machine (tests/net_hosts.sh): training over TCP between them gives the same model, nothing is left of them, not even
# when they are stopped half-way, and the scripts that measure on them run.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"
hosts="sh $DGM_SRCDIR/tests/net_hosts.sh"

$hosts 2 1gbit hostname >out 2>err
status=$?
[ $status -ne 77 ] || skip_all "$(sed -n 's/^net_hosts.sh: skipped: //p' err | head -n 1)"
result $status "two hosts"
sort out >names && printf 'h1\nh2\n' >want
same names want "they have names of their own"
left() { ip netns list | grep -c "^dgm$1-"; }

if [ "$(env -u OMP_NUM_THREADS nproc)" -gt 1 ]; then
    OMP_NUM_THREADS=1 runs 0 $hosts 2 none grep Cpus_allowed_list /proc/self/status
    equal "$(sort -u out | wc -l)" 2 "each on a core of its own"
fi

runs 2 $hosts 2 fast hostname
says "expected none, Ngbit or Nmbit"
for wrong in "0 1gbit" "x 1gbit" "-1 none" "255 none"; do
    # shellcheck disable=SC2086 # words
    runs 2 $hosts $wrong hostname
    says "net_hosts.sh: HOSTS ${wrong% *}: expected a whole number from 1 to 254" 1
done
for wrong in 0gbit xmbit 1.5gbit; do
    runs 2 $hosts 2 $wrong hostname
    says "net_hosts.sh: RATE $wrong: expected none, Ngbit or Nmbit" 1
done
RANKS_PER_HOST=0 runs 2 $hosts 2 none hostname
says "RANKS_PER_HOST=0: expected" 1
runs 3 $hosts 2 none sh -c 'exit 3'
runs 0 $hosts 3 none sh -c 'echo "it'"'"'s $0  $1"' "a  b" '$HOME'
prints 'it'"'"'s a  b  $HOME' 3

toy_corpus
small="--d-model 32 --d-ff 64 --n-heads 4 --n-encoder-layers 1 --n-decoder-layers 2 --batch-tokens 400"
runs 0 "$dragoman" prepare --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 330 --out data
runs 0 "$dragoman" train --data data $small --max-steps 3 --out one
runs 0 $hosts 2 1gbit "$dragoman" train --data "$tmp/data" $small --max-steps 3 --out "$tmp/two"
same two/model.safetensors one/model.safetensors "two hosts train the model of one process"
RANKS_PER_HOST=2 runs 0 $hosts 2 none "$dragoman" train --data "$tmp/data" $small --max-steps 3 --tp 2 --out "$tmp/four"
same four/model.safetensors one/model.safetensors "so do two hosts of two ranks, tp 2"

# Stopped half-way: by the signal that the caller gets, while the command runs.
for signal in TERM INT; do
    $hosts 2 none sh -c 'echo up; sleep 100' >out 2>err &
    pid=$!
    for _ in $(seq 200); do [ "$(grep -c up out)" -eq 2 ] && break; sleep 0.05; done
    [ "$(left $pid)" -eq 3 ]
    result $? "while it runs there are a switch and two hosts"
    kill -$signal $pid
    wait $pid 2>/dev/null
    [ "$(left $pid)" -eq 0 ]
    result $? "SIG$signal: no namespace is left"
done

if [ -x "$DGM_BUILDDIR/tests/json_get" ]; then
    export DRAGOMAN="$dragoman" ROUNDS=1 STEPS=1 RATES=1gbit OUT="$tmp/net" JSON_GET="$DGM_BUILDDIR/tests/json_get"
    runs 0 sh "$DGM_SRCDIR/tests/bench_net.sh" $small --vocab-size 500
    prints "overlap on"
    prints "overlap hides"
    prints "predicted"
    runs 0 sh "$DGM_SRCDIR/jobs/costs.sh" net/2-1gbit-on-1.json
    prints "nodes  replicas" 1
    found out "400000" 6
    runs 3 sh "$DGM_SRCDIR/jobs/costs.sh" net/2-1gbit-off-1.json
    says "has no ceilings.add_gb_per_s"
fi
done_testing
