#!/bin/sh
# dragoman compare and train --trace-hash: traces of all layouts are the same bytes, and the first step and tensor at which runs part is named.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"

toy_corpus
cat >small.cfg <<'EOF_CFG'
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
keep_checkpoints = 10
max_steps = 14
EOF_CFG
train="train --data data --config small.cfg"
runs 0 "$dragoman" prepare --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 330 --out data

# One trace on every layout.
runs 0 "$dragoman" $train --out whole --trace-hash
found whole/trace.jsonl '"gradient"' 14
[ "$(head -n 1 whole/trace.jsonl | cut -c 1-37)" = '{"step":0,"version":1,"tensors":["mod' ]
result $? "the first line has the names, and the weights before the first update"
runs 0 "$dragoman" $train --out plain
[ ! -e plain/trace.jsonl ]
result $? "no trace without --trace-hash"
same plain/model.safetensors whole/model.safetensors "a trace changes no bit of the model"
for layout in "2 1" "2 2" "3 1" "4 2" "4 4"; do
    set -- $layout
    runs 0 "$mpirun" -n "$1" "$dragoman" $train --out "run-$1-$2" --tp "$2" --micro-batch-tokens 100 --trace-hash
    same "run-$1-$2/trace.jsonl" whole/trace.jsonl "$1 ranks, tp $2: the same trace"
done
runs 0 "$dragoman" compare whole run-4-2
prints "layout.tp"
prints "  ! " 0
prints "the same at 15 common steps, to step 14"
[ "$(tail -n 1 out)" = identical ]
result $? "says: identical"
runs 0 "$dragoman" compare whole run-3-1 --json
prints '"identical": true'

# Interrupted and resumed on another layout: cut back, the same trace.
runs 0 "$dragoman" $train --out parts --max-steps 9 --validate-every 3 --trace-hash
cp -r parts cut
rm -r cut/checkpoints/step-00000009 # goes on from step 8
printf '{"step":10,"grad' >>cut/trace.jsonl
runs 0 "$mpirun" -n 2 "$dragoman" $train --out cut --tp 2 --resume auto --trace-hash
same cut/trace.jsonl whole/trace.jsonl "resumed: the same trace"
runs 0 "$dragoman" compare whole cut # of what run.json says of its last start alone nothing shows it
prints "earlier starts of cut (what was then otherwise | in its last start):"
prints "earlier starts of whole" 0
prints "  updates 1 to 8"
found out "~ settings.validate_every  3 | 6"
equal "$(grep -c '^    layout.tp  *1 | 2$' out)" 2 "a layout changes nothing, unless reductions are fast: of the runs, and of the starts"
cp -r cut mended && sed -i '0,/"after_step": 0,/s//"after_step": 0, "gemm": "zen3",/' mended/run.json
runs 0 "$dragoman" compare mended whole
found out "! gemm                     zen3 | "
runs 0 "$dragoman" compare whole mended --json
prints '"earlier_starts": {'
prints '"then": "zen3"'
prints '"until": 8'
sed -i 's/"after_step": 0,/"after_step": 2,/' mended/run.json
runs 0 "$dragoman" compare whole mended
prints "  updates 1 to 2: nothing is known of them"
prints "  updates 3 to 8"
runs 0 "$dragoman" $train --out parts --resume auto
found parts/trace.jsonl '"gradient"' 9
runs 0 "$dragoman" compare whole parts # validated more often, traced less: nothing differs
prints "the same at 10 common steps, to step 9"

