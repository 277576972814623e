#!/bin/sh
# The same bits on every layout, with the program as users start it: a small model, dropout everywhere.  Its products are long enough
# (d_model 256) that BLIS's small path would show; `make check-grid-red` proves that every cell can fail.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"
. "$DGM_SRCDIR/tests/grid_matrix.sh"

toy_corpus
cat >grid.cfg <<'END'
d_model = 256
d_ff = 512
n_heads = 4
n_encoder_layers = 1
n_decoder_layers = 1
batch_tokens = 1000
learning_rate = 0.003
warmup_steps = 5
dropout = 0.1
attention_dropout = 0.1
activation_dropout = 0.1
bpe_dropout = 0.1
clip_norm = 1
log_every = 1
validate_every = 3
bleu_every = 2
checkpoint_every = 2
average_last = 2
END
grid_options="--config grid.cfg" grid_steps=6 grid_data=data
grid_text="--src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 330"

wanted() { case " ${DGM_GRID_PARTS:-prepare cells kills lines} " in *" $1 "*) true ;; *) false ;; esac; }

# shellcheck disable=SC2086 # words
if wanted prepare; then grid_prepare $grid_text; fi
if wanted cells || wanted kills; then
    # shellcheck disable=SC2086
    runs 0 "$dragoman" prepare $grid_text --out data
    grid_reference
fi
if wanted cells; then
    grid_table >table && grid_cells table
    grid_other_kernels avx2
fi
if wanted kills; then
    grid_killed data 1x1 3x1 2x2 8x1 1x2
    grid_killed text 4x1 1x4 1x1 5x1
fi
wanted lines || done_testing

head -n 60 src >in && head -n 60 tgt >in.ref
"$DGM_BUILDDIR/tests/make_translator" model in 7 || result 1 "a model of random weights"
grid_translate model in in.ref --max-length-factor 1 <<'END'
# ranks batch_tokens order
1 7    0
1 150  0
2 1024 0
3 100  0
5 1024 0
1 1024 5
4 60   5
2 300  11
END

done_testing
