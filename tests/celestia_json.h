/* celestia_json.h: ExtendedHeaders of vector files as struct dsdn_celestia_block.  A reader for tests: it
 * takes what the captured files contain (64-bit integers as numbers and as texts, null for a missing block
 * id) and fails the test on anything else. */
#ifndef DSDN_TESTS_CELESTIA_JSON_H
#define DSDN_TESTS_CELESTIA_JSON_H

#include "adapters/celestia/header.h"
#include "tests/celestia_util.h"

#include <time.h>

/* A block and the memory its views point into; the views may be written through. */
struct celestia_block {
    struct dsdn_celestia_block block;
    struct dsdn_celestia_validator *validators;
    struct dsdn_celestia_vote *votes;
    struct dsdn_view row_roots, column_roots;
};

static inline const json_t *json_at(const json_t *object, const char *key)
{
    return json_object_get(object, key);
}

static inline int64_t json_number(const json_t *value)
{
    if (json_is_string(value)) return strtoll(json_string_value(value), NULL, 10);
    return json_integer_value(value); /* 0 for a missing one */
}

static inline struct dsdn_celestia_time json_time(const json_t *value)
{
    struct dsdn_celestia_time t = {0, 0};
    struct tm parts = {0};
    char fraction[10] = "000000000";
    const char *text = json_string_value(value);
    assert_non_null(text);
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    assert_non_null(rest);
    if (*rest == '.') {
        size_t len = strspn(++rest, "0123456789");
        assert_true(len > 0 && len <= 9);
        memcpy(fraction, rest, len);
        rest += len;
    }
    assert_string_equal(rest, "Z");
    t.seconds = timegm(&parts);
    t.nanos = (int32_t)strtol(fraction, NULL, 10);
    return t;
}

static inline struct dsdn_celestia_block_id json_block_id(const json_t *value)
{
    const json_t *parts = json_at(value, "parts");
    return (struct dsdn_celestia_block_id){.hash = vector_hex(json_at(value, "hash")),
                                           .parts_total = (uint32_t)json_number(json_at(parts, "total")),
                                           .parts_hash = vector_hex(json_at(parts, "hash"))};
}

static inline void block_id_free(struct dsdn_celestia_block_id *id)
{
    view_free(id->hash);
    view_free(id->parts_hash);
}

/* Where a header keeps its hashes, in the order of the JSON names. */
static inline struct dsdn_view *header_view(struct dsdn_celestia_header *h, size_t i, const char **name)
{
    const struct {
        const char *name;
        struct dsdn_view *view;
    } views[] = {
        {"last_commit_hash", &h->last_commit_hash},   {"data_hash", &h->data_hash},
        {"validators_hash", &h->validators_hash},     {"next_validators_hash", &h->next_validators_hash},
        {"consensus_hash", &h->consensus_hash},       {"app_hash", &h->app_hash},
        {"last_results_hash", &h->last_results_hash}, {"evidence_hash", &h->evidence_hash},
        {"proposer_address", &h->proposer_address}};
    if (i >= sizeof views / sizeof views[0]) return NULL;
    if (name) *name = views[i].name;
    return views[i].view;
}

static inline struct dsdn_view vector_text(const json_t *value)
{
    const char *text = json_string_value(value);
    assert_non_null(text);
    return (struct dsdn_view){(const uint8_t *)strdup(text), strlen(text)};
}

static inline void read_header(struct dsdn_celestia_header *h, const json_t *json)
{
    const char *name;
    struct dsdn_view *view;
    h->version_block = (uint64_t)json_number(json_at(json_at(json, "version"), "block"));
    h->version_app = (uint64_t)json_number(json_at(json_at(json, "version"), "app"));
    h->chain_id = vector_text(json_at(json, "chain_id"));
    h->height = json_number(json_at(json, "height"));
    h->time = json_time(json_at(json, "time"));
    h->last_block_id = json_block_id(json_at(json, "last_block_id"));
    for (size_t i = 0; (view = header_view(h, i, &name)); i++) *view = vector_hex(json_at(json, name));
}

