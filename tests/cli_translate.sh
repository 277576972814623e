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

# ---- what a search can be told ----

translate 0 in $m --n-best 2
cp out paper
runs 0 "$DGM_BUILDDIR/tests/askew" translate $m --n-best 2
same out paper "other code rounds otherwise: the same translations and scores"
translate 0 in $m --n-best 2 --length-penalty-kind average
differs out paper "average length penalty gives other scores"
awk -F ' [|][|][|] ' '$1 == 0 { print $3 }' out | sort -c -g -r
result $? "best first"
translate 0 in $m --beam 6 --diverse-groups 3 --n-best 6
cp out diverse
equal "$(grep -c '^0 ||| ' out)" 6 "six of a line in three groups"
translate 0 in $m --beam 6 --diverse-groups 6 --diverse-strength 0 --n-best 6
equal "$(grep -c '^0 ||| ' out)" 1 "what six groups find alike is listed once"
translate 0 in $m --no-repeat-ngram 1
differs out plain "--no-repeat-ngram 1 gives other translations"
translate 0 in $m --sample --seed 3 --n-best 2
cp out samples
translate 0 in $m --sample --seed 4 --n-best 2
differs out samples "another seed, other samples"
for ranks in 2 3; do
    run="$mpirun -n $ranks"
    translate 0 in $m --sample --seed 3 --n-best 2 --batch-tokens 30
    same out samples "$ranks ranks, small batches: the same samples"
    translate 0 in $m --beam 6 --diverse-groups 3 --n-best 6 --batch-tokens 30
    same out diverse "$ranks ranks, small batches: the same diverse translations"
done
run=
translate 0 backwards $m --sample --seed 3
sed -n '1!G;h;$p' out >back
translate 0 in $m --sample --seed 3
same back out "lines in another order: the same samples"

# ---- a file in place of standard output ----

for run in '' "$mpirun -n 2"; do
    translate 0 in $m --out to.file
    equal "$(wc -c <out)" 0 "nothing is printed"
    same to.file plain "the file has what would be printed"
    ! ls to.file.tmp 2>/dev/null
    result $? "nothing lies beside it"
done
(cat in; printf 'bad \377\n') >bad
translate 3 bad $m --out to.file
says '(the 9 lines before that: translated, and gone with the file: --out is written whole or not at all)'
same to.file plain "the file is what it was"
! ls to.file.tmp 2>/dev/null
result $? "and the new one is gone"
translate 1 in $m --out /dev/full
says 'write /dev/full: No space left on device'
run=
translate 1 in $m --out absent/file
says '--out absent/file: its folder does not exist'
translate 2 in $m --out model.safetensors
says '--out and --model are both model.safetensors: give two names'
cp in in.before
translate 2 in $m --out in
says '--out in would be written over standard input'
same in in.before "which is what it was"
translate 2 in $m --out other --flush
says '--flush and --out'
translate 2 in $m --out -
says '--out -: for standard output leave it out'
printf '\f\n\302\240\n\343\200\200 \t\n\342\200\213\na house\n' >blanks
translate 0 blanks $m
equal "$(head -n 4 out | tr -d '\n')-$(tail -n 1 out)" "-$(head -n 1 plain)" "white space and format characters are blank"
input=/dev/null && runs 1 sh -c '"$1" translate --model model.safetensors <&-' sh "$dragoman"
says 'read standard input: Bad file descriptor'
input=/dev/null && runs 1 sh -c '"$1" translate --model model.safetensors <in >&-' sh "$dragoman"
says 'write standard output: Bad file descriptor'
translate 0 in $m --n-best 2 --length-penalty 10
equal "$(grep -c -- '||| -0.000000$' out)" 0 "small scores have digits"

# ---- prefixes, and forced decoding ----

printf 'the\n\n a\nEin H\n\n\nno\n\n日\n' >prefixes
translate 0 in $m --prefix prefixes
paste -d '\t' prefixes out | awk -F '\t' 'NR != 3 && NR != 5 && index($2, $1) != 1 { exit 1 }'
result $? "translations begin as they were told"
[ -z "$(sed -n 3p out)" ] && [ "$(sed -n 2p out)" = "$(sed -n 2p plain)" ]
result $? "a blank line stays empty; a blank prefix leaves the line alone"
cp out prefixed
run="$mpirun -n 2"
translate 0 in $m --prefix prefixes --batch-tokens 20
same out prefixed "two ranks: the same"
run=
grep -v '^ *$' in >full
grep -v '^$' plain >forced
translate 0 full $m --prefix forced --max-length-factor 0 --max-length-plus 1 --length-penalty 0 --n-best 1
awk -F ' [|][|][|] ' '{ print $3 }' out >by_prefix
runs 0 "$dragoman" eval $m --src full --ref forced --line-scores scores --token-scores tokens
paste by_prefix scores | awk '{ d = $1 - $2; if (d * d > 1e-6) exit 1 }'
result $? "eval --line-scores gives a reference what translate gives it as a prefix"
equal "$(wc -l <tokens)" "$(wc -l <full)" "--token-scores: a line for each"
tr -d '[]{}"' <tokens | sed 's/.*log_probs://' | paste - scores | awk '{ n = split($1, p, ","); s = 0; for (i = 1; i <= n; i++) s += p[i]; d = s - $2; if (n != $3 || d * d > 1e-6) exit 1 }'
result $? "tokens add up to their line"
run="$mpirun -n 3"
cp scores scores.one && cp tokens tokens.one
runs 0 $run "$dragoman" eval $m --src full --ref forced --line-scores scores --token-scores tokens --batch-tokens 9
same scores scores.one "three ranks: the same line scores"
same tokens tokens.one "three ranks: the same token scores"
run=
sed 's/$/\r/' forced >forced.crlf
translate 0 full $m --prefix forced
cp out lf
translate 0 full $m --prefix forced.crlf
same out lf "prefixes that end in CR LF"
sed '$d' prefixes >few
translate 3 in $m --prefix few
says 'it ends before line 9'
(cat prefixes; echo more) >many
translate 3 in $m --prefix many
says 'many has more lines than standard input, which has 9'
run="$mpirun -n 2"
translate 3 in $m --prefix many
run=
translate 3 in $m --prefix absent
translate 2 in $m --prefix -

