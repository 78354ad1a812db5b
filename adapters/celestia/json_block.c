#include "adapters/celestia/json_memory.h"
#include "adapters/celestia/json_objects.h"

#define NAMES(...) ((const char *const[]){__VA_ARGS__})

static int bad(struct dsdn_error *error, const char *what)
{
    return dsdn_fail(error, DSDN_E_MALFORMED, "%s of the header is not what it must be", what);
}

/* ---- reading ------------------------------------------------------------------------------------- */

/* {"hash":"..","parts":{"total":1,"hash":".."}}; null for none. */
static int read_block_id(struct json_memory *m, struct dsdn_view value, struct dsdn_celestia_block_id *id,
                         const char *what, struct dsdn_error *error)
{
    struct dsdn_view v[2], parts[2];
    uint64_t total = 0;
    *id = (struct dsdn_celestia_block_id){.parts_total = 0};
    if (dsdn_span_none(value)) return DSDN_OK;
    int rc = dsdn_span_members(value, what, NAMES("hash", "parts"), 2, v, error);
    if (!rc) rc = dsdn_span_members(v[1], "parts", NAMES("total", "hash"), 2, parts, error);
    if (rc) return rc;
    if (!json_memory_hex(m, v[0], 32, &id->hash) || !json_memory_hex(m, parts[1], 32, &id->parts_hash) ||
        (parts[0].len && !dsdn_span_loose_u64(parts[0], UINT32_MAX, &total)))
        return bad(error, what);
    id->parts_total = (uint32_t)total;
    return DSDN_OK;
}

static int read_header(struct json_memory *m, struct dsdn_view value, struct dsdn_celestia_header *h,
                       struct dsdn_error *error)
{
    static const char *const hashes[] = {"last_commit_hash",     "data_hash",      "validators_hash",
                                         "next_validators_hash", "consensus_hash", "app_hash",
                                         "last_results_hash",    "evidence_hash",  "proposer_address"};
    enum { HASHES = sizeof hashes / sizeof *hashes };
    struct dsdn_view *const places[HASHES] = {
        &h->last_commit_hash,     &h->data_hash,      &h->validators_hash,
        &h->next_validators_hash, &h->consensus_hash, &h->app_hash,
        &h->last_results_hash,    &h->evidence_hash,  &h->proposer_address};
    struct dsdn_view v[5], version[2], hash[HASHES], chain_id;
    int rc = dsdn_span_members(value, "header",
                               NAMES("version", "chain_id", "height", "time", "last_block_id"), 5, v, error);
    if (!rc) rc = dsdn_span_members(value, "header", hashes, HASHES, hash, error);
    if (!rc) rc = dsdn_span_members(v[0], "version", NAMES("block", "app"), 2, version, error);
    if (rc) return rc;
    if ((version[0].len && !dsdn_span_loose_u64(version[0], UINT64_MAX, &h->version_block)) ||
        (version[1].len && !dsdn_span_loose_u64(version[1], UINT64_MAX, &h->version_app)))
        return bad(error, "version");
    if (!dsdn_span_plain(v[1], &chain_id) || chain_id.len > DSDN_CELESTIA_CHAIN_ID_MAX)
        return bad(error, "chain_id");
    h->chain_id = (struct dsdn_view){m->at, chain_id.len};
    if (chain_id.len) memcpy(json_memory_list(m, chain_id.len), chain_id.bytes, chain_id.len);
    if (!dsdn_span_loose_i64(v[2], 1, INT64_MAX, &h->height)) return bad(error, "height");
    if (!dsdn_span_time(v[3], &h->time)) return bad(error, "time");
    rc = read_block_id(m, v[4], &h->last_block_id, "last_block_id", error);
    for (size_t i = 0; !rc && i < HASHES; i++)
        if (!json_memory_hex(m, hash[i], DSDN_CELESTIA_APP_HASH_MAX, places[i])) rc = bad(error, hashes[i]);
    return rc;
}

