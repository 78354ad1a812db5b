#include "statemachine/proof.h"

#include "log/hash.h"
#include "statemachine/tree.h"

/* docs/formats/proof.md:
 *
 *      0  magic "DSDNPRF1"
 *      8  u16 table id, u16 role id
 *     12  u8 present, u8 leaf (1: the path of an absent key ends in another leaf)
 *     14  u16 depth
 *     16  u16 key length, u16 value length, u16 head value length, u16 roles
 *     24  key, value, head value, leaf (kh, vh), bitmap of siblings, siblings, roles
 *
 * A role: u16 id, u16 tables, then its root when tables is 0, else per table u16 id and its root, which is
 * left out where it is computed: for the proof's table and for the head. */
static const char magic[8] = "DSDNPRF1";
enum { FIXED = 24, ROLES_MAX = 64 };

#define HEAD_TABLE 1u
#define HEAD_ROLE  0u
static const uint8_t head_key[1] = {0};

static void leaf_hash(const uint8_t kh[32], const uint8_t vh[32], uint8_t out[32])
{
    uint8_t pair[64];
    memcpy(pair, kh, 32);
    memcpy(pair + 32, vh, 32);
    const uint8_t *in = pair;
    dsdn_sha256_nodes(0x00, &in, &out, 1);
}

static void value_hash(const uint8_t *value, size_t len, uint8_t out[32])
{
    struct dsdn_sha256 sum;
    dsdn_sha256_init(&sum);
    dsdn_sha256_update(&sum, "\3", 1);
    dsdn_sha256_update(&sum, value, len);
    dsdn_sha256_final(&sum, out);
}

/* The root of the head's table: that of a tree with one leaf. */
static void head_root(const uint8_t *value, size_t len, uint8_t out[32])
{
    uint8_t kh[32], vh[32];
    dsdn_sha256(head_key, sizeof head_key, kh);
    value_hash(value, len, vh);
    leaf_hash(kh, vh, out);
}

/* ---- making ---- */

/* The next id above `last` among tables of `role`, or among all role ids when role is -1; -1 at the end. */
static int32_t next_id(const struct dsdn_table_desc *const *tables, uint32_t cnt, int32_t role, int32_t last,
                       uint32_t *number)
{
    int32_t best = -1;
    for (uint32_t i = 0; i < cnt; i++) {
        int32_t id = role < 0 ? tables[i]->role : tables[i]->id;
        if ((role >= 0 && tables[i]->role != role) || id <= last || (best >= 0 && id >= best)) continue;
        best = id;
        *number = i;
    }
    return best;
}

static uint32_t role_size(const struct dsdn_table_desc *const *tables, uint32_t cnt, int32_t role)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < cnt; i++) n += tables[i]->role == role;
    return n;
}

static uint8_t *put16(uint8_t *p, uint32_t v)
{
    dsdn_store16(p, (uint16_t)v);
    return p + 2;
}

static uint8_t *put_bytes(uint8_t *p, const uint8_t *bytes, size_t len)
{
    memcpy(p, bytes, len);
    return p + len;
}

static uint8_t *put_roles(uint8_t *p, const struct dsdn_table_desc *const *tables, uint32_t cnt,
                          const struct dsdn_table_desc *desc, const struct dsdn_roots *roots)
{
    uint32_t number = 0;
    for (uint32_t i = 0; i < roots->role_cnt; i++) {
        int32_t role = roots->roles[i].role;
        bool open = role == HEAD_ROLE || role == desc->role;
        p = put16(p, (uint32_t)role);
        p = put16(p, open ? role_size(tables, cnt, role) : 0);
        if (!open) p = put_bytes(p, roots->roles[i].root, 32);
        for (int32_t id = -1; open && (id = next_id(tables, cnt, role, id, &number)) >= 0;) {
            p = put16(p, (uint32_t)id);
            bool computed = (role == desc->role && id == desc->id) || (role == HEAD_ROLE && id == HEAD_TABLE);
            if (!computed) p = put_bytes(p, roots->tables[number], 32);
        }
    }
    return p;
}

