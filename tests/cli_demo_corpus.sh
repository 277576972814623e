#!/bin/sh
# dragoman demo-corpus: what the demonstration promises of its corpus, checked on the files it writes.
. "$DGM_SRCDIR/tests/tap.sh"
export LC_ALL=C

# Each line as its words in alphabetical order, without case and punctuation.
bags() {
    tr 'A-Z' 'a-z' <"$1" | tr -d '.,' | awk '{
        n = split($0, w, " ")
        for (i = 2; i <= n; i++) { x = w[i]; for (k = i - 1; k >= 1 && w[k] > x; k--) w[k + 1] = w[k]; w[k + 1] = x }
        s = w[1]; for (i = 2; i <= n; i++) s = s " " w[i]
        print s }' | sort -u
}

runs 0 "$dragoman" demo-corpus --train 20000 --valid 300 --test 400 --out a
cp out printed
for part in train valid test; do
    case $part in train) want=20000 ;; valid) want=300 ;; test) want=400 ;; esac
    for language in en wld; do
        equal "$(wc -l <a/$part.$language | tr -d ' ')" $want "$part.$language has $want lines"
        equal "$(sort -u a/$part.$language | wc -l | tr -d ' ')" $want "no line of $part.$language occurs twice"
        bags a/$part.$language >bags.$part.$language
    done
done
for language in en wld; do
    for held in valid test; do
        equal "$(comm -12 bags.train.$language bags.$held.$language | wc -l | tr -d ' ')" 0 "no $held bag of words is in train, $language"
    done
    equal "$(comm -12 bags.valid.$language bags.test.$language | wc -l | tr -d ' ')" 0 "no valid bag of words is in test, $language"
done
# The check of bags must see what it looks for: a sentence in another order, case and punctuation.
awk 'NR == 5 { sub(/\.$/, ""); for (i = NF; i > 0; i--) printf "%s%s", $i, (i > 1 ? " " : "\n") }' a/train.en >turned
bags turned >bags.turned
equal "$(comm -12 bags.train.en bags.turned | wc -l | tr -d ' ')" 1 "a training sentence read backwards is found"

awk '{ if (NF < 4 || NF > 12) exit 1 }' a/train.en
result $? "sentences of 4 to 12 words"
equal "$(cat a/train.en a/train.wld | tr -d 'A-Za-z ,.\n' | wc -c | tr -d ' ')" 0 "letters, spaces, commas, full stops alone"

score() { "$dragoman" score --hyp "$1" --ref a/test.wld --width 2 | sed 's/.* = \([0-9.]*\) .*(BP.*/\1/'; }
baseline=$(score a/test.word-by-word.wld)
equal "$(sed -n 's/^word by word: .* = \([0-9.]*\) .*(BP.*/\1/p' printed)" "$baseline" "the printed baseline is that of the written file"
awk "BEGIN { exit !($baseline > 1 && $baseline < 40) }"
result $? "word by word stays below 40 BLEU: $baseline"
copied=$(score a/test.en)
awk "BEGIN { exit !($copied < 5) }"
result $? "copying the source stays below 5 BLEU: $copied"

runs 0 "$dragoman" demo-corpus --train 20000 --valid 300 --test 400 --out b
same a b "the same seed gives the same bytes"
runs 0 "$dragoman" demo-corpus --train 20000 --valid 300 --test 400 --out c --seed 2
differs a/train.en c/train.en "another seed gives other sentences"
runs 2 "$dragoman" demo-corpus
runs 2 "$dragoman" demo-corpus --out ''
runs 1 "$dragoman" demo-corpus --out /dev/null/x
says /dev/null

done_testing