static int read_vote(struct json_memory *m, struct dsdn_view value, struct dsdn_celestia_vote *vote,
                     struct dsdn_error *error)
{
    struct dsdn_view v[4];
    uint64_t flag;
    int rc =
        dsdn_span_members(value, "a signature",
                          NAMES("block_id_flag", "validator_address", "timestamp", "signature"), 4, v, error);
    if (rc) return rc;
    if (!dsdn_span_loose_u64(v[0], 255, &flag) ||
        !json_memory_hex(m, v[1], DSDN_CELESTIA_ADDRESS_LEN, &vote->address) ||
        !dsdn_span_time(v[2], &vote->time) ||
        (!dsdn_span_none(v[3]) && !json_memory_base64_any(m, v[3], &vote->signature)))
        return bad(error, "a signature");
    vote->flag = (uint32_t)flag;
    return DSDN_OK;
}

static int read_commit(struct json_memory *m, const struct dsdn_view v[4], struct dsdn_celestia_commit *c,
                       struct dsdn_celestia_vote *votes, struct dsdn_error *error)
{
    struct dsdn_span_walk walk;
    struct dsdn_view name, value;
    int64_t round = 0;
    if (!dsdn_span_loose_i64(v[0], 0, INT64_MAX, &c->height) ||
        (v[1].len && !dsdn_span_loose_i64(v[1], 0, INT32_MAX, &round)))
        return bad(error, "height or round of the commit");
    c->round = (int32_t)round;
    c->votes = votes;
    int rc = read_block_id(m, v[2], &c->block_id, "block_id", error);
    dsdn_span_walk_start(&walk, v[3]);
    for (c->vote_cnt = 0; !rc && dsdn_span_walk_next(&walk, &name, &value); c->vote_cnt++) {
        votes[c->vote_cnt] = (struct dsdn_celestia_vote){.flag = 0};
        rc = read_vote(m, value, &votes[c->vote_cnt], error);
    }
    return rc;
}

static int read_validator(struct json_memory *m, struct dsdn_view value, struct dsdn_celestia_validator *out,
                          struct dsdn_error *error)
{
    static const char type[] = "tendermint/PubKeyEd25519";
    struct dsdn_view v[3], key[2], text;
    *out = (struct dsdn_celestia_validator){.power = 0};
    int rc =
        dsdn_span_members(value, "a validator", NAMES("address", "pub_key", "voting_power"), 3, v, error);
    if (!rc) rc = dsdn_span_members(v[1], "pub_key", NAMES("type", "value"), 2, key, error);
    if (rc) return rc;
    if (!dsdn_span_plain(key[0], &text) || text.len != sizeof type - 1 ||
        memcmp(text.bytes, type, text.len) != 0)
        return bad(error, "the type of a validator's key");
    if (!json_memory_hex(m, v[0], DSDN_CELESTIA_ADDRESS_LEN, &out->address) ||
        !json_memory_base64(m, key[1], 32, &out->key) ||
        !dsdn_span_loose_i64(v[2], 0, INT64_MAX, &out->power))
        return bad(error, "a validator");
    return DSDN_OK;
}

static int read_roots(struct json_memory *m, struct dsdn_view array, const struct dsdn_nmt_node **roots,
                      uint32_t *cnt, struct dsdn_error *error)
{
    struct dsdn_span_walk walk;
    struct dsdn_view name, value, root;
    *roots = (const void *)m->at;
    *cnt = 0;
    dsdn_span_walk_start(&walk, array);
    for (; dsdn_span_walk_next(&walk, &name, &value); ++*cnt)
        if (*cnt == DSDN_NMT_LEAVES_MAX || !json_memory_base64(m, value, DSDN_NMT_NODE_LEN, &root))
            return bad(error, "a root of the dah");
    return DSDN_OK;
}

