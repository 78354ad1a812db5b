/* fixture_genesis.c: the genesis of a story, written as the JSON of a genesis file and read like one. */
#include "statemachine/fixture_story.h"

#include <stdio.h>
#include <stdlib.h>

static int by_key(const void *a, const void *b)
{
    return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b, 32);
}

/* A set of keys, in the order that sets have. */
static void put_set(struct dsdn_text *t, const struct dsdn_story *s, const char *key, const uint32_t *names,
                    uint32_t cnt)
{
    const uint8_t *keys[64];
    for (uint32_t i = 0; i < cnt; i++) keys[i] = s->names[names[i]].hash;
    qsort(keys, cnt, sizeof *keys, by_key);
    dsdn_text_key(t, key);
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < cnt; i++) dsdn_text_hex(t, keys[i], 32);
    dsdn_text_close(t, ']');
}

static void put_number(struct dsdn_text *t, const char *key, uint64_t number)
{
    dsdn_text_key(t, key);
    dsdn_text_u64(t, number);
}

static void put_decimal(struct dsdn_text *t, const char *key, uint64_t number)
{
    dsdn_text_key(t, key);
    dsdn_text_decimal(t, number, false);
}

static void put_word(struct dsdn_text *t, const char *key, struct dsdn_word w)
{
    dsdn_text_key(t, key);
    dsdn_text_bytes(t, (const uint8_t *)w.at, w.len);
}

static void put_bytes(struct dsdn_text *t, const char *key, const uint8_t *bytes, size_t len)
{
    dsdn_text_key(t, key);
    dsdn_text_hex(t, bytes, len);
}

static void put_primary(struct dsdn_text *t, const struct dsdn_story_network *n)
{
    uint8_t namespace[29] = {0}, hash[32] = {0};
    if (n->chain.len) {
        char header[40];
        memcpy(namespace + 19, "dsdn-story", 10);
        snprintf(header, sizeof header, "header %llu", (unsigned long long)n->start);
        dsdn_story_seeded(header, hash);
    }
    put_word(t, "da_chain_id", n->chain);
    put_bytes(t, "da_namespace", namespace, sizeof namespace);
    put_decimal(t, "da_start", n->chain.len ? n->start : 0);
    put_bytes(t, "da_start_hash", hash, sizeof hash);
}

struct parameter {
    char name[DSDN_OPERATOR_NAME + 1]; /* all others are shorter */
    int64_t value;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct parameter *)a)->name, ((const struct parameter *)b)->name);
}

/* Those of the catalogue and those that list operators, in the order of their names. */
static void put_parameters(struct dsdn_text *t, const struct dsdn_story *s,
                           const struct dsdn_story_network *n)
{
    struct parameter all[DSDN_PARAMETER_CNT + 64];
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < DSDN_PARAMETER_CNT; i++) {
        if (!n->declared[i]) continue;
        snprintf(all[cnt].name, sizeof all[cnt].name, "%s", dsdn_parameters[i].name);
        all[cnt++].value = n->parameters[i];
    }
    for (uint32_t i = 0; i < n->allowed_cnt; i++) {
        dsdn_operator_parameter(s->names[n->allowed[i]].hash, all[cnt].name);
        all[cnt++].value = 1;
    }
    qsort(all, cnt, sizeof *all, by_name);
    dsdn_text_key(t, "params");
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < cnt; i++) {
        dsdn_text_open(t, '{');
        dsdn_text_key(t, "key");
        dsdn_text_string(t, all[i].name);
        dsdn_text_key(t, "value");
        dsdn_text_decimal(t, (uint64_t)all[i].value, true);
        dsdn_text_close(t, '}');
    }
    dsdn_text_close(t, ']');
}

static void put_amount(struct dsdn_text *t, const char *key, uint64_t units)
{
    dsdn_text_key(t, key);
    dsdn_text_open(t, '{');
    put_number(t, "asset", 0);
    put_decimal(t, "units", units);
    dsdn_text_close(t, '}');
}

static void put_accounts(struct dsdn_text *t, const struct dsdn_story *s, const struct dsdn_story_network *n)
{
    dsdn_text_key(t, "allocations");
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < n->account_cnt; i++) {
        dsdn_text_open(t, '{');
        put_bytes(t, "account", s->names[n->accounts[i].name].hash, 32);
        put_amount(t, "amount", n->accounts[i].units);
        put_decimal(t, "vest_start", n->accounts[i].vest_start);
        put_decimal(t, "vest_cliff_s", n->accounts[i].vest_cliff_s);
        put_decimal(t, "vest_len_s", n->accounts[i].vest_len_s);
        put_number(t, "pool", n->accounts[i].pool);
        dsdn_text_close(t, '}');
    }
    dsdn_text_close(t, ']');
}

