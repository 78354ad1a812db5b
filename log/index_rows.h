/* index_rows.h: rows of the index in LMDB: keys, transactions, checksums.  Between index.c, which has the
 * file, and index_tables.c, which knows what the rows hold; not for others.  `error` may be NULL. */
#ifndef DSDN_LOG_INDEX_ROWS_H
#define DSDN_LOG_INDEX_ROWS_H

#include "log/index.h"

#include <lmdb.h>

#define KEY_MAX 33u

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

static inline struct key table_key(enum table table)
{
    struct key key = {.len = 1};
    key.bytes[0] = (uint8_t)table;
    return key;
}

static inline struct key sequence_key(enum table table, uint64_t sequence)
{
    struct key key = table_key(table);
    dsdn_store64_be(key.bytes + 1, sequence);
    key.len = 9;
    return key;
}

/* The transaction to read in, the open write transaction or a fresh snapshot; dsdn_rows_end_read ends it. */
int dsdn_rows_begin_read(struct dsdn_index *index, MDB_txn **txn, struct dsdn_error *error);
void dsdn_rows_end_read(struct dsdn_index *index, const MDB_txn *txn);

/* dsdn_rows_begin_write opens the write transaction if none is open. */
int dsdn_rows_begin_write(struct dsdn_index *index, struct dsdn_error *error);

/* dsdn_rows_give_up ends the write transaction after a failed write (rc: of LMDB) and returns the error. */
int dsdn_rows_give_up(struct dsdn_index *index, int rc, const char *what, struct dsdn_error *error);

/* dsdn_rows_put writes one row; its value is head, then body. */
int dsdn_rows_put(struct dsdn_index *index, const struct key *key, const void *head, size_t head_len,
                  const void *body, size_t body_len, struct dsdn_error *error);

/* Reading.  The value has at least len_min bytes, its CRC was compared and is not part of *v; it points into
 * the map until the transaction ends.  NOT_FOUND; CHECKSUM. */
int dsdn_rows_get(struct dsdn_index *index, MDB_txn *txn, const struct key *key, size_t len_min, MDB_val *v,
                  struct dsdn_error *error);
/* dsdn_rows_get_fixed copies a value of len bytes, in a transaction of its own. */
int dsdn_rows_get_fixed(struct dsdn_index *index, const struct key *key, void *out, size_t len,
                        struct dsdn_error *error);
/* dsdn_rows_seek moves to the first row at or behind key (op MDB_SET_RANGE) or steps; NOT_FOUND outside the
 * first prefix_len bytes of key. */
int dsdn_rows_seek(struct dsdn_index *index, MDB_cursor *cursor, const struct key *key, size_t prefix_len,
                   MDB_cursor_op op, size_t len_min, MDB_val *k, MDB_val *v, struct dsdn_error *error);
/* dsdn_rows_seek_below finds the newest row of a sequence-keyed table at or below sequence. */
int dsdn_rows_seek_below(struct dsdn_index *index, MDB_cursor *cursor, enum table table, uint64_t sequence,
                         size_t len_min, MDB_val *k, MDB_val *v, struct dsdn_error *error);
int dsdn_rows_cursor_open(struct dsdn_index *index, MDB_txn *txn, MDB_cursor **cursor,
                          struct dsdn_error *error);

#endif
