#!/bin/sh
# dragoman report as a user calls it, on toy runs: what the page holds and that its numbers are those of the other commands, the same bytes on any number of
# ranks, text that would like to be markup, runs that are not whole, what is refused.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"

well_formed() { # well_formed FILE NAME
    if command -v xmllint >/dev/null; then
        xmllint --noout "$1" 2>err
        result $? "$2: well-formed"
    else
        result 0 "$2: well-formed # SKIP no xmllint"
    fi
}

toy_corpus
cat >small.cfg <<'END'
d_model = 32
d_ff = 64
n_heads = 4
n_encoder_layers = 1
n_decoder_layers = 2
batch_tokens = 400
learning_rate = 0.005
warmup_steps = 20
clip_norm = 1
log_every = 5
validate_every = 20
bleu_every = 1
checkpoint_every = 40
max_steps = 80
END
runs 0 "$dragoman" prepare --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 420 --out data
runs 0 "$dragoman" train --data data --config small.cfg --out a
runs 0 "$dragoman" train --data data --config small.cfg --out b --seed 2 --max-steps 60

# ---- the page ----

runs 0 "$dragoman" report a b --out page.html --samples 6
well_formed page.html "two runs"
found page.html '<!DOCTYPE html>' 1
found page.html '<script' 0
found page.html 'javascript:' 0
equal "$(grep -oE '(https?|data):[^" ;]*' page.html | sort -u | tr '\n' ' ')" "data: data:, http://www.w3.org/2000/svg " "no address but that of SVG's name"
equal "$(grep -c '<figure class="chart">' page.html)" 6 "six curves"
for part in glance scores curves translations attention settings data; do
    equal "$(grep -c "<section id=\"$part\">" page.html)-$(grep -c "href=\"#$part\"" page.html)" 1-1 "section $part, and a link to it"
done
found page.html '<b class="tag s0">A</b> <span class="name" dir="auto">a</span>'
found page.html 'ended after update 80 of 80'
found page.html '<th scope="row" class="code">seed</th><td class="code">1</td><td class="code">2</td><td class="small">what is learned</td>' 1
found page.html '<th scope="row" class="code">max_steps</th><td class="code">80</td><td class="code">60</td>'
found page.html '<th scope="row" class="code">out</th>' 1 # among all settings, not among those that differ
equal "$(grep -c '<article class="sample">' page.html | awk '{ print ($1 >= 6 && $1 <= 9) }')" 1 "six samples, and up to three on which the runs differ"
found page.html '<th scope="row"><span class="strong">kept</span></th><td class="num">400</td><td class="num">20</td>' 1
found page.html '<g class="cells">'
for ranks in 1 2 3; do
    runs 0 "$mpirun" -n $ranks "$dragoman" report a b --out again.html --samples 6
    same again.html page.html "$ranks ranks: the same page"
done
[ ! -e page.html.tmp ]
result $? "nothing is left beside it"

# ---- its numbers are those of eval and score ----

runs 0 "$dragoman" report a b --out test.html --src valid.src --ref valid.tgt
well_formed test.html "a text of one's own"
for run in a b; do "$dragoman" translate --model $run <valid.src >hyp.$run 2>err; done
"$dragoman" score --hyp hyp.a hyp.b --ref valid.tgt --metrics bleu chrf ter --paired-ar --confidence --json >scores 2>err
result $? "the same by score"
get() { "$DGM_BUILDDIR/tests/json_get" scores "$1"; }
for metric in BLEU chrF2 TER; do
    for system in 0 1; do
        found test.html "$(printf '<span class="strong">%.1f</span> ± %.1f<svg' "$(get $system.$metric.score)" "$(get $system.$metric.ci)")"
    done
    found test.html "$(printf '<td>%s</td><td class="num">' $metric)" 1
    grep "<td>$metric</td>" test.html | grep -qF -- "$(get 1.$metric.p_value | awk '{ printf ">%.4f</td>", $1 }')"
    result $? "$metric: the p-value of approximate randomization"
done
for run in a b; do
    "$dragoman" eval --model $run --src valid.src --ref valid.tgt --json >scores 2>err
    found test.html "$(printf '<td><span class="strong">%.3f</span> per token<span class="small">%.3f per word</span>' "$(get perplexity)" "$(get perplexity_per_word)")" 1
