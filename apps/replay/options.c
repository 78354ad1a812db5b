#include "apps/replay/options.h"

#include "apps/replay/commands.h"
#include "log/base.h"
#include "log/suggest.h"

#include <unistd.h>

enum option_kind { FLAG, TEXT, LIST, NUMBER };

struct option_desc {
    const char *name;
    char letter; /* 0: none */
    enum option_kind kind;
    const char *argument; /* what help calls it */
    size_t offset;        /* in struct options */
    uint64_t least, most; /* of a NUMBER */
    uint32_t commands;
    const char *doc;
};

#define ALL      UINT32_MAX
#define READING                                                                                              \
    (COMMAND_REPLAY | COMMAND_EXPORT | COMMAND_INSPECT | COMMAND_CHECKPOINT | COMMAND_PROVE |                \
     COMMAND_QUERY | COMMAND_WHY | COMMAND_DIFF)
#define STATEFUL                                                                                             \
    (COMMAND_REPLAY | COMMAND_INSPECT | COMMAND_CHECKPOINT | COMMAND_PROVE | COMMAND_QUERY | COMMAND_WHY)
#define LISTING (COMMAND_INSPECT | COMMAND_QUERY | COMMAND_WHY)
#define WRITING                                                                                              \
    (COMMAND_GENERATE | COMMAND_IMPORT | COMMAND_EXPORT | COMMAND_CHECKPOINT | COMMAND_PROVE | LISTING)
#define LONG (COMMAND_REPLAY | COMMAND_DIFF | COMMAND_RECORD | WRITING)
#define LAYERED (READING | COMMAND_RECORD | COMMAND_DOCTOR)

