/* A look at every page of an LMDB 0.9 data file before LMDB maps it.
 *
 * LMDB trusts its file: a page number behind the end is a SIGBUS, a bad offset in a page a wild read.  The
 * index is small beside the log and derived, so it is read once when it is opened, with pread, where damage
 * is a value and not a signal.
 *
 * Layout (lmdb 0.9.x, mdb.c).  Page: header {pgno u64, pad u16, flags u16, lower u16, upper u16}, then u16
 * offsets of nodes; an overflow page has {.., pages u32} instead of lower and upper.
 * Node: {lo u16, hi u16, flags u16, key_len u16, key, data}; in a branch the page number is
 * lo | hi << 16 | flags << 32, in a leaf the data length is lo | hi << 16.
 * Meta pages 0 and 1, behind the header: {magic u32, version u32, address u64, mapsize u64, db[2],
 * last_page u64, txnid u64}, db {pad u32, flags u16, depth u16, branch, leaf, overflow pages u64,
 * entries u64, root u64}. */
#include "log/index.h"

#include "log/hash.h"
#include "log/io.h"

#include <fcntl.h>
#include <stdlib.h>

#define PAGE_HEADER 16u
#define META_LEN    152u
#define PAGE_MAX    65536u
#define KEY_LEN_MAX 511u
#define NODE_HEADER 8u
#define DEPTH_MAX   32u
#define NO_PAGE     UINT64_MAX
#define RETRIES     8
#define FILE_MAX    ((uint64_t)1 << 40) /* far above any index; bounds what is computed from its size */

enum { BRANCH = 0x01, LEAF = 0x02, OVERFLOW = 0x04, META_PAGE = 0x08 };
enum { BIG_DATA = 0x01 };
enum { FREE_FLAGS = 0x08 }; /* MDB_INTEGERKEY; a flag more would be a kind of table that we never make */

struct tree {
    uint16_t flags, depth;
    uint64_t entries, root;
};

struct meta {
    uint32_t page_len;
    struct tree tree[2]; /* free pages; rows */
    uint64_t last_page, txnid;
};

struct walk {
    const struct dsdn_io *io;
    int fd;
    const char *path;
    uint64_t file_pages;
    struct meta meta;
    uint8_t *seen;  /* one bit a page: used or free */
    uint8_t *stack; /* one page a level */
    uint64_t entries;
    uint8_t last[KEY_LEN_MAX]; /* key before this one */
    size_t last_len;
    bool has_last, is_free;
    struct dsdn_error *error;
};

static int bad(struct walk *w, uint64_t page, const char *what)
{
    return dsdn_fail_at(w->error, DSDN_E_MALFORMED, w->path, page * w->meta.page_len, "the index: %s", what);
}

/* Mark cnt pages from `page` on; false when one is out of range or marked already. */
static bool mark(struct walk *w, uint64_t page, uint64_t cnt)
{
    if (page < 2 || page > w->meta.last_page || cnt > w->meta.last_page - page + 1) return false;
    for (uint64_t i = page; i < page + cnt; i++) {
        if (w->seen[i / 8] & 1u << i % 8) return false;
        w->seen[i / 8] |= (uint8_t)(1u << i % 8);
    }
    return true;
}

static int meta_read(struct walk *w, uint64_t offset, struct meta *meta)
{
    uint8_t bytes[META_LEN];
    int rc = dsdn_io_read_at(w->io, w->fd, bytes, sizeof bytes, offset, w->path, w->error);
    if (rc) return rc;
    const uint8_t *m = bytes + PAGE_HEADER;
    if (!(dsdn_load16(bytes + 10) & META_PAGE) || dsdn_load32(m) != 0xbeefc0de || dsdn_load32(m + 4) != 1)
        return dsdn_fail_at(w->error, DSDN_E_FORMAT, w->path, offset, "not a data file of LMDB, format 1");
    for (int i = 0; i < 2; i++) {
        const uint8_t *t = m + 24 + 48 * i;
        meta->tree[i] = (struct tree){.flags = dsdn_load16(t + 4),
                                      .depth = dsdn_load16(t + 6),
                                      .entries = dsdn_load64(t + 32),
                                      .root = dsdn_load64(t + 40)};
    }
    meta->page_len = dsdn_load32(m + 24);
    meta->last_page = dsdn_load64(m + 120);
    meta->txnid = dsdn_load64(m + 128);
    if (meta->page_len < 512 || meta->page_len > PAGE_MAX || (meta->page_len & (meta->page_len - 1)) != 0 ||
        meta->tree[0].flags != FREE_FLAGS || meta->tree[1].flags != 0 || meta->last_page < 1)
        return dsdn_fail_at(w->error, DSDN_E_MALFORMED, w->path, offset, "the index: a bad meta page");
    return DSDN_OK;
}

