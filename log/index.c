#include "log/index.h"

#include "log/hash.h"
#include "log/io.h"

#include <errno.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_MIN      ((size_t)1 << 30) /* address space only: the file grows as pages are used */
#define CRC_LEN      4u
#define KEY_MAX      33u
#define INDEX_FORMAT 1u

enum table { META, POSITION, HASH, REFERENCE, FINALITY, EVIDENCE, CHECKPOINT };

struct dsdn_index {
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *writer; /* NULL: nothing pending */
    MDB_txn *reader; /* reset between calls */
    char *path;      /* of the data file, for messages */
    uint32_t pending;
    bool write;
    bool broken; /* a transaction was lost: whoever goes on would leave a gap */
};

struct key {
    uint8_t bytes[KEY_MAX];
    size_t len;
};

static int lmdb_fail(struct dsdn_error *error, int rc, const char *what, const char *path)
{
    int code;
    if (rc > 0) {
        code = dsdn_fail_errno(error, rc, "the index: cannot %s", what);
        dsdn_error_at(error, path, DSDN_NO_OFFSET);
        return code;
    }
    switch (rc) {
    case MDB_NOTFOUND: code = DSDN_E_NOT_FOUND; break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC: code = DSDN_E_CHECKSUM; break;
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH: code = DSDN_E_FORMAT; break;
    case MDB_MAP_FULL: code = DSDN_E_NO_SPACE; break;
    default: code = DSDN_E_IO;
    }
    return dsdn_fail_at(error, code, path, DSDN_NO_OFFSET, "the index: cannot %s: %s", what,
                        mdb_strerror(rc));
}

static struct key table_key(enum table table)
{
    struct key key = {.len = 1};
    key.bytes[0] = (uint8_t)table;
    return key;
}

static struct key sequence_key(enum table table, uint64_t sequence)
{
    struct key key = table_key(table);
    dsdn_store64_be(key.bytes + 1, sequence);
    key.len = 9;
    return key;
}

static struct key hash_key(const uint8_t hash[32])
{
    struct key key = table_key(HASH);
    memcpy(key.bytes + 1, hash, 32);
    key.len = 33;
    return key;
}

/* The transaction to read in: the open write transaction, or a fresh snapshot.  Ended by done(). */
static int begin_read(struct dsdn_index *index, MDB_txn **txn, struct dsdn_error *error)
{
    *txn = index->writer;
    if (index->writer) return DSDN_OK;
    int rc = mdb_txn_renew(index->reader);
    if (rc == MDB_MAP_RESIZED) { /* the writing process has grown the map */
        rc = mdb_env_set_mapsize(index->env, 0);
        if (!rc) rc = mdb_txn_renew(index->reader);
    }
    if (rc) return lmdb_fail(error, rc, "begin to read", index->path);
    *txn = index->reader;
    return DSDN_OK;
}

static void done(struct dsdn_index *index, const MDB_txn *txn)
{
    if (txn == index->reader) mdb_txn_reset(index->reader);
}

/* Why nothing can be written any more. */
static int refuse_broken(const struct dsdn_index *index, struct dsdn_error *error)
{
    return dsdn_fail_at(error, DSDN_E_IO, index->path, DSDN_NO_OFFSET,
                        "the index lost what was not committed when a write failed: open it again");
}

/* Open the write transaction.  The map is doubled here, between transactions, whenever it is half full; a
 * transaction of callers who commit as index.h asks cannot use up the other half. */
static int begin_write(struct dsdn_index *index, struct dsdn_error *error)
{
    if (index->writer) return DSDN_OK;
    if (!index->write) return dsdn_fail(error, DSDN_E_USAGE, "the index is open for reading only");
    if (index->broken) return refuse_broken(index, error);
    MDB_envinfo info;
    MDB_stat stat;
    int rc = mdb_env_info(index->env, &info);
    if (!rc) rc = mdb_env_stat(index->env, &stat);
    if (!rc && (info.me_last_pgno + 1) * stat.ms_psize > info.me_mapsize / 2)
        rc = mdb_env_set_mapsize(index->env, info.me_mapsize * 2);
    if (!rc) rc = mdb_txn_begin(index->env, NULL, 0, &index->writer);
    return rc ? lmdb_fail(error, rc, "begin to write", index->path) : DSDN_OK;
}

/* What was pending is gone after a failed put: LMDB leaves the transaction in no usable state.  The handle
 * takes no more writes, so that nothing is written behind the gap. */
