#include "roles/dsdn.h"
#include "statemachine/proof.h"
#include "statemachine/row_json.h"
#include "tests/state_fixture.h"

#include <jansson.h>

/* ---- proofs ---- */

static struct dsdn_buffer make(struct dsdn_engine *e, uint32_t table, const uint8_t *key)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_buffer out = {0};
    done(dsdn_proof_make(e, table, key, 1, &out, &error), &error);
    assert_true(out.len <= DSDN_PROOF_MAX);
    return out;
}

static void root_of(struct dsdn_engine *e, uint8_t root[32])
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_roots roots;
    done(dsdn_engine_root(e, 1, &roots, &error), &error);
    memcpy(root, roots.state, 32);
}

static void test_every_key(void **state)
{
    (void)state;
    enum { ROWS = 30 };
    struct dsdn_engine *e = fixture_engine(&dsdn_catalogue, ROWS, 2);
    const struct dsdn_state *s = dsdn_engine_state(e);
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t root[32];
    unsigned present = 0, absent = 0;
    root_of(e, root);
    for (uint32_t t = 0; t < s->table_cnt; t++)
        for (uint32_t i = 0; i < 2 * ROWS; i++) {
            const struct dsdn_table_desc *desc = s->tables[t].desc;
            uint8_t key[DSDN_KEY_MAX], value[DSDN_VALUE_MAX];
            fixture_key(desc, i, key);
            uint32_t row = fixture_find(s, t, key);
            struct dsdn_buffer proof = make(e, t, key);
            struct dsdn_proof p;
            done(dsdn_proof_check(proof.bytes, proof.len, root, &p, &error), &error);
            assert_int_equal(p.table, desc->id);
            assert_int_equal(p.role, desc->role);
            assert_int_equal(p.present, row != DSDN_NO_ROW);
            assert_int_equal(p.key_len, desc->key_len);
            assert_memory_equal(p.key, key, desc->key_len);
            assert_memory_equal(p.root, root, 32);
            assert_int_equal(p.head.sequence, 7);
            assert_memory_equal(p.head.genesis, dsdn_head(s)->genesis, 32);
            if (p.present) {
                uint32_t len = desc->encode(s, dsdn_row_at(&s->tables[t], row, desc->row_size), value, NULL);
                assert_int_equal(p.value_len, len);
                assert_memory_equal(p.value, value, len);
                present++;
            } else
                absent++;
            dsdn_buffer_free(&proof);
        }
    assert_true(present > 500 && absent > 500);
    dsdn_engine_free(e);
}

/* No byte of a proof can change: not its labels, not its lengths, not its hashes; only the key of an absence,
 * to another absent key. */
static void test_every_byte(void **state)
{
    (void)state;
    struct dsdn_engine *e = fixture_engine(&dsdn_catalogue, 12, 0);
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t root[32];
    root_of(e, root);
    const struct dsdn_state *s = dsdn_engine_state(e);
    for (uint32_t i = 0; i < 24; i += 3) {
        uint32_t t = i % 2 ? s->table_cnt - 1 - i / 6 : i / 3;
        uint8_t key[DSDN_KEY_MAX];
        fixture_key(s->tables[t].desc, i, key);
        struct dsdn_buffer proof = make(e, t, key);
        struct dsdn_proof p;
        for (size_t at = 0; at < proof.len; at++)
            for (unsigned change = 1; change < 256; change = change < 128 ? change * 2 : change + 127) {
                proof.bytes[at] ^= (uint8_t)change;
                int rc = dsdn_proof_check(proof.bytes, proof.len, root, &p, &error);
                bool key_byte = at >= 24 && at < 24 + s->tables[t].desc->key_len;
                /* One path shows that many keys are absent; then it is a true proof, of another key. */
                if (rc == 0 && (!key_byte || p.present || fixture_find(s, t, p.key) != DSDN_NO_ROW))
                    fail_msg("table %u: byte %zu xor %u passes", t, at, change);
                proof.bytes[at] ^= (uint8_t)change;
            }
        for (size_t cut = 0; cut < proof.len; cut++) {
            uint8_t *copy = malloc(cut + 1);
            assert_non_null(copy);
            memcpy(copy, proof.bytes, cut);
            assert_int_not_equal(dsdn_proof_check(copy, cut, root, &p, &error), 0);
            free(copy);
        }
        uint8_t *longer = calloc(1, proof.len + 1);
        assert_non_null(longer);
        memcpy(longer, proof.bytes, proof.len);
        assert_int_equal(dsdn_proof_check(longer, proof.len + 1, root, &p, &error), DSDN_E_MALFORMED);
        free(longer);
        dsdn_buffer_free(&proof);
    }
    dsdn_engine_free(e);
}

