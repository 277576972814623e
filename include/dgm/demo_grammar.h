/* Sentence pairs of the demonstration: random sentences of a small English with their one translation into Weldish.
 *
 *                English                                   Weldish
 *   order        subject verb object "to" whom where when  when verb subject whom where object [not] verb
 *                                                          (the finite verb second; participle and infinitive last)
 *   clauses      "because the dog sleeps"                  the finite verb last of all: ", unte sa hund slepith"
 *   adjectives   before the noun                           behind it, agreeing in gender, case and number
 *   places       preposition: "in the garden"              postposition with the dative: "tham gard inna"
 *   compounds    "the key of the house"                    one word: "sa husslutil"
 *   past         "saw"                                     "hat ... gasehad"
 *   negation     "does not see"                            "sehith ... ni"
 * The endings and articles are demo_lexicon.h's. */
#ifndef DGM_DEMO_GRAMMAR_H
#define DGM_DEMO_GRAMMAR_H

#include "dgm/demo_lexicon.h"
#include "dgm/rng.h"

enum { DGM_DEMO_MIN_WORDS = 4, DGM_DEMO_MAX_WORDS = 12, DGM_DEMO_ROOM = 32 };

typedef struct {
    int n; /* words */
    char word[DGM_DEMO_ROOM][DGM_DEMO_WORD_BYTES]; /* [n], in lower case */
    int comma_after;                               /* the word before the only comma, -1 for none */
} dgm_demo_side;

typedef struct {
    dgm_demo_side src, tgt;          /* DGM_DEMO_MIN_WORDS <= src.n <= DGM_DEMO_MAX_WORDS */
    int source[DGM_DEMO_ROOM];       /* [tgt.n]: the source word that the target word stands for */
    bool in_compound[DGM_DEMO_ROOM]; /* [src.n]: part of a phrase that became one word */
} dgm_demo_pair;

/* Pair number `index`: a function of (rng, index) alone. */
void dgm_demo_sentence(dgm_rng rng, uint64_t index, dgm_demo_pair *out);

enum { DGM_DEMO_LINE_BYTES = DGM_DEMO_ROOM * (DGM_DEMO_WORD_BYTES + 1) + 3 };

/* One side as a line of text, out[DGM_DEMO_LINE_BYTES]: "The old king sleeps." */
void dgm_demo_line(const dgm_demo_side *side, char *out);

#endif
