/* reader_private.h: the inside of a reader, shared by its files.
 *
 *     reader_fetch.c   slots: what was asked for each height and what came of it
 *     reader_trust.c   which of the headers that came are the chain's
 *     reader.c         the interface, and the order of it all
 */
#ifndef DSDN_ADAPTERS_CELESTIA_READER_PRIVATE_H
#define DSDN_ADAPTERS_CELESTIA_READER_PRIVATE_H

#include "adapters/celestia/chain.h"
#include "adapters/celestia/json_objects.h"
#include "adapters/celestia/reader.h"
#include "adapters/celestia/rpc.h"

/* Something to be got from one of the endpoints: each is asked once a round, and after a round without
 * success there is a pause. */
struct fetch {
    struct dsdn_rpc_call *call; /* open */
    uint32_t endpoint;          /* asked last */
    uint32_t tried;             /* endpoints of this round, one bit each */
    bool failed;                /* all of them in vain; until retry_ms */
    bool told;                  /* the caller knows */
    uint64_t retry_ms;
    enum dsdn_da_answer answer; /* the gravest of the round */
    struct dsdn_error error;
};

/* A height. */
struct slot {
    uint64_t height; /* 0: free */
    struct fetch header, data;
    struct dsdn_block_answer block; /* block.memory NULL: not here yet */
    uint8_t hash[32];               /* of the header that came */
    bool trusted;                   /* it is the chain's */
    bool due;                       /* rows of the square contain the namespace: data is needed */
    struct dsdn_rows_answer rows;
    struct dsdn_share_run *runs; /* of verified rows */
    uint32_t run_cnt;
    bool data_ready;
    size_t held; /* bytes of data, held or to be expected */
};

/* Each witness is asked for the header that was verified last. */
struct witness {
    struct dsdn_rpc_call *call;
    bool answered; /* or given up */
};

struct dsdn_reader {
    struct dsdn_rpc *rpc;
    struct dsdn_endpoint endpoints[2 * DSDN_READER_ENDPOINTS_MAX]; /* witnesses behind endpoint_cnt */
    uint32_t endpoint_cnt, witness_cnt;
    uint64_t down_ms[DSDN_READER_ENDPOINTS_MAX]; /* asked last until then */
    struct dsdn_chain *chain;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    uint64_t next, to;
    uint32_t ahead, poll_ms;
    size_t ahead_bytes, held;
    bool proofs;
    uint64_t (*clock_ms)(void *self);
    void *self;

    struct slot *slots; /* `ahead` of them, by height modulo ahead */
    struct slot aux;    /* a header outside the window: the anchor, one to bisect */
    struct fetch head;
    uint64_t head_asked_ms;
    struct dsdn_reader_head head_seen;
    struct head_socket *socket; /* NULL: none */

    bool descending; /* headers are linked from down_height to next, downwards */
    uint64_t down_height;
    uint8_t down_hash[32]; /* of it */
    uint64_t chunk_top;    /* verified by its signatures, those below it down to next by links */
    uint64_t climbing;     /* height that the light client waits for; 0: none */
    uint64_t marked;       /* `next` when the chain was marked for the chunk that is being verified; 0: not */
    uint64_t chunk_limit;  /* a chunk must not reach beyond: a header behind it is false; 0: none */
    uint64_t waiting_ms;   /* since when a shorter chunk could be verified; 0: none could */
    struct witness witnesses[DSDN_READER_ENDPOINTS_MAX];
    uint64_t confirm_height; /* that the witnesses are asked for; 0: none */
    uint8_t confirm_hash[32];

    bool moved; /* a further round can go on at once, without waiting for an answer */

    /* what keeps all of it from going on; code 0: nothing */
    enum dsdn_da_answer stuck_answer;
    struct dsdn_error stuck;

    struct dsdn_height_blobs delivered;
    struct dsdn_bytes proof;
};

/* Monotonic. */
uint64_t reader_now_ms(void);
struct slot *reader_slot(struct dsdn_reader *r, uint64_t height);

/* ---- reader_fetch.c ---- */

void slot_clear(struct dsdn_reader *r, struct slot *s);
void reader_clear(struct dsdn_reader *r); /* all slots */
/* Gives the slot of a height to it. */
struct slot *reader_assign(struct dsdn_reader *r, uint64_t height);
/* Starts and takes what the slot needs.  Only memory can fail. */
int slot_run(struct dsdn_reader *r, struct slot *s, bool with_data, struct dsdn_error *error);
/* The header that came is false: another endpoint is asked. */
void slot_refuse_header(struct dsdn_reader *r, struct slot *s, const struct dsdn_error *why);
int reader_run_head(struct dsdn_reader *r, struct dsdn_error *error);
/* Ends the open call of a fetch as a failure. */
void fetch_fail(struct dsdn_reader *r, struct fetch *f, enum dsdn_da_answer answer,
                const struct dsdn_error *why);

/* ---- reader_trust.c ---- */

/* Extends trust as far as what came allows.  Errors other than memory's and the disk's go to r->stuck or to a
 * fetch. */
int reader_trust(struct dsdn_reader *r, struct dsdn_error *error);
/* Whether the witnesses have nothing against what was verified. */
bool reader_confirmed(const struct dsdn_reader *r);
void reader_forget_trust(struct dsdn_reader *r); /* of the window, for a seek */

/* ---- head_socket.c ---- */

/* A WebSocket that says when a new head may be there. */
int head_socket_new(const struct dsdn_endpoint *endpoint, struct head_socket **socket,
                    struct dsdn_error *error);
void head_socket_free(struct head_socket *socket);
/* Moves it on without waiting; true once after a message. */
bool head_socket_run(struct head_socket *socket, uint64_t now_ms);

#endif
