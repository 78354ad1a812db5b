#include "adapters/devnet/chain.h"

#include "log/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    APP_VERSION = 9,
    PAYMENTS_MAX = 200, /* transactions with blobs in a block */
    SQUARE_DEFAULT = 256,
    MILLI = 1000000,
};
#define BALANCE_DEFAULT UINT64_C(1000000000000)
#define DROPPED         UINT64_MAX

void dsdn_devnet_config_default(struct dsdn_devnet_config *config)
{
    *config = (struct dsdn_devnet_config){.chain_id = "devnet-1",
                                          .seed = "devnet",
                                          .validator_cnt = 4,
                                          .square_max = SQUARE_DEFAULT,
                                          .balance = BALANCE_DEFAULT};
}

void dsdn_devnet_config_text(const struct dsdn_devnet_config *c, char out[DSDN_DEVNET_CONFIG_TEXT_MAX])
{
    snprintf(out, DSDN_DEVNET_CONFIG_TEXT_MAX,
             "chain_id=%s genesis_time=%" PRId64 ".%09" PRId32 " step_ms=%u validators=%u rotate_every=%u "
             "replace_at=%" PRIu64 " seed=%s",
             c->chain_id, c->genesis_time.seconds, c->genesis_time.nanos, c->step_ms, c->validator_cnt,
             c->rotate_every, c->replace_at, c->seed);
}

static bool printable(const char *text, char least)
{
    if (!*text) return false;
    while (*text >= least && *text <= '~') text++;
    return !*text;
}

static int config_check(const struct dsdn_devnet_config *c, struct dsdn_error *error)
{
    if (!printable(c->chain_id, '!'))
        return dsdn_fail(error, DSDN_E_USAGE, "a chain id is 1 to 50 visible ASCII characters");
    if (!printable(c->seed, ' ') || c->seed[0] == ' ')
        return dsdn_fail(error, DSDN_E_USAGE, "a seed is 1 to 64 printable ASCII characters");
    if (!c->validator_cnt || c->validator_cnt > DSDN_DEVNET_VALIDATORS_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "%u validators, allowed are 1 to %u", c->validator_cnt,
                         DSDN_DEVNET_VALIDATORS_MAX);
    if (!c->square_max || c->square_max > DSDN_SQUARE_K_MAX || (c->square_max & (c->square_max - 1)))
        return dsdn_fail(error, DSDN_E_USAGE, "largest square %u, allowed are powers of two from 1 to %u",
                         c->square_max, DSDN_SQUARE_K_MAX);
    if (c->genesis_time.seconds < 0 || c->genesis_time.seconds > UINT32_MAX || c->genesis_time.nanos < 0 ||
        c->genesis_time.nanos >= 1000 * MILLI)
        return dsdn_fail(error, DSDN_E_USAGE, "genesis time %" PRId64 " is outside 1970 to 2106",
                         c->genesis_time.seconds);
    return DSDN_OK;
}

int dsdn_devnet_chain_new(const struct dsdn_devnet_config *config, struct dsdn_devnet_chain **chain,
                          struct dsdn_error *error)
{
    int rc = config_check(config, error);
    if (rc) return rc;
    struct dsdn_devnet_chain *c = calloc(1, sizeof *c);
    if (!c) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a chain");
    c->config = *config;
    dsdn_tagged("DSDN-devnet-seed-v1", config->seed, strlen(config->seed), c->seed);
    dsdn_devnet_account_make(c->seed, &c->account);
    dsdn_devnet_validators_init(&c->validators, c->seed, config->validator_cnt, config->rotate_every,
                                config->replace_at, false);
    c->sealer = (struct dsdn_devnet_sealer){c->config.chain_id, APP_VERSION, &c->validators, c->empty_roots};
    struct dsdn_square square;
    dsdn_share_padding(dsdn_namespace_tail_padding, 0, c->empty_share);
    rc = dsdn_square_extend(c->empty_share, 1, &square, error);
    if (rc) {
        free(c);
        return rc;
    }
    memcpy(c->empty_roots, square.roots, sizeof c->empty_roots);
    memcpy(c->empty_data_root, square.data_root, 32);
    dsdn_square_free(&square);
    *chain = c;
    return DSDN_OK;
}

static void pool_free(struct dsdn_devnet_chain *c)
{
    for (uint32_t i = 0; i < c->pool_cnt; i++) free(c->pool[i].bytes);
    c->pool_cnt = 0;
}

