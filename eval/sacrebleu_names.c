#include "dgm/sacrebleu_names.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *theirs, *ours;
} name;

static const name of_metrics[] = {{"-m", "--metrics"}, {"-tok", "--tokenize"}, {"-lc", "--lowercase"}, {"-s", "--smooth-method"}, {"-sv", "--smooth-value"},
                                  {"-cc", "--chrf-char-order"}, {"-cw", "--chrf-word-order"}, {"-ci", "--confidence"}, {"-cin", "--confidence-n"},
                                  {"-w", "--width"}, {NULL, NULL}};
static const name of_texts[] = {{"--input", "--hyp"}, {"-i", "--hyp"}, {"--sentence-level", "--sentence"}, {"-sl", "--sentence"}, {"-pbs", "--paired-bs"},
                                {"-pbsn", "--paired-bs-n"}, {"-par", "--paired-ar"}, {"-parn", "--paired-ar-n"}, {"-b", "--score-only"}, {"-sh", "--short"},
                                {NULL, NULL}};

static char *own_name(const name *names, char *arg)
{
    for (; names->theirs != NULL; names++)
        if (strcmp(arg, names->theirs) == 0) return (char *)(uintptr_t)names->ours; /* read only from here on */
    return arg;
}

dgm_err dgm_sacrebleu_names(int argc, char *const *argv, bool texts, char ***out)
{
    bool only_operands = false;
    char **own = malloc(((size_t)argc + 1) * sizeof *own);
    if (own == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%d arguments", argc);
    for (int i = 0; i < argc; i++) {
        only_operands = only_operands || strcmp(argv[i], "--") == 0;
        own[i] = i == 0 || only_operands ? argv[i] : own_name(of_metrics, argv[i]);
        if (i > 0 && !only_operands && texts) own[i] = own_name(of_texts, own[i]);
    }
    own[argc] = NULL;
    *out = own;
    return DGM_OK;
}
