#include "adapters/celestia/json_memory.h"
#include "adapters/celestia/json_objects.h"

#include <stdio.h>

#define NAMES(...) ((const char *const[]){__VA_ARGS__})

static int bad(struct dsdn_error *error, const char *what)
{
    return dsdn_fail(error, DSDN_E_MALFORMED, "%s is not what it must be", what);
}

/* ---- blobs --------------------------------------------------------------------------------------- */

static int read_namespace(struct json_memory *m, struct dsdn_view value, uint8_t ns[DSDN_NAMESPACE_LEN],
                          struct dsdn_error *error)
{
    struct dsdn_view bytes;
    if (!json_memory_base64_any(m, value, &bytes)) return bad(error, "namespace of a blob");
    if (bytes.len != DSDN_NAMESPACE_LEN)
        return dsdn_fail(error, DSDN_E_MALFORMED, "invalid namespace length: %zu. Must be %u bytes",
                         bytes.len, DSDN_NAMESPACE_LEN);
    memcpy(ns, bytes.bytes, DSDN_NAMESPACE_LEN);
    return DSDN_OK;
}

static int read_blob(struct json_memory *m, struct dsdn_view value, struct dsdn_json_blob *b,
                     struct dsdn_error *error)
{
    enum { NAMESPACE, DATA, VERSION, COMMITMENT, INDEX, SIGNER, CNT };
    struct dsdn_view v[CNT];
    uint64_t version = 0;
    *b = (struct dsdn_json_blob){.index = -1};
    int rc = dsdn_span_members(value, "a blob",
                               NAMES("namespace", "data", "share_version", "commitment", "index", "signer"),
                               CNT, v, error);
    if (!rc) rc = read_namespace(m, v[NAMESPACE], b->ns, error);
    if (rc) return rc;
    if (!dsdn_span_none(v[DATA]) && !json_memory_base64_any(m, v[DATA], &b->data))
        return bad(error, "data of a blob");
    if (!dsdn_span_none(v[VERSION]) && !dsdn_span_u64(v[VERSION], UINT32_MAX, &version))
        return bad(error, "share_version of a blob");
    b->share_version = (uint32_t)version;
    b->has_commitment = !dsdn_span_none(v[COMMITMENT]);
    if (b->has_commitment && !dsdn_span_base64(v[COMMITMENT], b->commitment, 32))
        return bad(error, "commitment of a blob");
    if (!dsdn_span_none(v[INDEX]) && !dsdn_span_i64(v[INDEX], -1, INT64_MAX, &b->index))
        return bad(error, "index of a blob");
    b->has_signer = !dsdn_span_none(v[SIGNER]);
    if (b->has_signer && !json_memory_base64_any(m, v[SIGNER], &b->signer))
        return bad(error, "signer of a blob");
    return DSDN_OK;
}

/* Room for cnt blobs with all their bytes in a text of text_len. */
static int make_room(struct json_memory *m, uint32_t cnt, size_t text_len, struct dsdn_blobs_answer *answer,
                     struct dsdn_error *error)
{
    size_t list_len = JSON_LIST_LEN(struct dsdn_json_blob, cnt);
    *answer = (struct dsdn_blobs_answer){.memory = NULL};
    int rc = json_memory_get(m, list_len + text_len / 4 * 3, error);
    if (rc) return rc;
    answer->memory = m->start;
    answer->blobs = json_memory_list(m, list_len);
    return DSDN_OK;
}

int dsdn_json_read_blobs(struct dsdn_view value, uint32_t most, struct dsdn_blobs_answer *answer,
                         struct dsdn_error *error)
{
    struct dsdn_span_walk walk;
    struct dsdn_view name, blob;
    struct json_memory m;
    *answer = (struct dsdn_blobs_answer){.memory = NULL};
    if (!dsdn_span_none(value) && dsdn_span_kind(value) != '[')
        return dsdn_fail(error, DSDN_E_MALFORMED, "the blobs are no array");
    uint32_t cnt = dsdn_span_count(value, most);
    if (cnt > most) return dsdn_fail(error, DSDN_E_TOO_LARGE, "more than %u blobs", most);
    int rc = make_room(&m, cnt, value.len, answer, error);
    dsdn_span_walk_start(&walk, value);
    for (; !rc && dsdn_span_walk_next(&walk, &name, &blob); answer->blob_cnt++)
        rc = read_blob(&m, blob, &answer->blobs[answer->blob_cnt], error);
    if (rc) dsdn_blobs_answer_free(answer);
    return rc;
}

