#!/bin/sh
# Proof that the tests of layouts and of kills can fail: `make check-grid-red`.  Plants one fault at a time in a copy of the sources, builds it
# and runs tests/cli_grid.sh or tests/cli_kills.sh, which must then fail.  At the end every cell of the matrix must have failed once.
# Takes a compiler and half an hour on two quiet cores.  DGM_RED="NAME..." plants these alone.
. "$DGM_SRCDIR/tests/tap.sh"
export DGM_GRID_TIMEOUT=60 # a fault may make ranks wait for ever

# ---- a copy of the sources, built once ----

mkdir tree build
(cd "$DGM_SRCDIR" && tar -cf - --exclude=./build --exclude='./build-[!a]*' --exclude=./.git --exclude=./autom4te.cache .) | (cd tree && tar -xf -)
arguments=$(cd "$DGM_BUILDDIR" && ./config.status --config)
(cd build && eval "../tree/configure $arguments" && make -j2 dragoman tests/make_translator tests/fault_at) >log 2>&1 || {
    tail -n 20 log | sed 's/^/# /'
    echo "Bail out! the copy cannot be built"
    exit 1
}

# replace FILE OLD NEW: in the copy; OLD is a text within one line and must be there exactly once.
replace() {
    OLD=$2 NEW=$3 awk '{ at = index($0, ENVIRON["OLD"])
            if (at) { n++; $0 = substr($0, 1, at - 1) ENVIRON["NEW"] substr($0, at + length(ENVIRON["OLD"])) } print }
        END { if (n != 1) { print FILENAME ": " n + 0 " places, expected 1" >"/dev/stderr"; exit 1 } }' "tree/$1" >changed 2>>log &&
        { [ -e "kept/$(basename "$1")" ] || cp "tree/$1" kept/; } && echo "$1" >>kept/list && cp changed "tree/$1"
}

short() { # from the lines of checks to the names of cells
    sed -n 's/^[a-z ]*ok [0-9]* - //
        s/^dp \([0-9]*\) x tp \([0-9]*\), \([0-9]*\) threads*, micro_batch_tokens \([0-9]*\), from \([a-z]*\)\(.*\): the same.*/\1x\2;threads \3;micro \4;\5\6/
        s/^2 ranks with kernels for \([a-z0-9]*\): the same.*/kernels \1/
        s/^from \([a-z]*\), killed.*/kills;\1/
        s/^\(prepare\) \(.*\): the same.*/\1;\2/
        s/^\([a-z]*\) on \([0-9]*\) ranks, batch_tokens \([0-9]*\), order \([0-9]*\): .*/\1 \2;batch \3;order \4/
        /^[0-9]*x[0-9]\|^kernels \|^kills;\|^prepare;\|^translate [0-9]\|^eval [0-9]/ { s/;threads 1//; s/;micro 0//; s/;data//; s/;order 0//; s/;/ /g; s/, / /g; p; }'
}

# fault NAME "WHAT" TEST PARTS FILE OLD NEW [FILE OLD NEW]...: plants it, builds, runs, takes it out again.
fault() {
    name=$1 what=$2 test=$3 parts=$4
    shift 4
    case " ${DGM_RED:-$name} " in *" $name "*) ;; *) return ;; esac
    rm -rf kept && mkdir kept && : >kept/list && : >log
    planted=0
    while [ $# -gt 0 ] && [ $planted -eq 0 ]; do
        replace "$1" "$2" "$3" || planted=1
        shift 3
    done
    if [ $planted -eq 0 ]; then make -C build dragoman >>log 2>&1 || planted=1; fi
    result $planted "$name: planted and built"
    if [ $planted -eq 0 ]; then
        # shellcheck disable=SC2086 # words
        env $with DGM_GRID_PARTS="$parts" DGM_SRCDIR="$tmp/tree" DGM_BUILDDIR="$tmp/build" sh "$tmp/tree/tests/$test.sh" >"tap.$name" 2>/dev/null
        for colour in 'ok green' 'not ok red'; do
            if [ "$test" = cli_grid ]; then grep "^${colour% *} " "tap.$name" | short; else
                grep "^${colour% *} " "tap.$name" | sed -n 's/^[a-z ]*ok [0-9]* - \([^:]*\): .*the same bytes.*/\1/p'
            fi >"${colour##* }"
        done
        [ "$test" != cli_grid ] || { cat red >>all.red && cat green >>all.green; }
        [ -s red ]
        result $? "$name: $what: $(wc -l <red) of $(cat red green | wc -l) fail"
        echo "#   fail: $(paste -sd '|' red | sed 's/|/, /g')"
        echo "#   hold: $(paste -sd '|' green | sed 's/|/, /g')"
    else
        sed 's/^/# /' log | tail -n 5
    fi
    while read -r file; do cp "kept/$(basename "$file")" "tree/$file"; done <kept/list
}
: >all.red && : >all.green
with= # variables of the environment for the next test