int dsdn_proof_make(struct dsdn_engine *e, uint32_t table, const uint8_t *key, unsigned threads,
                    struct dsdn_buffer *out, struct dsdn_error *error)
{
    const struct dsdn_state *s = dsdn_engine_state(e);
    uint32_t cnt;
    const struct dsdn_table_desc *const *tables = dsdn_engine_tables(e, &cnt);
    if (table >= cnt || s->tables[dsdn_sys_TABLE_head].live_cnt != 1)
        return dsdn_fail(error, DSDN_E_USAGE, "there is no table %u, or no genesis", table);
    struct dsdn_roots roots;
    int rc = dsdn_engine_root(e, threads, &roots, error);
    if (!rc) rc = dsdn_buffer_reserve(out, DSDN_PROOF_MAX, error);
    if (rc) return rc;

    const struct dsdn_table *t = &s->tables[table];
    const struct dsdn_table_desc *desc = t->desc;
    uint8_t kh[32];
    struct dsdn_tree_path path;
    dsdn_sha256(key, desc->key_len, kh);
    dsdn_tree_prove(t->tree, kh, &path);
    uint32_t row =
        dsdn_table_find(t, key, desc->key_len, desc->row_size, dsdn_key_hash(s->seed, key, desc->key_len));
    bool present = row != DSDN_NO_ROW, leaf = path.leaf_present && !present;

    uint8_t *p = out->bytes + FIXED, *value = put_bytes(p, key, desc->key_len);
    p = value;
    if (present) p += desc->encode(s, dsdn_row_at(t, row, desc->row_size), p, NULL);
    uint8_t *head = p;
    p += dsdn_sys_tables[dsdn_sys_TABLE_head].encode(s, dsdn_head(s), p, NULL);
    uint8_t *fixed = out->bytes;
    memcpy(fixed, magic, 8);
    dsdn_store16(fixed + 8, desc->id);
    dsdn_store16(fixed + 10, desc->role);
    fixed[12] = present;
    fixed[13] = leaf;
    dsdn_store16(fixed + 14, (uint16_t)path.depth);
    dsdn_store16(fixed + 16, (uint16_t)desc->key_len);
    dsdn_store16(fixed + 18, (uint16_t)(head - value));
    dsdn_store16(fixed + 20, (uint16_t)(p - head));
    dsdn_store16(fixed + 22, (uint16_t)roots.role_cnt);
    if (leaf) p = put_bytes(put_bytes(p, path.leaf_kh, 32), path.leaf_vh, 32);
    uint8_t *bitmap = p;
    memset(p, 0, (path.depth + 7) / 8);
    p += (path.depth + 7) / 8;
    for (uint32_t i = 0; i < path.depth; i++) {
        if (dsdn_zero32(path.siblings[i])) continue;
        bitmap[i / 8] = (uint8_t)(bitmap[i / 8] | 0x80 >> i % 8);
        p = put_bytes(p, path.siblings[i], 32);
    }
    p = put_roles(p, tables, cnt, desc, &roots);
    out->len = (size_t)(p - out->bytes);
    return DSDN_OK;
}
_Static_assert(FIXED + DSDN_KEY_MAX + 2 * DSDN_VALUE_MAX + 64 + 32 + DSDN_TREE_DEPTH_MAX * 32 + 16 * 36 +
                       DSDN_STATE_TABLES_MAX * 34 <=
                   DSDN_PROOF_MAX,
               "the longest proof");

/* ---- checking ---- */

/* Bytes that are taken from the front. */
struct reader {
    const uint8_t *start, *at, *end;
    struct dsdn_error *error;
};

static const uint8_t *take(struct reader *r, size_t len)
{
    if ((size_t)(r->end - r->at) < len) {
        dsdn_fail(r->error, DSDN_E_TRUNCATED, "the proof ends too early");
        dsdn_error_at(r->error, NULL, (uint64_t)(r->end - r->start));
        return NULL;
    }
    r->at += len;
    return r->at - len;
}

static int malformed(const struct reader *r, const char *why)
{
    int rc = dsdn_fail(r->error, DSDN_E_MALFORMED, "proof: %s", why);
    dsdn_error_at(r->error, NULL, (uint64_t)(r->at - r->start));
    return rc;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, uint32_t bits)
{
    return memcmp(a, b, bits / 8) == 0 &&
           (bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0);
}

