#!/bin/sh
# dragoman prepare as a user calls it: kinds of input, the same bytes every time, what is refused, and that nothing is left then.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"

prepare() { # prepare CODE ARGUMENTS...: with the validation text
    code=$1
    shift
    case $* in *--vocab-size*) pieces= ;; *) pieces="--vocab-size 330" ;; esac
    # shellcheck disable=SC2086 # words
    runs "$code" "$dragoman" prepare $pieces --valid-src valid.src --valid-tgt valid.tgt "$@"
}
refused() { # refused TEXT ARGUMENTS...: bad input, the message holds TEXT, and no file or folder is left behind
    text=$1
    shift
    prepare 3 "$@" --out "new/folder/data"
    says "$text"
    nothing_left
}
nothing_left() {
    [ ! -e new ]
    result $? "nothing is left behind"
}
holds() { # holds FOLDER TEXT: its manifest, on one line, has it
    tr -d ' \n' <"$1/manifest.json" >"$1.manifest"
    found "$1.manifest" "$2"
}

toy_corpus
head -n 150 src >src.1 && tail -n +151 src >src.2
paste src tgt >pairs.tsv
zstd -q src -o src.zst && gzip -k tgt && xz -k src && zstd -q tgt -o tgt.zst || skip_all "zstd, gzip and xz are needed"

prepare 0 --src src --tgt tgt --out plain
says "read                          400           20"
equal "$(ls plain | tr '\n' ' ')" "manifest.json tokenizer.json train-00000.zst valid.zst " "DATA holds four files"
holds plain '"train":{"dropped":{"bad_line":0,"empty":0,"lopsided":0,"too_long":0},"kept":400,"read":400}'
holds plain "\"sha256\":\"$(sha256sum <src | cut -d' ' -f1)\""
holds plain "\"sha256\":\"$(sha256sum <plain/train-00000.zst | cut -d' ' -f1)\""
zstd -qt plain/train-00000.zst plain/valid.zst 2>err
result $? "zstd finds the shards in order"
printf '\357\273\277' | cat - src >marked
prepare 0 --src marked --tgt tgt --out marked.data
cmp plain/train-00000.zst marked.data/train-00000.zst
result $? "a byte order mark is no part of the text"
for f in src tgt; do sed 's/$/\r/' $f >$f.crlf; done
prepare 0 --src src.crlf --tgt tgt.crlf --out crlf.data
cmp plain/train-00000.zst crlf.data/train-00000.zst && cmp plain/tokenizer.json crlf.data/tokenizer.json
result $? "nor is the CR of a CR LF"
says '800 lines end in CR LF: the CR is left out'
paste src tgt.crlf >crlf.tsv
prepare 0 --tsv crlf.tsv --out crlf.tsv.data
cmp plain/train-00000.zst crlf.tsv.data/train-00000.zst
result $? "at the end of a line with both sides"
says '400 lines end in CR LF: the CR is left out'
cp -r plain full && mkdir full/checkpoints
prepare 2 --src src --tgt tgt --out full --overwrite
says "holds checkpoints, which is no part of a DATA folder"
mkdir inside && cd inside || exit 1
for name in . .. ./; do
    runs 2 "$dragoman" prepare --src ../src --tgt ../tgt --valid-src ../valid.src --valid-tgt ../valid.tgt --vocab-size 330 --out $name
    says "expected a name for the folder"
done
cd .. || exit 1
words=$(zstd -qdc plain/train-00000.zst | od -An -v -tu4 | awk '{ n += NF } END { print n }')
holds plain "\"src_tokens\":$(zstd -qdc plain/train-00000.zst | od -An -v -w4 -tu4 |
    awk 'left == 0 { s = $1; getline; left = s + $1; n += s; next } { left-- } END { print n }')"
[ "$words" -gt 4000 ]
result $? "plain zstd reads $words words"

# The same text in any packing, in one or several files, through pipes: the same DATA.
prepare 0 --src src.xz --tgt tgt.gz --out packed
same plain packed "packed is the same, byte by byte"
prepare 0 --src src.zst --tgt tgt.zst --out packed2/
same plain packed2 "packed2 is the same, byte by byte"
input=src.zst
prepare 0 --src - --tgt tgt --out piped
input=/dev/null
same plain piped "piped is the same, byte by byte"
mkfifo pipe
timeout 300 sh -c 'cat src >pipe' &
prepare 0 --src pipe --tgt tgt --out fifo
wait
same plain fifo "fifo is the same, byte by byte"
prepare 0 --src src.1 src.2 --tgt tgt --out two
same two/train-00000.zst plain/train-00000.zst "two source files give the same shard"
prepare 0 --tsv pairs.tsv --out tsv
same tsv/train-00000.zst plain/train-00000.zst "a file of pairs gives the same shard"
same tsv/tokenizer.json plain/tokenizer.json "and the same tokenizer"

