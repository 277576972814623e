#!/bin/sh
# dragoman eval --each as a user calls it: all checkpoints of a small run against eval --model and against what training wrote, on any number of
# ranks to the byte; damaged ones; what is refused.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"
get="$DGM_BUILDDIR/tests/json_get"

toy_corpus
settings="--d-model 32 --d-ff 64 --n-heads 4 --n-encoder-layers 1 --n-decoder-layers 1 --batch-tokens 1000 --virtual-dp 2 --learning-rate 0.01
 --warmup-steps 10 --log-every 10 --validate-every 20 --bleu-every 1 --checkpoint-every 20 --keep-checkpoints 10"
"$dragoman" prepare --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 340 --out data >out 2>err &&
    "$dragoman" train --data data --out run $settings --max-steps 70 --average-last 2 >out 2>err &&
    "$dragoman" train --data data --out best $settings --max-steps 20 >out 2>err
result $? "a run of four checkpoints whose result is a mean, another of one"

# ---- the table, JSON and the drawing ----

# Sentences that the model has not seen, and other words, so that BLEU is neither 0 nor 100.
sed 's/my/the/' valid.src >test.src
sed 's/meiner/einer/' valid.tgt >test.ref
each="eval --each run --src test.src --ref test.ref"
# shellcheck disable=SC2086 # words
runs 0 "$dragoman" $each --svg curve.svg --json-out curve.json
cp out table
awk 'NR == 1 { exit !($1 == "step" && $4 == "perplexity" && $5 == "BLEU" && $6 == "low" && $7 == "high" && NF == 7) }' table
result $? "the table has a head"
equal "$(awk 'NR > 1 && NF == 7 { printf "%s ", $1 }' table)" "20 40 60 70 result " "a line for each checkpoint, ascending, and for the result"
awk 'NR > 1 && NF == 7 && !($6 <= $5 && $5 <= $7) { exit 1 }' table
result $? "every score lies in its interval"
awk 'NR > 1 && NF == 7 && $5 > 1 && $5 < 99 { n++ } END { exit !(n >= 2) }' table
result $? "and says something: it is neither 0 nor 100"
found table "BLEU|nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|version:dragoman-" 1
says "4 of 5: checkpoints/step-00000070 is scored"
equal "$($get curve.json run src ref.0 complete skipped models.4.model models.4.step models.3.step | tr '\n' ' ')" \
    "run test.src test.ref true [] model.safetensors 70 70 " "JSON says what was scored on what"

fields="lines src_tokens ref_tokens ref_words label_smoothing loss nll perplexity perplexity_per_word bleu.score bleu.signature bleu.confidence_mean
 bleu.confidence_var bleu.counts bleu.sys_len"
i=0
for model in checkpoints/step-00000020 checkpoints/step-00000040 checkpoints/step-00000060 checkpoints/step-00000070 model.safetensors; do
    "$dragoman" eval --model run/$model --src test.src --ref test.ref --confidence --json >alone 2>err
    # shellcheck disable=SC2086 # names
    $get alone $fields >want
    # shellcheck disable=SC2046
    $get curve.json $(for f in $fields; do echo "models.$i.$f"; done) >got
    equal "$($get curve.json models.$i.model)" $model "model $i is $model"
    same got want "with the numbers of eval --model, all digits"
    i=$((i + 1))
done
equal "$($get curve.json models.1.digest)" "$(head -n 1 run/checkpoints/step-00000040/model.safetensors | grep -ao '"digest":"[0-9a-f]*"' | cut -d '"' -f 4)" \
    "the digest is the one in the model's file"

found curve.svg '<title>Checkpoints of run</title>' 1
found curve.svg 'prefers-color-scheme:dark' 1
equal "$(grep -c 'class="plot">' curve.svg)" 3 "three plots: loss, perplexity, BLEU"
equal "$(grep -o 'class="dot[^>]*>' curve.svg | grep -o 'h0.1' | wc -l)" 15 "a dot in each for each model"
equal "$(grep -c 'class="band' curve.svg) $(grep -c 'class="bar' curve.svg)" "1 1" "intervals of BLEU: a band for the checkpoints, a bar for the result"
found curve.svg 'test.src, 20 lines</text>' 1
found curve.svg 'BLEU|nrefs:1|bs:1000|' 1
if command -v xmllint >/dev/null; then
    xmllint --noout curve.svg 2>err
    result $? "the drawing is well-formed XML"
else
    result 0 "the drawing is well-formed XML # SKIP no xmllint"
fi

