/* A sentence is first chosen as structure, then said twice, once in each language's order and forms.
 *
 * While the English words are put down, each part notes where its word stands; the Weldish side names these places, which gives the
 * word-by-word dictionary that the learned translation has to beat. */
#include "dgm/demo_grammar.h"

#include "dgm/error.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    const dgm_demo_determiner *determiner;
    const dgm_demo_adjective *adjective;           /* or NULL */
    const dgm_demo_noun *noun, *modifier;          /* modifier: NULL unless "NOUN of the MODIFIER" */
    int at_determiner, at_adjective, at_noun;      /* places of the English words */
} noun_phrase;

typedef struct {
    noun_phrase subject, object, recipient, place;
    const dgm_demo_verb *verb;
    const dgm_demo_word *preposition; /* NULL: no place */
    const dgm_demo_word *time;        /* NULL: none */
    dgm_demo_tense tense;
    bool negative;
    int at_auxiliary, at_not, at_verb, at_preposition, at_time;
} clause;

typedef struct {
    dgm_rng rng;
    uint64_t index, n_draws;
    dgm_demo_pair *out;
} speaker;

/* ---- choosing ---- */

static int below(speaker *s, int n) { return (int)dgm_rng_below(s->rng, (uint64_t)n, s->index, s->n_draws++); }
static bool chance(speaker *s, int percent) { return below(s, 100) < percent; }

static const dgm_demo_noun *choose_noun(speaker *s, int kind)
{
    for (;;) {
        const dgm_demo_noun *noun = &dgm_demo_nouns[below(s, dgm_demo_n_nouns)];
        if ((noun->kind & kind) == kind) return noun;
    }
}

static const dgm_demo_verb *choose_verb(speaker *s, dgm_demo_valency valency)
{
    for (;;) {
        const dgm_demo_verb *verb = &dgm_demo_verbs[below(s, dgm_demo_n_verbs)];
        if (verb->valency == valency) return verb;
    }
}

/* "the" as often as all others together. */
static const dgm_demo_determiner *choose_determiner(speaker *s, bool plural)
{
    bool the = chance(s, 50);
    for (;;) {
        const dgm_demo_determiner *d = &dgm_demo_determiners[below(s, dgm_demo_n_determiners)];
        if (d->plural == plural && (strcmp(d->english, "the") == 0) == the) return d;
    }
}

static const dgm_demo_adjective *choose_adjective(speaker *s, int kind)
{
    for (;;) {
        const dgm_demo_adjective *adjective = &dgm_demo_adjectives[below(s, dgm_demo_n_adjectives)];
        if (kind == DGM_DEMO_PERSON || !adjective->of_persons) return adjective;
    }
}

static noun_phrase choose_noun_phrase(speaker *s, int kind, int percent_adjective)
{
    noun_phrase p = {.noun = choose_noun(s, kind), .determiner = choose_determiner(s, chance(s, 30))};
    if (chance(s, percent_adjective)) p.adjective = choose_adjective(s, kind);
    if ((p.noun->kind & DGM_DEMO_PART) && chance(s, 60)) p.modifier = choose_noun(s, DGM_DEMO_PLACE);
    return p;
}

static dgm_demo_valency choose_valency(speaker *s)
{
    int percent = below(s, 100);
    return percent < 50   ? DGM_DEMO_TRANSITIVE
           : percent < 62 ? DGM_DEMO_TRANSITIVE_DATIVE
           : percent < 82 ? DGM_DEMO_DITRANSITIVE
                          : DGM_DEMO_INTRANSITIVE;
}

static clause choose_clause(speaker *s, dgm_demo_valency valency, bool short_one)
{
    int adjectives = short_one ? 20 : 40;
    clause c = {.verb = choose_verb(s, valency), .subject = choose_noun_phrase(s, DGM_DEMO_PERSON, adjectives),
                .tense = (dgm_demo_tense)below(s, 3), .negative = chance(s, 15)};
    bool of_persons = valency == DGM_DEMO_TRANSITIVE_DATIVE || (valency == DGM_DEMO_TRANSITIVE && chance(s, 40));
    if (valency != DGM_DEMO_INTRANSITIVE) c.object = choose_noun_phrase(s, of_persons ? DGM_DEMO_PERSON : DGM_DEMO_THING, adjectives);
    if (valency == DGM_DEMO_DITRANSITIVE) c.recipient = choose_noun_phrase(s, DGM_DEMO_PERSON, adjectives);
    if (!short_one && chance(s, valency == DGM_DEMO_INTRANSITIVE ? 70 : 30)) {
        c.preposition = &dgm_demo_prepositions[below(s, dgm_demo_n_prepositions)];
        c.place = choose_noun_phrase(s, DGM_DEMO_PLACE, adjectives);
    }
    if (!short_one && chance(s, 40)) {
        const dgm_demo_time *t = &dgm_demo_times[below(s, dgm_demo_n_times)];
        c.time = &t->word;
        c.tense = t->tense;
    }
    return c;
}

