#include "dgm/sacrebleu_names.h"

#include <stdlib.h>
#include <string.h>

static const struct { const char *theirs, *ours; } names[] = {
    {"--input", "--hyp"}, {"-i", "--hyp"}, {"--sentence-level", "--sentence"}, {"-sl", "--sentence"}, {"-m", "--metrics"},
    {"-tok", "--tokenize"}, {"-lc", "--lowercase"}, {"-s", "--smooth-method"}, {"-sv", "--smooth-value"}, {"-cc", "--chrf-char-order"},
    {"-cw", "--chrf-word-order"}, {"-ci", "--confidence"}, {"-cin", "--confidence-n"}, {"-pbs", "--paired-bs"}, {"-pbsn", "--paired-bs-n"},
    {"-par", "--paired-ar"}, {"-parn", "--paired-ar-n"}, {"-b", "--score-only"}, {"-sh", "--short"}, {"-w", "--width"},
};

static char *own_name(char *arg)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(arg, names[i].theirs) == 0) return (char *)(uintptr_t)names[i].ours; /* read only from here on */
    return arg;
}

dgm_err dgm_sacrebleu_names(int argc, char *const *argv, char ***out)
{
    char **own = malloc(((size_t)argc + 1) * sizeof *own);
    if (own == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d arguments", argc);
    for (int i = 0; i < argc; i++) own[i] = i > 0 ? own_name(argv[i]) : argv[i];
    own[argc] = NULL;
    *out = own;
    return DGM_OK;
}
