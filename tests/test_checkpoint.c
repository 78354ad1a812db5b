/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
#include "log/hash.h"
#include "roles/dsdn.h"
#include "statemachine/tree.h"
#include "tests/fail_nth.h"
#include "tests/io_fault.h"
#include "tests/state_fixture.h"

static struct path scratch, file;

static struct dsdn_engine *restore_with(const struct dsdn_catalogue *catalogue, bool verify, unsigned threads,
                                        uint64_t seed, struct dsdn_checkpoint_info *info)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_engine_options engine = {.hash_seed = seed};
    struct dsdn_checkpoint_options options = {.engine = &engine, .verify = verify, .threads = threads};
    struct dsdn_engine *e = NULL;
    done(dsdn_checkpoint_restore(catalogue, &options, &dsdn_io_system, file.text, &e, info, &error), &error);
    return e;
}

/* ---- what comes back ---- */

/* Every row of a is in b with the same value, found by its key; indexes give the same order. */
static void assert_same_state(struct dsdn_engine *a, struct dsdn_engine *b)
{
    const struct dsdn_state *x = dsdn_engine_state(a), *y = dsdn_engine_state(b);
    assert_int_equal(x->table_cnt, y->table_cnt);
    for (uint32_t t = 0; t < x->table_cnt; t++) {
        const struct dsdn_table *from = &x->tables[t], *to = &y->tables[t];
        const struct dsdn_table_desc *desc = from->desc;
        uint8_t one[DSDN_VALUE_MAX], two[DSDN_VALUE_MAX];
        assert_int_equal(from->live_cnt, to->live_cnt);
        for (uint32_t row = 0; row < from->row_end; row++) {
            if (!dsdn_table_live(from, row)) continue;
            const uint8_t *key = dsdn_row_at(from, row, desc->row_size);
            uint32_t other = fixture_find(y, t, key);
            assert_true(dsdn_table_live(to, other));
            uint32_t len = desc->encode(x, key, one, NULL);
            assert_int_equal(desc->encode(y, dsdn_row_at(to, other, desc->row_size), two, NULL), len);
            assert_memory_equal(one, two, len);
        }
        for (uint32_t i = 0; desc->indexes[i].name; i++) {
            struct dsdn_walk p, q;
            dsdn_walk_begin(&p, from, i, NULL, 0);
            dsdn_walk_begin(&q, to, i, NULL, 0);
            for (uint32_t cnt = 0; cnt <= from->live_cnt; cnt++) {
                uint32_t m = dsdn_walk_next(&p), n = dsdn_walk_next(&q);
                assert_int_equal(m == DSDN_NO_ROW, n == DSDN_NO_ROW);
                assert_int_equal(m == DSDN_NO_ROW, cnt == from->live_cnt);
                if (m != DSDN_NO_ROW)
                    assert_memory_equal(dsdn_row_at(from, m, desc->row_size),
                                        dsdn_row_at(to, n, desc->row_size), desc->key_len);
            }
        }
    }
}

static void round_trip(const struct dsdn_catalogue *catalogue, uint32_t rows)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_engine *e = fixture_engine(catalogue, rows, 1);
    struct dsdn_roots before, after;
    size_t len, again_len;
    uint8_t *bytes = fixture_export(e, file.text, &len);
    done(dsdn_engine_root(e, 1, &before, &error), &error);
    for (unsigned mode = 0; mode < 6; mode++) {
        struct dsdn_checkpoint_info info;
        struct dsdn_engine *back = restore_with(catalogue, mode & 1, 1 + mode / 2, mode * 977, &info);
        assert_same_state(e, back);
        assert_same_state(back, e);
        assert_int_equal(info.sequence, 7);
        assert_int_equal(info.event_count, 1234567890123);
        assert_int_equal(info.bytes, len);
        assert_string_equal(info.catalogue, catalogue->name);
        assert_memory_equal(info.roots.state, before.state, 32);
        assert_memory_equal(info.file_hash, bytes + len - 32, 32);
        done(dsdn_engine_root(back, 1, &after, &error), &error);
        assert_memory_equal(after.state, before.state, 32);
        struct path other = sub(&scratch, "again");
        uint8_t *again = fixture_export(back, other.text, &again_len);
        assert_int_equal(again_len, len);
        assert_memory_equal(again, bytes, len);
        free(again);
        dsdn_engine_free(back);
    }
    free(bytes);
    dsdn_engine_free(e);
}

