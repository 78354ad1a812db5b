#include "adapters/celestia/layout.h"

#include "adapters/celestia/commitment.h"
#include "adapters/celestia/protobuf.h"

#include <stdlib.h>

enum {
    COMPACT_FIRST = 474, /* bytes of the string in the first compact share */
    COMPACT_NEXT = 478,  /* in each further one */
    K_LIMIT = 512,
    WORST_INDEX_LEN = 3, /* varint of 512 * 512, more than any share index */
    NAMESPACE_ID_LEN = 28,
};

static const uint8_t wrapper_end[] = {0x1a, 4, 'I', 'N', 'D', 'X'}; /* 3: "INDX" */

/* ---- sizes --------------------------------------------------------------------------------------- */

static uint64_t field_len(uint64_t len)
{
    return 1 + dsdn_proto_varint_len(len) + len;
}

/* A transaction wrapped with the places of its blobs: {1: transaction, 2: packed indexes, 3: "INDX"}. */
static uint64_t wrapped_len(const struct dsdn_layout_tx *tx, uint64_t indexes_len)
{
    return (tx->tx.len ? field_len(tx->tx.len) : 0) + field_len(indexes_len) + sizeof wrapper_end;
}

static uint64_t delimited_len(uint64_t len)
{
    return dsdn_proto_varint_len(len) + len;
}

static uint64_t compact_cnt(uint64_t len)
{
    if (len <= COMPACT_FIRST) return len > 0;
    return 1 + (len - COMPACT_FIRST + COMPACT_NEXT - 1) / COMPACT_NEXT;
}

/* ---- compact shares ------------------------------------------------------------------------------- */

/* The string of a sequence of compact shares, being written into zeroed shares. */
struct compact {
    uint8_t *shares;
    const uint8_t *ns;
    uint64_t len;
};

static uint8_t *compact_share(struct compact *c, uint64_t share)
{
    uint8_t *p = c->shares + share * DSDN_SHARE_LEN;
    memcpy(p, c->ns, DSDN_NAMESPACE_LEN);
    p[DSDN_NAMESPACE_LEN] = share == 0;
    return p;
}

/* Where byte `position` of the string is: its share, and the offset therein. */
static uint8_t *compact_place(struct compact *c, uint64_t position, uint32_t *offset)
{
    if (position < COMPACT_FIRST) {
        *offset = (uint32_t)(DSDN_SHARE_LEN - COMPACT_FIRST + position);
        return compact_share(c, 0);
    }
    position -= COMPACT_FIRST;
    *offset = (uint32_t)(DSDN_SHARE_LEN - COMPACT_NEXT + position % COMPACT_NEXT);
    return compact_share(c, 1 + position / COMPACT_NEXT);
}

static void store32_be(uint8_t *p, uint32_t value)
{
    dsdn_store32(p, __builtin_bswap32(value));
}

static void compact_write(struct compact *c, const void *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        uint32_t offset;
        uint8_t *share = compact_place(c, c->len, &offset);
        size_t room = DSDN_SHARE_LEN - offset, part = len - done < room ? len - done : room;
        memcpy(share + offset, (const uint8_t *)bytes + done, part);
        done += part;
        c->len += part;
    }
}

static void compact_varint(struct compact *c, uint64_t value)
{
    uint8_t bytes[10];
    struct dsdn_proto p = dsdn_proto_to(bytes, sizeof bytes);
    dsdn_proto_varint(&p, value);
    compact_write(c, bytes, p.len);
}

/* Begins a transaction: notes where, if it is the first of its share, and writes its length. */
static void compact_begin(struct compact *c, uint64_t len)
{
    uint32_t offset;
    uint8_t *share = compact_place(c, c->len, &offset);
    uint8_t *reserved = share + (share == c->shares ? 34 : 30);
    if (!dsdn_load32(reserved)) store32_be(reserved, offset);
    compact_varint(c, len);
}

static void compact_end(struct compact *c)
{
    if (c->len) store32_be(c->shares + 30, (uint32_t)c->len);
}

static void write_plain(struct compact *c, const struct dsdn_layout_tx *tx)
{
    compact_begin(c, tx->tx.len);
    compact_write(c, tx->tx.bytes, tx->tx.len);
}

static void write_wrapped(struct compact *c, const struct dsdn_layout_tx *tx)
{
    uint64_t indexes_len = 0;
    for (uint32_t i = 0; i < tx->blob_cnt; i++) indexes_len += dsdn_proto_varint_len(tx->blobs[i].index);
    compact_begin(c, wrapped_len(tx, indexes_len));
    if (tx->tx.len) {
        compact_varint(c, 1 << 3 | DSDN_PROTO_BYTES);
        compact_varint(c, tx->tx.len);
        compact_write(c, tx->tx.bytes, tx->tx.len);
    }
    compact_varint(c, 2 << 3 | DSDN_PROTO_BYTES);
    compact_varint(c, indexes_len);
    for (uint32_t i = 0; i < tx->blob_cnt; i++) compact_varint(c, tx->blobs[i].index);
    compact_write(c, wrapper_end, sizeof wrapper_end);
}

