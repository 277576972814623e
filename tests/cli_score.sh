#!/bin/sh
# dragoman score as a user calls it: lines, JSON, sentences, compressed files, what is refused.
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

printf 'one line\n' >short
printf 'fine\nnot \377 utf-8\n' >bad
: >empty
score 3 --hyp hyp --ref ref short
says 'hyp has 2 lines and short has 1'
score 3 --hyp bad --ref ref
says 'bad, line 2'
score 3 --hyp absent --ref ref
says 'absent'
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
