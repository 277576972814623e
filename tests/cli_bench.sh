#!/bin/sh
# dragoman bench: what it prints on one rank and on several, on generated and on given sentences; that the regions add up to the time;
# that it leaves nothing behind; what it refuses.  How fast anything is, is no matter here.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"
json_get=$DGM_BUILDDIR/tests/json_get

toy_corpus
runs 0 "$dragoman" prepare --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 330 --out data
small="--d-model 32 --d-ff 64 --n-heads 4 --n-encoder-layers 1 --n-decoder-layers 2 --batch-tokens 400 --steps 4"
listing() { ls -R | grep -vxE 'out|err|before|after|once|twice|own\.cfg'; }
listing >before

value() { "$json_get" out "$@"; } # value PATH...: of the JSON that was printed
holds() { # holds NAME AWK-CONDITION PATH...: of the values $1, $2, ...
    tap_name=$1 tap_condition=$2
    shift 2
    value "$@" 2>>err | tr '\n' ' ' | awk "{ seen = NF == $# } END { exit !(seen && ($tap_condition)) }"
    result $? "$tap_name"
}
adds_up() { # the regions that are parts of the time, against the time of an update
    holds "$1: the regions add up to the time of an update" "(\$1+\$2+\$3+\$4+\$5+\$6+\$7+\$8)/\$9 > 0.9999 && (\$1+\$2+\$3+\$4+\$5+\$6+\$7+\$8)/\$9 < 1.0001" \
        regions.gemm.ms regions.attention.ms regions.loss.ms regions.elementwise.ms regions.optimizer.ms regions.communication.ms regions.loading.ms \
        regions.other.ms step.ms
    holds "$1: so do their shares" "(\$1+\$2+\$3+\$4+\$5+\$6+\$7+\$8) > 0.9999 && (\$1+\$2+\$3+\$4+\$5+\$6+\$7+\$8) < 1.0001" \
        regions.gemm.share regions.attention.share regions.loss.share regions.elementwise.share regions.optimizer.share regions.communication.share \
        regions.loading.share regions.other.share
    holds "$1: each of the model's regions took some time" '$1 > 0 && $2 > 0 && $3 > 0 && $4 > 0 && $5 > 0 && $6 > 0' \
        regions.gemm.ms regions.attention.ms regions.loss.ms regions.elementwise.ms regions.optimizer.ms regions.loading.ms
}

# One rank, generated sentences, everything.
runs 0 "$dragoman" bench $small --vocab-size 500 --json
holds "one rank: layout" '$1 == 1 && $2 == 1 && $3 == 1 && $4 == 1 && $5 == 1' ranks dp tp threads threads_asked
holds "one rank: speed" '$1 > 0 && $2 > 0 && $3 >= $2 && $4 > 0' tokens_per_s tokens_per_s_median tokens_per_s_best gflops
holds "one rank: the share is that of the peak" '$2 > 0 && $3 / ($1 / $2) > 0.999 && $3 / ($1 / $2) < 1.001 && $4 > $1' gflops peak_gflops share_of_peak \
    product_gflops
holds "one rank: the ceilings" '$1 > 0 && $2 > 0 && $3 == "null" && $4 == "null"' ceilings.copy_gb_per_s ceilings.copy_all_gb_per_s ceilings.latency_us \
    ceilings.reduce_ms
holds "one rank: median and best" '$1 > 0 && $2 > 0 && $2 <= $1' step.median_ms step.best_ms
holds "one rank: memory" '$1 > 1 && $2 == $1' peak_memory_mb peak_memory_total_mb
holds "one rank: versions" '$1 ~ /^[0-9]/ && $2 == "null" && $3 ~ /^[0-9]/ && NF == 4' version config machine.blis machine.kernels
holds "one rank: the model" '$1 == 32 && $2 == 500 && $3 > 0' model.d_model model.tgt_vocab_size parameters
# 6 (4 d d + 2 d ff + 2 (2 d d)) = 73,728 operations a source token, 6 (2 (6 d d + 2 d ff) + d V) = 218,880 a target token; about as many of each.
holds "one rank: operations are those of the model's products" '$1 * 1e9 / $2 > 275000 && $1 * 1e9 / $2 < 305000' gflops tokens_per_s
adds_up "one rank"

