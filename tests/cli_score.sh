#!/bin/sh
# dragoman score as a user calls it: lines, JSON, sentences, metrics, intervals, tests, compressed files, what is refused.
. "$DGM_SRCDIR/tests/tap.sh"

score() { # score CODE ARGUMENTS...
    code=$1
    shift
    runs "$code" "$dragoman" score "$@"
}

printf 'the cat sat on\nHello , World\n' >hyp
printf 'the cat sat on the mat\nhello, world\n' >ref
printf 'a cat sat there\nHello, World\n' >ref2
sig='nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:dragoman-0.1'

# Matches 5/7 3/5 2/3 1/1, BP exp(1 - 9/7): exp(-2/7) * (2/7)^(1/4) = 0.549413
score 0 --hyp hyp --ref ref --width 4
prints "BLEU|$sig = 54.9413 71.4/60.0/66.7/100.0 (BP = 0.751 ratio = 0.778 hyp_len = 7 ref_len = 9)"
score 0 --hyp hyp --ref ref
prints "BLEU|$sig = 54.9 "
score 0 --hyp hyp --ref ref ref2 --lowercase
prints 'BLEU|nrefs:2|case:lc|eff:no|tok:13a|smooth:exp|version:dragoman-0.1 = 100.0 '
score 0 --hyp hyp --ref ref --tokenize none --smooth-method floor --smooth-value 0.25
prints 'tok:none|smooth:floor[0.25]|'
score 0 --hyp hyp --ref ref --json
prints '"sys_len": 7'
prints '"score": 54.9412898680483'
prints '"tok": "13a"'
score 0 --hyp hyp ref --ref ref --json
prints '"system": "hyp"'
score 0 --hyp hyp --ref ref --sentence --json
equal "$(grep -c '^{.*eff:yes.*}$' out)" 2 "one object per line, with effective order"
score 0 --hyp hyp ref --ref ref
prints 'ref: BLEU|'
zstd -q ref -o ref.zst 2>/dev/null || gzip -k ref
compressed=$(ls ref.zst ref.gz 2>/dev/null)
score 0 --hyp ref --ref "$compressed"
prints ' = 100.0 '
input=hyp
score 0 --hyp - --ref ref
input=/dev/null
prints ' = 54.9 '

# ---- other metrics ----
chrf='case:mixed|eff:yes|nc:6|nw:0|space:no|version:dragoman-0.1'
ter='case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:dragoman-0.1'
printf 'a b c d\nx y\n' >shifted
printf 'b c d a\nx z\n' >order
score 0 --hyp shifted --ref order --metrics ter --width 2
prints "TER|nrefs:1|$ter = 33.33" # a shift and a substitution over six words
score 0 --hyp hyp --ref hyp --metrics ter bleu chrf ter
equal "$(sed 's/|.*//; s/ *//' out | tr '\n' ' ')" 'BLEU chrF2 TER ' "metrics come in one order, each once"
equal "$(sed 's/ = .*/ =/' out | awk '{ print length }' | uniq | wc -l)" 1 "with their equals signs below each other"
prints "chrF2|nrefs:1|$chrf = 100.0"
score 0 --hyp hyp --ref ref --metrics chrf --chrf-word-order 2 --chrf-beta 3 --chrf-lowercase --chrf-whitespace --chrf-eps-smoothing --chrf-char-order 4
prints 'chrF3++|nrefs:1|case:lc|eff:no|nc:4|nw:2|space:yes|version:dragoman-'
score 0 --hyp hyp --ref ref --metrics ter --ter-normalized --ter-no-punct --ter-asian-support --ter-case-sensitive
prints 'TER|nrefs:1|case:mixed|tok:tercom|norm:yes|punct:no|asian:yes|version:dragoman-'
score 0 -i hyp --ref ref -m bleu -tok intl -lc -s floor -sv 0.3 -w 3 -sh
prints 'BLEU|#:1|c:lc|e:no|tok:intl|s:floor[0.30]|v:dragoman-0.1 = '
score 0 --input hyp --ref ref -m chrf -cw 1 -b --width 6
equal "$(grep -c '^[0-9]*\.[0-9]\{6\}$' out)" 1 "the score alone"
score 0 ref -i hyp --width 4
prints "BLEU|$sig = 54.9413"
input=hyp
score 0 ref ref2 -lc
input=/dev/null
prints 'BLEU|nrefs:2|case:lc|eff:no|tok:13a|smooth:exp|version:dragoman-0.1 = 100.0 '
score 0 --hyp hyp --ref ref --chrf-word-order 2 --ter-normalized --tokenize none
says '--chrf-word-order changes nothing: --metrics does not ask for chrf' 1
says '--ter-normalized changes nothing: --metrics does not ask for ter' 1
says 'changes nothing' 2
score 0 --hyp hyp --ref ref -m chrf -lc
says '--lowercase changes nothing: --metrics does not ask for bleu' 1
score 0 --hyp hyp --ref ref -m chrf ter -cw 2
says 'changes nothing' 0
score 2 --hyp hyp ref2 --ref ref --paired-bs --confidence --confidence-n 5
says 'give --paired-bs-n instead'
score 2 --hyp hyp ref2 --ref ref --paired-bs --paired-ar-n 5
says 'give --paired-ar as well'
score 2 --hyp hyp --ref ref --paired-bs-n 5
says 'give --paired-bs as well'
score 2 --hyp hyp ref2 --ref ref --paired-ar --score-only
says '--score-only: a test is a table'
score 2 --hyp hyp --ref ref --json --score-only
says '--score-only and --json are two forms of output'
score 2 --hyp hyp --ref ref --confidence-n 5
says 'give --confidence as well'
score 2 --hyp hyp --ref ref --seed 5
says '--seed is of the random numbers of intervals and tests, and none are asked for (--confidence): leave it out'
runs 0 "$mpirun" -n 2 "$dragoman" score --hyp hyp --ref ref
says 'score is one process: if mpirun has started it 2 times' 1
score 2 ref -
says 'standard input (-) can be read once'
score 3 no-such-file -i hyp
says 'reference: no-such-file'
score 0 --hyp hyp --ref ref -m bleu chrf --sentence-level --json
equal "$(grep -c '^{.*}$' out)" 4 "one object per line and metric"
score 0 --hyp hyp --ref ref --effective-order
prints '|eff:yes|'
printf 'one\013two\014three \302\205 four\342\200\250five\034six\r\nlast line\r\n' >odd
printf 'one two three four five six\nlast line\n' >even
score 0 --hyp odd --ref even --metrics bleu chrf ter --tokenize none --score-only
equal "$(tr '\n' ' ' <out)" '100.0 100.0 0.0 ' "only LF ends a line; CR, VT, FF, U+0085, U+2028 and the like are white space"
printf 'nul\0byte\n' >nul
score 0 --hyp nul --ref nul -m chrf
prints ' = 100.0'
yes 'It is done .' | head -100 >tokenized
score 0 --hyp tokenized --ref tokenized
says 'tokenized: 100 lines end in a full stop set apart'
score 0 --hyp tokenized --ref tokenized --force
equal "$(cat err)" '' "no warning with --force"
score 0 --hyp tokenized --ref tokenized --tokenize none
equal "$(cat err)" '' "nor for text that is said to be tokenized"
score 0 --hyp tokenized --ref tokenized --metrics chrf ter
equal "$(cat err)" '' "no warning where BLEU is not asked for"

