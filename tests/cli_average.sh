#!/bin/sh
# dragoman average as a user calls it.
. "$DGM_SRCDIR/tests/tap.sh"
make=$DGM_BUILDDIR/tests/make_model

average() { # average CODE ARGUMENTS...
    code=$1
    shift
    runs "$code" "$dragoman" average "$@"
}

"$make" a 1 16 tok && "$make" b 2 16 tok && "$make" other 1 16 tik && "$make" wide 1 32 tok
average 0 --out one a
same one a "the mean of one model is that model"
average 0 --out same a a a
same same a "so is the mean of three times the same"
average 0 --out mean a b
differs mean a "the mean of two is neither of them"
equal "$(wc -c <mean)" "$(wc -c <a)" "but as long"
average 0 --out turned b a
same mean turned "two may be given in either order"
average 2 a b
says '--out'
average 2 --out x
says 'name the checkpoints or model files'
average 3 --out x a other
says 'other has another tokenizer than a'
average 3 --out x a wide
says 'wide has another architecture than a'
average 3 --out x a none
says 'none: No such file'
head -c 3000 a >cut
average 3 --out x cut
says 'cut is not a whole safetensors file'
# A checkpoint without DONE is none, whatever else it has.
mkdir -p half step-00000003.tmp && cp a half/model.safetensors && cp a step-00000003.tmp/model.safetensors
average 0 --out one half
same one a "a folder that holds a model is a model"
echo '{}' >half/state.json
for ckpt in half step-00000003.tmp; do
    average 3 --out x a $ckpt
    says "checkpoint $ckpt is not whole: open $ckpt/DONE: No such file"
done
average 1 --out no/such/folder a
says 'no/such/folder'
average 0 --help
prints 'usage: dragoman average --out M CHECKPOINT...'
[ ! -e x ] && [ ! -e x.tmp ]
result $? "what failed left nothing behind"

done_testing
