#!/bin/sh
# dragoman translate as a user calls it, with a small model of random weights: the same translations on any number of ranks, in any batch
# and order; n-best lists; what is refused.
. "$DGM_SRCDIR/tests/tap.sh"
run= # in front of the command: mpirun and its ranks

translate() { # translate CODE INPUT ARGUMENTS...: with the file INPUT as standard input
    code=$1 input=$2
    shift 2
    # shellcheck disable=SC2086 # words
    runs "$code" $run "$dragoman" translate "$@"
}

cat >in <<'EOF'
a house
the dog sees a cat

Ein Haus, zwei Häuser
   
we have 12 of them (or 13)
x
the cat sees the dog and the dog sees the cat in the house
日本
EOF
"$DGM_BUILDDIR/tests/make_translator" model.safetensors in 7 || { echo "Bail out! no model"; exit 1; }
m="--model model.safetensors"

translate 0 in $m
cp out plain
equal "$(wc -l <out)" "$(wc -l <in)" "a line for each line"
[ -z "$(sed -n 3p out)" ] && [ -z "$(sed -n 5p out)" ] && [ -n "$(sed -n 1p out)" ]
result $? "blank lines stay empty, others do not"
[ "$(sort -u out | wc -l)" -gt 4 ]
result $? "translations differ from line to line"

translate 0 in $m --batch-tokens 7
same out plain "small batches: the same translations"
run="$mpirun -n 3"
translate 0 in $m
same out plain "three ranks: the same translations"
run=
sed -n '1!G;h;$p' in >backwards
translate 0 backwards $m
sed -n '1!G;h;$p' out >forwards
same forwards plain "lines in another order: the same translations"
gzip -c in >in.gz
translate 0 in.gz $m
same out plain "compressed input"
translate 0 in $m --beam 1
differs out plain "greedy decoding gives other translations"
head -1 in | tr -d '\n' >open
translate 0 open $m
head -1 plain >first
same out first "a last line without line feed"
: >nothing
translate 0 nothing $m
[ ! -s out ]
result $? "nothing in, nothing out"

translate 0 in $m --n-best 3
equal "$(grep -c '^0 ||| .* ||| -[0-9.]*$' out)" 3 "three of the first line, with scores"
awk -F ' [|][|][|] ' 'BEGIN { line = -1 } { if ($1 != line) { line = $1; print $2 } else if ($3 > score) exit 1; score = $3 }' out >firsts
result $? "best first"
same firsts plain "the first of each are the plain translations"
grep -qx '2 |||  ||| 0.000000' out
result $? "a blank line has an empty translation"
translate 0 in $m --max-length-factor 0 --max-length-plus 1 --n-best 1
awk -F ' [|][|][|] ' 'length($2) > 4 { exit 1 }' out
result $? "--max-length-plus limits the length"

translate 2 in
says 'missing --model'
translate 2 in $m --beam 2 --n-best 3
says 'n_best is 3, expected 1 to the beam of 2'
translate 2 in $m --beam 0
translate 3 in --model absent.safetensors
says 'absent.safetensors'
translate 3 in --model in
translate 3 in $m --max-src-tokens 20
says 'standard input, line 4: '
says 'more than --max-src-tokens 20'
run="$mpirun -n 2"
translate 3 in $m --max-src-tokens 20
says 'standard input, line 4: '
run=
printf 'good\nbad \377 line\n' >invalid
translate 3 invalid $m
says 'standard input, line 2'

done_testing
