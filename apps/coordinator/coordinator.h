/* coordinator.h: what dsdn-coordinator joins: reader and submitter of the primary, follower, pool, signer,
 * publisher. One thread; coordinator_turn does a little of everything and never waits longer than it is told.
 */
#ifndef DSDN_APPS_COORDINATOR_COORDINATOR_H
#define DSDN_APPS_COORDINATOR_COORDINATOR_H

#include "adapters/celestia/reader.h"
#include "adapters/celestia/submit.h"
#include "apps/coordinator/options.h"
#include "log/genesis.h"
#include "log/json.h"
#include "sinks/publish/publisher.h"
#include "statemachine/follow.h"

struct coordinator {
    const struct options *options;
    struct dsdn_genesis genesis;
    struct dsdn_sign_key key;
    struct dsdn_reader *reader;
    struct dsdn_submitter *submitter;
    struct dsdn_follow *follow;
    struct dsdn_pool *pool;
    struct dsdn_signer_file *signer;
    struct dsdn_publisher *publisher;
    char follow_dir[4096], pool_path[4096], signer_path[4096], scratch_path[4096], submit_path[4096],
        da_dir[4096];
    bool caught_up;      /* has been at the primary's head once: the state is good enough to judge bundles */
    bool unsynced;       /* the follower has something to make durable */
    uint64_t saw_height; /* newest height that the submitter was told */
    uint64_t not_before_ms; /* after a submission that failed */
    uint64_t last_trouble_ms;
    int last_trouble; /* code that was printed last */
    uint64_t events_applied;
};

/* coordinator_open takes up what the data directory holds, or makes it. */
int coordinator_open(struct coordinator *c, const struct options *o, struct dsdn_error *error);
void coordinator_close(struct coordinator *c);

/* coordinator_turn reads what there is of the primary (waiting at most wait_ms for it), makes batches, posts
 * them. Trouble that may pass is printed and tried again; what comes back as an error ends the program. */
int coordinator_turn(struct coordinator *c, uint32_t wait_ms, struct dsdn_error *error);

/* Everything accepted is in the log as the follower applied it, and nothing is under way. */
bool coordinator_done(const struct coordinator *c);

/* Unix time in ms. */
uint64_t coordinator_now(void);

/* One JSON object. */
void coordinator_status(const struct coordinator *c, struct dsdn_text *t);

#endif
