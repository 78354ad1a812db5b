/* JSON of a Celestia node: what is accepted as a text is walked whole; what is read as an object is written
 * and read again, and is then written the same. First byte: which object. */
#include "tests/fuzz/fuzz.h"

#include "adapters/celestia/json_objects.h"
#include "adapters/celestia/json_rpc.h"

enum { TEXT_MAX = 1 << 22 };

/* Every value below: kinds are known, elements lie in their parent, in order. */
static void walk(struct dsdn_view value)
{
    struct dsdn_span_walk w;
    struct dsdn_view name, inner;
    char text[64];
    uint64_t number;
    const uint8_t *at = value.bytes;
    CHECK(value.len && strchr("{[\"tfn0", dsdn_span_kind(value)));
    dsdn_span_text(value, text, sizeof text);
    CHECK(dsdn_utf8_valid((const uint8_t *)text, strlen(text)));
    (void)dsdn_span_nano(value, &number);
    dsdn_span_walk_start(&w, value);
    while (dsdn_span_walk_next(&w, &name, &inner)) {
        CHECK(inner.bytes > at && inner.bytes + inner.len < value.bytes + value.len);
        at = inner.bytes + inner.len - 1;
        walk(inner);
    }
}

static void same(const struct dsdn_text *a, const struct dsdn_text *b)
{
    CHECK(!a->failed && !b->failed && a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0);
}

/* The value of a text that was written here. */
static struct dsdn_view again(const struct dsdn_text *t)
{
    struct dsdn_view value;
    struct dsdn_error error = DSDN_ERROR_INIT;
    CHECK_OK(dsdn_span_check(t->bytes, t->len, &value, &error), &error);
    return value;
}

/* read, write, read, write */
#define ROUND(kind, read, write, release)                                                                    \
    static void round_##kind(struct dsdn_view value, struct dsdn_text *a, struct dsdn_text *b)               \
    {                                                                                                        \
        struct kind first, second;                                                                           \
        struct dsdn_error error = DSDN_ERROR_INIT;                                                           \
        if (read(value, &first)) return;                                                                     \
        write(a, &first);                                                                                    \
        CHECK_OK(read##_strictly(again(a), &second, &error), &error);                                        \
        write(b, &second);                                                                                   \
        same(a, b);                                                                                          \
        release(&first);                                                                                     \
        release(&second);                                                                                    \
    }

#define READER(name, type, call)                                                                             \
    static int name##_strictly(struct dsdn_view value, struct type *out, struct dsdn_error *error)           \
    {                                                                                                        \
        return call;                                                                                         \
    }                                                                                                        \
    static int name(struct dsdn_view value, struct type *out)                                                \
    {                                                                                                        \
        struct dsdn_error error = DSDN_ERROR_INIT;                                                           \
        int rc = name##_strictly(value, out, &error);                                                        \
        CHECK(rc == error.code);                                                                             \
        return rc;                                                                                           \
    }

READER(read_block, dsdn_block_answer, dsdn_json_read_block(value, out, error))
READER(read_rows, dsdn_rows_answer, dsdn_json_read_rows(value, 8, out, error))
READER(read_proofs, dsdn_proofs_answer, dsdn_json_read_proofs(value, 8, out, error))
READER(read_blobs, dsdn_blobs_answer, dsdn_json_read_blobs(value, 8, out, error))
READER(read_config, dsdn_tx_config, dsdn_json_read_tx_config(value, out, error))
READER(read_sync, dsdn_sync_state, dsdn_json_read_sync_state(value, out, error))
READER(read_balance, dsdn_balance, dsdn_json_read_balance(value, out, error))

static void write_block(struct dsdn_text *t, const struct dsdn_block_answer *a)
{
    dsdn_json_write_block(t, &a->block);
}

static void write_rows(struct dsdn_text *t, const struct dsdn_rows_answer *a)
{
    dsdn_json_write_rows(t, a->rows, a->row_cnt);
}

static void write_proofs(struct dsdn_text *t, const struct dsdn_proofs_answer *a)
{
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < a->proof_cnt; i++) dsdn_json_write_proof(t, &a->proofs[i]);
    dsdn_text_close(t, ']');
}

static void write_blobs(struct dsdn_text *t, const struct dsdn_blobs_answer *a)
{
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < a->blob_cnt; i++) dsdn_json_write_blob(t, &a->blobs[i]);
    dsdn_text_close(t, ']');
}

static void nothing(const void *object)
{
    (void)object;
}

ROUND(dsdn_block_answer, read_block, write_block, dsdn_block_answer_free)
ROUND(dsdn_rows_answer, read_rows, write_rows, dsdn_rows_answer_free)
ROUND(dsdn_proofs_answer, read_proofs, write_proofs, dsdn_proofs_answer_free)
ROUND(dsdn_blobs_answer, read_blobs, write_blobs, dsdn_blobs_answer_free)
ROUND(dsdn_tx_config, read_config, dsdn_json_write_tx_config, nothing)
ROUND(dsdn_sync_state, read_sync, dsdn_json_write_sync_state, nothing)
ROUND(dsdn_balance, read_balance, dsdn_json_write_balance, nothing)

static void rpc(const uint8_t *text, size_t len, struct dsdn_view value)
{
    struct dsdn_rpc_answer answer;
    struct dsdn_rpc_request request;
    struct dsdn_error error = DSDN_ERROR_INIT;
    if (dsdn_rpc_read_answer(text, len, 1, &answer, &error) == 0) {
        CHECK(answer.failed ? dsdn_span_none(answer.result) : answer.result.len > 0);
        CHECK(strlen(answer.message) < sizeof answer.message);
    }
    if (dsdn_rpc_read_request(value, &request, &error) == 0)
        CHECK(request.param_cnt <= DSDN_RPC_PARAMS_MAX && *request.method);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const rounds[])(struct dsdn_view, struct dsdn_text *, struct dsdn_text *) = {
        round_dsdn_block_answer, round_dsdn_rows_answer, round_dsdn_proofs_answer, round_dsdn_blobs_answer,
        round_dsdn_tx_config,    round_dsdn_sync_state,  round_dsdn_balance};
    struct input in = {data, size};
    struct dsdn_view value;
    struct dsdn_text a, b;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t which = take8(&in) % 8;
    uint8_t *text = fuzz_copy(in.at, in.left); /* of its own length: a read behind it is seen */
    dsdn_text_init(&a, TEXT_MAX, 0);
    dsdn_text_init(&b, TEXT_MAX, 0);
    if (dsdn_span_check(text, in.left, &value, &error) == 0) {
        walk(value);
        if (which < 7)
            rounds[which](value, &a, &b);
        else
            rpc(text, in.left, value);
    }
    dsdn_text_free(&a);
    dsdn_text_free(&b);
    free(text);
    return 0;
}
