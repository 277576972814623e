/* The tables.  No English form stands for two things and no two words share a Weldish stem: every sentence has one translation. */
#include "dgm/demo_lexicon.h"

#include <stdio.h>
#include <string.h>

#define M DGM_DEMO_M
#define F DGM_DEMO_F
#define N DGM_DEMO_N
enum { PERSON = DGM_DEMO_PERSON, THING = DGM_DEMO_THING, PART = DGM_DEMO_THING | DGM_DEMO_PART, PLACE = DGM_DEMO_PLACE };

const dgm_demo_noun dgm_demo_nouns[] = {
    {"king", NULL, "kuning", M, PERSON},   {"queen", NULL, "kwena", F, PERSON},      {"smith", NULL, "smid", M, PERSON},
    {"baker", NULL, "bakar", M, PERSON},   {"child", "children", "barn", N, PERSON}, {"girl", NULL, "maga", F, PERSON},
    {"boy", NULL, "knaf", M, PERSON},      {"farmer", NULL, "bur", M, PERSON},       {"miller", NULL, "mular", M, PERSON},
    {"weaver", NULL, "webara", F, PERSON}, {"witch", "witches", "hagja", F, PERSON}, {"knight", NULL, "hild", M, PERSON},
    {"widow", NULL, "widuw", F, PERSON},   {"dog", NULL, "hund", M, PERSON},         {"cat", NULL, "katta", F, PERSON},
    {"horse", NULL, "hros", N, PERSON},    {"wolf", "wolves", "wulf", M, PERSON},    {"goat", NULL, "gait", F, PERSON},
    {"owl", NULL, "uwila", F, PERSON},     {"pig", NULL, "swin", N, PERSON},         {"apple", NULL, "apil", M, THING},
    {"cheese", NULL, "kas", M, THING},     {"ring", NULL, "hring", M, THING},        {"sword", NULL, "swerd", N, THING},
    {"boat", NULL, "skif", N, THING},      {"cup", NULL, "bikar", M, THING},         {"rope", NULL, "raip", N, THING},
    {"knife", "knives", "mess", N, THING}, {"letter", NULL, "rune", F, THING},       {"shoe", NULL, "skoh", M, THING},
    {"egg", NULL, "agl", N, THING},        {"coat", NULL, "pad", F, THING},          {"door", NULL, "dur", N, PART},
    {"key", NULL, "slutil", M, PART},      {"roof", NULL, "hrof", N, PART},          {"wall", NULL, "wand", F, PART},
    {"window", NULL, "luka", F, PART},     {"lamp", NULL, "fakla", F, PART},         {"bell", NULL, "klok", F, PART},
    {"stone", NULL, "stain", M, PART},     {"wheel", NULL, "rad", N, PART},          {"bread", NULL, "hlaif", M, PART},
    {"song", NULL, "laid", N, PART},       {"book", NULL, "bok", F, PART},           {"garden", NULL, "gard", M, PLACE},
    {"house", NULL, "hus", N, PLACE},      {"mill", NULL, "mulin", F, PLACE},        {"forest", NULL, "wald", M, PLACE},
    {"river", NULL, "aha", F, PLACE},      {"village", NULL, "thorp", N, PLACE},     {"market", NULL, "kaupa", F, PLACE},
    {"church", "churches", "kirk", F, PLACE}, {"tower", NULL, "turn", M, PLACE},     {"bridge", NULL, "brug", F, PLACE},
    {"island", NULL, "auja", F, PLACE},    {"mountain", NULL, "berg", M, PLACE},     {"field", NULL, "akar", M, PLACE},
    {"castle", NULL, "borg", F, PLACE},    {"cellar", NULL, "kelar", M, PLACE},      {"harbour", NULL, "haf", N, PLACE},
    {NULL, NULL, NULL, 0, 0},
};

