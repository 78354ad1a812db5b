/* Checkpoints.  Input: choices u8, then the file.
 * choices: bit 0 neutral catalogue; bit 1 make hashes and checksums right; bit 2 not the file follows but
 * changes of the checkpoint of a small log, each: offset u16, length u8, bytes. */
#include "tests/fuzz/fuzz.h"

#include "statemachine/checkpoint_layout.h"

/* State root from table roots, genesis hash, and every checksum; the rows decide the rest. */
static void fix(uint8_t *p, size_t len)
{
    uint64_t tables = dsdn_load32(p + 12), genesis_len = dsdn_load32(p + 224), blocks = dsdn_load32(p + 228);
    if (tables > DSDN_STATE_TABLES_MAX || genesis_len > len || blocks > len / CKP_BLOCK) return;
    uint64_t directory = CKP_HEAD + genesis_len, list = directory + CKP_TABLE * tables,
             at = list + CKP_BLOCK * blocks + 4;
    if (at + CKP_TRAILER > len) return;
    struct dsdn_table_desc descs[DSDN_STATE_TABLES_MAX];
    const struct dsdn_table_desc *pointers[DSDN_STATE_TABLES_MAX];
    struct dsdn_roots roots;
    for (uint32_t i = 0; i < tables; i++) {
        const uint8_t *entry = p + directory + CKP_TABLE * (size_t)i;
        descs[i] = (struct dsdn_table_desc){
            .id = dsdn_load16(entry), .role = dsdn_load16(entry + 2), .role_name = ""};
        pointers[i] = &descs[i];
        memcpy(roots.tables[i], entry + 32, 32);
    }
    dsdn_roots_combine(pointers, (uint32_t)tables, &roots);
    memcpy(p + 96, roots.state, 32);
    dsdn_tagged("dsdn/genesis/1", p + CKP_HEAD, (size_t)genesis_len, p + 64);
    dsdn_store64(p + 16, len);
    dsdn_store32(p + 252, dsdn_crc32c(0, p, 252));
    uint64_t end = at;
    for (uint64_t i = 0; i < blocks; i++) {
        uint32_t block = dsdn_load32(p + list + CKP_BLOCK * i);
        if (block > len - CKP_TRAILER - end) break;
        dsdn_store32(p + list + CKP_BLOCK * i + 4, dsdn_crc32c(0, p + end, block));
        end += block;
    }
    dsdn_store32(p + at - 4, dsdn_crc32c(0, p + CKP_HEAD, (size_t)at - CKP_HEAD - 4));
    dsdn_sha256(p, len - CKP_TRAILER, p + len - CKP_TRAILER);
}

static int restore(struct disk *d, const struct dsdn_catalogue *catalogue, bool verify, unsigned threads,
                   struct dsdn_engine **e, struct dsdn_checkpoint_info *info)
{
    struct dsdn_checkpoint_options options = {.verify = verify, .threads = threads};
    struct dsdn_error error = DSDN_ERROR_INIT;
    int rc = dsdn_checkpoint_restore(catalogue, &options, &d->io, "c.ckp", e, info, &error);
    if (rc) CHECK(error.code == rc && error.message[0]);
    return rc;
}

/* Puts the roots that the rows really have into the file, so that it is a good one. */
static void make_true(struct disk_file *f, struct dsdn_engine *e, const struct dsdn_checkpoint_info *info)
{
    struct dsdn_roots roots;
    struct dsdn_error error = DSDN_ERROR_INIT;
    CHECK_OK(dsdn_engine_root(e, 1, &roots, &error), &error);
    for (uint32_t i = 0; i < info->table_cnt; i++)
        memcpy(f->bytes + CKP_HEAD + info->genesis_len + CKP_TABLE * (size_t)i + 32, roots.tables[i], 32);
    fix(f->bytes, f->len);
}

/* The checkpoint of the story, changed as the input says. */
static void put_changed(struct disk *d, struct input *in)
{
    static struct disk story;
    struct dsdn_error error = DSDN_ERROR_INIT;
    if (!disk_find(&story, "c.ckp")) {
        const struct dsdn_genesis *g = &story_get()->genesis;
        struct dsdn_engine *e = story_engine(&dsdn_catalogue, STORY_BATCHES, 0);
        disk_init(&story);
        CHECK_OK(dsdn_checkpoint_write(e, (struct dsdn_view){g->bytes, g->len}, 1, &story.io, "c.ckp", NULL,
                                       &error),
                 &error);
        dsdn_engine_free(e);
    }
    const struct disk_file *base = disk_find(&story, "c.ckp");
    struct disk_file *f = disk_put(d, "c.ckp", base->bytes, base->len);
    while (in->left) {
        size_t at = take16(in) % f->len, len = take8(in) % 32;
        for (; len-- && at < f->len; at++) f->bytes[at] = take8(in);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dsdn_checkpoint_info info, again;
    struct input in = {data, size};
    uint8_t choices = take8(&in);
    const struct dsdn_catalogue *catalogue = choices & 1 ? &neutral_catalogue : &dsdn_catalogue;
    struct disk d;
    struct dsdn_engine *e, *verified;
    struct dsdn_error error = DSDN_ERROR_INIT;
    disk_init(&d);
    if (choices & 4)
        put_changed(&d, &in);
    else
        disk_put(&d, "c.ckp", in.at, in.left);
    struct disk_file *f = disk_find(&d, "c.ckp");
    if (choices & 2 && f->len >= CKP_HEAD + CKP_TRAILER) fix(f->bytes, f->len);
    int rc = restore(&d, catalogue, false, 1, &e, &info);
    if (!rc) {
        uint8_t root[32];
        uint8_t *genesis;
        CHECK_OK(dsdn_checkpoint_genesis(&d.io, "c.ckp", &again, &genesis, &error), &error);
        CHECK(again.sequence == info.sequence && again.bytes == f->len);
        make_true(f, e, &info);
        CHECK_OK(restore(&d, catalogue, true, 2, &verified, &again), &error);
        story_root(verified, root);
        CHECK(dsdn_equal32(root, again.roots.state));
        /* One file for one state: written again it is the same bytes. */
        struct dsdn_view view = {genesis, info.genesis_len};
        CHECK_OK(dsdn_checkpoint_write(verified, view, 1, &d.io, "again.ckp", NULL, &error), &error);
        const struct disk_file *other = disk_find(&d, "again.ckp");
        CHECK(other && other->len == f->len && memcmp(other->bytes, f->bytes, f->len) == 0);
        free(genesis);
        dsdn_engine_free(verified);
        dsdn_engine_free(e);
    }
    disk_free(&d);
    return 0;
}