# ---- sums ----

fault plain-reduction "gradients of replicas by MPI_Reduce_scatter" cli_grid cells src/train/step.c \
    '{options->virtual_dp, options->reduction, ' '{options->virtual_dp, grid->dp_size > 1 ? DGM_REDUCE_FAST : options->reduction, '
fault running-sum "rounds added from left to right" cli_grid cells src/train/gradsync.c \
    's->options.reduction == DGM_REDUCE_FAST ? top' 's->options.reduction == DGM_REDUCE_FAST || s->grid->dp_size == 1 ? top' src/train/gradsync.c \
    'if (s->options.reduction == DGM_REDUCE_FAST) { /* one' 'if (s->options.reduction == DGM_REDUCE_FAST || s->grid->dp_size == 1) { /* one'
# By default Open MPI adds over 4 ranks as the tree does; its ring does not.
ring="OMPI_MCA_coll_tuned_use_dynamic_rules=1 OMPI_MCA_coll_tuned_allreduce_algorithm=4"
with=$ring fault plain-tp "sums over tp ranks by MPI_Allreduce, ring" cli_grid cells src/par/treesum.c \
    'if (at.size == 1 || n == 0) return DGM_OK;' 'if (at.size == 1 || n == 0) return DGM_OK;
    if (workspace != NULL) return dgm_coll_sum_tp(grid, x, n);'
