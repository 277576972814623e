#!/bin/sh
# The main job under a real Slurm: prepare, train and eval as a chain of jobs on two nodes.  The training is told to stop half-way,
# puts its job back into the queue, resumes, and ends with the model of a training that nobody stopped.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/slurm.sh"
trap 'slurm_stop; rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
mkdir slurm
slurm_start "$tmp/slurm" || { echo "1..0 # SKIP $slurm_why"; exit 0; }

cat >small.cfg <<'END'
d_model = 32
d_ff = 64
n_heads = 4
n_encoder_layers = 1
n_decoder_layers = 1
batch_tokens = 500
learning_rate = 0.003
warmup_steps = 20
log_every = 5
validate_every = 0
checkpoint_every = 50
max_steps = 300
END
cat >my.experiment <<'END'
src=corpus/train.en tgt=corpus/train.wld valid_src=corpus/valid.en valid_tgt=corpus/valid.wld
test_src=corpus/test.en test_ref=corpus/test.wld
vocab_size=500 data=data run=chain config=small.cfg tp=1 eval_options="--beam 1"
END
runs 0 "$dragoman" demo-corpus --out corpus --train 1000 --valid 20 --test 20

DRAGOMAN=$dragoman DGM_NODES=2 DGM_RANKS_PER_NODE=1
export DRAGOMAN DGM_NODES DGM_RANKS_PER_NODE
runs 0 sh "$DGM_SRCDIR/jobs/experiment.sh" my.experiment
train=$(sed -n 's/^train //p' out) eval=$(sed -n 's/^eval //p' out)

wait_for 120 test -s chain/metrics.jsonl
going=$?
cat ./*.log >err 2>/dev/null
result $going "the training gets going"
[ $going -eq 0 ] || done_testing
scancel --signal=USR1 "$train"
wait_for 60 grep -qs "goes back into the queue" "train-$train.log"
result $? "told to stop, it saves and goes back into the queue"
stopped_at=$(ls chain/checkpoints | sed -n 's/^step-0*//p' | tail -n 1)
[ "${stopped_at:-0}" -ge 1 ] && [ "${stopped_at:-0}" -lt 300 ]
result $? "half-way: at step ${stopped_at:-none}"
wait_for 180 slurm_job_is "$eval" "COMPLETED|FAILED|CANCELLED"
slurm_job_is "$eval" COMPLETED
result $? "the chain ends in success"
cat prepare-*.log "train-$train.log" eval-*.log >err 2>&1
says "stopped after step $stopped_at"
says "going on from chain/checkpoints/step-$(printf %08d "$stopped_at")"
cp chain/test.txt out
prints "BLEU"

OMPI_MCA_btl=self,vader
runs 0 "$dragoman" train --data data --config small.cfg --out whole
same chain/model.safetensors whole/model.safetensors "the model is that of one rank that nobody stopped"
same chain/metrics.jsonl whole/metrics.jsonl "so are the metrics"
done_testing
