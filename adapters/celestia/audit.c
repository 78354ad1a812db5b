#include "adapters/celestia/proof_format.h"

#include <stdlib.h>

/* The headers of an archive are one chain: each scanned one names the one before it.  Beside it runs a light
 * client over the steps, from the first one on, whoever chose that.  What it says counts once it is rooted:
 * a step is the trusted header itself, or was scanned below it and so is linked to it.  A step that is only
 * above the trusted header roots nothing: anybody can sign a child of a true header with keys of his own. */
struct dsdn_celestia_audit {
    struct dsdn_audit_options options;
    char chain_id[DSDN_CELESTIA_CHAIN_ID_MAX + 1];
    struct dsdn_light_options light;
    struct dsdn_light_trusted trusted; /* the newest step; height 0: none yet */
    struct dsdn_audit_result result;
    uint64_t signed_end;   /* scanned heights below it are linked to a step that was verified */
    uint64_t pin_end;      /* scanned heights below it are linked to the pin itself */
    bool rooted;           /* the steps from the newest one on follow from the pin */
    uint8_t (*hashes)[32]; /* of result.first .. result.end */
    size_t cap;
    struct proof_block block;
};

int dsdn_celestia_audit_new(const struct dsdn_audit_options *options, struct dsdn_celestia_audit **audit,
                            struct dsdn_error *error)
{
    *audit = NULL;
    if (options->chain_id && strlen(options->chain_id) > DSDN_CELESTIA_CHAIN_ID_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "a chain id has at most %u characters",
                         DSDN_CELESTIA_CHAIN_ID_MAX);
    int rc = dsdn_sign_self_test(error);
    if (rc) return rc;
    struct dsdn_celestia_audit *a = calloc(1, sizeof *a);
    if (!a) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for an audit");
    a->options = *options;
    if (options->chain_id) strcpy(a->chain_id, options->chain_id);
    a->light.period = options->period ? options->period : DSDN_LIGHT_PERIOD;
    a->light.drift = DSDN_LIGHT_DRIFT;
    *audit = a;
    return DSDN_OK;
}

void dsdn_celestia_audit_free(struct dsdn_celestia_audit *audit)
{
    if (!audit) return;
    free(audit->hashes);
    free(audit);
}

/* The hash of a scanned height, or NULL. */
static const uint8_t *hash_of(const struct dsdn_celestia_audit *a, uint64_t height)
{
    if (height < a->result.first || height >= a->result.end) return NULL;
    return a->hashes[height - a->result.first];
}

static int check_chain_id(struct dsdn_celestia_audit *a, const struct dsdn_celestia_header *h,
                          struct dsdn_error *error)
{
    if (!*a->chain_id) memcpy(a->chain_id, h->chain_id.bytes, h->chain_id.len); /* the first one's */
    if (strlen(a->chain_id) == h->chain_id.len &&
        memcmp(a->chain_id, h->chain_id.bytes, h->chain_id.len) == 0)
        return DSDN_OK;
    return dsdn_fail(error, DSDN_E_WRONG_GENESIS, "height %lld: the header is not of chain %s",
                     (long long)h->height, a->chain_id);
}

/* A header of the chain: is it the pin? */
static int meet_pin(struct dsdn_celestia_audit *a, uint64_t height, const uint8_t hash[32],
                    struct dsdn_error *error)
{
    if (height != a->options.pin_height) return DSDN_OK;
    if (!dsdn_equal32(hash, a->options.pin_hash))
        return dsdn_fail(error, DSDN_E_CHAIN, "height %llu: the header is not the trusted one",
                         (unsigned long long)height);
    a->result.pinned = true;
    a->result.anchor_height = height;
    memcpy(a->result.anchor_hash, hash, 32);
    return DSDN_OK;
}

/* A step that was scanned already must be what was scanned, one below everything is of no use. */
static int repeated_step(struct dsdn_celestia_audit *a, const struct dsdn_celestia_block *b,
                         const uint8_t hash[32], struct dsdn_error *error)
{
    const uint8_t *known =
        b->header.height == a->trusted.height ? a->trusted.hash : hash_of(a, (uint64_t)b->header.height);
    if (known && dsdn_equal32(known, hash)) return DSDN_OK;
    return dsdn_fail(error, DSDN_E_CHAIN, "height %lld: a step that is not in the chain of the headers",
                     (long long)b->header.height);
}