static void test_round_trip(void **state)
{
    (void)state;
    round_trip(&dsdn_catalogue, 0);
    round_trip(&dsdn_catalogue, 1);
    round_trip(&dsdn_catalogue, 40);
    round_trip(&neutral_catalogue, 100);
}

/* Several blocks a table, and their seams. */
static void test_many_blocks(void **state)
{
    (void)state;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_engine *e = fixture_engine(&neutral_catalogue, 0, 0);
    struct dsdn_state *s = dsdn_engine_state_for_restore(e);
    enum { ROWS = 9000 };
    done(dsdn_table_reserve(&s->tables[neutral_TABLE_node], ROWS, &error), &error);
    done(dsdn_table_reserve(&s->tables[neutral_TABLE_chunk], ROWS, &error), &error);
    for (uint32_t i = 0; i < ROWS; i++) {
        fixture_insert(s, neutral_TABLE_node, i);
        fixture_insert(s, neutral_TABLE_chunk, i);
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        fixture_columns(s, neutral_TABLE_node, i, ROWS);
        fixture_columns(s, neutral_TABLE_chunk, i, ROWS);
    }
    size_t len;
    free(fixture_export(e, file.text, &len));
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct dsdn_checkpoint_info info;
        struct dsdn_engine *back = restore_with(&neutral_catalogue, threads == 2, threads, threads, &info);
        assert_true(info.tables[neutral_TABLE_chunk].blocks >= 5);
        assert_same_state(e, back);
        dsdn_engine_free(back);
    }
    dsdn_engine_free(e);
}

static void test_equal_exports(void **state)
{
    (void)state;
    const struct dsdn_catalogue *catalogues[] = {&dsdn_catalogue, &neutral_catalogue};
    for (size_t c = 0; c < 2; c++) {
        struct dsdn_engine *first = fixture_engine(catalogues[c], 50, 0);
        size_t len;
        uint8_t *bytes = fixture_export(first, file.text, &len);
        for (uint64_t history = 1; history < 5; history++) {
            struct dsdn_engine *e = fixture_engine(catalogues[c], 50, history);
            size_t other_len;
            uint8_t *other = fixture_export(e, file.text, &other_len);
            assert_int_equal(len, other_len);
            assert_memory_equal(bytes, other, len);
            free(other);
            dsdn_engine_free(e);
        }
        free(bytes);
        dsdn_engine_free(first);
    }
}

/* Key order of thousands of rows whose keys differ late, in primary and index order. */
static void test_sort(void **state)
{
    (void)state;
    enum { ROWS = 4000 };
    struct dsdn_engine *e = fixture_engine(&neutral_catalogue, 0, 3);
    struct dsdn_state *s = dsdn_engine_state_for_restore(e);
    struct dsdn_table *t = &s->tables[dsdn_sys_TABLE_attestation];
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint64_t seed = 12;
    done(dsdn_table_reserve(t, ROWS, &error), &error);
    for (uint32_t i = 0; i < ROWS; i++) {
        uint8_t key[40] = {0};
        key[7] = (uint8_t)(test_random(&seed) % 2);
        key[19] = (uint8_t)(test_random(&seed) % 3);
        dsdn_store32(key + 35, (uint32_t)test_random(&seed));
        if (dsdn_sys_attestation_find(s, key) == DSDN_NO_ROW) dsdn_sys_attestation_insert(s, key);
    }
    dsdn_state_settle(s);
    uint32_t *rows;
    done(dsdn_table_sorted(t, &rows, &error), &error);
    for (uint32_t i = 1; i < t->live_cnt; i++)
        assert_true(memcmp(dsdn_sys_attestation_at(s, rows[i - 1]), dsdn_sys_attestation_at(s, rows[i]), 40) <
                    0);
    free(rows);
    size_t len;
    free(fixture_export(e, file.text, &len));
    struct dsdn_engine *back = restore_with(&neutral_catalogue, true, 1, 4, NULL);
    assert_same_state(e, back);
    dsdn_engine_free(back);
    dsdn_engine_free(e);
}