# Where runs part.
other() { # other SETTINGS: trains the same with these into the folder other
    rm -rf other
    runs 0 "$dragoman" $train --out other --trace-hash "$@"
}
other --seed 2
runs 1 "$dragoman" compare whole other
prints "begin with other weights at step 0: model.shared.weight"
prints "! settings.seed  1 | 2"
other --dropout 0.2
runs 1 "$dragoman" compare whole other
prints "part at step 1: the gradient of model.decoder.layers.1.final_layer_norm.bias"
prints "(the same at step 0)"
prints "all gradients differ"
prints "metrics: part at step 1: loss"
mkdir sparse # with steps between the first two lines that were not traced
sed 2,4d other/trace.jsonl >sparse/trace.jsonl
echo '{}' >sparse/run.json
runs 1 "$dragoman" compare whole sparse
prints "the runs part between steps 0 and 4: at step 4 gradients of 69, weights of 69 of 69 tensors differ already"
prints "is the first that differs" 0
prints "gradient nearest to the loss" 0
prints "to find it, train both again with --trace-hash --trace-hash-every 1, to step 4"
prints "metrics: not in both, sparse/metrics.jsonl is missing"
runs 1 "$dragoman" compare sparse whole --json
prints '"first_known": false'
runs 1 "$dragoman" compare whole other --json
prints '"first_known": true'
other --label-smoothing 0.2 --learning-rate 0.002
runs 1 "$dragoman" compare whole other --json
prints '"gradient_nearest_loss": "model.decoder.layers.1.final_layer_norm.bias"'
prints '"gradient_farthest": "model.shared.weight"'
prints '"identical": false'
prints '"effect": "bits"' 2
other --beta2 0.9
runs 1 "$dragoman" compare whole other
prints "part at step 1: the weight of model.shared.weight"
prints "it arises in the update"
prints "gradients of 0,"
runs 1 "$dragoman" compare whole/model.safetensors other --json
grep -F '"largest"' out | grep -vq k_proj.bias
result $? "the largest difference is not that of a bias of keys, which learns rounding noise"
runs 1 "$dragoman" compare whole/model.safetensors other
[ "$(grep -F '(the largest)' out | grep -cvF k_proj.bias)" = 1 ]
result $? "nor in the text"
prints "k_proj.bias, by at most"
prints "(k_proj.bias left out)"
other --batch-tokens 300
runs 1 "$dragoman" compare whole other
prints "the batch is another one"
other --n-decoder-layers 1
runs 1 "$dragoman" compare whole other
prints "other tensors"
other --max-steps 8
runs 1 "$dragoman" compare whole other
prints "nothing differs in 9 common steps of trace.jsonl and 9 common lines of metrics.jsonl, up to step 8, where other ends"
prints "~ settings.max_steps  14 | 8"
other --log-every 5 --validate-every 7 --trace-hash-every 4
runs 0 "$dragoman" compare whole other
prints "the same at 4 common steps, to step 12"

other --schedule cosine --max-steps 12
runs 1 "$dragoman" compare whole other
prints "! settings.max_steps"
runs 0 "$dragoman" $train --out fast --reduction fast --max-steps 1
runs 0 "$mpirun" -n 2 "$dragoman" $train --out fast-2 --reduction fast --max-steps 1
"$dragoman" compare fast fast-2 >out 2>err
prints "! layout.dp"
runs 0 "$mpirun" -n 2 "$dragoman" $train --out fast --reduction fast --max-steps 2 --resume auto
runs 1 "$dragoman" compare fast fast-2
prints "  updates 1 to 1"
prints "! layout.dp           1 | 2"

# One bit of one weight, changed in a checkpoint from which training goes on.
tensor=model.decoder.layers.0.fc2.weight
cp -r run-2-2 bit && rm -r bit/checkpoints/step-00000012 bit/checkpoints/step-00000014
runs 0 "$DGM_BUILDDIR/tests/nudge" bit 8 $tensor
runs 1 "$dragoman" compare whole/checkpoints/step-00000008 bit/checkpoints/step-00000008
prints "model: 1 of 69 tensors differ, 1 of"
prints "optimizer: the same"
runs 0 "$mpirun" -n 2 "$dragoman" $train --out bit --resume auto --trace-hash
says "not those that step 8 left: $tensor"
runs 1 "$dragoman" compare whole bit
prints "part at step 8: the weight of $tensor"
prints "(the same at step 8)" 0
prints "was changed before training went on"
prints "gradients of" 0
prints "weights of 1 of 69"
runs 1 "$dragoman" compare bit whole
prints "part at step 8: the weight of $tensor"
runs 0 "$dragoman" compare bit bit
mkdir gap && echo '{}' >gap/run.json && grep -Ev '^{"step":(8|9|10),' bit/trace.jsonl >gap/trace.jsonl
runs 1 "$dragoman" compare whole gap
prints "the runs part between steps 7 and 11: at step 11 gradients of "
prints "train both on from a checkpoint of step 7 or before (--resume)"
cp -r bit elsewhere && rm elsewhere/trace.jsonl && rm -r elsewhere/checkpoints/step-0000001?
runs 0 "$dragoman" $train --out branch --resume elsewhere/checkpoints/step-00000008 --trace-hash
runs 1 "$dragoman" compare whole branch
prints "the runs part at step 8 or before it: at step 8 weights of 1 of 69 tensors differ already"
prints "first weight in the model's order: $tensor"
prints "from a checkpoint before step 8"
prints "  updates 9 and on, going on from "

