#include "adapters/celestia/chain.h"

#include "log/hash.h"
#include "log/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_FIXED = 64, RECORD_LEN = 48, CHECK_LEN = 8, FILE_MAX = 1 << 30, HOLES_MAX = 65536 };
static const char magic[] = "DSDNHDR1";

struct dsdn_chain {
    struct dsdn_light light, marked;
    struct dsdn_reader_anchor anchor;
    char chain_id[DSDN_CELESTIA_CHAIN_ID_MAX + 1]; /* "": not known yet */
    bool keep_steps;
    struct dsdn_bytes steps;
    uint32_t step_cnt, marked_cnt;
    size_t marked_len;
    uint8_t (*hashes)[32]; /* of heights [low, high), the first at place `at` */
    size_t at, cap;
    uint64_t low, high;
    int fd; /* -1: no file */
    uint64_t offset;
    uint8_t check[CHECK_LEN];
    char path[4096];
};

/* ---- hashes ------------------------------------------------------------------------------------- */

static const uint8_t *hash_at(const struct dsdn_chain *c, uint64_t height)
{
    if (height < c->low || height >= c->high) return NULL;
    const uint8_t *hash = c->hashes[c->at + (size_t)(height - c->low)];
    return dsdn_zero32(hash) ? NULL : hash; /* a hole */
}

bool dsdn_chain_hash(const struct dsdn_chain *chain, uint64_t height, uint8_t hash[32])
{
    const uint8_t *known = hash_at(chain, height);
    if (known) memcpy(hash, known, 32);
    return known != NULL;
}

uint64_t dsdn_chain_above(const struct dsdn_chain *chain, uint64_t height)
{
    for (uint64_t h = height < chain->low ? chain->low : height + 1; h < chain->high; h++)
        if (hash_at(chain, h)) return h;
    return 0;
}

/* Room for one more at either end: the hashes are moved to the middle of twice as much. */
static int make_room(struct dsdn_chain *c, struct dsdn_error *error)
{
    size_t cnt = (size_t)(c->high - c->low), cap = cnt ? 4 * cnt : 64;
    uint8_t(*grown)[32] = malloc(cap * sizeof *grown);
    if (!grown) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %zu header hashes", cap);
    size_t at = (cap - cnt) / 2;
    if (cnt) memcpy(grown + at, c->hashes + c->at, cnt * sizeof *grown);
    free(c->hashes);
    c->hashes = grown;
    c->at = at;
    c->cap = cap;
    return DSDN_OK;
}

/* One more at an end; a zero hash makes a hole. */
static int extend(struct dsdn_chain *c, bool below, const uint8_t hash[32], struct dsdn_error *error)
{
    if (c->high - c->low >= DSDN_CHAIN_HASHES_MAX) {
        if (below)
            return dsdn_fail(error, DSDN_E_TOO_LARGE,
                             "height %llu is more than %u below what is trusted: a lower trusted header is "
                             "needed",
                             (unsigned long long)c->low - 1, DSDN_CHAIN_HASHES_MAX);
        c->low += DSDN_CHAIN_HASHES_MAX / 2;
        c->at += DSDN_CHAIN_HASHES_MAX / 2;
    }
    if (!c->cap || (below ? c->at == 0 : c->at + (size_t)(c->high - c->low) == c->cap)) {
        int rc = make_room(c, error);
        if (rc) return rc;
    }
    if (below)
        c->low--, c->at--;
    else
        c->high++;
    memcpy(c->hashes[c->at + (size_t)((below ? c->low : c->high - 1) - c->low)], hash, 32);
    return DSDN_OK;
}