/* The newer meta page, which is the one that LMDB uses. */
static int metas_read(struct walk *w)
{
    struct meta second;
    int rc = meta_read(w, 0, &w->meta);
    if (!rc) rc = meta_read(w, w->meta.page_len, &second);
    if (rc) return rc;
    if (second.page_len != w->meta.page_len) return bad(w, 1, "the meta pages differ in page size");
    if (second.txnid > w->meta.txnid) w->meta = second;
    return DSDN_OK;
}

static int page_read(struct walk *w, uint64_t page, uint8_t *bytes)
{
    if (page >= w->file_pages)
        return dsdn_fail_at(w->error, DSDN_E_TRUNCATED, w->path, w->file_pages * w->meta.page_len,
                            "the index: a page in use lies behind the end of the file");
    int rc =
        dsdn_io_read_at(w->io, w->fd, bytes, w->meta.page_len, page * w->meta.page_len, w->path, w->error);
    return !rc && dsdn_load64(bytes) != page ? bad(w, page, "a page has another page's number") : rc;
}

/* The list of free pages in a row of the first tree: count, then page numbers. */
static int free_list(struct walk *w, uint64_t page, const uint8_t *list, uint64_t len)
{
    if (len < 8 || len % 8 != 0 || dsdn_load64(list) > len / 8 - 1)
        return bad(w, page, "a bad list of free pages");
    for (uint64_t i = 1; i <= dsdn_load64(list); i++)
        if (!mark(w, dsdn_load64(list + 8 * i), 1))
            return bad(w, page, "a free page is in use or out of range");
    return DSDN_OK;
}

/* Value of a leaf node that lives in overflow pages. */
static int big_value(struct walk *w, uint64_t page, uint64_t first, uint64_t len)
{
    uint64_t cnt = (PAGE_HEADER - 1 + len) / w->meta.page_len + 1;
    if (!mark(w, first, cnt)) return bad(w, page, "an overflow page is used twice or out of range");
    if (first + cnt > w->file_pages)
        return dsdn_fail_at(w->error, DSDN_E_TRUNCATED, w->path, w->file_pages * w->meta.page_len,
                            "the index: an overflow page lies behind the end of the file");
    uint8_t head[PAGE_HEADER];
    int rc = dsdn_io_read_at(w->io, w->fd, head, sizeof head, first * w->meta.page_len, w->path, w->error);
    if (rc) return rc;
    if (dsdn_load64(head) != first || dsdn_load16(head + 10) != OVERFLOW || dsdn_load32(head + 12) != cnt)
        return bad(w, first, "a bad overflow page");
    if (!w->is_free) return DSDN_OK;
    uint8_t *list = malloc((size_t)len + 8);
    if (!list) return dsdn_fail(w->error, DSDN_E_NO_MEMORY, "no memory to check the index");
    rc = dsdn_io_read_at(w->io, w->fd, list, (size_t)len, first * w->meta.page_len + PAGE_HEADER, w->path,
                         w->error);
    if (!rc) rc = free_list(w, first, list, len);
    free(list);
    return rc;
}

/* Keys ascend through the whole tree; separators of branches fit between. */
static int key_check(struct walk *w, uint64_t page, const uint8_t *key, size_t len, bool separator)
{
    if (len == 0 || len > KEY_LEN_MAX || (w->is_free && len != 8)) return bad(w, page, "a bad key length");
    if (w->has_last) {
        int order;
        if (w->is_free) {
            uint64_t a = dsdn_load64(w->last), b = dsdn_load64(key);
            order = a < b ? -1 : a > b;
        } else {
            order = memcmp(w->last, key, len < w->last_len ? len : w->last_len);
            if (order == 0) order = w->last_len < len ? -1 : w->last_len > len;
        }
        /* A leaf's first key may equal the separator that leads to it, which was noted before it. */
        if (order > 0 || (order == 0 && separator)) return bad(w, page, "keys are out of order");
    }
    memcpy(w->last, key, len);
    w->last_len = len;
    w->has_last = true;
    return DSDN_OK;
}

static int leaf_node(struct walk *w, uint64_t page, const uint8_t *node, size_t room)
{
    uint64_t len = dsdn_load16(node) | (uint64_t)dsdn_load16(node + 2) << 16;
    uint16_t flags = dsdn_load16(node + 4);
    size_t key_len = dsdn_load16(node + 6);
    if ((flags & ~BIG_DATA) || key_len > room - NODE_HEADER ||
        (flags ? 8 : len) > room - NODE_HEADER - key_len)
        return bad(w, page, "a row does not fit its page");
    const uint8_t *key = node + NODE_HEADER, *data = key + key_len;
    int rc = key_check(w, page, key, key_len, false);
    if (rc) return rc;
    w->entries++;
    if (flags) return big_value(w, page, dsdn_load64(data), len);
    if (w->is_free) return free_list(w, page, data, len);
    if (len < 4 ||
        dsdn_load32(data + len - 4) != dsdn_crc32c(dsdn_crc32c(0, key, key_len), data, (size_t)len - 4))
        return dsdn_fail_at(w->error, DSDN_E_CHECKSUM, w->path, page * w->meta.page_len,
                            "the index: a row does not match its CRC32C");
    return DSDN_OK;
}