static void put_validators(struct dsdn_text *t, const struct dsdn_story *s,
                           const struct dsdn_story_network *n)
{
    dsdn_text_key(t, "validators");
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < n->validator_cnt; i++) {
        const struct dsdn_story_name *name = &s->names[n->validators[i]];
        dsdn_text_open(t, '{');
        put_bytes(t, "id", name->hash, 32);
        put_amount(t, "stake", n->stakes[i]);
        dsdn_text_key(t, "name");
        dsdn_text_string(t, name->name);
        dsdn_text_close(t, '}');
    }
    dsdn_text_close(t, ']');
}

/* One key, or the seats of a committee: share i + 1 is the member's own key. */
static void put_authority(struct dsdn_text *t, const struct dsdn_story *s, const struct dsdn_story_network *n)
{
    static const uint8_t nobody[32];
    const char *key = n->seat_cnt ? "group_public" : "coordinator";
    put_bytes(t, key, s->names[n->coordinator].hash, 32);
    dsdn_text_key(t, "committee");
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < n->seat_cnt; i++) {
        uint32_t validator = n->seats[i].validator;
        if (validator == DSDN_STORY_NONE && n->validator_cnt) validator = n->validators[0];
        const uint8_t *member = s->names[n->seats[i].member].hash;
        dsdn_text_open(t, '{');
        put_bytes(t, "coordinator_id", member, 32);
        put_bytes(t, "validator_id", validator == DSDN_STORY_NONE ? nobody : s->names[validator].hash, 32);
        put_bytes(t, "share_public", member, 32);
        put_number(t, "share_index", i + 1);
        dsdn_text_close(t, '}');
    }
    dsdn_text_close(t, ']');
    put_number(t, "committee_threshold", n->seat_cnt ? 2 * n->seat_cnt / 3 + 1 : 0);
}

/* "1.0.0"; zero numbers, which no genesis may have, when it is none. */
static void put_version(struct dsdn_text *t, struct dsdn_word w)
{
    static const char *const keys[] = {"version_major", "version_minor", "version_patch"};
    uint64_t numbers[3] = {0};
    const char *end = w.at + w.len;
    for (int i = 0; i < 3; i++) {
        struct dsdn_word part = {w.at, 0};
        while (part.at + part.len < end && part.at[part.len] != '.') part.len++;
        if (part.len > 4 || !dsdn_story_number(part, &numbers[i]) || (i < 2) == (part.at + part.len == end))
            numbers[0] = 0;
        w.at = part.at + part.len + (part.at + part.len < end);
    }
    for (int i = 0; i < 3; i++) put_number(t, keys[i], numbers[i]);
}

static void put_genesis(struct dsdn_text *t, const struct dsdn_story *s, const struct dsdn_story_network *n)
{
    static const uint8_t zero[32];
    dsdn_text_open(t, '{');
    put_word(t, "network_id", n->id);
    put_primary(t, n);
    put_version(t, n->version);
    put_set(t, s, "quorum_members", n->quorum, n->quorum_cnt);
    put_number(t, "quorum_threshold_pct", n->quorum_cnt ? n->quorum_pct : 0);
    put_set(t, s, "emergency_members", n->emergency, n->emergency_cnt);
    dsdn_text_key(t, "emergency_url");
    dsdn_text_string(t, "");
    put_number(t, "chain_profile", DSDN_PROFILE_DEVNET);
    put_number(t, "feature_level", n->level);
    put_decimal(t, "genesis_time", DSDN_STORY_BEGIN_MS);
    put_parameters(t, s, n);
    put_accounts(t, s, n);
    put_set(t, s, "founder_keys", n->founders, n->founder_cnt);
    put_number(t, "founder_m", n->founder_m);
    put_validators(t, s, n);
    put_authority(t, s, n);
    put_bytes(t, "tss_transcript", zero, 32);
    dsdn_text_key(t, "profile");
    dsdn_text_string(t, "");
    dsdn_text_close(t, '}');
}

int dsdn_story_found(struct dsdn_story *s, const struct dsdn_story_network *n, uint32_t line,
                     struct dsdn_error *error)
{
    struct dsdn_text text;
    struct dsdn_error why = DSDN_ERROR_INIT;
    dsdn_text_init(&text, DSDN_GENESIS_MAX, 0);
    dsdn_text_open(&text, '{');
    dsdn_text_key(&text, "type");
    dsdn_text_string(&text, "GenesisDeclared");
    put_number(&text, "version", 1);
    dsdn_text_key(&text, "payload");
    put_genesis(&text, s, n);
    dsdn_text_close(&text, '}');
    int rc = dsdn_text_status(&text, &why);
    if (!rc) rc = dsdn_genesis_parse(&s->genesis, text.bytes, text.len, &why);
    dsdn_text_free(&text);
    if (!rc) rc = dsdn_story_learn_genesis(s, &why);
    return rc ? dsdn_story_fail(s, line, rc, error, "%s", why.message) : DSDN_OK;
}
