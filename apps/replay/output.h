/* output.h: where results go: a text file or standard output, and a log as archive or log directory.  A file
 * gets its name when it is whole; what fails leaves nothing behind.  Nothing that exists is replaced unless
 * `force` says so. */
#ifndef DSDN_APPS_REPLAY_OUTPUT_H
#define DSDN_APPS_REPLAY_OUTPUT_H

#include "log/archive.h"
#include "log/genesis.h"
#include "log/store.h"

#include <stdio.h>

#define OUTPUT_PATH_MAX 4096u

/* ---- bytes ---- */

struct output {
    FILE *file;
    char path[OUTPUT_PATH_MAX]; /* "" for standard output */
    char part[OUTPUT_PATH_MAX]; /* path.partial */
};

/* output_open opens path for writing; NULL or "-" is standard output.  EXISTS when it is taken; IO. */
int output_open(struct output *out, const char *path, bool force, struct dsdn_error *error);
/* output_open_named is output_open for a library that writes the file itself: it has to make out->part, where
 * nothing is now.  Not for standard output. */
int output_open_named(struct output *out, const char *path, bool force, struct dsdn_error *error);
/* output_write writes bytes. */
int output_write(struct output *out, const void *bytes, size_t len, struct dsdn_error *error);
/* output_close makes the file durable and gives it its name when rc is 0, removes it otherwise; returns rc or
 * the failure. */
int output_close(struct output *out, int rc, struct dsdn_error *error);

/* output_taken is EXISTS when path is taken and force is not set. */
int output_taken(const char *path, bool force, struct dsdn_error *error);

/* ---- a log ---- */

/* Where a log that does not begin at genesis begins. */
struct log_start {
    uint64_t sequence, event;
    uint8_t prev[32]; /* hash of batch sequence - 1 */
};

struct log_output {
    struct dsdn_archive_writer *archive;
    struct dsdn_store *store;
    bool made; /* a log directory, by this process */
    char path[OUTPUT_PATH_MAX], part[OUTPUT_PATH_MAX];
    uint64_t unsynced; /* bytes since the last sync of a store */
    uint64_t batches, events, bytes;
    uint64_t next; /* sequence of the next batch */
};

/* log_output_is_directory says whether a name means a log directory: it ends in / or is a directory. */
bool log_output_is_directory(const char *path);

/* log_output_open starts a log.  It is written to path.partial and gets its name at the end; a log directory
 * that exists and is not empty is never replaced.  resume: go on with path.partial; out->next then tells with
 * which batch. */
int log_output_open(struct log_output *out, const char *path, const struct dsdn_genesis *genesis,
                    const struct log_start *start, bool force, bool resume, struct dsdn_error *error);
/* log_output_remark tells people on stderr what was written. */
void log_output_remark(const struct log_output *out);
/* log_output_batch adds the next batch. */
int log_output_batch(struct log_output *out, const uint8_t *batch, size_t len, uint64_t sequence,
                     uint32_t events, struct dsdn_error *error);
/* log_output_close ends it: whole when rc is 0; otherwise it is removed, unless keep_partial (an archive that
 * can be resumed). */
int log_output_close(struct log_output *out, int rc, bool keep_partial, struct dsdn_error *error);

#endif
