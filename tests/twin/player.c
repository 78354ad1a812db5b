#include "tests/twin/player.h"

#include "roles/dsdn.h"
#include "statemachine/row_json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { EVENTS = 4096, REPORT = 4096 };

static void *must(void *p)
{
    if (p) return p;
    fprintf(stderr, "player: no memory\n");
    abort();
}

/* ---- logs ---- */

void played_batch_free(struct played_batch *b)
{
    for (uint32_t i = 0; i < b->bundle_cnt; i++) {
        for (uint32_t e = 0; e < b->bundles[i].event_cnt; e++) free(b->bundles[i].events[e].payload);
        free(b->bundles[i].events);
    }
    free(b->bundles);
    *b = (struct played_batch){.bundle_cnt = 0};
}

void played_log_free(struct played_log *l)
{
    for (uint32_t i = 0; i < l->batch_cnt; i++) played_batch_free(&l->batches[i]);
    free(l->batches);
    dsdn_genesis_free(&l->genesis);
    *l = (struct played_log){.batch_cnt = 0};
}

struct played_batch *played_batch_add(struct played_log *l)
{
    if (l->batch_cnt == l->batch_cap) {
        l->batch_cap = l->batch_cap ? 2 * l->batch_cap : 32;
        l->batches = must(realloc(l->batches, l->batch_cap * sizeof *l->batches));
    }
    l->batches[l->batch_cnt] = (struct played_batch){.bundle_cnt = 0};
    return &l->batches[l->batch_cnt++];
}

struct played_bundle *played_bundle_add(struct played_batch *b, uint8_t kind)
{
    if (b->bundle_cnt == b->bundle_cap) {
        b->bundle_cap = b->bundle_cap ? 2 * b->bundle_cap : 4;
        b->bundles = must(realloc(b->bundles, b->bundle_cap * sizeof *b->bundles));
    }
    b->bundles[b->bundle_cnt] = (struct played_bundle){.kind = kind};
    return &b->bundles[b->bundle_cnt++];
}

struct played_event *played_event_add(struct played_bundle *b, uint16_t type, uint8_t version,
                                      const uint8_t *payload, uint32_t len)
{
    if (b->event_cnt == b->event_cap) {
        b->event_cap = b->event_cap ? 2 * b->event_cap : 4;
        b->events = must(realloc(b->events, b->event_cap * sizeof *b->events));
    }
    struct played_event *e = &b->events[b->event_cnt++];
    *e = (struct played_event){type, version, must(malloc(len + 1)), len};
    memcpy(e->payload, payload, len);
    return e;
}

/* ---- people ---- */

static struct dsdn_sign_key people[PEOPLE];

const struct dsdn_sign_key *person(uint32_t number)
{
    static bool made;
    for (uint32_t i = 0; !made && i < PEOPLE; i++) {
        uint8_t seed[32] = {(uint8_t)i, 0x77};
        dsdn_sign_key_from_seed(&people[i], seed);
    }
    made = true;
    return number < PEOPLE ? &people[number] : NULL;
}

const struct dsdn_sign_key *person_of(const uint8_t id[32])
{
    person(0);
    for (uint32_t i = 0; i < PEOPLE; i++)
        if (same(people[i].public_key, id)) return &people[i];
    return NULL;
}

void coverage_add(struct coverage *sum, const struct coverage *part)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)part;
    _Static_assert(sizeof *sum % 8 == 0, "numbers only");
    for (size_t i = 0; i < sizeof *sum / 8; i++) to[i] += from[i];
}

/* ---- playing ---- */

struct player {
    uint64_t seed;
    bool verified;
    struct dsdn_catalogue catalogue; /* the network's, of a program that knows later versions too */
    struct dsdn_engine *engine;
    struct twin *twin;
    struct dsdn_batch_builder *builder;
    struct dsdn_prepared prepared;
    struct dsdn_key_cache *keys;
    struct invariants invariants;
    struct coverage *coverage;
    uint32_t batch; /* number of the one being played */
    uint8_t *bytes; /* of it, owned: prepared batches point into them */
    char report[REPORT];
};