/* ---- the block ------------------------------------------------------------------------------------- */

struct plan {
    uint64_t plain, wrapped; /* compact shares; wrapped ones by the estimate */
    uint64_t blob_cnt;
    uint32_t k;
};

static int make_plan(struct dsdn_layout_tx *txs, size_t tx_cnt, uint32_t k_max, struct plan *plan,
                     struct dsdn_error *error)
{
    uint64_t plain_len = 0, wrapped = 0, blob_shares = 0, limit = (uint64_t)k_max * k_max;
    *plan = (struct plan){.k = 1};
    for (size_t t = 0; t < tx_cnt; t++) {
        struct dsdn_layout_tx *tx = txs + t;
        if (!tx->blob_cnt && plan->blob_cnt)
            return dsdn_fail(error, DSDN_E_USAGE, "transaction %zu has no blobs and stands behind one with",
                             t);
        if (tx->blob_cnt > DSDN_LAYOUT_TX_BLOBS_MAX)
            return dsdn_fail(error, DSDN_E_TOO_LARGE, "transaction %zu has %u blobs", t, tx->blob_cnt);
        if (tx->blob_cnt)
            wrapped += delimited_len(wrapped_len(tx, (uint64_t)WORST_INDEX_LEN * tx->blob_cnt));
        else
            plain_len += delimited_len(tx->tx.len);
        for (uint32_t i = 0; i < tx->blob_cnt; i++) {
            struct dsdn_layout_blob *b = tx->blobs + i;
            b->share_cnt = dsdn_share_cnt(b->version, b->data.len);
            if (!b->share_cnt || b->signer.len != (b->version ? DSDN_SHARE_SIGNER_LEN : 0))
                return dsdn_fail(error, DSDN_E_USAGE, "blob %u of transaction %zu: %zu bytes of version %u",
                                 i, t, b->data.len, b->version);
            blob_shares += b->share_cnt + dsdn_subtree_width(b->share_cnt) - 1;
        }
        plan->blob_cnt += tx->blob_cnt;
        plan->plain = compact_cnt(plain_len);
        plan->wrapped = compact_cnt(wrapped);
        if (plan->plain + plan->wrapped + blob_shares > limit)
            return dsdn_fail(error, DSDN_E_TOO_LARGE, "transaction %zu does not fit a square of %u x %u", t,
                             k_max, k_max);
    }
    while ((uint64_t)plan->k * plan->k < plan->plain + plan->wrapped + blob_shares) plan->k *= 2;
    return DSDN_OK;
}

struct entry {
    struct dsdn_layout_blob *blob;
    size_t order; /* qsort does not keep it */
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = dsdn_namespace_compare(x->blob->ns, y->blob->ns);
    return order ? order : x->order < y->order ? -1 : 1;
}

static void fill_padding(uint8_t *shares, uint64_t first, uint64_t end, const uint8_t *ns, uint8_t version)
{
    for (uint64_t i = first; i < end; i++) dsdn_share_padding(ns, version, shares + i * DSDN_SHARE_LEN);
}

/* Writes blobs in order from share `start` on; returns the end of the last one. */
static int write_blobs(uint8_t *shares, const struct entry *entries, size_t cnt, uint64_t *end,
                       struct dsdn_error *error)
{
    for (size_t i = 0; i < cnt; i++) {
        struct dsdn_layout_blob *b = entries[i].blob;
        uint32_t width = dsdn_subtree_width(b->share_cnt);
        uint64_t at = (*end + width - 1) / width * width;
        if (i) fill_padding(shares, *end, at, entries[i - 1].blob->ns, entries[i - 1].blob->version);
        int rc = dsdn_share_split(b->ns, b->version, b->version ? b->signer.bytes : NULL, b->data.bytes,
                                  b->data.len, shares + at * DSDN_SHARE_LEN, error);
        if (rc) return rc;
        b->index = (uint32_t)at;
        *end = at + b->share_cnt;
    }
    return DSDN_OK;
}