static int give_up(struct dsdn_index *index, int rc, const char *what, struct dsdn_error *error)
{
    mdb_txn_abort(index->writer);
    index->writer = NULL;
    index->pending = 0;
    index->broken = true;
    return lmdb_fail(error, rc, what, index->path);
}

static uint32_t row_crc(const void *key, size_t key_len, const void *value, size_t len)
{
    return dsdn_crc32c(dsdn_crc32c(0, key, key_len), value, len);
}

/* Write one row: value is head then body. */
static int put(struct dsdn_index *index, const struct key *key, const void *head, size_t head_len,
               const void *body, size_t body_len, struct dsdn_error *error)
{
    int rc = begin_write(index, error);
    if (rc) return rc;
    size_t len = head_len + body_len;
    MDB_val k = {key->len, (void *)(uintptr_t)key->bytes}, v = {len + CRC_LEN, NULL};
    rc = mdb_put(index->writer, index->dbi, &k, &v, MDB_RESERVE);
    if (rc) return give_up(index, rc, "write a row", error);
    uint8_t *out = v.mv_data;
    if (head_len) memcpy(out, head, head_len);
    if (body_len) memcpy(out + head_len, body, body_len);
    dsdn_store32(out + len, row_crc(key->bytes, key->len, out, len));
    index->pending++;
    return DSDN_OK;
}

/* Check a row that LMDB handed out and drop its CRC from v. */
static int check_row(struct dsdn_index *index, const MDB_val *k, MDB_val *v, size_t len_min,
                     struct dsdn_error *error)
{
    if (v->mv_size < len_min + CRC_LEN ||
        dsdn_load32((uint8_t *)v->mv_data + v->mv_size - CRC_LEN) !=
            row_crc(k->mv_data, k->mv_size, v->mv_data, v->mv_size - CRC_LEN))
        return dsdn_fail_at(error, DSDN_E_CHECKSUM, index->path, DSDN_NO_OFFSET,
                            "a row of the index is damaged");
    v->mv_size -= CRC_LEN;
    return DSDN_OK;
}

/* Read the row of key inside txn; v points into the map until the transaction ends. */
static int get(struct dsdn_index *index, MDB_txn *txn, const struct key *key, size_t len_min, MDB_val *v,
               struct dsdn_error *error)
{
    MDB_val k = {key->len, (void *)(uintptr_t)key->bytes};
    int rc = mdb_get(txn, index->dbi, &k, v);
    if (rc == MDB_NOTFOUND) return dsdn_fail(error, DSDN_E_NOT_FOUND, "the index has no such row");
    if (rc) return lmdb_fail(error, rc, "read a row", index->path);
    return check_row(index, &k, v, len_min, error);
}

/* Read the row of key into out, which has exactly len bytes. */
static int get_fixed(struct dsdn_index *index, const struct key *key, void *out, size_t len,
                     struct dsdn_error *error)
{
    MDB_txn *txn;
    MDB_val v;
    int rc = begin_read(index, &txn, error);
    if (rc) return rc;
    rc = get(index, txn, key, len, &v, error);
    if (!rc) memcpy(out, v.mv_data, len);
    done(index, txn);
    return rc;
}

/* Move a cursor to the first row at or behind key (op MDB_SET_RANGE) or step it; NOT_FOUND outside prefix_len
 * bytes of key. */
static int seek(struct dsdn_index *index, MDB_cursor *cursor, const struct key *key, size_t prefix_len,
                MDB_cursor_op op, size_t len_min, MDB_val *k, MDB_val *v, struct dsdn_error *error)
{
    if (op == MDB_SET_RANGE) *k = (MDB_val){key->len, (void *)(uintptr_t)key->bytes};
    int rc = mdb_cursor_get(cursor, k, v, op);
    if (rc == MDB_NOTFOUND ||
        (!rc && (k->mv_size < prefix_len || memcmp(k->mv_data, key->bytes, prefix_len) != 0)))
        return dsdn_fail(error, DSDN_E_NOT_FOUND, "the index has no such row");
    if (rc) return lmdb_fail(error, rc, "find a row", index->path);
    return check_row(index, k, v, len_min, error);
}

