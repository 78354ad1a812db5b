/* What the rows of the index hold (index.h has the tables). */
#include "log/index_rows.h"

#define POSITION_LEN 64u

static struct key hash_key(const uint8_t hash[32])
{
    struct key key = table_key(HASH);
    memcpy(key.bytes + 1, hash, 32);
    key.len = 33;
    return key;
}

static void position_decode(const uint8_t *p, struct dsdn_position *position)
{
    position->segment_first = dsdn_load64(p);
    position->offset = dsdn_load64(p + 8);
    position->first_event = dsdn_load64(p + 16);
    position->len = dsdn_load32(p + 24);
    position->event_count = dsdn_load32(p + 28);
    memcpy(position->hash, p + 32, 32);
}

int dsdn_index_put_position(struct dsdn_index *index, uint64_t sequence, const struct dsdn_position *position,
                            struct dsdn_error *error)
{
    uint8_t value[POSITION_LEN], number[8];
    dsdn_store64(value, position->segment_first);
    dsdn_store64(value + 8, position->offset);
    dsdn_store64(value + 16, position->first_event);
    dsdn_store32(value + 24, position->len);
    dsdn_store32(value + 28, position->event_count);
    memcpy(value + 32, position->hash, 32);
    dsdn_store64(number, sequence);
    struct key place = sequence_key(POSITION, sequence), hash = hash_key(position->hash);
    int rc = dsdn_rows_put(index, &place, value, sizeof value, NULL, 0, error);
    return rc ? rc : dsdn_rows_put(index, &hash, number, sizeof number, NULL, 0, error);
}

int dsdn_index_position(struct dsdn_index *index, uint64_t sequence, struct dsdn_position *position,
                        struct dsdn_error *error)
{
    struct key key = sequence_key(POSITION, sequence);
    uint8_t value[POSITION_LEN];
    int rc = dsdn_rows_get_fixed(index, &key, value, sizeof value, error);
    if (!rc) position_decode(value, position);
    return rc ? dsdn_error_in(error, sequence), rc : DSDN_OK;
}

int dsdn_index_find(struct dsdn_index *index, const uint8_t hash[32], uint64_t *sequence,
                    struct dsdn_error *error)
{
    struct key key = hash_key(hash);
    uint8_t value[8];
    int rc = dsdn_rows_get_fixed(index, &key, value, sizeof value, error);
    if (!rc) *sequence = dsdn_load64(value);
    return rc;
}

int dsdn_index_last(struct dsdn_index *index, uint64_t *sequence, struct dsdn_position *position,
                    struct dsdn_error *error)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val k, v;
    int rc = dsdn_rows_begin_read(index, &txn, error);
    if (rc) return rc;
    rc = dsdn_rows_cursor_open(index, txn, &cursor, error);
    if (!rc) {
        rc = dsdn_rows_seek_below(index, cursor, POSITION, UINT64_MAX, POSITION_LEN, &k, &v, error);
        if (!rc) {
            *sequence = dsdn_load64_be((uint8_t *)k.mv_data + 1);
            position_decode(v.mv_data, position);
        }
        mdb_cursor_close(cursor);
    }
    dsdn_rows_end_read(index, txn);
    return rc;
}

#define REFERENCE_KEY_LEN 22u /* table, sequence, source, height, blob index */

int dsdn_index_put_reference(struct dsdn_index *index, uint64_t sequence,
                             const struct dsdn_da_reference *reference, struct dsdn_error *error)
{
    struct key key = sequence_key(REFERENCE, sequence);
    key.bytes[9] = reference->source;
    dsdn_store64_be(key.bytes + 10, reference->height);
    dsdn_store32(key.bytes + 18, __builtin_bswap32(reference->blob_index));
    key.len = REFERENCE_KEY_LEN;
    return dsdn_rows_put(index, &key, reference->commitment, 32, NULL, 0, error);
}

int dsdn_index_references(struct dsdn_index *index, uint64_t sequence, struct dsdn_da_reference *references,
                          size_t cap, size_t *cnt, struct dsdn_error *error)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val k, v;
    *cnt = 0;
    int rc = dsdn_rows_begin_read(index, &txn, error);
    if (rc) return rc;
    rc = dsdn_rows_cursor_open(index, txn, &cursor, error);
    if (!rc) {
        struct key key = sequence_key(REFERENCE, sequence);
        MDB_cursor_op op = MDB_SET_RANGE;
        while (!(rc = dsdn_rows_seek(index, cursor, &key, 9, op, 32, &k, &v, error))) {
            if (k.mv_size != REFERENCE_KEY_LEN) {
                rc = dsdn_fail_at(error, DSDN_E_MALFORMED, index->path, DSDN_NO_OFFSET,
                                  "a DA reference has a bad key");
                break;
            }
            if (*cnt < cap) {
                const uint8_t *p = k.mv_data;
                struct dsdn_da_reference *reference = &references[*cnt];
                reference->source = p[9];
                reference->height = dsdn_load64_be(p + 10);
                reference->blob_index = __builtin_bswap32(dsdn_load32(p + 18));
                memcpy(reference->commitment, v.mv_data, 32);
            }
            ++*cnt;
            op = MDB_NEXT;
        }
        if (rc == DSDN_E_NOT_FOUND) rc = DSDN_OK;
        mdb_cursor_close(cursor);
    }
    dsdn_rows_end_read(index, txn);
    return rc;
}

