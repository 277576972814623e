#!/bin/sh
# dragoman train as a user calls it: what a run leaves, stopped by a signal, resumed, refused.  tests/cli_grid.sh has the layouts.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"

toy_corpus
cat >small.cfg <<'EOF'
d_model = 32
d_ff = 64
n_heads = 4
n_encoder_layers = 1
n_decoder_layers = 2
batch_tokens = 400
learning_rate = 0.003
warmup_steps = 10
attention_dropout = 0.1
clip_norm = 1
log_every = 1
validate_every = 6
checkpoint_every = 4
max_steps = 14
EOF
runs 0 "$dragoman" prepare --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 330 --out data

runs 0 "$dragoman" train --data data --config small.cfg --bleu-every 2 --out whole
says "step 14/14"
says "parameters, 1 + 2 layers of width 32, 4 heads, vocabulary 330" 1
says "data: data, 400 sentence pairs" 1
says "1 rank (dp 1 x tp 1), updates 1 to 14 of at most 400 target tokens; everything goes to whole" 1
says "validation: loss"
says "BLEU"
[ -s whole/model.safetensors ] && [ -s whole/run.json ] && [ -s whole/timing.jsonl ] && [ -e whole/checkpoints/step-00000012/DONE ]
result $? "the run left a model, run.json, timing.jsonl and checkpoints"
[ "$(readlink whole/last)" = checkpoints/step-00000014 ]
result $? "last points to the last checkpoint"
[ "$(grep -c '"loss"' whole/metrics.jsonl)" -eq 14 ] && [ "$(grep -c valid_bleu whole/metrics.jsonl)" -eq 1 ]
result $? "metrics.jsonl has every step, and BLEU at every second validation"
awk -F'"loss":' '/"loss"/ { split($2, v, ","); if (n++ == 0) first = v[1]; last = v[1] } END { exit !(last < first - 0.5) }' whole/metrics.jsonl
result $? "the loss falls"

# Asked to stop: saved, exit code 75, and no step is lost.
for signal in TERM USR1; do
    "$dragoman" train --data data --config small.cfg --bleu-every 2 --max-steps 100000 --out "stopped-$signal" >out 2>err &
    pid=$!
    for _ in $(seq 200); do
        [ -s "stopped-$signal/metrics.jsonl" ] && break
        sleep 0.05
    done
    kill -$signal $pid
    wait $pid
    [ $? -eq 75 ]
    result $? "SIG$signal ends training with exit code 75"
    says "--resume auto goes on"
    step=$(readlink "stopped-$signal/last" | sed 's/.*step-0*//')
    [ "$(grep '"loss"' "stopped-$signal/metrics.jsonl" | tail -n 1 | sed 's/.*"step":\([0-9]*\).*/\1/')" = "$step" ]
    result $? "SIG$signal: the last step made is the one saved"
done

# Fine-tuning, frozen embeddings, early stopping, the other optimizers.
runs 0 "$dragoman" train --data data --config small.cfg --init whole/model.safetensors --freeze embeddings --max-steps 2 --out tuned
awk -F'"loss":' '/"loss"/ { split($2, v, ","); if (v[1] > 5) exit 1 }' tuned/metrics.jsonl
result $? "fine-tuning begins where the model was"
! grep -q d_ff tuned/last/state.json && grep -q dropout tuned/last/state.json
result $? "its record does not speak of an architecture that --init decides"
grep -q "\"init\": \"$(sha256sum whole/model.safetensors | cut -c 1-64)\"" tuned/last/state.json
result $? "its checkpoints say what it began with"
sed '/^d_/d; /^n_/d' small.cfg >no-shape.cfg
cp -r tuned tuned-with
runs 0 "$dragoman" train --data data --config no-shape.cfg --freeze embeddings --max-steps 3 --resume auto --out tuned
runs 0 "$dragoman" train --data data --config no-shape.cfg --init whole --freeze embeddings --max-steps 3 --resume auto --out tuned-with
same tuned/model.safetensors tuned-with/model.safetensors "it goes on without --init as with it"
found tuned/run.json "\"path\": \"$PWD/whole/model.safetensors\""
runs 2 "$dragoman" train --data data --config small.cfg --d-ff 128 --freeze embeddings --max-steps 4 --resume auto --out tuned
says "d_ff = 128"
runs 3 "$dragoman" train --data data --config small.cfg --init tuned --freeze embeddings --max-steps 4 --resume auto --out tuned
says "not the model that the run"
runs 2 "$dragoman" train --data data --config small.cfg --bleu-every 2 --init tuned --resume auto --out whole
says "did not begin with a model"
rm -r tuned/checkpoints tuned/last tuned/best
# Of a run whose checkpoints were removed the result is all that is left: it is not begun anew.
cp -r tuned finished
for resume in no auto whole/checkpoints/step-00000014; do
    runs 2 "$dragoman" train --data data --config small.cfg --bleu-every 2 --max-steps 15 --resume $resume --out finished
    says "finished holds the result of a run, model.safetensors, and none of its checkpoints, without which it cannot be gone on with: choose another --out" 1
