#!/bin/sh
# What README.md tells its readers to type works: every command is taken out of the text and run, on a small corpus under the README's
# names.  And what the documents name is there: links, files, sub-commands of bootstrap, settings of training.
#
# A command is: a line of a ```sh block; a code span that begins with "dragoman "; in the table "you want to | add to `train`" the
# code spans of a row that begin with "--", all together, added to the train command of the ```sh blocks.
# Training is made small by the program of that name that comes first on PATH here: it adds the settings in $tiny.
. "$DGM_SRCDIR/tests/tap.sh"
command -v zstd >/dev/null || { echo "1..0 # SKIP zstd is needed"; exit 0; }
readme=$DGM_SRCDIR/README.md

# ---- a place like the reader's ----

mkdir bin
cat >bin/dragoman <<'END'
#!/bin/sh
if [ "$1" = train ] && [ "$2" != --help ]; then exec "$DGM_BUILDDIR/dragoman" "$@" $tiny; fi
if [ "$1" = bench ]; then exec "$DGM_BUILDDIR/dragoman" "$@" --steps 1 --settle-steps 0 --no-ceilings; fi
exec "$DGM_BUILDDIR/dragoman" "$@"
END
printf '#!/bin/sh\nexec "%s" "$@"\n' "$(command -v "$mpirun")" >bin/mpirun
# Stands for Slurm's; tests/cli_slurm.sh and tests/cli_experiment.sh have a real one.
printf '#!/bin/sh\necho "$@" >>"%s/submitted"\necho 7\n' "$tmp" >bin/sbatch
chmod +x bin/*
PATH=$tmp/bin:$PATH
tiny="--d-model 16 --d-ff 32 --n-encoder-layers 1 --n-decoder-layers 1 --batch-tokens 300 --virtual-dp 2 --warmup-steps 2 --max-steps 4
 --log-every 1 --validate-every 2 --checkpoint-every 2 --average-last 2"
export PATH tiny
cp -r "$DGM_SRCDIR/jobs" . && chmod -R u+w jobs

# The demonstration's corpus; its training part also has lines of made-up words, for as many pieces as the README asks for.
"$dragoman" demo-corpus --out text --train 1500 --valid 12 --test 8 >out 2>err
result $? "a small corpus"
awk 'BEGIN { s = 1; for (i = 0; i < 4000; i++) { w = ""; for (k = 0; k < 9; k++) { s = (s * 16807) % 2147483647
    w = w substr("abcdefghijklmnopqrstuvwxyz", s % 26 + 1, 1) } print w, w } }' >words
cat text/train.en words >train.en && cat text/train.wld words >train.de
cp text/valid.en val.en && cp text/valid.wld val.de && cp text/test.en test.en && cp text/test.wld test.de
cp test.en other.hyp.de # another system's translations
rm -r text && zstd -q --rm train.en train.de val.en val.de test.en test.de

mkdir tok
for part in train val; do for l in en de; do cp $part.$l.zst tok/$part.lc.norm.tok.$l.zst; done; done
for l in en de; do cp test.$l.zst tok/test_2016_flickr.lc.norm.tok.$l.zst; done
mkdir raw tatoeba
for l in en de; do cp test.$l.zst raw/test_2016_flickr.$l.zst && cp test.$l.zst tatoeba/test.en-de.$l.zst; done
for l in en de; do cp train.$l.zst val.$l.zst raw && cp train.$l.zst tatoeba/train.en-de.$l.zst && cp val.$l.zst tatoeba/dev.en-de.$l.zst; done
for part in train val test_2016_flickr; do cp raw/$part.de.zst raw/$part.fr.zst; done

# ---- the commands ----

# Lines of ```sh blocks.
block_commands() { awk '/^```/ { inside = !inside && $0 == "```sh"; next } inside && NF' "$readme"; }

# Code spans outside of blocks, one a line, behind the number of their line and, in the table of additions, "add".
spans() {
    awk '/^```/ { block = !block } block { next }
        /^\|/ { if (!table) { table = 1; adds = /\| add to `train` \|/ } } !/^\|/ { table = adds = 0 }
        { n = split($0, part, "`"); for (i = 2; i <= n; i += 2) print NR, adds ? "add" : "span", part[i] }' "$readme"
}

block_commands >commands
spans | sed -n 's/^[0-9]* span \(dragoman .*\)/\1/p' >>commands
train=$(grep 'dragoman train ' commands | grep -v -- '--help' | head -n 1)
spans | awk '$2 == "add" && $3 ~ /^--/ { line = $1; $1 = $2 = ""; sub(/^ +/, ""); added[line] = added[line] " " $0; if (!(line in seen)) { seen[line] = 1; order[++n] = line } }
    END { for (i = 1; i <= n; i++) print added[order[i]] }' | sed 's/^ //; s,MODEL,runs/own/model.safetensors,' >additions

[ "$(wc -l <commands)" -ge 8 ] && [ "$(wc -l <additions)" -ge 6 ] && [ -n "$train" ]
result $? "the README has $(wc -l <commands) commands and $(wc -l <additions) additions to train"

run_command() { # run_command NAME COMMAND: exit code 0
    timeout 120 sh -c "$2" >out 2>err </dev/null
    result $? "$1"
}
while IFS= read -r command; do run_command "$command" "$command"; done <commands
[ "$(wc -l <test.hyp.de)" -eq 8 ] && [ -s runs/own/model.safetensors ] && [ -s mean.safetensors ]
result $? "they leave a model, a mean and a translation of every line"
[ "$(grep -c own.experiment submitted)" -eq 3 ]
result $? "the chain of three jobs is submitted"

n_run=0
while IFS= read -r addition; do
    n_run=$((n_run + 1))
    case $addition in
    --resume*) command="$train $addition" ;;
    *) command=$(printf '%s %s' "$train" "$addition" | sed "s,--out [^ ]*,--out runs/$n_run,") ;;
    esac
    run_command "train ... $addition" "$command"
    case $addition in
    --resume*) says "going on from" ;;
    --bleu*) says "BLEU" ;;
    esac
done <additions

# ---- what the documents name ----

grep -oE '\./bootstrap [a-z]+' "$readme" "$DGM_SRCDIR/CONTRIBUTING.md" | sed 's/.* //' | sort -u >named
: >out
while IFS= read -r word; do grep -q "^$word)" "$DGM_SRCDIR/bootstrap" || echo "bootstrap has no $word" >>out; done <named
[ -s named ] && [ ! -s out ]
result $? "bootstrap has the sub-commands named: $(tr '\n' ' ' <named)"

anchors() { # anchors FILE: of its headings, as they are written in links
    sed -n '/^```/,/^```/d; s/^#\{1,\} //p' "$1" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\n-'
}

# Relative links with their anchors, and code spans that are paths of this tree ({a,b} and NAMES in capitals are not).
: >out
for document in README.md CONTRIBUTING.md CHANGELOG.md $(cd "$DGM_SRCDIR" && ls docs/*.md); do
    folder=$DGM_SRCDIR/$(dirname "$document")
    grep -oE '\]\([^)]*\)' "$DGM_SRCDIR/$document" | sed 's/^](//; s/)$//' | grep -v '^https\{0,1\}:' | while IFS= read -r link; do
        file=$folder/${link%%#*}
        [ "${link%%#*}" ] || file=$DGM_SRCDIR/$document
        [ -e "$file" ] || echo "$document: link to $link, which is not there"
        case $link in
        *#*) anchors "$file" | grep -qx -- "${link#*#}" || echo "$document: link to $link: no such heading" ;;
        esac
    done >>out
    grep -oE '`(src|include|eval|data-prep|tests|docs|jobs|configs)/[a-z0-9_./-]+`' "$DGM_SRCDIR/$document" | tr -d '`' | while IFS= read -r path; do
        [ -e "$DGM_SRCDIR/$path" ] || echo "$document: $path is not there"
    done >>out
done
[ ! -s out ]
result $? "links and files that the documents name are there"

# Settings of the model and the update (what comes before the options of prepare) and of the run.
"$dragoman" train --help | sed -n '/--src FILE/q; s/^  --\([a-z0-9-]*\) .*/\1/p' | tr - _ >settings
: >out
while IFS= read -r setting; do
    grep -qE "\`(--)?($setting|$(echo "$setting" | tr _ -))[\` =]" "$DGM_SRCDIR/docs/training.md" || echo "docs/training.md does not speak of $setting" >>out
done <settings
[ "$(wc -l <settings)" -ge 30 ] && [ ! -s out ]
result $? "docs/training.md speaks of each of the $(wc -l <settings) settings of training"

# The exit codes are those of the program.
sed -n 's/^| \([0-9]*\) | .*/\1/p' "$readme" | sort -u >in-readme
{ echo 0; sed -n 's,.*exit \([0-9]*\) \*/.*,\1,p' "$DGM_SRCDIR/include/dgm/error.h"; } | sort -u >in-header
same in-readme in-header "the exit codes are those of error.h"

done_testing
