#!/bin/sh
# ./bootstrap build, around a build that is none: what a failure looks like, and that two at once take turns.
. "$DGM_SRCDIR/tests/tap.sh"
command -v flock >/dev/null || skip_all "no flock"
unset DGM_WERROR DGM_CONFIGURE MAKEFLAGS MFLAGS

cp "$DGM_SRCDIR/bootstrap" . && touch configure Makefile.in && mkdir build && touch build/config.status && echo >build/configured-with

printf 'all:\n\t@echo compiling\n' >build/Makefile
runs 0 ./bootstrap build
says 'bootstrap: built: build/dragoman' 1

(flock 9 && touch taken && sleep 2 && touch released) 9>build/.lock &
while [ ! -e taken ]; do sleep 0.1; done
printf 'all:\n\t@test -e ../released\n' >build/Makefile
runs 0 ./bootstrap build
says 'another ./bootstrap builds here: waiting for it' 1
wait

printf 'all:\n\t@echo "x.c:1: error: none" >&2; false\n' >build/Makefile
runs 1 ./bootstrap build
says 'error: none'
says 'built' 0
runs 1 ./bootstrap demo
says 'error: none'
runs 1 ./bootstrap check
prints '0 passed, 1 failed' 1
done_testing
