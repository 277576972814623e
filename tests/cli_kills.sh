#!/bin/sh
# dragoman train killed before any system call that changes something in RUN (tests/fault_at.c), on one rank and on several: what is in the
# folder then is whole, training goes on from it on another layout, and ends with the same bytes.  Here each kind of call on each file is
# taken once, or some of them; DGM_ALL_KILLS=1 (make check-kills, some ten minutes) takes every single call.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"
fault=$DGM_BUILDDIR/tests/fault_at
ENOSPC=28
export OMPI_MCA_odls_base_sigkill_timeout=0 # mpirun ends the others at once when a rank was killed, not after two seconds
export LSAN_OPTIONS="$LSAN_OPTIONS:detect_leaks=0" # the leak checker is a tracer, too
mkdir empty && "$fault" empty true 2>err || skip_all "a program cannot be traced here: $(cat err)"

toy_corpus
cat >kills.cfg <<'END'
d_model = 16
d_ff = 32
n_heads = 2
n_encoder_layers = 1
n_decoder_layers = 1
batch_tokens = 200
virtual_dp = 4
learning_rate = 0.003
warmup_steps = 4
dropout = 0.1
log_every = 1
validate_every = 4
checkpoint_every = 2
keep_checkpoints = 2
average_last = 2
max_steps = 10
trace_hash = true
END
runs 0 "$dragoman" prepare --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 330 --out data
train="$dragoman train --data data --config kills.cfg"
# shellcheck disable=SC2086 # words
runs 0 $train --out reference
# shellcheck disable=SC2086
runs 0 $train --out every --keep-checkpoints 100 # all checkpoints, to compare with

# ---- what must hold ----

