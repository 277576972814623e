#!/bin/sh
# The rules of the tree: includes go downwards, MPI, BLIS, ScaLAPACK and zstd stay in their places, names are unique, every test is run.
# Each rule is first shown a small tree that breaks it, so that a rule that sees nothing is itself a failure.
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
n=0
failed=0

# All that is checked works on the tree in the current folder and prints one line per violation.

sources() { find src include eval data-prep tests \( -name '*.c' -o -name '*.h' \) -type f 2>/dev/null | sort; }

# Prints "file:line:code" of C files, comments and the insides of strings taken out, except of #include lines.
code() {
    awk '
        FNR == 1 { in_comment = 0 }
        /^[ \t]*#[ \t]*include/ { print FILENAME ":" FNR ":" $0; next }
        {
            line = $0; out = ""
            gsub(/\\./, "", line)
            while (line != "") {
                if (in_comment) {
                    end = index(line, "*/")
                    if (end == 0) break
                    line = substr(line, end + 2); in_comment = 0
                } else if (match(line, /\/\*|\/\/|"[^"]*"/)) {
                    out = out substr(line, 1, RSTART - 1)
                    what = substr(line, RSTART, 2)
                    if (what == "//") break
                    if (what == "/*") { in_comment = 1; line = substr(line, RSTART + 2) }
                    else line = substr(line, RSTART + RLENGTH)
                } else { out = out line; break }
            }
            if (out ~ /[^ \t]/) print FILENAME ":" FNR ":" out
        }' "$@" /dev/null
}