/* Find the newest row of a sequence-keyed table at or below sequence. */
static int seek_below(struct dsdn_index *index, MDB_cursor *cursor, enum table table, uint64_t sequence,
                      size_t len_min, MDB_val *k, MDB_val *v, struct dsdn_error *error)
{
    struct key key = sequence_key(table, sequence);
    *k = (MDB_val){key.len, key.bytes};
    int rc = mdb_cursor_get(cursor, k, v, MDB_SET_RANGE);
    if (rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(cursor, k, v, MDB_LAST);
    else if (!rc && (k->mv_size != key.len || memcmp(k->mv_data, key.bytes, key.len) != 0))
        rc = mdb_cursor_get(cursor, k, v, MDB_PREV);
    if (rc == MDB_NOTFOUND || (!rc && (k->mv_size != key.len || *(uint8_t *)k->mv_data != table)))
        return dsdn_fail(error, DSDN_E_NOT_FOUND, "the index has no such row");
    if (rc) return lmdb_fail(error, rc, "find a row", index->path);
    return check_row(index, k, v, len_min, error);
}

static int cursor_open(struct dsdn_index *index, MDB_txn *txn, MDB_cursor **cursor, struct dsdn_error *error)
{
    int rc = mdb_cursor_open(txn, index->dbi, cursor);
    return rc ? lmdb_fail(error, rc, "open a cursor", index->path) : DSDN_OK;
}

/* Compare or write the meta row. */
static int check_meta(struct dsdn_index *index, const uint8_t genesis[32], struct dsdn_error *error)
{
    struct key key = table_key(META);
    uint8_t meta[36];
    int rc = get_fixed(index, &key, meta, sizeof meta, error);
    if (rc == DSDN_E_NOT_FOUND && index->write) {
        MDB_stat stat;
        if (mdb_env_stat(index->env, &stat) == 0 && stat.ms_entries > 0)
            return dsdn_fail_at(error, DSDN_E_MALFORMED, index->path, DSDN_NO_OFFSET,
                                "the index has rows but no head");
        dsdn_store32(meta, INDEX_FORMAT);
        memcpy(meta + 4, genesis, 32);
        rc = put(index, &key, meta, sizeof meta, NULL, 0, error);
        return rc ? rc : dsdn_index_sync(index, error);
    }
    if (rc) return rc;
    if (dsdn_load32(meta) != INDEX_FORMAT)
        return dsdn_fail_at(error, DSDN_E_FORMAT, index->path, DSDN_NO_OFFSET,
                            "the index has format %u, not %u", dsdn_load32(meta), INDEX_FORMAT);
    if (!dsdn_equal32(meta + 4, genesis))
        return dsdn_fail_at(error, DSDN_E_WRONG_GENESIS, index->path, DSDN_NO_OFFSET,
                            "the index belongs to another network");
    return DSDN_OK;
}

/* Map the environment and begin its one reader. */
static int env_open(struct dsdn_index *index, const char *dir, struct dsdn_error *error)
{
    struct stat status;
    size_t map = MAP_MIN;
    if (stat(index->path, &status) == 0)
        while (map / 4 < (size_t)status.st_size) map *= 2;
    int rc = mdb_env_create(&index->env);
    if (!rc && index->write) rc = mdb_env_set_mapsize(index->env, map);
    unsigned flags = MDB_NOTLS | (index->write ? MDB_NOMETASYNC : MDB_RDONLY);
    if (!rc) rc = mdb_env_open(index->env, dir, flags, 0644);
    MDB_txn *txn = NULL;
    if (!rc) rc = mdb_txn_begin(index->env, NULL, MDB_RDONLY, &txn);
    if (!rc) rc = mdb_dbi_open(txn, NULL, 0, &index->dbi);
    if (rc) {
        if (txn) mdb_txn_abort(txn);
        return lmdb_fail(error, rc, "open the file", index->path);
    }
    mdb_txn_reset(txn);
    index->reader = txn;
    return DSDN_OK;
}

int dsdn_index_open(const char *dir, const uint8_t genesis[32], bool write, struct dsdn_index **out,
                    struct dsdn_error *error)
{
    *out = NULL;
    if (write && mkdir(dir, 0755) < 0 && errno != EEXIST) {
        int code = dsdn_fail_errno(error, errno, "cannot make the directory of the index");
        dsdn_error_at(error, dir, DSDN_NO_OFFSET);
        return code;
    }
    struct dsdn_index *index = calloc(1, sizeof *index);
    size_t path_len = strlen(dir) + sizeof "/data.mdb";
    if (index) index->path = malloc(path_len);
    if (!index || !index->path) {
        free(index);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for the index");
    }
    snprintf(index->path, path_len, "%s/data.mdb", dir);
    index->write = write;
    int rc = dsdn_index_check_file(index->path, error);
    if (rc == DSDN_E_NOT_FOUND && write) rc = DSDN_OK;
    if (!rc) rc = env_open(index, dir, error);
    if (!rc) rc = check_meta(index, genesis, error);
    if (rc) {
        dsdn_index_close(index);
        return rc;
    }
    *out = index;
    return DSDN_OK;
}

void dsdn_index_close(struct dsdn_index *index)
{
    if (!index) return;
    if (index->writer) mdb_txn_abort(index->writer);
    if (index->reader) mdb_txn_abort(index->reader);
    if (index->env) mdb_env_close(index->env);
    free(index->path);
    free(index);
}

int dsdn_index_drop(const char *dir, struct dsdn_error *error)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    for (size_t i = 0; i < 2; i++) {
        char path[PATH_MAX];
        int len = snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        if (len < 0 || len >= (int)sizeof path)
            return dsdn_fail(error, DSDN_E_USAGE, "the path is longer than %d bytes", PATH_MAX);
        if (unlink(path) < 0 && errno != ENOENT) {
            int code = dsdn_fail_errno(error, errno, "cannot remove the index");
            dsdn_error_at(error, path, DSDN_NO_OFFSET);
            return code;
        }
    }
    return DSDN_OK;
}