results() { # results RUN: all that a run leaves and that must not depend on its history
    (cd "$1" && sha256sum model.safetensors metrics.jsonl trace.jsonl && ls checkpoints && readlink last best) 2>&1
}
reference=$(results reference)
every=$(cd every/checkpoints && sha256sum step-*/*)

# What is wrong with the folder of a killed run: checkpoints that are not those of the undisturbed run, links that lead nowhere, a wrong result.
wrong_in() {
    (cd "$1/checkpoints" 2>/dev/null && for step in step-????????; do
        [ -d "$step" ] || continue
        [ "$(cd "$step" && echo *)" = "DONE model.safetensors optimizer.safetensors state.json" ] || echo "$step holds $(ls "$step" | tr '\n' ' ')"
        sha256sum "$step"/*
    done) | while read -r line; do
        case "$every" in *"$line"*) ;; *) echo "$line" ;; esac
    done
    for link in last best; do
        [ ! -L "$1/$link" ] || [ -d "$1/$link" ] || echo "$link leads nowhere"
    done
    [ ! -e "$1/model.safetensors" ] || cmp "$1/model.safetensors" reference/model.safetensors
}

layouts="1x1 3x1 1x1 1x1 1x2 1x1 1x1 4x1" # for going on, in turns
on_ranks() { # on_ranks RANKS COMMAND...: one rank needs no mpirun
    of=$1
    shift
    if [ "$of" -eq 1 ]; then timeout -k 5 120 "$@"; else timeout 120 "$mpirun" -n "$of" "$@"; fi >out 2>err </dev/null
}
go_on() { # go_on RUN: to the end, on the next layout; whether it then is as if nothing had happened.  Says what is wrong
    layout=${layouts%% *} layouts="${layouts#* } ${layouts%% *}"
    on_dp=${layout%x*} on_tp=${layout#*x}
    # shellcheck disable=SC2086
    on_ranks $((on_dp * on_tp)) $train --out "$1" --resume auto --tp "$on_tp"
    code=$?
    [ $code -eq 0 ] || { echo "going on as $layout: exit code $code: $(tail -n 2 err)"; return; }
    grep -F ' lacks ' err # no kill takes a line that was due
    now=$(results "$1")
    [ "$now" = "$reference" ] || printf 'going on as %s: %s\n' "$layout" "$now"
    find "$1" -name '*.tmp' -o -name '*.old*' -o -name '*.gone*' | sed 's/^/left behind: /'
}

# ---- the kills ----

# The numbers of the changes to try, from the list of all: those whose call and path (whatever the step) come for the first time and for
# the last time; or all.
choose() {
    if [ -n "$DGM_ALL_KILLS" ]; then cut -d ' ' -f 1 "$1"; else
        awk '{ key = $2 " " $3; gsub(/step-[0-9]+/, "step", key) }
            !(key in last) { print $1 }
            { last[key] = $1 }
            END { for (key in last) print last[key] }' "$1" | sort -nu
    fi
}
every_nth() { awk -v n="$1" '(NR - 1) % n == 0'; }

# kills NAME START RANKS TP RANK EVERY OF_ALL: from a copy of folder START, trains on the layout and kills RANK at every EVERY-th of the chosen
# changes (OF_ALL-th with DGM_ALL_KILLS); one check for all.
kills() {
    name=$1 start=$2 ranks=$3 tp=$4 nth=$6
    [ -z "$DGM_ALL_KILLS" ] || nth=$7
    watch=
    [ "$ranks" -eq 1 ] || watch="-r $5"
    rm -rf run && cp -r "$start" run
    # shellcheck disable=SC2086
    on_ranks "$ranks" "$fault" $watch -l list run $train --out run --resume auto --tp "$tp"
    equal $?:"$(results run)" 0:"$reference" "$name: undisturbed"
    n_kills=0 bad=0
    for n in $(choose list | every_nth "$nth"); do
        rm -rf run && cp -r "$start" run
        # shellcheck disable=SC2086
        on_ranks "$ranks" "$fault" $watch -n "$n" -l killed run $train --out run --resume auto --tp "$tp"
        code=$?
        n_kills=$((n_kills + 1))
        {
            case $code in 137 | 5) ;; *) echo "exit code $code, expected 137 or 5" ;; esac
            [ "$(tail -n 1 killed)" = "$(sed -n "${n}p" list)" ] || echo "killed before $(tail -n 1 killed), not $(sed -n "${n}p" list)"
            wrong_in run
            go_on run
        } >wrong
        [ -s wrong ] || continue
        bad=$((bad + 1))
        echo "# $name, killed before change $(sed -n "${n}p" list):"
        sed 's/^/#   /' wrong
    done
    [ "$n_kills" -gt 0 ] && [ $bad -eq 0 ]
    result $? "$name: killed before $n_kills of $(wc -l <list) changes, each time whole, and resumed to the same bytes ($bad wrong)"
}

mkdir fresh
# A run as a kill leaves it: logs that are ahead of the newest checkpoint, and a checkpoint almost done, which has to be cleaned away.
mkdir half
# shellcheck disable=SC2086
"$fault" -l list half $train --out half >out 2>err && n=$(sed -n 's/ fsync .*step-00000006.tmp.DONE.tmp$//p' list)
rm -rf half && mkdir half
# shellcheck disable=SC2086
"$fault" -n "${n:-0}" half $train --out half >out 2>err
[ -e half/checkpoints/step-00000006.tmp/DONE.tmp ] && [ -e half/checkpoints/step-00000004/DONE ] && [ ! -e half/model.safetensors ]
result $? "a run killed within its third save"

kills "1 rank, from the beginning" fresh 1 1 0 12 10
kills "1 rank, going on" half 1 1 0 5 1
kills "3 ranks, the first one" half 3 1 0 16 10
kills "3 ranks, the second one" half 3 1 1 3 20
kills "2 x 2 ranks, the last one" half 4 2 3 3 30

# ---- a disk that is full from some change on ----

full() { # full NAME START EVERY OF_ALL
    name=$1 start=$2 nth=$3 tried=0 bad=0
    [ -z "$DGM_ALL_KILLS" ] || nth=$4
    rm -rf run && cp -r "$start" run
    # shellcheck disable=SC2086
    "$fault" -l list run $train --out run --resume auto >out 2>err
    grep -E ' (openat|write|pwrite|fallocate|mkdir|mkdirat|symlink|symlinkat) ' list >takes_room
    for n in $(choose takes_room | every_nth "$nth"); do
        rm -rf run && cp -r "$start" run
        # shellcheck disable=SC2086
        on_ranks 1 "$fault" -n "$n" -e $ENOSPC run $train --out run --resume auto
        code=$?
        tried=$((tried + 1))
        {
            [ $code -eq 1 ] || echo "exit code $code, expected 1"
            grep -q "^dragoman train: .*run/*.*: No space left on device" err || { echo "no message with path and reason:" && cat err; }
            wrong_in run
            go_on run
        } >wrong
        [ -s wrong ] || continue
        bad=$((bad + 1))
        echo "# $name, full from change $(sed -n "${n}p" list):"
        sed 's/^/#   /' wrong
    done
    [ "$tried" -gt 0 ] && [ $bad -eq 0 ]
    result $? "$name: the disk was full at $tried moments: exit code 1, path and reason, and resumed to the same bytes ($bad wrong)"
}
if "$fault" -n 1 -e $ENOSPC empty true 2>/dev/null; then
    full "1 rank, going on" half 5 5
else
    tap_n=$((tap_n + 1))
    echo "ok $tap_n - # SKIP system calls cannot be refused on this machine"
fi

done_testing