int dsdn_json_read_block(struct dsdn_view value, struct dsdn_block_answer *answer, struct dsdn_error *error)
{
    struct dsdn_celestia_block *b = &answer->block;
    struct dsdn_view v[4], commit[4], set[1], dah[2], name, validator;
    struct json_memory m = {.start = NULL};
    struct dsdn_span_walk walk;
    *answer = (struct dsdn_block_answer){.memory = NULL};
    int rc = dsdn_span_members(value, "the header", NAMES("header", "commit", "validator_set", "dah"), 4, v,
                               error);
    if (!rc)
        rc = dsdn_span_members(v[1], "commit", NAMES("height", "round", "block_id", "signatures"), 4, commit,
                               error);
    if (!rc) rc = dsdn_span_members(v[2], "validator_set", NAMES("validators"), 1, set, error);
    if (!rc) rc = dsdn_span_members(v[3], "dah", NAMES("row_roots", "column_roots"), 2, dah, error);
    if (rc) return rc;
    uint32_t vote_cnt = dsdn_span_count(commit[3], DSDN_CELESTIA_VALIDATORS_MAX);
    uint32_t validator_cnt = dsdn_span_count(set[0], DSDN_CELESTIA_VALIDATORS_MAX);
    if (vote_cnt > DSDN_CELESTIA_VALIDATORS_MAX || validator_cnt > DSDN_CELESTIA_VALIDATORS_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "the header has more than %u validators",
                         DSDN_CELESTIA_VALIDATORS_MAX);
    size_t votes_len = JSON_LIST_LEN(struct dsdn_celestia_vote, vote_cnt);
    size_t validators_len = JSON_LIST_LEN(struct dsdn_celestia_validator, validator_cnt);
    rc = json_memory_get(&m, votes_len + validators_len + value.len, error);
    if (rc) return rc;
    struct dsdn_celestia_vote *votes = json_memory_list(&m, votes_len);
    struct dsdn_celestia_validator *validators = json_memory_list(&m, validators_len);
    answer->memory = m.start;
    rc = read_header(&m, v[0], &b->header, error);
    if (!rc) rc = read_commit(&m, commit, &b->commit, votes, error);
    b->validators = validators;
    dsdn_span_walk_start(&walk, set[0]);
    for (; !rc && dsdn_span_walk_next(&walk, &name, &validator); b->validator_cnt++)
        rc = read_validator(&m, validator, &validators[b->validator_cnt], error);
    if (!rc) rc = read_roots(&m, dah[0], &b->dah.row_roots, &b->dah.row_cnt, error);
    if (!rc) rc = read_roots(&m, dah[1], &b->dah.column_roots, &b->dah.column_cnt, error);
    if (rc) dsdn_block_answer_free(answer);
    return rc;
}

void dsdn_block_answer_free(struct dsdn_block_answer *answer)
{
    free(answer->memory);
    *answer = (struct dsdn_block_answer){.memory = NULL};
}

uint64_t dsdn_json_read_block_height(struct dsdn_view value)
{
    struct dsdn_view header, height;
    uint64_t number;
    if (dsdn_span_members(value, "the header", NAMES("header"), 1, &header, NULL) ||
        dsdn_span_members(header, "header", NAMES("height"), 1, &height, NULL) ||
        !dsdn_span_loose_u64(height, INT64_MAX, &number))
        return 0;
    return number;
}

/* ---- writing ------------------------------------------------------------------------------------- */

static void write_hex(struct dsdn_text *t, const char *key, struct dsdn_view bytes)
{
    dsdn_text_key(t, key);
    dsdn_text_upper_hex(t, bytes.bytes, bytes.len);
}

static void write_decimal(struct dsdn_text *t, const char *key, int64_t number)
{
    dsdn_text_key(t, key);
    dsdn_text_decimal(t, (uint64_t)number, true);
}

static void write_block_id(struct dsdn_text *t, const char *key, const struct dsdn_celestia_block_id *id)
{
    dsdn_text_key(t, key);
    dsdn_text_open(t, '{');
    write_hex(t, "hash", id->hash);
    dsdn_text_key(t, "parts");
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "total");
    dsdn_text_u64(t, id->parts_total);
    write_hex(t, "hash", id->parts_hash);
    dsdn_text_close(t, '}');
    dsdn_text_close(t, '}');
}