static void test_wrong_root(void **state)
{
    (void)state;
    struct dsdn_engine *e = fixture_engine(&neutral_catalogue, 12, 0);
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t root[32], key[DSDN_KEY_MAX];
    root_of(e, root);
    fixture_key(&neutral_catalogue.tables[1], 4, key);
    struct dsdn_buffer proof = make(e, neutral_TABLE_chunk, key);
    struct dsdn_proof p;
    done(dsdn_proof_check(proof.bytes, proof.len, NULL, &p, &error), &error);
    root[0] ^= 1;
    assert_int_equal(dsdn_proof_check(proof.bytes, proof.len, root, &p, &error), DSDN_E_PROOF);
    assert_int_equal(dsdn_error_exit(DSDN_E_PROOF), 3);
    /* The state moves on: the old proof leads to the old root, and a new one to the new root. */
    struct dsdn_state *s = dsdn_engine_state_for_restore(e);
    neutral_chunk_edit(s, fixture_row(s, neutral_TABLE_chunk, 4))->size ^= 1;
    root_of(e, root);
    assert_int_equal(dsdn_proof_check(proof.bytes, proof.len, root, &p, &error), DSDN_E_PROOF);
    dsdn_buffer_free(&proof);
    proof = make(e, neutral_TABLE_chunk, key);
    done(dsdn_proof_check(proof.bytes, proof.len, root, &p, &error), &error);
    dsdn_buffer_free(&proof);
    dsdn_engine_free(e);
}

/* The same path under another table's or role's name leads elsewhere. */
static void test_other_table(void **state)
{
    (void)state;
    struct dsdn_engine *e = fixture_engine(&dsdn_catalogue, 12, 0);
    const struct dsdn_state *s = dsdn_engine_state(e);
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t root[32], key[DSDN_KEY_MAX];
    root_of(e, root);
    for (uint32_t t = 0; t < s->table_cnt; t++) {
        fixture_key(s->tables[t].desc, 1, key);
        struct dsdn_buffer proof = make(e, t, key);
        struct dsdn_proof p;
        for (uint32_t other = 0; other < s->table_cnt; other++) {
            dsdn_store16(proof.bytes + 8, s->tables[other].desc->id);
            dsdn_store16(proof.bytes + 10, s->tables[other].desc->role);
            int rc = dsdn_proof_check(proof.bytes, proof.len, root, &p, &error);
            assert_int_equal(rc == 0, other == t);
        }
        dsdn_buffer_free(&proof);
    }
    dsdn_engine_free(e);
}

/* A present key cannot be proven absent with the leaf of a neighbour: the leaf must be on the key's own path.
 */
static void test_forged_absence(void **state)
{
    (void)state;
    struct dsdn_engine *e = fixture_engine(&neutral_catalogue, 40, 0);
    const struct dsdn_state *s = dsdn_engine_state(e);
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t root[32];
    unsigned with_leaf = 0, without = 0;
    root_of(e, root);
    for (uint32_t i = 40; i < 120; i++) {
        uint8_t key[DSDN_KEY_MAX], present[DSDN_KEY_MAX];
        struct dsdn_proof p;
        fixture_key(s->tables[neutral_TABLE_chunk].desc, i, key);
        struct dsdn_buffer proof = make(e, neutral_TABLE_chunk, key);
        done(dsdn_proof_check(proof.bytes, proof.len, root, &p, &error), &error);
        assert_false(p.present);
        with_leaf += proof.bytes[13];
        without += !proof.bytes[13];
        for (uint32_t k = 0; k < 40; k++) { /* the same absence, told of keys that are there */
            fixture_key(s->tables[neutral_TABLE_chunk].desc, k, present);
            memcpy(proof.bytes + 24, present, 32);
            assert_int_not_equal(dsdn_proof_check(proof.bytes, proof.len, root, &p, &error), 0);
        }
        dsdn_buffer_free(&proof);
    }
    assert_true(with_leaf > 5 && without > 5);
    dsdn_engine_free(e);
}