#define AT(field) offsetof(struct options, field)
static const struct option_desc table[] = {
    {"verify", 0, FLAG, NULL, AT(verify), 0, 0, COMMAND_REPLAY,
     "check body hashes, event ids, every signature, the whole container and declared roots"},
    {"hashes", 0, FLAG, NULL, AT(hashes), 0, 0, COMMAND_REPLAY,
     "check body hashes and compute event ids; no signatures"},
    {"from", 0, TEXT, "PLACE", AT(from), 0, 0, COMMAND_REPLAY | COMMAND_EXPORT | COMMAND_INSPECT,
     "start: genesis, seq:N, height:N or checkpoint:FILE"},
    {"to", 0, TEXT, "PLACE", AT(to), 0, 0,
     COMMAND_REPLAY | COMMAND_EXPORT | COMMAND_INSPECT | COMMAND_DIFF | COMMAND_RECORD,
     "end, inclusive: seq:N, height:N or time:MILLISECONDS; record: height:N"},
    {"at", 0, TEXT, "PLACE", AT(at), 0, 0, COMMAND_CHECKPOINT | COMMAND_PROVE | COMMAND_QUERY | COMMAND_WHY,
     "state after this batch: seq:N or tip"},
    {"roles", 0, TEXT, "A,B", AT(roles), 0, 0, COMMAND_REPLAY, "report the roots of these roles only"},
    {"genesis", 0, TEXT, "FILE", AT(genesis), 0, 0, LAYERED,
     "the genesis file of the network that SOURCE must belong to"},
    {"trusted-header", 0, TEXT, "HEIGHT:HASH", AT(trusted_header), 0, 0, LAYERED,
     "the header of the primary to trust, or node: its own word (default: the genesis' da_start)"},
    {"token-file", 0, TEXT, "FILE", AT(token_file), 0, 0, LAYERED,
     "the node's token (default: the environment's DA_AUTH_TOKEN)"},
    {"witness", 0, LIST, "URL", AT(witness), 0, 0, LAYERED,
     "another node, whose headers must agree; may be repeated"},
    {"timeout", 0, NUMBER, "SECONDS", AT(timeout), 1, 86400, LAYERED,
     "how long to wait for a height of the primary (default 120)"},
    {"expect-root", 0, TEXT, "HEX", AT(expect_root), 0, 0, COMMAND_REPLAY | COMMAND_CHECKPOINT,
     "the state root that must come out; another one is exit 3"},
    {"root-every", 0, NUMBER, "N", AT(root_every), 1, UINT64_MAX, COMMAND_REPLAY,
     "compute the root after every N batches"},
    {"fingerprint", 0, FLAG, NULL, AT(fingerprint), 0, 0, COMMAND_REPLAY,
     "compute the row-change hash of every batch"},
    {"digest", 0, FLAG, NULL, AT(digest), 0, 0, COMMAND_REPLAY,
     "print the state digest of the neutral bench format"},
    {"jobs", 'j', NUMBER, "N", AT(jobs), 1, JOBS_MAX, STATEFUL, "threads (default: all processors)"},
    {"max-errors", 0, NUMBER, "N", AT(max_errors), 1, 1000000, COMMAND_REPLAY,
     "go on looking for faults behind the first, up to N (default 1)"},
    {"repeat", 0, NUMBER, "N", AT(repeat), 1, 1000000, COMMAND_REPLAY,
     "replay the same span N times; all roots must match"},
    {"perturb", 0, FLAG, NULL, AT(perturb), 0, 0, COMMAND_REPLAY,
     "repeat under other thread counts, table capacities, hash seeds and memory addresses"},
    {"require", 0, TEXT, "LEVEL", AT(require), 0, 0, COMMAND_REPLAY,
     "least assurance: consistent, authorised, included or canonical; below it exit 6 (with --verify: "
     "canonical where a DA layer is, else authorised)"},
    {"events-out", 0, TEXT, "FILE", AT(events_out), 0, 0, COMMAND_REPLAY,
     "write findings, roots and fingerprints to FILE as NDJSON, as they are found"},
    {"state", 0, TEXT, "DIR", AT(state), 0, 0, LAYERED & ~(uint32_t)COMMAND_RECORD,
     "where an interrupted run keeps its progress, and the log that was read from a primary"},
    {"resume", 0, FLAG, NULL, AT(resume), 0, 0, COMMAND_REPLAY | COMMAND_EXPORT | COMMAND_RECORD,
     "go on where an interrupted run stopped"},
    {"where", 0, TEXT, "EXPR", AT(where), 0, 0, COMMAND_INSPECT, "only events for which EXPR holds"},
    {"format", 0, TEXT, "FORMAT", AT(format), 0, 0, LISTING,
     "table (default), json, ndjson, csv or sqlite; why: ndjson (default) or json"},
    {"table", 0, TEXT, "T", AT(table), 0, 0, COMMAND_PROVE | COMMAND_QUERY | COMMAND_WHY, "the table, by name"},
    {"view", 0, TEXT, "NAME", AT(view), 0, 0, COMMAND_QUERY,
     "instead of a table: placement, zone, short, heal, deletion, node, nodes or gate"},
    {"key", 0, TEXT, "K", AT(key), 0, 0, COMMAND_PROVE | COMMAND_QUERY | COMMAND_WHY, "the key of the row; of a view, what it is about"},
    {"batches", 0, TEXT, "DIR", AT(batches), 0, 0, COMMAND_WHY,
     "write the batches that changed the row to DIR/SEQUENCE.batch, byte for byte"},
    {"check", 0, TEXT, "FILE", AT(check), 0, 0, COMMAND_PROVE, "check the proof in FILE"},
    {"root", 0, TEXT, "HEX", AT(root), 0, 0, COMMAND_PROVE, "the state root to check it against"},
    {"seed", 0, NUMBER, "N", AT(seed), 0, SEED_NONE - 1, COMMAND_GENERATE, "seed of the random numbers"},
    {"events", 0, NUMBER, "N", AT(events), 1, UINT64_C(1) << 40, COMMAND_GENERATE, "how many events"},
    {"signed", 0, NUMBER, "P", AT(signatures), 0, 100, COMMAND_GENERATE,
     "author signatures per 100 events (default 10)"},
    {"families", 0, TEXT, "A,B", AT(families), 0, 0, COMMAND_GENERATE, "events of these families only"},
    {"events-per-batch", 0, NUMBER, "N", AT(per_batch), 1, 65535, COMMAND_GENERATE | COMMAND_IMPORT,
     "events of one batch (default: generate 1000, import 256)"},
    {"output", 'o', TEXT, "FILE", AT(output), 0, 0, WRITING | COMMAND_RECORD,
     "where the result goes; a name that ends in / is a log directory"},
    {"force", 0, FLAG, NULL, AT(force), 0, 0, WRITING | COMMAND_REPLAY | COMMAND_RECORD,
     "replace an output file that exists"},
    {"json", 0, FLAG, NULL, AT(json), 0, 0,
     COMMAND_REPLAY | COMMAND_CHECKPOINT | COMMAND_DIFF | COMMAND_DOCTOR,
     "print one JSON object on standard output"},
    {"progress", 0, TEXT, "WHEN", AT(progress), 0, 0, LONG, "auto (default: on a terminal), always or never"},
    {"quiet", 'q', FLAG, NULL, AT(quiet), 0, 0, LONG | COMMAND_FIXTURE | COMMAND_DOCTOR,
     "no progress and no remarks; errors stay"},
    {"no-color", 0, FLAG, NULL, AT(no_color), 0, 0, ALL, "no colour (also by the environment's NO_COLOR)"},
    {"man", 0, FLAG, NULL, AT(man), 0, 0, COMMAND_HELP, "list every command with its options, one a line"},
    {"help", 'h', FLAG, NULL, AT(help), 0, 0, ALL, "show how the command is used"},
};
#undef AT
enum { TABLE_CNT = sizeof table / sizeof table[0] };

