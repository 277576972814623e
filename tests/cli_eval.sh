#!/bin/sh
# dragoman eval as a user calls it, with a small model of random weights: its numbers on any number of ranks and order of lines, as text and
# JSON, against those of translate and score; what is refused.
. "$DGM_SRCDIR/tests/tap.sh"
run= # in front of the command: mpirun and its ranks

evaluate() { # evaluate CODE ARGUMENTS...
    code=$1
    shift
    # shellcheck disable=SC2086 # words
    runs "$code" $run "$dragoman" eval "$@"
}

cat >src <<'EOF'
a house
the dog sees a cat

Ein Haus, zwei Häuser
we have 12 of them (or 13)
x
EOF
cat >ref <<'EOF'
ein Haus
der Hund sieht eine Katze
nichts
a house, two  houses

x y
EOF
cat src ref >text
"$DGM_BUILDDIR/tests/make_translator" model.safetensors text 7 || { echo "Bail out! no model"; exit 1; }
a="--model model.safetensors --max-length-factor 1"

evaluate 0 $a --src src --ref ref --hyp-out hyps
cp out table
cp hyps plain
prints 'lines                  6'
prints 'reference words        14'
prints 'BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:dragoman-'
"$dragoman" translate $a <src >translated 2>>err
same translated hyps "--hyp-out keeps what translate prints"
"$dragoman" score --hyp hyps --ref ref >scored
tail -1 table >bleu
same bleu scored "BLEU is what score says of these translations"

evaluate 0 $a --src src --ref ref --json
cp out json
found json '"ref_words": 14'
evaluate 0 $a --src src --ref ref --json-out written
same written json "--json-out writes what --json prints"
same out table "and the text is printed all the same"
found json '"version": "dragoman-'
field() { sed -n "s/^ \"$1\": \\([-0-9.e]*\\),*\$/\\1/p" json; }
awk -v nll="$(field nll)" -v ppl="$(field perplexity)" -v word="$(field perplexity_per_word)" -v tokens="$(field ref_tokens)" 'BEGIN {
    near = 1e-9; x = exp(nll) / ppl - 1; y = exp(nll * tokens / 14) / word - 1
    exit !(nll > 0 && x * x < near && y * y < near) }'
result $? "perplexities are exp of the negative log-likelihood per token and per word"
for ranks in 2 3; do
    run="$mpirun -n $ranks"
    evaluate 0 $a --src src --ref ref --json --hyp-out hyps
    same out json "$ranks ranks: the same numbers to the last digit"
    same hyps plain "$ranks ranks: the same translations"
done
run=
runs 0 "$DGM_BUILDDIR/tests/askew" eval $a --src src --ref ref --json
same out json "other code rounds otherwise: the same numbers to the last digit"
sed '3s/^/ \t /' src >spaces
evaluate 0 $a --src spaces --ref ref --hyp-out hyps
same hyps plain "a source line of white space is an empty one, as translate has it"
evaluate 0 $a --src src --ref ref --json --batch-tokens 9
same out json "small batches: the same numbers"
for f in src ref; do sed -n '1!G;h;$p' $f >$f.back && gzip -c $f.back >$f.gz; done
evaluate 0 $a --src src.gz --ref ref.gz --json
sed 's/"src.gz"/"src"/' out >back
same back json "lines in another order, compressed: the same numbers"
evaluate 0 $a --src src --ref ref --json --label-smoothing 0
equal "$(grep -E '"(loss|nll)"' out | sed 's/.*: //' | uniq | wc -l)" 1 "without smoothing the two losses are one"
evaluate 0 $a --src src --ref ref src
prints 'BLEU|nrefs:2|'

