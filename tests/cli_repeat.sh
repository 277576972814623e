#!/bin/sh
# dragoman train --repeat and run.json: runs are repeated on other layouts and found identical; what cannot be repeated is refused with the reason.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"

toy_corpus
cat >small.cfg <<'EOF_CFG'
d_model = 32
d_ff = 64
n_heads = 4
n_encoder_layers = 1
n_decoder_layers = 1
batch_tokens = 400
learning_rate = 0.003
warmup_steps = 10
clip_norm = 1
log_every = 1
validate_every = 4
checkpoint_every = 3
keep_checkpoints = 10
max_steps = 10
EOF_CFG
train="train --data data --config small.cfg"
prepare="prepare --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt"
runs 0 "$dragoman" $prepare --vocab-size 330 --out data
runs 0 "$dragoman" $prepare --vocab-size 300 --out other-data

# Repeated on other layouts.
runs 0 "$dragoman" $train --out run --trace-hash
found run/run.json '"after_step": 0' 1
found run/run.json "\"model\": \"$(sha256sum run/model.safetensors | cut -c 1-64)\""
found run/run.json "\"metrics\": \"$(sha256sum run/metrics.jsonl | cut -c 1-64)\""
found run/run.json "\"data_path\": \"$PWD/data\""
for layout in "1 1" "2 2" "4 2"; do
    set -- $layout
    runs 0 "$mpirun" -n "$1" "$dragoman" train --repeat run/run.json --out "again-$1-$2" --tp "$2" --micro-batch-tokens 100
    prints "model.safetensors  identical"
    prints "metrics.jsonl      identical"
    prints "trace.jsonl        identical"
    prints "identical: again-$1-$2 repeats run"
    same "again-$1-$2/model.safetensors" run/model.safetensors "$1 ranks, tp $2: the same model"
done
runs 0 "$dragoman" compare run again-2-2
runs 0 "$dragoman" train --repeat again-4-2 --out thrice
prints "identical: thrice repeats again-4-2"

# Traced at other steps, or by one of them alone: what both have is compared.
runs 0 "$dragoman" train --repeat run --out sparse --trace-hash-every 5
prints "trace.jsonl        identical in the lines that both have: run has one of every step, sparse one of every 5 steps" 1
prints "identical: sparse repeats run" 1
runs 0 "$dragoman" compare run sparse # of two starts of one run nothing shows but what is otherwise
prints "settings." 1
found out "    settings.trace_hash_every  1 | 5" 1
runs 0 "$dragoman" train --repeat sparse --out sparse-again --trace-hash-every 1
prints "trace.jsonl        identical in the lines that both have: sparse has one of every 5 steps, sparse-again one of every step" 1
runs 0 "$dragoman" train --repeat sparse --out untraced --no-trace-hash
prints "trace.jsonl        not compared: sparse has one of every 5 steps, untraced none" 1
prints "identical: untraced repeats sparse" 1
runs 0 "$dragoman" train --repeat untraced --out sparse-again --resume auto
prints "trace.jsonl        not compared: untraced has none, sparse-again one of other steps after a new start" 1
cp -r sparse changed && sed -i 's/"weight":"../"weight":"zz/' changed/trace.jsonl
sed -i "s/\(\"trace\": \"\)[0-9a-f]*/\1$(sha256sum changed/trace.jsonl | cut -c 1-64)/" changed/run.json
runs 1 "$dragoman" train --repeat changed --out sparse-again --resume auto --trace-hash
prints "trace.jsonl        not identical" 1

# Interrupted, it goes on; where the first run's files are gone, what was recorded counts.
rm -r again-2-2/model.safetensors again-2-2/checkpoints/step-00000009 again-2-2/checkpoints/step-00000010
cp -r run gone && rm gone/model.safetensors gone/metrics.jsonl gone/trace.jsonl
runs 0 "$dragoman" train --repeat gone/run.json --out again-2-2 --resume auto
says "going on from"
prints "model.safetensors  identical"
prints "trace.jsonl        identical"