/* ---- commands -------------------------------------------------------------------------------- */

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands + 1; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

/* The nearer of two names, when it is near enough to be meant: at most a third of its letters differ. */
static void offer(const char *typed, const char *name, const char **best, uint32_t *distance)
{
    uint32_t d = dsdn_name_distance(typed, name);
    if (d > (strlen(name) + 2) / 3 || d >= *distance) return;
    *best = name;
    *distance = d;
}

const char *command_suggest(const char *name)
{
    const char *best = NULL;
    uint32_t distance = UINT32_MAX;
    for (const struct command *c = commands + 1; c->name; c++) offer(name, c->name, &best, &distance);
    return best;
}

/* ---- parsing --------------------------------------------------------------------------------- */

static int unknown_option(const char *typed, size_t len, const struct command *command,
                          struct dsdn_error *error)
{
    char name[64];
    const char *best = NULL, *elsewhere = NULL;
    uint32_t distance = UINT32_MAX, far = UINT32_MAX;
    snprintf(name, sizeof name, "%.*s", len < 63 ? (int)len : 63, typed);
    for (unsigned i = 0; i < TABLE_CNT; i++) {
        if (table[i].commands & command->bit)
            offer(name, table[i].name, &best, &distance);
        else if (strcmp(table[i].name, name) == 0)
            offer(name, table[i].name, &elsewhere, &far);
    }
    const char *space = *command->name ? " " : "";
    if (elsewhere)
        return dsdn_fail(error, DSDN_E_USAGE, "--%s is no option of `dsdn-replay%s%s`", name, space,
                         command->name);
    if (best) return dsdn_fail(error, DSDN_E_USAGE, "unknown option --%s; did you mean --%s?", name, best);
    return dsdn_fail(error, DSDN_E_USAGE, "unknown option --%s; `dsdn-replay%s%s --help` lists them", name,
                     space, command->name);
}

static const struct option_desc *option_find(const char *name, size_t len, const struct command *command)
{
    for (unsigned i = 0; i < TABLE_CNT; i++)
        if (table[i].commands & command->bit && strlen(table[i].name) == len &&
            memcmp(table[i].name, name, len) == 0)
            return &table[i];
    return NULL;
}

static const struct option_desc *letter_find(char letter, const struct command *command)
{
    for (unsigned i = 0; i < TABLE_CNT; i++)
        if (table[i].commands & command->bit && table[i].letter == letter) return &table[i];
    return NULL;
}

/* Decimal digits and nothing else. */
static bool read_number(const char *text, uint64_t *number)
{
    uint64_t sum = 0;
    if (!*text) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(sum, UINT64_C(10), &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*text - '0'), &sum))
            return false;
    }
    *number = sum;
    return true;
}

static int option_set(struct options *o, const struct option_desc *d, const char *value,
                      struct dsdn_error *error)
{
    uint8_t *field = (uint8_t *)o + d->offset;
    if (d->kind == FLAG) {
        *(bool *)field = true;
        return DSDN_OK;
    }
    if (d->kind == TEXT) {
        if (!*value)
            return dsdn_fail(error, DSDN_E_USAGE, "--%s wants %s, not nothing", d->name, d->argument);
        memcpy(field, &value, sizeof value);
        return DSDN_OK;
    }
    if (d->kind == LIST) {
        struct option_list *list = (struct option_list *)(void *)field;
        if (!*value)
            return dsdn_fail(error, DSDN_E_USAGE, "--%s wants %s, not nothing", d->name, d->argument);
        if (list->cnt == OPTION_LIST_MAX)
            return dsdn_fail(error, DSDN_E_USAGE, "--%s is there more than %u times", d->name, OPTION_LIST_MAX);
        list->items[list->cnt++] = value;
        return DSDN_OK;
    }
    uint64_t number;
    if (!read_number(value, &number) || number < d->least || number > d->most)
        return dsdn_fail(error, DSDN_E_USAGE, "--%s wants a number from %llu to %llu, not \"%.40s\"", d->name,
                         (unsigned long long)d->least, (unsigned long long)d->most, value);
    memcpy(field, &number, sizeof number);
    return DSDN_OK;
}

