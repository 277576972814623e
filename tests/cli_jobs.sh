#!/bin/sh
# When jobs/train.sbatch puts its job back into the queue: with stand-ins for Slurm and dragoman, on any machine.  tests/cli_slurm.sh has a real Slurm.
. "$DGM_SRCDIR/tests/tap.sh"

mkdir bin
cat >bin/squeue <<'END'
#!/bin/sh
cat state
END
cat >bin/scontrol <<'END'
#!/bin/sh
echo "$*" >>queue
END
printf '#!/bin/sh\n' >bin/sleep
# Saves a checkpoint if it is told to, and ends as it is told.
cat >bin/dragoman <<'END'
#!/bin/sh
if [ -f saves ]; then mkdir -p runs/x && ln -sfn "checkpoints/step-$(date +%N)" runs/x/last; fi
exit "$(cat ends)"
END
chmod +x bin/*
cat >my.experiment <<'END'
src=a tgt=b valid_src=c valid_tgt=d test_src=e test_ref=f vocab_size=100 data=data run=runs/x config=tiny
END
PATH=$tmp/bin:$PATH DGM_SRUN=env DGM_JOBS=$DGM_SRCDIR/jobs SLURM_JOB_ID=7
export PATH DGM_SRUN DGM_JOBS SLURM_JOB_ID
echo R >state

# job ENDS SAVES: one start of the job, with dragoman ending so and saving ("yes") or not; what it does to the queue is in the file queue.
job() {
    echo "$1" >ends
    rm -f saves queue
    [ "$2" = no ] || : >saves
    : >queue
    runs "$1" bash "$DGM_SRCDIR/jobs/train.sbatch" my.experiment
}
requeued() { found queue "requeue 7" "$1"; }

job 75 yes
requeued 1
job 0 yes
requeued 0
job 1 no
requeued 0
echo CG >state # being cancelled
job 75 yes
requeued 0
echo R >state

# Told to stop before anything is saved: by dragoman itself, or by the signal while the program is loaded.
job 138 no
requeued 1
job 75 no
requeued 1
job 75 no
requeued 0
says "three times in a row" 1
says "DGM_STOP_EARLY_S = 300" 1
job 75 no # submitted again
requeued 1
job 138 no
requeued 1
job 75 yes # something was saved: the next ones count from the beginning
requeued 1
job 75 no
requeued 1
job 0 yes
equal "$(ls runs)" x "nothing is left beside the run when it is done"
done_testing
