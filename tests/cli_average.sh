#!/bin/sh
# dragoman average as a user calls it.
dragoman=$DGM_BUILDDIR/dragoman
make=$DGM_BUILDDIR/tests/make_model
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
n=0
failed=0

result() { # result HOLDS NAME
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else failed=1 && echo "not ok $n - $2" && sed 's/^/# /' out err; fi
}
average() { # average CODE ARGUMENTS...: runs it; the exit code must be CODE
    want=$1
    shift
    timeout 60 "$dragoman" average "$@" >out 2>err </dev/null
    [ $? -eq "$want" ]
    result $? "average $*: exit code $want"
}
says() { # says out|err TEXT
    grep -qF -- "$2" "$1"
    result $? "std$1: $2"
}

"$make" a 1 16 tok && "$make" b 2 16 tok && "$make" other 1 16 tik && "$make" wide 1 32 tok
average 0 --out one a
cmp -s one a
result $? "the mean of one model is that model"
average 0 --out same a a a
cmp -s same a
result $? "so is the mean of three times the same"
average 0 --out mean a b
cmp -s mean a
[ $? -eq 1 ]
result $? "the mean of two is neither of them"
[ "$(wc -c <mean)" -eq "$(wc -c <a)" ]
result $? "but as long"
average 0 --out turned b a
cmp -s mean turned
result $? "two may be given in either order"
average 2 a b
says err '--out'
average 2 --out x
says err 'name the checkpoints or model files'
average 3 --out x a other
says err 'other has another tokenizer than a'
average 3 --out x a wide
says err 'wide has another architecture than a'
average 3 --out x a none
says err 'none: No such file'
head -c 3000 a >cut
average 3 --out x cut
says err 'cut is not a whole safetensors file'
average 1 --out no/such/folder a
says err 'no/such/folder'
average 0 --help
says out 'usage: dragoman average --out M CHECKPOINT...'
[ ! -e x ] && [ ! -e x.tmp ]
result $? "what failed left nothing behind"
echo "1..$n"
exit $failed