static int option_take(struct options *o, const struct command *command, int argc, char **argv, int *i,
                       struct dsdn_error *error)
{
    const char *typed = argv[*i], *value = NULL;
    const struct option_desc *d;
    if (typed[1] == '-') {
        size_t len = strcspn(typed + 2, "=");
        d = option_find(typed + 2, len, command);
        if (!d) return unknown_option(typed + 2, len, command, error);
        if (typed[2 + len] == '=') value = typed + 3 + len;
    } else {
        d = letter_find(typed[1], command);
        if (!d) return dsdn_fail(error, DSDN_E_USAGE, "unknown option %.40s", typed);
        if (typed[2]) value = typed + 2;
    }
    if (d->kind == FLAG && value) return dsdn_fail(error, DSDN_E_USAGE, "--%s takes no value", d->name);
    if (d->kind != FLAG && !value) {
        if (*i + 1 >= argc)
            return dsdn_fail(error, DSDN_E_USAGE, "--%s wants %s behind it", d->name, d->argument);
        value = argv[++*i];
    }
    return option_set(o, d, value, error);
}

static int wrong_count(const struct command *command, unsigned cnt, struct dsdn_error *error)
{
    if (cnt < command->least)
        return dsdn_fail(error, DSDN_E_USAGE, "too few arguments: dsdn-replay %.*s",
                         (int)strcspn(command->usage, "\n"), command->usage);
    return dsdn_fail(error, DSDN_E_USAGE, "too many arguments: dsdn-replay %.*s",
                     (int)strcspn(command->usage, "\n"), command->usage);
}

int options_parse(struct options *o, const struct command *command, int argc, char **argv,
                  struct dsdn_error *error)
{
    *o = (struct options){.max_errors = 1,
                          .repeat = 1,
                          .signatures = 10,
                          .seed = SEED_NONE,
                          .command = command,
                          .raw_cnt = argc,
                          .raw = argv};
    bool ended = false;
    for (int i = 0; i < argc; i++) {
        const char *typed = argv[i];
        int rc = DSDN_OK;
        if (strnlen(typed, ARGUMENT_MAX) == ARGUMENT_MAX)
            return dsdn_fail(error, DSDN_E_USAGE, "an argument of more than %u bytes", ARGUMENT_MAX);
        if (ended || typed[0] != '-' || !typed[1]) {
            if (o->argument_cnt == ARGUMENTS_MAX || (!o->help && o->argument_cnt == command->most))
                return wrong_count(command, command->most + 1, error);
            o->arguments[o->argument_cnt++] = typed;
        } else if (strcmp(typed, "--") == 0) {
            ended = true;
        } else {
            rc = option_take(o, command, argc, argv, &i, error);
        }
        if (rc) return rc;
    }
    if (!o->help && o->argument_cnt < command->least) return wrong_count(command, o->argument_cnt, error);
    return DSDN_OK;
}

/* ---- the command again ------------------------------------------------------------------------ */

/* A growing command line that never overflows. */
struct line {
    char *out;
    size_t len, cap;
};

static void add(struct line *l, const char *text, size_t len)
{
    if (l->len + len < l->cap) memcpy(l->out + l->len, text, len);
    l->len += len;
}

static void add_quoted(struct line *l, const char *argument)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";
    size_t len = strlen(argument);
    add(l, " ", 1);
    if (len && strspn(argument, plain) == len) {
        add(l, argument, len);
        return;
    }
    add(l, "'", 1);
    for (; *argument; argument++) {
        if (*argument == '\'')
            add(l, "'\\''", 4);
        else
            add(l, argument, 1);
    }
    add(l, "'", 1);
}

static void typed_again(const struct options *options, const char *last, char *out, size_t cap)
{
    struct line line = {out, 0, cap};
    add(&line, "dsdn-replay", 11);
    if (*options->command->name) add_quoted(&line, options->command->name);
    for (int i = 0; i < options->raw_cnt; i++)
        if (strcmp(options->raw[i], "--resume") != 0) add_quoted(&line, options->raw[i]);
    if (last) add_quoted(&line, last);
    out[line.len < cap ? line.len : 0] = 0;
}

void options_resume(const struct options *options, char *out, size_t cap)
{
    typed_again(options, "--resume", out, cap);
}