/* ---- English ---- */

static int say(speaker *s, const char *word)
{
    dgm_demo_pair *out = s->out;
    DGM_ASSERT(out->src.n < DGM_DEMO_ROOM && strlen(word) < DGM_DEMO_WORD_BYTES);
    strcpy(out->src.word[out->src.n], word);
    out->in_compound[out->src.n] = false;
    return out->src.n++;
}

static void say_noun_phrase(speaker *s, noun_phrase *p)
{
    char noun[DGM_DEMO_WORD_BYTES];
    dgm_demo_english_noun(p->noun, p->determiner->plural, noun);
    const char *next = p->adjective != NULL ? p->adjective->word.english : noun;
    bool an = strcmp(p->determiner->english, "a") == 0 && strchr("aeiou", next[0]) != NULL;
    p->at_determiner = say(s, an ? "an" : p->determiner->english);
    if (p->adjective != NULL) p->at_adjective = say(s, p->adjective->word.english);
    p->at_noun = say(s, noun);
    if (p->modifier == NULL) return;
    say(s, "of");
    say(s, "the");
    int last = say(s, p->modifier->english);
    for (int i = p->at_noun; i <= last; i++) s->out->in_compound[i] = true;
}

/* "sees", "saw", "will see", "does not see", "did not see", "will not see" */
static void say_verb(speaker *s, clause *c)
{
    bool plural = c->subject.determiner->plural, future = c->tense == DGM_DEMO_FUTURE, past = c->tense == DGM_DEMO_PAST;
    if (future || c->negative) c->at_auxiliary = say(s, future ? "will" : past ? "did" : plural ? "do" : "does");
    if (c->negative) c->at_not = say(s, "not");
    bool bare = future || c->negative || (!past && plural);
    c->at_verb = say(s, bare ? c->verb->english : past ? c->verb->past : c->verb->third);
}

static void say_clause(speaker *s, clause *c)
{
    say_noun_phrase(s, &c->subject);
    say_verb(s, c);
    if (c->object.noun != NULL) say_noun_phrase(s, &c->object);
    if (c->recipient.noun != NULL) {
        say(s, "to");
        say_noun_phrase(s, &c->recipient);
    }
    if (c->preposition != NULL) {
        c->at_preposition = say(s, c->preposition->english);
        say_noun_phrase(s, &c->place);
    }
    if (c->time != NULL) c->at_time = say(s, c->time->english);
}

/* ---- Weldish ---- */

static void put(speaker *s, const char *word, int source)
{
    dgm_demo_pair *out = s->out;
    DGM_ASSERT(out->tgt.n < DGM_DEMO_ROOM && strlen(word) < DGM_DEMO_WORD_BYTES);
    strcpy(out->tgt.word[out->tgt.n], word);
    out->source[out->tgt.n++] = source;
}

static void put_noun_phrase(speaker *s, const noun_phrase *p, dgm_demo_case kase)
{
    char word[DGM_DEMO_WORD_BYTES];
    bool plural = p->determiner->plural;
    put(s, dgm_demo_weldish_determiner(p->determiner, p->noun->gender, kase), p->at_determiner);
    dgm_demo_weldish_noun(p->noun, p->modifier, plural, word);
    put(s, word, p->at_noun);
    if (p->adjective == NULL) return;
    dgm_demo_weldish_adjective(p->adjective, p->noun->gender, kase, plural, word);
    put(s, word, p->at_adjective);
}

static void put_finite_verb(speaker *s, const clause *c)
{
    char word[DGM_DEMO_WORD_BYTES];
    bool plural = c->subject.determiner->plural;
    int auxiliary = c->tense == DGM_DEMO_FUTURE || c->negative ? c->at_auxiliary : c->at_verb;
    if (c->tense == DGM_DEMO_PAST) put(s, plural ? "haband" : "hat", auxiliary);
    else if (c->tense == DGM_DEMO_FUTURE) put(s, plural ? "skuland" : "skal", auxiliary);
    else {
        dgm_demo_weldish_present(c->verb, plural, word);
        put(s, word, c->at_verb);
    }
}

