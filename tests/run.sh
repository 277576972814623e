#!/bin/sh
# Starts one test: serial programs as they are, mpi_* on 4 ranks, cli_*.sh through sh.
# Environment: DGM_SRCDIR, DGM_BUILDDIR, MPIRUN (set by make check; by hand, the tree this file lies in and its build/).
test=$1
shift
name=${test##*/}
: "${DGM_SRCDIR:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${DGM_BUILDDIR:=$DGM_SRCDIR/build}"
: "${DRAGOMAN_CONFIGS:=$DGM_SRCDIR/configs}" # presets of the tree under test, wherever it is built
export DGM_SRCDIR DGM_BUILDDIR DRAGOMAN_CONFIGS
# Each MPI run gets exactly the ranks it asks for, more than there are cores if need be, and no threads besides.
export OMP_NUM_THREADS=1 BLIS_NUM_THREADS=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_mpi_abort_print_stack=0
# Builds with sanitizers: what Open MPI does not release is not our leak; the leak checker itself dies now and then when it reads
# the thread-local memory of Open MPI's threads as they end ("Tracer caught signal 11").
export LSAN_OPTIONS="suppressions=$DGM_SRCDIR/tests/lsan.supp:print_suppressions=0:use_tls=0" UBSAN_OPTIONS=print_stacktrace=1
# Tests run side by side; what mpirun keeps in its folder of sessions it may remove while another mpirun makes its own there.
sessions=$(mktemp -d "${TMPDIR:-/tmp}/dgm_mpi_XXXXXX") || exit 1
chmod 1777 "$sessions" # for tests that become another user
trap 'rm -rf "$sessions"' EXIT
trap 'exit 143' HUP INT TERM
export OMPI_MCA_orte_tmpdir_base="$sessions"
case $name in
mpi_*) "${MPIRUN:-mpirun}" -n 4 "$test" "$@" ;;
*.sh) sh "$test" "$@" ;;
*) "$test" "$@" ;;
esac
