/* For shell tests: json_get FILE PATH... prints the value at each path (names and numbers of places with dots between), one a line; exit
 * code 1 when the file is no JSON or has no such value.  Texts without quotes, numbers with all digits. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const json_t *find(const json_t *at, char *path)
{
    for (char *name; at != NULL && (name = strsep(&path, ".")) != NULL;)
        at = json_is_array(at) ? json_array_get(at, strtoul(name, NULL, 10)) : json_object_get(at, name);
    return at;
}

int main(int argc, char **argv)
{
    json_error_t error;
    json_t *json = argc > 1 ? json_load_file(argv[1], 0, &error) : NULL;
    if (json == NULL) return fprintf(stderr, "json_get: %s\n", argc > 1 ? error.text : "no file"), 1;
    for (int i = 2; i < argc; i++) {
        const json_t *value = find(json, argv[i]);
        if (value == NULL) return fprintf(stderr, "json_get: %s has no such value\n", argv[1]), 1;
        if (json_is_string(value)) puts(json_string_value(value));
        else json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT), putchar('\n');
    }
    json_decref(json);
    return 0;
}
