#!/bin/sh
# --precision bf16 as a user gives it: refused where the processor cannot do it, the same bits on every layout where it can, and
# recorded.  Training continues in fp32 whatever is not a product of an update: validation above all.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"
. "$DGM_SRCDIR/tests/grid_matrix.sh"

toy_corpus
cat >grid.cfg <<'END'
d_model = 64
d_ff = 128
n_heads = 4
n_encoder_layers = 1
n_decoder_layers = 1
batch_tokens = 1000
learning_rate = 0.003
warmup_steps = 5
attention_dropout = 0.1
clip_norm = 1
log_every = 1
validate_every = 3
checkpoint_every = 3
END
grid_options="--config grid.cfg --precision bf16" grid_steps=6 grid_data=data
grid_text="--src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 330"
# shellcheck disable=SC2086 # words
runs 0 "$dragoman" prepare $grid_text --out data

# A processor without the instructions.
runs 2 env DRAGOMAN_BF16=none "$dragoman" train --config grid.cfg --data data --precision bf16 --out refused
grep -qE "precision = bf16: (DRAGOMAN_BF16=none in the environment|this build has no)" err
result $? "the variable is named: $(cat err)"
says "precision = fp32"
[ ! -e refused/run.json ] && [ ! -e refused/metrics.jsonl ]
result $? "nothing was trained"
runs 2 env DRAGOMAN_BF16=none "$mpirun" -n 2 "$dragoman" bench --config grid.cfg --data data --precision bf16 --steps 1
grep -qE "precision = bf16: (DRAGOMAN_BF16=none in the environment|this build has no)" err
result $? "by bench, too: $(cat err)"
runs 0 env DRAGOMAN_BF16=none "$dragoman" train --config grid.cfg --data data --max-steps 1 --out plain
runs 2 "$dragoman" train --config grid.cfg --data data --precision fp16 --out refused
says "fp32|bf16"

if ! "$dragoman" bench --config grid.cfg --data data --precision bf16 --steps 1 --settle-steps 0 --no-ceilings >out 2>err; then
    tap_n=$((tap_n + 1))
    echo "ok $tap_n - training with bf16 # SKIP $(sed -n 's/.*precision = bf16: \(.*\);.*/\1/p' err)"
    done_testing
fi

grid_reference
cat >table <<'END'
2 1 1 0   data
3 1 1 0   data
1 2 1 0   data
2 2 1 150 data
1 1 3 300 data
1 4 1 0   text
END
grid_cells table
runs 0 "$mpirun" -n 3 "$dragoman" train $grid_options --data data --max-steps 3 --out cell
runs 0 "$mpirun" -n 4 "$dragoman" train $grid_options --data data --max-steps 6 --tp 2 --resume auto --out cell
cell_result $? cell "three updates on 3 ranks, three on dp 2 x tp 2"

found reference/run.json '"gemm_bf16": "avx512bf16"'
found reference/run.json '"precision": "bf16"'
runs 0 "$dragoman" train --config grid.cfg --data data --max-steps 6 --out fp32
differs fp32/model.safetensors reference/model.safetensors "fp32 has other bits"
found fp32/run.json gemm_bf16 0
paste -d' ' fp32/metrics.jsonl reference/metrics.jsonl | sed -n 's/.*"valid_nll": *\([0-9.]*\).*"valid_nll": *\([0-9.]*\).*/\1 \2/p' >losses
awk '{ d = ($2 - $1) / $1; if (d > 0.005 || d < -0.005) bad++ } END { exit !(NR == 2 && bad == 0) }' losses
result $? "validation losses are within 0.5 % of those of fp32: $(tr '\n' ';' <losses)"

# Validation does not round its operands: a bf16 run's best loss is what an fp32 run that starts from its model and learns nothing finds.
runs 3 "$dragoman" train --config grid.cfg --data data --max-steps 7 --resume auto --out reference
says "was trained with precision"
runs 0 "$dragoman" train --config grid.cfg --data data --init reference/model.safetensors --learning-rate 0 --max-steps 1 --out judged
best=$(sed -n 's/.*"valid_nll": *\([0-9.]*\).*/\1/p' reference/metrics.jsonl | sort -g | head -n 1)
equal "$(sed -n 's/.*"valid_nll": *\([0-9.]*\).*/\1/p' judged/metrics.jsonl)" "$best" "validation of a bf16 run is in fp32"

runs 0 "$mpirun" -n 2 "$dragoman" bench --config grid.cfg --data data --precision bf16 --steps 2 --json
cp out json
value() { "$DGM_BUILDDIR/tests/json_get" json "$@"; }
equal "$(value precision bf16 | tr '\n' ' ')" "bf16 avx512bf16 " "bench says what it timed"
value gflops peak_bf16_gflops share_of_peak peak_gflops | tr '\n' ' ' | awk '{ exit !($2 > 0 && $4 > 0 && $3 / ($1 / $2) > 0.999 && $3 / ($1 / $2) < 1.001) }'
result $? "bench: the share is that of the bf16 peak: $(value gflops peak_bf16_gflops share_of_peak peak_gflops | tr '\n' ' ')"
runs 0 env DRAGOMAN_BF16=none "$dragoman" bench --config grid.cfg --data data --steps 1
prints "bf16 peak    none"
done_testing