# Without a trace: metrics or checkpoints, whichever part first, then results.
rm bit/trace.jsonl
runs 1 "$dragoman" compare whole bit
prints "metrics: part at step 9: loss"
prints "the first with other weights is of step 8; the last with the same, of step 6"
prints "the runs part between steps 6 and 8: the checkpoints of step 8 have other weights"
mkdir short && mv bit/checkpoints short && head -n 6 bit/metrics.jsonl >short/metrics.jsonl
runs 1 "$dragoman" compare whole short # one that ends earlier, with other weights before
prints "the runs part between steps 6 and 8: the checkpoints of step 8 have other weights"
runs 1 "$dragoman" compare whole bit
prints "the runs part at step 9: loss is"
rm bit/metrics.jsonl
runs 1 "$dragoman" compare whole bit
prints "the results differ in"
runs 1 "$dragoman" compare whole bit/model.safetensors
prints "the models differ in"
runs 0 "$dragoman" compare whole plain/last
runs 1 "$dragoman" compare whole/checkpoints/step-00000004 whole/checkpoints/step-00000008
prints "~ step"
rm bit/model.safetensors
runs 3 "$dragoman" compare whole bit
prints "nothing could be compared: no logged step, traced step or checkpoint is in both runs, and not both have a result"
equal "$(cat err)" "" "that it could not be compared is an answer too"
rm -r plain/model.safetensors
runs 1 "$dragoman" compare whole plain
prints "; only whole has a result"
prints "nothing differs in 17 common lines of metrics.jsonl and 5 common checkpoints, up to step 14, where both end"

# Lines of metrics that are steps apart: between which steps, what to do, and all of that once.
mkdir left right
printf '{"step":50,"loss":2.5}\n{"step":100,"loss":2.0}\n' >left/metrics.jsonl
printf '{"step":50,"loss":2.5}\n{"step":100,"loss":2.25}\n' >right/metrics.jsonl
runs 1 "$dragoman" compare left right
prints "the runs part between steps 50 and 100: loss is 2.0 and 2.25" 1
prints "to find the step and the tensor, train both with --trace-hash"
equal "$(cat err)" "" "the answer is not said again on standard error"
sed -i 1d left/metrics.jsonl
runs 1 "$dragoman" compare left right
prints "the runs part at step 100 or before it: loss" 1
runs 1 "$dragoman" compare left right --json
prints '"same_step": -1'

# Of what was not looked at nothing is said.
log() { # log RUN STEP...: a run that has logged these steps
    mkdir -p "$1"
    for step in $(echo "$*" | cut -d " " -f 2-); do echo '{"step":'"$step"',"loss":2.5}'; done >"$1/metrics.jsonl"
}
log left 4 8 10
log right 4 7 11
runs 1 "$dragoman" compare left right
prints "nothing differs in 1 common line of metrics.jsonl, the last of step 4 (left goes on to step 10, right to step 11)"
prints "run.json: not in both"
log right 4 8
runs 1 "$dragoman" compare left right
prints "nothing differs in 2 common lines of metrics.jsonl, up to step 8, where right ends"
log right 4 8 10
runs 0 "$dragoman" compare left right
prints "identical in 3 common lines of metrics.jsonl, up to step 10, where both end; weights of that step were not compared"
prints "result: neither has one"
log right 3 6 9 12
runs 3 "$dragoman" compare left right
prints "metrics: no step is in both (the last: 10 | 12)"
prints "nothing could be compared: no logged step, traced step or checkpoint is in both runs, and not both have a result; train both with"
prints "nothing differs" 0
runs 3 "$dragoman" compare left right --json
prints '"compared": false'
prints '"identical": false'
: >right/metrics.jsonl # killed before its first lines
: >right/trace.jsonl
cp whole/trace.jsonl left
runs 3 "$dragoman" compare right left
prints "metrics: no step is in both (the last: none | 10)"
prints "trace: no step is in both (the last: none | 14)"
cp whole/model.safetensors left
cp whole/model.safetensors right
runs 0 "$dragoman" compare left right
prints "the results are identical; nothing else could be compared"
log right 3 6 9 12
runs 1 "$dragoman" compare left right
prints "the results are the same, but left goes to step 14, right to step 12; nothing else could be compared"
runs 0 "$dragoman" compare left right/model.safetensors
mkdir begun && echo '{}' >begun/run.json
runs 3 "$dragoman" compare whole/model.safetensors begun
says "begun has no model.safetensors: its training has not ended, and it has no checkpoint yet; go on with train --resume auto"