evaluate 0 $a --src src --ref ref --metrics bleu chrf ter --chrf-word-order 2 --confidence --confidence-n 100 --width 2
tail -3 out >three
"$dragoman" score --hyp plain --ref ref --metrics bleu chrf ter --chrf-word-order 2 --confidence --confidence-n 100 --width 2 >scored
same three scored "all metrics, with intervals, as score has them"
evaluate 0 $a --src src --ref ref --metrics ter chrf --json
prints '"chrf": {'
prints '"ter": {'
evaluate 2 $a --src src --ref ref --metrics rouge
says 'rouge'
evaluate 2 $a --src src --ref ref --hyp-out -
says '--hyp-out -'
test ! -e ./-
result $? "and leaves no file of that name"

mkdir folder && cp model.safetensors folder/
evaluate 0 --model folder --max-length-factor 1 --src src --ref ref
same out table "a folder that holds a model"

# Any path, whatever bytes it has.
odd=$(printf 'm\377del')
cp model.safetensors "$odd"
evaluate 0 --model "$odd" --max-length-factor 1 --src src --ref ref --json
prints '"model": "m\\xFFdel"' 1
sed 's/^ "model": .*,/ "model": "model.safetensors",/' out >renamed
same renamed json "a name that is no UTF-8: the same JSON besides"
evaluate 0 --spectra "$odd" --json --svg odd.svg
prints '"model": "m\\xFFdel"' 1
found odd.svg 'm\xFFdel'
cp ref "$odd.ref"
runs 0 "$dragoman" score --hyp hyps "$odd.ref" --ref ref --json
prints '"system": "m\\xFFdel.ref"' 1

# A byte order mark is no part of a source, nor of what the loss is of; scores have it, as those of score.
for f in src ref; do { printf '\357\273\277' && cat $f; } >$f.marked; done
evaluate 0 $a --src src.marked --ref ref.marked --hyp-out hyps --json
same hyps plain "a byte order mark in the source: the same translations"
equal "$(sed -n 's/^ "nll": //p' out)" "$(sed -n 's/^ "nll": //p' json)" "in the reference: the same loss"
"$dragoman" translate $a <src.marked >translated 2>>err
same translated plain "translate does without it, too"
for f in src ref; do sed 's/$/\r/' $f >$f.crlf; done
evaluate 0 $a --src src.crlf --ref ref.crlf --hyp-out hyps --json
same hyps plain "nor is the CR of a CR LF"
equal "$(sed -n 's/^ "nll": //p' out)" "$(sed -n 's/^ "nll": //p' json)" "the same loss"
"$dragoman" translate $a <src.crlf >translated 2>>err
same translated plain "translate does without it, too"
evaluate 0 $a --src src.marked --ref ref.marked
tail -1 out >bleu
"$dragoman" score --hyp plain --ref ref.marked >scored
same bleu scored "and BLEU is that of score"

# sacreBLEU's names, and its seed.
evaluate 0 $a --src src --ref ref -m bleu chrf -tok none -ci -cin 20 --seed 7
prints '|bs:20|seed:7|case:mixed|eff:no|tok:none|'
prints 'chrF2|'
evaluate 2 $a --src src --ref ref --confidence-n 20
says 'give --confidence as well'

# Output that cannot be written: the path and the reason, before there is work.
for option in --hyp-out --json-out --line-scores --token-scores; do
    evaluate 1 $a --src src --ref ref $option nowhere/file
    says "$option nowhere/file: its folder does not exist"
    says "translated" 0
    evaluate 1 $a --src src --ref ref $option .
    says "$option . is a folder: name a file"
    evaluate 2 $a --src src --ref ref $option -
    says "$option -: standard output is for the scores"
done
if [ -w /dev/full ]; then
    evaluate 1 $a --src src --ref ref --hyp-out /dev/full
    says "write /dev/full: No space left on device"
    [ -c /dev/full ]
    result $? "the device is still one"
    for json in "" --json; do
        # shellcheck disable=SC2086
        runs 1 sh -c "'$dragoman' eval $a --src src --ref ref $json >/dev/full"
        says "write standard output: No space left on device" 1
    done
fi

