#!/bin/sh
# Runs a command over MPI on several hosts that are one machine: network namespaces with host names and addresses of their own, joined by a switch
# through links of a limited rate, Open MPI over TCP between them.  Needs root; cores are shared out over the hosts.
#
#   tests/net_hosts.sh HOSTS RATE COMMAND...      as in: tests/net_hosts.sh 2 1gbit build/dragoman bench --config tiny
#
# RATE is what tc calls it (1gbit, 10gbit, none).  Each host sends and receives at that rate at once.  The output is the command's.  Exit code 77
# and a line that says why where it cannot be done.  Whatever happens, the namespaces made here are removed at the end, and no others.
#
# Environment: RANKS_PER_HOST (1), MPI_OPTIONS (more words for mpirun).
set -u
: "${RANKS_PER_HOST:=1}" "${MPI_OPTIONS:=}"
[ $# -ge 3 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
n_hosts=$1 rate=$2
shift 2

wrong() {
    echo "net_hosts.sh: $*" >&2
    exit 2
}
whole() { case $1 in '' | 0* | *[!0-9]* | ???????*) false ;; esac } # below a million
whole "$n_hosts" && [ "$n_hosts" -le 254 ] || wrong "HOSTS $n_hosts: expected a whole number from 1 to 254"
whole "$RANKS_PER_HOST" || wrong "RANKS_PER_HOST=$RANKS_PER_HOST: expected a whole number from 1 on"
case $rate in
none) burst=0 ;;
*gbit) whole "${rate%gbit}" && burst=$((${rate%gbit} * 85 + 171))kb ;;
*mbit) whole "${rate%mbit}" && burst=256kb ;;
*) false ;;
esac || wrong "RATE $rate: expected none, Ngbit or Nmbit with N a whole number from 1 on"

skip() {
    echo "net_hosts.sh: skipped: $*" >&2
    exit 77
}
[ "$(id -u)" -eq 0 ] || skip "not root: network namespaces cannot be made"
PATH=$PATH:/usr/sbin:/sbin
for tool in ip tc unshare nsenter taskset mpirun; do command -v $tool >/dev/null || skip "$tool is missing"; done

prefix=dgm$$
made='' holders=''
dir=$(mktemp -d) || exit 1

clean() {
    trap '' HUP INT TERM
    [ -z "${running:-}" ] || { kill "$running" 2>/dev/null && wait "$running" 2>/dev/null; }
    for pid in $holders; do kill "$pid" 2>/dev/null; done
    for name in $made; do ip netns delete "$name" 2>/dev/null; done
    rm -rf "$dir"
}
trap clean EXIT
trap 'exit 130' HUP INT TERM

make_netns() {
    ip netns add "$1" 2>"$dir/err" || skip "ip netns add: $(cat "$dir/err")"
    made="$made $1"
    ip -n "$1" link set lo up
}

# A burst is what may pass at once: some packets of the largest size, but little of what is measured.
limit() { # limit NAMESPACE DEVICE
    [ "$rate" != none ] || return 0
    tc -n "$1" qdisc add dev "$2" root tbf rate "$rate" burst "$burst" latency 100ms 2>"$dir/err" || skip "tc: $(cat "$dir/err")"
}

# ---- the switch and the hosts ----

make_netns $prefix-switch
ip -n $prefix-switch link add br0 type bridge 2>"$dir/err" || skip "bridge: $(cat "$dir/err")"
ip -n $prefix-switch link set br0 up
cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc) # which obeys them
list=''
for i in $(seq "$n_hosts"); do
    make_netns $prefix-h"$i"
    ip -n $prefix-switch link add p"$i" type veth peer name eth0 netns $prefix-h"$i" 2>"$dir/err" || skip "veth: $(cat "$dir/err")"
    ip -n $prefix-switch link set p"$i" master br0
    ip -n $prefix-switch link set p"$i" up
    ip -n $prefix-h"$i" addr add 10.213.77."$i"/24 dev eth0
    ip -n $prefix-h"$i" link set eth0 up
    # Deep queues and a sender that fills them: bbr, where it is the default, halves its rate when data goes both ways.
    ip netns exec $prefix-h"$i" sysctl -qw net.ipv4.tcp_congestion_control=reno 2>/dev/null
    limit $prefix-switch p"$i"
    limit $prefix-h"$i" eth0
    mkdir "$dir/h$i"
    # A process that holds the host's other namespace: its name.
    ip netns exec $prefix-h"$i" unshare -u sh -c "hostname h$i; echo \$\$ >'$dir/h$i/pid.new'; mv '$dir/h$i/pid.new' '$dir/h$i/pid'; exec sleep 1000000" &
    holders="$holders $!"
    for _ in $(seq 100); do [ -e "$dir/h$i/pid" ] && break; sleep 0.05; done
    [ -e "$dir/h$i/pid" ] || skip "unshare: a host could not be started"
    echo "10.213.77.$i h$i" >>"$dir/hosts"
    list="$list,h$i:$RANKS_PER_HOST"
done

# Ranks are spread over the cores: host i gets the cores from (i - 1) RANKS_PER_HOST on, modulo those there are.
cat >"$dir/agent" <<END
#!/bin/sh
# Runs the command "\$2 ..." on host \$1.
host=\$1
shift
i=\${host#h}
set_of_cores=
for r in \$(seq $RANKS_PER_HOST); do set_of_cores=\$set_of_cores,\$((((i - 1) * $RANKS_PER_HOST + r - 1) % $cores)); done
export TMPDIR=$dir/\$host
unset OMPI_MCA_orte_tmpdir_base
exec nsenter -t "\$(cat $dir/\$host/pid)" -n -u taskset -c "\${set_of_cores#,}" sh -c "\$*"
END
chmod +x "$dir/agent"

# The command's words as they are, through two shells.
{
    echo "#!/bin/sh"
    printf 'exec'
    for word; do printf " '%s'" "$(printf '%s' "$word" | sed "s/'/'\\\\''/g")"; done
    echo
} >"$dir/command"
chmod +x "$dir/command"

# Host names are looked up in a file that only these processes see.
cat >"$dir/start" <<END
#!/bin/sh
mount --bind $dir/hosts /etc/hosts || exit 77
exec "\$@"
END
chmod +x "$dir/start"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
# mpirun runs on the first host; the agent brings it to the others.
# shellcheck disable=SC2086 # options are words
unshare -m "$dir/start" "$dir/agent" h1 exec mpirun --mca plm rsh --mca plm_rsh_agent "$dir/agent" --mca btl tcp,self \
    --mca btl_tcp_if_include 10.213.77.0/24 --mca oob_tcp_if_include 10.213.77.0/24 --bind-to none -H "${list#,}" \
    -n $((n_hosts * RANKS_PER_HOST)) $MPI_OPTIONS "$dir/command" &
running=$!
wait $running
status=$?
running=
exit $status