void dsdn_devnet_chain_free(struct dsdn_devnet_chain *c)
{
    if (!c) return;
    for (uint64_t i = 0; i < c->head; i++) dsdn_devnet_block_free(c->blocks[i]);
    pool_free(c);
    dsdn_devnet_validators_free(&c->validators);
    free(c->blocks);
    free(c->pool);
    free(c->landed);
    free(c);
}

uint64_t dsdn_devnet_chain_tail(const struct dsdn_devnet_chain *c)
{
    uint64_t keep = c->config.keep_heights;
    return keep && c->head > keep ? c->head - keep + 1 : 1;
}

int dsdn_devnet_chain_describe(const struct dsdn_devnet_chain *c, uint64_t height,
                               struct dsdn_devnet_described *out, struct dsdn_error *error)
{
    return dsdn_devnet_describe(&c->sealer, c->blocks[height - 1], height > 1 ? c->blocks[height - 2] : NULL,
                                out, error);
}

/* ---- mempool ----------------------------------------------------------------------------------- */

/* Doubles *array when it has no room for another entry. */
static bool room(void **array, size_t size, uint64_t cnt, uint64_t *cap)
{
    if (cnt < *cap) return true;
    uint64_t wanted = *cap ? 2 * *cap : 64;
    void *grown = realloc(*array, wanted * size);
    if (!grown) return false;
    *array = grown;
    *cap = wanted;
    return true;
}

int dsdn_devnet_chain_submit(struct dsdn_devnet_chain *c, struct dsdn_devnet_tx *tx, struct dsdn_error *error)
{
    uint64_t cap = c->pool_cap;
    void *pool = c->pool, *landed = c->landed;
    bool fits = room(&pool, sizeof *c->pool, c->pool_cnt, &cap);
    c->pool = pool;
    c->pool_cap = (uint32_t)cap;
    fits = fits && room(&landed, sizeof *c->landed, c->ticket_cnt, &c->ticket_cap);
    c->landed = landed;
    if (!fits) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for another transaction");
    c->landed[c->ticket_cnt++] = 0;
    tx->ticket = c->ticket_cnt;
    if (tx->flags & DSDN_DEVNET_TX_OWN) c->sequence++, c->spent += tx->fee;
    c->pool[c->pool_cnt++] = *tx;
    return DSDN_OK;
}

uint64_t dsdn_devnet_chain_landed(const struct dsdn_devnet_chain *c, uint64_t ticket)
{
    return ticket && ticket <= c->ticket_cnt ? c->landed[ticket - 1] : DROPPED;
}

/* Takes a transaction out of the books: it will never land. */
static void forget(struct dsdn_devnet_chain *c, const struct dsdn_devnet_tx *tx)
{
    c->landed[tx->ticket - 1] = DROPPED;
    if (tx->flags & DSDN_DEVNET_TX_OWN) c->sequence--, c->spent -= tx->fee;
}

void dsdn_devnet_chain_drop_pool(struct dsdn_devnet_chain *c)
{
    for (uint32_t i = 0; i < c->pool_cnt; i++) forget(c, c->pool + i);
    pool_free(c);
}

/* ---- squares ----------------------------------------------------------------------------------- */

/* Noise behind the namespaces of a transaction's blobs: shares that no reader can make blobs of. */
static void mangle(const struct dsdn_layout_tx *tx, struct dsdn_layout *layout)
{
    for (uint32_t i = 0; i < tx->blob_cnt; i++)
        for (uint32_t j = 0; j < tx->blobs[i].share_cnt; j++) {
            uint8_t *share = layout->shares + (size_t)(tx->blobs[i].index + j) * DSDN_SHARE_LEN;
            uint64_t noise =
                dsdn_load64(share + 34) ^ (tx->blobs[i].index + j) * UINT64_C(0x9e3779b97f4a7c15) ^ 1;
            for (uint32_t at = DSDN_NAMESPACE_LEN; at < DSDN_SHARE_LEN; at++) {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                share[at] = (uint8_t)(noise >> 24);
            }
        }
}