/* The header's root against the definition of the tree, computed here from the file's own rows. */
static void test_root_by_definition(void **state)
{
    (void)state;
    struct dsdn_engine *e = fixture_engine(&neutral_catalogue, 60, 0);
    struct dsdn_checkpoint_info info;
    size_t len;
    free(fixture_export(e, file.text, &len));
    struct dsdn_engine *back = restore_with(&neutral_catalogue, false, 1, 1, &info);
    const struct dsdn_state *s = dsdn_engine_state(back);
    const struct dsdn_table *t = &s->tables[neutral_TABLE_chunk];
    uint8_t leaves[64][64], root[32], swap[64];
    for (uint32_t row = 0; row < t->live_cnt; row++) {
        dsdn_sha256(dsdn_row_at(t, row, t->desc->row_size), t->desc->key_len, leaves[row]);
        dsdn_state_value_hash(s, neutral_TABLE_chunk, row, leaves[row] + 32);
        for (uint32_t i = row; i && memcmp(leaves[i - 1], leaves[i], 32) > 0; i--) {
            memcpy(swap, leaves[i], 64);
            memcpy(leaves[i], leaves[i - 1], 64);
            memcpy(leaves[i - 1], swap, 64);
        }
    }
    dsdn_tree_reference(leaves[0], t->live_cnt, root);
    assert_memory_equal(info.roots.tables[neutral_TABLE_chunk], root, 32);
    dsdn_engine_free(back);
    dsdn_engine_free(e);
}

static void test_info_and_genesis(void **state)
{
    (void)state;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_engine *e = fixture_engine(&dsdn_catalogue, 3, 0);
    struct dsdn_genesis genesis = fixture_genesis();
    struct dsdn_checkpoint_info written, info;
    uint8_t *bytes;
    done(dsdn_checkpoint_write(e, (struct dsdn_view){genesis.bytes, genesis.len}, 2, &dsdn_io_system,
                               file.text, &written, &error),
         &error);
    done(dsdn_checkpoint_genesis(&dsdn_io_system, file.text, &info, &bytes, &error), &error);
    assert_int_equal(info.genesis_len, genesis.len);
    assert_memory_equal(bytes, genesis.bytes, genesis.len);
    assert_memory_equal(info.genesis, genesis.hash, 32);
    assert_memory_equal(info.file_hash, written.file_hash, 32);
    assert_memory_equal(info.roots.state, written.roots.state, 32);
    assert_int_equal(info.roots.role_cnt, written.roots.role_cnt);
    assert_int_equal(info.bytes, written.bytes);
    assert_memory_equal(info.tables, written.tables, sizeof info.tables);
    genesis.bytes[genesis.len - 1] ^= 1;
    assert_int_equal(dsdn_checkpoint_write(e, (struct dsdn_view){genesis.bytes, genesis.len}, 1,
                                           &dsdn_io_system, file.text, NULL, &error),
                     DSDN_E_WRONG_GENESIS);
    free(bytes);
    dsdn_genesis_free(&genesis);
    dsdn_engine_free(e);
}