for ranks in 2 3; do
    # shellcheck disable=SC2086 # words
    runs 0 "$mpirun" -n $ranks "$dragoman" $each --svg ranks.svg --json-out ranks.json --batch-tokens 50
    same out table "$ranks ranks: the same table"
    same ranks.json curve.json "$ranks ranks: the same JSON"
    same ranks.svg curve.svg "$ranks ranks: the same drawing"
done
# shellcheck disable=SC2086 # words
runs 0 "$dragoman" $each --json
same out curve.json "--json prints what --json-out writes"
# shellcheck disable=SC2086 # words
runs 0 "$dragoman" $each --metrics bleu chrf ter --no-confidence --beam 1 --width 3 --svg three.svg --json-out three.json
equal "$(sed -n 1p out | tr -s ' ')" " step loss nll perplexity BLEU chrF2 TER" "other metrics have columns, without intervals where they are not wanted"
awk 'NR == 2 { exit !($5 ~ /^[0-9]+\.[0-9][0-9][0-9]$/) }' out
result $? "--width sets the decimals"
prints "TER|" 1
equal "$(grep -c 'class="plot">' three.svg) $(grep -c 'class="ba[nr]' three.svg)" "5 0" "five plots, no bands"
$get three.json models.0.ter.num_edits models.4.chrf.score >got 2>&1
result $? "and JSON has all three"
# shellcheck disable=SC2086 # words
runs 2 "$dragoman" $each --no-confidence --seed 3
says '--seed is of the random numbers of intervals and tests'

# ---- the run's own validation part ----

runs 0 "$dragoman" eval --each run --no-confidence --json
cp out valid.json
for i in 0 1 2 3; do
    step=$($get valid.json models.$i.step)
    grep "\"step\":$step,\"valid_loss\"" run/metrics.jsonl >line
    equal "$($get valid.json models.$i.loss models.$i.nll models.$i.perplexity models.$i.bleu.score models.$i.ref_tokens | tr '\n' ' ')" \
        "$($get line valid_loss valid_nll valid_perplexity valid_bleu valid_tokens | tr '\n' ' ')" "step $step: what validation had said, to the last digit"
done
equal "$($get valid.json src)" "$PWD/data/valid.zst" "JSON says that it was the validation part"
runs 0 "$mpirun" -n 2 "$dragoman" eval --each run --no-confidence --json
same out valid.json "2 ranks: the same"
mv data moved
runs 3 "$dragoman" eval --each run
says "data: the run's data is not there"
runs 0 "$mpirun" -n 2 "$dragoman" eval --each run --data moved --no-confidence --json
sed "s,moved/valid,$PWD/data/valid," out >got
same got valid.json "--data says where the data is now"
"$dragoman" prepare --src tgt --tgt src --valid-src valid.tgt --valid-tgt valid.src --vocab-size 340 --out other >out 2>err
runs 3 "$dragoman" eval --each run --data other
says "other is not the data of run"
mv moved data

# The result of `best` is its checkpoint, byte for byte, but for its place.
runs 0 "$dragoman" eval --each best --src test.src --ref test.ref --json
$get out models.0 | sed 's,checkpoints/step-00000020,X,' >got
$get out models.1 | sed 's,model.safetensors,X,' >want
same got want "a result that is one of the checkpoints has its line"

# ---- damage ----

cp -r run hurt
truncate -s -1 hurt/checkpoints/step-00000040/model.safetensors
printf x | dd of=hurt/model.safetensors bs=1 seek=20000 conv=notrunc 2>/dev/null
mkdir hurt/checkpoints/step-00000080.tmp
ln -s nowhere hurt/checkpoints/step-00000090 # a checkpoint that is gone when its turn comes
awk '$1 != "40" && $1 != "result"' table >rest
for ranks in 1 2; do
    runs 3 "$mpirun" -n $ranks "$dragoman" eval --each hurt --src test.src --ref test.ref --svg hurt.svg --json-out hurt.json
    same out rest "$ranks ranks: the others are scored"
    says "checkpoints/step-00000040 is left out: " 1
    says "model.safetensors is left out: " 1
    says "step-00000090 is there no more" 1
    says "hurt: 2 of 6 models could not be scored, as the warnings say (checkpoints/step-00000040, ...)" 1
    equal "$($get hurt.json skipped complete models.2.step | tr '\n' ' ')" '["checkpoints/step-00000040","model.safetensors"] true 70 ' "JSON has their names"
    [ $ranks -eq 1 ] && cp hurt.json hurt.1.json && cp hurt.svg hurt.1.svg