struct player *player_new(const struct played_log *log, struct coverage *coverage)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_engine_options options = {.hash_seed = log->seed * 0x9e3779b97f4a7c15u + 1};
    struct player *p = must(calloc(1, sizeof *p));
    p->seed = log->seed;
    p->verified = log->verified;
    p->coverage = coverage;
    p->catalogue = dsdn_catalogue;
    p->catalogue.version = DSDN_PROTOCOL(9, 0, 0);
    p->builder = must(dsdn_batch_builder_new());
    p->keys = must(dsdn_key_cache_new(128));
    if (dsdn_engine_new(&p->catalogue, &options, &p->engine, &error) ||
        dsdn_engine_genesis(p->engine, log->genesis.bytes, log->genesis.len, &error)) {
        fprintf(stderr, "player: seed %llu: %s\n", (unsigned long long)log->seed, error.message);
        abort();
    }
    dsdn_engine_observe(p->engine, invariants_check, &p->invariants);
    p->twin = twin_new(log->genesis.bytes, log->genesis.len, p->catalogue.version);
    if (!player_compare(p)) fprintf(stderr, "%s\n", p->report);
    if (coverage) coverage->logs++;
    return p;
}

void player_free(struct player *p)
{
    if (!p) return;
    dsdn_prepared_free(&p->prepared);
    dsdn_batch_builder_free(p->builder);
    dsdn_key_cache_free(p->keys);
    dsdn_engine_free(p->engine);
    twin_free(p->twin);
    free(p->bytes);
    free(p);
}

struct twin *player_twin(struct player *p)
{
    return p->twin;
}

const char *player_report(const struct player *p)
{
    return p->report;
}

/* ---- making the bytes ---- */

static void bundle_bytes(struct player *p, const struct played_bundle *b)
{
    static uint8_t bytes[DSDN_BATCH_LIMIT];
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t *events = bytes + DSDN_BUNDLE_LEN, *at = events;
    memset(bytes, 0, DSDN_BUNDLE_LEN);
    for (uint32_t i = 0; i < b->event_cnt; i++) {
        const struct played_event *e = &b->events[i];
        dsdn_store16(at, e->type);
        at[2] = e->version;
        at = dsdn_varint_put(at + 3, e->len);
        memcpy(at, e->payload, e->len);
        at += e->len;
    }
    struct dsdn_bundle view = {.kind = b->kind,
                               .scheme = DSDN_SCHEME_ED25519,
                               .author = b->author,
                               .nonce = b->nonce,
                               .valid_until = b->valid_until,
                               .event_count = (uint16_t)b->event_cnt,
                               .events_len = (uint32_t)(at - events),
                               .events = events};
    bytes[0] = b->kind;
    bytes[DSDN_BUNDLE_AT_SCHEME] = view.scheme;
    memcpy(bytes + DSDN_BUNDLE_AT_AUTHOR, b->author, 32);
    dsdn_store64(bytes + DSDN_BUNDLE_AT_NONCE, b->nonce);
    dsdn_store64(bytes + DSDN_BUNDLE_AT_VALID_UNTIL, b->valid_until);
    dsdn_store16(bytes + DSDN_BUNDLE_AT_EVENT_COUNT, view.event_count);
    dsdn_store32(bytes + DSDN_BUNDLE_AT_EVENTS_LEN, view.events_len);
    const struct dsdn_sign_key *key = person_of(b->author);
    if (p->verified && b->kind != DSDN_BUNDLE_AUTHORITY && key) {
        uint8_t message[32];
        dsdn_bundle_message(twin_genesis(p->twin), &view, message);
        dsdn_sign(key, message, bytes + DSDN_BUNDLE_AT_SIGNATURE);
    }
    if (dsdn_batch_builder_bundle(p->builder, bytes, (size_t)(at - bytes), &error)) {
        fprintf(stderr, "player: %s\n", error.message);
        abort();
    }
}