/* Second encodings of true proofs. */
static void test_one_encoding(void **state)
{
    (void)state;
    struct dsdn_engine *e = fixture_engine(&neutral_catalogue, 40, 0);
    const struct dsdn_table_desc *desc = &neutral_catalogue.tables[1];
    struct dsdn_error error = DSDN_ERROR_INIT;
    unsigned empty = 0;
    for (uint32_t i = 0; i < 40; i++) {
        uint8_t key[DSDN_KEY_MAX], longer[DSDN_PROOF_MAX];
        struct dsdn_proof p;
        fixture_key(desc, i, key);
        struct dsdn_buffer proof = make(e, neutral_TABLE_chunk, key);
        /* An empty sibling spelled out as zero bytes. */
        size_t bitmap = 24u + desc->key_len + dsdn_load16(proof.bytes + 18) + dsdn_load16(proof.bytes + 20),
               depth, at;
        depth = dsdn_load16(proof.bytes + 14);
        at = bitmap + (depth + 7) / 8;
        for (size_t bit = 0; bit < depth; bit++) {
            if (proof.bytes[bitmap + bit / 8] & 0x80 >> bit % 8) {
                at += 32;
                continue;
            }
            memcpy(longer, proof.bytes, at);
            memset(longer + at, 0, 32);
            memcpy(longer + at + 32, proof.bytes + at, proof.len - at);
            longer[bitmap + bit / 8] |= (uint8_t)(0x80 >> bit % 8);
            assert_int_equal(dsdn_proof_check(longer, proof.len + 32, NULL, &p, &error), DSDN_E_MALFORMED);
            empty++;
            break;
        }
        /* The proof ends with the tables of its role: node with a root, chunk without. */
        uint8_t *node = proof.bytes + proof.len - 2 - 34;
        assert_int_equal(dsdn_load16(node), neutral_catalogue.tables[0].id);
        dsdn_store16(node, 0x1f03);
        assert_int_equal(dsdn_proof_check(proof.bytes, proof.len, NULL, &p, &error), DSDN_E_MALFORMED);
        dsdn_buffer_free(&proof);
    }
    assert_true(empty > 3);
    dsdn_engine_free(e);
}

/* ---- keys and rows as text ---- */

static void test_key_text(void **state)
{
    (void)state;
    struct dsdn_engine *e = fixture_engine(&dsdn_catalogue, 20, 0);
    const struct dsdn_state *s = dsdn_engine_state(e);
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_text text;
    dsdn_text_init(&text, 4096, 0);
    for (uint32_t t = 0; t < s->table_cnt; t++)
        for (uint32_t i = 0; i < 20; i++) {
            uint8_t key[DSDN_KEY_MAX], back[DSDN_KEY_MAX];
            fixture_key(s->tables[t].desc, i, key);
            dsdn_text_clear(&text);
            dsdn_key_text(&text, s->tables[t].desc, key);
            done(dsdn_key_parse(s->tables[t].desc, text.bytes, back, &error), &error);
            assert_memory_equal(back, key, s->tables[t].desc->key_len);
        }
    dsdn_text_free(&text);
    dsdn_engine_free(e);
}