int dsdn_json_read_blob(struct dsdn_view value, struct dsdn_blobs_answer *answer, struct dsdn_error *error)
{
    struct json_memory m;
    int rc = make_room(&m, 1, value.len, answer, error);
    if (!rc) rc = read_blob(&m, value, &answer->blobs[0], error);
    if (rc)
        dsdn_blobs_answer_free(answer);
    else
        answer->blob_cnt = 1;
    return rc;
}

void dsdn_blobs_answer_free(struct dsdn_blobs_answer *answer)
{
    free(answer->memory);
    *answer = (struct dsdn_blobs_answer){.memory = NULL};
}

void dsdn_json_write_blob(struct dsdn_text *t, const struct dsdn_json_blob *blob)
{
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "namespace");
    dsdn_text_base64(t, blob->ns, DSDN_NAMESPACE_LEN);
    dsdn_text_key(t, "data");
    dsdn_text_base64(t, blob->data.bytes, blob->data.len);
    dsdn_text_key(t, "share_version");
    dsdn_text_u64(t, blob->share_version);
    if (blob->has_commitment) {
        dsdn_text_key(t, "commitment");
        dsdn_text_base64(t, blob->commitment, 32);
    }
    dsdn_text_key(t, "index");
    dsdn_text_i64(t, blob->index);
    if (blob->has_signer) {
        dsdn_text_key(t, "signer");
        dsdn_text_base64(t, blob->signer.bytes, blob->signer.len);
    }
    dsdn_text_close(t, '}');
}

/* ---- the options of a submission ----------------------------------------------------------------- */

/* A text that fits, to be written as it stands; missing, null and "" are the same. */
static bool read_text(struct dsdn_view value, char *out, size_t cap)
{
    struct dsdn_view text;
    *out = 0;
    if (dsdn_span_none(value)) return true;
    if (!dsdn_span_plain(value, &text) || text.len >= cap || memchr(text.bytes, 0x7f, text.len)) return false;
    memcpy(out, text.bytes, text.len);
    out[text.len] = 0;
    return true;
}

int dsdn_json_read_tx_config(struct dsdn_view value, struct dsdn_tx_config *c, struct dsdn_error *error)
{
    enum { PRICE, IS_SET, MAX, GAS, PRIORITY, KEY, SIGNER, GRANTER, CNT };
    static const char *const names[CNT] = {
        "gas_price",   "is_gas_price_set", "max_gas_price",  "gas",
        "tx_priority", "key_name",         "signer_address", "fee_granter_address"};
    struct dsdn_view v[CNT];
    uint64_t priority = 0;
    *c = (struct dsdn_tx_config){.gas = 0};
    int rc = dsdn_span_members(value, "the options", names, CNT, v, error);
    if (rc) return rc;
    if (!dsdn_span_none(v[PRICE]) && !dsdn_span_nano(v[PRICE], &c->gas_price))
        return bad(error, names[PRICE]);
    if (!dsdn_span_none(v[IS_SET]) && !dsdn_span_bool(v[IS_SET], &c->gas_price_set))
        return bad(error, names[IS_SET]);
    if (!dsdn_span_none(v[MAX]) && !dsdn_span_nano(v[MAX], &c->max_gas_price)) return bad(error, names[MAX]);
    if (!dsdn_span_none(v[GAS]) && !dsdn_span_u64(v[GAS], UINT64_MAX, &c->gas)) return bad(error, names[GAS]);
    if (!dsdn_span_none(v[PRIORITY]) && !dsdn_span_u64(v[PRIORITY], DSDN_TX_HIGH, &priority))
        return bad(error, names[PRIORITY]);
    c->priority = (enum dsdn_tx_priority)priority;
    if (!read_text(v[KEY], c->key_name, sizeof c->key_name)) return bad(error, names[KEY]);
    if (!read_text(v[SIGNER], c->signer_address, sizeof c->signer_address)) return bad(error, names[SIGNER]);
    if (!read_text(v[GRANTER], c->fee_granter_address, sizeof c->fee_granter_address))
        return bad(error, names[GRANTER]);
    return DSDN_OK;
}

static void write_text(struct dsdn_text *t, const char *key, const char *text)
{
    if (!*text) return;
    dsdn_text_key(t, key);
    dsdn_text_string(t, text);
}

