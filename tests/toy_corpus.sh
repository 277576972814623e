# A parallel corpus that a model can learn within seconds; source it after tap.sh.

toy_corpus() { # 400 pairs in src and tgt, 20 in valid.src and valid.tgt: two made-up languages, in one the adjective follows the noun
    awk 'BEGIN {
        split("red old small big new", adj); split("house dog tree car boat bird", noun)
        split("rote alte kleine große neue", adj_tgt); split("Haus Hund Baum Auto Boot Vogel", noun_tgt)
        for (i = 0; i < 400; i++) {
            a = i % 5 + 1; n = int(i / 5) % 6 + 1; m = int(i / 30) % 6 + 1
            print "the " adj[a] " " noun[n] " sees " i " of my " noun[m] "s." >"src"
            print "das " noun_tgt[n] " " adj_tgt[a] " sieht " i " meiner " noun_tgt[m] "." >"tgt"
        }
    }'
    head -n 20 src >valid.src
    head -n 20 tgt >valid.tgt
}
