# A Slurm of our own on loopback, for the tests that source this: munged, slurmctld and two nodes, with their own key, ports,
# folders and configuration.  Needs root and Debian's slurm-wlm and munge.

PATH=$PATH:/usr/sbin:/sbin
slurm_pids=

# slurm_start DIR: DIR is empty and can be reached by all.  On failure slurm_why says why.
slurm_start() {
    slurm_dir=$1
    slurm_why=
    [ "$(id -u)" -eq 0 ] || slurm_why="Slurm can only be started by root"
    for program in munged slurmctld slurmd srun sbatch; do
        [ -n "$slurm_why" ] || command -v $program >/dev/null || slurm_why="$program is not installed (Debian packages slurm-wlm and munge)"
    done
    [ -z "$slurm_why" ] || return 1
    chmod 755 "$slurm_dir"
    head -c 128 /dev/urandom >"$slurm_dir/munge.key"
    chmod 400 "$slurm_dir/munge.key"
    munged --foreground --force --num-threads=10 --key-file="$slurm_dir/munge.key" --socket="$slurm_dir/munge.sock" \
        --pid-file="$slurm_dir/munged.pid" --log-file="$slurm_dir/munged.log" --seed-file="$slurm_dir/munge.seed" >"$slurm_dir/munged.out" 2>&1 &
    slurm_pids=$!
    wait_for 10 test -S "$slurm_dir/munge.sock" || { slurm_why="munged: $(tail -n 1 "$slurm_dir/munged.out")"; return 1; }
    for try in 1 2 3; do
        slurm_configure $((10000 + ($$ * 7 + try * 1000) % 20000))
        slurmctld -D -f "$SLURM_CONF" >"$slurm_dir/slurmctld.out" 2>&1 &
        ctld=$!
        slurm_pids="$ctld $slurm_pids"
        wait_for 10 slurm_answers && break
        kill $ctld 2>/dev/null # the port was taken, most likely
    done
    slurm_answers || { slurm_why="slurmctld: $(grep -E 'error|fatal' "$slurm_dir/slurmctld.out" | tail -n 1)"; return 1; }
    for node in n1 n2; do
        slurmd -D -N $node -f "$slurm_dir/$node/slurm.conf" >"$slurm_dir/slurmd-$node.out" 2>&1 &
        slurm_pids="$! $slurm_pids"
    done
    wait_for 30 slurm_idle || { slurm_why="slurmd: $(grep -hE 'error|fatal' "$slurm_dir"/slurmd-*.out | tail -n 1)"; return 1; }
}

# Both nodes are this machine; each has its own copy of the configuration because of mpi.conf, where its PMIx folder stands.
slurm_configure() {
    host=$(uname -n | cut -d . -f 1)
    mkdir -p "$slurm_dir/state"
    : >"$slurm_dir/plugstack.conf"
    cat >"$slurm_dir/slurm.conf" <<END
ClusterName=dragoman
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$1
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$slurm_dir/munge.sock,cred_expire=5
CredType=cred/munge
StateSaveLocation=$slurm_dir/state
SlurmdSpoolDir=$slurm_dir/%n/spool
SlurmctldPidFile=$slurm_dir/slurmctld.pid
SlurmdPidFile=$slurm_dir/%n/slurmd.pid
SlurmctldLogFile=$slurm_dir/slurmctld.log
SlurmdLogFile=$slurm_dir/%n/slurmd.log
PlugStackConfig=$slurm_dir/plugstack.conf
MailProg=/bin/true
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,bf_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
MinJobAge=3600
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$(($1 + 1)) CPUs=4
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$(($1 + 2)) CPUs=4
PartitionName=test Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
END
    # Nothing here uses control groups; version 1 is the one that starts where the machine, a container say, shows none.
    echo "CgroupPlugin=cgroup/v1" >"$slurm_dir/cgroup.conf"
    for node in n1 n2; do
        mkdir -p "$slurm_dir/$node/spool" "$slurm_dir/$node/pmix"
        cp "$slurm_dir/slurm.conf" "$slurm_dir/cgroup.conf" "$slurm_dir/$node"
        echo "PMIxCliTmpDirBase=$slurm_dir/$node/pmix" >"$slurm_dir/$node/mpi.conf"
    done
    SLURM_CONF=$slurm_dir/slurm.conf
    export SLURM_CONF
    # Two nodes of one host name: shared memory would take their ranks for neighbours.
    OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=lo
    export OMPI_MCA_btl OMPI_MCA_btl_tcp_if_include
}

slurm_answers() { timeout 5 scontrol ping 2>/dev/null | grep -q UP; }

slurm_idle() { [ "$(timeout 5 sinfo -h -N -o %T 2>/dev/null | grep -c '^idle$')" -eq 2 ]; }

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
    left=$(($1 * 5))
    shift
    until "$@"; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        sleep 0.2
    done
}

slurm_queue_empty() { [ -z "$(squeue -h 2>/dev/null)" ]; }

# slurm_job_is NUMBER STATES: the job's state is one of STATES (joined by |).
slurm_job_is() { scontrol show job "$1" 2>/dev/null | grep -qE "JobState=($2) "; }

# Ends the jobs and all that slurm_start has started.
slurm_stop() {
    if [ -n "$slurm_pids" ] && slurm_answers; then
        squeue -h -o %i | xargs -r scancel 2>/dev/null
        wait_for 20 slurm_queue_empty
    fi
    for pid in $slurm_pids; do
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    slurm_pids=
}
