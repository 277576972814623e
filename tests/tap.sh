# TAP for shell tests: source it, call the functions, end with `done_testing`.  Works in a folder of its own, removed at the end.
dragoman=$DGM_BUILDDIR/dragoman
mpirun=${MPIRUN:-mpirun}
input=/dev/null # what `runs` gives the next commands to read
export OMPI_MCA_ess_singleton_isolated=1 # a rank without mpirun starts no daemon of Open MPI: 0.2 s less
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
tap_n=0
tap_failed=0

result() { # result STATUS NAME: one check; when it fails, what the last command printed is shown
    tap_n=$((tap_n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tap_n - $2"
    else
        tap_failed=1
        echo "not ok $tap_n - $2"
        for tap_file in out err; do
            [ ! -s $tap_file ] || head -n 20 $tap_file | sed 's/^/# /'
        done
    fi
}
skip_all() { # skip_all WHY: instead of all checks
    echo "1..0 # SKIP $1"
    exit 0
}
runs() { # runs CODE COMMAND...: its exit code must be CODE; its output is in the files out and err
    tap_want=$1
    shift
    timeout 300 "$@" >out 2>err <"$input"
    tap_got=$?
    [ $tap_got -eq "$tap_want" ]
    result $? "$(printf '%s' "$*" | sed "s,$DGM_BUILDDIR/,,g; s,$mpirun,mpirun,"): exit code $tap_want (got $tap_got)"
}
found() { # found FILE TEXT [LINES]: the file holds the text; if LINES is given, in so many lines
    tap_got=$(grep -cF -- "$2" "$1")
    if [ $# -gt 2 ]; then [ "$tap_got" = "$3" ]; else [ "${tap_got:-0}" -gt 0 ]; fi
    result $? "$1: $2${3:+ (in $3 lines, got $tap_got)}"
}
says() { found err "$@"; }   # says TEXT [LINES]: the last command's stderr holds it
prints() { found out "$@"; } # prints TEXT [LINES]: the last command's stdout holds it
equal() { # equal GOT WANT NAME: two words
    [ "$1" = "$2" ]
    result $? "$3"
    [ "$1" = "$2" ] || echo "# got \"$1\", want \"$2\""
}
same() { # same PATH OTHER NAME: two files, or all files of two folders, byte for byte
    tap_diff=$(diff -r "$1" "$2" 2>&1)
    result $? "$3"
    [ -z "$tap_diff" ] || printf '%s\n' "$tap_diff" | head -n 20 | sed 's/^/# /'
}
differs() { # differs FILE OTHER NAME: both are there and not the same
    cmp -s "$1" "$2"
    [ $? -eq 1 ]
    result $? "$3"
}
done_testing() {
    echo "1..$tap_n"
    exit $tap_failed
}