static void test_key_forms(void **state)
{
    (void)state;
    struct dsdn_error error = DSDN_ERROR_INIT;
    const struct dsdn_table_desc *deadline = &dsdn_sys_tables[dsdn_sys_TABLE_deadline];
    const struct dsdn_table_desc *parameter = &dsdn_sys_tables[dsdn_sys_TABLE_parameter];
    const struct dsdn_table_desc *nonce = &dsdn_sys_tables[dsdn_sys_TABLE_nonce];
    const struct dsdn_table_desc *member = &dsdn_sys_tables[dsdn_sys_TABLE_quorum_member];
    uint8_t key[DSDN_KEY_MAX], expected[DSDN_KEY_MAX] = {0};
    done(dsdn_key_parse(member, "4294967295/258", key, &error), &error);
    assert_memory_equal(key, "\xff\xff\xff\xff\x01\x02", 6);
    done(dsdn_key_parse(parameter, "batch_max", key, &error), &error);
    memcpy(expected, "batch_max", 9);
    assert_memory_equal(key, expected, 48);
    done(dsdn_key_parse(parameter, "a%2Fb%25", key, &error), &error);
    assert_memory_equal(key, "a/b%\0", 5);
    done(dsdn_key_parse(deadline, "1/18446744073709551615/7/x", key, &error), &error);
    assert_memory_equal(key, "\1\xff\xff\xff\xff\xff\xff\xff\xff\0\7x\0", 13);
    static const struct {
        uint32_t table;
        const char *text;
    } bad[] = {
        {dsdn_sys_TABLE_quorum_member, "4294967296/1"},
        {dsdn_sys_TABLE_quorum_member, "1/65536"},
        {dsdn_sys_TABLE_quorum_member, "1"},
        {dsdn_sys_TABLE_quorum_member, "1/2/3"},
        {dsdn_sys_TABLE_quorum_member, "01/2"},
        {dsdn_sys_TABLE_quorum_member, "/2"},
        {dsdn_sys_TABLE_quorum_member, "-1/2"},
        {dsdn_sys_TABLE_quorum_member, "1/2/"},
        {dsdn_sys_TABLE_quorum_member, ""},
        {dsdn_sys_TABLE_nonce, "00"},
        {dsdn_sys_TABLE_parameter, "a%2"},
        {dsdn_sys_TABLE_parameter, "a%zz"},
        {dsdn_sys_TABLE_parameter, "0123456789012345678901234567890123456789012345678"},
        {dsdn_sys_TABLE_deadline, "0/18446744073709551616/7/x"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(dsdn_key_parse(&dsdn_sys_tables[bad[i].table], bad[i].text, key, &error),
                         DSDN_E_USAGE);
    char hex[66];
    memset(hex, 'a', 65);
    hex[65] = 0;
    assert_int_equal(dsdn_key_parse(nonce, hex, key, &error), DSDN_E_USAGE);
    hex[64] = 0;
    done(dsdn_key_parse(nonce, hex, key, &error), &error);
    hex[3] = 'g';
    assert_int_equal(dsdn_key_parse(nonce, hex, key, &error), DSDN_E_USAGE);
}

static json_t *parse(const struct dsdn_text *text)
{
    json_error_t error;
    assert_int_equal(text->failed, 0);
    json_t *row = json_loadb(text->bytes, text->len, JSON_REJECT_DUPLICATES, &error);
    if (!row) fail_msg("%s: %.*s", error.text, (int)text->len, text->bytes);
    return row;
}

static void test_row_json(void **state)
{
    (void)state;
    struct dsdn_engine *e = fixture_engine(&dsdn_catalogue, 20, 0);
    const struct dsdn_state *s = dsdn_engine_state(e);
    uint32_t cnt;
    const struct dsdn_table_desc *const *tables = dsdn_engine_tables(e, &cnt);
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_text a, b;
    dsdn_text_init(&a, 1 << 20, 0);
    dsdn_text_init(&b, 1 << 20, 0);
    for (uint32_t t = 0; t < cnt; t++)
        for (uint32_t row = 0; row < s->tables[t].row_end; row++) {
            const uint8_t *bytes = dsdn_row_at(&s->tables[t], row, tables[t]->row_size);
            uint8_t value[DSDN_VALUE_MAX + 1];
            size_t len = tables[t]->encode(s, bytes, value, NULL), columns = 0;
            dsdn_text_clear(&a);
            dsdn_text_clear(&b);
            dsdn_row_json(&a, s, t, row);
            done(dsdn_value_json(&b, tables, t, bytes, value, len, &error), &error);
            assert_int_equal(a.len, b.len);
            assert_memory_equal(a.bytes, b.bytes, a.len);
            json_t *object = parse(&a);
            for (const struct dsdn_column *c = tables[t]->columns(); c->name; c++, columns++)
                assert_non_null(json_object_get(object, c->name));
            assert_int_equal(json_object_size(object), columns);
            json_decref(object);
            dsdn_text_clear(&b);
            if (len) {
                assert_int_equal(dsdn_value_json(&b, tables, t, bytes, value, len - 1, &error),
                                 DSDN_E_MALFORMED);
                assert_int_equal(b.len, 0);
            }
            assert_int_equal(dsdn_value_json(&b, tables, t, bytes, value, len + 1, &error), DSDN_E_MALFORMED);
        }
    dsdn_text_free(&a);
    dsdn_text_free(&b);
    dsdn_engine_free(e);
}

/* Exactly what a row looks like. */
static void test_row_form(void **state)
{
    (void)state;
    struct dsdn_engine *e = fixture_engine(&neutral_catalogue, 0, 0);
    struct dsdn_state *s = dsdn_engine_state_for_restore(e);
    struct dsdn_text text;
    uint8_t id[32] = {0xab};
    dsdn_text_init(&text, 4096, 0);
    struct dsdn_error error = DSDN_ERROR_INIT;
    done(dsdn_table_reserve(&s->tables[neutral_TABLE_node], 1, &error), &error);
    done(dsdn_table_reserve(&s->tables[neutral_TABLE_chunk], 1, &error), &error);
    done(dsdn_table_reserve(&s->tables[dsdn_sys_TABLE_parameter], 1, &error), &error);
    struct neutral_row_node *node = neutral_node_edit(s, neutral_node_insert(s, id));
    node->capacity = UINT64_MAX;
    node->stake = -5;
    node->zone = 9;
    node->address_len = 2;
    memcpy(node->address, "\x01z", 2);
    dsdn_row_json(&text, s, neutral_TABLE_node, 0);
#define ID "ab00000000000000000000000000000000000000000000000000000000000000"
    assert_string_equal(text.bytes,
                        "{\"id\":\"" ID "\",\"capacity\":\"18446744073709551615\",\"stake\":\"-5\","
                        "\"registered\":\"0\",\"zone\":9,\"address\":\"017a\"}");
    struct neutral_row_chunk *chunk = neutral_chunk_edit(s, neutral_chunk_insert(s, id));
    chunk->replicas_cnt = 1;
    dsdn_text_clear(&text);
    dsdn_row_json(&text, s, neutral_TABLE_chunk, 0);
    assert_non_null(strstr(text.bytes, "\"deleted\":0,\"replicas\":[\"" ID "\"]}"));
    uint8_t key[48] = "max \"x\"";
    dsdn_sys_parameter_edit(s, dsdn_sys_parameter_insert(s, key))->value = INT64_MIN;
    dsdn_text_clear(&text);
    dsdn_row_json(&text, s, dsdn_sys_TABLE_parameter, 0);
    assert_string_equal(text.bytes, "{\"key\":\"max \\\"x\\\"\",\"value\":\"-9223372036854775808\"}");
    dsdn_text_clear(&text);
    dsdn_key_text(&text, &dsdn_sys_tables[dsdn_sys_TABLE_parameter], key);
    assert_string_equal(text.bytes, "max%20%22x%22");
    dsdn_text_free(&text);
    dsdn_engine_free(e);
}

static void test_table_named(void **state)
{
    (void)state;
    struct dsdn_engine *e = fixture_engine(&neutral_catalogue, 0, 0);
    uint32_t cnt;
    const struct dsdn_table_desc *const *tables = dsdn_engine_tables(e, &cnt);
    assert_int_equal(dsdn_table_named(tables, cnt, "chunk"), neutral_TABLE_chunk);
    assert_int_equal(dsdn_table_named(tables, cnt, "neutral.chunk"), neutral_TABLE_chunk);
    assert_int_equal(dsdn_table_named(tables, cnt, "system.head"), dsdn_sys_TABLE_head);
    assert_int_equal(dsdn_table_named(tables, cnt, "system.chunk"), -1);
    assert_int_equal(dsdn_table_named(tables, cnt, "sys.head"), -1);
    assert_int_equal(dsdn_table_named(tables, cnt, "systems.head"), -1);
    assert_int_equal(dsdn_table_named(tables, cnt, ""), -1);
    dsdn_engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key),      cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_wrong_root),     cmocka_unit_test(test_other_table),
        cmocka_unit_test(test_forged_absence), cmocka_unit_test(test_one_encoding),
        cmocka_unit_test(test_key_text),       cmocka_unit_test(test_key_forms),
        cmocka_unit_test(test_row_json),       cmocka_unit_test(test_row_form),
        cmocka_unit_test(test_table_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
