#!/bin/sh
# dragoman tokenize and detokenize as a user calls them: DATA, tokenizer.json and model, pieces and ids, the trace, what is refused.
. "$DGM_SRCDIR/tests/tap.sh"

run() { # run CODE COMMAND ARGUMENTS...
    code=$1
    shift
    runs "$code" "$dragoman" "$@"
}
prints_only() { # prints_only TEXT: that line is all that the last run printed
    printf '%s\n' "$1" >want
    same out want "prints only: $1"
}

# "low" and "lower" are frequent, "st" is in "newest": merges that can be foretold.
for i in 1 2 3 4 5 6 7 8 9 10; do echo 'low low lower'; echo 'low, newest'; done >text
run 0 prepare --src text --tgt text --valid-src text --valid-tgt text --vocab-size 276 --out DATA
input=in

printf 'low\nlower  low,\n\n caf\303\251\n' >in
run 0 tokenize --model DATA
cp out pieces
[ "$(sed -n 1p out)" = '▁low' ] && [ "$(sed -n 3p out)" = '' ] && [ "$(sed -n 4p out)" = '▁ ▁ <0x63> <0x61> <0x66> <0xC3> <0xA9>' ]
result $? "words, an empty line, characters never seen"
run 0 tokenize --model DATA/tokenizer.json
same out pieces "the same from tokenizer.json"
run 0 tokenize --model DATA --ids
cp out ids
equal "$(sed -n 4p out)" '260 260 103 101 106 199 173' "ids"
cp in text.want
cp pieces in
run 0 detokenize --model DATA
same out text.want "pieces give the text back"
cp ids in
run 0 detokenize --model DATA --ids
same out text.want "ids give the text back"
{ printf '\357\273\277' && sed 's/$/\r/' text.want; } >in
run 0 tokenize --model DATA --ids
same out ids "a byte order mark and the CR of a CR LF are left out, as in training"

printf 'low' >in
run 0 tokenize --model DATA --trace
[ "$(head -n 1 out)" = 'word         ▁ l o w' ] && [ "$(tail -n 1 out)" = 'line         ▁low' ] && [ "$(grep -c '^merge [0-9]* *▁' out)" -eq 3 ]
result $? "the trace goes from characters through three merges to the pieces"

printf '<s> ▁low </s> <0x0A> ▁low <0x00>\n' >in
run 0 detokenize --model DATA
prints_only 'low  low '
printf '2 289\n' >in
run 3 detokenize --model DATA --ids
says 'standard input, line 1: "289" is no id; expected 0 to 275'
printf '1\n-1\n' >in
run 3 detokenize --model DATA --ids
says 'standard input, line 2: "-1" is no id'
printf '99999999999999999999\n' >in
run 3 detokenize --model DATA --ids
says 'is no id'
printf '▁low nothing\n' >in
run 3 detokenize --model DATA
says '"nothing" is no piece of the vocabulary'
printf 'fine\nnot \377 utf-8\n' >in
run 3 tokenize --model DATA
says 'standard input, line 2'
: >in
run 0 tokenize --model DATA
[ ! -s out ]
result $? "no line in, no line out"
run 2 tokenize
says '--model'
run 3 tokenize --model absent
says 'absent'
mkdir empty
run 3 tokenize --model empty
says 'empty has no tokenizer'
echo '{}' >odd.json
run 3 tokenize --model odd.json
says 'odd.json'
if [ -w /dev/full ]; then
    echo low >in
    runs 1 sh -c "'$dragoman' tokenize --model DATA >/dev/full" # a full disk
fi

# A model: a safetensors file whose metadata has the tokenizer.
model() { # model KEY FILE
    header=$(printf '{"__metadata__":{"%s":"' "$1" && tr -d '\n' <DATA/tokenizer.json | sed 's/\\/\\\\/g; s/"/\\"/g' &&
        printf '"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}')
    bytes=$(printf %s "$header" | wc -c)
    for shift in 1 256 65536 16777216; do
        # shellcheck disable=SC2059 # the format is the byte
        printf "\\$(printf %03o $((bytes / shift % 256)))"
    done >"$2"
    printf '\000\000\000\000%s\000\000\000\000' "$header" >>"$2"
}
printf 'low\n' >in
model tokenizer model.safetensors
run 0 tokenize --model model.safetensors
prints_only '▁low'
cp model.safetensors mean && run 0 tokenize --model mean
prints_only '▁low'
head -c 5 model.safetensors >cut.safetensors
run 3 tokenize --model cut.safetensors
says "not a whole safetensors file"
mkdir run && model tokenizer.tgt run/model.safetensors
run 0 tokenize --model run --side tgt
prints_only '▁low'
run 3 tokenize --model run
says 'has neither "tokenizer" nor "tokenizer.src"'

done_testing