/* The path: leaf and siblings. */
static int read_path(struct reader *r, const struct dsdn_proof *proof, bool leaf, uint8_t table_root[32])
{
    struct dsdn_tree_path path = {.depth = proof->depth, .leaf_present = proof->present || leaf};
    uint8_t kh[32];
    const uint8_t *p;
    dsdn_sha256(proof->key, proof->key_len, kh);
    if (proof->present) {
        memcpy(path.leaf_kh, kh, 32);
        value_hash(proof->value, proof->value_len, path.leaf_vh);
    } else if (leaf) {
        if (!(p = take(r, 64))) return DSDN_E_TRUNCATED;
        memcpy(path.leaf_kh, p, 32);
        memcpy(path.leaf_vh, p + 32, 32);
        if (dsdn_equal32(kh, p) || !same_prefix(kh, p, proof->depth))
            return malformed(r, "the other leaf is not on the path of the absent key");
    }
    const uint8_t *bitmap = take(r, (proof->depth + 7) / 8);
    if (!bitmap) return DSDN_E_TRUNCATED;
    if (proof->depth % 8 && (uint8_t)(bitmap[proof->depth / 8] << proof->depth % 8))
        return malformed(r, "bits behind the last sibling");
    for (uint32_t i = 0; i < proof->depth; i++) {
        if (!(bitmap[i / 8] & 0x80 >> i % 8)) continue; /* empty: zero bytes */
        if (!(p = take(r, 32))) return DSDN_E_TRUNCATED;
        if (dsdn_zero32(p)) return malformed(r, "an empty sibling that is not marked as one");
        memcpy(path.siblings[i], p, 32);
    }
    if (proof->depth && dsdn_zero32(path.siblings[proof->depth - 1]))
        return malformed(r, "a path that is longer than its subtree");
    dsdn_tree_fold(&path, kh, table_root);
    return DSDN_OK;
}

/* The tables of an open role. */
static int read_tables(struct reader *r, const struct dsdn_proof *proof, uint16_t role, uint32_t cnt,
                       const uint8_t table_root[32], const uint8_t head[32], uint8_t role_root[32])
{
    struct dsdn_sha256 sum;
    int32_t last = -1;
    bool has_head = false, has_table = false;
    dsdn_tag_init(&sum, "dsdn/role/1");
    while (cnt--) {
        const uint8_t *id = take(r, 2), *root;
        if (!id) return DSDN_E_TRUNCATED;
        uint16_t table = dsdn_load16(id);
        bool is_head = role == HEAD_ROLE && table == HEAD_TABLE,
             is_table = role == proof->role && table == proof->table;
        if (table <= last) return malformed(r, "tables are not in ascending order");
        last = table;
        has_head |= is_head;
        has_table |= is_table;
        if (is_table)
            root = table_root;
        else if (is_head)
            root = head;
        else if (!(root = take(r, 32)))
            return DSDN_E_TRUNCATED;
        dsdn_sha256_update(&sum, id, 2);
        dsdn_sha256_update(&sum, root, 32);
    }
    dsdn_sha256_final(&sum, role_root);
    if (has_head != (role == HEAD_ROLE) || has_table != (role == proof->role))
        return malformed(r, "a role without the table that it should have");
    return DSDN_OK;
}

static int read_roles(struct reader *r, struct dsdn_proof *proof, uint32_t cnt, const uint8_t table_root[32],
                      const uint8_t head[32])
{
    struct dsdn_sha256 sum;
    int32_t last = -1;
    bool has_head = false, has_table = false;
    dsdn_tag_init(&sum, "dsdn/state/1");
    while (cnt--) {
        const uint8_t *p = take(r, 4), *closed = NULL;
        if (!p) return DSDN_E_TRUNCATED;
        uint16_t role = dsdn_load16(p), tables = dsdn_load16(p + 2);
        bool open = role == HEAD_ROLE || role == proof->role;
        uint8_t root[32];
        if (role <= last || (tables != 0) != open || tables > DSDN_STATE_TABLES_MAX)
            return malformed(r, "roles are not in ascending order, or the wrong ones are listed by table");
        last = role;
        has_head |= role == HEAD_ROLE;
        has_table |= role == proof->role;
        if (open) {
            int rc = read_tables(r, proof, role, tables, table_root, head, root);
            if (rc) return rc;
        } else if (!(closed = take(r, 32)))
            return DSDN_E_TRUNCATED;
        dsdn_sha256_update(&sum, p, 2);
        dsdn_sha256_update(&sum, closed ? closed : root, 32);
    }
    dsdn_sha256_final(&sum, proof->root);
    if (!has_head || !has_table) return malformed(r, "the role of the table, or the system's, is missing");
    return r->at == r->end ? DSDN_OK : malformed(r, "bytes follow");
}