# A setting told otherwise half-way, but the same: the number that virtual_tp = 0 stands for.
cp -r run told && rm -r told/model.safetensors told/checkpoints/step-00000009 told/checkpoints/step-00000010
runs 0 "$dragoman" $train --out told --trace-hash --resume auto --virtual-tp 4
runs 0 "$dragoman" train --repeat told/run.json --out told-again --virtual-tp 4
prints "identical: told-again repeats told"
runs 0 "$dragoman" compare told run
prints "settings.virtual_tp" 0

# Not identical: named as compare does; here the record has been changed.
changed() { # changed FROM TO: a run.json in the folder changed, with TO in place of FROM
    rm -rf changed new && cp -r run changed
    sed -i "s|$1|$2|" changed/run.json
    differs changed/run.json run/run.json "run.json with $2"
}
changed '"dropout": "0.1"' '"dropout": "0.2"'
runs 1 "$dragoman" train --repeat changed --out new
prints "model.safetensors  not identical"
prints "all gradients differ"
prints "the runs part at step 1: the gradient of model.decoder.layers.0.final_layer_norm.bias" 1
says "the result is not that of the run" 1
rm changed/model.safetensors
runs 1 "$mpirun" -n 2 "$dragoman" train --repeat changed --out apart
says "are not there any more"

# What is not as it was.
changed '"gemm": "[a-z0-9_]*"' '"gemm": "another"'
runs 3 "$dragoman" train --repeat changed --out new
says "BLIS's kernels for another"
runs 0 "$dragoman" train --repeat changed --out new --any-machine
says "will not be the same"
changed '"version": "[^"]*"' '"version": "0.0.1"'
runs 0 "$dragoman" train --repeat changed --out new
says "the run had Dragoman 0.0.1"
changed '"seed": "1"' '"seeds": "1"'
runs 3 "$dragoman" train --repeat changed --out new
says "seeds"
changed '"result"' '"outcome"'
runs 0 "$dragoman" train --repeat changed --out new
prints "model.safetensors  identical"
rm changed/model.safetensors
runs 3 "$dragoman" train --repeat changed --out new-2
says "has not ended"
mv data moved
runs 3 "$mpirun" -n 2 "$dragoman" train --repeat run --out new-2
says "give --data"
runs 3 "$dragoman" train --repeat run --out new-2 --data other-data
says "not the data of the run"
runs 0 "$dragoman" train --repeat run --out moved-data --data moved
cp -r moved damaged
printf X | dd of=damaged/train-00000.zst bs=1 seek=100 conv=notrunc 2>/dev/null
runs 3 "$dragoman" train --repeat run --out new-2 --data damaged
says "train-00000.zst"
mv moved data
[ ! -e new-2 ]
result $? "what was refused left no folder"

# What may be given along with --repeat.
runs 2 "$dragoman" train --repeat run --out new-2 --seed 2
says "seed = 2, but the run to repeat had 1"
runs 2 "$dragoman" train --repeat run --out new-2 --log-every 5
says "log_every = 5"
runs 2 "$dragoman" train --repeat run --out new-2 --config small.cfg
says "--config with --repeat"
runs 2 "$dragoman" train --repeat run --out run
says "choose another one"
runs 3 "$dragoman" train --repeat data/tokenizer.json --out new-2
says "settings"
runs 3 "$dragoman" train --repeat nowhere/run.json --out new-2
says "--repeat: nowhere/run.json: No such file or directory; expected the run.json of a run, or the folder of one"
runs 3 "$dragoman" train --repeat data --out new-2
says "--repeat: data/run.json: No such file or directory"
runs 3 "$dragoman" train --repeat src --out new-2
says "; expected the run.json of a run"

