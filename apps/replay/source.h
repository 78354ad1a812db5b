/* source.h: a SOURCE argument of the command line, opened: its batches, its genesis, and the catalogue that
 * knows its events. */
#ifndef DSDN_APPS_REPLAY_SOURCE_H
#define DSDN_APPS_REPLAY_SOURCE_H

#include "log/genesis.h"
#include "log/source.h"
#include "log/store.h"
#include "statemachine/catalogue.h"

enum input_kind { INPUT_ARCHIVE, INPUT_STREAM, INPUT_LOG, INPUT_FIXTURE };

struct input {
    enum input_kind kind;
    const char *name; /* as typed; belongs to argv */
    struct dsdn_source *source;
    struct dsdn_store *store; /* of a LOG */
    int fd;                   /* of a pipe that was opened here; -1 otherwise */
    struct dsdn_genesis genesis;
    const struct dsdn_catalogue *catalogue;
};

/* input_open opens what `argument` names: - (an archive on standard input), a log or fixture directory, an
 * archive file or a pipe with one.  genesis_path (or NULL) is a genesis file that the source must agree with,
 * or that stands in for the one it does not carry.  NOT_FOUND, USAGE, WRONG_GENESIS, and the errors of what
 * it opens. Remarks about what was found go to stderr unless quiet.  input_close may follow in any case, once
 * *in was zeroed. */
int input_open(struct input *in, const char *argument, const char *genesis_path, bool quiet,
               struct dsdn_error *error);
void input_close(struct input *in);

/* input_check reads the whole container and checks every byte of it, batches' contents aside (log/archive.h,
 * dsdn_archive_check; log/store.h, dsdn_store_verify).  A stream checks itself while it is read. */
int input_check(struct input *in, struct dsdn_error *error);

/* input_catalogue is the catalogue for a network. */
const struct dsdn_catalogue *input_catalogue(const struct dsdn_genesis *genesis);

/* What a path names; false when there is nothing. */
bool is_directory(const char *path);
bool is_regular(const char *path);

#endif
