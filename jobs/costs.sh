#!/bin/sh
# What an update of training would take on more nodes: the cost model of docs/costs.md with the constants that `dragoman bench --json` has measured.
#
#   mpirun -n 2 dragoman bench --config base --batch-tokens 4096 --steps 3 --json > one.json    on a node like those, with as many ranks as it will
#                                                                                                have (here 2) and --tp 1
#   jobs/costs.sh one.json
#
# Environment, each a list where it says so:
#   NODES       (list: 8 64 512)   RANKS  ranks of a node (those of the measurement)    TP  tensor-parallel ranks, on one node (1)
#   GBIT        (list: 25 200)     rate of a node's network each way
#   LATENCY_US  (list as GBIT, whose last number holds for all further ones: 20 2)
#   BATCH       (list: 25000 400000) target tokens of an update
#
# Columns: compute, the products and all else that a rank does alone; reduce and gather, all that these two take, hidden behind computing or not; exposed,
# all of the update beyond compute: what of reduce and gather is not hidden, and the rest of the communication; update, compute and exposed; share, that of
# compute in it.
# Ranks of a node share its network.  More replicas than virtual_dp are shown in brackets: they want a larger virtual_dp.
set -eu
[ $# -ne 1 ] || [ -r "$1" ] || { echo "costs.sh: $1 cannot be read: expected what dragoman bench --json has printed" >&2; exit 3; }
[ $# -eq 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
: "${NODES:=8 64 512}" "${GBIT:=25 200}" "${LATENCY_US:=20 2}" "${BATCH:=25000 400000}" "${TP:=1}" "${RANKS:=}"

awk -v nodes="$NODES" -v gbit="$GBIT" -v latency="$LATENCY_US" -v batch="$BATCH" -v tp="$TP" -v ranks="$RANKS" '
    # One field a line: path of names -> value.
    /^ *"[^"]*": *\{/ { match($0, /"[^"]*"/); name[++depth] = substr($0, RSTART + 1, RLENGTH - 2); next }
    /^ *\}/ { depth--; next }
    /^ *"[^"]*":/ {
        match($0, /"[^"]*"/); path = ""
        for (i = 1; i <= depth; i++) path = path name[i] "."
        path = path substr($0, RSTART + 1, RLENGTH - 2)
        sub(/^ *"[^"]*": */, ""); sub(/,$/, ""); value[path] = $0
    }
    # Ends with 2 unless the text is numbers from least to most, whole ones or not: a list, or one.
    function check(name, text, list, whole, least, most,    n, i, word, good) {
        n = split(text, word, " ")
        good = n == 1 || (list && n > 1)
        for (i = 1; i <= n; i++)
            good = good && word[i] ~ (whole ? "^[0-9]+$" : "^[0-9]*[.]?[0-9]+$") && word[i] + 0 >= least && word[i] + 0 <= most
        if (good || failed) return
        printf "costs.sh: %s=%s: expected %s from %s to %d%s\n", name, text, list ? (whole ? "whole numbers" : "numbers") : "a whole number", least, most,
            list ? ", separated by spaces" : "" > "/dev/stderr"
        failed = 2
    }
    BEGIN {
        check("NODES", nodes, 1, 1, 1, 100000)
        check("GBIT", gbit, 1, 0, 0.001, 100000)
        check("LATENCY_US", latency, 1, 0, 0, 1000000)
        check("BATCH", batch, 1, 1, 1, 1000000000)
        check("TP", tp, 0, 1, 1, 512)
        if (ranks != "") check("RANKS", ranks, 0, 1, 1, 100000)
        if (failed) exit failed
    }
    function need(path) {
        if (!(path in value) || value[path] == "null") {
            advice = path !~ /^ceilings/ ? "expected what dragoman bench --json prints" : tp > 1 ? "measure on two ranks or more, without --no-ceilings" : "measure without --no-ceilings"
            print "costs.sh: the measurement has no " path ": " advice > "/dev/stderr"
            failed = 3
            exit 3
        }
        return value[path] + 0
    }
    function log2(x) { return x > 1 ? log(x) / log(2) : 0 }
    function max(a, b) { return a > b ? a : b }
    function min(a, b) { return a < b ? a : b }
    function sums(V, n,    r, lo, hi, size, c, most) { # the most partial sums of one of n replicas that share V leaves
        for (r = 0; r < n; r++) {
            lo = int(r * V / n); hi = int((r + 1) * V / n)
            for (c = 0; lo < hi; lo += size) {
                for (size = 1; lo % (2 * size) == 0 && lo + 2 * size <= hi; size *= 2) {}
                c++
            }
            if (c > most) most = c
        }
        return most
    }
    function ceil(x) { return x > int(x) ? int(x) + 1 : int(x) }

    # Seconds of an update of T target tokens on n replicas of t ranks; W bytes/s each way of a rank, a seconds a message: sets C, Q, R, G, X, Y, U.
    function update(T, n, t, W, a,    bytes, part, buckets, chunk, rounds, rows, leaves, k) {
        bytes = 4 * parameters / t
        part = parameters / t / n
        buckets = max(2, min(1 + layers, 1 + int(part / 131072)))
        chunk = max(1024, min(262144, int(1048576 / n)))
        rounds = buckets * ceil(part / buckets / chunk)
        rows = T / n
        C = flops_per_token * T / (n * t * speed)
        k = 4 * n_encoder + 6 * n_decoder + 4
        leaves = max(value["virtual_dp"] + 0, 2 ^ ceil(log2(n) - 1e-9))
        Q = t > 1 ? k * (2 * (t - 1) / t * rows * width * 4 / inside_W + 2 * log2(t) * inside_a) : 0
        if (n == 1) { R = G = E = S = X = Y = 0 } else {
            R = (n - 1) / n * bytes * sums(leaves, n) * (1 / W + 1 / adds) + rounds * (a + (n - 1) * MESSAGE_S)
            G = (n - 1) / n * bytes / W + buckets * (n - 1) * a
            E = (n - 1) / n * DISTINCT * 2 * rows * width / t * 4 / W + 2 * (n - 1) * a
            S = 6 * log2(n * t) * a
            X = max(R / buckets, R - BACKWARD * C)
            Y = max(G * embeddings, G - FORWARD * C)
        }
        U = C + Q + X + Y + E + S
    }
    END {
        if (failed) exit failed
        if (need("tp") != 1) {
            printf "costs.sh: the measurement is of --tp %d: the model begins with the speed of products of whole layers; measure with --tp 1 and give TP=%d " \
                "here\n", value["tp"], value["tp"] > "/dev/stderr"
            exit 3
        }
        MESSAGE_S = 1e-6; DISTINCT = 0.4; BACKWARD = 0.6; FORWARD = 0.3
        parameters = need("parameters"); width = need("model.d_model")
        n_encoder = need("model.n_encoder_layers"); n_decoder = need("model.n_decoder_layers"); layers = n_encoder + n_decoder
        embeddings = need("model.tgt_vocab_size") * width / parameters
        measured = need("ranks"); adds = need("ceilings.add_gb_per_s") * 1e9
        flops_per_token = need("gflops") * 1e9 / need("tokens_per_s")
        # Speed of a rank when it does not communicate.
        speed = need("gflops") * 1e9 / measured / (1 - need("regions.communication.ms") / need("step.ms"))
        inside_W = tp > 1 ? need("ceilings.exchange_gb_per_s") * 1e9 : 0
        inside_a = tp > 1 ? need("ceilings.latency_us") * 1e-6 : 0
        if (ranks == "") ranks = measured
        if (need("model.virtual_tp") % tp != 0) {
            printf "costs.sh: TP %d does not divide virtual_tp %d of the measurement: such a layout cannot run\n", tp, value["model.virtual_tp"] > "/dev/stderr"
            exit 2
        }
        if (ranks % tp != 0) { print "costs.sh: TP " tp " does not divide the " ranks " ranks of a node" > "/dev/stderr"; exit 2 }
        printf "%.1f M parameters; %.2f MFLOP a target token; %.1f GFLOP/s a rank; %d ranks a node, tp %d\n", parameters / 1e6, flops_per_token / 1e6,
            speed / 1e9, ranks, tp
        printf "%6s %9s %7s %8s %9s %9s %9s %9s %9s %7s %12s\n", "nodes", "replicas", "Gbit/s", "batch", "compute", "reduce", "gather", "exposed",
            "update", "share", "tokens/s"
        n_rates = split(gbit, rate, " "); n_lates = split(latency, late, " "); n_batches = split(batch, tokens, " "); n_nodes = split(nodes, many, " ")
        for (b = 1; b <= n_batches; b++) for (g = 1; g <= n_rates; g++) for (k = 1; k <= n_nodes; k++) {
            n = many[k] * ranks / tp
            update(tokens[b], n, tp, 0.94 * rate[g] / 8 * 1e9 / ranks, late[min(g, n_lates)] * 1e-6)
            shown = n > value["virtual_dp"] + 0 ? "(" n ")" : n
            printf "%6d %9s %7g %8d %7.1fms %7.1fms %7.1fms %7.1fms %7.1fms %6.1f%% %12.0f\n", many[k], shown, rate[g], tokens[b], 1e3 * C, 1e3 * R,
                1e3 * G, 1e3 * (U - C), 1e3 * U, 100 * C / U, tokens[b] / U
        }
    }' "$1"