/* What the engine relies on without looking again: the head is row 0 of key 0, parameters keep their ranges. */
static void test_states_that_no_log_makes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t value;
        bool pending;
        int code;
    } cases[] = {
        {"attest_every", 1, false, DSDN_OK},
        {"attest_every", 0, false, DSDN_E_MALFORMED},
        {"deadline_budget", UINT32_MAX, false, DSDN_E_MALFORMED},
        {"attest_every", 0, true, DSDN_E_MALFORMED},
        {"attest_every", 7, true, DSDN_OK},
        {"somebody_elses", 0, false, DSDN_OK},
        {NULL, 0, false, DSDN_E_MALFORMED}, /* a head of another key */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dsdn_error error = DSDN_ERROR_INIT;
        struct dsdn_engine *e = fixture_engine(&neutral_catalogue, 0, 0), *back = NULL;
        struct dsdn_state *s = dsdn_engine_state_for_restore(e);
        uint8_t key[48] = {0};
        size_t name_len = cases[i].name ? strlen(cases[i].name) : 0, len;
        memcpy(key, cases[i].name ? cases[i].name : "", name_len);
        uint32_t table = cases[i].pending ? dsdn_sys_TABLE_pending_param : dsdn_sys_TABLE_parameter;
        done(dsdn_table_reserve(&s->tables[table], 1, &error), &error);
        if (!cases[i].name) {
            dsdn_sys_head_edit(s, 0)->zero[0] = 1;
        } else if (cases[i].pending) {
            uint32_t row = dsdn_sys_pending_param_insert(s, key + 36);
            struct dsdn_sys_row_pending_param *p = dsdn_sys_pending_param_edit(s, row);
            p->name_len = (uint8_t)name_len;
            memcpy(p->name, cases[i].name, name_len);
            p->value = cases[i].value;
        } else {
            dsdn_sys_parameter_edit(s, dsdn_sys_parameter_insert(s, key))->value = cases[i].value;
        }
        dsdn_state_settle(s);
        free(fixture_export(e, file.text, &len));
        struct dsdn_checkpoint_options options = {.verify = true};
        int rc = dsdn_checkpoint_restore(&neutral_catalogue, &options, &dsdn_io_system, file.text, &back, NULL, &error);
        if (rc != cases[i].code) fail_msg("case %zu: %s, %s", i, dsdn_error_name(rc), error.message);
        if (!rc) dsdn_engine_free(back);
        dsdn_engine_free(e);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_engine *e = fixture_engine(&neutral_catalogue, 10, 0), *back = NULL;
    struct dsdn_checkpoint_options options = {.verify = true};
    struct dsdn_checkpoint_info info;
    size_t len;
    uint8_t *bytes = fixture_export(e, file.text, &len), root[32];
    done(dsdn_checkpoint_info(&dsdn_io_system, file.text, &info, &error), &error);
    memcpy(root, info.roots.state, 32);
    options.expect_root = root;
    done(dsdn_checkpoint_restore(&neutral_catalogue, &options, &dsdn_io_system, file.text, &back, NULL,
                                 &error),
         &error);
    dsdn_engine_free(back);
    root[31] ^= 1;
    assert_int_equal(dsdn_checkpoint_restore(&neutral_catalogue, &options, &dsdn_io_system, file.text, &back,
                                             NULL, &error),
                     DSDN_E_ROOT);
    assert_int_equal(dsdn_error_exit(DSDN_E_ROOT), 3);
    options.expect_root = NULL;
    assert_int_equal(
        dsdn_checkpoint_restore(&dsdn_catalogue, &options, &dsdn_io_system, file.text, &back, NULL, &error),
        DSDN_E_FORMAT);
    struct dsdn_catalogue renamed = dsdn_catalogue; /* the name alone does not help */
    renamed.name = "neutral";
    assert_int_equal(
        dsdn_checkpoint_restore(&renamed, &options, &dsdn_io_system, file.text, &back, NULL, &error),
        DSDN_E_FORMAT);
    struct dsdn_table_desc swapped[2] = {neutral_catalogue.tables[1], neutral_catalogue.tables[0]};
    struct dsdn_catalogue other = neutral_catalogue;
    other.tables = swapped;
    assert_int_equal(
        dsdn_checkpoint_restore(&other, &options, &dsdn_io_system, file.text, &back, NULL, &error),
        DSDN_E_FORMAT);
    assert_int_equal(dsdn_checkpoint_restore(&neutral_catalogue, &options, &dsdn_io_system, scratch.text,
                                             &back, NULL, &error),
                     DSDN_E_IO);
    free(bytes);
    dsdn_engine_free(e);
}

