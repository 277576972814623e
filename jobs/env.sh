# The site's settings, in one place: read by every job script and by experiment.sh.  Each can be set in the environment instead.
# Plain sh; nothing here is specific to one experiment.

# Programs.  Uncomment what the site needs.
# module load gcc openmpi
: "${DRAGOMAN:=dragoman}"          # the program: a path, or a name on PATH
: "${DGM_SRUN:=srun --mpi=pmix}"   # starts a step on all ranks; without --mpi=pmix each task would be alone, which dragoman refuses

# What the scheduler wants of every job: --account=..., --partition=..., --qos=...
: "${DGM_SBATCH_OPTIONS:=}"

# The machine.  A rank per core with one thread is a good start; train prints target tokens/s and its share of the peak.
: "${DGM_NODES:=1}"                # nodes of a training
: "${DGM_RANKS_PER_NODE:=2}"
: "${DGM_CORES_PER_RANK:=1}"
: "${DGM_PREPARE_TIME:=02:00:00}"
: "${DGM_TRAIN_TIME:=12:00:00}"    # of one job: a training that needs longer goes on in the next one by itself
: "${DGM_EVAL_TIME:=00:30:00}"
: "${DGM_STOP_EARLY_S:=300}"       # so long before the time limit a training is told to save and stop
: "${DGM_MAX_RESTARTS:=1000}"

export DRAGOMAN DGM_SRUN DGM_SBATCH_OPTIONS DGM_NODES DGM_RANKS_PER_NODE DGM_CORES_PER_RANK
export DGM_PREPARE_TIME DGM_TRAIN_TIME DGM_EVAL_TIME DGM_STOP_EARLY_S DGM_MAX_RESTARTS

# One thread per core of the rank, no more.
export OMP_NUM_THREADS="$DGM_CORES_PER_RANK" BLIS_NUM_THREADS="$DGM_CORES_PER_RANK"
# srun has no cores per task of its own accord since Slurm 22.05.
export SRUN_CPUS_PER_TASK="$DGM_CORES_PER_RANK"

# Reads the experiment $1 and checks that it says what every job needs.
dgm_read_experiment() {
    if [ -z "${1:-}" ] || [ ! -f "$1" ]; then
        echo "the settings of the experiment are missing: ${1:-no file given} (jobs/multi30k.experiment shows what they look like)" >&2
        exit 2
    fi
    case $1 in /*) . "$1" ;; *) . "./$1" ;; esac
    for setting in src tgt valid_src valid_tgt test_src test_ref data run config vocab_size; do
        eval "[ -n \"\${$setting:-}\" ]" || { echo "$1 does not set $setting" >&2; exit 2; }
    done
    : "${tp:=1}" "${prepare_options:=}" "${train_options:=}" "${eval_options:=}"
}