static int lay(const struct dsdn_devnet_tx *const *txs, uint32_t cnt, uint32_t k_max,
               struct dsdn_layout *layout, struct dsdn_error *error)
{
    struct dsdn_layout_tx *laid = calloc(cnt + 1, sizeof *laid);
    struct dsdn_layout_blob *scratch = malloc(DSDN_LAYOUT_TX_BLOBS_MAX * sizeof *scratch);
    int rc = laid && scratch ? 0 : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to lay out a block");
    for (uint32_t i = 0; !rc && i < cnt; i++) {
        rc = dsdn_blob_tx_decode(txs[i]->bytes, txs[i]->len, scratch, DSDN_LAYOUT_TX_BLOBS_MAX, laid + i,
                                 error);
        size_t size = rc ? 0 : laid[i].blob_cnt * sizeof *scratch;
        laid[i].blobs = size ? malloc(size) : NULL;
        if (size && !laid[i].blobs)
            rc = dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to lay out a block");
        else if (size)
            memcpy(laid[i].blobs, scratch, size);
    }
    free(scratch);
    if (!rc) rc = dsdn_layout_build(laid, cnt, k_max, layout, error);
    for (uint32_t i = 0; !rc && i < cnt; i++)
        if (txs[i]->flags & DSDN_DEVNET_TX_MANGLE) mangle(laid + i, layout);
    for (uint32_t i = 0; laid && i < cnt; i++) free(laid[i].blobs);
    free(laid);
    return rc;
}

int dsdn_devnet_block_lay(const struct dsdn_devnet_block *block, struct dsdn_layout *layout,
                          struct dsdn_error *error)
{
    const struct dsdn_devnet_tx **txs = malloc((block->tx_cnt + 1) * sizeof *txs);
    if (!txs) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to lay out a block");
    for (uint32_t i = 0; i < block->tx_cnt; i++) txs[i] = block->txs + i;
    int rc = lay(txs, block->tx_cnt, DSDN_SQUARE_K_MAX, layout, error);
    free(txs);
    return rc;
}

/* ---- making a block ---------------------------------------------------------------------------- */

/* Lays out the first transactions of chosen that fit; *cnt becomes their number. */
static int lay_what_fits(const struct dsdn_devnet_chain *c, const struct dsdn_devnet_tx *const *chosen,
                         uint32_t *cnt, struct dsdn_layout *layout, struct dsdn_error *error)
{
    int rc = DSDN_E_TOO_LARGE;
    while (*cnt && rc == DSDN_E_TOO_LARGE) {
        rc = lay(chosen, *cnt, c->config.square_max, layout, error);
        if (rc == DSDN_E_TOO_LARGE) *cnt -= 1 + *cnt / 8;
    }
    return *cnt ? rc : DSDN_OK;
}

static uint32_t choose(const struct dsdn_devnet_chain *c, const struct dsdn_devnet_tx **chosen)
{
    uint64_t space = (uint64_t)c->config.square_max * c->config.square_max * DSDN_SHARE_LEN, used = 0;
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < c->pool_cnt && cnt < PAYMENTS_MAX; i++) {
        if (c->pool[i].not_before > c->head + 1) continue;
        used += c->pool[i].len;
        if (used > space && cnt) break; /* later ones wait behind it: nobody overtakes */
        chosen[cnt++] = c->pool + i;
    }
    return cnt;
}

/* The first transaction that fits no block at all goes: it would hold up the others for ever. */
static void drop_first(struct dsdn_devnet_chain *c, const struct dsdn_devnet_tx *tx)
{
    uint32_t at = (uint32_t)(tx - c->pool);
    forget(c, tx);
    free(c->pool[at].bytes);
    memmove(c->pool + at, c->pool + at + 1, (--c->pool_cnt - at) * sizeof *c->pool);
}

static struct dsdn_celestia_time next_time(const struct dsdn_devnet_chain *c, struct dsdn_celestia_time now)
{
    struct dsdn_celestia_time last = c->head ? c->blocks[c->head - 1]->time : c->config.genesis_time;
    if (!c->config.step_ms) {
        bool later = now.seconds > last.seconds || (now.seconds == last.seconds && now.nanos > last.nanos);
        if (later) return now;
    }
    uint64_t nanos = (uint64_t)last.nanos + (c->config.step_ms ? c->config.step_ms : 1) * UINT64_C(1000000);
    return (struct dsdn_celestia_time){last.seconds + (int64_t)(nanos / 1000000000),
                                       (int32_t)(nanos % 1000000000)};
}

/* Extends the square of a block with transactions. */
static int extend(struct dsdn_devnet_block *b, const struct dsdn_layout *layout, struct dsdn_error *error)
{
    struct dsdn_square square;
    int rc = dsdn_square_extend(layout->shares, layout->k, &square, error);
    if (rc) return rc;
    b->k = square.k;
    b->roots = square.roots;
    square.roots = NULL;
    memcpy(b->data_hash, square.data_root, 32);
    dsdn_square_free(&square);
    return DSDN_OK;
}