/* The certificate of the present quorum set for a batch; 0 when there is no set. */
static size_t certificate_bytes(struct player *p, const struct dsdn_batch *batch, enum publisher publisher,
                                uint8_t *out, size_t cap)
{
    static uint8_t signatures[DSDN_QUORUM_MEMBER_MAX][64];
    const uint8_t *given[DSDN_QUORUM_MEMBER_MAX];
    struct facts *facts = twin_facts(p->twin);
    const struct fact *head = facts_table(facts, "head")->rows[0];
    const struct fact_table *members = facts_table(facts, "quorum_member");
    uint64_t percent = get(head, "quorum_pct");
    uint32_t set = (uint32_t)get(head, "quorum_set"), n = 0;
    uint8_t message[32];
    dsdn_certificate_message(twin_genesis(p->twin), set, batch->header.sequence, batch->hash, message);
    for (uint32_t i = 0; i < members->cnt; i++) {
        if (__builtin_bswap32(dsdn_load32(members->rows[i]->key.bytes)) != set) continue;
        const struct dsdn_sign_key *key = person_of(get_bytes(members->rows[i], "member"));
        given[n] = NULL;
        if (key) {
            dsdn_sign(key, message, signatures[n]);
            given[n] = signatures[n];
        }
        n++;
    }
    uint64_t needed = percent == 67 ? (2 * (uint64_t)n + 2) / 3 : (n * percent + 99) / 100;
    if (publisher == BY_TAKEOVER_TOO_FEW) needed--;
    for (uint32_t i = 0, signers = 0; i < n; i++) /* as few as will do */
        if (given[i] && signers++ >= needed) given[i] = NULL;
    if (publisher == BY_TAKEOVER_SPOILT && n) signatures[0][40] ^= 1;
    return dsdn_certificate_encode(set, given, n, out, cap);
}

static void batch_bytes(struct player *p, const struct played_batch *b, struct dsdn_batch *batch)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    const struct fact *head = facts_table(twin_facts(p->twin), "head")->rows[0];
    struct dsdn_header header = {.sequence = get(head, "sequence"),
                                 .committee_epoch = get(head, "authority_epoch"),
                                 .time_ms = b->time_ms,
                                 .origin = b->origin,
                                 .cursor = b->cursor};
    memcpy(header.genesis, twin_genesis(p->twin), 32);
    memcpy(header.prev, get_bytes(head, "batch_hash"), 32);
    if (b->publisher == BY_AUTHORITY) memcpy(header.publisher, get_bytes(head, "authority"), 32);
    if (b->publisher == BY_STRANGER) memcpy(header.publisher, person(PEOPLE - 1)->public_key, 32);
    if (b->publisher == BY_NEXT) {
        memcpy(header.publisher, get_bytes(head, "next_authority"), 32);
        header.committee_epoch = get(head, "next_epoch");
        /* Without one it is a plain batch of a stranger, not a takeover. */
        if (!header.committee_epoch) memcpy(header.publisher, person(PEOPLE - 1)->public_key, 32);
    }
    dsdn_batch_builder_reset(p->builder);
    for (uint32_t i = 0; i < b->bundle_cnt; i++) bundle_bytes(p, &b->bundles[i]);
    struct dsdn_view view;
    const struct dsdn_sign_key *key = p->verified ? person_of(header.publisher) : NULL;
    if (dsdn_batch_builder_finish(p->builder, &header, key, &view, &error)) {
        fprintf(stderr, "player: %s\n", error.message);
        abort();
    }
    free(p->bytes);
    p->bytes = must(malloc(view.len));
    memcpy(p->bytes, view.bytes, view.len);
    if (dsdn_batch_decode(p->bytes, view.len, batch, &error)) abort();
}

/* ---- comparing ---- */

