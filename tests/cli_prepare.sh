#!/bin/sh
# dragoman prepare as a user calls it: kinds of input, the same bytes every time, what is refused, and that nothing is left then.
dragoman=$DGM_BUILDDIR/dragoman
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
n=0
failed=0

result() { # result STATUS NAME
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else failed=1 && echo "not ok $n - $2" && sed 's/^/# /' out err; fi
}
prepare() { # prepare CODE ARGUMENTS...: runs it with the validation text; the exit code must be CODE
    want=$1
    shift
    timeout 100 "$dragoman" prepare --vocab-size 330 --valid-src valid.src --valid-tgt valid.tgt "$@" >out 2>err </dev/null
    [ $? -eq "$want" ]
    result $? "prepare $*: exit code $want"
}
refused() { # refused TEXT ARGUMENTS...: bad input, the message holds TEXT, and no file or folder is left behind
    text=$1
    shift
    prepare 3 "$@" --out "new/folder/data"
    says "$text"
    [ ! -e new ]
    result $? "nothing is left behind"
}
says() { # says TEXT
    grep -qF -- "$1" err
    result $? "says: $1"
}
same() { # same FOLDER: all files are those of `plain`
    diff -r plain "$1" >out 2>&1
    result $? "$1 is the same, byte by byte"
}
holds() { # holds FOLDER TEXT: its manifest, on one line, has it
    tr -d ' \n' <"$1/manifest.json" >out
    grep -qF -- "$2" out
    result $? "the manifest of $1 holds $2"
}

# Two made-up languages of a few words.
awk 'BEGIN { split("red old small big new", a); split("house dog tree car boat bird", b); split("rote alte kleine große neue", c);
    split("Haus Hund Baum Auto Boot Vogel", d);
    for (i = 0; i < 400; i++) { x = i % 5 + 1; y = int(i / 5) % 6 + 1; z = int(i / 30) % 6 + 1;
        print "the " a[x] " " b[y] " sees " i " of my " b[z] "s." > "src"; print "das " c[x] " " d[y] " sieht " i " meiner " d[z] "." > "tgt" } }'
head -n 20 src >valid.src
head -n 20 tgt >valid.tgt
head -n 150 src >src.1 && tail -n +151 src >src.2
paste src tgt >pairs.tsv
zstd -q src -o src.zst && gzip -k tgt && xz -k src && zstd -q tgt -o tgt.zst || { echo "1..0 # SKIP zstd, gzip and xz are needed"; exit 0; }

prepare 0 --src src --tgt tgt --out plain
says "read                          400           20"
[ "$(ls plain | tr '\n' ' ')" = "manifest.json tokenizer.json train-00000.zst valid.zst " ]
result $? "DATA holds four files"
holds plain '"train":{"dropped":{"bad_line":0,"empty":0,"lopsided":0,"too_long":0},"kept":400,"read":400}'
holds plain "\"sha256\":\"$(sha256sum <src | cut -d' ' -f1)\""
holds plain "\"sha256\":\"$(sha256sum <plain/train-00000.zst | cut -d' ' -f1)\""
zstd -qt plain/train-00000.zst plain/valid.zst 2>err
result $? "zstd finds the shards in order"
words=$(zstd -qdc plain/train-00000.zst | od -An -v -tu4 | awk '{ n += NF } END { print n }')
holds plain "\"src_tokens\":$(zstd -qdc plain/train-00000.zst | od -An -v -w4 -tu4 |
    awk 'left == 0 { s = $1; getline; left = s + $1; n += s; next } { left-- } END { print n }')"
[ "$words" -gt 4000 ]
result $? "plain zstd reads $words words"

# The same text in any packing, in one or several files, through pipes, on one or two ranks: the same DATA.
prepare 0 --src src.xz --tgt tgt.gz --out packed
same packed
prepare 0 --src src.zst --tgt tgt.zst --out packed2/
same packed2
timeout 100 "$dragoman" prepare --vocab-size 330 --valid-src valid.src --valid-tgt valid.tgt --src - --tgt tgt --out piped <src.zst >out 2>err
result $? "standard input"
same piped
mkfifo pipe && cat src >pipe &
prepare 0 --src pipe --tgt tgt --out fifo
wait
same fifo
mkdir ranks
timeout 100 "${MPIRUN:-mpirun}" -n 2 "$dragoman" prepare --vocab-size 330 --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --out ranks >out 2>err
result $? "two ranks, into an empty folder"
same ranks
prepare 0 --src src.1 src.2 --tgt tgt --out two
cmp two/train-00000.zst plain/train-00000.zst >out
result $? "two source files give the same shard"
timeout 100 "$dragoman" prepare --vocab-size 330 --valid-src valid.src --valid-tgt valid.tgt --tsv pairs.tsv --out tsv >out 2>err
result $? "a file of pairs"
cmp tsv/train-00000.zst plain/train-00000.zst >out && cmp tsv/tokenizer.json plain/tokenizer.json >out
result $? "gives the same shard and tokenizer"