# Runs of several starts.
runs 0 "$dragoman" $train --out parts
rm -r parts/model.safetensors parts/checkpoints/step-00000009 parts/checkpoints/step-00000008 parts/checkpoints/step-00000010
runs 0 "$mpirun" -n 2 "$dragoman" $train --out parts --resume auto --tp 2 --micro-batch-tokens 50 --keep-checkpoints 9
found parts/run.json '"after_step": 6' 1
found parts/run.json '"micro_batch_tokens": "0"' 1
found parts/run.json '"micro_batch_tokens": "50"' 1
runs 0 "$dragoman" $train --out parts --resume auto
says "nothing is left to do"
runs 0 "$dragoman" $train --out parts --resume auto
found parts/run.json '"after_step"' 3
found parts/run.json '"tp": "2"' 1
runs 0 "$dragoman" train --repeat parts --out parts-again
runs 0 "$dragoman" $train --out longer --max-steps 4
runs 0 "$dragoman" $train --out longer --resume auto
found longer/run.json '"ended_at": 4' 1
runs 0 "$dragoman" train --repeat longer --out longer-again
same longer/metrics.jsonl run/metrics.jsonl "a run that ended where it validates and went on has the metrics of one that went through"
runs 0 "$dragoman" $train --out stop --max-steps 5
runs 0 "$dragoman" $train --out stop --resume auto --trace-hash
runs 3 "$dragoman" train --repeat stop --out new-2
says "ended at step 5, where it validated"
runs 0 "$dragoman" compare run stop
prints "lines of steps that one alone logged: 0 | 1"
runs 0 "$dragoman" $train --out logs --max-steps 4
runs 0 "$dragoman" $train --out logs --log-every 2 --validate-every 2 --resume auto
runs 3 "$dragoman" train --repeat logs --out new-2
says "logs/run.json: no run that goes through is the same:" 1
found err "  - the run had log_every = 1 up to step 4 and 2 after it" 1
found err "  - the run had validate_every = 4 up to step 4 and 2 after it" 1
says "up to step 4" 2
runs 0 "$dragoman" $train --out branch --resume run/checkpoints/step-00000006
runs 3 "$dragoman" train --repeat branch --out new-2
says "up to step 6 the run lay in another folder, and its metrics with it (it went on from $PWD/run/checkpoints/step-00000006): train that one to step 10 "
# A start that only made a result of what was there is no end that validated, and its settings count for nothing.
cp -r run early && rm -r early/model.safetensors early/checkpoints/step-0000000[789] early/checkpoints/step-00000010
sed -i 's/"result"/"none"/' early/run.json
runs 0 "$dragoman" $train --out early --resume auto --max-steps 6 --trace-hash
says "nothing is left to do: step 6"
# The same as the end of the run: it did not validate at step 6, where a run to that step does.
rm -rf new-2
runs 3 "$dragoman" train --repeat early --out new-2
says "the run was stopped at step 6 and closed there without validating and logging" 1
runs 0 "$dragoman" $train --out early --resume auto --trace-hash
runs 0 "$dragoman" train --repeat early --out again-1-1 --resume auto
# The result follows from the last settings alone.
cp -r run mean
runs 0 "$dragoman" $train --out mean --resume auto --average-last 2
says "is the mean of the checkpoints of steps 9, 10"
runs 0 "$dragoman" train --repeat mean --out mean-again
cp -r run idle
runs 0 "$dragoman" $train --out idle --resume auto --log-every 5
runs 3 "$dragoman" train --repeat idle --out new-2
says "log_every = 1 up to step 10 and 5 after it"
says "The last start made no updates: start the run once more as before it, with --resume auto"
runs 0 "$dragoman" $train --out idle --resume auto
sed -i 's/"after_step": 0/"version": "0.0.1", &/' idle/run.json # of the start that made all updates
runs 0 "$dragoman" train --repeat idle --out again-1-1 --resume auto
says "warning: the run had Dragoman 0.0.1, here it is" 1
says "up to step 10" 0
rm -rf changed && cp -r parts changed && sed -i 's/"after_step": 0/"version": "0.0.1", &/' changed/run.json
runs 0 "$mpirun" -n 2 "$dragoman" train --repeat changed --out parts-again --resume auto
says "warning: up to step 6 the run had Dragoman 0.0.1, after it" 1
rm stop/run.json
runs 0 "$dragoman" $train --out stop --resume auto --max-steps 11
says "what is known of the run before step 10 is lost"
runs 3 "$dragoman" train --repeat stop --out new-2
says "nothing is known of the run before step 10"
runs 0 "$dragoman" $train --out unfinished --max-steps 6
rm unfinished/model.safetensors && sed -i 's/"result"/"none"/' unfinished/run.json
runs 3 "$dragoman" train --repeat unfinished --out new-2
says "has not ended yet"

