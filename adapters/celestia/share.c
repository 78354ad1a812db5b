#include "adapters/celestia/share.h"

enum {
    INFO_AT = DSDN_NAMESPACE_LEN,
    SEQUENCE_AT = INFO_AT + 1,
    FIRST_AT = SEQUENCE_AT + 4, /* signer or data of a first share */
    START_BIT = 1,
};

_Static_assert(DSDN_SHARE_LEN - SEQUENCE_AT == DSDN_SHARE_NEXT_LEN, "room of a continuation share");

static uint32_t load32_be(const uint8_t *p)
{
    return __builtin_bswap32(dsdn_load32(p));
}

/* Every byte is its neighbour, and the first is zero. */
static bool zero(const uint8_t *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

struct dsdn_share dsdn_share_parse(const uint8_t *share)
{
    struct dsdn_share s = {.version = share[INFO_AT] >> 1, .start = share[INFO_AT] & START_BIT};
    uint32_t data_at = SEQUENCE_AT;
    s.known = s.version <= DSDN_SHARE_VERSION_MAX;
    if (s.start && s.known) {
        s.sequence_len = load32_be(share + SEQUENCE_AT);
        if (s.version) s.signer = share + FIRST_AT;
        data_at = DSDN_SHARE_LEN - dsdn_share_first_len(s.version);
    }
    if (s.known) s.data = (struct dsdn_view){share + data_at, DSDN_SHARE_LEN - data_at};
    return s;
}

/* Namespace, info byte and sequence length; returns where signer or data go. */
static uint8_t *first_share(uint8_t *share, const uint8_t *ns, uint32_t version, uint32_t len)
{
    uint32_t big_endian = __builtin_bswap32(len);
    memcpy(share, ns, DSDN_NAMESPACE_LEN);
    share[INFO_AT] = (uint8_t)(version << 1 | START_BIT);
    dsdn_store32(share + SEQUENCE_AT, big_endian);
    return share + FIRST_AT;
}

void dsdn_share_padding(const uint8_t ns[DSDN_NAMESPACE_LEN], uint8_t version, uint8_t out[DSDN_SHARE_LEN])
{
    memset(first_share(out, ns, version, 0), 0, DSDN_SHARE_LEN - FIRST_AT);
}

uint32_t dsdn_share_cnt(uint32_t version, uint64_t len)
{
    if (len == 0 || len > UINT32_MAX || version > DSDN_SHARE_VERSION_MAX) return 0;
    uint64_t first = dsdn_share_first_len(version);
    uint64_t further = len > first ? (len - first + DSDN_SHARE_NEXT_LEN - 1) / DSDN_SHARE_NEXT_LEN : 0;
    return (uint32_t)(1 + further);
}

int dsdn_share_split(const uint8_t ns[DSDN_NAMESPACE_LEN], uint32_t version, const uint8_t *signer,
                     const void *data, uint64_t len, uint8_t *out, struct dsdn_error *error)
{
    const uint8_t *from = data;
    uint32_t cnt = dsdn_share_cnt(version, len);
    if (version > DSDN_SHARE_VERSION_MAX)
        return dsdn_fail(error, DSDN_E_USAGE, "share version %u is not known here", version);
    if (!cnt)
        return dsdn_fail(error, DSDN_E_USAGE, "a blob has 1 to 2^32 - 1 bytes, not %llu",
                         (unsigned long long)len);
    if ((version != 0) != (signer != NULL))
        return dsdn_fail(error, DSDN_E_USAGE, "a blob of share version %u %s", version,
                         version ? "needs a signer" : "has no signer");
    for (uint32_t i = 0; i < cnt; i++, out += DSDN_SHARE_LEN) {
        uint8_t *at = out + SEQUENCE_AT;
        if (i == 0) {
            at = first_share(out, ns, version, (uint32_t)len);
            if (signer) memcpy(at, signer, DSDN_SHARE_SIGNER_LEN), at += DSDN_SHARE_SIGNER_LEN;
        } else {
            memcpy(out, ns, DSDN_NAMESPACE_LEN);
            out[INFO_AT] = (uint8_t)(version << 1);
        }
        size_t room = (size_t)(out + DSDN_SHARE_LEN - at), part = len < room ? (size_t)len : room;
        memcpy(at, from, part);
        memset(at + part, 0, room - part);
        from += part, len -= part;
    }
    return DSDN_OK;
}

/* ---- walking ---- */

void dsdn_blob_walk_start(struct dsdn_blob_walk *walk, const struct dsdn_share_run *runs, size_t run_cnt)
{
    *walk = (struct dsdn_blob_walk){.run = runs, .end = run_cnt ? runs + run_cnt : runs};
}

/* The share that the walk stands on; NULL at the end. */
static const uint8_t *current(struct dsdn_blob_walk *w)
{
    while (w->run != w->end && w->at == w->run->cnt) w->run++, w->at = 0;
    return w->run == w->end ? NULL : w->run->shares + (size_t)w->at * DSDN_SHARE_LEN;
}

/* What a sequence of a known version is; `last` is its last share. */
static enum dsdn_blob_kind judge(const struct dsdn_share *first, uint32_t cnt, bool one_version,
                                 const uint8_t *last)
{
    if (!one_version) return DSDN_BLOB_WRONG_VERSION;
    uint32_t needed = first->sequence_len ? dsdn_share_cnt(first->version, first->sequence_len) : 1;
    if (cnt != needed) return DSDN_BLOB_WRONG_COUNT;
    uint32_t room = dsdn_share_first_len(first->version), used = first->sequence_len;
    if (cnt > 1) {
        used -= room + (cnt - 2) * DSDN_SHARE_NEXT_LEN;
        room = DSDN_SHARE_NEXT_LEN;
    }
    return zero(last + DSDN_SHARE_LEN - room + used, room - used) ? DSDN_BLOB_DATA : DSDN_BLOB_WRONG_FILL;
}

bool dsdn_blob_walk_next(struct dsdn_blob_walk *walk, struct dsdn_blob *blob)
{
    for (const uint8_t *bytes; (bytes = current(walk));) {
        struct dsdn_share first = dsdn_share_parse(bytes);
        const uint8_t *last = bytes;
        bool one_version = true;
        *blob = (struct dsdn_blob){.ordinal = walk->ordinal,
                                   .index = walk->run->index + walk->at,
                                   .version = first.version,
                                   .run = walk->run,
                                   .at = walk->at};
        do { /* up to the next start bit */
            last = bytes;
            if (bytes[INFO_AT] >> 1 != first.version) one_version = false;
            blob->share_cnt++;
            walk->at++;
            bytes = current(walk);
        } while (bytes && !(bytes[INFO_AT] & START_BIT));
        if (first.start && blob->share_cnt == 1 && zero(last + SEQUENCE_AT, DSDN_SHARE_LEN - SEQUENCE_AT))
            continue; /* padding */
        walk->ordinal++;
        blob->kind = !first.start  ? DSDN_BLOB_NO_START
                     : first.known ? judge(&first, blob->share_cnt, one_version, last)
                                   : DSDN_BLOB_UNKNOWN_VERSION;
        if (blob->kind == DSDN_BLOB_DATA) {
            if (first.sequence_len == 0)
                blob->kind = DSDN_BLOB_WRONG_FILL; /* padding with a signer */
            else
                blob->signer = first.signer, blob->len = first.sequence_len;
        }
        return true;
    }
    return false;
}

const char *dsdn_blob_kind_text(enum dsdn_blob_kind kind)
{
    static const char *const texts[] = {
        [DSDN_BLOB_DATA] = "a blob",
        [DSDN_BLOB_UNKNOWN_VERSION] = "shares of a version this program does not know",
        [DSDN_BLOB_NO_START] = "shares that continue no blob",
        [DSDN_BLOB_WRONG_VERSION] = "shares of different versions in one blob",
        [DSDN_BLOB_WRONG_COUNT] = "more or fewer shares than the length of the blob needs",
        [DSDN_BLOB_WRONG_FILL] = "nonzero bytes behind the data of the blob",
    };
    return texts[kind];
}

/* ---- data ---- */

void dsdn_blob_pieces_start(struct dsdn_blob_pieces *pieces, const struct dsdn_blob *blob)
{
    *pieces = (struct dsdn_blob_pieces){blob->run, blob->at, blob->len};
}

bool dsdn_blob_pieces_next(struct dsdn_blob_pieces *pieces, struct dsdn_view *piece)
{
    if (!pieces->left) return false;
    while (pieces->at == pieces->run->cnt) pieces->run++, pieces->at = 0;
    *piece = dsdn_share_parse(pieces->run->shares + (size_t)pieces->at++ * DSDN_SHARE_LEN).data;
    if (piece->len > pieces->left) piece->len = pieces->left;
    pieces->left -= (uint32_t)piece->len;
    return true;
}

void dsdn_blob_copy(const struct dsdn_blob *blob, uint8_t *out)
{
    struct dsdn_blob_pieces pieces;
    struct dsdn_view piece;
    for (dsdn_blob_pieces_start(&pieces, blob); dsdn_blob_pieces_next(&pieces, &piece); out += piece.len)
        memcpy(out, piece.bytes, piece.len);
}
