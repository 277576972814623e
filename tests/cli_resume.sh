#!/bin/sh
# dragoman train --resume after things went wrong: a rank is killed, checkpoints are damaged, machines differ, memory ends.  Nobody waits for
# ever, the message names the file and the reason, and what is whole goes on to the same bytes.  tests/cli_kills.sh has kills within
# saves, tests/cli_disk.sh what disks do.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"

toy_corpus
cat >resume.cfg <<'END'
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
keep_checkpoints = 3
max_steps = 10
END
runs 0 "$dragoman" prepare --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 330 --out data
train="$dragoman train --data data --config resume.cfg"
# shellcheck disable=SC2086 # words
runs 0 $train --out whole
equal "$(cd whole/checkpoints && echo *)" "step-00000006 step-00000008 step-00000010" "three checkpoints"

as_whole() { # as_whole RUN NAME: all that it holds is what the undisturbed run holds
    rm -f "$1"/*.json "$1"/timing.jsonl
    diff -r --no-dereference -x run.json -x timing.jsonl "$1" whole >differences 2>&1
    result $? "$2"
    head -n 5 differences | sed 's/^/# /'
}

# ---- damage ----

flip() { # flip FILE: the lowest bit of the byte in its middle
    at=$(($(wc -c <"$1") / 2))
    byte=$(od -An -tu1 -j $at -N 1 "$1" | tr -d ' ')
    # shellcheck disable=SC2059 # the byte is the format
    printf "\\$(printf %o $((byte ^ 1)))" | dd of="$1" bs=1 seek=$at conv=notrunc 2>/dev/null
}
damage() { # damage FILE HOW
    case $2 in
    flipped) flip "$1" ;;
    truncated) truncate -s -3 "$1" ;;
    empty) : >"$1" ;;
    missing) rm "$1" ;;
    esac
}
copy() { # copy RUN: of `whole`, as before its result was made
    rm -rf "$1" && cp -r whole "$1" && rm "$1/model.safetensors"
}

n=0
for case in DONE:missing DONE:truncated DONE:empty state.json:flipped state.json:missing model.safetensors:flipped model.safetensors:truncated \
    optimizer.safetensors:flipped optimizer.safetensors:empty optimizer.safetensors:missing; do
    file=${case%:*} how=${case#*:}
    copy damaged
    damage damaged/checkpoints/step-00000010/"$file" "$how"
    n=$((n + 1))
    # shellcheck disable=SC2086
    if [ $((n % 4)) -eq 0 ]; then runs 0 "$mpirun" -n 3 $train --out damaged --resume auto; else runs 0 $train --out damaged --resume auto; fi
    says "skipping a checkpoint: checkpoint damaged/checkpoints/step-00000010 is not whole: " 1
    says "damaged/checkpoints/step-00000010/$file"
    says "going on from damaged/checkpoints/step-00000008"
    as_whole damaged "$file $how: the same run in the end"
done
copy damaged
for step in 08 10; do flip damaged/checkpoints/step-000000$step/model.safetensors; done
# shellcheck disable=SC2086
runs 0 "$mpirun" -n 2 $train --out damaged --resume auto --tp 2
says "going on from damaged/checkpoints/step-00000006"
as_whole damaged "the two newest damaged: the same run in the end"
copy damaged
flip damaged/checkpoints/step-00000008/optimizer.safetensors
# shellcheck disable=SC2086
runs 3 "$mpirun" -n 2 $train --out damaged --resume damaged/checkpoints/step-00000008
says "checkpoint damaged/checkpoints/step-00000008 is not whole: damaged/checkpoints/step-00000008/optimizer.safetensors is damaged: its digest is" 1
for step in 06 10; do damage damaged/checkpoints/step-000000$step/DONE missing; done
# shellcheck disable=SC2086
runs 3 $train --out damaged --resume auto
says "damaged has 3 checkpoints and none is whole, for the reasons above: put a whole one back"
says "skipping a checkpoint" 3
[ ! -e damaged/model.safetensors ] && [ -e damaged/checkpoints/step-00000008/model.safetensors ]
result $? "nothing was begun anew, nothing removed"

# A whole checkpoint under another's name: what it says of its step counts, and no log goes.
hashes() { # hashes RUN: of its logs
    (cd "$1" && sha256sum metrics.jsonl timing.jsonl trace.jsonl)
}
for how in copied renamed; do
    copy damaged
    echo '{"step":0}' >damaged/trace.jsonl
    case $how in
    copied) rm -r damaged/checkpoints/step-00000010 && cp -r damaged/checkpoints/step-00000008 damaged/checkpoints/step-00000010 ;;
    renamed) mv damaged/checkpoints/step-00000008 damaged/checkpoints/step-00000012 && rm -r damaged/checkpoints/step-00000010 ;;
    esac
    named=$(cd damaged/checkpoints && echo *1?)
    hashes damaged >logs
    # shellcheck disable=SC2086
    runs 3 $train --max-steps 14 --out damaged --resume damaged/checkpoints/"$named"
    says "checkpoint damaged/checkpoints/$named is not whole: its folder's name says step ${named#step-000000}, but it is of step 8" 1
    hashes damaged | cmp -s - logs
    result $? "$how: the logs stay"
    rm damaged/trace.jsonl
    # shellcheck disable=SC2086
    if [ $how = copied ]; then runs 0 "$mpirun" -n 2 $train --out damaged --resume auto; else runs 0 $train --out damaged --resume auto; fi
    says "skipping a checkpoint: checkpoint damaged/checkpoints/$named is not whole: " 1
    says "its folder's name says step ${named#step-000000}, but it is of step 8" 1
    says "begins anew" 0
    rm -rf damaged/checkpoints/step-00000012
    as_whole damaged "$how: the same run in the end"
done
copy damaged
sed -i 's/"step": 10/"step": 8/' damaged/checkpoints/step-00000010/DONE
# shellcheck disable=SC2086
runs 3 $train --out damaged --resume damaged/last
says "checkpoint damaged/last is not whole: damaged/last/DONE is of step 8, state.json of step 10"
copy damaged
mv damaged/checkpoints/step-00000008 damaged/checkpoints/kept && rm -r damaged/checkpoints/step-*
hashes damaged >logs 2>/dev/null
# shellcheck disable=SC2086
runs 3 $train --out damaged --resume damaged/checkpoints/kept
says "damaged/checkpoints/kept is a checkpoint of step 8 under another name: call it damaged/checkpoints/step-00000008 to go on from it"
hashes damaged 2>/dev/null | cmp -s - logs
result $? "a copy beside the run's own: the logs stay"

# A damaged checkpoint that the result needs: no result, and what was there stays.
copy damaged
cp whole/model.safetensors damaged/
flip damaged/checkpoints/step-00000006/model.safetensors
# shellcheck disable=SC2086
runs 3 $train --out damaged --resume auto --average-last 3
says "damaged/checkpoints/step-00000006/model.safetensors is damaged"
says "; put back a copy, or remove damaged/checkpoints and model.safetensors and begin again with --resume auto, to the same bits; or take the mean of the newest with --average-last 2"
same damaged/model.safetensors whole/model.safetensors "the result that was there stays"

# What a mean is made of follows from settings and steps: one that is missing makes no other mean, and what the message advises helps.
copy mean
mean="$train --resume auto --average-last 3"
# shellcheck disable=SC2086
runs 0 $mean --out mean
says "mean/model.safetensors is the mean of the checkpoints of steps 6, 8, 10" 1
for how in missing undone; do
    copy damaged
    cp whole/model.safetensors damaged/
    if [ $how = missing ]; then rm -r damaged/checkpoints/step-00000008; else rm damaged/checkpoints/step-00000008/DONE; fi
    # shellcheck disable=SC2086
    runs 3 $mean --out damaged
    says "damaged/checkpoints has no whole checkpoint of step 8, which the result is made of: put back a copy, or remove the checkpoints later than step 6" 1
    same damaged/model.safetensors whole/model.safetensors "$how: the result that was there stays"
done
rm -r damaged/checkpoints/step-00000008 damaged/checkpoints/step-00000010
# shellcheck disable=SC2086
runs 0 "$mpirun" -n 2 $mean --out damaged
same damaged/model.safetensors mean/model.safetensors "trained again from before it: the same mean"
copy damaged
rm -r damaged/checkpoints/step-00000006
# shellcheck disable=SC2086
runs 3 $train --resume auto --average-last 5 --out damaged
says "of steps 2, 4, 6, which the result is made of: put back a copy, or remove damaged/checkpoints and begin again with --resume auto"
says "; or take the mean of the newest with --average-last 2"
# shellcheck disable=SC2086
runs 0 $train --resume auto --average-last 2 --out damaged
says "is the mean of the checkpoints of steps 8, 10"
# It is told when training goes on, if the end will need it.
copy damaged
rm -r damaged/checkpoints/step-00000010
truncate -s -3 damaged/checkpoints/step-00000006/model.safetensors
# shellcheck disable=SC2086
runs 3 $mean --out damaged
says "warning: if training ends by step 10, it ends without a result: damaged/checkpoints has no whole checkpoint of step 6" 1
# The checkpoint that the message sends one back to stays as long as it holds.
# shellcheck disable=SC2086
runs 0 $train --max-steps 4 --out early
copy damaged
rm -r damaged/checkpoints/step-00000010
cp -r early/checkpoints/step-00000004 damaged/checkpoints/
truncate -s -3 damaged/checkpoints/step-00000006/model.safetensors
# shellcheck disable=SC2086
runs 3 "$mpirun" -n 2 $mean --keep-checkpoints 1 --out damaged
says "put back a copy, or remove the checkpoints later than step 4, which --resume auto then trains again to the same bits" 2
cp -r damaged back && rm -r back/checkpoints/step-0000000[68] back/checkpoints/step-00000010
# shellcheck disable=SC2086
runs 0 $mean --keep-checkpoints 1 --out back
says "going on from back/checkpoints/step-00000004"
same back/model.safetensors mean/model.safetensors "trained again from it: the same mean"
# shellcheck disable=SC2086
runs 0 $mean --max-steps 12 --out damaged
says "warning" 0
[ ! -e damaged/checkpoints/step-00000004 ]
result $? "and goes when nothing is missing any more"
says "is the mean of the checkpoints of steps 8, 10, 12"

# A branch has checkpoints of its own alone, however often it is interrupted, and says so.
branch="$train --average-last 4 --max-steps 14 --out branch"
# shellcheck disable=SC2086
runs 0 $branch --resume whole/checkpoints/step-00000008
says "warning: the result will be the mean of 3 checkpoints, fewer than average_last = 4: this run branched off at step 8" 1
says "warning: branch/model.safetensors is the mean of the checkpoints of steps 10, 12, 14: fewer than average_last = 4, as this run branched off at step 8" 1
mv branch/model.safetensors branch.whole && rm -r branch/checkpoints/step-0000001[24]
# shellcheck disable=SC2086
runs 2 $branch --resume whole/checkpoints/step-00000008
says "branch holds a run that has come to a checkpoint of step 10: go on with that one with --resume auto, or choose another --out" 1
# shellcheck disable=SC2086
runs 0 "$mpirun" -n 2 $branch --resume auto
says "is the mean of the checkpoints of steps 10, 12, 14: fewer than average_last = 4"
same branch/model.safetensors branch.whole "interrupted and resumed: the same mean"
rm -r branch/checkpoints/step-00000010
# shellcheck disable=SC2086
runs 3 $branch --resume auto
says "of step 10, which the result is made of: put back a copy, or remove branch/checkpoints and model.safetensors and begin again with the --resume that it branched off with"
rm -r branch/checkpoints branch/model.safetensors
# shellcheck disable=SC2086
runs 2 $branch --resume auto
says "branch has no checkpoint yet, and its run.json says that it goes on from $PWD/whole/checkpoints/step-00000008: give that to --resume again" 1
# shellcheck disable=SC2086
runs 2 $branch --resume auto --init whole/model.safetensors
says "branch has no checkpoint yet, and its run.json says that it goes on from" 1
# shellcheck disable=SC2086
runs 2 $train --resume whole/checkpoints/step-00000008 --out damaged
says "damaged holds a run that has come to a checkpoint of step 12"

# Damaged checkpoints do not count as kept: of the newest two, one is damaged and later than what is saved now.
copy damaged
rm -r damaged/checkpoints/step-00000006 damaged/best
flip damaged/checkpoints/step-00000010/model.safetensors
# shellcheck disable=SC2086
runs 0 $train --out damaged --resume auto --max-steps 9 --checkpoint-every 1 --keep-checkpoints 2
equal "$(cd damaged/checkpoints && echo *)" "step-00000008 step-00000009 step-00000010" "the two newest whole ones are kept beside a later damaged one"
flip damaged/checkpoints/step-00000009/model.safetensors
# shellcheck disable=SC2086
runs 0 $train --out damaged --resume auto
says "going on from damaged/checkpoints/step-00000008"
same damaged/metrics.jsonl whole/metrics.jsonl "and are gone on from"

# ---- logs that do not reach the checkpoint ----

# Lines of updates 2, 4, 6, of validations 4 and 8, then of updates 9, 10 and the end; hashes of 2, 4, 6, then 7 to 10.
# shellcheck disable=SC2086
runs 0 $train --out changing --log-every 2 --trace-hash --trace-hash-every 2 --max-steps 6 --validate-every 4
# shellcheck disable=SC2086
runs 0 $train --out changing --log-every 3 --trace-hash --resume auto
says "lacks" 0
holed() { # holed COMMAND...: the command damages logs of `lost`, which goes on from step 8
    rm -rf lost && cp -r changing lost && (cd lost && rm -r model.safetensors checkpoints/step-00000010 && "$@")
    # shellcheck disable=SC2086
    runs 0 $train --out lost --log-every 3 --trace-hash --resume auto
    says "going on from lost/checkpoints/step-00000008"
}
holed true
says "lacks" 0
holed rm metrics.jsonl
says "lost/metrics.jsonl lacks 6 lines of steps 2 to 8 (it has none up to step 8)" 1
found lost/run.json '"lines": 6' 1
holed sed -i 2,3d metrics.jsonl
says "lost/metrics.jsonl lacks 2 lines of step 4: " 1
says "unless you stop now" 0
sed -n 2,3p changing/metrics.jsonl >>lost/metrics.jsonl # as the warning says
# shellcheck disable=SC2086
runs 0 $train --out lost --log-every 3 --trace-hash --resume auto
says "lacks" 0
found lost/run.json '"lines": ' 0
same lost/metrics.jsonl changing/metrics.jsonl "lines that were added at the end: the same metrics"
holed sed -i 's/{"step":4,"epoch"/{"st/' metrics.jsonl
says "lost/metrics.jsonl lacks 1 line of step 4: " 1
holed sed -i '4,$d' metrics.jsonl
says "lost/metrics.jsonl lacks 3 lines of steps 6 to 8 (the last there is of step 4, expected step 8)" 1
says "trace.jsonl lacks" 0
holed sed -i '4,$d' trace.jsonl
says "lost/trace.jsonl lacks 3 lines of steps 6 to 8 (the last there is of step 4, expected step 8)" 1
says "metrics.jsonl lacks" 0
holed sed -i 1d trace.jsonl
says "lost/trace.jsonl lacks 5 lines of steps 2 to 8 (it has none up to step 8)" 1
runs 0 "$dragoman" compare lost changing

# What was changed without a number of it is put right.
mended() { # mended NAME SCRIPT: sed changes metrics.jsonl, which is as it was in the end
    holed sed -i "$2" metrics.jsonl
    says "lost/metrics.jsonl was not as the program left it, and is put right; " 1
    says "lacks" 0
    same lost/metrics.jsonl changing/metrics.jsonl "$1: the same metrics in the end"
}
mended "a doubled line" 3p
says "lines doubled: 1, out of order: 0, written otherwise: 0"
mended "a line further behind" '2{h;d};4G'
says "lines doubled: 0, out of order: 1, written otherwise: 0"
mended "other ends of lines" "s/\$/$(printf '\r')/"
says "lines doubled: 0, out of order: 0, written otherwise: 6"
mended "all of that" "5{h;p;s/:/: /};2G;4s/\$/$(printf '\r')/"
holed sed -i '2{p;s/"loss":[0-9.]*/"loss":1.5/}' metrics.jsonl
says "lost/metrics.jsonl: 2 lines contradict others of the same step (the first are of step 4)" 1
says "lost/metrics.jsonl lacks 1 line of step 4: " 1
holed sed -i 3p trace.jsonl
says "lost/trace.jsonl: line 4 is damaged, or not where it belongs: all from there on is cut off" 1
says "lost/trace.jsonl lacks 3 lines of steps 6 to 8" 1
holed sed -i '3{h;d};4G' trace.jsonl
says "lost/trace.jsonl: line 4 is damaged" 1
says "lost/trace.jsonl lacks 3 lines of steps 4 to 8" 1
holed sed -i "3s/\$/$(printf '\r')/" trace.jsonl
says "lost/trace.jsonl lacks 4 lines of steps 4 to 8" 1
cp -r lost elsewhere && rm elsewhere/metrics.jsonl
# shellcheck disable=SC2086
runs 0 $train --out branch --resume elsewhere/checkpoints/step-00000008
says "lacks" 0
# shellcheck disable=SC2086
runs 0 $train --out branch --resume auto --max-steps 12
says "lacks" 0

