/* options.h: the command line of dsdn-replay: one table of commands, one of options.  Parsing, --help,
 * suggestions and the check of the man page all read these two tables. */
#ifndef DSDN_APPS_REPLAY_OPTIONS_H
#define DSDN_APPS_REPLAY_OPTIONS_H

#include "log/error.h"

#include <stdio.h>

#define ARGUMENTS_MAX 1024u  /* positional arguments */
#define ARGUMENT_MAX  65536u /* bytes of one argument */
#define JOBS_MAX      64u
#define SEED_NONE     UINT64_MAX
#define OPTION_LIST_MAX 8u /* times an option that may be repeated */

struct command;

struct option_list {
    const char *items[OPTION_LIST_MAX];
    uint32_t cnt;
};

/* Everything that the options can say.  Strings belong to argv. */
struct options {
    const char *arguments[ARGUMENTS_MAX];
    unsigned argument_cnt;
    const struct command *command;
    int raw_cnt; /* what was parsed, as it was typed */
    char **raw;
    bool help, verify, hashes, fingerprint, digest, perturb, json, quiet, no_color, resume, force, man;
    const char *from, *to, *at, *roles, *genesis, *expect_root, *events_out, *progress, *state, *require,
        *output;
    const char *token_file, *trusted_header;
    struct option_list witness;
    const char *families, *where, *format, *table, *view, *key, *check, *root, *batches;
    uint64_t root_every, jobs, max_errors, repeat, seed, events, signatures, per_batch, timeout;
};

struct command {
    const char *name;     /* "" is the replay itself */
    uint32_t bit;         /* in struct option_desc.commands */
    unsigned least, most; /* positional arguments */
    const char *usage;    /* lines separated by \n */
    const char *doc;      /* paragraphs of plain text */
    /* Does the work and returns 0 or the code of *error.  What was printed is the command's business, but for
     * the error. */
    int (*run)(const struct options *options, struct dsdn_error *error);
};

/* Ends with a NULL name.  The first one is the replay. */
extern const struct command commands[];

/* command_find finds a command by name; NULL when there is none. */
const struct command *command_find(const char *name);
/* command_suggest is the name nearest to what was typed, or NULL. */
const char *command_suggest(const char *name);

/* options_parse reads argv[0 .. argc) (without program and command name) for a command.  USAGE names the
 * argument and, for an unknown option, the nearest one. */
int options_parse(struct options *options, const struct command *command, int argc, char **argv,
                  struct dsdn_error *error);

/* options_help prints usage, description and options of a command. */
void options_help(FILE *out, const struct command *command);
/* options_overview prints all commands with their usage. */
void options_overview(FILE *out);
/* options_man prints one line "command option" for each option of each command: what the man page has to
 * name. */
void options_man(FILE *out);

/* options_resume writes the command as it was typed, quoted for a shell, with --resume; "" when it does not
 * fit.  options_again leaves --resume out: for what goes on by itself. */
void options_resume(const struct options *options, char *out, size_t cap);
void options_again(const struct options *options, char *out, size_t cap);

/* options_hex32 reads the 64 hex digits of an option; USAGE names it. */
int options_hex32(const char *name, const char *text, uint8_t out[32], struct dsdn_error *error);

/* A place in a log, as --from, --to and --at name it. */
enum place_kind {
    PLACE_NONE = 0,
    PLACE_GENESIS = 1,
    PLACE_SEQUENCE = 2,
    PLACE_CHECKPOINT = 4,
    PLACE_TIME = 8,
    PLACE_TIP = 16,
    PLACE_HEIGHT = 32
};
struct place {
    enum place_kind kind;
    uint64_t number;  /* sequence, milliseconds, or height */
    const char *path; /* of the checkpoint */
};

/* options_place reads a place of one of the kinds in the mask `allowed`; text NULL is NONE. */
int options_place(const char *name, const char *text, unsigned allowed, struct place *place,
                  struct dsdn_error *error);

/* options_jobs is the number of threads to use: --jobs, or the processors there are. */
unsigned options_jobs(const struct options *options);

#endif