int dsdn_index_commit(struct dsdn_index *index, struct dsdn_error *error)
{
    if (index->broken) return refuse_broken(index, error);
    if (!index->writer) return DSDN_OK;
    int rc = mdb_txn_commit(index->writer);
    index->writer = NULL;
    index->pending = 0;
    index->broken = rc != 0;
    return rc ? lmdb_fail(error, rc, "commit", index->path) : DSDN_OK;
}

int dsdn_index_sync(struct dsdn_index *index, struct dsdn_error *error)
{
    int rc = dsdn_index_commit(index, error);
    if (rc) return rc;
    rc = mdb_env_sync(index->env, 1);
    return rc ? lmdb_fail(error, rc, "sync", index->path) : DSDN_OK;
}

uint32_t dsdn_index_pending(const struct dsdn_index *index)
{
    return index->pending;
}

#define POSITION_LEN 64u

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
    int rc = put(index, &place, value, sizeof value, NULL, 0, error);
    return rc ? rc : put(index, &hash, number, sizeof number, NULL, 0, error);
}

int dsdn_index_position(struct dsdn_index *index, uint64_t sequence, struct dsdn_position *position,
                        struct dsdn_error *error)
{
    struct key key = sequence_key(POSITION, sequence);
    uint8_t value[POSITION_LEN];
    int rc = get_fixed(index, &key, value, sizeof value, error);
    if (!rc) position_decode(value, position);
    return rc ? dsdn_error_in(error, sequence), rc : DSDN_OK;
}

int dsdn_index_find(struct dsdn_index *index, const uint8_t hash[32], uint64_t *sequence,
                    struct dsdn_error *error)
{
    struct key key = hash_key(hash);
    uint8_t value[8];
    int rc = get_fixed(index, &key, value, sizeof value, error);
    if (!rc) *sequence = dsdn_load64(value);
    return rc;
}

int dsdn_index_last(struct dsdn_index *index, uint64_t *sequence, struct dsdn_position *position,
                    struct dsdn_error *error)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val k, v;
    int rc = begin_read(index, &txn, error);
    if (rc) return rc;
    rc = cursor_open(index, txn, &cursor, error);
    if (!rc) {
        rc = seek_below(index, cursor, POSITION, UINT64_MAX, POSITION_LEN, &k, &v, error);
        if (!rc) {
            *sequence = dsdn_load64_be((uint8_t *)k.mv_data + 1);
            position_decode(v.mv_data, position);
        }
        mdb_cursor_close(cursor);
    }
    done(index, txn);
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
    return put(index, &key, reference->commitment, 32, NULL, 0, error);
}