static void write_header(struct dsdn_text *t, const struct dsdn_celestia_header *h)
{
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "version");
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "block");
    dsdn_text_decimal(t, h->version_block, false);
    if (h->version_app) {
        dsdn_text_key(t, "app");
        dsdn_text_decimal(t, h->version_app, false);
    }
    dsdn_text_close(t, '}');
    dsdn_text_key(t, "chain_id");
    dsdn_text_bytes(t, h->chain_id.bytes, h->chain_id.len);
    write_decimal(t, "height", h->height);
    dsdn_text_key(t, "time");
    dsdn_text_time(t, h->time);
    write_block_id(t, "last_block_id", &h->last_block_id);
    write_hex(t, "last_commit_hash", h->last_commit_hash);
    write_hex(t, "data_hash", h->data_hash);
    write_hex(t, "validators_hash", h->validators_hash);
    write_hex(t, "next_validators_hash", h->next_validators_hash);
    write_hex(t, "consensus_hash", h->consensus_hash);
    write_hex(t, "app_hash", h->app_hash);
    write_hex(t, "last_results_hash", h->last_results_hash);
    write_hex(t, "evidence_hash", h->evidence_hash);
    write_hex(t, "proposer_address", h->proposer_address);
    dsdn_text_close(t, '}');
}

static void write_validator(struct dsdn_text *t, const struct dsdn_celestia_validator *v)
{
    dsdn_text_open(t, '{');
    write_hex(t, "address", v->address);
    dsdn_text_key(t, "pub_key");
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "type");
    dsdn_text_string(t, "tendermint/PubKeyEd25519");
    dsdn_text_key(t, "value");
    dsdn_text_base64(t, v->key.bytes, v->key.len);
    dsdn_text_close(t, '}');
    write_decimal(t, "voting_power", v->power);
    write_decimal(t, "proposer_priority", 0);
    dsdn_text_close(t, '}');
}

static void write_validators(struct dsdn_text *t, const struct dsdn_celestia_block *b)
{
    const struct dsdn_view *address = &b->header.proposer_address;
    uint32_t proposer = 0;
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "validators");
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < b->validator_cnt; i++) {
        const struct dsdn_view *own = &b->validators[i].address;
        if (own->len && own->len == address->len && memcmp(own->bytes, address->bytes, own->len) == 0)
            proposer = i;
        write_validator(t, &b->validators[i]);
    }
    dsdn_text_close(t, ']');
    if (b->validator_cnt) {
        dsdn_text_key(t, "proposer");
        write_validator(t, &b->validators[proposer]);
    }
    dsdn_text_close(t, '}');
}

static void write_commit(struct dsdn_text *t, const struct dsdn_celestia_commit *c)
{
    dsdn_text_open(t, '{');
    write_decimal(t, "height", c->height);
    dsdn_text_key(t, "round");
    dsdn_text_i64(t, c->round);
    write_block_id(t, "block_id", &c->block_id);
    dsdn_text_key(t, "signatures");
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < c->vote_cnt; i++) {
        const struct dsdn_celestia_vote *vote = &c->votes[i];
        dsdn_text_open(t, '{');
        dsdn_text_key(t, "block_id_flag");
        dsdn_text_u64(t, vote->flag);
        write_hex(t, "validator_address", vote->address);
        dsdn_text_key(t, "timestamp");
        dsdn_text_time(t, vote->time);
        dsdn_text_key(t, "signature");
        if (vote->signature.len)
            dsdn_text_base64(t, vote->signature.bytes, vote->signature.len);
        else
            dsdn_text_null(t);
        dsdn_text_close(t, '}');
    }
    dsdn_text_close(t, ']');
    dsdn_text_close(t, '}');
}

static void write_roots(struct dsdn_text *t, const char *key, const struct dsdn_nmt_node *roots, uint32_t cnt)
{
    dsdn_text_key(t, key);
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < cnt; i++) dsdn_text_base64(t, roots[i].bytes, DSDN_NMT_NODE_LEN);
    dsdn_text_close(t, ']');
}

void dsdn_json_write_block(struct dsdn_text *t, const struct dsdn_celestia_block *block)
{
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "header");
    write_header(t, &block->header);
    dsdn_text_key(t, "validator_set");
    write_validators(t, block);
    dsdn_text_key(t, "commit");
    write_commit(t, &block->commit);
    dsdn_text_key(t, "dah");
    dsdn_text_open(t, '{');
    write_roots(t, "row_roots", block->dah.row_roots, block->dah.row_cnt);
    write_roots(t, "column_roots", block->dah.column_roots, block->dah.column_cnt);
    dsdn_text_close(t, '}');
    dsdn_text_close(t, '}');
}
