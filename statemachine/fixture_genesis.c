/* fixture_genesis.c: the genesis of a story, written as the JSON of a genesis file and read like one. */
#include "statemachine/fixture_story.h"

#include <stdio.h>
#include <stdlib.h>

#define STAKE 1000000000ull /* of each validator, base units */

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

static void put_parameters(struct dsdn_text *t, const struct dsdn_story_network *n)
{
    dsdn_text_key(t, "params");
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < DSDN_PARAMETER_CNT; i++) {
        if (!n->declared[i]) continue;
        dsdn_text_open(t, '{');
        dsdn_text_key(t, "key");
        dsdn_text_string(t, dsdn_parameters[i].name);
        dsdn_text_key(t, "value");
        dsdn_text_decimal(t, (uint64_t)n->parameters[i], true);
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
        dsdn_text_key(t, "stake");
        dsdn_text_open(t, '{');
        put_number(t, "asset", 0);
        put_decimal(t, "units", STAKE);
        dsdn_text_close(t, '}');
        dsdn_text_key(t, "name");
        dsdn_text_string(t, name->name);
        dsdn_text_close(t, '}');
    }
    dsdn_text_close(t, ']');
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
    put_number(t, "quorum_threshold_pct", n->quorum_cnt ? 67 : 0);
    put_set(t, s, "emergency_members", n->emergency, n->emergency_cnt);
    dsdn_text_key(t, "emergency_url");
    dsdn_text_string(t, "");
    put_number(t, "chain_profile", DSDN_PROFILE_DEVNET);
    put_number(t, "feature_level", 0);
    put_decimal(t, "genesis_time", DSDN_STORY_BEGIN_MS);
    put_parameters(t, n);
    put_set(t, s, "founder_keys", n->founders, n->founder_cnt);
    put_number(t, "founder_m", n->founder_m);
    put_validators(t, s, n);
    put_bytes(t, "coordinator", s->names[n->coordinator].hash, 32);
    put_number(t, "committee_threshold", 0);
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
    return rc ? dsdn_story_fail(s, line, rc, error, "%s", why.message) : DSDN_OK;
}