# ---- intervals and tests ----
awk 'BEGIN { for (i = 0; i < 60; i++) print "line number", i, "of the text is", i % 7, "words long" }' >many
awk '{ if (NR % 3 == 0) $4 = "from"; if (NR % 5 == 0) $1 = "row"; print }' many >good
awk '{ if (NR % 2 == 0) $4 = "from"; if (NR % 4 == 0) $6 = "writing"; if (NR % 5 == 0) $1 = "row"; print }' many >worse
score 0 --hyp good --ref many --confidence
grep -q '^BLEU|nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|version:dragoman-0.1 = [0-9.]* (μ = [0-9.]* ± [0-9.]*) [0-9./]* (BP' out
result $? "an interval behind the score"
cp out first
score 0 --hyp good --ref many --confidence
same out first "the same interval again"
score 0 --hyp good --ref many -m bleu chrf ter --confidence --confidence-n 500 --seed 3 --json
prints '"confidence_mean": '
prints '"confidence_var": '
prints '"seed": "3"'
prints '"bs": "500"'
equal "$(grep -c '"confidence": "μ = [0-9.]* ± [0-9.]*"' out)" 3 "one for each metric"
score 0 --hyp good worse --ref many -m bleu ter --paired-bs
equal "$(grep -c '^good  *[0-9.]* ([0-9.]* ± [0-9.]*)  *[0-9.]* ([0-9.]* ± [0-9.]*) *$' out)" 1 "the first system has no p-value"
equal "$(grep -c '^worse  *[0-9.]* ([0-9.]* ± [0-9.]*)  [01]\.[0-9]*\* *[0-9.]* ([0-9.]* ± [0-9.]*)  [01]\.[0-9]*\*$' out)" 1 "the second has one by each metric"
prints 'Paired bootstrap resampling test, 1000 resamples'
prints "TER|nrefs:1|bs:1000|seed:12345|$ter"
sed 's/text/book/' many >close
score 0 -i many close worse --ref many -m chrf -par --json
prints '"system": "close"'
prints '"p_value": 9.999000'
prints '"signature": "nrefs:1|ar:10000|seed:12345|case:mixed|eff:yes|nc:6|nw:0|space:no|version:dragoman-0.1"'
equal "$(grep -c '"mean": null' out)" 3 "no intervals"
score 0 -i many close --ref many -par --confidence --paired-ar-n 100
prints '|ar:100|bs:1000|seed:12345|'
score 2 --hyp good --ref many --paired-bs
says 'give --hyp two files or more'
score 2 --hyp good good --ref many --paired-ar
says 'given twice'
score 2 --hyp good worse --ref many --paired-ar --paired-bs
says 'choose one'
score 2 --hyp good --ref many --sentence --confidence
says '--sentence'
score 2 --hyp good --ref many --metrics bleu meteor
says 'meteor'
score 2 --hyp good --ref many --metrics chrf --chrf-char-order 0
says '--chrf-char-order'

printf 'one line\n' >short
printf 'fine\nnot \377 utf-8\n' >bad
: >empty
score 3 --hyp hyp --ref ref short
says 'hyp has 2 lines and short has 1'
score 3 --hyp bad --ref ref
says 'bad, line 2'
score 3 --hyp absent --ref ref
says 'absent'
score 3 --hyp hyp absent --ref ref
equal "$(cat out)" '' "nothing is printed before all files have been read"
score 3 --hyp hyp short --ref ref
equal "$(cat out)" '' "nor before all are found to fit"
printf 'ok\nnul\0 then \377\n' >worse_bytes
score 3 --hyp worse_bytes --ref ref
says 'worse_bytes, line 2'
score 3 --hyp empty --ref empty
says 'empty is empty'
score 2 --hyp hyp
says '--ref'
score 2 --hyp hyp --ref ref --tokenize 14b
says '14b'
score 2 --hyp - --ref -
says 'standard input'
score 2 --hyp hyp --ref ref --smooth-value 2
says '--smooth-method'
score 0 --help
prints '--tokenize'

done_testing
