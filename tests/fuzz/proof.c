/* Proofs, against the root of a small log: what verifies is byte for byte the proof that the state itself
 * makes. Input: proof. */
#include "tests/fuzz/fuzz.h"

#include "statemachine/proof.h"

static uint32_t table_number(const struct dsdn_engine *e, uint16_t id)
{
    uint32_t cnt, i = 0;
    const struct dsdn_table_desc *const *tables = dsdn_engine_tables(e, &cnt);
    while (i < cnt && tables[i]->id != id) i++;
    CHECK(i < cnt);
    return i;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dsdn_engine *engine;
    static uint8_t root[32];
    struct dsdn_proof proof, again;
    struct dsdn_error error = DSDN_ERROR_INIT;
    if (!engine) {
        engine = story_engine(&dsdn_catalogue, STORY_BATCHES, 0);
        story_root(engine, root);
    }
    int loose = dsdn_proof_check(data, size, NULL, &proof, &error);
    int rc = dsdn_proof_check(data, size, root, &again, &error);
    CHECK(loose ? rc == loose : rc == (dsdn_equal32(proof.root, root) ? 0 : DSDN_E_PROOF));
    if (rc) return 0;
    struct dsdn_buffer made = {0};
    uint32_t table = table_number(engine, proof.table);
    if (dsdn_engine_state(engine)->tables[table].desc->key_len != proof.key_len) {
        CHECK(!proof.present); /* true, if idle: no table holds a key of another length than its own */
        return 0;
    }
    CHECK_OK(dsdn_proof_make(engine, table, proof.key, 1, &made, &error), &error);
    CHECK(made.len == size && memcmp(made.bytes, data, size) == 0);
    dsdn_buffer_free(&made);
    return 0;
}
