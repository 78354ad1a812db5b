/* celestia_audit.c: the proofs of an archive, first their headers, then the heights one by one.
 *
 * A proof that does not fit one section is cut into several with the same key, one behind the other. */
#include "apps/replay/celestia.h"

#include "apps/replay/commands.h"
#include "log/archive.h"

#include <stdlib.h>

#define PLACE_EVERY 64u /* heights between remembered places in the file */

struct proofs {
    struct dsdn_source *archive;
    struct dsdn_celestia_audit *audit;
    struct dsdn_audit_result result;
    uint8_t ns[DSDN_NAMESPACE_LEN];
    uint64_t hole;    /* the height whose proof is missing between others; 0: none */
    uint64_t *places; /* places[i]: cursor before the proof of height first + i * PLACE_EVERY */
    size_t place_cnt, place_cap;
    /* the walk */
    uint64_t cursor, height; /* height of the proof in `whole`; 0: none */
    struct dsdn_buffer section;
    struct dsdn_archive_blob blob; /* the section that follows it */
    uint64_t blob_cursor;          /* before that section */
    bool pending, ended;
    struct dsdn_bytes whole;
    struct dsdn_height_blobs blobs;
};

/* ---- the walk -------------------------------------------------------------------------------- */

static int next_section(struct proofs *p, struct dsdn_error *error)
{
    if (p->pending || p->ended) return DSDN_OK;
    p->blob_cursor = p->cursor;
    int rc = dsdn_archive_blob_next(p->archive, &p->cursor, 1u << DSDN_ARCHIVE_PROOF, &p->section, &p->blob,
                                    error);
    p->ended = rc == DSDN_E_AGAIN;
    p->pending = !rc;
    return p->ended ? DSDN_OK : rc;
}

static void rewind_to(struct proofs *p, uint64_t cursor)
{
    p->cursor = cursor;
    p->pending = p->ended = false;
    p->height = 0;
}

/* Puts the next proof together; p->height is 0 behind the last.  *cursor (may be NULL): where it begins. */
static int next_proof(struct proofs *p, uint64_t *cursor, struct dsdn_error *error)
{
    int rc = next_section(p, error);
    p->height = 0;
    p->whole.len = 0;
    if (rc || p->ended) return rc;
    uint64_t key = p->blob.key;
    if (cursor) *cursor = p->blob_cursor;
    while (!rc && p->pending && p->blob.key == key) {
        if (p->blob.len > CELESTIA_PROOF_MAX - p->whole.len)
            return dsdn_fail(error, DSDN_E_TOO_LARGE, "the proof of height %llu has more than %u bytes",
                             (unsigned long long)key, CELESTIA_PROOF_MAX);
        rc = dsdn_bytes_put(&p->whole, p->blob.bytes, p->blob.len, error);
        p->pending = false;
        if (!rc) rc = next_section(p, error);
    }
    if (rc) return rc;
    p->height = key;
    if (dsdn_celestia_proof_height((struct dsdn_view){p->whole.bytes, p->whole.len}) == key) return DSDN_OK;
    return dsdn_fail(error, DSDN_E_MALFORMED, "the section for height %llu holds another height's proof",
                     (unsigned long long)key);
}

/* ---- headers --------------------------------------------------------------------------------- */

static int remember_place(struct proofs *p, uint64_t cursor, struct dsdn_error *error)
{
    if (p->place_cnt == p->place_cap) {
        size_t cap = p->place_cap ? 2 * p->place_cap : 256;
        uint64_t *grown = realloc(p->places, cap * sizeof *grown);
        if (!grown) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the places of proofs");
        p->places = grown;
        p->place_cap = cap;
    }
    p->places[p->place_cnt++] = cursor;
    return DSDN_OK;
}

/* Up to the first height that is missing: what comes behind a hole cannot be followed anyway. */
static int scan(struct proofs *p, struct dsdn_error *error)
{
    uint64_t cnt = 0, cursor = 0, last = 0;
    int rc = DSDN_OK;
    while (!rc) {
        if (interrupted) return dsdn_fail(error, DSDN_E_INTERRUPTED, "stopped among the proofs");
        rc = next_proof(p, &cursor, error);
        if (rc || !p->height) break;
        if (cnt && p->height > last + 1) {
            p->hole = last + 1;
            break;
        }
        rc = dsdn_celestia_audit_scan(p->audit, (struct dsdn_view){p->whole.bytes, p->whole.len}, error);
        if (!rc && cnt % PLACE_EVERY == 0) rc = remember_place(p, cursor, error);
        last = p->height;
        cnt++;
    }
    dsdn_celestia_audit_result(p->audit, &p->result);
    if (!rc) rewind_to(p, 0);
    return rc;
}

int proofs_open(struct dsdn_source *archive, const struct dsdn_genesis *genesis, uint64_t pin_height,
                const uint8_t pin_hash[32], struct proofs **out, struct dsdn_error *error)
{
    char chain_id[DSDN_CELESTIA_CHAIN_ID_MAX + 1] = "";
    struct dsdn_view id = genesis->event.da_chain_id;
    struct dsdn_audit_options options = {.chain_id = chain_id, .pin_height = pin_height};
    *out = NULL;
    if (!id.len || id.len >= sizeof chain_id) return DSDN_OK; /* a network without this primary */
    memcpy(chain_id, id.bytes, id.len);
    memcpy(options.pin_hash, pin_hash, 32);
    struct proofs *p = calloc(1, sizeof *p);
    if (!p) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for an audit");
    p->archive = archive;
    memcpy(p->ns, genesis->event.da_namespace, DSDN_NAMESPACE_LEN);
    int rc = dsdn_celestia_audit_new(&options, &p->audit, error);
    if (!rc) rc = scan(p, error);
    if (rc || p->result.end == p->result.first)
        proofs_close(p);
    else
        *out = p;
    return rc;
}

void proofs_close(struct proofs *p)
{
    if (!p) return;
    dsdn_height_blobs_free(&p->blobs);
    dsdn_bytes_free(&p->whole);
    dsdn_buffer_free(&p->section);
    dsdn_celestia_audit_free(p->audit);
    free(p->places);
    free(p);
}

uint64_t proofs_hole(const struct proofs *p)
{
    return p->hole;
}

void proofs_result(const struct proofs *p, uint64_t *first, uint64_t *end, uint64_t *trusted_end)
{
    *first = p->result.first;
    *end = p->result.end;
    *trusted_end = p->result.trusted_end;
}

/* ---- heights --------------------------------------------------------------------------------- */

int proofs_get(void *self, uint64_t height, struct dsdn_da_height *out, struct dsdn_error *error)
{
    struct proofs *p = self;
    int rc = DSDN_OK;
    if (height < p->result.first || height >= p->result.end || height >= p->result.trusted_end)
        return dsdn_fail(error, DSDN_E_NOT_FOUND, "no proof of height %llu", (unsigned long long)height);
    if (!p->height || height != p->height + 1)
        rewind_to(p, p->places[(height - p->result.first) / PLACE_EVERY]);
    do {
        rc = next_proof(p, NULL, error);
    } while (!rc && p->height && p->height < height);
    if (rc) return rc;
    if (p->height != height)
        return dsdn_fail(error, DSDN_E_CHAIN, "the archive changed: the proof of height %llu is gone",
                         (unsigned long long)height);
    dsdn_height_blobs_free(&p->blobs);
    rc = dsdn_celestia_audit_height(p->audit, (struct dsdn_view){p->whole.bytes, p->whole.len}, p->ns,
                                    &p->blobs, error);
    if (!rc) *out = p->blobs.height;
    return rc;
}
