#!/bin/sh
# Submits an experiment as a chain of three jobs, each of which starts when the one before it has succeeded.
#
#   jobs/experiment.sh EXPERIMENT        prints the numbers of the jobs prepare, train, eval
#
# The site's settings are in env.sh beside this, the experiment's in the file EXPERIMENT (multi30k.experiment is one).
# Logs appear in the folder of submission.
set -eu
DGM_JOBS=$(cd "$(dirname "$0")" && pwd)
export DGM_JOBS
. "$DGM_JOBS/env.sh"
dgm_read_experiment "${1:-}"
case $1 in /*) experiment=$1 ;; *) experiment=$PWD/$1 ;; esac

# submit SCRIPT OPTIONS...: prints the job's number.
submit() {
    script=$1
    shift
    # shellcheck disable=SC2086 # options are words
    sbatch --parsable --export=ALL $DGM_SBATCH_OPTIONS --kill-on-invalid-dep=yes --cpus-per-task="$DGM_CORES_PER_RANK" "$@" \
        "$DGM_JOBS/$script.sbatch" "$experiment" | cut -d ';' -f 1
}

prepare=$(submit prepare --time="$DGM_PREPARE_TIME")
[ -n "$prepare" ]
train=$(submit train --dependency=afterok:"$prepare" --time="$DGM_TRAIN_TIME" --signal=USR1@"$DGM_STOP_EARLY_S" \
    --nodes="$DGM_NODES" --ntasks-per-node="$DGM_RANKS_PER_NODE")
[ -n "$train" ]
eval=$(submit eval --dependency=afterok:"$train" --time="$DGM_EVAL_TIME" --ntasks-per-node="$DGM_RANKS_PER_NODE")
[ -n "$eval" ]
echo "prepare $prepare"
echo "train $train"
echo "eval $eval"