static int append_room(struct dsdn_devnet_chain *c, struct dsdn_error *error)
{
    uint64_t cap = c->block_cap;
    void *blocks = c->blocks;
    if (!room(&blocks, sizeof *c->blocks, c->head, &cap))
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for another block");
    c->blocks = blocks;
    c->block_cap = cap;
    return DSDN_OK;
}

/* Seals a block whose data is set and appends it. */
static int append(struct dsdn_devnet_chain *c, struct dsdn_devnet_block *b, const uint8_t *hash,
                  struct dsdn_error *error)
{
    int rc = append_room(c, error);
    if (!rc) rc = dsdn_devnet_seal(&c->sealer, b, c->head ? c->blocks[c->head - 1] : NULL, 0, error);
    if (!rc && hash && !dsdn_equal32(hash, b->hash))
        rc = dsdn_fail(error, DSDN_E_CHAIN, "block %" PRIu64 " does not follow from the one before it",
                       b->height);
    if (rc) return rc;
    c->blocks[c->head++] = b;
    for (uint64_t tail = dsdn_devnet_chain_tail(c); c->pruned + 1 < tail; c->pruned++) {
        struct dsdn_devnet_block *old = c->blocks[c->pruned];
        for (uint32_t i = 0; i < old->tx_cnt; i++) free(old->txs[i].bytes);
        free(old->txs);
        free(old->roots);
        old->txs = NULL;
        old->roots = NULL;
        old->tx_cnt = 0;
    }
    return DSDN_OK;
}

/* Moves the chosen transactions (in the order of the pool) into the block. */
static void take(struct dsdn_devnet_chain *c, struct dsdn_devnet_block *b,
                 const struct dsdn_devnet_tx *const *chosen, uint32_t cnt)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->pool_cnt; i++) {
        if (b->tx_cnt < cnt && chosen[b->tx_cnt] == c->pool + i) {
            c->landed[c->pool[i].ticket - 1] = b->height;
            b->txs[b->tx_cnt++] = c->pool[i];
        } else
            c->pool[kept++] = c->pool[i];
    }
    c->pool_cnt = kept;
}

int dsdn_devnet_chain_produce(struct dsdn_devnet_chain *c, struct dsdn_celestia_time now,
                              struct dsdn_error *error)
{
    const struct dsdn_devnet_tx *chosen[PAYMENTS_MAX];
    struct dsdn_layout layout = {0};
    struct dsdn_devnet_block *b = calloc(1, sizeof *b);
    if (!b) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a block");
    b->height = c->head + 1;
    b->time = next_time(c, now);
    b->k = 1;
    memcpy(b->data_hash, c->empty_data_root, 32);
    uint32_t cnt;
    int rc;
    for (;;) {
        uint32_t most = cnt = choose(c, chosen);
        rc = lay_what_fits(c, chosen, &cnt, &layout, error);
        if (rc || cnt || !most) break;
        drop_first(c, chosen[0]);
    }
    if (!rc && cnt) {
        b->txs = malloc(cnt * sizeof *b->txs);
        rc = b->txs ? extend(b, &layout, error) : dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a block");
    }
    dsdn_layout_free(&layout);
    if (!rc) rc = append(c, b, NULL, error);
    if (rc)
        dsdn_devnet_block_free(b);
    else
        take(c, b, chosen, cnt);
    return rc;
}

/* ---- records ----------------------------------------------------------------------------------- */

enum { RECORD_FIXED = 60, RECORD_TX = 16 };

int dsdn_devnet_record_make(const struct dsdn_devnet_block *b, uint8_t **record, size_t *len,
                            struct dsdn_error *error)
{
    size_t roots = b->tx_cnt ? (size_t)4 * b->k * DSDN_NMT_NODE_LEN : 0, whole = RECORD_FIXED + roots;
    for (uint32_t i = 0; i < b->tx_cnt; i++) whole += RECORD_TX + b->txs[i].len;
    uint8_t *bytes = malloc(whole), *at = bytes + RECORD_FIXED;
    if (!bytes) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the record of a block");
    dsdn_store64(bytes, b->height);
    dsdn_store64(bytes + 8, (uint64_t)b->time.seconds);
    dsdn_store32(bytes + 16, (uint32_t)b->time.nanos);
    dsdn_store32(bytes + 20, b->k);
    dsdn_store32(bytes + 24, b->tx_cnt);
    memcpy(bytes + 28, b->hash, 32);
    if (roots) memcpy(at, b->roots, roots);
    at += roots;
    for (uint32_t i = 0; i < b->tx_cnt; i++, at += RECORD_TX + b->txs[i - 1].len) {
        dsdn_store32(at, b->txs[i].len);
        dsdn_store32(at + 4, b->txs[i].flags);
        dsdn_store64(at + 8, b->txs[i].fee);
        memcpy(at + RECORD_TX, b->txs[i].bytes, b->txs[i].len);
    }
    *record = bytes;
    *len = whole;
    return DSDN_OK;
}