done
mkdir finished/data && echo old >finished/data/manifest.json
runs 2 "$dragoman" train --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --config small.cfg --vocab-size 330 --out finished
says "finished holds the result of a run"
equal "$(cat finished/data/manifest.json)" old "nor are its data prepared anew"
rm -r finished/data
same finished tuned "and it stays as it is"
rm tuned/model.safetensors
runs 2 "$dragoman" train --data data --config small.cfg --freeze embeddings --max-steps 3 --resume auto --out tuned
says "give that again"
runs 0 "$dragoman" train --data data --config small.cfg --learning-rate 0 --validate-every 2 --patience 2 --max-steps 100 --out patient
says "step 6  validation"
[ "$(readlink patient/last)" = checkpoints/step-00000006 ]
result $? "two validations without improvement end training"
mkdir over && echo '{"step":1}' >over/metrics.jsonl
runs 2 "$dragoman" train --data data --config small.cfg --resume whole/checkpoints/step-00000014 --out over
says "raise --max-steps"
equal "$(cat over/*)" '{"step":1}' "refused before anything there was removed"
for o in sgd adamw; do runs 0 "$dragoman" train --data data --config small.cfg --optimizer $o --weight-decay 0.01 --max-steps 2 --out "opt-$o"; done
runs 0 "$dragoman" train --data data --config small.cfg --average-last 2 --out averaged
says "mean of the checkpoints of steps 12, 14"

# The result does not depend on where a run was interrupted.
runs 0 "$dragoman" train --data data --config small.cfg --average-last 4 --keep-checkpoints 1 --out mean
says "mean of the checkpoints of steps 4, 8, 12, 14"
runs 0 "$dragoman" train --data data --config small.cfg --average-last 4 --keep-checkpoints 1 --max-steps 7 --out mean-twice
runs 0 "$dragoman" train --data data --config small.cfg --average-last 4 --keep-checkpoints 1 --resume auto --out mean-twice
same mean-twice/model.safetensors mean/model.safetensors "stopped at step 7 and resumed: the same mean"

# The best checkpoint: killed before the link to it was set; in another folder; by another measure.
still="--data data --config small.cfg --learning-rate 0 --validate-every 2 --checkpoint-every 2 --keep-checkpoints 1"
runs 0 "$dragoman" train $still --max-steps 2 --out unlinked
rm unlinked/best
runs 0 "$dragoman" train $still --max-steps 6 --resume auto --out unlinked
says "is the checkpoint of step 2"
runs 0 "$dragoman" train $still --max-steps 8 --resume unlinked/checkpoints/step-00000006 --out elsewhere
says "is not in elsewhere"
says "is the checkpoint of step 8"
runs 0 "$dragoman" train $still --max-steps 8 --resume unlinked/last --out by-link
found by-link/run.json "\"from\": \"$PWD/unlinked/checkpoints/step-00000006\"" 1

# Without the best checkpoint there is no result, unless a later one is better.
cp -r unlinked bestless && rm -r bestless/checkpoints/step-00000002
runs 3 "$dragoman" train $still --max-steps 8 --resume auto --out bestless
says "warning: if no later validation is better, training ends without a result: bestless/checkpoints has no whole checkpoint of step 2" 1
same bestless/model.safetensors unlinked/model.safetensors "the result that was there stays"