done
found test.html "tok:13a|smooth:exp|version:dragoman-"
# the best validation BLEU in metrics.jsonl
best=$(sed -n 's/.*"valid_bleu":\([0-9.e+-]*\).*/\1/p' a/metrics.jsonl | sort -g | tail -n 1)
found page.html "$(printf 'BLEU %.2f at update' "$best")"
nll=$(sed -n 's/.*"valid_nll":\([0-9.]*\).*/\1/p' a/metrics.jsonl | sort -g | head -n 1)
found page.html "$(printf '<span class="strong">%.4f</span> nats per token' "$nll")"
runs 0 "$dragoman" report a --out bleu.html --src valid.src --ref valid.tgt valid.tgt --metrics bleu --tokenize none --samples 2 --attention 0 --beam 1
found bleu.html 'nrefs:2|bs:1000|seed:12345|case:mixed|eff:no|tok:none'
found bleu.html 'TER' 0
found bleu.html 'of the first reference; lower is better' 1
found bleu.html 'Search: beam 1, length penalty paper 0.6.' 1
found bleu.html '<article class="sample">' 2
found bleu.html 'class="tag' 0

cp valid.src own.src
runs 0 "$dragoman" report a --out lf.html --src own.src --ref valid.tgt --samples 4 --length-penalty-kind average --min-length 2 --no-repeat-ngram 3 --seed 9
found lf.html 'Search: beam 5, length penalty average 1, at least 2 tokens, no 3-gram twice.' 1
found lf.html '|seed:9|'
sed 's/$/\r/' valid.src >own.src
runs 0 "$dragoman" report a --out crlf.html --src own.src --ref valid.tgt --samples 4 --length-penalty-kind average --min-length 2 --no-repeat-ngram 3 --seed 9
sed 's/␍</</' crlf.html >crlf.less
same crlf.less lf.html "source lines that end in CR LF: the same page"

# ---- scores of checkpoints, by eval --each ----

runs 0 "$dragoman" eval --each a --metrics bleu --json-out each.json
runs 0 "$dragoman" report a b --out each.html --no-translations --each each.json
score=$("$DGM_BUILDDIR/tests/json_get" each.json "models.$(($(ls a/checkpoints | wc -l) - 1)).bleu.score")
equal "$(printf %.6f "$score")" "$(sed -n 's/^{"step":80,.*"valid_bleu":\([0-9.e+-]*\).*/\1/p' a/metrics.jsonl | xargs printf %.6f)" "BLEU of the last checkpoint is that of the validation"
found each.html 'class="band b0"' 1
found each.html 'From eval --each on ' 1
cat >each.json <<'END'
{"run": "./a/", "src": "some <text>", "ref": ["r"], "complete": true, "skipped": [], "models": [
 {"model": "checkpoints/step-00000040", "step": 40, "nll": 2.5, "bleu": {"score": 10, "signature": "nrefs:1|bs:9|seed:1|tok:13a", "confidence_mean": 10.1, "confidence_var": 2}},
 {"model": "checkpoints/step-00000080", "step": 80, "nll": 2.1, "bleu": {"score": 20, "confidence_mean": 20.2, "confidence_var": 1.5}},
 {"model": "model.safetensors", "step": null, "nll": 2, "bleu": {"score": 21}}]}
END
runs 3 "$dragoman" report a b --out each.html --no-translations --each each.json
says 'is about the run ./a/, which is none of those'
sed -i 's,\./a/,a/,' each.json
runs 0 "$dragoman" report b a --out each.html --no-translations --each each.json
well_formed each.html "with scores of checkpoints"
found each.html '<desc>BLEU of each checkpoint' 1
found each.html 'class="band b1"' 1
found each.html 'From eval --each on some &lt;text&gt;. Bands are 95 % intervals.<br/><code>BLEU|nrefs:1|tok:13a</code>' 1
equal "$(grep -c '<figure class="chart">' each.html)" 7 "a curve more"
runs 2 "$dragoman" report a b --out each.html --each each.json each.json
says 'has told already'
sed 's/"step": 80/"step": 30/' each.json >falling.json
runs 3 "$dragoman" report a --out each.html --each falling.json
says 'falling.json: checkpoints/step-00000080: expected a "step"'
for damage in 's/"score": 20/"score": "x"/' 's/"score": 20/"score": 1e9/' 's/"confidence_var": 1.5/"confidence_var": "q"/' 's/"confidence_mean": 20.2, //'; do
    sed "$damage" each.json >damaged.json
    runs 3 "$dragoman" report a --out each.html --no-translations --each damaged.json
    says 'damaged.json: checkpoints/step-00000080: "bleu" is damaged'
