/* explain.c: `explain NAME` and `help`. */
#include "apps/replay/commands.h"

#include "log/genesis.h"
#include "log/kind.h"
#include "roles/dsdn.h"
#include "roles/neutral/neutral.h"

#include <strings.h>

static const struct dsdn_catalogue *const catalogues[] = {&dsdn_catalogue, &neutral_catalogue};
enum { CATALOGUE_CNT = sizeof catalogues / sizeof catalogues[0] };

static const struct {
    int code;
    const char *name;
} errors[] = {
#define X(number, name, exit_status, text, advice) {(number), #name},
    DSDN_ERROR_LIST(X)
#undef X
};
enum { ERROR_CNT = sizeof errors / sizeof errors[0] };

/* Each of these prints what it knows of the name and says whether that was anything. */
static bool explain_error(const char *name)
{
    int code = dsdn_error_find(name);
    if (code <= 0) return false;
    printf("%s: error %d, exit status %d\n  %s\n  %s\n", dsdn_error_name(code), code, dsdn_error_exit(code),
           dsdn_error_text(code), dsdn_error_advice(code));
    return true;
}

static bool explain_outcome(const char *name)
{
    int number = -1;
    for (int i = 0; i < DSDN_OUTCOME_CNT; i++)
        if (strcasecmp(dsdn_outcome_name((uint8_t)i), name) == 0) number = i;
    if (number < 0) return false;
    printf("%s: outcome %d of an event\n  %s\n", dsdn_outcome_name((uint8_t)number), number,
           dsdn_outcome_doc((uint8_t)number));
    return true;
}

static bool explain_code(const char *name)
{
    bool any = false;
    for (size_t c = 0; c < CATALOGUE_CNT; c++)
        for (const struct dsdn_code_name *code = catalogues[c]->codes; code->name; code++) {
            if (strcasecmp(code->name, name) != 0) continue;
            printf("%s: code %u of outcome PRECONDITION, network kind %s\n  %s\n", code->name, code->code,
                   catalogues[c]->name, code->doc);
            any = true;
        }
    return any;
}

static bool explain_event(const char *name)
{
    bool any = false;
    for (size_t c = 0; c < CATALOGUE_CNT; c++) {
        int index = dsdn_event_named(catalogues[c]->events, name);
        if (index < 0) continue;
        const struct dsdn_event_desc *d = &catalogues[c]->events->events[index];
        printf("%s: event 0x%04X, version %u, family %s, network kind %s\n  %s\n  author: %s\n", d->name,
               d->type, d->version, d->family, catalogues[c]->name, d->doc, d->author_doc);
        for (const struct dsdn_field *f = d->fields(); f->name; f++)
            printf("  %-20s %-9s %s\n", f->name, dsdn_kinds[f->kind].name, f->doc);
        any = true;
    }
    return any;
}

static bool explain_parameter(const char *name)
{
    const struct dsdn_parameter_desc *p = dsdn_parameter_find(name, strlen(name));
    if (!p) return false;
    printf("%s: parameter, %lld %s (development networks %lld; %lld to %lld)\n  %s\n", p->name,
           (long long)p->value, p->unit, (long long)p->devnet, (long long)p->least, (long long)p->most,
           p->doc);
    return true;
}

static void list_all(void)
{
    puts("errors:");
    for (size_t i = 0; i < ERROR_CNT; i++)
        printf("  %-18s exit %d  %s\n", errors[i].name, dsdn_error_exit(errors[i].code),
               dsdn_error_text(errors[i].code));
    puts("outcomes of events:");
    for (int i = 0; i < DSDN_OUTCOME_CNT; i++)
        printf("  %-18s %s\n", dsdn_outcome_name((uint8_t)i), dsdn_outcome_doc((uint8_t)i));
    puts("codes of PRECONDITION:");
    for (const struct dsdn_code_name *code = dsdn_catalogue.codes; code->name; code++)
        printf("  %-18s %s\n", code->name, code->doc);
}

int command_explain(const struct options *options, struct dsdn_error *error)
{
    static bool (*const kinds[])(const char *) = {explain_error, explain_outcome, explain_code, explain_event,
                                                  explain_parameter};
    char name[128];
    bool any = false;
    if (!options->argument_cnt) {
        list_all();
        return DSDN_OK;
    }
    /* As reports write it: PRECONDITION:NODE_UNKNOWN. */
    const char *typed = options->arguments[0], *colon = strchr(typed, ':');
    snprintf(name, sizeof name, "%s", colon && colon[1] ? colon + 1 : typed);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) any |= kinds[i](name);
    if (any) return DSDN_OK;
    return dsdn_fail(error, DSDN_E_USAGE,
                     "nothing is called \"%.80s\"; `dsdn-replay explain` lists errors and codes", typed);
}

int command_help(const struct options *options, struct dsdn_error *error)
{
    const char *name = options->argument_cnt ? options->arguments[0] : NULL;
    if (options->man) {
        options_man(stdout);
        return DSDN_OK;
    }
    if (!name) {
        options_overview(stdout);
        return DSDN_OK;
    }
    const struct command *command = strcmp(name, "replay") == 0 ? commands : command_find(name);
    if (command) {
        options_help(stdout, command);
        return DSDN_OK;
    }
    const char *meant = command_suggest(name);
    if (meant) return dsdn_fail(error, DSDN_E_USAGE, "no command \"%.80s\"; did you mean %s?", name, meant);
    return dsdn_fail(error, DSDN_E_USAGE, "no command \"%.80s\"; `dsdn-replay help` lists them", name);
}