# Several ranks.
for layout in "2 1" "2 2" "3 1"; do
    set -- $layout
    runs 0 "$mpirun" -n "$1" "$dragoman" bench $small --vocab-size 500 --no-ceilings --tp "$2" --json
    holds "$1 ranks, tp $2: layout" "\$1 == $1 && \$2 == $1 / $2 && \$3 == $2" ranks dp tp
    holds "$1 ranks, tp $2: nothing was measured besides" '$1 == "null" && $2 == "null" && $3 == "null"' peak_gflops share_of_peak ceilings
    holds "$1 ranks, tp $2: they communicated, and waiting is part of it" '$1 > 0 && $2 >= 0 && $2 <= $1' regions.communication.ms regions.waiting.ms
    adds_up "$1 ranks, tp $2"
done
# --help lists what has an effect.
runs 0 "$dragoman" bench --help
prints "--vocab-size"
prints "--precision"
for option in out init resume repeat src tsv valid-src tokenizer checkpoint-every log-every; do prints " --$option " 0; done
runs 2 "$dragoman" bench $small --repeat data
says "--repeat has no effect"
printf 'd_model = 16\nout = run\nsrc = x y\nresume = auto\n' >train.cfg
runs 0 "$dragoman" bench --config train.cfg $(echo " $small" | sed 's/ --d-model [0-9]*//; s/ --config [a-z]*//') --vocab-size 500 --no-ceilings
prints "1 (dp 1, tp 1)"
rm train.cfg
runs 0 "$dragoman" bench $small --vocab-size 500 --no-ceilings --no-joint-vocab --json
prints '"joint_vocab": false'
runs 2 "$dragoman" bench $small --data data --no-joint-vocab
says 'joint_vocab: data has one tokenizer for both sides; leave it out, or leave out --data'

runs 0 "$mpirun" -n 2 "$dragoman" bench $small --data data
prints "2 (dp 2, tp 1) of 1 thread"
prints "of data (400 pairs)"
prints "fixed order"
prints "vocabulary 330"
prints "matrix products"
prints "update "
runs 0 "$mpirun" -n 2 "$dragoman" bench $small --data data --vocab-size 1000 --tp 2 --no-ceilings
prints "vocabulary 1000"

# Generated sentences and batches are the same each time, on any layout.
"$dragoman" bench $small --no-ceilings 2>err | grep '^updates' >once
"$mpirun" -n 2 "$dragoman" bench $small --no-ceilings 2>err | grep '^updates' >twice
same once twice "the same batches on one rank and on two"
found once "generated (30000 pairs)"

# A preset, and a training's own settings.
runs 0 "$dragoman" bench --config tiny --batch-tokens 64 --steps 1 --settle-steps 0 --no-ceilings --vocab-size 300
prints "tiny: d_model 128"
says " 1 update" 1
says "1 updates" 0
printf 'd_model = 16\nd_ff = 32\nn_heads = 2\nlog_every = 3\nvalidate_every = 7\nkeep_checkpoints = 2\nsteps = 2\nvocab_size = 300\nceilings = false\n' >own.cfg
runs 0 "$dragoman" bench --config own.cfg --n-encoder-layers 1 --n-decoder-layers 1 --batch-tokens 100
prints "own.cfg: d_model 16"
prints "2 after 3 not counted"

if command -v taskset >/dev/null; then
    one_core="taskset -c $(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')"
    runs 0 "$mpirun" -n 2 $one_core "$dragoman" bench $small --vocab-size 500 --no-ceilings
    says "are bound to one core" 1
    # Threads are those that compute, and what was asked for beside them.
    runs 0 "$mpirun" -n 2 $one_core "$dragoman" bench $small --vocab-size 500 --no-ceilings --threads 4
    says "each computes with 1 thread instead"
    prints "2 (dp 2, tp 1) of 1 thread (4 asked)"
    runs 0 $one_core "$dragoman" bench $small --vocab-size 500 --no-ceilings --threads 4 --json
    holds "threads that there are no cores for" '$1 == 1 && $2 == 4' threads threads_asked
fi

# What is refused.
runs 2 "$dragoman" bench $small --bpe-dropout 0.1
says 'bpe_dropout = 0.1 with generated sentences'
runs 2 "$dragoman" bench --steps 0
says "from 1 to"
runs 2 "$dragoman" bench $small --step 2
says "--steps"
runs 2 "$dragoman" bench $small --out run
says "bench writes nothing"
runs 2 "$dragoman" bench $small --data data --vocab-size 300
says "at least the 330 pieces"
runs 2 "$mpirun" -n 2 "$dragoman" bench $small --tp 3
says "tp"
runs 2 "$dragoman" bench --config nowhere
says "nowhere"
runs 3 "$dragoman" bench $small --data nowhere
says "nowhere"
listing >after
same after before "nothing was written to disk"

