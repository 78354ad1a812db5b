#include "log/index_rows.h"

#include "log/hash.h"
#include "log/io.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_MIN      ((size_t)1 << 30) /* address space only: the file grows as pages are used */
#define CRC_LEN      4u
#define INDEX_FORMAT 1u

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

int dsdn_rows_begin_read(struct dsdn_index *index, MDB_txn **txn, struct dsdn_error *error)
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

void dsdn_rows_end_read(struct dsdn_index *index, const MDB_txn *txn)
{
    if (txn == index->reader) mdb_txn_reset(index->reader);
}

/* Why nothing can be written any more. */
static int refuse_broken(const struct dsdn_index *index, struct dsdn_error *error)
{
    return dsdn_fail_at(error, DSDN_E_IO, index->path, DSDN_NO_OFFSET,
                        "the index lost what was not committed when a write failed: open it again");
}

/* The map is doubled here, between transactions, whenever it is half full; a
 * transaction of callers who commit as index.h asks cannot use up the other half. */
int dsdn_rows_begin_write(struct dsdn_index *index, struct dsdn_error *error)
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
int dsdn_rows_give_up(struct dsdn_index *index, int rc, const char *what, struct dsdn_error *error)
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

int dsdn_rows_put(struct dsdn_index *index, const struct key *key, const void *head, size_t head_len,
                  const void *body, size_t body_len, struct dsdn_error *error)
{
    int rc = dsdn_rows_begin_write(index, error);
    if (rc) return rc;
    size_t len = head_len + body_len;
    MDB_val k = {key->len, (void *)(uintptr_t)key->bytes}, v = {len + CRC_LEN, NULL};
    rc = mdb_put(index->writer, index->dbi, &k, &v, MDB_RESERVE);
    if (rc) return dsdn_rows_give_up(index, rc, "write a row", error);
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

int dsdn_rows_get(struct dsdn_index *index, MDB_txn *txn, const struct key *key, size_t len_min, MDB_val *v,
                  struct dsdn_error *error)
{
    MDB_val k = {key->len, (void *)(uintptr_t)key->bytes};
    int rc = mdb_get(txn, index->dbi, &k, v);
    if (rc == MDB_NOTFOUND) return dsdn_fail(error, DSDN_E_NOT_FOUND, "the index has no such row");
    if (rc) return lmdb_fail(error, rc, "read a row", index->path);
    return check_row(index, &k, v, len_min, error);
}

int dsdn_rows_get_fixed(struct dsdn_index *index, const struct key *key, void *out, size_t len,
                        struct dsdn_error *error)
{
    MDB_txn *txn;
    MDB_val v;
    int rc = dsdn_rows_begin_read(index, &txn, error);
    if (rc) return rc;
    rc = dsdn_rows_get(index, txn, key, len, &v, error);
    if (!rc) memcpy(out, v.mv_data, len);
    dsdn_rows_end_read(index, txn);
    return rc;
}

int dsdn_rows_seek(struct dsdn_index *index, MDB_cursor *cursor, const struct key *key, size_t prefix_len,
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

int dsdn_rows_seek_below(struct dsdn_index *index, MDB_cursor *cursor, enum table table, uint64_t sequence,
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

int dsdn_rows_cursor_open(struct dsdn_index *index, MDB_txn *txn, MDB_cursor **cursor,
                          struct dsdn_error *error)
{
    int rc = mdb_cursor_open(txn, index->dbi, cursor);
    return rc ? lmdb_fail(error, rc, "open a cursor", index->path) : DSDN_OK;
}

/* Compare or write the meta row. */
static int check_meta(struct dsdn_index *index, const uint8_t genesis[32], struct dsdn_error *error)
{
    struct key key = table_key(META);
    uint8_t meta[36];
    int rc = dsdn_rows_get_fixed(index, &key, meta, sizeof meta, error);
    if (rc == DSDN_E_NOT_FOUND && index->write) {
        MDB_stat stat;
        if (mdb_env_stat(index->env, &stat) == 0 && stat.ms_entries > 0)
            return dsdn_fail_at(error, DSDN_E_MALFORMED, index->path, DSDN_NO_OFFSET,
                                "the index has rows but no head");
        dsdn_store32(meta, INDEX_FORMAT);
        memcpy(meta + 4, genesis, 32);
        rc = dsdn_rows_put(index, &key, meta, sizeof meta, NULL, 0, error);
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