const dgm_demo_verb dgm_demo_verbs[] = {
    {"see", "sees", "saw", "seh", DGM_DEMO_TRANSITIVE},
    {"find", "finds", "found", "find", DGM_DEMO_TRANSITIVE},
    {"hear", "hears", "heard", "hor", DGM_DEMO_TRANSITIVE},
    {"seek", "seeks", "sought", "sok", DGM_DEMO_TRANSITIVE},
    {"carry", "carries", "carried", "drag", DGM_DEMO_TRANSITIVE},
    {"steal", "steals", "stole", "stil", DGM_DEMO_TRANSITIVE},
    {"buy", "buys", "bought", "kip", DGM_DEMO_TRANSITIVE},
    {"paint", "paints", "painted", "faih", DGM_DEMO_TRANSITIVE},
    {"wash", "washes", "washed", "thwah", DGM_DEMO_TRANSITIVE},
    {"hide", "hides", "hid", "hel", DGM_DEMO_TRANSITIVE},
    {"lose", "loses", "lost", "lius", DGM_DEMO_TRANSITIVE},
    {"love", "loves", "loved", "frij", DGM_DEMO_TRANSITIVE},
    {"help", "helps", "helped", "hilp", DGM_DEMO_TRANSITIVE_DATIVE},
    {"thank", "thanks", "thanked", "thank", DGM_DEMO_TRANSITIVE_DATIVE},
    {"follow", "follows", "followed", "folg", DGM_DEMO_TRANSITIVE_DATIVE},
    {"give", "gives", "gave", "gib", DGM_DEMO_DITRANSITIVE},
    {"bring", "brings", "brought", "bring", DGM_DEMO_DITRANSITIVE},
    {"send", "sends", "sent", "sand", DGM_DEMO_DITRANSITIVE},
    {"show", "shows", "showed", "aug", DGM_DEMO_DITRANSITIVE},
    {"sell", "sells", "sold", "sal", DGM_DEMO_DITRANSITIVE},
    {"sleep", "sleeps", "slept", "slep", DGM_DEMO_INTRANSITIVE},
    {"sing", "sings", "sang", "singw", DGM_DEMO_INTRANSITIVE},
    {"dance", "dances", "danced", "laik", DGM_DEMO_INTRANSITIVE},
    {"laugh", "laughs", "laughed", "hlah", DGM_DEMO_INTRANSITIVE},
    {"wait", "waits", "waited", "bid", DGM_DEMO_INTRANSITIVE},
    {"work", "works", "worked", "wurk", DGM_DEMO_INTRANSITIVE},
    {"weep", "weeps", "wept", "gret", DGM_DEMO_INTRANSITIVE},
    {"rest", "rests", "rested", "rast", DGM_DEMO_INTRANSITIVE},
    {"say", "says", "said", "kwith", DGM_DEMO_SAYING},
    {"know", "knows", "knew", "kun", DGM_DEMO_SAYING},
    {"believe", "believes", "believed", "glaub", DGM_DEMO_SAYING},
    {"hope", "hopes", "hoped", "wen", DGM_DEMO_SAYING},
    {NULL, NULL, NULL, NULL, 0},
};

const dgm_demo_adjective dgm_demo_adjectives[] = {
    {{"old", "ald"}, false},   {{"young", "jung"}, true}, {{"red", "raud"}, false},  {{"green", "gron"}, false},
    {{"small", "smal"}, false}, {{"big", "mikil"}, false}, {{"wise", "frod"}, true},  {{"black", "swart"}, false},
    {{"white", "hwit"}, false}, {{"cold", "kald"}, false}, {{"warm", "warm"}, false}, {{"good", "god"}, false},
    {{"poor", "arm"}, true},    {{"rich", "rik"}, true},   {{"hungry", "hungr"}, true}, {{"new", "niuj"}, false},
    {{"wild", "wilth"}, true},  {{"quiet", "thah"}, true}, {{NULL, NULL}, false},
};

const dgm_demo_word dgm_demo_prepositions[] = {
    {"in", "inna"}, {"on", "ana"}, {"under", "undar"}, {"behind", "hindar"}, {"near", "nehw"}, {"before", "faur"}, {NULL, NULL},
};

const dgm_demo_word dgm_demo_conjunctions[] = {{"because", "unte"}, {"when", "than"}, {"while", "hwil"}, {"if", "jabai"}, {NULL, NULL}};