int dsdn_layout_build(struct dsdn_layout_tx *txs, size_t tx_cnt, uint32_t k_max, struct dsdn_layout *layout,
                      struct dsdn_error *error)
{
    struct plan plan;
    memset(layout, 0, sizeof *layout);
    if (!k_max || k_max > K_LIMIT || (k_max & (k_max - 1)))
        return dsdn_fail(error, DSDN_E_USAGE, "no square has %u rows of data", k_max);
    int rc = make_plan(txs, tx_cnt, k_max, &plan, error);
    if (rc) return rc;
    uint64_t total = (uint64_t)plan.k * plan.k, blobs_start = plan.plain + plan.wrapped, end = blobs_start;
    uint8_t *shares = calloc(total, DSDN_SHARE_LEN);
    struct entry *entries = malloc((plan.blob_cnt + 1) * sizeof *entries);
    if (!shares || !entries) {
        free(shares);
        free(entries);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a square of %u x %u shares", plan.k, plan.k);
    }
    size_t cnt = 0;
    for (size_t t = 0; t < tx_cnt; t++)
        for (uint32_t i = 0; i < txs[t].blob_cnt; i++, cnt++)
            entries[cnt] = (struct entry){txs[t].blobs + i, cnt};
    qsort(entries, cnt, sizeof *entries, compare_entries);
    rc = write_blobs(shares, entries, cnt, &end, error);
    if (cnt) blobs_start = entries[0].blob->index;
    free(entries);
    if (rc) {
        free(shares);
        return rc;
    }
    struct compact plain = {shares, dsdn_namespace_transactions, 0};
    struct compact wrapped = {shares + plan.plain * DSDN_SHARE_LEN, dsdn_namespace_pay_for_blob, 0};
    for (size_t t = 0; t < tx_cnt; t++) {
        if (txs[t].blob_cnt)
            write_wrapped(&wrapped, txs + t);
        else
            write_plain(&plain, txs + t);
    }
    compact_end(&plain);
    compact_end(&wrapped);
    fill_padding(shares, plan.plain + compact_cnt(wrapped.len), blobs_start, dsdn_namespace_reserved_padding,
                 0);
    fill_padding(shares, end, total, dsdn_namespace_tail_padding, 0);
    *layout = (struct dsdn_layout){plan.k, shares};
    return DSDN_OK;
}

void dsdn_layout_free(struct dsdn_layout *layout)
{
    free(layout->shares);
    memset(layout, 0, sizeof *layout);
}

/* ---- transactions as they stand in a block ------------------------------------------------------------ */

static bool decode_blob(struct dsdn_view bytes, struct dsdn_layout_blob *b)
{
    struct dsdn_proto_field f;
    struct dsdn_view id = {NULL, 0};
    uint64_t share_version = 0, ns_version = 0;
    int more;
    *b = (struct dsdn_layout_blob){.index = 0};
    while ((more = dsdn_proto_next(&bytes, &f)) > 0) {
        bool is_bytes = f.wire == DSDN_PROTO_BYTES, is_number = f.wire == DSDN_PROTO_VARINT;
        if (f.number == 1 && is_bytes) id = f.bytes;
        if (f.number == 2 && is_bytes) b->data = f.bytes;
        if (f.number == 3 && is_number) share_version = f.value;
        if (f.number == 4 && is_number) ns_version = f.value;
        if (f.number == 5 && is_bytes) b->signer = f.bytes;
    }
    if (more < 0 || id.len != NAMESPACE_ID_LEN || ns_version > 255 || share_version > DSDN_SHARE_VERSION_MAX)
        return false;
    b->version = (uint8_t)share_version;
    b->ns[0] = (uint8_t)ns_version;
    memcpy(b->ns + 1, id.bytes, NAMESPACE_ID_LEN);
    return true;
}

int dsdn_blob_tx_decode(const void *bytes, size_t len, struct dsdn_layout_blob *blobs, uint32_t cap,
                        struct dsdn_layout_tx *tx, struct dsdn_error *error)
{
    struct dsdn_view rest = {bytes, len}, inner = {NULL, 0}, type = {NULL, 0};
    struct dsdn_proto_field f;
    int more;
    *tx = (struct dsdn_layout_tx){.tx = rest};
    while ((more = dsdn_proto_next(&rest, &f)) > 0) {
        if (f.wire != DSDN_PROTO_BYTES) continue;
        if (f.number == 1) inner = f.bytes;
        if (f.number == 3) type = f.bytes;
    }
    if (more < 0 || type.len != 4 || memcmp(type.bytes, "BLOB", 4) != 0) return DSDN_OK;
    uint32_t cnt = 0;
    rest = tx->tx;
    while (dsdn_proto_next(&rest, &f) > 0) {
        if (f.number != 2 || f.wire != DSDN_PROTO_BYTES) continue;
        if (cnt == cap)
            return dsdn_fail(error, DSDN_E_TOO_LARGE, "a transaction with more than %u blobs", cap);
        if (!decode_blob(f.bytes, blobs + cnt))
            return dsdn_fail(error, DSDN_E_MALFORMED, "blob %u of a transaction does not parse", cnt);
        cnt++;
    }
    if (!cnt) return dsdn_fail(error, DSDN_E_MALFORMED, "a BlobTx without a blob");
    *tx = (struct dsdn_layout_tx){inner, blobs, cnt};
    return DSDN_OK;
}