done
sed 's/"bleu"/"ter"/' each.json >other.json
runs 3 "$dragoman" report a --out each.html --no-translations --each other.json
says 'other.json: checkpoints/step-00000040 has no "bleu", which is what the page draws: run eval --each with bleu among --metrics'
sed '/checkpoints/d' each.json >other.json
runs 3 "$dragoman" report a --out each.html --no-translations --each other.json
says 'other.json: no checkpoint has been scored'
# scores made in another way, of another text, without intervals, not all
sed 's/"run": "a/"run": "b/; s/tok:13a/tok:char/' each.json >other.json
runs 3 "$dragoman" report a b --out each.html --no-translations --each each.json other.json
says 'other.json: BLEU|nrefs:1|tok:char, but of run a BLEU|nrefs:1|tok:13a: in one plot they would compare nothing'
sed 's/"run": "a/"run": "b/; s/bs:9|seed:1|//; s/, "confidence_[a-z]*": [0-9.]*//g; s/"step": 40,/"step": 40, "lines": 7, "ref_words": 9,/; s/true/false/' each.json >other.json
runs 0 "$dragoman" report a b --out each.html --no-translations --each each.json other.json
found each.html 'From eval --each on some &lt;text&gt; and, on another text, some &lt;text&gt;, 7 lines. Bands are 95 % intervals. Not all checkpoints of b were scored yet.<br/>' 1
runs 0 "$dragoman" report b --out each.html --no-translations --each other.json
found each.html 'some &lt;text&gt;, 7 lines. Not all' 1
echo '{"run": "a"}' >none.json
runs 3 "$dragoman" report a --out each.html --each none.json
says 'none.json: expected the JSON of eval --each'

# ---- text that would like to be markup ----

printf '%s\n' '<script>alert("1")</script>' "'\"&amp;<b>" '</dd></dl><img src=x onerror=alert(1)>' 'the red house' >hostile.src
printf 'שלום עולם \342\200\256abc\n' >>hostile.src
printf 'a\033[31mb\tc\001 \177\n' >>hostile.src
printf '   \n]]>--><!--\n' >>hostile.src
sed 's/house/Haus <i>/' hostile.src >hostile.tgt
cp -r a '<b onload="x">&'
runs 0 "$dragoman" report '<b onload="x">&' b --out hostile.html --src hostile.src --ref hostile.tgt --samples 20
well_formed hostile.html "hostile text"
found hostile.html '<script' 0
found hostile.html '<img' 0
found hostile.html '<i>' 0
found hostile.html 'onload="x"' 0
found hostile.html '&lt;b onload=&quot;x&quot;&gt;&amp;'
found hostile.html '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;</dd>'
found hostile.html 'dir="auto">שלום עולם'
found hostile.html "$(printf 'a␛[31mb\tc␁ ␡</dd>')"
equal "$(LC_ALL=C tr -d '\t\n\040-\176\200-\377' <hostile.html | wc -c)" 0 "no control character"
printf 'a \377 b\n' >invalid.src
runs 3 "$dragoman" report a --out never.html --src invalid.src --ref invalid.src
says 'invalid.src'

# ---- runs that are not whole ----

cp -r a going
rm going/model.safetensors
sed -i '/^  "result": {/,/^  }/d' going/run.json
printf '{"step":85,"epo' >>going/metrics.jsonl
runs 0 "$dragoman" report going b --out going.html
well_formed going.html "a run under way"
found going.html 'not ended</span>: logged up to update 80 of 80' 1
found going.html 'no result yet; here stands the best checkpoint, step-000000'
rm -r going/checkpoints going/best going/last going/timing.jsonl
runs 0 "$dragoman" report going b --out going.html
well_formed going.html "a run without a model"
found going.html 'no model to translate with' 1
found going.html 'not recorded'
runs 0 "$dragoman" report going --out going.html
found going.html 'The run has neither a result nor a checkpoint yet.' 1
found going.html 'id="translations"' 0
mkdir young
cp a/metrics.jsonl young
runs 0 "$dragoman" report young --out young.html
found young.html 'run.json is missing' 1
found young.html 'settings are not known' 1

