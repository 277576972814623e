#!/bin/sh
# dragoman eval --spectra as a user calls it: table, JSON and drawing of a small model's singular values, on any number of ranks; what is refused.
. "$DGM_SRCDIR/tests/tap.sh"

printf 'a b c d e\nthe dog sees a cat\nein Haus, zwei Haeuser\n' >text
"$DGM_BUILDDIR/tests/make_translator" model.safetensors text 7 || { echo "Bail out! no model"; exit 1; }

runs 0 "$dragoman" eval --spectra model.safetensors --svg decay.svg
cp out table
prints 'encoder.layers.0.self_attn.q_proj'
prints 'stable rank' 1
found table 'norm' 1
awk 'NR > 1 && !(NF == 8 && $4 >= $5 && $5 >= $6 && $8 >= 1) { exit 1 } END { exit !(NR > 10) }' table
result $? "in every line norm >= largest >= smallest, stable rank >= 1"
[ "$(grep -c '^model\.' err)" = 0 ]
result $? "no line of progress for what takes a moment"

runs 0 "$dragoman" eval --spectra model.safetensors --json
cp out json
runs 0 "$dragoman" eval --spectra model.safetensors --json-out written
same written json "--json-out writes what --json prints"
same out table "and the table is printed all the same"
numbers() { sed -n 's/^ *"\(norm\|largest\|stable_rank\)": \([-0-9.e+]*\),*$/\2/p' "$1"; }
equal "$(grep -c '"name"' json)" "$(($(wc -l <table) - 1))" "JSON has the matrices of the table"
awk '/"rows"/ { gsub(/[^0-9]/, ""); rows = $0 + 0 } /"cols"/ { gsub(/[^0-9]/, ""); n = $0 + 0; if (rows < n) n = rows }
    /"singular_values"/ { inside = 1; got = 0; next }
    inside && /\]/ { inside = 0; if (got != n) exit 1; all++ }
    inside { value = $1 + 0; if (got++ > 0 && value > before) exit 1; before = value }
    END { exit !(all > 10) }' json
result $? "min(rows, cols) values of each, largest first"
numbers json >want
for ranks in 2 3; do
    runs 0 "$mpirun" -n $ranks "$dragoman" eval --spectra model.safetensors --json
    numbers out >got
    paste want got | awk '{ d = $1 / $2 - 1; if (d * d > 1e-11) exit 1 } END { exit !(NR > 30) }'
    result $? "$ranks ranks: the same norms, largest values and stable ranks to rounding"
done

found decay.svg 'prefers-color-scheme:dark' 1
found decay.svg '<title>Singular values of model.safetensors</title>' 1
if command -v xmllint >/dev/null; then
    xmllint --noout decay.svg 2>err
    result $? "the drawing is well-formed XML"
else
    result 0 "the drawing is well-formed XML # SKIP no xmllint"
fi
equal "$(grep -c 'class="line' decay.svg)" "$(($(wc -l <table) - 1))" "a line for each matrix"

mkdir -p run/checkpoints/step-00000001
cp model.safetensors run/checkpoints/step-00000001/
runs 0 "$dragoman" eval --spectra run/checkpoints/step-00000001
same out table "a checkpoint is read like a model"

runs 3 "$dragoman" eval --spectra nothing
says 'nothing'
runs 2 "$dragoman" eval --spectra model.safetensors --src text
says '--spectra looks at matrices alone'
runs 2 "$dragoman" eval --spectra model.safetensors --beam 3
says '--beam: --spectra looks at matrices alone'
runs 2 "$dragoman" eval --spectra model.safetensors --json --metrics chrf
says '--metrics: --spectra looks at matrices alone'
cp model.safetensors before
for json in ./model.safetensors run/checkpoints/step-00000001/../../../model.safetensors; do
    runs 2 "$dragoman" eval --spectra model.safetensors --json-out $json
    says "--json-out $json would be written over --spectra model.safetensors: give another name"
done
runs 2 "$dragoman" eval --spectra run/checkpoints/step-00000001 --json-out run/checkpoints/step-00000001/model.safetensors
says 'would be written over --spectra run/checkpoints/step-00000001'
same model.safetensors before "the model is what it was"
same run/checkpoints/step-00000001/model.safetensors before "that of the checkpoint, too"
runs 2 "$dragoman" eval --svg x.svg --model model.safetensors
says '--svg goes with --spectra'
runs 1 "$dragoman" eval --spectra model.safetensors --svg no/such/folder.svg
says 'no/such/folder.svg'
printf 'x' | dd of=model.safetensors bs=1 seek=20000 conv=notrunc 2>/dev/null
runs 3 "$mpirun" -n 2 "$dragoman" eval --spectra model.safetensors
says 'damaged'
done_testing