# Logs that a run killed before its first checkpoint has left are not those of the run that is gone on from.
mkdir foreign
for log in metrics timing; do echo '{"step":1,"loss":99.5}' >foreign/$log.jsonl; done
echo '{"step":0,"version":1,"tensors":["x"],"weight":"0000000000000000"}' >foreign/trace.jsonl
runs 0 "$dragoman" train $still --max-steps 8 --resume unlinked/checkpoints/step-00000006 --out foreign
says "foreign/metrics.jsonl begins anew: what it held was not of the run of unlinked/checkpoints/step-00000006" 1
same foreign/metrics.jsonl elsewhere/metrics.jsonl "metrics begin with the checkpoint"
[ ! -e foreign/trace.jsonl ] && ! grep -qF '"loss":99.5' foreign/timing.jsonl
result $? "and so do the other logs"
# What is in the way of something that will be written is told before anything is trained, and a start that fails leaves what run.json says of
# the run before it.
for name in timing.jsonl trace.jsonl model.safetensors last best run.json; do
    rm -rf held && cp -r whole held && rm -f held/$name && mkdir held/$name
    case $name in last | best) what=link ;; *) what=file ;; esac
    runs 3 "$dragoman" train --data data --config small.cfg --bleu-every 2 --resume auto --max-steps 16 --trace-hash --out held
    says "dragoman train: held/$name is a folder, where train puts a $what: move it away, or choose another --out" 1
    [ $name = run.json ] || same held/run.json whole/run.json "$name cannot be written: run.json stays"
    same held/metrics.jsonl whole/metrics.jsonl "$name cannot be written: nothing was trained"
done

runs 0 "$dragoman" train $still --max-steps 2 --best-by bleu --bleu-every 1 --out measures
runs 0 "$dragoman" train $still --max-steps 4 --resume auto --out measures
says "is the checkpoint of step 4"

# What is refused, and how.
runs 2 "$dragoman" train --data data --config small.cfg --out whole
says "--resume auto"
runs 2 "$dragoman" train --config small.cfg --out new
says "--data DATA"
runs 2 "$dragoman" train --data data --config small.cfg --out data
says "is a DATA folder of prepare"
runs 2 "$dragoman" train --data data --config small.cfg --bleu-every 2 --max-steps 2 --resume auto --out whole
says "give at least as many"
runs 2 "$dragoman" train --data data --out new --warmup-step 3
says "warmup-steps"
runs 2 "$dragoman" train --data data --config small.cfg --n-heads 5 --out new
says "n_heads"
runs 2 "$mpirun" -n 2 "$dragoman" train --data data --config small.cfg --tp 3 --out new
says "--tp 3: expected a divisor of virtual_tp = 4, the pieces that a layer is cut into, and of the number of ranks, 2: give one of 1, 2" 1
runs 2 "$mpirun" -n 3 "$dragoman" train --data data --config small.cfg --tp 3 --out new
says "of the number of ranks, 3: give one of 1" 1
runs 2 "$dragoman" bench --config small.cfg --tp 2
says "--tp 2 does not divide the number of ranks, 1: start 2 ranks or a multiple of it, or give a smaller --tp (of 1)" 1
runs 2 "$mpirun" -n 3 "$dragoman" train --data data --config small.cfg --virtual-dp 2 --out new
says "3 replicas on 3 ranks, but a batch is cut into virtual_dp = 2 leaves, at least one for each: start at most 2 ranks"
runs 1 "$mpirun" -n 2 "$dragoman" train --data data --config small.cfg --d-model 65536 --d-ff 262144 --n-encoder-layers 200 --out new
says "million parameters (d_model 65536, d_ff 262144, 200 + 2 layers) needs at least" 1
says "GB on $(hostname) with 2 of them, which has" 1
[ ! -e new ]
result $? "and nothing of it is left"
runs 1 "$dragoman" bench --config small.cfg --d-model 65536 --d-ff 262144 --n-encoder-layers 200
says "a larger --tp with the ranks on more nodes" 1
runs 3 "$mpirun" -n 2 "$dragoman" train --data nowhere --config small.cfg --out new
says "dragoman train: --data nowhere: No such file or directory; expected a DATA folder: make one with dragoman prepare" 1
runs 3 "$dragoman" train --data data --config small.cfg --init nowhere --out new
says "--init: nowhere: No such file or directory; expected a model file, or the folder of a run or of a checkpoint"
runs 3 "$dragoman" train --data data --config small.cfg --init data --out new
says "--init: data holds data"
for path in nothere/RUN whole small.cfg; do
    runs 3 "$dragoman" train --data data --config small.cfg --resume "$path" --out new
    case $path in
    nothere/RUN) says "--resume nothere/RUN: No such file or directory; expected auto, no, or the folder of a checkpoint, such as RUN/checkpoints/step" 1 ;;
    whole) says "--resume whole: this is a run, not a checkpoint: go on in it with --out whole --resume auto, or name a checkpoint, as whole/last" 1 ;;
    small.cfg) says "--resume small.cfg: this is a file; expected auto" 1 ;;
    esac
