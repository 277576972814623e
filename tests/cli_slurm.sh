#!/bin/sh
# The job scripts and commands under a real Slurm: ranks on two nodes, the chain of jobs, requeueing, cancelling.
# The chain runs a stand-in for dragoman that ends as each check needs; tests/cli_experiment.sh runs dragoman itself.
. "$DGM_SRCDIR/tests/slurm.sh"
tmp=$(mktemp -d)
trap 'slurm_stop; rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
mkdir "$tmp/slurm"
slurm_start "$tmp/slurm" || { echo "1..0 # SKIP $slurm_why"; exit 0; }
ending=$DGM_BUILDDIR/tests/ending
n=0
failed=0

# holds NAME COMMAND...
holds() {
    name=$1
    shift
    n=$((n + 1))
    if "$@"; then
        echo "ok $n - $name"
    else
        failed=1
        echo "not ok $n - $name"
        for file in "$tmp"/out "$tmp"/work/*.log "$tmp"/work/calls; do
            if [ -f "$file" ]; then sed "s,^,# ${file##*/}: ," "$file"; fi
        done
    fi
}

# ends CODE COMMAND...: the exit code; output is kept in $tmp/out.
ends() {
    want=$1
    shift
    timeout 120 "$@" >"$tmp/out" 2>&1 </dev/null
    got=$?
    [ $got -eq "$want" ] || { echo "# exit code $got, want $want"; return 1; }
}

said() { [ "$(grep -cF -- "$2" "$tmp/out")" -eq "$1" ]; }

# ---- commands ----
holds "three ranks on two nodes" ends 0 srun --mpi=pmix -N 2 -n 3 "$ending" mpi
holds "are one world" said 1 "result"
holds "an agreed error" ends 3 srun --mpi=pmix -N 2 -n 3 "$ending" mpi --how together
holds "is printed once" said 1 "all of us: line 3"
holds "a rank that fails alone ends the others" ends 4 srun --mpi=pmix -N 2 -n 3 "$ending" mpi --how alone
holds "tasks without a common world" ends 2 srun -N 2 -n 3 "$ending" mpi
holds "are told what to do, once" said 1 "srun --mpi=pmix"

# ---- jobs ----
# The stand-in writes a line per call and does what the file "behave" says.
mkdir "$tmp/work"
cd "$tmp/work" || exit 1
cat >stand-in <<'END'
#!/bin/sh
# Rank 0 acts; the others end as it does.
end_file=end.$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}
if [ "$SLURM_PROCID" -ne 0 ]; then
    trap '' USR1 TERM
    while [ ! -f "$end_file" ]; do sleep 0.2; done
    exit "$(cat "$end_file")"
fi
end() { rm -f running; echo "$2" >>calls; echo "$1" >"$end_file.tmp"; mv "$end_file.tmp" "$end_file"; exit "$1"; }
what=$1:$(cat behave)
case $what in
prepare:fail) end 3 "prepare failed" ;;
prepare:*) mkdir -p "$DATA"; : >"$DATA/manifest.json"; end 0 "prepare $SLURM_STEP_NUM_TASKS: $*" ;;
train:wait)
    trap 'end 75 "train stopped"' USR1
    trap 'end 75 "train cancelled"' TERM
    : >running
    while :; do sleep 0.2; done
    ;;
train:*) mkdir -p "$RUN"; : >"$RUN/model.safetensors"; end 0 "train $SLURM_STEP_NUM_TASKS: $*" ;;
eval:*) echo "BLEU 99"; end 0 "eval $SLURM_STEP_NUM_TASKS: $*" ;;
esac
END
chmod +x stand-in
cat >my.experiment <<'END'
src="a.en b.en" tgt="a.de b.de" valid_src=v.en valid_tgt=v.de test_src=t.en test_ref=t.de
vocab_size=100 data=data/x run=runs/x config=tiny tp=2 train_options="--max-steps 7"
END
DATA=$PWD/data/x RUN=$PWD/runs/x DRAGOMAN=$PWD/stand-in
DGM_NODES=2 DGM_RANKS_PER_NODE=2 DGM_TRAIN_TIME=00:20:00
export DATA RUN DRAGOMAN DGM_NODES DGM_RANKS_PER_NODE DGM_TRAIN_TIME DGM_SRUN="srun"

# fresh BEHAVIOUR: submits the chain in a clean folder.
fresh() {
    slurm_queue_empty || wait_for 30 slurm_queue_empty
    rm -rf data runs calls running end.* ./*.log
    echo "$1" >behave
    : >calls
    ends 0 sh "$DGM_SRCDIR/jobs/experiment.sh" my.experiment || return 1
    prepare=$(sed -n 's/^prepare //p' "$tmp/out") train=$(sed -n 's/^train //p' "$tmp/out") eval=$(sed -n 's/^eval //p' "$tmp/out")
}

calls() { sed 's/:.*//' calls | tr '\n' ';'; }

holds "the chain is submitted" fresh wait
holds "training starts when prepare is done" wait_for 60 test -f running
holds "eval waits for it" sh -c "squeue -h -j $eval -o %r | grep -q Dependency"
sleep 0.5
echo finish >behave
scancel --signal=USR1 "$train"
holds "a training that stopped early is put back, and the chain ends" wait_for 90 slurm_job_is "$eval" COMPLETED
holds "in this order" test "$(calls)" = "prepare 1;train stopped;train 4;eval 2;"
holds "the training was told" grep -q -- "^train 4: train --data data/x --config tiny --tp 2 --threads 1 --out runs/x --resume auto --max-steps 7\$" calls
holds "prepare was told" grep -q -- "--src a.en b.en --tgt a.de b.de --valid-src v.en --valid-tgt v.de --vocab-size 100 --out data/x\$" calls
holds "eval was told" grep -q -- "^eval 2: eval --model runs/x/model.safetensors --src t.en --ref t.de\$" calls
holds "the score is kept" grep -q "BLEU 99" runs/x/test.txt
holds "the training's job has succeeded" slurm_job_is "$train" COMPLETED

holds "a chain whose prepare fails" fresh fail
holds "ends there" wait_for 60 slurm_queue_empty
holds "with nothing else run" test "$(calls)" = "prepare failed;"
holds "as a failure" slurm_job_is "$prepare" FAILED

holds "a training that is cancelled" fresh wait
wait_for 60 test -f running
sleep 0.5
scancel "$train"
holds "is not put back" wait_for 60 slurm_queue_empty
holds "but has been told to save" test "$(calls)" = "prepare 1;train cancelled;"
holds "and is cancelled" slurm_job_is "$train" CANCELLED

sed '/^vocab_size/s/vocab_size=100//' my.experiment >half.experiment
holds "an experiment that lacks a setting" ends 2 sh "$DGM_SRCDIR/jobs/experiment.sh" half.experiment
holds "is told which" said 1 "half.experiment does not set vocab_size"
holds "no experiment" ends 2 sh "$DGM_SRCDIR/jobs/experiment.sh"
holds "and nothing is submitted" slurm_queue_empty

echo "1..$n"
exit $failed