void options_again(const struct options *options, char *out, size_t cap)
{
    typed_again(options, NULL, out, cap);
}

/* ---- values ---------------------------------------------------------------------------------- */

int options_hex32(const char *name, const char *text, uint8_t out[32], struct dsdn_error *error)
{
    if (strlen(text) == 64 && dsdn_hex_decode(text, 32, out)) return DSDN_OK;
    return dsdn_fail(error, DSDN_E_USAGE, "--%s wants 64 hex digits, not \"%.80s\"", name, text);
}

int options_place(const char *name, const char *text, unsigned allowed, struct place *place,
                  struct dsdn_error *error)
{
    static const struct {
        enum place_kind kind;
        const char *prefix, *form;
    } kinds[] = {{PLACE_GENESIS, "genesis", "genesis"},
                 {PLACE_TIP, "tip", "tip"},
                 {PLACE_SEQUENCE, "seq:", "seq:N"},
                 {PLACE_HEIGHT, "height:", "height:N"},
                 {PLACE_TIME, "time:", "time:MILLISECONDS"},
                 {PLACE_CHECKPOINT, "checkpoint:", "checkpoint:FILE"}};
    char forms[128] = "";
    size_t len = 0;
    *place = (struct place){PLACE_NONE, 0, NULL};
    if (!text) return DSDN_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!(allowed & kinds[i].kind)) continue;
        len += (size_t)snprintf(forms + len, sizeof forms - len, "%s%s", len ? ", " : "", kinds[i].form);
        size_t prefix = strlen(kinds[i].prefix);
        if (strncmp(text, kinds[i].prefix, prefix) != 0) continue;
        const char *rest = text + prefix;
        bool good = kinds[i].kind & (PLACE_GENESIS | PLACE_TIP) ? !*rest
                    : kinds[i].kind == PLACE_CHECKPOINT         ? *rest != 0
                                                                : read_number(rest, &place->number);
        /* The largest sequence is kept free: spans end at sequence + 1. */
        if (!good || (kinds[i].kind != PLACE_CHECKPOINT && place->number == UINT64_MAX)) continue;
        place->kind = kinds[i].kind;
        place->path = rest;
        return DSDN_OK;
    }
    return dsdn_fail(error, DSDN_E_USAGE, "--%s wants %s, not \"%.80s\"", name, forms, text);
}

unsigned options_jobs(const struct options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (options->jobs) return (unsigned)options->jobs;
    return cores < 1 ? 1 : cores > (long)JOBS_MAX ? JOBS_MAX : (unsigned)cores;
}

/* ---- help ------------------------------------------------------------------------------------ */

/* Text line by line, indented; lines of usage begin with the program's name. */
static void print_lines(FILE *out, const char *text, const char *before)
{
    for (;;) {
        size_t len = strcspn(text, "\n");
        fprintf(out, "%s%.*s\n", before, (int)len, text);
        if (!text[len]) return;
        text += len + 1;
    }
}

void options_help(FILE *out, const struct command *command)
{
    print_lines(out, command->usage, "usage: dsdn-replay ");
    fputc('\n', out);
    print_lines(out, command->doc, "");
    fputs("\noptions:\n", out);
    for (unsigned i = 0; i < TABLE_CNT; i++) {
        char left[64];
        const struct option_desc *d = &table[i];
        if (!(d->commands & command->bit)) continue;
        int len = d->letter ? snprintf(left, sizeof left, "-%c, --%s", d->letter, d->name)
                            : snprintf(left, sizeof left, "    --%s", d->name);
        if (d->argument) snprintf(left + len, sizeof left - (size_t)len, " %s", d->argument);
        fprintf(out, "  %-27s %s\n", left, d->doc);
    }
}

void options_overview(FILE *out)
{
    fputs("dsdn-replay replays, verifies and inspects DSDN logs.\n\n", out);
    for (const struct command *c = commands; c->name; c++) print_lines(out, c->usage, "  dsdn-replay ");
    fputs("\n`dsdn-replay help COMMAND` says more; `dsdn-replay help replay` about the replay itself.\n"
          "Exit: 0 success, 1 usage, 2 unavailable or I/O, 3 well-formed but false, 4 damaged bytes, 5 "
          "interrupted,\n"
          "6 incomplete.\n",
          out);
}

void options_man(FILE *out)
{
    for (const struct command *c = commands; c->name; c++)
        for (unsigned i = 0; i < TABLE_CNT; i++)
            if (table[i].commands & c->bit)
                fprintf(out, "%s %s\n", *c->name ? c->name : "replay", table[i].name);
}
