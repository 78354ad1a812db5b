/* genesis.h: what a network is: the genesis file, its canonical bytes, and the hash that names the network.
 *
 * The file is the JSON form of one GenesisDeclared event (log/json.h); the canonical bytes are the payload of
 * that event, version 1; genesis hash = H("dsdn/genesis/1", canonical bytes)  (protocol.md, section 2).  Also
 * here: the list of governable parameters (log/parameters.def). */
#ifndef DSDN_LOG_GENESIS_H
#define DSDN_LOG_GENESIS_H

#include "log/error.h"
#include "log/events.h"
#include "log/io.h"
#include "log/json.h"

#define DSDN_GENESIS_MAX 4194304u /* bytes of a genesis file, and of canonical bytes */

enum dsdn_profile { DSDN_PROFILE_DEVNET = 1, DSDN_PROFILE_TESTNET = 2, DSDN_PROFILE_MAINNET = 3 };

/* ---- parameters ---- */

struct dsdn_parameter_desc {
    const char *name;
    int64_t value;       /* default */
    int64_t devnet;      /* what development networks declare */
    int64_t least, most; /* range */
    const char *unit, *doc;
};

enum {
#define PARAMETER(name, value, devnet, least, most, unit, doc) DSDN_PARAMETER_##name,
#include "log/parameters.def"
#undef PARAMETER
    DSDN_PARAMETER_CNT
};

/* Sorted by name; indexed by DSDN_PARAMETER_name. */
extern const struct dsdn_parameter_desc dsdn_parameters[DSDN_PARAMETER_CNT];

/* dsdn_parameter_find returns the parameter of a name (len bytes), or NULL. */
const struct dsdn_parameter_desc *dsdn_parameter_find(const void *name, size_t len);

/* Beside these there is one parameter for each operator: `op:` and its address in base64url (RFC 4648,
 * section 5, without padding): 0, or 1 for one that registers nodes while gate_pilot is 1.  An address has
 * one spelling.
 *
 * dsdn_operator_parameter writes that name, ended by a zero byte.  dsdn_parameter_rule returns what values a
 * name may have: the row of dsdn_parameters, or for every name of an operator the same description outside
 * that array; NULL: names no parameter. */
#define DSDN_OPERATOR_NAME 47u
void dsdn_operator_parameter(const uint8_t operator[32], char name[DSDN_OPERATOR_NAME]);
const struct dsdn_parameter_desc *dsdn_parameter_rule(const void *name, size_t len);

/* dsdn_genesis_parameter is the value of parameter `index` in a network: declared in its genesis, or the
 * default. */
int64_t dsdn_genesis_parameter(const struct dsdn_ev_genesis_declared *genesis, uint32_t index);

/* ---- genesis ---- */

struct dsdn_genesis {
    uint8_t *bytes; /* canonical, owned */
    uint32_t len;
    uint8_t hash[32];
    struct dsdn_ev_genesis_declared event; /* views into bytes */
};

/* dsdn_genesis_check says whether a decoded genesis is one that a network can live with.  MALFORMED with the
 * reason:
 * - network_id is not empty; protocol version at least 1.0.0; chain_profile 1..3;
 * - no da_chain_id: namespace, start height and start hash are zero.  On the public Celestia networks
 * ("celestia", "mocha-N", "arabica-N") the namespace has version 0, 18 leading zero bytes and is not
 * reserved;
 * - quorum_threshold_pct 67..100, or 0 when the quorum set is empty;
 * - the authority is a key or a committee, not both.  A committee has a group key, distinct members and
 * non-zero share indexes, a backing validator of this genesis for each seat, and floor(2n/3)+1 signers (2 of
 * 3 is accepted);
 * - 1 <= founder_m <= founders (0 without founders);
 * - parameters are known, in range, sorted by key, each once; validators are distinct;
 * - an account has at most one allocation, of more than 0 units; balances of one asset do not overflow 64
 * bits. */
int dsdn_genesis_check(const struct dsdn_ev_genesis_declared *genesis, struct dsdn_error *error);

/* Each of these fills *genesis with a checked genesis that dsdn_genesis_free releases; after a failure there
 * is nothing to release.  _encode: from a struct, as generators do.  _decode: from canonical bytes, as
 * archives carry them.  _parse: from the text of a genesis file.  _load: from the file. */
int dsdn_genesis_encode(struct dsdn_genesis *genesis, const struct dsdn_ev_genesis_declared *from,
                        struct dsdn_error *error);
int dsdn_genesis_decode(struct dsdn_genesis *genesis, const uint8_t *bytes, size_t len,
                        struct dsdn_error *error);
int dsdn_genesis_parse(struct dsdn_genesis *genesis, const void *text, size_t len, struct dsdn_error *error);
int dsdn_genesis_load(struct dsdn_genesis *genesis, const struct dsdn_io *io, const char *path,
                      struct dsdn_error *error);
void dsdn_genesis_free(struct dsdn_genesis *genesis);

/* dsdn_genesis_write writes the genesis file's text (without a final newline). */
int dsdn_genesis_write(const struct dsdn_genesis *genesis, struct dsdn_text *text, struct dsdn_error *error);

#endif
