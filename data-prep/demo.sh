#!/bin/sh
# The main job on a corpus of the project's own: from text to a scored translation model in a few minutes.
#
#   sh data-prep/demo.sh [BUILD]      BUILD/dragoman is the program; everything is written to BUILD/demo
#
# Fails if the model translates the unseen sentences worse than it should (BLEU 90): it is the shortest test of the whole path, too.
set -eu
build=${1:-build}
dragoman=$build/dragoman
demo=$build/demo
[ -x "$dragoman" ] || { echo "demo: $dragoman is not there; ./bootstrap build makes it" >&2; exit 1; }

# One rank per core, one thread per rank; a batch is cut into 8 parts (virtual_dp of the configuration).
cores=$(nproc)
if command -v lscpu >/dev/null; then
    physical=$(lscpu -p=CORE,SOCKET 2>/dev/null | grep -v '^#' | sort -u | wc -l)
    [ "$physical" -ge 1 ] && [ "$physical" -lt "$cores" ] && cores=$physical
fi
ranks=$cores
[ "$ranks" -le 8 ] || ranks=8
export OMP_NUM_THREADS=1 BLIS_NUM_THREADS=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none
if [ "$(id -u)" -eq 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi

started=$(date +%s)
# Shows a command as a user would type it, and runs it.
run() {
    echo "\$ $*" >&2
    "$@"
}
step() { printf '\n== %s\n' "$*"; }

rm -rf "$demo"
mkdir -p "$demo"

step "1. A parallel corpus: English, and Weldish, a language of this project's own"
run "$dragoman" demo-corpus --out "$demo/text"
paste -d '\n' "$demo/text/train.en" "$demo/text/train.wld" | head -n 4 | sed 's/^/    /'

step "2. Prepare: a vocabulary of word pieces, and compressed training data"
run mpirun -n 1 "$dragoman" prepare --src "$demo/text/train.en" --tgt "$demo/text/train.wld" \
    --valid-src "$demo/text/valid.en" --valid-tgt "$demo/text/valid.wld" --vocab-size 1000 --out "$demo/data"

step "3. Train on $ranks ranks"
run mpirun -n "$ranks" "$dragoman" train --data "$demo/data" --config demo --out "$demo/run"

step "4. Evaluate on sentences that training has not seen, not even in another order of words"
run mpirun -n "$ranks" "$dragoman" eval --model "$demo/run/model.safetensors" --src "$demo/text/test.en" \
    --ref "$demo/text/test.wld" --hyp-out "$demo/test.hyp.wld" >"$demo/eval.txt"
cat "$demo/eval.txt"
echo "The best translation word by word, for comparison:"
"$dragoman" score --hyp "$demo/text/test.word-by-word.wld" --ref "$demo/text/test.wld"

step "5. Five of them"
for line in 4 6 14 16 20; do
    echo
    for each in "English      :text/test.en" "word by word :text/test.word-by-word.wld" "translation  :test.hyp.wld" \
        "reference    :text/test.wld"; do
        echo "  ${each%%:*} $(sed -n "${line}p" "$demo/${each#*:}")"
    done
done

cat <<END

== Next: your own text, a sentence per line (plain, .zst, .gz or .xz), line i of one file translating line i of the other

  mpirun -n 1 $dragoman prepare --src train.en --tgt train.de --valid-src valid.en --valid-tgt valid.de --vocab-size 10000 --out data/mine
  mpirun -n $ranks $dragoman train --data data/mine --config tiny --out runs/mine
  mpirun -n $ranks $dragoman eval --model runs/mine/model.safetensors --src test.en --ref test.de
  mpirun -n $ranks $dragoman translate --model runs/mine/model.safetensors < new.en > new.de

END
bleu=$(sed -n 's/^BLEU|.* = \([0-9.]*\) .*(BP.*/\1/p' "$demo/eval.txt")
echo "Done in $(($(date +%s) - started)) s; everything is in $demo."
if ! awk "BEGIN { exit !(\"$bleu\" != \"\" && $bleu + 0 > 90) }"; then
    echo "demo: BLEU ${bleu:-could not be read}, but it should be above 90: something is wrong with this build or machine" >&2
    exit 1
fi