/* *fresh: it was not known before. */
static int remember(struct dsdn_chain *c, uint64_t height, const uint8_t hash[32], bool *fresh,
                    struct dsdn_error *error)
{
    static const uint8_t hole[32];
    const uint8_t *known = hash_at(c, height);
    int rc = DSDN_OK;
    *fresh = !known;
    if (known) {
        if (dsdn_equal32(known, hash)) return DSDN_OK;
        return dsdn_fail(error, DSDN_E_CHAIN, "height %llu: another header was verified before",
                         (unsigned long long)height);
    }
    if (height >= c->low && height < c->high) {
        memcpy(c->hashes[c->at + (size_t)(height - c->low)], hash, 32);
        return DSDN_OK;
    }
    bool below = c->high > c->low && height == c->low - 1;
    bool near = c->high > c->low && height >= c->high && height - c->high <= HOLES_MAX;
    if (!below && !near) { /* too far from everything: begin anew */
        c->low = c->high = height;
        c->at = c->cap / 2;
    }
    while (!rc && !below && c->high < height) rc = extend(c, false, hole, error);
    return rc ? rc : extend(c, below, hash, error);
}

/* ---- the file ----------------------------------------------------------------------------------- */

static void make_check(const uint8_t before[CHECK_LEN], const uint8_t record[40], uint8_t check[CHECK_LEN])
{
    uint8_t message[CHECK_LEN + 40], digest[32];
    memcpy(message, before, CHECK_LEN);
    memcpy(message + CHECK_LEN, record, 40);
    dsdn_sha256(message, sizeof message, digest);
    memcpy(check, digest, CHECK_LEN);
}

static int load(struct dsdn_chain *c, struct dsdn_error *error)
{
    uint8_t *bytes = NULL, check[CHECK_LEN], fixed[FILE_FIXED] = {0};
    size_t len;
    bool fresh;
    memcpy(fixed, magic, 8);
    int rc = dsdn_io_read_file(&dsdn_io_system, c->path, FILE_MAX, &bytes, &len, error);
    if (rc) return rc;
    if (len < FILE_FIXED) { /* never completed */
        free(bytes);
        return DSDN_OK;
    }
    memcpy(fixed + 8, bytes + 8, FILE_FIXED - 8);
    if (memcmp(bytes, fixed, FILE_FIXED) != 0 || bytes[8 + DSDN_CELESTIA_CHAIN_ID_MAX])
        rc = dsdn_fail_at(error, DSDN_E_FORMAT, c->path, 0, "this is no file of header hashes");
    else if (*c->chain_id && strncmp(c->chain_id, (const char *)bytes + 8, sizeof c->chain_id) != 0)
        rc =
            dsdn_fail_at(error, DSDN_E_WRONG_GENESIS, c->path, 8, "these header hashes are of another chain");
    else
        memcpy(c->chain_id, bytes + 8, sizeof c->chain_id);
    c->offset = FILE_FIXED;
    for (; !rc && len - c->offset >= RECORD_LEN; c->offset += RECORD_LEN) {
        const uint8_t *record = bytes + c->offset;
        make_check(c->check, record, check);
        if (memcmp(check, record + 40, CHECK_LEN) != 0 || !dsdn_load64(record)) break; /* a torn tail */
        rc = remember(c, dsdn_load64(record), record + 8, &fresh, error);
        memcpy(c->check, check, CHECK_LEN);
    }
    free(bytes);
    return rc;
}

/* Opens the file at what was loaded; writes its beginning when there was none. */
static int open_file(struct dsdn_chain *c, struct dsdn_error *error)
{
    int rc = dsdn_io_open(&dsdn_io_system, c->path, O_RDWR | O_CREAT, 0644, &c->fd, error);
    if (!rc) rc = dsdn_io_truncate(&dsdn_io_system, c->fd, c->offset, c->path, error);
    return rc;
}