/* All between the finite verb's two places: whom, where, what, not, and the rest of the verb. */
static void put_middle(speaker *s, const clause *c)
{
    char word[DGM_DEMO_WORD_BYTES];
    bool dative = c->verb->valency == DGM_DEMO_TRANSITIVE_DATIVE;
    if (c->recipient.noun != NULL) put_noun_phrase(s, &c->recipient, DGM_DEMO_DATIVE);
    if (c->preposition != NULL) {
        put_noun_phrase(s, &c->place, DGM_DEMO_DATIVE);
        put(s, c->preposition->weldish, c->at_preposition);
    }
    if (c->object.noun != NULL) put_noun_phrase(s, &c->object, dative ? DGM_DEMO_DATIVE : DGM_DEMO_ACCUSATIVE);
    if (c->negative) put(s, "ni", c->at_not);
    if (c->tense == DGM_DEMO_PRESENT) return;
    if (c->tense == DGM_DEMO_PAST) dgm_demo_weldish_participle(c->verb, word);
    else dgm_demo_weldish_infinitive(c->verb, word);
    put(s, word, c->at_verb);
}

static void put_main_clause(speaker *s, const clause *c)
{
    if (c->time != NULL) put(s, c->time->weldish, c->at_time);
    else put_noun_phrase(s, &c->subject, DGM_DEMO_NOMINATIVE);
    put_finite_verb(s, c);
    if (c->time != NULL) put_noun_phrase(s, &c->subject, DGM_DEMO_NOMINATIVE);
    put_middle(s, c);
}

static void put_subordinate_clause(speaker *s, const clause *c)
{
    put_noun_phrase(s, &c->subject, DGM_DEMO_NOMINATIVE);
    put_middle(s, c);
    put_finite_verb(s, c);
}

/* ---- sentences ---- */

static void simple_sentence(speaker *s)
{
    clause c = choose_clause(s, choose_valency(s), false);
    say_clause(s, &c);
    put_main_clause(s, &c);
}

static void two_clauses(speaker *s, clause *first, const dgm_demo_word *link)
{
    clause second = choose_clause(s, chance(s, 50) ? DGM_DEMO_INTRANSITIVE : DGM_DEMO_TRANSITIVE, true);
    say_clause(s, first);
    int at_link = say(s, link->english);
    say_clause(s, &second);
    put_main_clause(s, first);
    s->out->tgt.comma_after = s->out->tgt.n - 1;
    put(s, link->weldish, at_link);
    put_subordinate_clause(s, &second);
}

static void sentence(speaker *s)
{
    static const dgm_demo_word that = {"that", "thatei"};
    int percent = below(s, 100);
    if (percent < 70) {
        simple_sentence(s);
    } else if (percent < 85) {
        clause c = choose_clause(s, DGM_DEMO_INTRANSITIVE, true);
        c.verb = choose_verb(s, DGM_DEMO_SAYING);
        two_clauses(s, &c, &that);
    } else {
        clause c = choose_clause(s, chance(s, 50) ? DGM_DEMO_INTRANSITIVE : DGM_DEMO_TRANSITIVE, true);
        two_clauses(s, &c, &dgm_demo_conjunctions[below(s, dgm_demo_n_conjunctions)]);
    }
}

void dgm_demo_sentence(dgm_rng rng, uint64_t index, dgm_demo_pair *out)
{
    speaker s = {.rng = rng, .index = index, .out = out};
    do {
        out->src.n = out->tgt.n = 0;
        out->src.comma_after = out->tgt.comma_after = -1;
        sentence(&s);
    } while (out->src.n < DGM_DEMO_MIN_WORDS || out->src.n > DGM_DEMO_MAX_WORDS);
}

void dgm_demo_line(const dgm_demo_side *side, char *out)
{
    char *at = out;
    for (int i = 0; i < side->n; i++) at += sprintf(at, "%s%s%s", i > 0 ? " " : "", side->word[i], i == side->comma_after ? "," : "");
    if (*out >= 'a' && *out <= 'z') *out -= 'a' - 'A';
    strcpy(at, ".");
}
