/* signer.h: the authority's key and its lock (protocol.md, section 9): no header is signed that was not
 * written down before, durably, together with its signature; after a crash the very same bytes are sent
 * again.
 *
 * The file is a journal (journal.h) of records:
 *     u8 1, batch          a signed batch, whole
 *     u8 2, batch[0, 225)  only its header: it was seen on the primary and need not be sent again
 *     u8 3, sequence u64   batches below are settled: nothing is ever signed for them again
 * The newest record of a sequence counts.  Whoever copies a key to another machine copies this file with it:
 * without it a second header could be signed.  Not thread safe. */
#ifndef DSDN_SINKS_PUBLISH_SIGNER_H
#define DSDN_SINKS_PUBLISH_SIGNER_H

#include "log/io.h"
#include "log/signer_lock.h"

struct dsdn_signer_file;

struct dsdn_signer_options {
    const struct dsdn_io *io;
    const char *path;
    const uint8_t *genesis;          /* genesis hash */
    const struct dsdn_sign_key *key; /* of the authority; outlives the file */
};

struct dsdn_signer_report {
    bool created;
    uint64_t locks; /* sequences that something was signed for */
    uint64_t cut;   /* bytes of a record that was being written at a crash; it was never used */
};

/* dsdn_signer_open reads the file, or makes one.  Errors of journal.h; CHAIN for records that contradict each
 * other. */
int dsdn_signer_open(const struct dsdn_signer_options *options, struct dsdn_signer_file **out,
                     struct dsdn_signer_report *report, struct dsdn_error *error);
void dsdn_signer_close(struct dsdn_signer_file *f);

/* What was signed for a sequence. */
struct dsdn_signed {
    struct dsdn_signer_lock lock;
    struct dsdn_header header;
    uint8_t *bytes; /* the batch, owned by the file; NULL: seen, and not kept */
    size_t len;
    bool included;  /* a countable inclusion was seen */
    bool certified; /* a certificate for it was seen (whether it is good is not looked at) */
};

/* dsdn_signer_find: NULL when nothing was signed for it (or it is settled).  Valid until the next call that
 * is not const. */
const struct dsdn_signed *dsdn_signer_find(const struct dsdn_signer_file *f, uint64_t sequence);
/* The highest sequence something was signed for, + 1; 0: none. */
uint64_t dsdn_signer_end(const struct dsdn_signer_file *f);
/* Batches below are settled. */
uint64_t dsdn_signer_floor(const struct dsdn_signer_file *f);

/* dsdn_signer_sign signs the batch being built for `header` (its counts and hash are filled in), if the rule
 * allows: *answer LOCK: signed, and durable before this returns; RESEND: this very header was signed before;
 * REFUSE: not now. *batch: the bytes, owned by the file, valid until the sequence is signed again or settles;
 * empty with REFUSE, and with RESEND when they are not kept any more.  complete, settled_next,
 * origin_lag_max: as in struct dsdn_signer_facts; what was seen of the old header is known here. */
int dsdn_signer_sign(struct dsdn_signer_file *f, struct dsdn_batch_builder *builder,
                     struct dsdn_header *header, uint64_t complete, uint64_t origin_lag_max,
                     enum dsdn_signer_answer *answer, struct dsdn_view *batch, struct dsdn_error *error);

/* dsdn_signer_allows: would a header with this origin be signed for the sequence?  For waiting without
 * building. */
bool dsdn_signer_allows(const struct dsdn_signer_file *f, uint64_t sequence, uint64_t origin_height,
                        uint64_t complete, uint64_t origin_lag_max);

/* dsdn_signer_saw tells of a blob on the primary: a batch, bare or certified, of a height with this header
 * time.  Other bytes are nothing. */
void dsdn_signer_saw(struct dsdn_signer_file *f, const uint8_t *bytes, size_t len, uint64_t height,
                     uint64_t time_ms, uint64_t origin_lag_max);

/* dsdn_signer_settled: batches below `next` are settled and forgotten.  Rewrites the file when most of it is
 * dead. */
int dsdn_signer_settled(struct dsdn_signer_file *f, uint64_t next, struct dsdn_error *error);

#endif
