/* chain.h: the trusted header chain of a reader: where trust begins, the light client, and the hashes of what
 * was verified.
 *
 * Not every header needs its signatures checked.  One is verified by skipping (light.h), and those below it
 * follow from last_block_id; whoever reads many heights asks for one verification in dozens.  What a caller
 * found trusted this way is told here with dsdn_chain_learn and remembered: in memory, and with a state
 * directory in the file `headers` there, so that the next run begins where this one ended.
 *
 * File `headers`: "DSDNHDR1", the chain id (56 bytes, filled with zeros), then records of 48 bytes: u64
 * height, hash, and the first 8 bytes of SHA-256(the 8 of the record before || height || hash), the first
 * record's over 8 zero bytes.  A tail that does not match is dropped.  A record below or not far above what
 * is known extends it; any other one begins anew. */
#ifndef DSDN_ADAPTERS_CELESTIA_CHAIN_H
#define DSDN_ADAPTERS_CELESTIA_CHAIN_H

#include "adapters/celestia/light.h"
#include "adapters/celestia/proof.h"
#include "adapters/celestia/reader.h"

#define DSDN_CHAIN_HASHES_MAX (1u << 22) /* remembered; the oldest half goes first */

struct dsdn_chain;

struct dsdn_chain_options {
    const char *chain_id; /* NULL: that of the anchor */
    uint64_t pin_height;  /* 0: none */
    uint8_t pin_hash[32];
    uint64_t period;       /* seconds; 0: DSDN_LIGHT_PERIOD */
    const char *state_dir; /* NULL: none */
    bool keep_steps;       /* collect encoded light blocks for proofs */
};

/* dsdn_chain_open reads the state.  A pin that the state knows is confirmed by it; one that it knows
 * otherwise is CHAIN; one outside makes it forget the state.  MALFORMED, IO, NO_MEMORY, USAGE. */
int dsdn_chain_open(const struct dsdn_chain_options *options, struct dsdn_chain **chain,
                    struct dsdn_error *error);
void dsdn_chain_close(struct dsdn_chain *chain);

struct dsdn_reader_anchor dsdn_chain_anchor(const struct dsdn_chain *chain);

/* dsdn_chain_set_anchor takes the node's word, when there is neither pin nor state. */
void dsdn_chain_set_anchor(struct dsdn_chain *chain, uint64_t height, const uint8_t hash[32]);

/* dsdn_chain_check_id: WRONG_GENESIS when a header is of another chain. */
int dsdn_chain_check_id(const struct dsdn_chain *chain, const struct dsdn_celestia_header *header,
                        struct dsdn_error *error);

/* dsdn_chain_top is the highest height whose signatures were verified; 0 before the anchor was. */
uint64_t dsdn_chain_top(const struct dsdn_chain *chain);

/* dsdn_chain_wanted is the height of the block to give next on the way up to target (above the top, or
 * anything before the anchor was verified): the target itself unless something has to come before it. */
uint64_t dsdn_chain_wanted(struct dsdn_chain *chain, uint64_t target);

/* dsdn_chain_give judges the wanted block; see light.h.  VERIFIED moves the top. */
enum dsdn_light_verdict dsdn_chain_give(struct dsdn_chain *chain, const struct dsdn_celestia_block *block,
                                        struct dsdn_celestia_time now, struct dsdn_error *error);

/* dsdn_chain_mark remembers the light client and the steps as they are; dsdn_chain_back returns to them: what
 * was verified since stays true, but a header nearer to the mark is needed first. */
void dsdn_chain_mark(struct dsdn_chain *chain);
void dsdn_chain_back(struct dsdn_chain *chain);

/* dsdn_chain_hash gives the remembered hash of a height. */
bool dsdn_chain_hash(const struct dsdn_chain *chain, uint64_t height, uint8_t hash[32]);

/* dsdn_chain_above is the lowest remembered height above `height`, 0 for none. */
uint64_t dsdn_chain_above(const struct dsdn_chain *chain, uint64_t height);

/* dsdn_chain_learn remembers a trusted header.  CHAIN when another one is remembered; NO_MEMORY; IO. */
int dsdn_chain_learn(struct dsdn_chain *chain, uint64_t height, const uint8_t hash[32],
                     struct dsdn_error *error);

/* Steps collected since the last call of dsdn_chain_drop_steps: for dsdn_celestia_proof_make. */
struct dsdn_view dsdn_chain_steps(const struct dsdn_chain *chain, uint32_t *step_cnt);
void dsdn_chain_drop_steps(struct dsdn_chain *chain);

#endif