# Tokenizers.
prepare 0 --src src --tgt tgt --tokenizer plain/tokenizer.json --out loaded
same loaded
prepare 0 --src src --tgt tgt --no-joint-vocab --vocab-size 300 --out sides
[ -s sides/tokenizer.src.json ] && [ -s sides/tokenizer.tgt.json ] && ! [ -e sides/tokenizer.json ]
result $? "a tokenizer for each side"
holds sides '"joint":false'
prepare 0 --src src --tgt tgt --tokenizer sides/tokenizer.src.json --tgt-tokenizer sides/tokenizer.tgt.json --out sides2
diff -r sides sides2 >out
result $? "both loaded again give the same DATA"
prepare 0 --src src --tgt tgt --tokenizer character --out characters
prepare 2 --src src --tgt tgt --tokenizer plain/tokenizer.json --no-joint-vocab --out nothing
says "--tgt-tokenizer"

# An existing folder.
prepare 2 --src src --tgt tgt --out plain
says "--overwrite"
mkdir -p fifo.tmp/left && prepare 0 --src src.zst --tgt tgt --overwrite --out fifo
same fifo
[ ! -e fifo.tmp ] && [ ! -e fifo.old ]
result $? "nothing is left beside it, not even of a killed run"
mkdir other && echo precious >other/file
prepare 2 --src src --tgt tgt --overwrite --out other
[ -e other/file ]
result $? "a folder that is no DATA is not touched"
head -c 100 src.zst >cut.zst
prepare 3 --src cut.zst --tgt tgt --overwrite --out piped
same piped

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
refused "open nowhere" --src src --tgt nowhere
sed '5s/\t/ /' pairs.tsv >bad.tsv
timeout 100 "$dragoman" prepare --tsv bad.tsv --valid-tsv pairs.tsv --out new >out 2>err
[ $? -eq 3 ] && [ ! -e new ]
result $? "a line without a tab"
says "bad.tsv, line 5: 1 field, expected 2"
timeout 100 "${MPIRUN:-mpirun}" -n 2 "$dragoman" prepare --src src --tgt bad.utf8 --valid-src valid.src --valid-tgt valid.tgt --out new >out 2>err
[ $? -eq 3 ] && [ ! -e new ] && [ "$(grep -c 'bad.utf8, line 7' err)" -eq 1 ]
result $? "on two ranks: one message, exit code 3, nothing left"

# Pairs that are left out and counted.
prepare 0 --src src --tgt bad.utf8 --on-bad-line drop --out dropped
holds dropped '"bad_line":1,"empty":0,"lopsided":0,"too_long":0},"kept":399,"read":400'
says "dropped: bad line               1            0"
sed '3s/.*/ \xc2\xa0 /; 4s/.*//; 20s/.*/sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees sees/; 30s/.*/x/' src >filtered
prepare 0 --src filtered --tgt tgt --max-length 32 --max-ratio 6 --out filtered.data
holds filtered.data '"empty":2,"lopsided":1,"too_long":1},"kept":396,"read":400'
sed 's/.*//' src >blank
refused "no training pair is left of 400 read: 0 bad lines, 400 empty" --src blank --tgt tgt --tokenizer plain/tokenizer.json

# Usage.
prepare 2 --src src --out new
says "--tgt"
prepare 2 --src src --tgt tgt --tsv pairs.tsv --out new
prepare 2 --src - --tgt - --out new
says "standard input"
prepare 2 --src src --tgt tgt
says "--out is missing"
prepare 2 --src src --tgt tgt --out new --vocab-size 100000
says "vocab"
[ ! -e new ]
result $? "nothing was made"

echo "1..$n"
exit $failed