# A file may include its own layer and those below.  A header of include/dgm is in the layer of the .c of its name.
upward_includes() {
    sources | grep -v '^tests/' >"$tmp/list"
    # shellcheck disable=SC2046 # names without blanks
    code $(cat "$tmp/list") | grep ':[ \t]*#[ \t]*include[ \t]*"' | awk -v list="$tmp/list" '
        function layer_of(path) {
            if (path ~ /(^|\/)cmd_[^\/]*$/ || path ~ /^src\/cli\//) return 10
            if (path ~ /^(eval|data-prep)\//) return 9
            if (match(path, /^src\/[a-z]+\//)) return rank[substr(path, 5, RLENGTH - 5)]
            return 0
        }
        BEGIN {
            n = split("util num par data model train ckpt decode", names, " ")
            for (i = 1; i <= n; i++) rank[names[i]] = i
            while ((getline path < list) > 0) {
                base = path; sub(/.*\//, "", base)
                file_layer[base] = layer_of(path)
                if (path ~ /^(src|eval|data-prep)\// && layer_of(path) == 0) print path ": is in no layer"
                all[base] = path
            }
            for (base in all) if (all[base] ~ /^include\//) {
                body = base; sub(/\.h$/, ".c", body)
                file_layer[base] = body in all ? layer_of(all[body]) : 0
            }
        }
        {
            split($0, part, ":"); base = part[1]; sub(/.*\//, "", base)
            match($0, /"[^"]*"/); target = substr($0, RSTART + 1, RLENGTH - 2); sub(/.*\//, "", target)
            if (file_layer[base] > 0 && file_layer[target] > file_layer[base])
                print part[1] ":" part[2] ": includes " target ", which is in a layer above"
        }'
}

# Matches of $1 in the code of files whose path does not match $2.  Tests other than t_* may call what they compare with.
only_in() {
    sources | grep -vE "$2" | grep -vE '^tests/(mpi_|bench_|[^t]|t[^_])' >"$tmp/list"
    [ -s "$tmp/list" ] || return 0
    # shellcheck disable=SC2046
    code $(cat "$tmp/list") | grep -E "$1"
}

# Headers of the modules in src/par speak of communicators, so they may name MPI too.
mpi_outside() {
    headers=$(for f in src/par/*.c; do basename "$f" .c; done | sed 's,.*,|^include/dgm/&\\.h$,' | tr -d '\n')
    only_in '(^|[^A-Za-z0-9_])MPI_[A-Z]|<mpi\.h>' "^src/par/|^src/cli/|/cmd_[a-z_]*\.c\$$headers"
}

blis_outside() { only_in '(^|[^A-Za-z0-9_])(bli_[a-z]|BLIS_)|blis\.h' '^src/num/gemm\.c$'; }

# ScaLAPACK, BLACS and what comes with them, by their C and Fortran names.
scalapack_outside() {
    only_in '(^|[^A-Za-z0-9_])(Cblacs_|blacs_|C(sys2blacs|free_blacs)|C?p[sdcz](ge|gemr|lan|la)[a-z0-9]+_?[ \t]*\(|descinit_|numroc_)' '^src/par/pgemm\.c$'
}

# Instructions of one processor by name, in files that are compiled for it.
intrinsics_outside() { only_in '(^|[^A-Za-z0-9_])_mm(256|512)?_[a-z]|immintrin\.h' '^src/num/(kernel_bf16\.c|kernel_product\.c|lanes\.h|philox\.h)$'; }

# Shards, and the reading of compressed text; tests make compressed files themselves.
zstd_outside() { only_in '(^|[^A-Za-z0-9_])ZSTD_|zstd\.h' '^src/data/(shard|corpus|decompress)\.c$|^tests/'; }

shared_names() {
    find src include eval data-prep tests jobs configs -type f 2>/dev/null | grep -vE '\.(o|a|log|trs|Po)$|/\.|/(Makefile|README)[^/]*$' |
        sed 's,.*/,,' | sort | uniq -d | sed 's/$/: more than one file has this name/'
}

tests_not_run() {
    for f in tests/t_*.c tests/mpi_*.c tests/cli_*.sh tests/bench_*.c; do
        [ -f "$f" ] || continue
        name=${f%.c}
        case $f in
        tests/bench_*) grep -qE "(^|[ =])$name( |\$)" Makefile.am || echo "$f: Makefile.am does not build it" ;;
        *) grep -qE "^(serial|mpi|cli)_tests \+=(.* )?$name( |\$)" Makefile.am || echo "$f: Makefile.am does not run it" ;;
        esac
    done
}

report() {
    n=$((n + 1))
    if [ "$1" = ok ]; then
        echo "ok $n - $2"
    else
        failed=1
        echo "not ok $n - $2"
        sed 's/^/# /' "$tmp/found"
    fi
}

# put FILE LINE...: a file of the made-up tree.
put() {
    mkdir -p "$(dirname "$1")"
    file=$1
    shift
    printf '%s\n' "$@" >"$file"
}

# seen RULE FILE LINE...: the rule finds nothing in a clean small tree and something once FILE holds the lines.
seen() {
    rule=$1
    shift
    rm -rf "$tmp/tree"
    mkdir "$tmp/tree"
    cd "$tmp/tree" || exit 1
    put src/util/low.c '#include "dgm/low.h"' '/* MPI_Init, bli_sgemm, ZSTD_compress */' 'const char *s = "MPI_Init \" ZSTD_";'
    put src/model/high.c '#include "dgm/low.h"' '#include "dgm/comm.h"'
    put src/par/comm.c '#include <mpi.h>' 'int f(void) { return MPI_Barrier(c); }'
    put include/dgm/low.h 'int low;'
    put include/dgm/high.h '#include "dgm/low.h"'
    put include/dgm/comm.h '#include <mpi.h>'
    put src/num/gemm.c '#include <blis.h>' 'bli_init();'
    put src/num/kernel_bf16.c '#include <immintrin.h>' '__m512 f(void) { return _mm512_setzero_ps(); }'
    put src/par/pgemm.c 'Cblacs_gridexit(1); Cpsgemr2d(1, 2); psgesvd_(1);'
    put src/data/shard.c 'ZSTD_compress();'
    put eval/cmd_eval.c 'MPI_Barrier();' '#include "dgm/high.h"'
    put tests/t_low.c 'int x;'
    put tests/mpi_comm.c 'MPI_Barrier();'
    put tests/cli_run.sh ''
    put Makefile.am 'serial_tests += tests/t_low' 'mpi_tests += tests/mpi_comm' 'cli_tests += tests/cli_run.sh'
    $rule >"$tmp/found"
    if [ -s "$tmp/found" ]; then report bad "$rule finds nothing in a clean tree"; fi
    put "$@"
    $rule >"$tmp/found"
    if grep -q "$(basename "$1" | cut -d. -f1)" "$tmp/found"; then report ok "$rule sees a violation in $1"; else report bad "$rule sees a violation in $1"; fi
}

seen upward_includes src/util/low.c '#include "dgm/high.h"'
seen upward_includes include/dgm/low.h '#include  "dgm/high.h"'
seen upward_includes src/model/inner.h '  # include "dgm/cmd_eval.h"' '#include "cmd_eval.c"'
seen upward_includes src/elsewhere/odd.c 'int x;'
seen mpi_outside src/model/high.c 'int f(void) { /* x */ return MPI_Barrier(c); }'
seen mpi_outside include/dgm/low.h '#include <mpi.h>'
seen mpi_outside tests/t_low.c '/* a' '*/ MPI_Init(0, 0);'
seen blis_outside src/num/norm.c 'bli_sgemm();'
seen blis_outside include/dgm/low.h '#include "blis-openmp/blis.h"'
seen scalapack_outside src/par/comm.c 'int f(void) { Cblacs_gridexit(1); }'
seen scalapack_outside eval/cmd_eval.c 'Cpsgemr2d (1, 2);'
seen intrinsics_outside src/num/norm.c '__m512 f(void) { return _mm512_setzero_ps(); }'
seen zstd_outside src/ckpt/save.c 'int x = ZSTD_compress(a);'
seen shared_names src/model/low.c 'int x;'
seen tests_not_run tests/t_new.c 'int x;'
seen tests_not_run tests/mpi_new.c 'int x;'
seen tests_not_run tests/cli_new.sh ''
seen tests_not_run tests/bench_new.c 'int x;'

cd "${DGM_SRCDIR:-.}" || exit 1
for rule in upward_includes mpi_outside blis_outside scalapack_outside intrinsics_outside zstd_outside shared_names tests_not_run; do
    $rule >"$tmp/found"
    if [ -s "$tmp/found" ]; then report bad "this tree: $rule"; else report ok "this tree: $rule"; fi
done
n=$((n + 1))
if [ "$(sources | wc -l)" -gt 30 ]; then echo "ok $n - the tree was there to be read"; else failed=1; echo "not ok $n - no sources in $PWD"; fi

echo "1..$n"
exit $failed
