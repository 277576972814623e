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
says 'another training' 0
"$make" s1 1 16 tok '{"step":1,"data":"d","experiment":{"seed":1,"dropout":0.1}}'
"$make" s2 2 16 tok '{"step":2,"data":"d","experiment":{"seed":1,"dropout":0.1,"bpe_dropout":0}}'
"$make" s3 3 16 tok '{"step":2,"data":"d","experiment":{"seed":2,"dropout":0.1}}'
"$make" s4 4 16 tok '{"step":2,"data":"e","experiment":{"seed":1,"dropout":0.1}}'
average 0 --out mean s1 s2
says 'another training' 0
"$make" s5 5 16 tok '{"step":2,"data":"d","experiment":{"seed":1,"dropout":0.1,"bpe_dropout":0.1}}'
for pair in "s1 s5" "s5 s1"; do
    # shellcheck disable=SC2086 # words
    average 0 --out mean $pair
    says 'their "bpe_dropout" differ'
done
average 0 --out mean s1 s2 s3
says 's3 is of another training than s1 (their "seed" differ)'
average 0 --out mean s1 s4
says 's4 is of another training than s1 (their "data" differ)'
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
average 1 --out no/such/folder no-model
says '--out no/such/folder: its folder does not exist'
average 1 --out /dev/null no-model
says '--out /dev/null is a device or a pipe'
cp a kept
average 2 --out ./a a
says '--out ./a would be written over a model to average a: give another name'
average 2 --out half/model.safetensors a half
says '--out half/model.safetensors would be written over a model to average half'
average 2 --out a a
says '--out and a model to average are both a: give two names'
cp a last.tmp
average 2 --out last a last.tmp
says '--out last would be written over a model to average last.tmp'
ln -s a newest
average 0 --out newest a
[ ! -L newest ]
result $? "a link may be replaced"
same a kept "the model is what it was"
average 0 --help
prints 'usage: dragoman average --out M CHECKPOINT...'
[ ! -e x ] && [ ! -e x.tmp ]
result $? "what failed left nothing behind"

done_testing