int dsdn_index_references(struct dsdn_index *index, uint64_t sequence, struct dsdn_da_reference *references,
                          size_t cap, size_t *cnt, struct dsdn_error *error)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val k, v;
    *cnt = 0;
    int rc = begin_read(index, &txn, error);
    if (rc) return rc;
    rc = cursor_open(index, txn, &cursor, error);
    if (!rc) {
        struct key key = sequence_key(REFERENCE, sequence);
        MDB_cursor_op op = MDB_SET_RANGE;
        while (!(rc = seek(index, cursor, &key, 9, op, 32, &k, &v, error))) {
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
    done(index, txn);
    return rc;
}

int dsdn_index_finality(struct dsdn_index *index, uint64_t sequence, enum dsdn_finality *level,
                        struct dsdn_error *error)
{
    struct key key = sequence_key(FINALITY, sequence);
    uint8_t value = 0;
    int rc = get_fixed(index, &key, &value, 1, error);
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
    return put(index, &key, &value, 1, NULL, 0, error);
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
        int rc = begin_read(index, &txn, error);
        if (rc) return rc;
        rc = get(index, txn, &key, 1, &v, error);
        const uint8_t *p = rc ? NULL : v.mv_data;
        bool same =
            !rc && v.mv_size == 1 + len && p[0] == kind && (len == 0 || memcmp(p + 1, bytes, len) == 0);
        done(index, txn);
        if (rc == DSDN_E_NOT_FOUND) return put(index, &key, &kind, 1, bytes, len, error);
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
    int rc = begin_read(index, &txn, error);
    if (rc) return rc;
    rc = get(index, txn, &key, 1, &v, error);
    if (!rc) rc = dsdn_buffer_reserve(buffer, v.mv_size, error);
    if (!rc) {
        const uint8_t *p = v.mv_data;
        *kind = p[0];
        buffer->len = v.mv_size - 1;
        memcpy(buffer->bytes, p + 1, buffer->len);
    }
    done(index, txn);
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
    return put(index, &key, value, sizeof value, row->name, strnlen(row->name, DSDN_CHECKPOINT_FILE_MAX),
               error);
}

int dsdn_index_checkpoint_at_or_below(struct dsdn_index *index, uint64_t sequence,
                                      struct dsdn_checkpoint_row *row, struct dsdn_error *error)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val k, v;
    int rc = begin_read(index, &txn, error);
    if (rc) return rc;
    rc = cursor_open(index, txn, &cursor, error);
    if (!rc) {
        rc = seek_below(index, cursor, CHECKPOINT, sequence, CHECKPOINT_LEN, &k, &v, error);
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
    done(index, txn);
    return rc;
}

int dsdn_index_remove_checkpoint(struct dsdn_index *index, uint64_t sequence, struct dsdn_error *error)
{
    struct key key = sequence_key(CHECKPOINT, sequence);
    int rc = begin_write(index, error);
    if (rc) return rc;
    MDB_val k = {key.len, key.bytes};
    rc = mdb_del(index->writer, index->dbi, &k, NULL);
    if (rc == MDB_NOTFOUND)
        return dsdn_fail(error, DSDN_E_NOT_FOUND, "the catalogue has no checkpoint of this batch");
    if (rc) return give_up(index, rc, "remove a row", error);
    index->pending++;
    return DSDN_OK;
}

/* Remove the rows of one table from sequence `next` on, with the hashes that positions name. */
static int cut_table(struct dsdn_index *index, enum table table, uint64_t next, struct dsdn_error *error)
{
    MDB_cursor *cursor;
    int rc = cursor_open(index, index->writer, &cursor, error);
    if (rc) return rc;
    struct key from = sequence_key(table, next);
    MDB_val k, v;
    while (!(rc = seek(index, cursor, &from, 1, MDB_SET_RANGE, table == POSITION ? POSITION_LEN : 0, &k, &v,
                       error))) {
        struct key hash = hash_key(table == POSITION ? (uint8_t *)v.mv_data + 32 : (const uint8_t[32]){0});
        int deleted = mdb_cursor_del(cursor, 0);
        if (!deleted && table == POSITION) {
            MDB_val h = {hash.len, hash.bytes};
            deleted = mdb_del(index->writer, index->dbi, &h, NULL);
            if (deleted == MDB_NOTFOUND) deleted = 0;
        }
        if (deleted) {
            mdb_cursor_close(cursor);
            return give_up(index, deleted, "remove a row", error);
        }
        index->pending++;
    }
    mdb_cursor_close(cursor);
    return rc == DSDN_E_NOT_FOUND ? DSDN_OK : rc;
}

int dsdn_index_cut(struct dsdn_index *index, uint64_t next, struct dsdn_error *error)
{
    static const enum table tables[] = {POSITION, REFERENCE, FINALITY, CHECKPOINT};
    int rc = begin_write(index, error);
    for (size_t i = 0; !rc && i < sizeof tables / sizeof *tables; i++)
        rc = cut_table(index, tables[i], next, error);
    return rc;
}
