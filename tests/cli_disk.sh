#!/bin/sh
# What disks do to dragoman train: full, limited, read-only, not one's own.  Exit code 1, the path and the reason; the checkpoints that were
# there go on to the same bytes.  A small file system is mounted in a mount namespace of the test's own, which needs root or user
# namespaces.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"

toy_corpus
cat >disk.cfg <<'END'
d_model = 16
d_ff = 32
n_heads = 2
n_encoder_layers = 1
n_decoder_layers = 1
batch_tokens = 200
virtual_dp = 4
learning_rate = 0.003
warmup_steps = 4
dropout = 0.1
log_every = 1
validate_every = 4
checkpoint_every = 2
keep_checkpoints = 1
average_last = 2
max_steps = 10
trace_hash = true
END
runs 0 "$dragoman" prepare --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 330 --out data
train="$dragoman train --data data --config disk.cfg"
# shellcheck disable=SC2086 # words
runs 0 $train --out whole
rm -f whole/run.json whole/timing.jsonl
skip() { # skip WHAT WHY
    tap_n=$((tap_n + 1))
    echo "ok $tap_n - $1 # SKIP $2"
}
as_whole() { # as_whole RUN NAME
    rm -f "$1/run.json" "$1/timing.jsonl"
    diff -r --no-dereference "$1" whole >differences 2>&1
    result $? "$2"
    head -n 5 differences | sed 's/^/# /'
}
tells() { # tells REASON: the message names a file of RUN and the reason
    grep -q "^dragoman train: .*run.*: $1" err
    result $? "the message has path and reason: $(grep '^dragoman train:' err | head -n 1)"
}

# ---- files may not be larger than so much ----

rm -rf run
limited() { # limited BLOCKS: of 512 bytes; without mpirun, whose own files are larger.  What is printed goes through a pipe, which has no limit
    sh -c "ulimit -f $1; timeout -k 5 60 $train --out run --resume auto 2>&1 >/dev/null </dev/null; echo code \$?" | cat >err
    equal "$(sed -n 's/^code //p' err)" 1 "files limited to $1 blocks of 512 bytes: exit code 1"
    tells "File too large"
}
limited 2
limited 100
limited 150
says "; nothing was saved before: with that put right, start again" 1
# shellcheck disable=SC2086
runs 0 $train --out run --resume auto
as_whole run "without the limit it ends as if there had been none"

# ---- a disk that becomes full ----

# In a namespace: a disk of SIZE KiB at run, training on RANKS until it is full, what is there then, more room, training to the end.
cat >small_disk.sh <<'END'
ranks=$1 kib=$2
mount -t tmpfs -o size="${kib}k" none run || exit 99
timeout -k 5 120 "$mpirun" -n "$ranks" $train --out run --resume auto >out 2>err </dev/null
echo $? >code
ls run/checkpoints 2>/dev/null >left
mount -o remount,size=64m run || exit 99
$train --out run --resume auto >out.again 2>err.again </dev/null
echo $? >code.again
cp -r run copy
END
export mpirun dragoman train
namespace=
if unshare -m true 2>/dev/null; then namespace="unshare -m"; elif unshare -rm true 2>/dev/null; then namespace="unshare -rm"; fi
if [ -n "$namespace" ] && mkdir run.try && $namespace mount -t tmpfs -o size=64k none run.try 2>/dev/null; then
    needed=$(du -sk whole | cut -f 1)
    for case in "1 8" "1 100" "2 250" "1 $((needed - 70))" "3 $((needed + 30))"; do
        # shellcheck disable=SC2086
        set -- $case
        rm -rf run copy && mkdir run
        # shellcheck disable=SC2086
        $namespace sh small_disk.sh "$1" "$2"
        result $? "a disk of $2 KiB, $1 ranks (the run holds $needed KiB)"
        equal "$(cat code)" 1 "training ends with exit code 1"
        tells "No space left on device"
        case $2 in
        8 | 100 | 250) ;;
        *) says "; run/last is whole: with that put right, the same command with --resume auto goes on from it" 1 ;;
        esac
        ! grep -q tmp left
        result $? "nothing half-written is left: $(tr '\n' ' ' <left)"
        equal "$(cat code.again)" 0 "with more room it goes on"
        as_whole copy "and ends as if there had been room all the time"
    done
else
    skip "a full disk" "a file system cannot be mounted here, not even in a namespace"
fi

# ---- a folder that cannot be written ----

cat >read_only.sh <<'END'
mount --bind run run && mount -o remount,bind,ro run || exit 99
timeout -k 5 120 "$mpirun" -n 2 $train --out run --resume auto >out 2>err </dev/null
echo $? >code
timeout -k 5 120 $train --out run/new >out 2>err.new </dev/null
echo $? >code.new
END
rm -rf run
# shellcheck disable=SC2086
runs 0 $train --out run --max-steps 6
cp -r run kept
if [ -n "$namespace" ] && $namespace mount --bind run run 2>/dev/null; then
    $namespace sh read_only.sh
    result $? "RUN on a read-only file system"
    equal "$(cat code)" 1 "going on there ends with exit code 1"
    tells "Read-only file system"
    says "run: Read-only file system; make the folder writable, or go on in another --out with --resume run/last"
    same run kept "nothing of it has changed"
    equal "$(cat code.new)" 1 "so does beginning there"
    found err.new "run/new: Read-only file system"
else
    skip "a read-only RUN" "a file system cannot be mounted here"
fi
# Permissions do not bind root: then somebody else tries.
chmod 755 . && chmod -R a-w run
as=
if [ "$(id -u)" -eq 0 ]; then as="setpriv --reuid=65534 --regid=65534 --clear-groups"; fi
if [ -z "$as" ] || $as "$dragoman" --version >/dev/null 2>&1; then
    # shellcheck disable=SC2086
    runs 1 $as $train --out run --resume auto
    tells "Permission denied"
    says "make the folder writable"
    # shellcheck disable=SC2086
    runs 1 $as $train --out run/new
    says "run/new: Permission denied"
    # shellcheck disable=SC2086
    runs 1 $as $dragoman prepare --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 330 --out run/data
    says "run/data"
    says "Permission denied"
else
    skip "a folder without permission to write" "the program cannot be started as another user here"
fi
chmod -R u+w run
# shellcheck disable=SC2086
runs 0 $train --out run --resume auto
equal "$(cd run && sha256sum checkpoints/step-00000010/model.safetensors)" "$(cd whole && sha256sum checkpoints/step-00000010/model.safetensors)" "with permission it goes on"

# ---- a file where a folder should be ----

echo text >file
# shellcheck disable=SC2086
runs 1 $train --out file
says "file exists and is not a folder"
# shellcheck disable=SC2086
runs 1 $train --out file/run
says "file"
[ "$(cat file)" = text ]
result $? "the file is as it was"

done_testing