static bool differ(struct player *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool differ(struct player *p, const char *format, ...)
{
    va_list list;
    int len = snprintf(p->report, REPORT, "seed %llu, batch %u: ", (unsigned long long)p->seed, p->batch);
    va_start(list, format);
    vsnprintf(p->report + len, REPORT - (size_t)len, format, list);
    va_end(list);
    return false;
}

static void hex(const uint8_t *bytes, size_t len, char *out, size_t cap)
{
    if (2 * len >= cap) len = (cap - 1) / 2;
    dsdn_hex_encode(bytes, len, out);
}

static const char *verdict_text(verdict v, char out[64])
{
    snprintf(out, 64, "%s %s", twin_outcome_name(v & 0xff), twin_code_name((uint16_t)(v >> 8)));
    return out;
}

static int id_order(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

/* The bytes of a column that is no number, as the twin writes them. */
static uint32_t column_bytes(const struct dsdn_state *s, const struct dsdn_column *c, const uint8_t *row,
                             uint8_t *out)
{
    const uint8_t *at = row + c->offset;
    const struct dsdn_table *target = &s->tables[c->target];
    switch (c->kind) {
    case DSDN_COLUMN_ref:
    case DSDN_COLUMN_opt_ref:
        if (dsdn_load32(at) == DSDN_NO_ROW) return 0;
        memcpy(out, dsdn_row_at(target, dsdn_load32(at), target->row_size), target->desc->key_len);
        return target->desc->key_len;
    case DSDN_COLUMN_refs:
        for (uint32_t i = 0; i < row[c->count_offset]; i++)
            memcpy(out + 32 * i, dsdn_row_at(target, dsdn_load32(at + 4 * i), target->row_size), 32);
        qsort(out, row[c->count_offset], 32, id_order);
        return 32u * row[c->count_offset];
    case DSDN_COLUMN_str:
    case DSDN_COLUMN_bytes: memcpy(out, at, row[c->count_offset]); return row[c->count_offset];
    default: memcpy(out, at, 32); return 32;
    }
}

static uint32_t number_width(enum dsdn_column_kind kind)
{
    switch (kind) {
    case DSDN_COLUMN_u8: return 1;
    case DSDN_COLUMN_u16: return 2;
    case DSDN_COLUMN_u32: return 4;
    case DSDN_COLUMN_u64:
    case DSDN_COLUMN_i64:
    case DSDN_COLUMN_time:
    case DSDN_COLUMN_height: return 8;
    default: return 0;
    }
}

static bool compare_column(struct player *p, const struct dsdn_table *table, const struct dsdn_column *c,
                           const uint8_t *row, const struct fact *fact)
{
    const struct dsdn_state *s = dsdn_engine_state(p->engine);
    uint8_t bytes[1024];
    char key[2 * DSDN_KEY_MAX + 1], its[256], theirs[256];
    uint32_t width = number_width(c->kind);
    const struct value *v = fact_value(fact, c->name);
    hex(row, table->desc->key_len, key, sizeof key);
    if (width) {
        uint64_t number = 0;
        memcpy(&number, row + c->offset, width);
        if (number == (v ? v->number : 0) && !(v && v->len)) return true;
        return differ(p, "table %s, key %s, column %s: engine %llu, twin %llu", table->desc->name, key,
                      c->name, (unsigned long long)number, (unsigned long long)(v ? v->number : 0));
    }
    uint32_t len = column_bytes(s, c, row, bytes);
    bool fixed = c->kind == DSDN_COLUMN_id || c->kind == DSDN_COLUMN_hash || c->kind == DSDN_COLUMN_addr;
    if (fixed ? same(bytes, get_bytes(fact, c->name))
              : len == (v ? v->len : 0) && (len == 0 || memcmp(bytes, v->bytes, len) == 0))
        return true;
    hex(bytes, len, its, sizeof its);
    hex(fixed ? get_bytes(fact, c->name)
        : v   ? v->bytes
              : NULL,
        fixed ? 32
        : v   ? v->len
              : 0,
        theirs, sizeof theirs);
    return differ(p, "table %s, key %s, column %s: engine %s, twin %s", table->desc->name, key, c->name, its,
                  theirs);
}

static bool compare_table(struct player *p, const struct dsdn_table *table)
{
    struct facts *facts = twin_facts(p->twin);
    struct fact_table *theirs = facts_table(facts, table->desc->name);
    char key[2 * DSDN_KEY_MAX + 1];
    uint32_t cnt = 0;
    for (uint32_t row = 0; row < table->row_end; row++) {
        if (!dsdn_table_live(table, row)) continue;
        const uint8_t *bytes = dsdn_row_at(table, row, table->desc->row_size);
        struct key k = key_of(bytes, table->desc->key_len);
        const struct fact *fact = facts_find(facts, table->desc->name, &k);
        hex(bytes, table->desc->key_len, key, sizeof key);
        if (!fact)
            return differ(p, "table %s, key %s: the engine has the row, the twin has not", table->desc->name,
                          key);
        for (const struct dsdn_column *c = table->desc->columns(); c->name; c++)
            if (!c->key && !compare_column(p, table, c, bytes, fact)) return false;
        cnt++;
    }
    for (uint32_t i = 0; cnt != theirs->cnt && i < theirs->cnt; i++) {
        const uint8_t *bytes = theirs->rows[i]->key.bytes;
        hex(bytes, theirs->rows[i]->key.len, key, sizeof key);
        if (theirs->rows[i]->key.len != table->desc->key_len ||
            dsdn_table_find(table, bytes, table->desc->key_len, table->desc->row_size,
                            dsdn_key_hash(table->state->seed, bytes, table->desc->key_len)) == DSDN_NO_ROW)
            return differ(p, "table %s, key %s: the twin has the row, the engine has not", table->desc->name,
                          key);
    }
    return true;
}

/* A name that the engine does not know would never be compared. */
static bool compare_names(struct player *p)
{
    const struct facts *facts = twin_facts(p->twin);
    uint32_t cnt;
    const struct dsdn_table_desc *const *descs = dsdn_engine_tables(p->engine, &cnt);
    for (uint32_t i = 0; i < facts->table_cnt; i++) {
        int number = dsdn_table_named(descs, cnt, facts->tables[i].name);
        if (number < 0) return differ(p, "the engine has no table %s", facts->tables[i].name);
        if (!facts->tables[i].cnt) continue;
        const struct fact *row = facts->tables[i].rows[0];
        for (uint32_t k = 0; k < row->value_cnt; k++) {
            const struct dsdn_column *c = descs[number]->columns();
            while (c->name && strcmp(c->name, row->values[k].name) != 0) c++;
            if (!c->name)
                return differ(p, "table %s has no column %s", facts->tables[i].name, row->values[k].name);
        }
    }
    return true;
}

bool player_compare(struct player *p)
{
    const struct dsdn_state *s = dsdn_engine_state(p->engine);
    for (uint32_t i = 0; i < s->table_cnt; i++)
        if (!compare_table(p, &s->tables[i])) return false;
    return p->batch % 16 != 0 || compare_names(p);
}

static bool compare_verdicts(struct player *p, const verdict *verdicts, uint32_t cnt)
{
    char its[64], theirs[64];
    if (cnt != p->prepared.op_cnt)
        return differ(p, "the twin decoded %u events of %u", cnt, p->prepared.op_cnt);
    for (uint32_t i = 0; i < cnt; i++)
        if (p->prepared.outcomes[i] != verdicts[i])
            return differ(p, "event %u (%s): engine %s, twin %s", i,
                          p->catalogue.events->events[p->prepared.ops[i].event].name,
                          verdict_text(p->prepared.outcomes[i], its), verdict_text(verdicts[i], theirs));
    return true;
}

static void cover(struct player *p, const struct played_batch *b, const verdict *verdicts, uint32_t cnt)
{
    struct coverage *c = p->coverage;
    if (!c) return;
    c->batches++;
    c->events += cnt;
    c->deadlines += twin_fired(p->twin);
    c->takeovers += b->publisher == BY_TAKEOVER;
    c->next_epochs += b->publisher == BY_NEXT;
    for (uint32_t i = 0; i < 16; i++) c->fired[i] += p->invariants.fired[i];
    memset(p->invariants.fired, 0, sizeof p->invariants.fired);
    for (uint32_t i = 0; i < cnt; i++) {
        c->outcomes[verdicts[i] & 0xff]++;
        if ((verdicts[i] & 0xff) == PRECONDITION) c->codes[verdicts[i] >> 8 & 0xff]++;
        if (verdicts[i] == OK) c->applied[p->prepared.ops[i].event]++;
    }
}

/* All that replay checks on other threads before the engine sees the batch. */
static bool checked_ahead(struct player *p, const struct played_batch *b, const struct dsdn_batch *batch,
                          struct dsdn_error *error)
{
    struct dsdn_prepared *one = &p->prepared;
    bool of_batch =
        (b->publisher == BY_AUTHORITY || b->publisher == BY_NEXT) && person_of(batch->header.publisher);
    dsdn_prepare_embedded(one, &p->catalogue, 0, UINT32_MAX, p->keys);
    return dsdn_prepare_hashes(&one, 1, DSDN_CHECK_BODY | DSDN_CHECK_EVENT_IDS | DSDN_CHECK_SIGNATURES,
                               error) == 0 &&
           dsdn_prepare_signatures(one, of_batch, 0, UINT32_MAX, p->keys, error) == 0;
}

enum played player_batch(struct player *p, const struct played_batch *b)
{
    static verdict verdicts[EVENTS];
    static uint8_t certificate_room[DSDN_QUORUM_MEMBER_MAX * 65 + 16];
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_batch batch;
    struct dsdn_certificate certificate, *given = NULL;
    batch_bytes(p, b, &batch);
    if (b->publisher >= BY_TAKEOVER && b->publisher <= BY_TAKEOVER_SPOILT) {
        size_t len = certificate_bytes(p, &batch, b->publisher, certificate_room, sizeof certificate_room);
        if (len && dsdn_certificate_decode(certificate_room, len, &certificate, &error) == 0)
            given = &certificate;
    }
    if (dsdn_prepare(&p->prepared, &p->catalogue, dsdn_engine_seed(p->engine), batch.bytes, batch.len,
                     &error)) {
        differ(p, "a batch does not decode: %s", error.message);
        return DIFFERENT;
    }
    if (p->verified && !checked_ahead(p, b, &batch, &error)) {
        differ(p, "a signature does not verify: %s", error.message);
        return DIFFERENT;
    }
    int judged = dsdn_engine_judge(p->engine, &p->prepared, given, &error);
    bool valid = twin_valid(p->twin, &batch, given);
    if (valid != (judged == 0)) {
        differ(p, "the engine says %s (%s), the twin says %s", dsdn_error_name(judged), error.message,
               valid ? "valid" : "not valid");
        return DIFFERENT;
    }
    p->batch++;
    if (!valid) {
        if (p->coverage) p->coverage->invalid++;
        return INVALID;
    }
    p->invariants.now = b->time_ms;
    p->invariants.first_ordinal = get(facts_table(twin_facts(p->twin), "head")->rows[0], "event_count");
    p->invariants.broken[0] = 0;
    if (dsdn_engine_apply(p->engine, &p->prepared, &error)) {
        differ(p, "the engine fails: %s", error.message);
        return DIFFERENT;
    }
    uint32_t cnt = twin_apply(p->twin, &batch, verdicts, EVENTS);
    if (cnt == UINT32_MAX) {
        differ(p, "the twin cannot read the batch");
        return DIFFERENT;
    }
    p->batch--; /* reports name the batch that was played */
    bool fine = compare_verdicts(p, verdicts, cnt) && player_compare(p);
    if (fine && p->invariants.broken[0]) fine = differ(p, "invariant: %s", p->invariants.broken);
    p->batch++;
    if (fine) cover(p, b, verdicts, cnt);
    return fine ? PLAYED : DIFFERENT;
}