static inline void read_commit(struct celestia_block *b, const json_t *json)
{
    const json_t *votes = json_at(json, "signatures");
    uint32_t cnt = (uint32_t)json_array_size(votes);
    b->votes = calloc(cnt + 1, sizeof *b->votes);
    assert_non_null(b->votes);
    for (uint32_t i = 0; i < cnt; i++) {
        const json_t *vote = json_array_get(votes, i);
        b->votes[i] =
            (struct dsdn_celestia_vote){.flag = (uint32_t)json_number(json_at(vote, "block_id_flag")),
                                        .address = vector_hex(json_at(vote, "validator_address")),
                                        .time = json_time(json_at(vote, "timestamp")),
                                        .signature = vector_base64(json_at(vote, "signature"))};
    }
    b->block.commit = (struct dsdn_celestia_commit){.height = json_number(json_at(json, "height")),
                                                    .round = (int32_t)json_number(json_at(json, "round")),
                                                    .block_id = json_block_id(json_at(json, "block_id")),
                                                    .votes = b->votes,
                                                    .vote_cnt = cnt};
}

static inline void read_validators(struct celestia_block *b, const json_t *array)
{
    uint32_t cnt = (uint32_t)json_array_size(array);
    b->validators = calloc(cnt + 1, sizeof *b->validators);
    assert_non_null(b->validators);
    for (uint32_t i = 0; i < cnt; i++) {
        const json_t *validator = json_array_get(array, i), *key = json_at(validator, "pub_key");
        assert_string_equal(json_string_value(json_at(key, "type")), "tendermint/PubKeyEd25519");
        b->validators[i] =
            (struct dsdn_celestia_validator){.address = vector_hex(json_at(validator, "address")),
                                             .key = vector_base64(json_at(key, "value")),
                                             .power = json_number(json_at(validator, "voting_power"))};
    }
    b->block.validators = b->validators;
    b->block.validator_cnt = cnt;
}

/* Roots of {"row_roots": [...], "column_roots": [...]}, under these names.  Roots of another length - the
 * network's first ones had 48 bytes - make a DAH of none. */
static inline struct dsdn_dah read_dah(const json_t *json, const char *rows, const char *columns,
                                       struct dsdn_view *row_roots, struct dsdn_view *column_roots)
{
    bool rows_whole, columns_whole;
    *row_roots = vector_joined(json_at(json, rows), DSDN_NMT_NODE_LEN, &rows_whole);
    *column_roots = vector_joined(json_at(json, columns), DSDN_NMT_NODE_LEN, &columns_whole);
    if (!rows_whole || !columns_whole) row_roots->len = column_roots->len = 0;
    return (struct dsdn_dah){.row_roots = (const void *)row_roots->bytes,
                             .column_roots = (const void *)column_roots->bytes,
                             .row_cnt = (uint32_t)(row_roots->len / DSDN_NMT_NODE_LEN),
                             .column_cnt = (uint32_t)(column_roots->len / DSDN_NMT_NODE_LEN)};
}

static inline struct celestia_block *celestia_block_read(const json_t *json)
{
    struct celestia_block *b = calloc(1, sizeof *b);
    assert_non_null(b);
    read_header(&b->block.header, json_at(json, "header"));
    read_commit(b, json_at(json, "commit"));
    read_validators(b, json_at(json_at(json, "validator_set"), "validators"));
    b->block.dah =
        read_dah(json_at(json, "dah"), "row_roots", "column_roots", &b->row_roots, &b->column_roots);
    return b;
}

static inline void celestia_block_free(struct celestia_block *b)
{
    struct dsdn_view *view;
    for (size_t i = 0; (view = header_view(&b->block.header, i, NULL)); i++) view_free(*view);
    view_free(b->block.header.chain_id);
    block_id_free(&b->block.header.last_block_id);
    block_id_free(&b->block.commit.block_id);
    for (uint32_t i = 0; i < b->block.validator_cnt; i++) {
        view_free(b->validators[i].address);
        view_free(b->validators[i].key);
    }
    for (uint32_t i = 0; i < b->block.commit.vote_cnt; i++) {
        view_free(b->votes[i].address);
        view_free(b->votes[i].signature);
    }
    free(b->validators);
    free(b->votes);
    view_free(b->row_roots);
    view_free(b->column_roots);
    free(b);
}

#endif