void dsdn_json_write_tx_config(struct dsdn_text *t, const struct dsdn_tx_config *c)
{
    dsdn_text_open(t, '{');
    if (c->gas_price_set) {
        dsdn_text_key(t, "gas_price");
        dsdn_text_nano(t, c->gas_price);
        dsdn_text_key(t, "is_gas_price_set");
        dsdn_text_bool(t, true);
    }
    if (c->max_gas_price) {
        dsdn_text_key(t, "max_gas_price");
        dsdn_text_nano(t, c->max_gas_price);
    }
    if (c->gas) {
        dsdn_text_key(t, "gas");
        dsdn_text_u64(t, c->gas);
    }
    if (c->priority) {
        dsdn_text_key(t, "tx_priority");
        dsdn_text_u64(t, c->priority);
    }
    write_text(t, "key_name", c->key_name);
    write_text(t, "signer_address", c->signer_address);
    write_text(t, "fee_granter_address", c->fee_granter_address);
    dsdn_text_close(t, '}');
}

/* ---- small results ------------------------------------------------------------------------------- */

int dsdn_json_read_sync_state(struct dsdn_view value, struct dsdn_sync_state *s, struct dsdn_error *error)
{
    enum { ID, HEIGHT, FROM, TO, FROM_HASH, TO_HASH, START_TIME, END_TIME, FAILURE, CNT };
    static const char *const names[CNT] = {"id",      "height", "from_height", "to_height", "from_hash",
                                           "to_hash", "start",  "end",         "error"};
    uint64_t *const numbers[] = {&s->id, &s->height, &s->from_height, &s->to_height};
    struct dsdn_view v[CNT], text;
    *s = (struct dsdn_sync_state){.id = 0};
    int rc = dsdn_span_members(value, "the sync state", names, CNT, v, error);
    if (rc) return rc;
    for (int i = ID; i <= TO; i++)
        if (!dsdn_span_none(v[i]) && !dsdn_span_loose_u64(v[i], INT64_MAX, numbers[i]))
            return bad(error, names[i]);
    if (dsdn_span_none(v[HEIGHT])) return bad(error, names[HEIGHT]);
    for (int i = FROM_HASH; i <= TO_HASH; i++) {
        bool empty = dsdn_span_none(v[i]) || (dsdn_span_plain(v[i], &text) && !text.len);
        if (!empty && !dsdn_span_hex(v[i], i == TO_HASH ? s->to_hash : s->from_hash, 32))
            return bad(error, names[i]);
    }
    /* for show only: a node may write them with an offset from UTC, which is not read */
    (void)dsdn_span_time(v[START_TIME], &s->start);
    (void)dsdn_span_time(v[END_TIME], &s->end);
    dsdn_span_text(v[FAILURE], s->error, sizeof s->error);
    return DSDN_OK;
}

void dsdn_json_write_sync_state(struct dsdn_text *t, const struct dsdn_sync_state *s)
{
    static const char *const names[] = {"id", "height", "from_height", "to_height"};
    const uint64_t numbers[] = {s->id, s->height, s->from_height, s->to_height};
    dsdn_text_open(t, '{');
    for (size_t i = 0; i < 4; i++) {
        dsdn_text_key(t, names[i]);
        dsdn_text_u64(t, numbers[i]);
    }
    dsdn_text_key(t, "from_hash");
    dsdn_text_upper_hex(t, s->from_hash, 32);
    dsdn_text_key(t, "to_hash");
    dsdn_text_upper_hex(t, s->to_hash, 32);
    dsdn_text_key(t, "start");
    dsdn_text_time(t, s->start);
    dsdn_text_key(t, "end");
    dsdn_text_time(t, s->end);
    write_text(t, "error", s->error);
    dsdn_text_close(t, '}');
}

int dsdn_json_read_balance(struct dsdn_view value, struct dsdn_balance *balance, struct dsdn_error *error)
{
    struct dsdn_view v[2];
    *balance = (struct dsdn_balance){.amount = 0};
    int rc = dsdn_span_members(value, "the balance", NAMES("denom", "amount"), 2, v, error);
    if (rc) return rc;
    if (!read_text(v[0], balance->denom, sizeof balance->denom)) return bad(error, "denom");
    if (!dsdn_span_loose_u64(v[1], UINT64_MAX, &balance->amount)) return bad(error, "amount");
    return DSDN_OK;
}

void dsdn_json_write_balance(struct dsdn_text *t, const struct dsdn_balance *balance)
{
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "denom");
    dsdn_text_string(t, balance->denom);
    dsdn_text_key(t, "amount");
    dsdn_text_decimal(t, balance->amount, false);
    dsdn_text_close(t, '}');
}
