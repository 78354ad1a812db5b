/* namespace.h: the 29 bytes that sort and name everything in a Celestia square.
 *
 *     0  u8         version: 0 for what users post, 255 for the protocol itself
 *     1  28 bytes   id; version 0 needs 18 zero bytes first, which leaves 10 free ones
 *
 * Namespaces are ordered as byte strings.  Rules: celestiaorg/go-square share/namespace.go and consts.go. */
#ifndef DSDN_ADAPTERS_CELESTIA_NAMESPACE_H
#define DSDN_ADAPTERS_CELESTIA_NAMESPACE_H

#include "log/base.h"
#include "log/error.h"

#define DSDN_NAMESPACE_LEN 29u

enum dsdn_namespace_class {
    DSDN_NAMESPACE_USER,        /* version 0 above id 255: anybody may post blobs to it */
    DSDN_NAMESPACE_PRIMARY,     /* version 0, id 0 to 255: transactions and padding of the protocol */
    DSDN_NAMESPACE_PROTOCOL,    /* version 255 below the secondary range: parses, takes no blobs */
    DSDN_NAMESPACE_SECONDARY,   /* version 255, first 27 id bytes 255, but neither of the two below */
    DSDN_NAMESPACE_TAIL,        /* tail padding of a square: 28 bytes 255, then 254 */
    DSDN_NAMESPACE_PARITY,      /* erasure-coded shares: 29 bytes 255 */
    DSDN_NAMESPACE_BAD_VERSION, /* neither version 0 nor 255 */
    DSDN_NAMESPACE_BAD_PREFIX,  /* version 0 without its 18 zero bytes */
};

extern const uint8_t dsdn_namespace_pay_for_blob[DSDN_NAMESPACE_LEN];     /* ..04: transactions with blobs */
extern const uint8_t dsdn_namespace_transactions[DSDN_NAMESPACE_LEN];     /* ..01: all other transactions */
extern const uint8_t dsdn_namespace_reserved_padding[DSDN_NAMESPACE_LEN]; /* ..ff */
extern const uint8_t dsdn_namespace_tail_padding[DSDN_NAMESPACE_LEN];
extern const uint8_t dsdn_namespace_parity[DSDN_NAMESPACE_LEN];

static inline int dsdn_namespace_compare(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, DSDN_NAMESPACE_LEN);
}

/* dsdn_namespace_parse reads exactly 58 hex digits of either case (zero-terminated, nothing behind them).
 * Every 29 bytes are accepted: what they may be used for is dsdn_namespace_check's question.  USAGE. */
int dsdn_namespace_parse(const char *text, uint8_t ns[DSDN_NAMESPACE_LEN], struct dsdn_error *error);

enum dsdn_namespace_class dsdn_namespace_classify(const uint8_t ns[DSDN_NAMESPACE_LEN]);

/* dsdn_namespace_public_chain says whether a chain id is one of Celestia's networks ("celestia", "mocha-...",
 * "arabica-..."), the same rule as for a genesis (docs/formats/wire.md). */
bool dsdn_namespace_public_chain(const char *chain_id);

/* dsdn_namespace_check says whether a log may live in ns on the chain: on a public one only class USER, on
 * mock and local chains every namespace.  USAGE with the reason. */
int dsdn_namespace_check(const uint8_t ns[DSDN_NAMESPACE_LEN], const char *chain_id,
                         struct dsdn_error *error);

#endif
