/* source.h: a SOURCE argument of the command line, opened: its batches, its genesis, and the catalogue that
 * knows its events. */
#ifndef DSDN_APPS_REPLAY_SOURCE_H
#define DSDN_APPS_REPLAY_SOURCE_H

#include "log/genesis.h"
#include "log/source.h"
#include "log/store.h"
#include "statemachine/catalogue.h"

struct options;
struct da_facts;

#define INPUT_DIR_MAX 4096u

enum input_kind { INPUT_ARCHIVE, INPUT_STREAM, INPUT_LOG, INPUT_FIXTURE, INPUT_DA };

struct input {
    enum input_kind kind;
    const char *name; /* as typed; belongs to argv */
    struct dsdn_source *source;
    struct dsdn_store *store; /* of a LOG, or the one that a DA layer led to, */
    char dir[INPUT_DIR_MAX];  /* and its directory; "": neither */
    bool temporary;           /* which goes when the input is closed */
    struct da_facts *da;      /* what a DA layer shows about the log (celestia.h); NULL: nothing */
    int fd;                   /* of a pipe that was opened here; -1 otherwise */
    struct dsdn_genesis genesis;
    const struct dsdn_catalogue *catalogue;
};

/* input_open opens what `argument` names: - (an archive on standard input), a log or fixture directory, an
 * archive file or a pipe with one, or celestia:URL, which is followed to its end here.  --genesis is a
 * genesis file that the source must agree with, or that stands in for the one it does not carry; the options
 * of DA layers are read for those only.  NOT_FOUND, USAGE, WRONG_GENESIS, and the errors of what it opens.
 * Remarks about what was found go to stderr unless --quiet.  input_close may follow in any case, once *in was
 * zeroed. */
int input_open(struct input *in, const char *argument, const struct options *options,
               struct dsdn_error *error);
void input_close(struct input *in);

/* input_check reads the whole container and checks every byte of it, batches' contents aside (log/archive.h,
 * dsdn_archive_check; log/store.h, dsdn_store_verify).  A stream checks itself while it is read. */
int input_check(struct input *in, struct dsdn_error *error);

/* input_height finds the first batch whose da_origin is at `height` or above.  NOT_FOUND when there is none;
 * USAGE for a stream.  The source stands anywhere afterwards. */
int input_height(struct input *in, uint64_t height, uint64_t *sequence, struct dsdn_error *error);

/* input_place turns height:N into the sequence it stands for: of --from the first batch at N or above, of
 * --to the last one at N or below (DA layers: that height N leads to).  Other places stay as they are. */
struct place;
int input_place(struct input *in, struct place *place, bool end, struct dsdn_error *error);

/* input_catalogue is the catalogue for a network. */
const struct dsdn_catalogue *input_catalogue(const struct dsdn_genesis *genesis);

/* What a path names; false when there is nothing. */
bool is_directory(const char *path);
bool is_regular(const char *path);

#endif
