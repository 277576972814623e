# The matrix of layouts: one experiment trained in many ways, which must give the same bytes.  Source it after tap.sh, set
#
#   grid_options   settings of the experiment, options of train
#   grid_steps     its updates (--max-steps is added)
#   grid_data      DATA
#   grid_text      the text it was made of, as options of prepare
#
# and call grid_reference, then grid_cells (with the lines of grid_table, say) and grid_killed; grid_prepare and grid_translate stand for themselves.
# A cell is one line of a table and one check: sha256 of model.safetensors and of metrics.jsonl.

export DRAGOMAN_KEEP_THREADS=1 OMP_WAIT_POLICY=passive # threads of more ranks than cores do not spin
grid_n_cells=0

# The program as a rank of mpirun that tells its process id, so that it can be killed.
cat >rank.sh <<'END'
#!/bin/sh
echo $$ >"$1/$OMPI_COMM_WORLD_RANK"
shift
exec "$@"
END

hashes() { # hashes RUN: of what must not depend on the layout
    (cd "$1" 2>/dev/null && sha256sum model.safetensors metrics.jsonl) 2>&1
}

first_difference() { # first_difference RUN: where its metrics part from the reference's, for people
    diff "$1/metrics.jsonl" reference/metrics.jsonl 2>/dev/null | head -n 4 | sed 's/^/# /'
}

train_on() { # train_on RANKS OPTIONS...: trains in the background of nobody; its exit code
    ranks=$1
    shift
    # shellcheck disable=SC2086 # words
    timeout -k 5 "${DGM_GRID_TIMEOUT:-600}" "$mpirun" -n "$ranks" "$dragoman" train $grid_options --max-steps "$grid_steps" "$@" >out 2>err </dev/null
}

cell_result() { # cell_result STATUS RUN NAME
    [ "$1" -eq 0 ] && [ "$(hashes "$2")" = "$grid_hashes" ]
    tap_cell=$?
    result $tap_cell "$3: the same model and metrics"
    [ $tap_cell -eq 0 ] || { echo "# exit code $1"; first_difference "$2"; }
    rm -rf "$2" err out
}

grid_reference() { # one rank, everything at its default
    train_on 1 --data "$grid_data" --out reference
    result $? "reference: 1 rank, $grid_steps updates"
    grid_hashes=$(hashes reference)
    equal "$(grep -c '"loss"' reference/metrics.jsonl)" "$grid_steps" "reference: metrics of every update"
    [ "$(awk -F'"grad_norm":' '/"loss"/ { split($2, v, ","); print v[1] }' reference/metrics.jsonl | sort -u | wc -l)" -eq "$grid_steps" ]
    result $? "reference: no two updates have the same gradient"
}

# Table in a file: dp  tp  threads  micro_batch_tokens  data|text  further options of train
grid_cells() { # grid_cells TABLE
    while read -r dp tp threads micro source extra; do
        case $dp in '' | '#'*) continue ;; esac
        grid_n_cells=$((grid_n_cells + 1))
        from="--data $grid_data"
        [ "$source" = data ] || from=$grid_text
        # shellcheck disable=SC2086 # words
        train_on $((dp * tp)) $from --out cell --tp "$tp" --threads "$threads" --micro-batch-tokens "$micro" $extra
        cell_result $? cell "dp $dp x tp $tp, $threads thread$([ "$threads" = 1 ] || echo s), micro_batch_tokens $micro, from $source${extra:+, $extra}"
    done <"$1"
}