int dsdn_index_finality(struct dsdn_index *index, uint64_t sequence, enum dsdn_finality *level,
                        struct dsdn_error *error)
{
    struct key key = sequence_key(FINALITY, sequence);
    uint8_t value = 0;
    int rc = dsdn_rows_get_fixed(index, &key, &value, 1, error);
    if (rc == DSDN_E_NOT_FOUND) rc = DSDN_OK;
    if (!rc && value > DSDN_FINALITY_SETTLED)
        rc = dsdn_fail_at(error, DSDN_E_MALFORMED, index->path, DSDN_NO_OFFSET, "finality level %u", value);
    *level = rc ? DSDN_FINALITY_NONE : (enum dsdn_finality)value;
    return rc;
}

int dsdn_index_put_finality(struct dsdn_index *index, uint64_t sequence, enum dsdn_finality level,
                            struct dsdn_error *error)
{
    enum dsdn_finality known;
    int rc = dsdn_index_finality(index, sequence, &known, error);
    if (rc || level <= known) return rc;
    struct key key = sequence_key(FINALITY, sequence);
    uint8_t value = (uint8_t)level;
    return dsdn_rows_put(index, &key, &value, 1, NULL, 0, error);
}

int dsdn_index_finality_end(struct dsdn_index *index, enum dsdn_finality level, uint64_t first, uint64_t end,
                            uint64_t *found, struct dsdn_error *error)
{
    while (first < end) {
        uint64_t middle = first + (end - first) / 2;
        enum dsdn_finality known;
        int rc = dsdn_index_finality(index, middle, &known, error);
        if (rc) return rc;
        if (known >= level)
            first = middle + 1;
        else
            end = middle;
    }
    *found = first;
    return DSDN_OK;
}

static struct key evidence_key(uint64_t sequence, uint8_t slot)
{
    struct key key = sequence_key(EVIDENCE, sequence);
    key.bytes[9] = slot;
    key.len = 10;
    return key;
}

int dsdn_index_put_evidence(struct dsdn_index *index, uint64_t sequence, uint8_t kind, const uint8_t *bytes,
                            size_t len, struct dsdn_error *error)
{
    if (len > DSDN_EVIDENCE_BYTES_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "evidence of %zu bytes, at most %u are kept", len,
                         DSDN_EVIDENCE_BYTES_MAX);
    for (uint8_t slot = 0; slot < DSDN_EVIDENCE_MAX; slot++) {
        struct key key = evidence_key(sequence, slot);
        MDB_txn *txn;
        MDB_val v;
        int rc = dsdn_rows_begin_read(index, &txn, error);
        if (rc) return rc;
        rc = dsdn_rows_get(index, txn, &key, 1, &v, error);
        const uint8_t *p = rc ? NULL : v.mv_data;
        bool same =
            !rc && v.mv_size == 1 + len && p[0] == kind && (len == 0 || memcmp(p + 1, bytes, len) == 0);
        dsdn_rows_end_read(index, txn);
        if (rc == DSDN_E_NOT_FOUND) return dsdn_rows_put(index, &key, &kind, 1, bytes, len, error);
        if (rc || same) return rc;
    }
    dsdn_fail(error, DSDN_E_TOO_LARGE, "%u pieces of evidence are kept for one batch already",
              DSDN_EVIDENCE_MAX);
    dsdn_error_in(error, sequence);
    return DSDN_E_TOO_LARGE;
}

int dsdn_index_evidence(struct dsdn_index *index, uint64_t sequence, uint8_t slot, uint8_t *kind,
                        struct dsdn_buffer *buffer, struct dsdn_error *error)
{
    struct key key = evidence_key(sequence, slot);
    MDB_txn *txn;
    MDB_val v;
    int rc = dsdn_rows_begin_read(index, &txn, error);
    if (rc) return rc;
    rc = dsdn_rows_get(index, txn, &key, 1, &v, error);
    if (!rc) rc = dsdn_buffer_reserve(buffer, v.mv_size, error);
    if (!rc) {
        const uint8_t *p = v.mv_data;
        *kind = p[0];
        buffer->len = v.mv_size - 1;
        memcpy(buffer->bytes, p + 1, buffer->len);
    }
    dsdn_rows_end_read(index, txn);
    return rc;
}