static int take_step(struct dsdn_celestia_audit *a, struct dsdn_view *steps, struct dsdn_error *error)
{
    struct dsdn_celestia_block *b = &a->block.block;
    enum dsdn_celestia_check check;
    enum dsdn_light_verdict verdict;
    int rc = proof_step(steps, &a->block, error);
    if (!rc) rc = check_chain_id(a, &b->header, error);
    if (rc) return rc;
    const uint8_t *hash = b->commit.block_id.hash.bytes; /* it is that: checked below */
    struct dsdn_error own = DSDN_ERROR_INIT;
    if (a->trusted.height && b->header.height <= a->trusted.height) return repeated_step(a, b, hash, error);
    if (!a->trusted.height)
        verdict = dsdn_light_anchor(&a->light, b, hash, &a->trusted, &check, &own);
    else /* its own time as now: what counts is how old the trusted header was then */
        verdict = dsdn_light_upward(&a->light, &a->trusted, b, b->header.time, &check, &own);
    if (verdict == DSDN_LIGHT_BISECT)
        return dsdn_fail(error, DSDN_E_PROOF, "%s: a step between is missing", own.message);
    if (verdict != DSDN_LIGHT_VERIFIED) return dsdn_fail(error, own.code, "%s", own.message);
    if (!a->options.pin_height && !a->result.anchor_height) {
        a->result.anchor_height = (uint64_t)b->header.height;
        memcpy(a->result.anchor_hash, hash, 32);
    }
    if ((uint64_t)b->header.height == a->options.pin_height) a->rooted = true; /* or it fails here: */
    return meet_pin(a, (uint64_t)b->header.height, hash, error);
}

static int remember(struct dsdn_celestia_audit *a, const struct dsdn_celestia_header *h,
                    const uint8_t hash[32], struct dsdn_error *error)
{
    size_t cnt = (size_t)(a->result.end - a->result.first);
    if (!cnt) {
        a->result.first = a->result.end = (uint64_t)h->height;
    } else if ((uint64_t)h->height != a->result.end) {
        return dsdn_fail(error, DSDN_E_CHAIN, "the proof of height %lld follows that of height %llu",
                         (long long)h->height, (unsigned long long)a->result.end - 1);
    } else if (!h->last_block_id.hash.len || !dsdn_equal32(h->last_block_id.hash.bytes, a->hashes[cnt - 1])) {
        return dsdn_fail(error, DSDN_E_CHAIN, "height %lld: the header does not name that of height %llu",
                         (long long)h->height, (unsigned long long)a->result.end - 1);
    }
    if (cnt == a->cap) {
        size_t cap = a->cap ? 2 * a->cap : 1024;
        void *grown = realloc(a->hashes, cap * sizeof *a->hashes);
        if (!grown) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %zu header hashes", cap);
        a->hashes = grown;
        a->cap = cap;
    }
    memcpy(a->hashes[cnt], hash, 32);
    a->result.end++;
    return DSDN_OK;
}

int dsdn_celestia_audit_scan(struct dsdn_celestia_audit *a, struct dsdn_view proof, struct dsdn_error *error)
{
    struct proof_parts parts;
    struct dsdn_celestia_header header;
    uint8_t hash[32];
    int rc = proof_split(proof, &parts, error);
    if (!rc) rc = proof_header(parts.header, &header, error);
    if (!rc) rc = check_chain_id(a, &header, error);
    for (uint32_t i = 0; !rc && i < parts.step_cnt; i++) rc = take_step(a, &parts.steps, error);
    if (!rc && parts.steps.len)
        rc = dsdn_fail(error, DSDN_E_MALFORMED, "a proof of a height with bytes behind its steps");
    if (rc) return rc;
    dsdn_celestia_header_hash(&header, hash);
    rc = remember(a, &header, hash, error);
    if (!rc) rc = meet_pin(a, (uint64_t)header.height, hash, error);
    if (rc) return rc;
    if (header.height == a->trusted.height) {
        if (!dsdn_equal32(hash, a->trusted.hash))
            return dsdn_fail(error, DSDN_E_CHAIN, "height %lld: the header is not the one that was signed",
                             (long long)header.height);
        a->signed_end = a->result.end;
    }
    if ((uint64_t)header.height == a->options.pin_height) {
        a->pin_end = a->result.end;
        if (a->signed_end) a->rooted = true;
    }
    return DSDN_OK;
}

void dsdn_celestia_audit_result(const struct dsdn_celestia_audit *a, struct dsdn_audit_result *result)
{
    bool rooted = a->rooted || !a->options.pin_height; /* without a pin the first step stands for it */
    uint64_t signed_end = rooted ? a->signed_end : 0;
    *result = a->result;
    result->trusted_end = signed_end > a->pin_end ? signed_end : a->pin_end;
}

int dsdn_celestia_audit_height(const struct dsdn_celestia_audit *a, struct dsdn_view proof,
                               const uint8_t ns[DSDN_NAMESPACE_LEN], struct dsdn_height_blobs *out,
                               struct dsdn_error *error)
{
    struct dsdn_audit_result result;
    uint64_t height = dsdn_celestia_proof_height(proof);
    const uint8_t *hash = hash_of(a, height);
    *out = (struct dsdn_height_blobs){.memory = NULL};
    dsdn_celestia_audit_result(a, &result);
    if (!hash || height >= result.trusted_end)
        return dsdn_fail(error, DSDN_E_UNVERIFIED, "height %llu does not follow from a trusted header",
                         (unsigned long long)height);
    return dsdn_celestia_proof_verify(proof, ns, hash, out, error);
}
