#!/bin/sh
# The report in a browser (Debian's chromium): nothing in the console, no wider than a telephone's window, dark where the reader wants it dark.
# Pictures of it are kept where DGM_SCREENSHOTS names a folder.
. "$DGM_SRCDIR/tests/tap.sh"
. "$DGM_SRCDIR/tests/toy_corpus.sh"
browser=$(command -v chromium || command -v chromium-browser) || skip_all "no chromium: apt-get install --no-install-recommends chromium"

browse() { # browse OPTIONS... URL: what the page looks like is in the file dom, what the browser says in err
    timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --user-data-dir="$tmp/profile" --disable-extensions \
        --no-first-run --allow-file-access-from-files --enable-logging=stderr --virtual-time-budget=5000 "$@" >dom 2>err
}
shoot() { # shoot NAME WIDTH,HEIGHT SCHEME (0 dark, 1 light)
    [ -n "$DGM_SCREENSHOTS" ] || return 0
    browse --window-size="$2" --blink-settings=preferredColorScheme="$3" --screenshot="$DGM_SCREENSHOTS/$1.png" "file://$tmp/page.html"
}
# What a frame of the given width finds: its content's width, and the page's background.
measure() { # measure WIDTH SCHEME
    cat >frame.html <<END
<!DOCTYPE html><html><head><meta name="color-scheme" content="light dark"></head><body style="margin:0"><iframe id="f" src="page.html" style="border:0;width:$1px;height:900px"></iframe><p id="out"></p>
<script>document.getElementById('f').onload = function () {
    var d = document.getElementById('f').contentDocument;
    d.querySelectorAll('details').forEach(function (x) { x.open = true; });
    document.getElementById('out').textContent = 'width ' + d.documentElement.scrollWidth + ' back ' + getComputedStyle(d.body).backgroundColor
        + ' sections ' + d.querySelectorAll('section').length;
};</script></body></html>
END
    browse --window-size=1200,1000 --blink-settings=preferredColorScheme="$2" --dump-dom "file://$tmp/frame.html"
    sed -n 's/.*<p id="out">\(.*\)<\/p>.*/\1/p' dom >measured
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
log_every = 2
validate_every = 10
bleu_every = 2
checkpoint_every = 40
max_steps = 60
END
runs 0 "$dragoman" prepare --src src --tgt tgt --valid-src valid.src --valid-tgt valid.tgt --vocab-size 420 --out data
runs 0 "$dragoman" train --data data --config small.cfg --out first
runs 0 "$dragoman" train --data data --config small.cfg --out another-with-a-rather-long-name-for-a-telephone --seed 2 --dropout 0.3
awk 'BEGIN { for (i = 0; i < 300; i++) printf "x"; print " <script>console.log(1)</script>" }' >>valid.src
echo 'שלום עולם <img src=x onerror=console.log(1)>' >>valid.tgt
runs 0 "$dragoman" report first another-with-a-rather-long-name-for-a-telephone --src valid.src --ref valid.tgt --samples 21 --out page.html

# That the browser would tell.
echo '<!DOCTYPE html><script>console.log("seen")</script>' >loud.html
browse --dump-dom "file://$tmp/loud.html"
found err 'seen'

browse --dump-dom "file://$tmp/page.html"
result $? "the browser opens the page"
found dom 'id="attention"' 1
equal "$(grep -c CONSOLE err)" 0 "nothing in the console"
grep CONSOLE err | sed 's/^/# /'
for width in 320 390 1100; do
    measure $width 1
    equal "$(sed 's/ back.*//' measured)" "width $width" "a window of $width pixels: nothing is wider, everything unfolded"
    found measured 'sections 7' 1
done
found measured 'back rgb(246, 247, 249)' 1
measure 390 0
found measured 'back rgb(16, 19, 23)' 1

shoot phone-light 500,2400 1
shoot phone-dark 500,2400 0
shoot desktop-light 1280,2400 1
shoot desktop-dark 1280,2400 0
done_testing