#define CHECKPOINT_LEN 73u /* root, sha256, bytes, verified; the name follows */

int dsdn_index_put_checkpoint(struct dsdn_index *index, const struct dsdn_checkpoint_row *row,
                              struct dsdn_error *error)
{
    uint8_t value[CHECKPOINT_LEN];
    memcpy(value, row->root, 32);
    memcpy(value + 32, row->sha256, 32);
    dsdn_store64(value + 64, row->bytes);
    value[72] = row->verified;
    struct key key = sequence_key(CHECKPOINT, row->sequence);
    return dsdn_rows_put(index, &key, value, sizeof value, row->name,
                         strnlen(row->name, DSDN_CHECKPOINT_FILE_MAX), error);
}

int dsdn_index_checkpoint_at_or_below(struct dsdn_index *index, uint64_t sequence,
                                      struct dsdn_checkpoint_row *row, struct dsdn_error *error)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val k, v;
    int rc = dsdn_rows_begin_read(index, &txn, error);
    if (rc) return rc;
    rc = dsdn_rows_cursor_open(index, txn, &cursor, error);
    if (!rc) {
        rc = dsdn_rows_seek_below(index, cursor, CHECKPOINT, sequence, CHECKPOINT_LEN, &k, &v, error);
        if (!rc && v.mv_size > CHECKPOINT_LEN + DSDN_CHECKPOINT_FILE_MAX)
            rc = dsdn_fail_at(error, DSDN_E_MALFORMED, index->path, DSDN_NO_OFFSET,
                              "a checkpoint's name is too long");
        if (!rc) {
            const uint8_t *p = v.mv_data;
            memset(row, 0, sizeof *row);
            row->sequence = dsdn_load64_be((uint8_t *)k.mv_data + 1);
            memcpy(row->root, p, 32);
            memcpy(row->sha256, p + 32, 32);
            row->bytes = dsdn_load64(p + 64);
            row->verified = p[72] != 0;
            memcpy(row->name, p + CHECKPOINT_LEN, v.mv_size - CHECKPOINT_LEN);
        }
        mdb_cursor_close(cursor);
    }
    dsdn_rows_end_read(index, txn);
    return rc;
}

int dsdn_index_remove_checkpoint(struct dsdn_index *index, uint64_t sequence, struct dsdn_error *error)
{
    struct key key = sequence_key(CHECKPOINT, sequence);
    int rc = dsdn_rows_begin_write(index, error);
    if (rc) return rc;
    MDB_val k = {key.len, key.bytes};
    rc = mdb_del(index->writer, index->dbi, &k, NULL);
    if (rc == MDB_NOTFOUND)
        return dsdn_fail(error, DSDN_E_NOT_FOUND, "the catalogue has no checkpoint of this batch");
    if (rc) return dsdn_rows_give_up(index, rc, "remove a row", error);
    index->pending++;
    return DSDN_OK;
}

/* Remove the rows of one table from sequence `next` on, with the hashes that positions name. */
static int cut_table(struct dsdn_index *index, enum table table, uint64_t next, struct dsdn_error *error)
{
    MDB_cursor *cursor;
    int rc = dsdn_rows_cursor_open(index, index->writer, &cursor, error);
    if (rc) return rc;
    struct key from = sequence_key(table, next);
    MDB_val k, v;
    while (!(rc = dsdn_rows_seek(index, cursor, &from, 1, MDB_SET_RANGE, table == POSITION ? POSITION_LEN : 0,
                                 &k, &v, error))) {
        struct key hash = hash_key(table == POSITION ? (uint8_t *)v.mv_data + 32 : (const uint8_t[32]){0});
        int deleted = mdb_cursor_del(cursor, 0);
        if (!deleted && table == POSITION) {
            MDB_val h = {hash.len, hash.bytes};
            deleted = mdb_del(index->writer, index->dbi, &h, NULL);
            if (deleted == MDB_NOTFOUND) deleted = 0;
        }
        if (deleted) {
            mdb_cursor_close(cursor);
            return dsdn_rows_give_up(index, deleted, "remove a row", error);
        }
        index->pending++;
    }
    mdb_cursor_close(cursor);
    return rc == DSDN_E_NOT_FOUND ? DSDN_OK : rc;
}

int dsdn_index_cut(struct dsdn_index *index, uint64_t next, struct dsdn_error *error)
{
    static const enum table tables[] = {POSITION, REFERENCE, FINALITY, CHECKPOINT};
    int rc = dsdn_rows_begin_write(index, error);
    for (size_t i = 0; !rc && i < sizeof tables / sizeof *tables; i++)
        rc = cut_table(index, tables[i], next, error);
    return rc;
}