done
runs 3 "$dragoman" train --src nowhere --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --config small.cfg --out new
says "--src: nowhere: No such file or directory; expected a file of text"
runs 2 "$dragoman" train --data data --config small.cfg --config tiny --out new
says "--config: given twice, with small.cfg and with tiny"
cp -r stopped-USR1 unfinished
runs 3 "$dragoman" translate --model unfinished
says "unfinished has no model.safetensors: its training has not ended; go on with train --resume auto, or take its newest checkpoint, unfinished/last"
runs 3 "$dragoman" train --data data --config small.cfg --resume auto --dropout 0.5 --out whole
says "dropout = 0.1, not 0.5"
runs 4 "$dragoman" train --data data --config small.cfg --optimizer sgd --learning-rate 1000 --warmup-steps 0 --max-steps 50 --out diverged
says "lower the learning rate"
runs 4 "$dragoman" train --data data --config small.cfg --optimizer sgd --learning-rate 1000 --warmup-steps 0 --schedule constant --clip-norm 0 --max-steps 40 --out diverged-far
says "expected finite numbers; lower the learning rate" 1
says "-nan" 0
runs 2 "$dragoman" train --data data --config small.cfg --vocab-size 400 --out new
says "vocab_size has no effect with --data"
runs 2 "$dragoman" train --data data --config small.cfg --d-ff 128 --init whole/model.safetensors --out new
says "d_ff = 128"
runs 2 "$dragoman" train --data data --config small.cfg --bleu-every 2 --max-steps 20 --resume whole/checkpoints/step-00000008 --out whole
says "later than whole/checkpoints/step-00000008: go on from the newest with --resume auto, choose another --out to branch off"
[ ! -e new ]
result $? "what was refused left no folder"
runs 0 "$dragoman" train --data data --config small.cfg --bleu-every 2 --resume auto --out whole
says "nothing is left to do"

# A signal to mpirun reaches the ranks; a folder in use is refused.
"$mpirun" -n 2 "$dragoman" train --data data --config small.cfg --max-steps 100000 --out both >out.mpi 2>err.mpi &
pid=$!
for _ in $(seq 200); do
    [ -s both/metrics.jsonl ] && break
    sleep 0.05
done
runs 2 "$dragoman" train --data data --config small.cfg --resume auto --out both
says "in use by another process"
runs 2 "$dragoman" train --src valid.src --tgt valid.tgt --valid-src valid.src --valid-tgt valid.tgt --config small.cfg --resume auto --out both
says "in use by another process"
[ ! -e both/data ]
result $? "text for a folder in use is not prepared there"
mkdir mine
runs 2 "$dragoman" train --out mine
[ -d mine ]
result $? "a refused run leaves a folder that was there before"
kill -USR1 $pid
wait $pid
equal $? 75 "SIGUSR1 to mpirun ends training with exit code 75"

# The tokenizer of a model prepares other text for it.
head -n 100 src >more.src && head -n 100 tgt >more.tgt
runs 0 "$dragoman" prepare --src more.src --tgt more.tgt --valid-src valid.src --valid-tgt valid.tgt --tokenizer whole/model.safetensors --out more
same more/tokenizer.json data/tokenizer.json "prepare takes the tokenizer of a model"
runs 0 "$dragoman" train --data more --config small.cfg --init whole/model.safetensors --max-steps 2 --out tuned-more

cp -r whole torn && truncate -s -1 torn/checkpoints/step-00000014/model.safetensors
runs 0 "$dragoman" train --data data --config small.cfg --bleu-every 2 --resume auto --out torn
says "step-00000014"
same torn/model.safetensors whole/model.safetensors "a damaged checkpoint is passed over, the one before it goes on to the same model"

done_testing