# ---- several models ----

"$DGM_BUILDDIR/tests/make_translator" other.safetensors in 8 || echo "Bail out! no model"
translate 0 in --model model.safetensors model.safetensors
same out plain "a model with itself is that model"
translate 0 in --model other.safetensors
cp out other
translate 0 in --model model.safetensors other.safetensors
cp out both
differs both plain "two models give other translations"
translate 0 in --model other.safetensors model.safetensors
same out both "in any order"
translate 0 in --model model.safetensors other.safetensors --ensemble log-probabilities
differs out both "the mean of log-probabilities is another one"
run="$mpirun -n 2"
translate 0 in --model model.safetensors other.safetensors --batch-tokens 9
same out both "two ranks, small batches: the same translations"
run=
head -3 in >less
"$DGM_BUILDDIR/tests/make_translator" small.safetensors less 9 || echo "Bail out! no model"
translate 3 in --model model.safetensors small.safetensors
says 'small.safetensors: its tokenizer is not that of model.safetensors'

# ---- a stream ----

mkfifo to from
"$dragoman" translate $m --flush <to >from 2>err &
exec 3>to 4<from
answers=
for i in 1 2 4; do
    sed -n ${i}p in >&3
    IFS= read -r line <&4 && [ "$line" = "$(sed -n ${i}p plain)" ] || answers="$answers $i"
done
printf 'x' >&3
exec 3>&-
IFS= read -r line <&4
[ "$line" = "$(sed -n 7p plain)" ] || answers="$answers end"
exec 4<&-
wait $!
code=$?
equal "$answers" "" "--flush answers each line before the next is written"
equal $code 0 "and ends with the stream"
translate 0 in $m --flush
same out plain "--flush changes no translation"


translate 2 in
says 'missing --model'
translate 2 in $m --beam 2 --n-best 3
says '--n-best 3: expected 1 to the beam of 2'
translate 2 in $m --beam 0
translate 2 in $m --top-k 3
says '--top-k is about samples: give --sample as well'
translate 2 in $m --diverse-groups 2
says '--diverse-groups 2: expected a number that divides the beam of 5'
translate 2 in $m --sample --diverse-groups 2
says 'samples are independent of each other: give either --sample or --diverse-groups'
translate 3 in --model absent.safetensors
says 'absent.safetensors'
translate 3 in --model in
# Ranks that read different files under one name, as when it is replaced meanwhile.
mkdir d0 d1 && cp model.safetensors d0
"$DGM_BUILDDIR/tests/make_translator" d1/model.safetensors in 8
run="$mpirun -n 2 sh -c"
input=in
runs 3 $run "cd d\$OMPI_COMM_WORLD_RANK && exec '$dragoman' translate $m"
says 'model.safetensors changed while the ranks read it: start again when it is written' 1
cp model.safetensors d1
runs 0 $run "cd d\$OMPI_COMM_WORLD_RANK && exec '$dragoman' translate $m"
same out plain "the same file in two places will do"
run=
translate 2 in $m --diverse-strength 3
says '--diverse-strength is about groups: give --diverse-groups as well'
translate 2 in $m --min-length 40 --max-length-factor 0 --max-length-plus 30
says '--min-length 40: no translation has more than 30 tokens with --max-length-factor 0'

# A line that cannot be translated ends it; those before it are answered, with and without company.
head -n 3 plain >before
for run in "" "$mpirun -n 2"; do
    translate 3 in $m --max-src-tokens 20
    says 'standard input, line 4: '
    says 'more than --max-src-tokens 20'
    says '(the 3 lines before that: translated)'
    same out before "lines before one that is too long are translated"
done
run=
{ head -n 3 in; printf 'bad \377 line\n'; sed 1,4d in; } >invalid
for flush in "" --flush; do
    translate 3 invalid $m $flush
    says 'standard input, line 4'
    same out before "lines before one that is no UTF-8 are translated $flush"
done
awk 'NR == 1 { line = $0 } END { for (i = 0; i < 256; i++) print line; printf "bad \377\n" }' in >invalid
translate 3 invalid $m
says 'standard input, line 257'
says '(the 256 lines before that: translated)'
equal "$(wc -l <out)" 256 "a bad line that is the first of a block: all before it"
# An archive that ends early.
awk 'BEGIN { s = 1; for (i = 0; i < 3000; i++) { s = (s * 16807) % 2147483647; print "x", s } }' | gzip >whole.gz
head -c 9000 whole.gz >cut.gz
translate 3 cut.gz $m --beam 1
says 'translated)'
n=$(wc -l <out)
[ "$n" -gt 0 ]
result $? "lines of an archive that ends early are translated ($n)"
translate 3 cut.gz $m --beam 1 --flush
equal "$(wc -l <out)" "$n" "with --flush, too"
printf 'bad \377 line\n' >invalid
translate 3 invalid $m
says 'standard input, line 1'
says 'translated)' 0
{ echo; echo; echo; printf 'bad \377 line\n'; } >invalid
translate 3 in $m --prefix invalid
says 'invalid, line 4'
same out before "lines before one whose prefix is no UTF-8 are translated"

done_testing