# The cost model: a table of numbers from a measurement, or what is wrong with the question or the measurement.
cat >one.json <<'END'
{
  "ranks": 2,
  "tp": 1,
  "parameters": 2600000,
  "virtual_dp": 64,
  "tokens_per_s": 8000.0,
  "gflops": 120.0,
  "model": {
    "d_model": 128,
    "n_encoder_layers": 4,
    "n_decoder_layers": 4,
    "tgt_vocab_size": 10000,
    "virtual_tp": 4
  },
  "ceilings": {
    "add_gb_per_s": 10.0,
    "exchange_gb_per_s": 2.0,
    "latency_us": 1.0
  },
  "regions": {
    "communication": {
      "ms": 5.0
    }
  },
  "step": {
    "ms": 500.0
  }
}
END
sed 's/"tp": 1/"tp": 2/' one.json >two.json
costs="sh $DGM_SRCDIR/jobs/costs.sh"
runs 0 env TP=2 GBIT=1 BATCH=4000 LATENCY_US=0 $costs one.json
prints "exposed"
awk 'NR == 3 { if ($8 - ($9 - $5) > 0.11 || $9 - $5 - $8 > 0.11 || $8 <= 0) exit 1 } END { exit NR != 5 }' out
result $? "what is exposed and what is computed add up to the update: $(sed -n 3p out)"
env GBIT="10 10 10" LATENCY_US="1 50" NODES=64 BATCH=25000 $costs one.json >out
[ "$(sed -n 3p out)" != "$(sed -n 4p out)" ] && [ "$(sed -n 4p out)" = "$(sed -n 5p out)" ]
result $? "the last LATENCY_US holds for further rates"
for wrong in NODES=x NODES=0 "NODES=8 -1" NODES=1.5 BATCH=0 BATCH=nan GBIT=0 GBIT=x RANKS=0 RANKS=two "RANKS=1 2" LATENCY_US=-1 TP=0 TP=x; do
    runs 2 env "$wrong" $costs one.json
    says "costs.sh: $wrong: expected " 1
done
runs 3 $costs two.json
says "is of --tp 2"
runs 2 env TP=3 RANKS=3 $costs one.json
says "TP 3 does not divide virtual_tp 4"
grep -v exchange one.json >alone.json
runs 3 env TP=2 $costs alone.json
says "no ceilings.exchange_gb_per_s: measure on two ranks or more"
runs 3 $costs nowhere.json
says "nowhere.json cannot be read"

# The log of a training: regions of every line add up to its time.
runs 0 "$mpirun" -n 2 "$dragoman" train --data data $(echo "$small" | sed 's/--steps.*//') --max-steps 20 --log-every 1 --validate-every 5 --out run
says "matrix products"
says "update"
awk '{ n = split($0, part, /[{}]/)
    sum = 0; m = split(part[3], field, ","); for (i = 1; i <= m; i++) if (field[i] !~ /hidden|waiting/) { sub(/.*:/, "", field[i]); sum += field[i] }
    all += sum; match($0, /"elapsed_s":[0-9.e+-]*/); elapsed = substr($0, RSTART + 12, RLENGTH - 12); if (NR == 1) first = elapsed; last = elapsed
    if (m != 10) bad++ }
    END { exit !(NR == 20 && bad == 0 && all > 0 && all <= last * 1.01) }' run/timing.jsonl
result $? "timing.jsonl has eight regions, hidden and waiting in every line, and no more time than there was"
grep '"loss"' run/metrics.jsonl | sed 's/.*"tgt_tokens":\([0-9]*\).*/\1/' >tokens
sed 's/.*"tgt_tokens_per_s":\([0-9.e+-]*\).*/\1/' run/timing.jsonl | paste tokens - run/timing.jsonl |
    awk '{ time += $1 / $2; split($0, part, /[{}]/); m = split(part[3], field, ",")
        for (i = 1; i <= m; i++) if (field[i] !~ /hidden|waiting/) { sub(/.*:/, "", field[i]); sum += field[i] } }
    END { printf "%g s by tokens and speed, %g s in regions\n", time, sum; exit !(NR == 20 && sum / time > 0.97 && sum / time < 1.03) }' >out
result $? "the regions of all lines add up to the time that the speed is of: $(cat out)"

done_testing