# Nothing that is read is written over, and no output by another.
cp src src.before && cp ref ref.before && cp model.safetensors model.before
for option in --hyp-out --json-out --line-scores --token-scores; do
    evaluate 2 $a --src src --ref ref $option ref
    says "$option and --ref are both ref: give two names"
    evaluate 2 $a --src src --ref ref $option ./src
    says "$option ./src would be written over --src src: give another name"
    evaluate 2 $a --src src --ref ref $option model.safetensors
    says "give"
done
same src src.before "the source is what it was"
same ref ref.before "so is the reference"
same model.safetensors model.before "so is the model"
evaluate 2 $a --src src --ref ref --line-scores two --hyp-out two
says "--line-scores and --hyp-out are both two: give two names"
[ ! -e two ]
result $? "and nothing is written"
evaluate 0 $a --src src --ref ref --line-scores /dev/null --hyp-out /dev/null
evaluate 2 $a --src src --ref ref --line-scores two --hyp-out ./two
says "--line-scores two would be written over --hyp-out ./two: give another name"
evaluate 2 $a --src src --ref ref --line-scores two --hyp-out two.tmp
says "--line-scores two would be written over --hyp-out two.tmp"
evaluate 2 $a --src src --ref ref --line-scores two.tmp --hyp-out two
cp src src.tmp
evaluate 2 $a --src src.tmp --ref ref --hyp-out src
says "--hyp-out src would be written over --src src.tmp"
same src src.before "files of that name are what they were"
same src.tmp src.before "those of the name that is written first, too"
ln -s ref to-ref
evaluate 2 $a --src src --ref to-ref --hyp-out ref
says "--hyp-out ref would be written over --ref to-ref"
cp src src.tmp && cp ref ref.tmp
evaluate 0 $a --src src --ref ref --hyp-out ref.tmp # not the file that ref would be written as: it is only read
mkdir kept && cp model.safetensors kept && mkdir run && ln -s ../kept/model.safetensors run/model.safetensors
for turn in first second; do
    runs 0 "$dragoman" eval --model run --src src --ref ref --token-scores run/tokens.jsonl
done
runs 2 "$dragoman" eval --model run --src src --ref ref --hyp-out kept/model.safetensors
says "--hyp-out kept/model.safetensors would be written over --model run: give another name"
evaluate 0 $a --src src --ref ref --hyp-out to-ref
[ ! -L to-ref ] && [ -s to-ref ]
result $? "a link to what is read may be replaced"
same ref ref.before "what it led to stays"

evaluate 2 --model model.safetensors --src src
says 'missing --ref'
evaluate 2 $a --src - --ref -
says 'standard input (-) can be read once'
run="$mpirun -n 2"
evaluate 3 --model absent --src src --ref ref
says 'dragoman eval: --model: absent: No such file or directory; expected a model file, or the folder of a run or of a checkpoint' 1
run=
evaluate 3 --spectra absent
says '--spectra: absent: No such file or directory; expected a model file'
evaluate 3 --model ref --src src --ref ref
evaluate 3 $a --src absent --ref ref
says '--src: absent: No such file or directory; expected a file of text, plain or .zst, .gz, .xz'
evaluate 3 $a --src src --ref absent
says '--ref: absent: No such file'
head -4 ref >short
evaluate 3 $a --src src --ref short
says 'short'
run="$mpirun -n 2"
evaluate 3 $a --src src --ref short
run=
evaluate 3 $a --src src --ref ref --max-src-tokens 20
says 'src, line 4: '
awk 'NR == 1 { for (i = 0; i < 40; i++) printf "ein Haus " } { print }' ref >long_ref
evaluate 0 $a --src src --ref long_ref --max-src-tokens 60
: >nothing
evaluate 3 $a --src nothing --ref nothing
says 'nothing is empty'
evaluate 1 $a --src src --ref ref --hyp-out absent/hyps
says 'absent/hyps'

done_testing