static int bad_record(struct dsdn_error *error, const char *what)
{
    return dsdn_fail(error, DSDN_E_MALFORMED, "the record of a block with an impossible %s", what);
}

static int restore_txs(struct dsdn_devnet_block *b, uint32_t cnt, const uint8_t *at, const uint8_t *end,
                       struct dsdn_error *error)
{
    size_t roots = (size_t)4 * b->k * DSDN_NMT_NODE_LEN;
    if (!b->k || b->k > DSDN_SQUARE_K_MAX || (b->k & (b->k - 1))) return bad_record(error, "square");
    if ((size_t)(end - at) < roots || (size_t)(end - at) - roots < (uint64_t)cnt * RECORD_TX)
        return bad_record(error, "length");
    b->roots = malloc(roots);
    b->txs = calloc(cnt, sizeof *b->txs);
    if (!b->roots || !b->txs) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a block");
    memcpy(b->roots, at, roots);
    for (at += roots; b->tx_cnt < cnt; b->tx_cnt++) {
        struct dsdn_devnet_tx *tx = b->txs + b->tx_cnt;
        if (end - at < RECORD_TX) return bad_record(error, "length");
        tx->len = dsdn_load32(at);
        tx->flags = dsdn_load32(at + 4);
        tx->fee = dsdn_load64(at + 8);
        at += RECORD_TX;
        if (tx->len > (size_t)(end - at)) return bad_record(error, "length");
        tx->bytes = malloc(tx->len + 1u);
        if (!tx->bytes) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a block");
        memcpy(tx->bytes, at, tx->len);
        at += tx->len;
    }
    struct dsdn_dah dah = {b->roots, b->roots + 2 * (size_t)b->k, 2 * b->k, 2 * b->k};
    if (at != end) return bad_record(error, "length");
    if (dsdn_dah_check(&dah, error)) return DSDN_E_MALFORMED;
    dsdn_dah_root(&dah, b->data_hash);
    return DSDN_OK;
}

int dsdn_devnet_chain_restore(struct dsdn_devnet_chain *c, const uint8_t *record, size_t len,
                              struct dsdn_error *error)
{
    if (len < RECORD_FIXED) return bad_record(error, "length");
    if (dsdn_load64(record) != c->head + 1)
        return dsdn_fail(error, DSDN_E_CHAIN, "block %" PRIu64 " stands where block %" PRIu64 " belongs",
                         dsdn_load64(record), c->head + 1);
    struct dsdn_devnet_block *b = calloc(1, sizeof *b);
    if (!b) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a block");
    b->height = c->head + 1;
    b->time =
        (struct dsdn_celestia_time){(int64_t)dsdn_load64(record + 8), (int32_t)dsdn_load32(record + 16)};
    b->k = dsdn_load32(record + 20);
    memcpy(b->data_hash, c->empty_data_root, 32);
    uint32_t tx_cnt = dsdn_load32(record + 24);
    int rc = 0;
    if (b->time.nanos < 0 || b->time.nanos >= 1000000000)
        rc = bad_record(error, "time");
    else if (tx_cnt)
        rc = restore_txs(b, tx_cnt, record + RECORD_FIXED, record + len, error);
    else if (b->k != 1 || len != RECORD_FIXED)
        rc = bad_record(error, "length");
    uint64_t own = 0, fees = 0;
    for (uint32_t i = 0; i < b->tx_cnt; i++)
        if (b->txs[i].flags & DSDN_DEVNET_TX_OWN) own++, fees += b->txs[i].fee;
    if (!rc) rc = append(c, b, record + 28, error);
    if (rc) {
        dsdn_devnet_block_free(b);
        return rc;
    }
    c->sequence += own;
    c->spent += fees;
    return DSDN_OK;
}