/* ---- a log goes on from a checkpoint as if nothing had happened ---- */

struct race {
    struct dsdn_engine *straight, *resumed;
    struct dsdn_prepared prepared;
    uint32_t every;
};

static int race_batch(void *self, const struct dsdn_view *batch, uint64_t sequence, uint32_t events,
                      struct dsdn_error *error)
{
    struct race *r = self;
    struct dsdn_engine *engines[] = {r->straight, r->resumed};
    (void)events;
    for (size_t i = 0; i < 2; i++) {
        uint64_t seed = dsdn_engine_seed(engines[i]);
        int rc = dsdn_prepare(&r->prepared, &neutral_catalogue, seed, batch->bytes, batch->len, error);
        if (!rc) rc = dsdn_engine_apply(engines[i], &r->prepared, error);
        if (rc) return rc;
    }
    struct dsdn_roots a, b;
    done(dsdn_engine_root(r->straight, 1, &a, error), error);
    done(dsdn_engine_root(r->resumed, 1, &b, error), error);
    assert_memory_equal(a.state, b.state, 32);
    if (sequence % r->every == 0) {
        struct path path = sub(&scratch, "race");
        struct dsdn_genesis genesis = fixture_genesis();
        struct dsdn_engine_options options = {.hash_seed = sequence, .fingerprint = sequence % 8 == 0};
        struct dsdn_checkpoint_options restore = {
            .engine = &options, .verify = sequence % 3 == 0, .threads = 2};
        done(dsdn_checkpoint_write(r->resumed, (struct dsdn_view){genesis.bytes, genesis.len}, 1,
                                   &dsdn_io_system, path.text, NULL, error),
             error);
        dsdn_engine_free(r->resumed);
        done(dsdn_checkpoint_restore(&neutral_catalogue, &restore, &dsdn_io_system, path.text, &r->resumed,
                                     NULL, error),
             error);
        dsdn_genesis_free(&genesis);
    }
    return 0;
}

/* A bench file of random events over few nodes and chunks. */
static void write_events(const char *path, uint32_t cnt)
{
    static const uint16_t body[] = {0, 66 - 20, 96 - 20, 100, 100, 100, 72};
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    uint8_t header[64] = {'D', 'S', 'D', 'N', 'B', 'E', 'V', '1', 1, 0, 0, 0, 64};
    uint64_t seed = 99, total = 0;
    fwrite(header, 1, 64, out);
    for (uint64_t i = 0; i < cnt; i++) {
        uint8_t record[160] = {0}, *p = record + 24;
        uint8_t type = (uint8_t)(1 + test_random(&seed) % 6);
        dsdn_store32(record, 20u + body[type]);
        record[4] = type;
        record[5] = 1;
        dsdn_store64(record + 8, i);
        dsdn_store64(record + 16, 1000 + i);
        bool node = type == 1 || type == 6;
        p[0] = (uint8_t)(test_random(&seed) % (node ? 12 : 40));
        p[31] = node ? 1 : 2;
        if (type == 3 || type == 4) {
            p[32] = (uint8_t)(test_random(&seed) % 12);
            p[63] = 1;
        }
        if (type == 6) dsdn_store64(p + 32, test_random(&seed) % 1000 - 300);
        if (type == 2) dsdn_store64(p + 64, test_random(&seed));
        fwrite(record, 1, 24u + body[type], out);
        total += 24u + body[type];
    }
    dsdn_store64(header + 16, cnt);
    dsdn_store64(header + 32, total);
    rewind(out);
    fwrite(header, 1, 64, out);
    assert_int_equal(fclose(out), 0);
}

