/* Made-up sentence pairs whose lengths and frequencies are like those of real text: for measuring where no text is at hand.
 *
 * They are modelled on Multi30k, English to German, in 10,000 joint pieces (29,000 pairs; source length 14.0 +- 4.6 pieces, target 14.4 +- 5.2,
 * correlation 0.86): the source length is log-normal, exp(N(2.591, 0.313)), the target length is the source's times exp(N(0.014, 0.182)), both
 * rounded and cut to 2 to 128; the rank of a piece is log-uniform, floor(V^u) with u uniform in [0, 1) (Zipf's law: the 10 commonest of 10,000
 * make up a quarter of the text, the 1,000 commonest three quarters; in Multi30k 24 % and 79 %). */
#ifndef DGM_SYNTHETIC_H
#define DGM_SYNTHETIC_H

#include "dgm/dataset.h"

/* n_pairs >= 1 pairs of ids from 4 to vocab_size - 1, the same for the same arguments; vocab_size >= 5.  Not collective. */
dgm_err dgm_synthetic_dataset(uint64_t seed, int64_t vocab_size, int64_t n_pairs, dgm_dataset **out);

#endif
