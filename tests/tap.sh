# TAP for shell tests: source it, call the functions, end with `done_testing`.  Works in a folder of its own, removed at the end.
dragoman=$DGM_BUILDDIR/dragoman
mpirun=${MPIRUN:-mpirun}
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
        sed 's/^/# /' out err 2>/dev/null
    fi
}
skip() { # skip NAME WHY
    tap_n=$((tap_n + 1))
    echo "ok $tap_n - $1 # SKIP $2"
}
runs() { # runs CODE COMMAND...: its exit code must be CODE; its output is in the files out and err
    want=$1
    shift
    timeout 300 "$@" >out 2>err </dev/null
    got=$?
    [ $got -eq "$want" ]
    result $? "$(printf '%s' "$*" | sed "s,$dragoman,dragoman,; s,$mpirun,mpirun,"): exit code $want (got $got)"
}
says() { # says TEXT: the last command's stderr holds it
    grep -qF -- "$1" err
    result $? "says: $1"
}
prints() { # prints TEXT: the last command's stdout holds it
    grep -qF -- "$1" out
    result $? "prints: $1"
}
same() { # same FILE OTHER NAME: byte for byte
    cmp "$1" "$2" >out 2>&1
    result $? "$3"
}
done_testing() {
    echo "1..$tap_n"
    exit $tap_failed
}