static void test_continue(void **state)
{
    (void)state;
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct path events = sub(&scratch, "events");
    uint8_t header[NEUTRAL_FILE_HEADER], digest[2][32];
    write_events(events.text, 3000);
    int fd = open(events.text, O_RDONLY);
    assert_int_equal(read(fd, header, sizeof header), sizeof header);
    struct dsdn_genesis genesis = fixture_genesis();
    struct dsdn_sign_key key;
    const uint8_t seed[32] = {1};
    struct race r = {.every = 4};
    dsdn_sign_key_from_seed(&key, seed); /* apply does not look at signatures */
    done(dsdn_engine_new(&neutral_catalogue, NULL, &r.straight, &error), &error);
    done(dsdn_engine_new(&neutral_catalogue, NULL, &r.resumed, &error), &error);
    done(dsdn_engine_genesis(r.straight, genesis.bytes, genesis.len, &error), &error);
    done(dsdn_engine_genesis(r.resumed, genesis.bytes, genesis.len, &error), &error);
    done(neutral_import(fd, events.text, header, &genesis, &key, 70, race_batch, &r, &error), &error);
    close(fd);
    done(neutral_digest(dsdn_engine_state(r.straight), digest[0], &error), &error);
    done(neutral_digest(dsdn_engine_state(r.resumed), digest[1], &error), &error);
    assert_memory_equal(digest[0], digest[1], 32);
    assert_true(dsdn_engine_state(r.straight)->tables[neutral_TABLE_chunk].live_cnt > 20);
    size_t one, two;
    uint8_t *a = fixture_export(r.straight, file.text, &one), *b = fixture_export(r.resumed, file.text, &two);
    assert_int_equal(one, two);
    assert_memory_equal(a, b, one);
    free(a);
    free(b);
    dsdn_prepared_free(&r.prepared);
    dsdn_engine_free(r.straight);
    dsdn_engine_free(r.resumed);
    dsdn_genesis_free(&genesis);
}

/* ---- when things fail ---- */

/* Every call of a write fails once, or the process dies there: the file is the old one or the whole new one.
 */
static void test_write_faults(void **state)
{
    (void)state;
    struct dsdn_engine *old = fixture_engine(&neutral_catalogue, 3, 0),
                       *fresh = fixture_engine(&neutral_catalogue, 9, 0);
    struct dsdn_genesis genesis = fixture_genesis();
    struct dsdn_view view = {genesis.bytes, genesis.len};
    struct path dir = sub(&scratch, "faults"), path = sub(&dir, "checkpoint");
    struct dsdn_error error = DSDN_ERROR_INIT;
    size_t old_len, fresh_len;
    uint8_t *fresh_bytes = fixture_export(fresh, file.text, &fresh_len);
    uint8_t *old_bytes = fixture_export(old, file.text, &old_len);
    static const struct {
        enum fault_kind kind;
        int error;
    } faults[] = {
        {FAULT_ERRNO, EIO}, {FAULT_ERRNO, ENOSPC}, {FAULT_ERRNO, EINTR}, {FAULT_SHORT, 0}, {FAULT_CRASH, 0}};
    uint64_t seed = 5;
    for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
        unsigned failed = 0; /* where nothing should: a rename may not be repeated after EINTR */
        for (uint64_t call = 1;; call++) {
            mkdir(dir.text, 0755);
            spew(path.text, old_bytes, old_len);
            struct fault *f = fault_new();
            f->kind = faults[k].kind;
            f->error = faults[k].error;
            f->fail_at = call;
            int rc = dsdn_checkpoint_write(fresh, view, 1, &f->io, path.text, NULL, &error);
            bool hit = f->hit;
            bool harmless = faults[k].kind == FAULT_SHORT || faults[k].error == EINTR;
            if (!hit)
                done(rc, &error);
            else if (harmless)
                failed += rc != 0;
            else
                assert_int_equal(rc, faults[k].error == ENOSPC ? DSDN_E_NO_SPACE : DSDN_E_IO);
            if (faults[k].kind == FAULT_CRASH || rc == 0)
                fault_power_loss(f, (enum fault_loss)(call % FAULT_LOSSES), &seed);
            fault_free(f);
            size_t len;
            uint8_t *bytes = slurp(path.text, &len);
            bool is_old = len == old_len && memcmp(bytes, old_bytes, len) == 0;
            bool is_new = len == fresh_len && memcmp(bytes, fresh_bytes, len) == 0;
            assert_true(is_new || (rc && is_old));
            struct path left = sub(&dir, "checkpoint.tmp");
            if (faults[k].kind != FAULT_CRASH) assert_int_not_equal(access(left.text, F_OK), 0);
            free(bytes);
            scratch_remove(&dir);
            if (!hit) {
                assert_true(call > 5);
                break;
            }
        }
        assert_true(failed <= (faults[k].error == EINTR));
    }
    free(old_bytes);
    free(fresh_bytes);
    dsdn_genesis_free(&genesis);
    dsdn_engine_free(old);
    dsdn_engine_free(fresh);
}