# Tokenizers.
prepare 0 --src src --tgt tgt --tokenizer plain/tokenizer.json --out loaded
same plain loaded "loaded is the same, byte by byte"
prepare 0 --src src --tgt tgt --no-joint-vocab --vocab-size 300 --out sides
[ -s sides/tokenizer.src.json ] && [ -s sides/tokenizer.tgt.json ] && ! [ -e sides/tokenizer.json ]
result $? "a tokenizer for each side"
holds sides '"joint":false'
prepare 0 --src src --tgt tgt --tokenizer sides/tokenizer.src.json --tgt-tokenizer sides/tokenizer.tgt.json --out sides2
same sides sides2 "both loaded again give the same DATA"
prepare 0 --src src --tgt tgt --tokenizer character --out characters
prepare 2 --src src --tgt tgt --tokenizer plain/tokenizer.json --no-joint-vocab --out nothing
says "--tgt-tokenizer"

# An existing folder.
prepare 2 --src src --tgt tgt --out plain
says "--overwrite"
mkdir -p fifo.dragoman-tmp/left fifo.dragoman-old/left fifo.tmp/mine fifo.old/mine && prepare 0 --src src.zst --tgt tgt --overwrite --out fifo
same plain fifo "fifo is the same, byte by byte"
[ ! -e fifo.dragoman-tmp ] && [ ! -e fifo.dragoman-old ]
result $? "nothing is left beside it, not even of a killed run"
[ -d fifo.tmp/mine ] && [ -d fifo.old/mine ]
result $? "folders of other names are not touched"
mkdir other && echo precious >other/file
prepare 2 --src src --tgt tgt --overwrite --out other
[ -e other/file ]
result $? "a folder that is no DATA is not touched"
head -c 100 src.zst >cut.zst
prepare 3 --src cut.zst --tgt tgt --overwrite --out piped
same plain piped "piped is the same, byte by byte"

# Bad input.
head -n 399 tgt >short
refused "the target side ends after 399 (short), the source side goes on in src, line 400" --src src --tgt short
refused "the source side goes on in src.2, line 250" --src src.1 src.2 --tgt short
sed '7s/das/\xff\xfe/' tgt >bad.utf8
refused "bad.utf8, line 7, byte 1: not valid UTF-8" --src src --tgt bad.utf8
sed '9s/the/th\x00e/' src | gzip >nul.gz
refused "nul.gz, line 9, byte 3: a zero byte" --src nul.gz --tgt tgt
refused "cut.zst: the zstd archive is truncated" --src cut.zst --tgt tgt
size=$(wc -c <tgt.gz) && head -c $((size - 1)) tgt.gz >cut.gz
refused "cut.gz: the gzip archive is truncated" --src src --tgt cut.gz
size=$(wc -c <src.xz) && head -c $((size / 2)) src.xz >cut.xz
refused "cut.xz: the xz archive is truncated" --src cut.xz --tgt tgt
refused "--tgt: nowhere: No such file or directory; expected a file of text, plain or .zst, .gz, .xz" --src src --tgt nowhere
cp src.zst only.zst
refused "--src: only: No such file or directory; expected a file of text, plain or .zst, .gz, .xz; there is only.zst" --src only --tgt tgt
refused "--src: src.xy: No such file" --src src.xy --tgt tgt
refused "--tokenizer bpx: neither bpe nor character, and no file of that name" --src src --tgt tgt --tokenizer bpx
refused "--tokenizer: nowhere/t.json: No such file or directory; expected a tokenizer.json" --src src --tgt tgt --tokenizer nowhere/t.json
sed '5s/\t/ /' pairs.tsv >bad.tsv
runs 3 "$dragoman" prepare --tsv bad.tsv --valid-tsv pairs.tsv --out new
says "bad.tsv, line 5: 1 field, expected 2"
nothing_left
runs 3 "$mpirun" -n 2 "$dragoman" prepare --src src --tgt bad.utf8 --valid-src valid.src --valid-tgt valid.tgt --out new
says "bad.utf8, line 7" 1
nothing_left

# Pairs that are left out and counted.
prepare 0 --src src --tgt bad.utf8 --on-bad-line drop --out dropped
holds dropped '"bad_line":1,"empty":0,"lopsided":0,"too_long":0},"kept":399,"read":400'
says "dropped: bad line               1            0"
sed '3s/.*/ \xc2\xa0 /; 4s/.*//; 20s/.*/sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees/; 30s/.*/x/' src >filtered
prepare 0 --src filtered --tgt tgt --max-length 32 --max-ratio 6 --out filtered.data
holds filtered.data '"empty":2,"lopsided":1,"too_long":1},"kept":396,"read":400'
sed 's/.*//' src >blank
refused "no training pair is left of 400 read to learn a tokenizer from: expected text in the files of --src and --tgt" --src blank --tgt tgt
refused "no training pair is left of 400 read: 0 bad lines, 400 empty, 0 too long, 0 lopsided; expected one at least: look at the files of --src and --tgt" --src blank --tgt tgt --tokenizer plain/tokenizer.json

# Usage.
for out in . .. ./ plain/..; do
    prepare 2 --src src --tgt tgt --out $out
    says "expected a name for the folder"
done
prepare 2 --src src --out new
says "--tgt"
prepare 2 --src src --tgt tgt --tsv pairs.tsv --out new
prepare 2 --src - --tgt - --out new
says "standard input"
prepare 2 --src src --tgt tgt
says "--out is missing"
prepare 2 --src src --tgt tgt --out new --vocab-size 100000
says "vocab"
nothing_left

done_testing
