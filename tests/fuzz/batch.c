/* Batches through both catalogues, and through an engine.  Input: choices u8, then a batch.
 * choices: bit 0 neutral catalogue; bit 1 make lengths, counts and hashes right; bit 2 make it the next batch
 * of a log as well, which is judged and applied. */
#include "tests/fuzz/fuzz.h"

enum { STORY = 16 /* batches applied before */ };

/* Sets counts and lengths to what the bytes hold, so that a mutation inside a payload reaches its decoder. */
static void fix_lengths(uint8_t *bytes, size_t len)
{
    uint8_t *body = bytes + DSDN_BATCH_FIXED_LEN, *at = body, *end = bytes + len;
    uint32_t bundles = 0;
    memcpy(bytes, "DSDB\1", 5);
    while ((size_t)(end - at) >= DSDN_BUNDLE_LEN + 4) {
        uint32_t declared = dsdn_load32(at + 52), room = (uint32_t)(end - at) - DSDN_BUNDLE_LEN;
        const uint8_t *frames = at + DSDN_BUNDLE_LEN, *stop = frames + (declared < room ? declared : room);
        struct dsdn_frame frame;
        uint16_t cnt = 0;
        while (frames < stop && cnt < UINT16_MAX && dsdn_frame_next(bytes, &frames, stop, &frame, NULL) == 0)
            cnt++;
        dsdn_store16(at + 50, cnt);
        dsdn_store32(at + 52, (uint32_t)(frames - at) - DSDN_BUNDLE_LEN);
        at[1] = DSDN_SCHEME_ED25519;
        if (at[0] == DSDN_BUNDLE_AUTHORITY) {
            memset(at + 2, 0, 48);
            memset(at + 56, 0, 64);
        }
        at += frames - at;
        bundles++;
    }
    dsdn_store32(bytes + 185, bundles);
    dsdn_store32(bytes + 189, (uint32_t)(end - body));
    dsdn_body_hash(body, (size_t)(end - body), bytes + 193);
}

static void fix_chain(uint8_t *bytes, const struct dsdn_engine *e)
{
    const struct dsdn_sys_row_head *head = dsdn_head(dsdn_engine_state(e));
    memcpy(bytes + 5, head->genesis, 32);
    dsdn_store64(bytes + 37, head->sequence);
    memcpy(bytes + 45, head->batch_hash, 32);
    dsdn_store64(bytes + 77, head->authority_epoch);
    dsdn_store64(bytes + 85, head->time_ms + dsdn_load64(bytes + 85) % 100000);
    memset(bytes + 93, 0, 60);
    memcpy(bytes + 153, head->authority, 32);
}

/* What was prepared, built again, is the same bytes. */
static void check_rebuild(const struct dsdn_prepared *p, const uint8_t *bytes, size_t len)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_batch_builder *builder = dsdn_batch_builder_new();
    struct dsdn_header header = p->batch.header;
    struct dsdn_view view;
    CHECK(builder);
    for (uint32_t i = 0; i < p->bundle_cnt; i++) {
        const struct dsdn_bundle *b = &p->bundles[i].bundle;
        CHECK_OK(dsdn_batch_builder_bundle(builder, b->events - DSDN_BUNDLE_LEN,
                                           DSDN_BUNDLE_LEN + b->events_len, &error),
                 &error);
    }
    CHECK_OK(dsdn_batch_builder_finish(builder, &header, NULL, &view, &error), &error);
    CHECK(view.len == len);
    CHECK(memcmp(view.bytes, bytes, 193) == 0); /* the body hash may be a lie */
    CHECK(memcmp(view.bytes + DSDN_BATCH_FIXED_LEN, bytes + DSDN_BATCH_FIXED_LEN,
                 len - DSDN_BATCH_FIXED_LEN) == 0);
    dsdn_batch_builder_free(builder);
}

static void check_ids(struct dsdn_prepared *p)
{
    uint8_t sum[32] = {0}, id[32];
    struct dsdn_error error = DSDN_ERROR_INIT;
    CHECK_OK(dsdn_prepare_hashes(&p, 1, DSDN_CHECK_EVENT_IDS, &error), &error);
    for (uint32_t i = 0; i < p->op_cnt; i++) {
        dsdn_prepared_event_id(p, i, id);
        for (int k = 0; k < 32; k++) sum[k] ^= id[k];
    }
    CHECK(dsdn_equal32(sum, p->event_id_sum));
}

/* Two engines with other hash seeds come to the same root, and the batch is not taken twice. */
static void check_apply(const struct dsdn_catalogue *catalogue, uint8_t *bytes, size_t len)
{
    uint8_t roots[2][32];
    int verdicts[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        struct dsdn_engine *e = story_engine(catalogue, STORY, (uint64_t)i * 0x9e3779b97f4a7c15u);
        struct dsdn_prepared p = {.ops = NULL};
        struct dsdn_error error = DSDN_ERROR_INIT;
        if (i == 0) fix_chain(bytes, e);
        CHECK_OK(dsdn_prepare(&p, catalogue, dsdn_engine_seed(e), bytes, len, &error), &error);
        verdicts[i] = dsdn_engine_judge(e, &p, NULL, &error);
        if (!verdicts[i]) {
            CHECK_OK(dsdn_engine_apply(e, &p, &error), &error);
            CHECK(dsdn_engine_judge(e, &p, NULL, &error) == DSDN_E_CHAIN);
        }
        story_root(e, roots[i]);
        dsdn_prepared_free(&p);
        dsdn_engine_free(e);
    }
    CHECK(verdicts[0] == verdicts[1] && dsdn_equal32(roots[0], roots[1]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint8_t choices = take8(&in);
    const struct dsdn_catalogue *catalogue = choices & 1 ? &neutral_catalogue : &dsdn_catalogue;
    struct dsdn_prepared p = {.ops = NULL};
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t *bytes = fuzz_copy(in.at, in.left);
    bool fixed = choices & 6 && in.left >= DSDN_BATCH_FIXED_LEN && in.left <= 65536;
    if (fixed) fix_lengths(bytes, in.left);
    int rc = dsdn_prepare(&p, catalogue, 1, bytes, in.left, &error);
    if (!rc) {
        struct dsdn_prepared *list = &p;
        check_rebuild(&p, bytes, in.left);
        check_ids(&p);
        if (fixed) CHECK_OK(dsdn_prepare_hashes(&list, 1, DSDN_CHECK_BODY, &error), &error);
        if (fixed && choices & 4) check_apply(catalogue, bytes, in.left);
    } else
        CHECK(error.code == rc && error.message[0]);
    dsdn_prepared_free(&p);
    free(bytes);
    return 0;
}