static int page_walk(struct walk *w, uint64_t page, unsigned level, unsigned depth)
{
    if (!mark(w, page, 1)) return bad(w, page, "a page is used twice or out of range");
    uint8_t *bytes = w->stack + (size_t)level * w->meta.page_len;
    int rc = page_read(w, page, bytes);
    if (rc) return rc;
    bool leaf = level + 1 == depth;
    size_t lower = dsdn_load16(bytes + 12), upper = dsdn_load16(bytes + 14);
    if (dsdn_load16(bytes + 10) != (leaf ? LEAF : BRANCH) || lower < PAGE_HEADER || lower % 2 != 0 ||
        upper < lower || upper > w->meta.page_len || lower == PAGE_HEADER)
        return bad(w, page, "a bad page header");
    for (size_t at = PAGE_HEADER; !rc && at < lower; at += 2) {
        size_t offset = dsdn_load16(bytes + at);
        if (offset < upper || offset + NODE_HEADER > w->meta.page_len)
            return bad(w, page, "a row outside its page");
        const uint8_t *node = bytes + offset;
        if (leaf) {
            rc = leaf_node(w, page, node, w->meta.page_len - offset);
            continue;
        }
        size_t key_len = dsdn_load16(node + 6);
        if (key_len > w->meta.page_len - offset - NODE_HEADER) return bad(w, page, "a key outside its page");
        if (at > PAGE_HEADER) rc = key_check(w, page, node + NODE_HEADER, key_len, true);
        uint64_t child =
            dsdn_load16(node) | (uint64_t)dsdn_load16(node + 2) << 16 | (uint64_t)dsdn_load16(node + 4) << 32;
        if (!rc) rc = page_walk(w, child, level + 1, depth);
    }
    return rc;
}

static int tree_walk(struct walk *w, int which)
{
    const struct tree *tree = &w->meta.tree[which];
    w->is_free = which == 0;
    w->has_last = false;
    w->entries = 0;
    if ((tree->root == NO_PAGE) != (tree->depth == 0) || tree->depth > DEPTH_MAX)
        return bad(w, 0, "a bad root");
    int rc = tree->depth ? page_walk(w, tree->root, 0, tree->depth) : DSDN_OK;
    return !rc && w->entries != tree->entries ? bad(w, 0, "rows are missing") : rc;
}

static int walk_all(struct walk *w)
{
    uint64_t size;
    int rc = dsdn_io_size(w->io, w->fd, &size, w->path, w->error);
    if (rc || size == 0) return rc;
    if (size > FILE_MAX)
        return dsdn_fail_at(w->error, DSDN_E_TOO_LARGE, w->path, DSDN_NO_OFFSET,
                            "the index: a file of %llu bytes, at most %llu are read",
                            (unsigned long long)size, (unsigned long long)FILE_MAX);
    if ((rc = metas_read(w))) return rc;
    w->file_pages = size / w->meta.page_len;
    /* Pages that were freed in the transaction that made them may never have been written: the file may be a
     * little shorter than last_page says, but not by an absurd number, which would size our bitmap. */
    if (w->meta.last_page / 4 > w->file_pages + 65536)
        return bad(w, 0, "the last page lies far behind the file");
    w->seen = calloc(1, (size_t)(w->meta.last_page / 8 + 1));
    w->stack = malloc((size_t)w->meta.page_len * DEPTH_MAX);
    if (!w->seen || !w->stack) rc = dsdn_fail(w->error, DSDN_E_NO_MEMORY, "no memory to check the index");
    for (int i = 0; !rc && i < 2; i++) rc = tree_walk(w, i);
    free(w->seen);
    free(w->stack);
    w->seen = w->stack = NULL;
    return rc;
}

int dsdn_index_check_file(const char *path, struct dsdn_error *error)
{
    struct dsdn_error local;
    struct walk w = {.io = &dsdn_io_system, .path = path, .error = error ? error : &local};
    int rc = dsdn_io_open(w.io, path, O_RDONLY, 0, &w.fd, w.error);
    if (rc) return rc;
    /* A writer in another process may reuse pages of the state that is being walked: then walk the new one.
     */
    for (int i = 0; i < RETRIES; i++) {
        struct walk before = w;
        struct dsdn_error ignored;
        rc = walk_all(&w);
        if (!rc) break;
        before.error = &ignored;
        if (metas_read(&before) || before.meta.txnid == w.meta.txnid) break;
    }
    w.io->close(w.io->self, w.fd);
    return rc;
}