# ---- one rank is killed while all compute ----

cat >rank.sh <<'END'
#!/bin/sh
echo $$ >"pids/$OMPI_COMM_WORLD_RANK"
exec "$@"
END
long="$dragoman train --data data --config resume.cfg --max-steps 400 --validate-every 100 --checkpoint-every 40"
# shellcheck disable=SC2086
runs 0 $long --out long
for victim in 0 2; do
    rm -rf pids killed && mkdir pids
    # shellcheck disable=SC2086
    timeout -k 5 120 "$mpirun" -n 3 sh rank.sh $long --out killed >out 2>err </dev/null &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        [ -e killed/checkpoints/step-00000080/DONE ] && break
        sleep 0.01
    done
    kill -KILL "$(cat pids/$victim)"
    wait $pid 2>/dev/null
    code=$?
    [ ! -e killed/model.safetensors ]
    result $? "rank $victim of 3 was killed before the end"
    case $code in 137 | 5) true ;; *) false ;; esac
    result $? "the others end (exit code $code, expected 137 of mpirun or 5)"
    sleep 0.2
    # shellcheck disable=SC2046
    kill -0 $(cat pids/*) 2>/dev/null
    [ $? -ne 0 ]
    result $? "no rank is left"
    # shellcheck disable=SC2086
    runs 0 "$mpirun" -n $((victim + 2)) $long --out killed --resume auto
    says "going on from killed/checkpoints/step-0000"
    same killed/model.safetensors long/model.safetensors "resumed on $((victim + 2)) ranks: the same model"
    same killed/metrics.jsonl long/metrics.jsonl "resumed on $((victim + 2)) ranks: the same metrics"
done

# shellcheck disable=SC2086
runs 3 $train --max-steps 400 --validate-every 100 --checkpoint-every 10 --average-last 40 --resume auto --out long
says "long/checkpoints has no whole checkpoint of steps 10, 20, 30, ..., 370, 380, 390 (3"

# ---- one rank fails while gradients travel ----

for overlap in on off; do
    rm -rf unlucky
    began=$(date +%s)
    # shellcheck disable=SC2086
    runs 1 env UNLUCKY_RANK=1 UNLUCKY_UPDATE=7 "$mpirun" -n 3 "$DGM_BUILDDIR/tests/unlucky" ${train#* } --overlap $overlap --out unlucky
    says "rank 1: embedding gradients, as planted" 1
    if [ $overlap = on ]; then says "the unlucky rank ends with messages under way" 1; fi
    [ $(($(date +%s) - began)) -lt 60 ]
    result $? "overlap $overlap: nobody waits for ever"
    # shellcheck disable=SC2086
    runs 0 "$mpirun" -n 2 $train --out unlucky --resume auto
    says "going on from unlucky/checkpoints/step-00000006"
    as_whole unlucky "overlap $overlap: and goes on to the same bytes"
done

# ---- machines that compute otherwise ----

if DRAGOMAN_KERNELS=avx2 "$dragoman" tokenize --model whole <valid.src >out 2>err; then
    # shellcheck disable=SC2086
    runs 2 "$mpirun" -n 2 env DRAGOMAN_KERNELS=portable $train --out mixed : -n 1 env DRAGOMAN_KERNELS=avx2 $train --out mixed
    says "rank 2 on $(hostname) by fma, with kernels for avx2"
    says "portable"
    says "take machines of one kind"
    [ ! -e mixed ]
    result $? "nothing of it stays"
else
    tap_n=$((tap_n + 1))
    echo "ok $tap_n - # SKIP this machine has one kernel family"
fi

# Two families of our own kernels compute the same, so they may be mixed; BLIS rounds otherwise, and what it began is gone on from by it alone.
few="$train --max-steps 4 --checkpoint-every 2"
# shellcheck disable=SC2086
runs 0 $few --out alike
if [ "$(DRAGOMAN_KERNELS=avx512 "$dragoman" tokenize --model whole <valid.src 2>&1 >/dev/null)" = "" ]; then
    # shellcheck disable=SC2086
    runs 0 "$mpirun" -n 1 env DRAGOMAN_KERNELS=avx512 $few --out families : -n 1 env DRAGOMAN_KERNELS=avx2 $few --out families
    same families/model.safetensors alike/model.safetensors "ranks with kernels for avx512 and avx2: the same model"
else
    tap_n=$((tap_n + 1))
    echo "ok $tap_n - # SKIP this machine cannot mix families of kernels"
fi
# shellcheck disable=SC2086
runs 0 env DRAGOMAN_GEMM=blis $few --out by-blis
if grep -q '"gemm": "fma"' alike/run.json; then
    # shellcheck disable=SC2086
    runs 2 "$mpirun" -n 1 -x DRAGOMAN_GEMM=blis $few --out mixed : -n 1 $few --out mixed
    says "rank 1 on $(hostname) by fma, with kernels for"
    # All that hands lines round: a line's numbers would depend on the rank that has it.
    for command in "translate --model alike" "eval --model alike --src valid.src --ref valid.tgt" "eval --each alike" "report alike --out page.html"; do
        # shellcheck disable=SC2086
        runs 2 "$mpirun" -n 1 -x DRAGOMAN_GEMM=blis "$dragoman" $command : -n 1 "$dragoman" $command
        says "dragoman ${command%% *}: rank 0 on $(hostname) computes products by"
        says "rank 1 on $(hostname) by fma, with kernels for"
        says "take machines of one kind"
        [ ! -s out ] && [ ! -e page.html ]
        result $? "and nothing else comes of it"
    done
    runs 0 "$mpirun" -n 1 -x DRAGOMAN_GEMM=blis "$dragoman" eval --spectra alike : -n 1 "$dragoman" eval --spectra alike
    # shellcheck disable=SC2086
    runs 3 $train --max-steps 6 --resume auto --out by-blis
    says "which round otherwise"
    # shellcheck disable=SC2086
    runs 0 env DRAGOMAN_GEMM=blis $train --max-steps 6 --resume auto --out by-blis
    # shellcheck disable=SC2086
    runs 0 $train --max-steps 8 --resume auto --any-machine --out by-blis
    says "will not be that of either alone"
fi

# ---- another build than before ----

# The start that goes on differs from what the record, changed here, says of the one before.
other() { # other TO: a copy of `changing` whose record has the version, compiler, executable or C library TO; it goes on from step 8
    rm -rf other && cp -r changing other && rm -r other/model.safetensors other/checkpoints/step-00000010
    sed -i "s|\"${1%%=*}\": \"[^\"]*\"|\"${1%%=*}\": \"${1#*=}\"|" other/run.json
    # shellcheck disable=SC2086
    runs 0 "$mpirun" -n 2 $train --log-every 3 --out other --resume auto
}
version=$("$dragoman" --version | sed -n '1s/^dragoman //p')
other version=0.0.1
says "warning: up to step 8 the run had Dragoman 0.0.1, after it $version: the result may be none that one build makes alone" 1
says "the result may be" 1
found other/run.json '"version": "0.0.1"' 2 # of both starts before
# shellcheck disable=SC2086
runs 0 $train --log-every 3 --out other --resume auto --max-steps 12
says "the result may be" 0
other libc=2.1
says "warning: up to step 8 the run had C library 2.1, after it " 1
other "compiler=1.0 of long ago"
says "warning: up to step 8 the run had compiler 1.0 of long ago, after it " 1
other executable=0123456789abcdef
says "warning: up to step 8 the run had another build of this version (its file has the sha256 0123456789ab..., after it " 1

# Libraries that change how the processor rounds, whenever and in whatever thread.
# shellcheck disable=SC2086
runs 0 env DRAGOMAN_KEEP_THREADS=1 OMP_WAIT_POLICY=passive "$mpirun" -n 2 "$DGM_BUILDDIR/tests/askew" ${few#* } --threads 2 --out askew
same askew/model.safetensors alike/model.safetensors "other code rounds otherwise: the same model"
same askew/metrics.jsonl alike/metrics.jsonl "and the same metrics"

# ---- memory ends ----

# Room for the model, not for the activations of an update this large.  Sanitizers reserve more address space than any limit leaves.
if (ulimit -v 900000 && "$dragoman" --version) >/dev/null 2>&1; then
    large="$train --d-model 256 --d-ff 4096 --batch-tokens 200000 --max-steps 1"
    # shellcheck disable=SC2086
    (ulimit -v 900000 && timeout -k 5 120 $large --out large >out 2>err)
    equal $? 1 "1 rank without enough memory: exit code 1"
    says "out of memory for activations: lower --micro-batch-tokens"
    # shellcheck disable=SC2086
    (ulimit -v 900000 && timeout -k 5 120 "$mpirun" -n 2 $large --out large >out 2>err)
    equal $? 1 "2 ranks without enough memory: exit code 1"
    says "out of memory for activations: lower --micro-batch-tokens"
    # shellcheck disable=SC2086
    (ulimit -v 900000 && timeout -k 5 120 $train --d-model 256 --d-ff 4096 --max-steps 1 --micro-batch-tokens 500 --batch-tokens 1500 --out large >out 2>err)
    equal $? 0 "with smaller rounds it fits"
else
    tap_n=$((tap_n + 1))
    echo "ok $tap_n - # SKIP the program does not start with a limit on its memory"
fi

done_testing