static void test_read_faults(void **state)
{
    (void)state;
    struct dsdn_engine *e = fixture_engine(&neutral_catalogue, 9, 0);
    struct dsdn_checkpoint_options options = {.verify = true};
    struct dsdn_error error = DSDN_ERROR_INIT;
    size_t len;
    free(fixture_export(e, file.text, &len));
    for (int kind = 0; kind < 2; kind++) {
        for (uint64_t call = 1;; call++) {
            struct dsdn_engine *back = NULL;
            struct fault *f = fault_new();
            f->kind = kind ? FAULT_SHORT : FAULT_ERRNO;
            f->error = EIO;
            f->fail_at = call;
            int rc =
                dsdn_checkpoint_restore(&neutral_catalogue, &options, &f->io, file.text, &back, NULL, &error);
            bool hit = f->hit, closing = call > 1 && f->calls == call;
            fault_free(f);
            assert_int_equal(rc, hit && !kind && !closing ? DSDN_E_IO : DSDN_OK);
            if (!rc) dsdn_engine_free(back);
            if (!hit) {
                assert_true(call > 5);
                break;
            }
        }
    }
    dsdn_engine_free(e);
}

/* Every allocation of write and restore fails once. */
static void test_no_memory(void **state)
{
    (void)state;
    struct dsdn_genesis genesis = fixture_genesis();
    struct dsdn_view view = {genesis.bytes, genesis.len};
    struct dsdn_error error = DSDN_ERROR_INIT;
    unsigned failed = 0;
    for (unsigned n = 1;; n++) {
        struct dsdn_engine *e = fixture_engine(&dsdn_catalogue, 5, 0);
        fail_nth(n);
        int rc = dsdn_checkpoint_write(e, view, 1, &dsdn_io_system, file.text, NULL, &error);
        bool pending = fail_nth(0);
        if (!pending) assert_int_equal(rc, DSDN_E_NO_MEMORY);
        if (pending) done(rc, &error);
        failed += rc != 0;
        dsdn_engine_free(e);
        if (pending) break;
    }
    assert_true(failed > 30);
    failed = 0;
    for (unsigned n = 1;; n++) {
        struct dsdn_engine *back = NULL;
        struct dsdn_checkpoint_options options = {.verify = n % 2, .threads = 1};
        fail_nth(n);
        int rc = dsdn_checkpoint_restore(&dsdn_catalogue, &options, &dsdn_io_system, file.text, &back, NULL,
                                         &error);
        bool pending = fail_nth(0);
        if (rc)
            assert_int_equal(rc, DSDN_E_NO_MEMORY);
        else
            dsdn_engine_free(back);
        failed += rc != 0;
        if (pending && options.verify) break;
    }
    assert_true(failed > 30);
    dsdn_genesis_free(&genesis);
}

static int setup(void **state)
{
    (void)state;
    scratch = scratch_make();
    file = sub(&scratch, "checkpoint");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),         cmocka_unit_test(test_many_blocks),
        cmocka_unit_test(test_equal_exports),      cmocka_unit_test(test_sort),
        cmocka_unit_test(test_root_by_definition), cmocka_unit_test(test_info_and_genesis),
        cmocka_unit_test(test_states_that_no_log_makes),
        cmocka_unit_test(test_refusals),           cmocka_unit_test(test_continue),
        cmocka_unit_test(test_write_faults),       cmocka_unit_test(test_read_faults),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