static int write_record(struct dsdn_chain *c, uint64_t height, const uint8_t hash[32],
                        struct dsdn_error *error)
{
    uint8_t fixed[FILE_FIXED] = {0}, record[RECORD_LEN];
    int rc = DSDN_OK;
    if (c->fd < 0) return DSDN_OK;
    if (!c->offset) {
        memcpy(fixed, magic, 8);
        memcpy(fixed + 8, c->chain_id, strlen(c->chain_id));
        rc = dsdn_io_write_at(&dsdn_io_system, c->fd, fixed, sizeof fixed, 0, c->path, error);
        c->offset = FILE_FIXED;
    }
    dsdn_store64(record, height);
    memcpy(record + 8, hash, 32);
    make_check(c->check, record, record + 40);
    if (!rc) rc = dsdn_io_write_at(&dsdn_io_system, c->fd, record, sizeof record, c->offset, c->path, error);
    if (rc) return rc;
    memcpy(c->check, record + 40, CHECK_LEN);
    c->offset += RECORD_LEN;
    return DSDN_OK;
}

int dsdn_chain_learn(struct dsdn_chain *chain, uint64_t height, const uint8_t hash[32],
                     struct dsdn_error *error)
{
    bool fresh;
    int rc = remember(chain, height, hash, &fresh, error);
    return rc || !fresh ? rc : write_record(chain, height, hash, error);
}

/* ---- opening ------------------------------------------------------------------------------------ */

static void start(struct dsdn_chain *c, enum dsdn_anchor_source source, uint64_t height,
                  const uint8_t hash[32])
{
    struct dsdn_light_options options = c->light.options;
    c->anchor = (struct dsdn_reader_anchor){.source = source, .height = height};
    memcpy(c->anchor.hash, hash, 32);
    dsdn_light_start(&c->light, &options, (int64_t)height, hash);
}

/* Where trust begins: at the newest header that follows from the pin, or from an earlier run. */
static int choose_anchor(struct dsdn_chain *c, const struct dsdn_chain_options *o, struct dsdn_error *error)
{
    const uint8_t *known = o->pin_height ? hash_at(c, o->pin_height) : NULL;
    if (known && !dsdn_equal32(known, o->pin_hash))
        return dsdn_fail_at(error, DSDN_E_CHAIN, c->path, DSDN_NO_OFFSET,
                            "height %llu: an earlier run verified another header than the trusted one given",
                            (unsigned long long)o->pin_height);
    if (o->pin_height && !known) {
        c->low = c->high = 0;
        start(c, DSDN_ANCHOR_PINNED, o->pin_height, o->pin_hash);
    } else if (c->high > c->low) {
        start(c, known ? DSDN_ANCHOR_PINNED : DSDN_ANCHOR_PRIOR, c->high - 1, hash_at(c, c->high - 1));
    }
    return DSDN_OK;
}

int dsdn_chain_open(const struct dsdn_chain_options *o, struct dsdn_chain **chain, struct dsdn_error *error)
{
    *chain = NULL;
    if (o->chain_id && strlen(o->chain_id) > DSDN_CELESTIA_CHAIN_ID_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "a chain id has at most %u characters",
                         DSDN_CELESTIA_CHAIN_ID_MAX);
    if (o->pin_height > INT64_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "no header has this height: %llu",
                         (unsigned long long)o->pin_height);
    int rc = dsdn_sign_self_test(error);
    if (rc) return rc;
    struct dsdn_chain *c = calloc(1, sizeof *c);
    if (!c) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the header chain");
    c->fd = -1;
    c->keep_steps = o->keep_steps;
    if (o->chain_id) strcpy(c->chain_id, o->chain_id);
    c->light.options.period = o->period ? o->period : DSDN_LIGHT_PERIOD;
    c->light.options.drift = DSDN_LIGHT_DRIFT;
    if (o->state_dir) {
        int len = snprintf(c->path, sizeof c->path, "%s/headers", o->state_dir);
        if (len < 0 || (size_t)len >= sizeof c->path)
            rc = dsdn_fail(error, DSDN_E_USAGE, "the path of the state directory is too long");
        if (!rc) rc = load(c, error);
        if (rc == DSDN_E_NOT_FOUND) rc = DSDN_OK;
        if (!rc) rc = open_file(c, error);
    }
    if (!rc) rc = choose_anchor(c, o, error);
    if (rc) {
        dsdn_chain_close(c);
        return rc;
    }
    *chain = c;
    return DSDN_OK;
}