# ---- other data, none at all ----

runs 0 "$dragoman" prepare --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 400 --out data400
runs 0 "$dragoman" train --data data400 --config small.cfg --out c --max-steps 20 --bleu-every 0
runs 0 "$dragoman" report a c --out other.html
found other.html 'have no validation part in common' 1
found other.html 'not all trained on the same data' 1
runs 0 "$dragoman" report a c --out other.html --src valid.src --ref valid.tgt
found other.html 'Is the difference real?' 1
mv data400 gone
runs 0 "$dragoman" report c --out gone.html
found gone.html 'It was not found at'
cp -r data data400
runs 0 "$dragoman" report c --out gone.html
found gone.html 'now is other data.'
runs 0 "$dragoman" report a b --out plain.html --no-translations
well_formed plain.html "without translations"
found plain.html 'not asked for' 1
found plain.html 'class="sample"' 0
runs 2 "$dragoman" report a b --out plain.html --no-translations --src valid.src --ref valid.tgt
says '--src is about translations, which --no-translations leaves out'
for option in '--metrics ter' '--lowercase' '--beam 3' '--attention 1'; do
    runs 2 "$dragoman" report a b --out plain.html --no-translations $option
    says "${option% *} is about translations, which --no-translations leaves out"
done
runs 2 "$dragoman" report a b --out plain.html --no-confidence
says '--no-confidence: the scores of a report always have their intervals'
cp valid.src valid.before && cp a/run.json run.before
runs 2 "$dragoman" report a b --src valid.src --ref valid.tgt --out valid.src
says '--out and --src are both valid.src: give two names'
runs 2 "$dragoman" report a b --out a/run.json
says '--out a/run.json would be written over the run a'
for out in a/last/model.safetensors a/metrics.jsonl data/manifest.json data/tokenizer.json; do
    [ -f $out ] || echo "# $out is not there"
    runs 2 "$dragoman" report a b --out $out
    says "--out $out would be written over the"
done
runs 0 "$dragoman" report a b --out plain.html --no-translations --samples 0 --attention 0 --no-lowercase
same valid.src valid.before "the text is what it was"
same a/run.json run.before "so is the run"
mkdir elsewhere
cp -r a elsewhere/a
runs 0 "$dragoman" report a elsewhere/a --out plain.html --no-translations
found plain.html 'dir="auto">elsewhere/a</span>'
found plain.html 'In no setting, and in neither data nor version.' 1

# ---- what is refused ----

runs 2 "$dragoman" report --out x.html
says 'expected the folder of a run'
runs 2 "$dragoman" report a
says 'missing --out'
runs 2 "$dragoman" report a b a --out x.html
says 'a is given twice'
runs 2 "$dragoman" report a --out -
says 'name a file'
runs 2 "$dragoman" report a --out x.html --src valid.src
says '--src without --ref'
runs 3 "$dragoman" report nothing --out x.html
says 'nothing is no folder'
runs 3 "$dragoman" report data --out x.html
says 'neither run.json nor metrics.jsonl'
runs 3 "$dragoman" report a --out x.html --src nothing --ref valid.tgt
says 'nothing'
runs 3 "$dragoman" report a --out x.html --src valid.src --ref src
says 'has 20 lines and src has 400'
runs 1 "$dragoman" report a --out no/such/x.html
says 'its folder does not exist'
runs 1 "$dragoman" report a --out data
says 'is a folder'
cp -r a damaged
sed -i '3s/"loss":/"loss"/' damaged/metrics.jsonl
runs 3 "$dragoman" report damaged --out x.html
says 'damaged/metrics.jsonl, line 3 is damaged'
cp a/metrics.jsonl damaged/metrics.jsonl
echo '{' >damaged/run.json
runs 3 "$dragoman" report damaged --out x.html
says 'damaged/run.json'
cp a/run.json damaged/run.json
printf 'x' | dd of=damaged/model.safetensors bs=1 seek=20000 conv=notrunc 2>/dev/null
runs 3 "$mpirun" -n 2 "$dragoman" report b damaged --out x.html
says 'damaged/model.safetensors'
[ ! -e x.html ] && [ ! -e never.html ]
result $? "no page of what was refused"
done_testing