# Another family of kernels, as on another processor.
grid_other_kernels() { # grid_other_kernels FAMILY
    if ! DRAGOMAN_KERNELS=$1 "$dragoman" tokenize --model reference </dev/null >out 2>err; then
        grid_skip "2 ranks with kernels for $1" "this processor has none: $(tail -n 1 err)"
    elif grep -q "\"kernels\": \"$1\"" reference/run.json; then
        grid_skip "2 ranks with kernels for $1" "the reference has them already"
    elif [ "$(sed -n 's/.*"gemm": "\([^"]*\)".*/\1/p' reference/run.json)" != fma ]; then
        grid_skip "2 ranks with kernels for $1" "products are BLIS's here"
    else
        export DRAGOMAN_KERNELS="$1"
        train_on 2 --data "$grid_data" --out cell
        grid_status=$?
        unset DRAGOMAN_KERNELS
        grep -q "\"kernels\": \"$1\"" cell/run.json
        result $? "2 ranks with kernels for $1: these were used"
        cell_result $grid_status cell "2 ranks with kernels for $1"
    fi
}

grid_skip() { # grid_skip NAME REASON
    tap_n=$((tap_n + 1))
    echo "ok $tap_n - $1 # SKIP $2"
}

# The cells that every matrix has.  One more setting that must change no bit is one more line.
grid_table() {
    cat <<'END'
# dp tp threads micro source
2 1 1 0   data
3 1 1 0   data
4 1 1 0   data
5 1 1 0   data
7 1 1 0   data
8 1 1 0   data
1 2 1 0   data
1 4 1 0   data
2 2 1 0   data
3 2 1 0   data
4 2 1 0   data
2 4 1 0   data
1 1 2 300 data
1 1 1 1   data
1 1 1 300 data
3 1 1 200 data
2 2 1 150 data
1 1 1 0   text
3 2 1 100 text
3 1 1 0   data --overlap off
5 1 1 200 data --overlap off
4 2 1 0   data --overlap off
END
}

# ---- killed and resumed ----

updates() { # updates RUN: in its metrics
    if [ -e "$1/metrics.jsonl" ]; then grep -c '"loss"' "$1/metrics.jsonl"; else echo 0; fi
}

draw() { # draw LIMIT: sets `drawn` to 0 to LIMIT - 1, from grid_seed
    grid_seed=$(awk -v s="$grid_seed" 'BEGIN { printf "%d", (s * 16807) % 2147483647 }')
    drawn=$((grid_seed / 65536 % $1))
}

# Trains in RUN on `ranks` until SIGKILL hits all ranks at a random moment; whether it struck before the end.
train_and_kill() { # train_and_kill RUN RANKS OPTIONS...
    run=$1 ranks=$2
    shift 2
    rm -rf pids && mkdir pids
    # mpirun has been seen to hang when its ranks had been killed, hence the limit
    # shellcheck disable=SC2086 # words
    timeout -s KILL "${DGM_GRID_TIMEOUT:-600}" "$mpirun" -n "$ranks" sh rank.sh "$PWD/pids" "$dragoman" train $grid_options --max-steps "$grid_steps" "$@" >out 2>err </dev/null &
    pid=$!
    before=$(updates "$run")
    draw 4 && target=$((before + drawn))
    [ "$target" -lt "$grid_steps" ] || target=$((grid_steps - 1))
    [ $struck -lt $((kills - 1)) ] || [ "$target" -gt $((grid_steps / 2)) ] || target=$((grid_steps / 2)) # the last kill leaves a checkpoint
    draw 20 && waits=$drawn
    while [ "$(ls pids | wc -l)" -lt "$ranks" ] || [ "$(updates "$run")" -lt "$target" ]; do
        kill -0 $pid 2>/dev/null || break
        sleep 0.01
    done
    while [ "$waits" -gt 0 ] && [ ! -e "$run/model.safetensors" ]; do
        waits=$((waits - 1))
        sleep 0.01
    done
    # shellcheck disable=SC2046 # words
    kill -KILL $(cat pids/*) 2>/dev/null
    wait $pid 2>/dev/null
    code=$?
    [ $code -ne 0 ] && [ ! -e "$run/model.safetensors" ]
}

# grid_killed SOURCE DPxTP...: one run, killed at a random moment on every layout but the last, where it ends.  A run that was faster
# than the kill begins again from nothing: the check is of `kills` kills or it fails.
grid_killed() {
    source=$1
    shift
    from="--data $grid_data"
    [ "$source" = data ] || from=$grid_text
    : "${grid_seed:=${DGM_GRID_SEED:-$(($$ % 99991 + 1))}}"
    grid_n_cells=$((grid_n_cells + 1))
    echo "# kills at moments of seed $grid_seed: DGM_GRID_SEED=$grid_seed repeats them, as far as time does"
    kills=$(($# - 1)) struck=-1 moments=
    for attempt in 1 2 3 4 5 6; do
        rm -rf cell
        struck=0 moments=
        for layout in "$@"; do
            dp=${layout%x*} tp=${layout#*x}
            [ $struck -lt $kills ] || break
            # shellcheck disable=SC2086 # words
            train_and_kill cell $((dp * tp)) $from --out cell --tp "$tp" --resume auto || break
            struck=$((struck + 1))
            moments="$moments $(updates cell)"
        done
        [ $struck -lt $kills ] || break
        case $code in 0 | 137) ;; *) break ;; esac # it failed by itself
        echo "# attempt $attempt: after $struck kills the run was at its end before the next kill; again"
    done
    equal $struck $kills "killed before its end $kills times of $kills, after updates$moments"
    # shellcheck disable=SC2086 # words
    train_on $((dp * tp)) $from --out cell --tp "$tp" --resume auto
    cell_result $? cell "from $source, killed $struck times and resumed on $*"
}

# ---- prepare, translate, eval ----

grid_prepare() { # grid_prepare OPTIONS...: DATA of 1, 2 and 4 ranks and with more threads
    runs 0 "$dragoman" prepare "$@" --out prepared
    for ranks in 2 4; do
        timeout -k 5 "${DGM_GRID_TIMEOUT:-600}" "$mpirun" -n $ranks "$dragoman" prepare "$@" --out again >out 2>err </dev/null
        same again prepared "prepare on $ranks ranks: the same DATA"
        rm -rf again
    done
    OMP_NUM_THREADS=3 BLIS_NUM_THREADS=3 "$dragoman" prepare "$@" --out again >out 2>err </dev/null
    same again prepared "prepare with 3 threads: the same DATA"
    rm -rf again prepared
}

shuffle() { # shuffle SEED FILE: its lines in another order, which the seed and the number of lines alone decide
    awk -v s="$1" '{ s = (s * 16807) % 2147483647; print s "\t" $0 }' "$2" | sort -n | cut -f 2-
}
unshuffle() { # unshuffle SEED FILE: the inverse
    awk 'END { for (i = 1; i <= NR; i++) print i }' "$2" >order.plain
    shuffle "$1" order.plain | paste - "$2" | sort -n | cut -f 2-
}

# grid_translate MODEL SRC REF OPTIONS...: translations and all digits of eval, on a table of standard input: ranks  batch_tokens  order
# (0: as the lines come, else the seed of a shuffle).
grid_translate() {
    model=$1 src=$2 ref=$3
    shift 3
    mkdir -p order-0 && cp "$src" order-0/src && cp "$ref" order-0/ref
    (cd order-0 && "$dragoman" translate --model "../$model" "$@" <src >hyp 2>../err)
    result $? "translate on 1 rank"
    (cd order-0 && "$dragoman" eval --model "../$model" "$@" --src src --ref ref --json --hyp-out evaluated >scores 2>../err)
    result $? "eval on 1 rank"
    same order-0/evaluated order-0/hyp "its translations are those of translate"
    lines=$(wc -l <"$src")
    [ "$(sort -u order-0/hyp | wc -l)" -gt $((lines / 4)) ]
    result $? "translations differ: $(sort -u order-0/hyp | wc -l) of $lines"
    while read -r ranks batch order; do
        case $ranks in '' | '#'*) continue ;; esac
        grid_n_cells=$((grid_n_cells + 1))
        folder=order-$order
        if [ ! -d "$folder" ]; then
            mkdir "$folder"
            shuffle "$order" "$src" >"$folder/src" && shuffle "$order" "$ref" >"$folder/ref"
            differs "$folder/src" "$src" "order $order is another one"
        fi
        (cd "$folder" && timeout -k 5 "${DGM_GRID_TIMEOUT:-600}" "$mpirun" -n "$ranks" "$dragoman" translate --model "../$model" "$@" --batch-tokens "$batch" <src >got 2>../err)
        if [ "$order" = 0 ]; then cp "$folder/got" out; else unshuffle "$order" "$folder/got" >out; fi
        cmp -s out order-0/hyp
        result $? "translate on $ranks ranks, batch_tokens $batch, order $order: the same translations"
        (cd "$folder" && timeout -k 5 "${DGM_GRID_TIMEOUT:-600}" "$mpirun" -n "$ranks" "$dragoman" eval --model "../$model" "$@" --batch-tokens "$batch" --src src --ref ref --json --hyp-out got \
            >../out 2>../err </dev/null)
        if [ "$order" = 0 ]; then cp "$folder/got" got; else unshuffle "$order" "$folder/got" >got; fi
        cmp -s out order-0/scores && cmp -s got order-0/evaluated
        result $? "eval on $ranks ranks, batch_tokens $batch, order $order: the same numbers to the last digit, the same translations"
    done
    rm -rf order-*
}
