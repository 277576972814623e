#!/bin/sh
# How commands end: exit codes, one message, no rank left waiting; the options of `dragoman` itself.
. "$DGM_SRCDIR/tests/tap.sh"
ending=$DGM_BUILDDIR/tests/ending
unset OMPI_MCA_ess_singleton_isolated # as users start it

runs 0 "$dragoman" --version
prints "dragoman " 1
runs 0 "$dragoman" --help
prints "usage: dragoman COMMAND" 1
runs 2 "$dragoman"
says "a command is missing" 1
prints "" 0
runs 2 "$dragoman" nosuchcommand
says "dragoman: unknown command nosuchcommand" 1

# Every command that --help lists has a --help of its own.
commands=$("$dragoman" --help | sed -n '/^Commands/,/^$/s/^  \([a-z-]*\) .*/\1/p')
[ "$(echo "$commands" | wc -l)" -gt 5 ]
result $? "--help lists commands"
for command in $commands; do
    runs 0 "$dragoman" "$command" --help
    prints "usage: dragoman $command" 1
    runs 2 "$dragoman" "$command" --no-such-option
    says "dragoman $command: unknown option --no-such-option" 1
done

runs 0 "$ending" serial
prints "result" 1
runs 0 "$ending" mpi --help
prints "usage: dragoman ending [--how WAY]" 1
runs 3 "$ending" serial --how together
says "dragoman ending: all of us: line 3" 1
runs 2 "$ending" serial --hwo x
says "did you mean --how?" 1
runs 75 "$ending" serial --how stop
if [ -w /dev/full ]; then
    runs 1 sh -c "'$ending' serial >/dev/full"
    says "dragoman ending: write standard output: No space left on device" 1
    for what in --help --version; do
        runs 1 sh -c "'$dragoman' $what >/dev/full"
        says "dragoman: write standard output: No space left on device" 1
    done
fi

runs 0 "$mpirun" -n 3 "$ending" mpi --how well
prints "result" 1
runs 3 "$mpirun" -n 3 "$ending" mpi --how together
says "dragoman ending: all of us: line 3" 1
runs 4 "$mpirun" -n 3 "$ending" mpi --how some
says "dragoman ending: rank 1: the cause" 1
runs 4 "$mpirun" -n 3 "$ending" mpi --how alone
says "dragoman ending: rank 1: I alone" 1
runs 1 "$mpirun" -n 3 "$ending" mpi --how assert
says "dragoman ending: rank 1: assertion failed" 1
runs 75 "$mpirun" -n 3 "$ending" mpi --how stop
says "dragoman ending: stopped and saved" 1
runs 2 "$mpirun" -n 3 "$ending" mpi --hwo x
says "dragoman ending: unknown option --hwo; did you mean --how?" 1

# ---- the environment ----

runs 2 env DRAGOMAN_KERNELS=foo "$ending" serial
says "dragoman ending: DRAGOMAN_KERNELS=foo in the environment: no kernel family has that name; expected one of those that can be had here (" 1
says "portable), or unset it" 1
runs 2 "$mpirun" -n 2 env DRAGOMAN_GEMM=bliss "$ending" mpi
says "dragoman ending: DRAGOMAN_GEMM=bliss in the environment: expected blis, or unset it" 1
runs 2 env DRAGOMAN_BF16=off "$dragoman" train --data data --out refused
says "dragoman train: DRAGOMAN_BF16=off in the environment: expected none, or unset it" 1
runs 0 env DRAGOMAN_KERNELS= DRAGOMAN_GEMM= DRAGOMAN_BF16= "$ending" serial
for family in portable avx2 avx512; do # either there, or not there and named so
    if DRAGOMAN_KERNELS=$family "$ending" serial >out 2>err; then prints "result" 1; else says "does not have that kernel family" 1; fi
done

# ---- a signal that comes before training ----

runs 75 "$ending" mpi --how early
runs 75 "$mpirun" -n 2 "$ending" mpi --how early

mkfifo text
# Text comes until nobody reads it any more: rank 0 stops in the middle of it, the other rank waits meanwhile.
printf 'a b\nb c\n' >valid
"$mpirun" -n 2 "$dragoman" train --src text --tgt valid --valid-src valid --valid-tgt valid --out early >out 2>err &
told=$!
exec 3>text
kill -USR1 $told
(i=0; while [ $i -lt 2000 ] && echo "a b" >&3; do i=$((i + 1)); sleep 0.01; done) 2>/dev/null
exec 3>&-
wait $told
equal $? 75 "told to stop while text is read: exit code 75"
says "dragoman train: stopped by a signal before the first update" 1
[ ! -e early ]
result $? "and nothing is left of it"

runs 2 env SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=0 "$ending" mpi
says "srun --mpi=pmix" 1
runs 2 env SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=1 "$ending" mpi
says "srun --mpi=pmix" 0
runs 0 env SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0 "$ending" mpi

done_testing
