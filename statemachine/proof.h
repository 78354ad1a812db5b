/* proof.h: that one key has this value, or is absent, in the state of a root: checked with the root alone
 * (protocol.md, section 11; docs/formats/proof.md).
 *
 * A proof carries the head row as well.  Its table has exactly one row, so its root is the hash of that row,
 * and the state root binds it: sequence, genesis hash and time of a proof are proven, not claimed.
 *
 * There is one encoding per proof: every byte is bound by the root or by the form, so no byte of a proof that
 * verifies can change.  (One path shows the absence of many keys: with another of them in its place it is a
 * true proof of that one.) Proofs are not signed; whoever has a root that he trusts needs nothing else. */
#ifndef DSDN_STATEMACHINE_PROOF_H
#define DSDN_STATEMACHINE_PROOF_H

#include "log/source.h"
#include "statemachine/engine.h"

#define DSDN_PROOF_MAX 32768u /* bytes of an encoded proof */

/* What a checked proof says; pointers refer to its bytes. */
struct dsdn_proof {
    uint16_t table, role; /* ids */
    bool present;
    const uint8_t *key;
    uint32_t key_len;
    const uint8_t *value; /* canonical value, references as keys (row_json.h prints it); NULL when absent */
    uint32_t value_len;
    uint32_t depth; /* of the path: how many siblings there are */
    struct dsdn_sys_row_head
        head;         /* where the log stood: sequence = batches applied, genesis, time_ms, ... */
    uint8_t root[32]; /* the state root it leads to */
};

/* dsdn_proof_make proves the key of a table (by its number in the state), or its absence, in the current
 * state.  Brings the roots up to date with `threads` 1 or 2 (the engine marks changes from then on).  out is
 * replaced. */
int dsdn_proof_make(struct dsdn_engine *e, uint32_t table, const uint8_t *key, unsigned threads,
                    struct dsdn_buffer *out, struct dsdn_error *error);

/* dsdn_proof_check decodes a proof, computes the root that it leads to, and compares it with expected_root
 * (32 bytes; NULL: the caller looks at proof->root).  Pure: needs no state and allocates nothing.  FORMAT
 * when it is no proof, TRUNCATED, TOO_LARGE or MALFORMED when its form is wrong, PROOF when it leads to
 * another root.
 *
 * It proves "table id of role id: key has value".  Whether that is the question that was asked (table, key,
 * genesis, sequence) is the caller's to compare. */
int dsdn_proof_check(const uint8_t *bytes, size_t len, const uint8_t *expected_root, struct dsdn_proof *proof,
                     struct dsdn_error *error);

#endif
