#include "log/genesis.h"
#include "log/hash.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* next_RECORD takes the next record from the front of a list that was decoded before. */
#define NEXT(record)                                                                                         \
    static bool next_##record(struct dsdn_list *left, struct dsdn_rec_##record *one)                         \
    {                                                                                                        \
        if (!left->count) return false;                                                                      \
        const uint8_t *p = dsdn_get_##record(left->items, left->items + left->len, one);                     \
        if (!p) return false;                                                                                \
        *left = (struct dsdn_list){p, left->count - 1, left->len - (uint32_t)(p - left->items)};             \
        return true;                                                                                         \
    }
NEXT(parameter)
NEXT(allocation)
NEXT(validator_entry)
NEXT(member)

/* ---- parameters ------------------------------------------------------------------------------ */

const struct dsdn_parameter_desc dsdn_parameters[DSDN_PARAMETER_CNT] = {
#define PARAMETER(name, value, devnet, least, most, unit, doc) {#name, value, devnet, least, most, unit, doc},
#include "log/parameters.def"
#undef PARAMETER
};

const struct dsdn_parameter_desc *dsdn_parameter_find(const void *name, size_t len)
{
    for (uint32_t i = 0; i < DSDN_PARAMETER_CNT; i++)
        if (strlen(dsdn_parameters[i].name) == len && memcmp(dsdn_parameters[i].name, name, len) == 0)
            return &dsdn_parameters[i];
    return NULL;
}

static const char operator_prefix[] = "op:";
enum { PREFIX_LEN = sizeof operator_prefix - 1 };