void dsdn_chain_close(struct dsdn_chain *chain)
{
    if (!chain) return;
    if (chain->fd >= 0) (void)dsdn_io_system.close(dsdn_io_system.self, chain->fd);
    dsdn_bytes_free(&chain->steps);
    free(chain->hashes);
    free(chain);
}

/* ---- trust -------------------------------------------------------------------------------------- */

struct dsdn_reader_anchor dsdn_chain_anchor(const struct dsdn_chain *chain)
{
    return chain->anchor;
}

void dsdn_chain_set_anchor(struct dsdn_chain *chain, uint64_t height, const uint8_t hash[32])
{
    if (!chain->anchor.height) start(chain, DSDN_ANCHOR_NODE, height, hash);
}

int dsdn_chain_check_id(const struct dsdn_chain *chain, const struct dsdn_celestia_header *header,
                        struct dsdn_error *error)
{
    size_t len = strlen(chain->chain_id);
    if (!len || (header->chain_id.len == len && memcmp(header->chain_id.bytes, chain->chain_id, len) == 0))
        return DSDN_OK;
    return dsdn_fail(error, DSDN_E_WRONG_GENESIS, "height %lld: the header is not of chain %s",
                     (long long)header->height, chain->chain_id);
}

uint64_t dsdn_chain_top(const struct dsdn_chain *chain)
{
    return (uint64_t)chain->light.trusted.height;
}

uint64_t dsdn_chain_wanted(struct dsdn_chain *chain, uint64_t target)
{
    if (chain->light.trusted.height && chain->light.target != (int64_t)target)
        dsdn_light_aim(&chain->light, (int64_t)target);
    return (uint64_t)dsdn_light_wanted(&chain->light);
}

enum dsdn_light_verdict dsdn_chain_give(struct dsdn_chain *chain, const struct dsdn_celestia_block *block,
                                        struct dsdn_celestia_time now, struct dsdn_error *error)
{
    enum dsdn_celestia_check check;
    if (dsdn_chain_check_id(chain, &block->header, error)) return DSDN_LIGHT_FORGED;
    enum dsdn_light_verdict verdict = dsdn_light_give(&chain->light, block, now, &check, error);
    if (verdict != DSDN_LIGHT_VERIFIED) return verdict;
    if (!*chain->chain_id) memcpy(chain->chain_id, block->header.chain_id.bytes, block->header.chain_id.len);
    /* Without room for a step the proofs would lack it, and their audit says so: nothing false follows. */
    if (chain->keep_steps && chain->step_cnt < DSDN_PROOF_STEPS_MAX &&
        dsdn_light_block_encode(block, &chain->steps, NULL) == 0)
        chain->step_cnt++;
    return verdict;
}

void dsdn_chain_mark(struct dsdn_chain *chain)
{
    chain->marked = chain->light;
    chain->marked_cnt = chain->step_cnt;
    chain->marked_len = chain->steps.len;
}

void dsdn_chain_back(struct dsdn_chain *chain)
{
    chain->light = chain->marked;
    chain->step_cnt = chain->marked_cnt;
    chain->steps.len = chain->marked_len;
}

struct dsdn_view dsdn_chain_steps(const struct dsdn_chain *chain, uint32_t *step_cnt)
{
    *step_cnt = chain->step_cnt;
    return (struct dsdn_view){chain->steps.bytes, chain->steps.len};
}

void dsdn_chain_drop_steps(struct dsdn_chain *chain)
{
    chain->steps.len = chain->marked_len = 0;
    chain->step_cnt = chain->marked_cnt = 0;
}