static int read_head_row(struct reader *r, struct dsdn_proof *proof, const uint8_t *value, uint32_t len)
{
    const struct dsdn_table_desc *desc = &dsdn_sys_tables[dsdn_sys_TABLE_head];
    uint8_t row[1 + 1024];
    if (len > sizeof row - 1) return malformed(r, "the head row is too long");
    row[0] = head_key[0];
    memcpy(row + 1, value, len);
    /* The head refers to no other row, so that it has one form in values and checkpoints. */
    const uint8_t *end = desc->restore(row, row + 1 + len, &proof->head, NULL);
    return end == row + 1 + len ? DSDN_OK : malformed(r, "the head row is none");
}

int dsdn_proof_check(const uint8_t *bytes, size_t len, const uint8_t *expected_root, struct dsdn_proof *proof,
                     struct dsdn_error *error)
{
    struct reader r = {bytes, bytes, bytes + len, error};
    *proof = (struct dsdn_proof){0};
    if (len < 8 || memcmp(bytes, magic, 8) != 0) return dsdn_fail(error, DSDN_E_FORMAT, "not a proof");
    if (len > DSDN_PROOF_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a proof of %zu bytes; at most %u", len, DSDN_PROOF_MAX);
    const uint8_t *fixed = take(&r, FIXED);
    if (!fixed) return DSDN_E_TRUNCATED;
    proof->table = dsdn_load16(fixed + 8);
    proof->role = dsdn_load16(fixed + 10);
    proof->present = fixed[12] == 1;
    proof->depth = dsdn_load16(fixed + 14);
    proof->key_len = dsdn_load16(fixed + 16);
    proof->value_len = dsdn_load16(fixed + 18);
    uint32_t head_len = dsdn_load16(fixed + 20), roles = dsdn_load16(fixed + 22);
    if (fixed[12] > 1 || fixed[13] > 1 || (fixed[12] && fixed[13]))
        return malformed(&r, "a flag that is neither 0 nor 1");
    if (proof->key_len == 0 || proof->key_len > DSDN_KEY_MAX || proof->value_len > DSDN_VALUE_MAX ||
        proof->depth > DSDN_TREE_DEPTH_MAX || roles > ROLES_MAX || (!proof->present && proof->value_len))
        return malformed(&r, "an impossible length");
    if (!(proof->key = take(&r, proof->key_len)) || !(proof->value = take(&r, proof->value_len)))
        return DSDN_E_TRUNCATED;
    if (!proof->present) proof->value = NULL;
    const uint8_t *head = take(&r, head_len);
    if (!head) return DSDN_E_TRUNCATED;
    uint8_t table_root[32], root_of_head[32];
    head_root(head, head_len, root_of_head);
    int rc = read_head_row(&r, proof, head, head_len);
    if (!rc) rc = read_path(&r, proof, fixed[13] == 1, table_root);
    if (!rc) rc = read_roles(&r, proof, roles, table_root, root_of_head);
    if (rc) return rc;
    if (proof->role == HEAD_ROLE && proof->table == HEAD_TABLE && !dsdn_equal32(table_root, root_of_head))
        return malformed(&r, "two heads");
    if (expected_root && memcmp(proof->root, expected_root, 32) != 0) {
        char has[65], wanted[65];
        dsdn_hex_encode(proof->root, 32, has);
        dsdn_hex_encode(expected_root, 32, wanted);
        return dsdn_fail(error, DSDN_E_PROOF, "the proof leads to root %s, expected was %s", has, wanted);
    }
    return DSDN_OK;
}