fault norm-by-rank "the norm from one sum of each rank" cli_grid cells src/train/gradsync.c \
    '/* Every block is one rank' 'double mine = 0; for (int b = 0; b < p->n_global_blocks; b++) { mine += sync->squares[b]; sync->squares[b] = 0; }
    sync->squares[sync->grid->rank] = mine; /* Every block is one rank'
fault loss-by-replica "the loss from one sum of each replica" cli_grid cells src/train/step.c \
    'dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);' 'double mine = 0; for (int l = 0; l < n; l++) { mine += t->sums[l]; t->sums[l] = 0; }
    t->sums[t->grid->dp_rank] = mine; dgm_region left = dgm_timer_enter(DGM_REGION_COMMUNICATION);'
fault too-early "a layer of gradients is sent before it is final" cli_grid cells src/train/gradsync.c \
    's->err = finish_stages(s, n_final);' 's->err = finish_stages(s, DGM_MIN(n_final + 1, s->params->n_stages));'

# ---- products ----

blis=$(DRAGOMAN_GEMM=blis build/dragoman bench --d-model 32 --d-ff 64 --n-heads 2 --n-encoder-layers 1 --n-decoder-layers 1 --batch-tokens 200 \
    --max-steps 2 --vocab-size 300 --no-ceilings --json 2>>log | sed -n 's/^ *"gemm": "\(.*\)",$/\1/p')
if [ "$blis" = generic ]; then # on processors newer than BLIS, which then has no other path
    result 0 "small-path: products by BLIS with its small path # SKIP BLIS takes generic kernels here"
else
    fault small-path "products by BLIS with its small path" cli_grid cells src/num/gemm.c 'on = text != NULL && strcmp(text, "1") == 0;' 'on = text == NULL;'
fi
fault split-k "two threads share the length of a product" cli_grid cells src/num/gemm.c \
    'bool an = ta == DGM_GEMM_N, bn = tb == DGM_GEMM_N;' 'bool an = ta == DGM_GEMM_N, bn = tb == DGM_GEMM_N;
    if (n_threads_now > 1 && n_parts == 1 && start[1] - start[0] > 1) {
        const int kept = n_threads_now;
        const int64_t h = (start[0] + start[1]) / 2;
        float *half = malloc((size_t)(m * n) * sizeof *half);
        n_threads_now = 1;
        multiply_own(ta, tb, m, n, (int64_t[]){start[0], h}, 1, a, lda, b, ldb, half, n);
        multiply_own(ta, tb, m, n, (int64_t[]){h, start[1]}, 1, a, lda, b, ldb, c, ldc);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) c[i * ldc + j] = half[i * n + j] + c[i * ldc + j];
        free(half);
        n_threads_now = kept;
        return;
    }'

fault unfused "kernels of one family round between multiplying and adding" cli_grid cells src/num/kernel_product.c \
    '_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(s)))' '_mm256_add_ps(_mm256_mul_ps((__m256)(a), (__m256)(b)), (__m256)(s)))'

# ---- random bits and batches ----

fault rank-dropout "dropout keyed with the rank" cli_grid cells src/model/transformer.c \
    'dgm_rng_make(pass->seed, DGM_RNG_DROPOUT)' 'dgm_rng_make(pass->seed + (uint64_t)t->ctx.grid->rank, DGM_RNG_DROPOUT)'
fault place-dropout "dropout keyed with the place in the round" cli_grid cells src/data/batch.c 'sentence[s] = (uint32_t)order[k];' 'sentence[s] = (uint32_t)s;'
fault rank-batches "batches that depend on the number of replicas" cli_grid cells src/data/loader.c \
    'n_tokens > l->options.batch_tokens)' 'n_tokens > l->options.batch_tokens - 16 * (l->options.n_replicas - 1))'
fault rank-pieces "sentences cut into other pieces by each replica" cli_grid cells src/data/loader.c 'o->bpe_dropout, o->seed, 1,' \
    'o->bpe_dropout, o->seed + (uint64_t)o->replica, 1,'
fault text-differs "train prepares text otherwise than prepare" cli_grid cells src/cli/cmd_train.c 'options.out = dir;' 'options.out = dir; options.rules.max_ratio = 8;'

# ---- going on ----

fault forgets-position "resume loses a sentence" cli_grid kills src/cli/train_resume.c '(dgm_loader_state){epoch, position}' '(dgm_loader_state){epoch, position > 0 ? position - 1 : 0}'
fault forgets-count "resume forgets how often it has validated" cli_grid kills src/cli/train_resume.c \
    'run->n_validations = n_validations;' 'run->n_validations = 0 * n_validations;'

# ---- prepare, translate, eval ----

fault rank-prepare "prepare that depends on the number of ranks" cli_grid prepare data-prep/cmd_prepare.c 'if (err == DGM_OK) err = dgm_prepare(' \
    'int size; MPI_Comm_size(MPI_COMM_WORLD, &size); prepared.rules.max_ratio -= size; if (err == DGM_OK) err = dgm_prepare('
fault thread-prepare "prepare that depends on the number of threads" cli_grid prepare data-prep/cmd_prepare.c 'if (err == DGM_OK) err = dgm_prepare(' \
    'prepared.rules.max_ratio += *dgm_thread_setting(); if (err == DGM_OK) err = dgm_prepare(' data-prep/cmd_prepare.c \
    'static dgm_err prepare(' 'char *getenv(const char *name);
static const char *dgm_thread_setting(void) { const char *text = getenv("OMP_NUM_THREADS"); return text != NULL ? text : ""; }
static dgm_err prepare('
fault neighbours "the length of a translation depends on its neighbours" cli_grid lines src/decode/search_join.c \
    '&options, s->n, s->n_prefix' '&options, s->n + r->n_active, s->n_prefix'
fault batch-loss "the loss of a line depends on its place in the batch" cli_grid lines src/decode/score_pairs.c \
    'double sum[2] = {0, 0};' 'double sum[2] = {1e-9 * (double)i, 0};'

# ---- kills ----

fault in-place "checkpoints are written in their place" cli_kills "" src/ckpt/ckpt.c 'p->partial = with_suffix(p->final, ".tmp")' 'p->partial = with_suffix(p->final, "")' \
    src/ckpt/ckpt.c 'bool replaces = dgm_io_exists(p->final);' 'bool replaces = false; if (dgm_io_exists(p->final)) return DGM_OK;'
fault log-ahead "logs are not cut back" cli_kills "" src/cli/log_lines.c 'key / 2 <= step' 'key / 2 <= step + 1' src/cli/log_lines.c 'key / 2 > step' \
    'key / 2 > step + 1'
fault no-cleaning "what killed saves left stays" cli_kills "" src/ckpt/ckpt_folder.c 'return for_each_leftover(folder, ".tmp", dgm_io_remove_tree);' \
    'return folder == NULL ? for_each_leftover(folder, ".tmp", dgm_io_remove_tree) : DGM_OK;'

# ---- every cell ----

sort -u all.red >a && sort -u all.green | comm -23 - a >never
[ -n "$DGM_RED" ] || { [ ! -s never ] && [ -s a ]; }
result $? "every one of $(cat a never | wc -l) cells has failed once"
sed 's/^/# never failed: /' never

done_testing
