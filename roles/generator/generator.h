/* generator.h: whole logs from a seed: valid batches with realistic events, for fixtures, benches and soak
 * tests.
 *
 * The same options give the same bytes on every machine: integers only, one xoshiro256** stream, keys and
 * contents derived by hashing.  The network has feature level 1, no primary, one coordinator key at first,
 * three founders (two must agree), four validators, and accounts for whoever pays.
 *
 * The generator applies what it writes to a state of its own and asks it, so that nearly all events have the
 * outcome OK; it needs as much memory as a replay.  It tells small stories: operators deposit stake and
 * register nodes; an owner declares an object with its chunks, the authority assigns three replicas each as
 * planned, the nodes prove them; replicas go missing, heal, move; objects are deleted; nodes beat, rotate
 * certificates, change operators, are quarantined, banned or leave, lose their replicas and come back; tokens
 * move, stake grows, unbonds and is slashed for proven faults; audit logs are mirrored and sealed; quorum
 * sets are declared, committees take over (their batches have a higher epoch and another publisher); upgrades
 * are scheduled and cancelled.  A little over one event in a hundred is wrong on purpose: repeated, far or
 * expired nonces, bad signatures, foreign authors, contradictions, unknown rows.
 *
 * Signatures: `signed_percent` P sets the size of author-signed bundles: 100 / P events on average, that is P
 * bundle signatures per 100 author-signed events; P = 100 signs every event by itself.  Runs of one author
 * shorter than that make smaller bundles.  Events of the authority (somewhat less than a half) are covered by
 * the batch signature whatever P is.  P = 0 means no bundle signatures but those of a prologue (about 3 % of
 * the events) that registers nodes and declares objects in bundles as large as can be; from there on the
 * authority speaks alone.  Signatures inside events (a node's at registration, a founder's approval, of
 * faults) are made in any case.
 *
 * A families mask leaves stories out.  Whatever it is, nodes are registered to tell about, with their stake;
 * but only for NODE more than a few. */
#ifndef DSDN_ROLES_GENERATOR_H
#define DSDN_ROLES_GENERATOR_H

#include "log/base.h"
#include "log/error.h"
#include "log/genesis.h"

/* Alone make no log: SYSTEM, FALLBACK, COMMITTEE.  Author-signed, so no log at 0 percent unless NODE or CHUNK
 * is beside them: UPGRADE, CHAIN, AUDIT. */
#define DSDN_GENERATE_NODE      1u
#define DSDN_GENERATE_CHUNK     2u
#define DSDN_GENERATE_SYSTEM    4u /* CheckpointDeclared; needs `root` */
#define DSDN_GENERATE_UPGRADE   8u
#define DSDN_GENERATE_CHAIN     16u  /* tokens, stake, faults */
#define DSDN_GENERATE_AUDIT     32u  /* audit logs */
#define DSDN_GENERATE_FALLBACK  64u  /* quorum sets; activations would need a primary */
#define DSDN_GENERATE_COMMITTEE 128u /* committees and their hand-offs */
#define DSDN_GENERATE_ALL       255u

#define DSDN_GENERATE_SIGNED_DEFAULT 10u
#define DSDN_GENERATE_BATCH_DEFAULT  1000u

struct dsdn_generated_batch {
    const uint8_t *bytes; /* the generator's, until the callback returns */
    size_t len;
    uint64_t sequence;
    uint32_t events;
};

struct dsdn_generator_options {
    uint64_t seed;
    uint64_t events;           /* exactly as many are written; 0: none, no batch */
    uint32_t signed_percent;   /* 0..100, see above */
    uint32_t families;         /* DSDN_GENERATE_*; 0 = all */
    uint32_t events_per_batch; /* 1..65535, 0 = default; batches are also cut below batch_max bytes */

    /* Takes each batch, in order.  Non-zero stops the generator, which returns that code. */
    int (*emit)(void *self, const struct dsdn_generated_batch *batch, struct dsdn_error *error);
    /* May be NULL.  Gives the state root after the batch just emitted; asked at multiples of attest_every.
     * Only who runs an engine beside the generator knows it; without it no CheckpointDeclared is written,
     * since it would be false. */
    int (*root)(void *self, uint64_t sequence, uint8_t root[32], struct dsdn_error *error);
    void *self;
};

/* dsdn_generator_families reads "node,chunk,system,upgrade,chain,audit,fallback,committee" (any of them;
 * "all") into a mask.  USAGE for other words. */
int dsdn_generator_families(const char *list, uint32_t *families, struct dsdn_error *error);

/* dsdn_generator_genesis makes the genesis of the network that logs of this seed belong to; the caller frees
 * it. */
int dsdn_generator_genesis(uint64_t seed, struct dsdn_genesis *genesis, struct dsdn_error *error);

/* dsdn_generate writes the log.  USAGE for options that contradict each other, NO_MEMORY, or what emit
 * returned. */
int dsdn_generate(const struct dsdn_generator_options *options, struct dsdn_error *error);

#endif
