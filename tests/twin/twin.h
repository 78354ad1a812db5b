/* twin.h: the naive twin: a second reading of docs/formats/reducers.md and docs/formats/state.md, slow and
 * obvious.
 *
 * It shares with the engine what log/ offers: the descriptors of events, hashes and signatures.  Neither
 * tables, reducers nor placement: it keeps facts by name (facts.h), counts by looking, and computes anew
 * whatever follows from other facts.  The library links nothing but log/, so that this stays true. */
#ifndef DSDN_TESTS_TWIN_TWIN_H
#define DSDN_TESTS_TWIN_TWIN_H

#include "log/batch.h"
#include "tests/twin/facts.h"

/* An outcome, and with PRECONDITION its code: outcome | code << 8. */
typedef uint32_t verdict;
enum {
    OK,
    DUPLICATE,
    STALE,
    EXPIRED,
    CONFLICT,
    BAD_SIGNATURE,
    NOT_AUTHORISED,
    PRECONDITION,
    LIMIT,
    DISABLED,
    NO_EFFECT,
    OUTCOMES
};

struct twin;

/* twin_new reads the canonical bytes of a genesis.  `version`: the newest protocol version that the program
 * knows. */
struct twin *twin_new(const uint8_t *genesis, size_t len, uint64_t version);
void twin_free(struct twin *t);

/* twin_valid says whether a batch is valid after the present state (wire.md, "Validity", 4 to 11; that it
 * decodes and who signed it is the caller's).  certificate: NULL without one. */
bool twin_valid(struct twin *t, const struct dsdn_batch *batch, const struct dsdn_certificate *certificate);

/* twin_apply applies a valid batch and writes the verdict of each event; returns how many, or UINT32_MAX when
 * the body does not decode or holds more than cap. */
uint32_t twin_apply(struct twin *t, const struct dsdn_batch *batch, verdict *verdicts, uint32_t cap);

/* What it knows: to compare, and for generators that want to say something sensible. */
struct facts *twin_facts(struct twin *t);
const uint8_t *twin_genesis(const struct twin *t);
/* Number of deadlines that fired in the newest batch. */
uint32_t twin_fired(const struct twin *t);

/* ---- for generators: questions to the state as it would be for an event at `now` ---- */

int64_t twin_parameter(struct twin *t, const char *name);
/* The nodes that placement chooses next for a chunk (at most 16); how many. */
uint32_t twin_planned(struct twin *t, uint64_t now, const uint8_t chunk[32], uint8_t nodes[16][32]);
/* The node to copy a chunk from; false when none has it. */
bool twin_source(struct twin *t, const uint8_t chunk[32], uint8_t node[32]);
uint64_t twin_spendable(struct twin *t, uint64_t now, const uint8_t account[32]);
/* The digest of embedded signatures: what a second party signs (wire.md, "Embedded signatures"). */
void twin_embedded(const uint8_t genesis[32], const uint8_t author[32], uint64_t nonce, uint16_t type,
                   uint8_t version, const char *field, const uint8_t *payload, uint32_t len,
                   uint8_t digest[32]);
/* The number of a code, 0 when there is no such name; and back ("" when there is none). */
uint16_t twin_code(const char *name);
const char *twin_code_name(uint16_t code);
const char *twin_outcome_name(uint32_t outcome);

#endif
