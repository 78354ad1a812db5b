/* commands.h: the entry points of the commands; commands.c has the table. */
#ifndef DSDN_APPS_REPLAY_COMMANDS_H
#define DSDN_APPS_REPLAY_COMMANDS_H

#include "apps/replay/options.h"

enum {
    COMMAND_REPLAY = 1,
    COMMAND_GENERATE = 2,
    COMMAND_IMPORT = 4,
    COMMAND_EXPORT = 8,
    COMMAND_INSPECT = 16,
    COMMAND_CHECKPOINT = 32,
    COMMAND_PROVE = 64,
    COMMAND_EXPLAIN = 128,
    COMMAND_HELP = 256,
    COMMAND_FIXTURE = 512,
    COMMAND_QUERY = 1024,
    COMMAND_WHY = 2048,
    COMMAND_DIFF = 4096,
    COMMAND_RECORD = 8192,
    COMMAND_DOCTOR = 16384
};

int command_replay(const struct options *options, struct dsdn_error *error);
int command_generate(const struct options *options, struct dsdn_error *error);
int command_import(const struct options *options, struct dsdn_error *error);
int command_export(const struct options *options, struct dsdn_error *error);
int command_inspect(const struct options *options, struct dsdn_error *error);
int command_checkpoint(const struct options *options, struct dsdn_error *error);
int command_prove(const struct options *options, struct dsdn_error *error);
int command_explain(const struct options *options, struct dsdn_error *error);
int command_fixture(const struct options *options, struct dsdn_error *error);
int command_query(const struct options *options, struct dsdn_error *error);
int command_why(const struct options *options, struct dsdn_error *error);
int command_diff(const struct options *options, struct dsdn_error *error);
int command_record(const struct options *options, struct dsdn_error *error);
int command_doctor(const struct options *options, struct dsdn_error *error);
int command_help(const struct options *options, struct dsdn_error *error);

/* ---- what is shared by several commands ---- */

/* Becomes non-zero on SIGINT and SIGTERM; a second signal ends the process.  interrupt_catch installs the
 * handlers. */
#include <signal.h>
extern volatile sig_atomic_t interrupted;
void interrupt_catch(void);

/* command_error prints an error to stderr, with the hint how to learn more. */
void command_error(const struct dsdn_error *error, bool color);

#endif
