#!/bin/sh
# The same bits on every layout for the preset tiny on real text (Multi30k, English to German): `make check-grid`, some minutes on two
# cores.  The text lies outside of the repository, in ../shared or where DGM_SHARED says; without it the test is skipped.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/grid_matrix.sh"
text=${DGM_SHARED:-$DGM_SRCDIR/../shared}/data/multi30k
[ -r "$text/train.en.zst" ] && [ -r "$text/train.de.zst" ] || skip_all "Multi30k is not in $text; DGM_SHARED names the folder above data/"
command -v zstd >/dev/null || skip_all "zstd is needed"

for side in en de; do
    zstd -qdc "$text/val.$side.zst" | head -n 100 >"valid.$side"
    zstd -qdc "$text/test_2016_flickr.$side.zst" | head -n 80 >"test.$side"
done
grid_options="--config tiny --virtual-dp 8 --dropout 0.3 --attention-dropout 0.1 --activation-dropout 0.1 --warmup-steps 4
 --log-every 1 --validate-every 3 --bleu-every 2 --checkpoint-every 2 --average-last 2"
grid_steps=6 grid_data=data
grid_text="--src $text/train.en.zst --tgt $text/train.de.zst --valid-src valid.en --valid-tgt valid.de"

# shellcheck disable=SC2086 # words
grid_prepare $grid_text
# shellcheck disable=SC2086 # words
runs 0 "$dragoman" prepare $grid_text --out data
grid_reference
grid_table >table
cat >>table <<'END'
2 1 2 0   data
1 2 2 100 data
END
grid_cells table
grid_killed data 1x1 3x1 2x2 8x1 1x2
grid_killed data 4x2 1x4 5x1 1x1 7x1
grid_killed text 4x1 1x4 1x1 5x1

# A model of random weights says something else about every line; one after six updates does not.
cat test.en test.de >characters
"$DGM_BUILDDIR/tests/make_translator" model characters 7 || result 1 "a model of random weights"
grid_translate model test.en test.de --max-length-factor 1 <<'END'
# ranks batch_tokens order
1 64   0
2 1024 0
3 5000 0
4 1024 5
1 100  5
2 300  11
END

done_testing