# Lines of logs that are damaged, or not where they belong: the rest is compared, and the runs are not called identical.
spoiled() { # spoiled CODE FILE SCRIPT: compares with a run of which sed has changed that log
    rm -rf bad && cp -r whole bad && sed -i "$3" "bad/$2"
    runs "$1" "$dragoman" compare whole bad
    equal "$(cat err)" "" "which is an answer"
}
spoiled 1 trace.jsonl '5s/"weight":"./"weight":"/'
prints "trace: the same at 14 common steps, to step 14"
prints "nothing differs in 14 common steps of trace.jsonl and 17 common lines of metrics.jsonl, up to step 14, where both end; bad/trace.jsonl: line 5 is" 1
spoiled 1 trace.jsonl 6p
prints "trace: the same at 15 common steps, to step 14"
prints "  bad/trace.jsonl: line 7 is damaged, or not where it belongs" 1
spoiled 1 trace.jsonl '4{h;d};5G'
prints "  bad/trace.jsonl: line 5 is damaged, or not where it belongs" 1
spoiled 1 trace.jsonl '1s/.*/{"loss":1}/'
prints "trace: no step is in both (the last: 14 | none)"
prints "  bad/trace.jsonl: line 1 is damaged, or not where it belongs, and 14 more" 1
prints "metrics: the same in 17 common lines"
spoiled 1 metrics.jsonl '$s/.*/{"loss":1}/'
prints "  bad/metrics.jsonl: line 17 is none of a metrics.jsonl" 1
prints "trace: the same at 15 common steps, to step 14"
spoiled 1 metrics.jsonl 3p
prints "  bad/metrics.jsonl: line 4 tells of the same step again" 1
prints "that one alone" 0
spoiled 1 metrics.jsonl '3{h;d};4G'
prints "  bad/metrics.jsonl: line 4 is of an earlier step than one before it" 1
prints "lines of steps that one alone has in their place: 1 | 0" 1
spoiled 1 metrics.jsonl "s/\$/$(printf '\r')/"
prints "  bad/metrics.jsonl: line 1 does not end as the program ends lines (\r), and 16 more" 1
runs 1 "$dragoman" compare whole bad --json
prints '"bad/metrics.jsonl: line 1 does not end' 1
rm -r bad/model.safetensors bad/checkpoints bad/trace.jsonl
sed -i 's/.*/{"loss":1}/' bad/metrics.jsonl
runs 3 "$dragoman" compare whole bad
prints "  bad/metrics.jsonl: line 1 is none of a metrics.jsonl, and 16 more" 1

# Logs that one has lost are named, and no more is claimed than what both have.
rm -rf bad && cp -r whole bad && rm bad/metrics.jsonl
runs 0 "$dragoman" compare whole bad
prints "metrics: not in both, bad/metrics.jsonl is missing" 1
equal "$(tail -n 1 out)" "identical in what both have; bad/metrics.jsonl is missing" "only what was looked at is claimed"
rm bad/trace.jsonl
runs 0 "$dragoman" compare bad whole
prints "trace: not in both, bad/trace.jsonl is missing" 1
equal "$(tail -n 1 out)" "identical in what both have; bad/metrics.jsonl is missing; bad/trace.jsonl is missing" "and of two"
runs 0 "$dragoman" compare bad bad --json
prints '"bad/metrics.jsonl"' 2
cp whole/metrics.jsonl bad
sed -i 's/"trace_hash": "true"/"trace_hash": "false"/; s/"trace": /"none": /' bad/run.json
runs 0 "$dragoman" compare whole bad
prints "trace: not in both, bad/trace.jsonl is not there (train --trace-hash writes it)" 1
equal "$(tail -n 1 out)" identical "a trace that was not asked for is none that is missing"

# A damaged checkpoint is passed over, as going on passes it over.
rm -rf bad && cp -r whole bad && rm bad/trace.jsonl
truncate -s 1000 bad/checkpoints/step-00000004/model.safetensors
runs 0 "$dragoman" compare whole bad
prints "checkpoints: 1 passed over: bad/checkpoints/step-00000004/model.safetensors" 1

# Bad input.
rm -rf bad
runs 3 "$dragoman" compare whole nowhere
says "nowhere is not there"
for file in run.json metrics.jsonl trace.jsonl; do
    runs 3 "$dragoman" compare whole/$file run-3-1/$file
    says "whole/$file is one file of a run: name the folder that it lies in, whole"
done
runs 3 "$dragoman" compare whole/last whole/last/state.json
says "whole/last/state.json is one file of a checkpoint: name the folder that it lies in, whole/last"
mkdir none
runs 3 "$dragoman" compare whole none
says "none has no model.safetensors; expected a model file, or the folder of a run or of a checkpoint"
runs 3 "$dragoman" compare data whole
says "data holds data, as prepare makes them, and no model"
runs 2 "$dragoman" compare whole
says "two runs"
cp -r whole bad
truncate -s 1000 bad/model.safetensors
runs 3 "$dragoman" compare bad/model.safetensors whole
says "bad/model.safetensors"

# A damaged file is told as one, not as another course of training.
cp whole/model.safetensors damaged.safetensors
printf '\377' | dd of=damaged.safetensors bs=1 seek=$(($(wc -c <damaged.safetensors) - 5)) conv=notrunc 2>/dev/null
cmp -s damaged.safetensors whole/model.safetensors && printf '\1' | dd of=damaged.safetensors bs=1 seek=$(($(wc -c <damaged.safetensors) - 5)) conv=notrunc 2>/dev/null
runs 3 "$dragoman" compare whole/model.safetensors damaged.safetensors
says "damaged"
done_testing