done
same hurt.json hurt.1.json "2 ranks: the same JSON"
same hurt.svg hurt.1.svg "2 ranks: the same drawing"
for step in 20 60 70; do rm hurt/checkpoints/step-000000$step/DONE; done
runs 3 "$mpirun" -n 2 "$dragoman" eval --each hurt --src test.src --ref test.ref --svg hurt.svg
says "hurt: 5 of 6 models could not be scored"
[ ! -s out ]
result $? "nothing is printed where nothing was scored"
cp -r run nan && "$DGM_BUILDDIR/tests/nudge" nan 60 model.decoder.layers.0.fc2.bias nan
runs 4 "$mpirun" -n 2 "$dragoman" eval --each nan --src test.src --ref test.ref
awk '$1 != "60"' table >rest
same out rest "a checkpoint that holds NaN is left out, too"
says "checkpoints/step-00000060 is left out: " 1

# Cut off in the middle: what was scored until then is there.
head -n 100 src >part.src && head -n 100 tgt >part.ref
"$dragoman" eval --each run --src part.src --ref part.ref --beam 40 --json-out part.json --svg part.svg >out 2>err &
pid=$!
for _ in $(seq 2400); do
    [ -s part.svg ] && break
    kill -0 $pid 2>/dev/null || break
    sleep 0.05
done
kill -9 $pid
wait $pid 2>/dev/null
equal "$($get part.json complete models.0.step | tr '\n' ' ')" "false 20 " "killed: JSON has the models scored until then, and says so"
found part.svg "not all models yet" 1

# ---- what is refused ----

for path in absent src data run/checkpoints run/last run/model.safetensors; do
    runs 3 "$dragoman" eval --each $path --src test.src --ref test.ref
    says "$path"
    says "expected "
done
says "--model"
mkdir -p young/data bare/checkpoints
cp run/run.json young/ && cp run/model.safetensors bare/
runs 3 "$mpirun" -n 2 "$dragoman" eval --each young
says "young has no checkpoints yet"
runs 3 "$dragoman" eval --each bare
says "evaluate that with --model bare/model.safetensors"
cp -r best lost && rm lost/run.json
runs 3 "$dragoman" eval --each lost
says "lost/run.json"
for with in "--model run" "--hyp-out h" "--line-scores l" "--token-scores t"; do
    # shellcheck disable=SC2086 # words
    runs 2 "$dragoman" $each $with
    says "--each is about all checkpoints of a run, ${with%% *} about one model"
done
# shellcheck disable=SC2086 # words
runs 2 "$dragoman" $each --spectra run
says "--spectra looks at matrices alone"
runs 2 "$dragoman" eval --each run --src test.src
says "missing --ref"
runs 2 "$dragoman" eval --each run --ref test.ref
says "missing --src"
# shellcheck disable=SC2086 # words
runs 2 "$dragoman" $each --no-confidence --confidence-n 20
says 'give --confidence as well'
runs 2 "$dragoman" $each --data data
says "not both"
runs 2 "$dragoman" eval --model run --src test.src --ref test.ref --data data
says "--data goes with --each"
# shellcheck disable=SC2086 # words
for out in run/last/model.safetensors run/metrics.jsonl run/run.json; do
    # shellcheck disable=SC2086 # words
    runs 2 "$dragoman" $each --json-out $out
    says "--json-out $out would be written over --each run"
done
runs 2 "$mpirun" -n 2 "$dragoman" eval --each run --json-out data/manifest.json
says "--json-out data/manifest.json would be written over the data" 1
# shellcheck disable=SC2086 # words
runs 2 "$dragoman" $each --svg both --json-out both
says "--svg and --json-out are both both"
# shellcheck disable=SC2086 # words
runs 2 "$dragoman" $each --svg -
says "--svg -: standard output is for the scores"
# shellcheck disable=SC2086 # words
runs 2 "$dragoman" $each --json-out -
says "--json-out -"
# shellcheck disable=SC2086 # words
runs 1 "$dragoman" $each --json-out no/such/folder.json
says "no/such/folder.json"
equal "$(wc -l <out)" 0 "a file that cannot be written is told of before the first model"
head -n 5 test.ref >short
runs 3 "$dragoman" eval --each run --src test.src --ref short
says "short"
runs 3 "$mpirun" -n 2 "$dragoman" eval --each run --src test.src --ref test.ref --max-src-tokens 2
says "test.src, line 1: "
[ ! -e - ] && [ ! -e both ]
result $? "what was refused left no file"
done_testing
