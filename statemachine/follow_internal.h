/* follow_internal.h: the inside of a follower, shared by its files only: opening and what is durable
 * (follow_open.c), what the sequencer asks of the state (follow_view.c), what it asks to be done
 * (follow_act.c), and what comes in and goes out (follow.c). */
#ifndef DSDN_STATEMACHINE_FOLLOW_INTERNAL_H
#define DSDN_STATEMACHINE_FOLLOW_INTERNAL_H

#include "log/genesis.h"
#include "statemachine/engine_internal.h"
#include "statemachine/follow.h"

enum {
    FOLLOW_KEYS = 1 << 14,     /* checked keys that are remembered */
    FOLLOW_REFUSALS = 32,      /* reasons kept until the evidence comes: the sequencer's ring of evidence */
    FOLLOW_SEEN_MAX = 1 << 16, /* places of unsettled batches that are noted for the index */
    FOLLOW_SYNC_BATCHES = 256,
    FOLLOW_SYNC_BYTES = 16 << 20,
    FOLLOW_CHECKPOINTS = 2, /* settled ones that are kept */
    FOLLOW_RECORD = 124,    /* bytes of DIR/follow */
    FOLLOW_PATH = 4096
};

struct follow_header {
    uint64_t time_ms;
    uint8_t hash[32];
};

/* One applied batch since the settled one. */
struct follow_applied {
    uint8_t hash[32];
    struct dsdn_cursor cursor;
    uint64_t origin_height;
};

/* Who may publish and certify, in the states with `next` and more batches. */
struct follow_era {
    uint64_t next;
    uint8_t authority[32], next_authority[32];
    uint64_t epoch, next_epoch;
    uint32_t quorum_set;
    uint8_t quorum_pct;
    uint8_t *members; /* of the quorum set, owned */
    uint32_t member_cnt;
};

struct follow_checkpoint {
    uint64_t next; /* batches applied */
    uint8_t hash[32];
};

/* A place on the primary of a batch that is not settled. */
struct follow_seen {
    uint64_t sequence;
    uint8_t hash[32];
    struct dsdn_da_reference place;
};

struct dsdn_follow {
    struct dsdn_follow_options options;
    char dir[FOLLOW_PATH];
    const struct dsdn_io *io;
    struct dsdn_genesis genesis;
    struct dsdn_store *store;
    struct dsdn_engine *engine, *scratch; /* scratch: a state of the past, to confirm provisional batches */
    struct dsdn_sequencer *s;
    struct dsdn_state_view view;
    struct dsdn_key_cache *keys;
    struct dsdn_prepared prepared;
    struct dsdn_buffer buffer;
    bool primary;

    /* What is known of the primary.  headers[i] is of height headers_from + i; the queue holds what is behind
     * queue_from up to the end of read_to; everything above is not read yet. */
    uint64_t start, want, read_to;
    uint64_t fetch; /* height whose bundles are wanted again; DSDN_HEIGHT_NONE: none */
    uint64_t again; /* lowest height that a rescan named while one was fed */
    struct follow_header *headers;
    uint64_t headers_from;
    size_t header_cnt, header_cap;
    struct dsdn_direct_queue queue;
    struct dsdn_cursor queue_from;
    struct dsdn_direct_selection selection;

    /* What is known of the batches since the settled one. */
    struct dsdn_fork_root root;        /* the settled point that the fields below begin at */
    struct dsdn_fork_root recorded;    /* the one in DIR/follow */
    struct dsdn_cursor settled_cursor; /* da_cursor of the settled batch */
    struct follow_applied *applied;    /* applied[i] is batch root.next + i */
    size_t applied_cnt, applied_cap;
    struct follow_era *eras; /* ascending by next; the first one holds at root.next */
    size_t era_cnt, era_cap;
    struct follow_checkpoint *checkpoints; /* ascending by next */
    size_t checkpoint_cnt, checkpoint_cap;
    struct follow_seen *seen;
    size_t seen_cnt, seen_cap;
    uint32_t unsynced_batches;
    uint64_t unsynced_bytes;

    struct dsdn_follow_event *events; /* [event_first, event_end) are waiting */
    size_t event_first, event_end, event_cap;
    uint8_t *lent[2]; /* bytes of the event handed out last */
    struct {
        uint8_t hash[32];
        struct dsdn_error error;
    } refusals[FOLLOW_REFUSALS];
    uint32_t refusal;
    struct dsdn_error fatal; /* code 0: none */
    struct dsdn_error halt;  /* why a batch could not be judged */
    bool halted, full;       /* full: the alarm about the queue was given */
    uint64_t rollbacks, refused;
};

/* ---- follow_open.c ---- */

/* Make an engine that stands behind `next` batches of the log, from the newest checkpoint that fits. */
int dsdn_follow_state_at(struct dsdn_follow *f, uint64_t next, struct dsdn_engine **engine,
                         struct dsdn_follow_report *report, struct dsdn_error *error);
/* Write a checkpoint of the applied state.  Forget, file and all, those above `next`, or all settled ones but
 * the newest. */
int dsdn_follow_checkpoint(struct dsdn_follow *f, struct dsdn_error *error);
void dsdn_follow_checkpoints_cut(struct dsdn_follow *f, uint64_t next);
void dsdn_follow_checkpoints_prune(struct dsdn_follow *f);
/* Write DIR/follow if the settled point moved. */
int dsdn_follow_record(struct dsdn_follow *f, struct dsdn_error *error);

/* ---- follow_view.c ---- */

void dsdn_follow_view(struct dsdn_follow *f);
/* Does an era end with the applied state?  Notes the new one; room was made by _era_room. */
int dsdn_follow_era_room(struct dsdn_follow *f, struct dsdn_error *error);
int dsdn_follow_era(struct dsdn_follow *f, struct dsdn_error *error);
void dsdn_follow_eras_cut(struct dsdn_follow *f, uint64_t next);  /* states above next are undone */
void dsdn_follow_eras_drop(struct dsdn_follow *f, uint64_t next); /* states below next are settled */

/* ---- follow_act.c ---- */

/* Carry out all that the sequencer asks for. */
int dsdn_follow_act(struct dsdn_follow *f, struct dsdn_error *error);
/* What waits in the queue fills it. */
bool dsdn_follow_full(const struct dsdn_follow *f);
/* The header that was read at a height, or NULL. */
const struct follow_header *dsdn_follow_header(const struct dsdn_follow *f, uint64_t height);
/* The queue holds everything behind the cursor; false: it will be read again. */
bool dsdn_follow_queue_covers(struct dsdn_follow *f, const struct dsdn_cursor *cursor);

/* Room in an array of `size`d items for one more. */
int dsdn_follow_room(void *array, size_t *cap, size_t cnt, size_t size, struct dsdn_error *error);

static inline struct dsdn_cursor follow_cursor(const struct dsdn_engine *e)
{
    const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(e));
    return (struct dsdn_cursor){head->cursor_height, head->cursor_index};
}

static inline bool follow_before(const struct dsdn_cursor *a, const struct dsdn_cursor *b)
{
    return a->height < b->height || (a->height == b->height && a->blob_index < b->blob_index);
}

#endif