void dsdn_operator_parameter(const uint8_t operator[32], char name[DSDN_OPERATOR_NAME])
{
    memcpy(name, operator_prefix, PREFIX_LEN);
    sodium_bin2base64(name + PREFIX_LEN, DSDN_OPERATOR_NAME - PREFIX_LEN, operator, 32,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* Whether len bytes are the name of an operator: what its address is spelled like. */
static bool names_operator(const char *name, size_t len)
{
    uint8_t address[32];
    char spelled[DSDN_OPERATOR_NAME];
    size_t got;
    if (len != DSDN_OPERATOR_NAME - 1 || memcmp(name, operator_prefix, PREFIX_LEN) != 0) return false;
    if (sodium_base642bin(address, sizeof address, name + PREFIX_LEN, len - PREFIX_LEN, NULL, &got, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        got != sizeof address)
        return false;
    dsdn_operator_parameter(address, spelled);
    return memcmp(spelled, name, len) == 0;
}

const struct dsdn_parameter_desc *dsdn_parameter_rule(const void *name, size_t len)
{
    static const struct dsdn_parameter_desc of_operator = {
        "op:ADDRESS", 0, 0, 0, 1, "0 or 1", "1: this operator registers nodes while gate_pilot is 1"};
    const struct dsdn_parameter_desc *desc = dsdn_parameter_find(name, len);
    return desc || !names_operator(name, len) ? desc : &of_operator;
}

int64_t dsdn_genesis_parameter(const struct dsdn_ev_genesis_declared *genesis, uint32_t index)
{
    struct dsdn_rec_parameter parameter;
    for (struct dsdn_list left = genesis->params; next_parameter(&left, &parameter);)
        if (dsdn_parameter_find(parameter.key.bytes, parameter.key.len) == &dsdn_parameters[index])
            return parameter.value;
    return dsdn_parameters[index].value;
}

/* ---- checks ---------------------------------------------------------------------------------- */

static int refuse(struct dsdn_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct dsdn_error *error, const char *format, ...)
{
    char why[320];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return dsdn_fail(error, DSDN_E_MALFORMED, "genesis: %s", why);
}

static bool starts_with(struct dsdn_view v, const char *prefix)
{
    size_t len = strlen(prefix);
    return v.len >= len && memcmp(v.bytes, prefix, len) == 0;
}

static bool zero(const uint8_t *p, size_t len)
{
    while (len && !*p) p++, len--;
    return len == 0;
}

static int check_primary(const struct dsdn_ev_genesis_declared *g, struct dsdn_error *error)
{
    const uint8_t *ns = g->da_namespace;
    struct dsdn_view chain = g->da_chain_id;
    if (!chain.len) {
        if (!zero(ns, 29))
            return refuse(error, "a network without a primary (empty da_chain_id) has da_namespace zero");
        if (g->da_start)
            return refuse(error, "a network without a primary (empty da_chain_id) has da_start 0");
        if (!dsdn_zero32(g->da_start_hash))
            return refuse(error, "a network without a primary (empty da_chain_id) has da_start_hash zero");
        return DSDN_OK;
    }
    bool public = (starts_with(chain, "celestia") && chain.len == 8) || starts_with(chain, "mocha-") ||
                  starts_with(chain, "arabica-");
    if (!public) return DSDN_OK; /* mocks and local chains take any namespace */
    if (ns[0] != 0)
        return refuse(error, "da_namespace has version %u; Celestia takes version 0 for data", ns[0]);
    if (!zero(ns + 1, 18)) return refuse(error, "da_namespace needs 18 zero bytes behind its version byte");
    if (zero(ns + 1, 27)) return refuse(error, "da_namespace is reserved by Celestia (ids 0 to 255)");
    return DSDN_OK;
}

/* Whether id is one of the first `count` validators. */
static bool is_validator(struct dsdn_list validators, uint32_t count, const uint8_t id[32])
{
    struct dsdn_rec_validator_entry validator;
    validators.count = count;
    for (struct dsdn_list left = validators; next_validator_entry(&left, &validator);)
        if (dsdn_equal32(validator.id, id)) return true;
    return false;
}

static int check_committee(const struct dsdn_ev_genesis_declared *g, struct dsdn_error *error)
{
    uint32_t n = g->committee.count, at = 0, needed = 2 * n / 3 + 1;
    uint8_t ids[255][32], shares[65536 / 8] = {0};
    struct dsdn_rec_member member;
    if (n > 255) return refuse(error, "a committee of %u; at most 255", n);
    if (!g->group_public) return refuse(error, "the committee has no group_public");
    if (dsdn_zero32(g->group_public)) return refuse(error, "group_public is zero");
    if (g->committee_threshold != needed && !(n == 3 && g->committee_threshold == 2))
        return refuse(error, "committee_threshold is %u; a committee of %u needs %u%s",
                      g->committee_threshold, n, needed, n == 3 ? " or 2" : "");
    for (struct dsdn_list left = g->committee; next_member(&left, &member);) {
        if (!is_validator(g->validators, g->validators.count, member.validator_id))
            return refuse(error, "committee[%u].validator_id is no validator of this genesis", at);
        if (member.share_index == 0) return refuse(error, "committee[%u].share_index is 0", at);
        if (shares[member.share_index / 8] >> member.share_index % 8 & 1)
            return refuse(error, "committee[%u].share_index %u occurs twice", at, member.share_index);
        shares[member.share_index / 8] |= (uint8_t)(1u << member.share_index % 8);
        for (uint32_t i = 0; i < at; i++)
            if (dsdn_equal32(ids[i], member.coordinator_id))
                return refuse(error, "committee[%u].coordinator_id occurs twice", at);
        memcpy(ids[at++], member.coordinator_id, 32);
    }
    return DSDN_OK;
}

static int check_authority(const struct dsdn_ev_genesis_declared *g, struct dsdn_error *error)
{
    if (g->coordinator && g->committee.count)
        return refuse(error, "coordinator and committee are both given");
    if (!g->coordinator && !g->committee.count)
        return refuse(error, "neither coordinator nor committee is given");
    if (g->committee.count) return check_committee(g, error);
    /* A publisher of 32 zero bytes marks a takeover batch. */
    if (dsdn_zero32(g->coordinator)) return refuse(error, "coordinator is zero");
    if (g->committee_threshold) return refuse(error, "committee_threshold without a committee");
    if (g->group_public) return refuse(error, "group_public without a committee");
    return DSDN_OK;
}

/* In the order of bytes. */
static bool is_below(struct dsdn_view a, struct dsdn_view b)
{
    int order = memcmp(a.bytes, b.bytes, a.len < b.len ? a.len : b.len);
    return order ? order < 0 : a.len < b.len;
}

static int check_params(const struct dsdn_ev_genesis_declared *g, struct dsdn_error *error)
{
    struct dsdn_rec_parameter parameter;
    struct dsdn_view before = {NULL, 0};
    uint32_t at = 0;
    for (struct dsdn_list left = g->params; next_parameter(&left, &parameter);) {
        const struct dsdn_parameter_desc *desc = dsdn_parameter_rule(parameter.key.bytes, parameter.key.len);
        if (!desc) return refuse(error, "params[%u].key names no parameter", at);
        if (at && !is_below(before, parameter.key))
            return refuse(error, "params[%u] (%s) is not behind its predecessor: sort by key, each once", at,
                          desc->name);
        if (parameter.value < desc->least || parameter.value > desc->most)
            return refuse(error, "%s is %lld; allowed are %lld to %lld %s", desc->name,
                          (long long)parameter.value, (long long)desc->least, (long long)desc->most,
                          desc->unit);
        before = parameter.key;
        at++;
    }
    return DSDN_OK;
}

static int by_account(const void *a, const void *b)
{
    return memcmp(*(uint8_t *const *)a, *(uint8_t *const *)b, 32);
}

static int check_allocated_once(const struct dsdn_ev_genesis_declared *g, struct dsdn_error *error)
{
    struct dsdn_rec_allocation allocation;
    uint32_t cnt = g->allocations.count, at = 0;
    const uint8_t **accounts = malloc((cnt + 1) * sizeof *accounts);
    if (!accounts) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to compare %u allocations", cnt);
    for (struct dsdn_list left = g->allocations; next_allocation(&left, &allocation);)
        accounts[at++] = allocation.account;
    qsort(accounts, cnt, sizeof *accounts, by_account);
    for (at = 1; at < cnt && !dsdn_equal32(accounts[at - 1], accounts[at]);) at++;
    bool twice = at < cnt;
    free(accounts);
    return twice ? refuse(error, "two allocations are for one account") : DSDN_OK;
}

static int check_accounts(const struct dsdn_ev_genesis_declared *g, struct dsdn_error *error)
{
    struct dsdn_rec_validator_entry validator;
    struct dsdn_rec_allocation allocation;
    uint64_t supply[256] = {0};
    uint32_t at = 0;
    for (struct dsdn_list left = g->validators; next_validator_entry(&left, &validator);) {
        uint64_t *sum = &supply[validator.stake.asset];
        if (is_validator(g->validators, at, validator.id))
            return refuse(error, "validators[%u].id occurs twice", at);
        if (__builtin_add_overflow(*sum, validator.stake.units, sum))
            return refuse(error, "asset %u overflows 64 bits at validators[%u]", validator.stake.asset, at);
        at++;
    }
    at = 0;
    int rc = check_allocated_once(g, error);
    if (rc) return rc;
    for (struct dsdn_list left = g->allocations; next_allocation(&left, &allocation);) {
        uint64_t *sum = &supply[allocation.amount.asset];
        if (!allocation.amount.units) return refuse(error, "allocations[%u] is of 0 units", at);
        if (__builtin_add_overflow(*sum, allocation.amount.units, sum))
            return refuse(error, "asset %u overflows 64 bits at allocations[%u]", allocation.amount.asset,
                          at);
        at++;
    }
    return DSDN_OK;
}

int dsdn_genesis_check(const struct dsdn_ev_genesis_declared *g, struct dsdn_error *error)
{
    if (!g->network_id.len) return refuse(error, "network_id is empty");
    if (!g->version_major)
        return refuse(error, "protocol version 0.%u.%u enables no event", g->version_minor, g->version_patch);
    if (!g->chain_profile) return refuse(error, "chain_profile is 0; 1 is devnet, 2 testnet, 3 mainnet");
    uint8_t pct = g->quorum_threshold_pct;
    if (pct > 100 || (pct < 67 && (pct != 0 || g->quorum_members.count)))
        return refuse(error, "quorum_threshold_pct is %u; allowed are 67 to 100%s", pct,
                      g->quorum_members.count ? "" : ", or 0 without members");
    if (g->founder_m > g->founder_keys.count)
        return refuse(error, "founder_m is %u of %u founders", g->founder_m, g->founder_keys.count);
    if (!g->founder_m && g->founder_keys.count)
        return refuse(error, "founder_m is 0: no founder would have to agree");
    int (*const checks[])(const struct dsdn_ev_genesis_declared *, struct dsdn_error *) = {
        check_primary, check_authority, check_params, check_accounts};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        int rc = checks[i](g, error);
        if (rc) return rc;
    }
    return DSDN_OK;
}

/* ---- making one ------------------------------------------------------------------------------ */

static const struct dsdn_event_desc *desc(void)
{
    return &dsdn_event_table.events[dsdn_EVENT_genesis_declared];
}

enum { VERSION = 1 };

/* Takes over bytes (malloc): decodes, checks, hashes; frees them when that fails. */
static int adopt(struct dsdn_genesis *g, uint8_t *bytes, uint32_t len, struct dsdn_error *error)
{
    *g = (struct dsdn_genesis){.bytes = bytes, .len = len};
    int rc = dsdn_event_decode(desc(), VERSION, bytes, len, &g->event, error);
    if (!rc) rc = dsdn_genesis_check(&g->event, error);
    if (rc) {
        dsdn_genesis_free(g);
        return rc;
    }
    dsdn_tagged("dsdn/genesis/1", bytes, len, g->hash);
    return DSDN_OK;
}

/* Gives back what an encoder left of its buffer; adopt follows. */
static uint8_t *shrink(uint8_t *bytes, uint32_t len)
{
    uint8_t *smaller = realloc(bytes, len);
    return smaller ? smaller : bytes;
}

static uint8_t *buffer(size_t len, struct dsdn_error *error)
{
    uint8_t *bytes = malloc(len);
    if (!bytes) dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for a genesis of up to %zu bytes", len);
    return bytes;
}

int dsdn_genesis_encode(struct dsdn_genesis *g, const struct dsdn_ev_genesis_declared *from,
                        struct dsdn_error *error)
{
    uint32_t len;
    uint8_t *bytes = buffer(DSDN_GENESIS_MAX, error);
    if (!bytes) return DSDN_E_NO_MEMORY;
    int rc = dsdn_event_encode(desc(), VERSION, from, bytes, DSDN_GENESIS_MAX, &len, error);
    if (rc) {
        free(bytes);
        return rc;
    }
    return adopt(g, shrink(bytes, len), len, error);
}

int dsdn_genesis_decode(struct dsdn_genesis *g, const uint8_t *bytes, size_t len, struct dsdn_error *error)
{
    if (len > DSDN_GENESIS_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a genesis of %zu bytes; at most %u", len,
                         DSDN_GENESIS_MAX);
    uint8_t *copy = buffer(len + 1, error); /* never malloc(0) */
    if (!copy) return DSDN_E_NO_MEMORY;
    if (len) memcpy(copy, bytes, len);
    return adopt(g, copy, (uint32_t)len, error);
}

int dsdn_genesis_parse(struct dsdn_genesis *g, const void *text, size_t len, struct dsdn_error *error)
{
    uint32_t event, bytes_len;
    uint8_t version;
    if (len > DSDN_GENESIS_MAX)
        return dsdn_fail(error, DSDN_E_TOO_LARGE, "a genesis file of %zu bytes; at most %u", len,
                         DSDN_GENESIS_MAX);
    uint8_t *bytes = buffer(DSDN_GENESIS_MAX, error);
    if (!bytes) return DSDN_E_NO_MEMORY;
    int rc = dsdn_json_read_event(&dsdn_event_table, text, len, &event, &version, bytes, DSDN_GENESIS_MAX,
                                  &bytes_len, error);
    if (!rc && event != dsdn_EVENT_genesis_declared)
        rc = refuse(error, "the file holds a %s", dsdn_event_table.events[event].name);
    if (rc) {
        free(bytes);
        return rc;
    }
    return adopt(g, shrink(bytes, bytes_len), bytes_len, error);
}

int dsdn_genesis_load(struct dsdn_genesis *g, const struct dsdn_io *io, const char *path,
                      struct dsdn_error *error)
{
    uint8_t *text;
    size_t len;
    int rc = dsdn_io_read_file(io, path, DSDN_GENESIS_MAX, &text, &len, error);
    if (rc) return rc;
    rc = dsdn_genesis_parse(g, text, len, error);
    free(text);
    if (rc) dsdn_error_at(error, path, DSDN_NO_OFFSET);
    return rc;
}

void dsdn_genesis_free(struct dsdn_genesis *g)
{
    free(g->bytes);
    *g = (struct dsdn_genesis){0};
}

int dsdn_genesis_write(const struct dsdn_genesis *g, struct dsdn_text *text, struct dsdn_error *error)
{
    return dsdn_json_write_event(text, desc(), VERSION, g->bytes, g->len, error);
}
