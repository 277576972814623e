#!/bin/sh
# How commands end: exit codes, one message, no rank left waiting; the options of `dragoman` itself.
dragoman=$DGM_BUILDDIR/dragoman
ending=$DGM_BUILDDIR/tests/ending
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
n=0
failed=0

# check NAME CODE COMMAND...: the exit code must be CODE; stdout and stderr are kept for `says`.
check() {
    name=$1 want=$2
    shift 2
    timeout 60 "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    got=$?
    n=$((n + 1))
    if [ $got -eq "$want" ]; then
        echo "ok $n - $name: exit code $want"
    else
        failed=1
        echo "not ok $n - $name: exit code $got, want $want"
        sed 's/^/# /' "$tmp/out" "$tmp/err"
    fi
}

# says out|err COUNT TEXT: TEXT stands in that many lines of it.
says() {
    n=$((n + 1))
    got=$(grep -cF -- "$3" "$tmp/$1")
    if [ "$got" -eq "$2" ]; then
        echo "ok $n - std$1: \"$3\" $2 times"
    else
        failed=1
        echo "not ok $n - std$1: \"$3\" $got times, want $2"
        sed 's/^/# /' "$tmp/$1"
    fi
}

check version 0 "$dragoman" --version
says out 1 "dragoman "
check help 0 "$dragoman" --help
says out 1 "usage: dragoman COMMAND"
check "no command" 2 "$dragoman"
says err 1 "a command is missing"
says out 0 ""
check "unknown command" 2 "$dragoman" nosuchcommand
says err 1 "dragoman: unknown command nosuchcommand"

# Every command that --help lists has a --help of its own.
for command in $("$dragoman" --help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    check "$command --help" 0 "$dragoman" "$command" --help
    says out 1 "usage: dragoman $command"
    check "$command with an unknown option" 2 "$dragoman" "$command" --no-such-option
    says err 1 "dragoman $command: unknown option --no-such-option"
done

check "done" 0 "$ending" serial
says out 1 "result"
check "command --help" 0 "$ending" mpi --help
says out 1 "usage: dragoman ending [--how WAY]"
check "failed" 3 "$ending" serial --how together
says err 1 "dragoman ending: all of us: line 3"
check "usage" 2 "$ending" serial --hwo x
says err 1 "did you mean --how?"
check "stopped" 75 "$ending" serial --how stop
if [ -w /dev/full ]; then
    check "standard output full" 1 sh -c "'$ending' serial >/dev/full"
    says err 1 "standard output"
fi

mpi() { check "$1" "$2" "${MPIRUN:-mpirun}" -n 3 "$ending" mpi --how "$3"; }
mpi "3 ranks: done" 0 well
says out 1 "result"
mpi "3 ranks: agreed error" 3 together
says err 1 "dragoman ending: all of us: line 3"
mpi "3 ranks: one failed, the others know" 4 some
says err 1 "dragoman ending: rank 1: the cause"
mpi "3 ranks: one failed, the others wait" 4 alone
says err 1 "dragoman ending: rank 1: I alone"
mpi "3 ranks: assertion" 1 assert
says err 1 "dragoman ending: rank 1: assertion failed"
mpi "3 ranks: stopped" 75 stop
says err 1 "dragoman ending: stopped and saved"
check "3 ranks: usage" 2 "${MPIRUN:-mpirun}" -n 3 "$ending" mpi --hwo x
says err 1 "dragoman ending: unknown option --hwo; did you mean --how?"

check "Slurm tasks without a common MPI world" 2 env SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=0 "$ending" mpi
says err 1 "srun --mpi=pmix"
check "the second of them is silent" 2 env SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=1 "$ending" mpi
says err 0 "srun --mpi=pmix"
check "one Slurm task" 0 env SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0 "$ending" mpi

echo "1..$n"
exit $failed