const dgm_demo_time dgm_demo_times[] = {
    {{"today", "hiud"}, DGM_DEMO_PRESENT},     {{"often", "ufta"}, DGM_DEMO_PRESENT},       {{"now", "nu"}, DGM_DEMO_PRESENT},
    {{"yesterday", "gistra"}, DGM_DEMO_PAST},  {{"once", "simle"}, DGM_DEMO_PAST},          {{"tomorrow", "maurgin"}, DGM_DEMO_FUTURE},
    {{"soon", "sniu"}, DGM_DEMO_FUTURE},       {{NULL, NULL}, DGM_DEMO_PRESENT},
};

const dgm_demo_determiner dgm_demo_determiners[] = {
    {"the", false, {{"sa", "so", "that"}, {"thana", "tho", "that"}, {"tham", "thair", "tham"}}},
    {"the", true, {{"thai"}, {"thans"}, {"thaim"}}},
    {"a", false, {{"ains", "aina", "ain"}, {"ainan", "aina", "ain"}, {"ainam", "ainair", "ainam"}}},
    {"this", false, {{"his", "hija", "hit"}, {"hina", "hija", "hit"}, {"himma", "hizai", "himma"}}},
    {"these", true, {{"hijai"}, {"hins"}, {"him"}}},
    {"two", true, {{"twai"}, {"twans"}, {"twaim"}}},
    {"many", true, {{"managai"}, {"managans"}, {"managaim"}}},
    {NULL, false, {{NULL}}},
};

#define COUNT(table) (int)(sizeof(table) / sizeof(table)[0]) - 1
const int dgm_demo_n_nouns = COUNT(dgm_demo_nouns), dgm_demo_n_verbs = COUNT(dgm_demo_verbs),
          dgm_demo_n_adjectives = COUNT(dgm_demo_adjectives), dgm_demo_n_prepositions = COUNT(dgm_demo_prepositions),
          dgm_demo_n_conjunctions = COUNT(dgm_demo_conjunctions), dgm_demo_n_times = COUNT(dgm_demo_times),
          dgm_demo_n_determiners = COUNT(dgm_demo_determiners);

static void put(char *out, const char *a, const char *b, const char *c)
{
    snprintf(out, DGM_DEMO_WORD_BYTES, "%s%s%s", a, b, c);
}

void dgm_demo_english_noun(const dgm_demo_noun *noun, bool plural, char *out)
{
    if (plural && noun->plural != NULL) put(out, noun->plural, "", "");
    else put(out, noun->english, plural ? "s" : "", "");
}

void dgm_demo_weldish_noun(const dgm_demo_noun *noun, const dgm_demo_noun *modifier, bool plural, char *out)
{
    static const char *const ending[3] = {"ar", "en", "ir"};
    char *at = out;
    if (modifier != NULL) {
        put(out, modifier->stem, modifier->gender == DGM_DEMO_F ? "n" : "s", "");
        at += strlen(out);
    }
    size_t n = strlen(noun->stem);
    bool falls = plural && noun->gender == DGM_DEMO_F && noun->stem[n - 1] == 'a';
    snprintf(at, DGM_DEMO_WORD_BYTES - (size_t)(at - out), "%.*s%s", (int)(n - falls), noun->stem, plural ? ending[noun->gender] : "");
}

void dgm_demo_weldish_adjective(const dgm_demo_adjective *adjective, dgm_demo_gender gender, dgm_demo_case kase, bool plural, char *out)
{
    static const char *const singular[3][3] = {{"is", "a", "it"}, {"an", "a", "it"}, {"am", "air", "am"}};
    static const char *const plurals[3] = {"ai", "ans", "aim"};
    put(out, adjective->word.weldish, plural ? plurals[kase] : singular[kase][gender], "");
}

const char *dgm_demo_weldish_determiner(const dgm_demo_determiner *determiner, dgm_demo_gender gender, dgm_demo_case kase)
{
    return determiner->form[kase][determiner->plural ? 0 : gender];
}

void dgm_demo_weldish_present(const dgm_demo_verb *verb, bool plural, char *out) { put(out, verb->stem, plural ? "and" : "ith", ""); }

void dgm_demo_weldish_infinitive(const dgm_demo_verb *verb, char *out) { put(out, verb->stem, "an", ""); }

void dgm_demo_weldish_participle(const dgm_demo_verb *verb, char *out) { put(out, "ga", verb->stem, "ad"); }
