#!/bin/sh
# dragoman score as a user calls it: lines, JSON, sentences, compressed files, what is refused.
dragoman=$DGM_BUILDDIR/dragoman
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
n=0
failed=0

result() { # result HOLDS NAME
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else failed=1 && echo "not ok $n - $2" && sed 's/^/# /' out err; fi
}
score() { # score CODE ARGUMENTS...: runs it; the exit code must be CODE
    want=$1
    shift
    timeout 60 "$dragoman" score "$@" >out 2>err </dev/null
    [ $? -eq "$want" ]
    result $? "score $*: exit code $want"
}
says() { # says out|err TEXT
    grep -qF -- "$2" "$1"
    result $? "std$1: $2"
}

printf 'the cat sat on\nHello , World\n' >hyp
printf 'the cat sat on the mat\nhello, world\n' >ref
printf 'a cat sat there\nHello, World\n' >ref2
sig='nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:dragoman-0.1'

# Matches 5/7 3/5 2/3 1/1, BP exp(1 - 9/7): exp(-2/7) * (2/7)^(1/4) = 0.549413
score 0 --hyp hyp --ref ref --width 4
says out "BLEU|$sig = 54.9413 71.4/60.0/66.7/100.0 (BP = 0.751 ratio = 0.778 hyp_len = 7 ref_len = 9)"
score 0 --hyp hyp --ref ref
says out "BLEU|$sig = 54.9 "
score 0 --hyp hyp --ref ref ref2 --lowercase
says out 'BLEU|nrefs:2|case:lc|eff:no|tok:13a|smooth:exp|version:dragoman-0.1 = 100.0 '
score 0 --hyp hyp --ref ref --tokenize none --smooth-method floor --smooth-value 0.25
says out 'tok:none|smooth:floor[0.25]|'
score 0 --hyp hyp --ref ref --json
says out '"sys_len": 7'
says out '"score": 54.9412898680483'
says out '"tok": "13a"'
score 0 --hyp hyp ref --ref ref --json
says out '"system": "hyp"'
score 0 --hyp hyp --ref ref --sentence --json
[ "$(grep -c '^{.*eff:yes.*}$' out)" -eq 2 ]
result $? "one object per line, with effective order"
score 0 --hyp hyp ref --ref ref
says out 'ref: BLEU|'
zstd -q ref -o ref.zst 2>/dev/null || gzip -k ref
compressed=$(ls ref.zst ref.gz 2>/dev/null)
score 0 --hyp ref --ref "$compressed"
says out ' = 100.0 '
"$dragoman" score --hyp - --ref ref <hyp >out 2>err
result $? "standard input"
says out ' = 54.9 '

printf 'one line\n' >short
printf 'fine\nnot \377 utf-8\n' >bad
: >empty
score 3 --hyp hyp --ref ref short
says err 'hyp has 2 lines and short has 1'
score 3 --hyp bad --ref ref
says err 'bad, line 2'
score 3 --hyp absent --ref ref
says err 'absent'
score 3 --hyp empty --ref empty
says err 'empty is empty'
score 2 --hyp hyp
says err '--ref'
score 2 --hyp hyp --ref ref --tokenize 14b
says err '14b'
score 2 --hyp - --ref -
says err 'standard input'
score 2 --hyp hyp --ref ref --smooth-value 2
says err '--smooth-method'
score 0 --help
says out '--tokenize'

echo "1..$n"
exit $failed