# Logs that lost lines on the way.
cp -r run holed && rm -r holed/model.safetensors holed/checkpoints/step-0000000[789] holed/checkpoints/step-00000010 && sed -i 2,3d holed/metrics.jsonl
runs 0 "$mpirun" -n 2 "$dragoman" $train --out holed --resume auto --trace-hash
says "lacks" 1
found holed/run.json '"lost"' 1
runs 0 "$dragoman" train --repeat holed --out holed-again
prints "model.safetensors  identical"
prints "metrics.jsonl      identical in the lines that both have: holed lost 2 lines of steps 2 to 3" 1
prints "trace.jsonl        identical"
prints "identical in all that is left to compare, as told above: holed-again repeats holed" 1
judged() { # judged CODE COMMAND...: the command changes files of a copy of `holed`, which the repetition then is compared with once more
    code=$1
    shift
    rm -rf changed && cp -r holed changed && (cd changed && "$@")
    runs "$code" "$dragoman" train --repeat changed --out holed-again --resume auto
    says "nothing is left to do"
}
judged 0 rm metrics.jsonl
prints "metrics.jsonl      not compared: changed lost 2 lines of steps 2 to 3" 1
judged 1 sed -i 's/"lost"/"none"/' run.json
says "no number that both have differs, but one has lines that the other lacks" 1
judged 0 sh -c 'rm metrics.jsonl && sed -i "s/\"metrics\": \"/\"none\": \"/; s/\"lost\"/\"gone\"/" run.json'
prints "metrics.jsonl      not compared: changed has none, and its run.json no hash of one" 1
judged 1 sh -c 'sed -i "s/{\"step\":9,\"epoch\":0/{\"step\":9,\"epoch\":7/" metrics.jsonl &&
    sed -i "s/\(\"metrics\": \"\)[0-9a-f]*/\1$(sha256sum metrics.jsonl | cut -c 1-64)/" run.json'
prints "metrics.jsonl      not identical" 1
says "the result is not that of the run, as told above" 1

# --init, text, sums that depend on the layout, names that are no UTF-8.
runs 0 "$dragoman" $train --out tuned --init run --max-steps 2
found tuned/run.json "\"sha256\": \"$(sha256sum run/model.safetensors | cut -c 1-64)\""
runs 0 "$dragoman" train --repeat tuned --out tuned-again
runs 2 "$dragoman" train --repeat run --out new-2 --init run
says "began with a new model"
runs 3 "$dragoman" train --repeat tuned --out new-2 --init changed/checkpoints/step-00000003
says "not the model that the run began with"
mv run run-moved
runs 3 "$dragoman" train --repeat tuned --out new-2
says "give --init"
runs 0 "$dragoman" train --repeat tuned --out tuned-thrice --init run-moved
runs 0 "$dragoman" train --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 330 --config small.cfg --max-steps 2 --out from-text
runs 0 "$dragoman" train --repeat from-text --out from-text-again
runs 0 "$mpirun" -n 2 "$dragoman" $train --out fast --reduction fast --max-steps 4
runs 0 "$mpirun" -n 2 "$dragoman" $train --out fast --reduction fast --max-steps 5 --resume auto --threads 2 # which are no layout
runs 2 "$dragoman" train --repeat fast --out new-2
says "start it on 2 ranks with --tp 1"
runs 0 "$mpirun" -n 2 "$dragoman" train --repeat fast --out fast-again
odd=$(printf 'gr\366\337e')
if mkdir "$odd" 2>/dev/null; then
    cp -r data "$odd/data"
    runs 0 "$dragoman" train --data "$odd/data" --config small.cfg --max-steps 2 --out "$odd/run"
    found "$odd/run/run.json" '"data": "gr\\xF6\\xDFe/data"'
    mv data data-away
    runs 0 "$dragoman" train --repeat "$odd/run" --out "$odd/again"
    prints "identical:"
fi
[ ! -e new-2 ]
result $? "what was refused left no folder"

done_testing
