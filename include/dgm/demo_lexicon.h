/* The words of the demonstration's two languages and how they change.
 *
 * The source is plain English.  The target, Weldish, is invented: its sound is that of an old Germanic language, its grammar a few
 * strict rules.  What English says with word order and small words, Weldish says with endings:
 *
 *   gender     every noun is m, f or n; articles, numbers and adjectives agree with it
 *   case       nominative, accusative, dative: on articles, numbers and adjectives; in the plural no gender
 *   plural     -ar (m), -en (f; a final -a falls), -ir (n)
 *   compounds  "the door of the house" is one word: modifier, -s- (m, n) or -n- (f), head; the head's gender
 *   verbs      present -ith, plural -and; infinitive -an; participle ga- -ad */
#ifndef DGM_DEMO_LEXICON_H
#define DGM_DEMO_LEXICON_H

#include <stdbool.h>
#include <stddef.h>

enum { DGM_DEMO_WORD_BYTES = 48 };

typedef enum { DGM_DEMO_M, DGM_DEMO_F, DGM_DEMO_N } dgm_demo_gender;
typedef enum { DGM_DEMO_NOMINATIVE, DGM_DEMO_ACCUSATIVE, DGM_DEMO_DATIVE } dgm_demo_case;

typedef enum {
    DGM_DEMO_PERSON = 1, /* acts and receives: people and animals */
    DGM_DEMO_THING = 2,
    DGM_DEMO_PART = 4,  /* a thing that belongs to a place: heads of compounds */
    DGM_DEMO_PLACE = 8  /* also the modifiers of compounds */
} dgm_demo_kind;

typedef struct {
    const char *english, *plural; /* plural NULL: -s */
    const char *stem;
    dgm_demo_gender gender;
    int kind; /* of dgm_demo_kind */
} dgm_demo_noun;

typedef enum {
    DGM_DEMO_INTRANSITIVE,
    DGM_DEMO_TRANSITIVE,        /* object in the accusative */
    DGM_DEMO_TRANSITIVE_DATIVE, /* object in the dative: help, thank, follow */
    DGM_DEMO_DITRANSITIVE,      /* "gives a ring to the child" */
    DGM_DEMO_SAYING             /* "says that ..." */
} dgm_demo_valency;

typedef struct {
    const char *english, *third, *past;
    const char *stem;
    dgm_demo_valency valency;
} dgm_demo_verb;

typedef enum { DGM_DEMO_PRESENT, DGM_DEMO_PAST, DGM_DEMO_FUTURE } dgm_demo_tense;

typedef struct {
    const char *english, *weldish;
} dgm_demo_word;

typedef struct {
    dgm_demo_word word;
    bool of_persons; /* said of people and animals alone */
} dgm_demo_adjective;

typedef struct {
    dgm_demo_word word;
    dgm_demo_tense tense; /* that it goes with */
} dgm_demo_time;

typedef struct { /* article, demonstrative, number */
    const char *english;
    bool plural;
    const char *form[3][3]; /* [case][gender]; in the plural [case][0] */
} dgm_demo_determiner;

/* Each table ends with an entry whose first field is NULL; dgm_demo_n_... say how many entries come before. */
extern const dgm_demo_noun dgm_demo_nouns[];
extern const dgm_demo_verb dgm_demo_verbs[];
extern const dgm_demo_adjective dgm_demo_adjectives[];
extern const dgm_demo_word dgm_demo_prepositions[], dgm_demo_conjunctions[];
extern const dgm_demo_time dgm_demo_times[];
extern const dgm_demo_determiner dgm_demo_determiners[];
extern const int dgm_demo_n_nouns, dgm_demo_n_verbs, dgm_demo_n_adjectives, dgm_demo_n_prepositions, dgm_demo_n_conjunctions,
    dgm_demo_n_times, dgm_demo_n_determiners;

/* Forms, written into out[DGM_DEMO_WORD_BYTES]. */
void dgm_demo_english_noun(const dgm_demo_noun *noun, bool plural, char *out);
void dgm_demo_weldish_noun(const dgm_demo_noun *noun, const dgm_demo_noun *modifier, bool plural, char *out); /* modifier or NULL */
void dgm_demo_weldish_adjective(const dgm_demo_adjective *adjective, dgm_demo_gender gender, dgm_demo_case kase, bool plural, char *out);
const char *dgm_demo_weldish_determiner(const dgm_demo_determiner *determiner, dgm_demo_gender gender, dgm_demo_case kase);
void dgm_demo_weldish_present(const dgm_demo_verb *verb, bool plural, char *out);
void dgm_demo_weldish_infinitive(const dgm_demo_verb *verb, char *out);
void dgm_demo_weldish_participle(const dgm_demo_verb *verb, char *out);

#endif
