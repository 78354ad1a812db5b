/* wild.c: genesis, batches and bundles of wild logs. */
#include "tests/twin/wild.h"

#include "log/events.h"
#include "log/hash.h"

#include <stdio.h>
#include <stdlib.h>

uint64_t below(struct wild *w, uint64_t n)
{
    return dsdn_random_below(&w->random, n);
}

const uint8_t *id_of(uint32_t person_number)
{
    return person(person_number)->public_key;
}

uint64_t head_number(struct wild *w, const char *column)
{
    return get(facts_table(twin_facts(w->twin), "head")->rows[0], column);
}

void *room(struct wild *w, size_t len)
{
    w->room_used = (w->room_used + 15u) & ~15u;
    if (len > WILD_ROOM - w->room_used) abort();
    void *p = w->room + w->room_used;
    w->room_used += (uint32_t)len;
    return p;
}

const uint8_t *thing(struct wild *w, const char *what, uint64_t number)
{
    uint8_t *id = room(w, 32), le[8];
    dsdn_store64(le, number);
    dsdn_tagged(what, le, 8, id);
    if (number == 11) memset(id, 0, 32); /* nothing is special about zero */
    return id;
}

static int id_order(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

void sort_ids(void *ids, uint32_t cnt)
{
    qsort(ids, cnt, 32, id_order);
}

struct fact *some(struct wild *w, const char *table)
{
    const struct fact_table *t = facts_table(twin_facts(w->twin), table);
    return t->cnt ? t->rows[below(w, t->cnt)] : NULL;
}

/* ---- genesis ---- */

struct parameter_choice {
    const char *name;
    int64_t values[4];
};

/* Small values, so that limits and ends are reached; sorted by name, as a genesis lists them. */
static const struct parameter_choice parameter_choices[] = {
    {"affinity_transfer_min", {100, 100, 1000, 1}},
    {"affinity_window_ms", {1000, 5000, 100000, 1000}},
    {"attest_every", {1, 2, 3, 1}},
    {"ban_ms", {1000, 5000, 100000, 1000}},
    {"deadline_budget", {20000, 20000, 3, 1}},
    {"direct_fee", {0, 10, 100, 1000000}},
    {"fault_window_ms", {1000, 100000, 1000000, 1000000}},
    {"gate_pilot", {0, 0, 0, 1}},
    {"handoff_ms", {1000, 1000, 5000, 86400000}},
    {"heartbeat_min_interval_ms", {0, 1000, 1000, 60000}},
    {"liveness_timeout_ms", {60000, 60000, 60000, 60001}},
    {"max_validators", {1, 2, 3, 100}},
    {"slash_cooldown_ms", {1, 1000, 5000, 100000}},
    {"slash_corruption_bps", {500, 3333, 10000, 0}},
    {"slash_double_sign_bps", {1000, 9999, 1, 5000}},
    {"slash_liveness_bps", {50, 5000, 10000, 1}},
    {"stake_min_datacenter", {2000, 2000, 2000, 0}},
    {"stake_min_reguler", {1000, 1000, 1000, 0}},
    {"stake_min_validator", {5000, 5000, 5000, 1}},
    {"transfer_fee", {0, 5, 5, 1000}},
    {"unbonding_ms", {1000, 5000, 100000, 1000}},
    {"validator_epoch_ms", {1000, 5000, 60000, 1000}},
};

static void append(struct dsdn_list *list, const void *bytes, uint32_t len)
{
    memcpy((uint8_t *)(uintptr_t)list->items + list->len, bytes, len);
    list->len += len;
}

/* cnt people from `first` on, sorted. */
static struct dsdn_list sorted_people(struct wild *w, uint32_t first, uint32_t cnt)
{
    uint8_t *ids = room(w, 32u * cnt + 1);
    for (uint32_t i = 0; i < cnt; i++) memcpy(ids + 32 * i, id_of(first + i), 32);
    sort_ids(ids, cnt);
    return (struct dsdn_list){ids, cnt, 32 * cnt};
}

static void genesis_parameters(struct wild *w, struct dsdn_ev_genesis_declared *g)
{
    bool limits = w->theme >= WILD_PENDING;
    g->params.items = room(w, 8192);
    for (size_t i = 0; i < sizeof parameter_choices / sizeof *parameter_choices; i++) {
        const struct parameter_choice *c = &parameter_choices[i];
        uint8_t len = (uint8_t)strlen(c->name), value[8];
        int64_t chosen = c->values[below(w, 4)];
        if (limits && strcmp(c->name, "gate_pilot") == 0) chosen = 0;
        if (limits && strcmp(c->name, "unbonding_ms") == 0) chosen = 1000000;
        if (limits && strcmp(c->name, "deadline_budget") == 0 && w->theme != WILD_SWEEP) chosen = 20000;
        if (one_in(w, 8) && strncmp(c->name, "stake_min", 9) != 0 && strncmp(c->name, "affinity", 8) != 0)
            continue;
        append(&g->params, &len, 1);
        append(&g->params, c->name, len);
        dsdn_store64(value, (uint64_t)chosen);
        append(&g->params, value, 8);
        g->params.count++;
    }
}

static void genesis_people(struct wild *w, struct dsdn_ev_genesis_declared *g)
{
    uint8_t record[128], *at;
    g->allocations.items = room(w, 4096);
    for (uint32_t i = 0; i < WALLET_CNT + VALIDATOR_CNT + 1; i++) { /* vesting starts around the genesis */
        uint32_t whose = i < WALLET_CNT                   ? WALLETS + i
                         : i < WALLET_CNT + VALIDATOR_CNT ? VALIDATORS + i - WALLET_CNT
                                                          : NODES + 4;
        bool vests = one_in(w, 4);
        uint64_t numbers[3] = {vests ? 999000 + below(w, 3) * 1000 : 0, vests ? below(w, 4) : 0,
                               vests ? below(w, 200) : 0};
        memcpy(record, id_of(whose), 32);
        record[32] = one_in(w, 12);
        dsdn_store64(record + 33, w->theme >= WILD_PENDING ? 10000000 : 1000 + below(w, 100000));
        memcpy(record + 41, numbers, 24);
        record[65] = (uint8_t)i;
        append(&g->allocations, record, 66);
        g->allocations.count++;
    }
    g->validators.items = room(w, 2048);
    uint64_t validators = below(w, 4);
    for (uint32_t i = 0; i < validators; i++) {
        memcpy(record, id_of(VALIDATORS + i), 32);
        record[32] = one_in(w, 12);
        dsdn_store64(record + 33, one_in(w, 8) ? 0 : 4999 + below(w, 3) * 1000);
        at = dsdn_varint_put(record + 41, 1);
        *at++ = (uint8_t)('a' + i);
        append(&g->validators, record, (uint32_t)(at - record));
        g->validators.count++;
    }
    g->coordinator = id_of(AUTHORITIES);
    if (validators < 3 || !one_in(w, 2)) return;
    g->coordinator = NULL; /* a committee of three */
    g->group_public = id_of(AUTHORITIES);
    g->committee_threshold = one_in(w, 2) ? 2 : 3;
    g->committee.items = room(w, 1024);
    for (uint32_t i = 0; i < 3; i++) {
        memcpy(record, id_of(SEATS + i), 32);
        memcpy(record + 32, id_of(VALIDATORS + i), 32);
        memset(record + 64, (int)i, 32);
        dsdn_store16(record + 96, (uint16_t)(i + 1));
        append(&g->committee, record, 98);
        g->committee.count++;
    }
}

void wild_begin(struct wild *w, uint64_t seed, struct played_log *log)
{
    static const uint8_t zero[32];
    struct dsdn_error error = DSDN_ERROR_INIT;
    memset(w, 0, sizeof *w);
    memset(log, 0, sizeof *log);
    dsdn_random_seed(&w->random, seed);
    w->seed = seed;
    /* Scripts that fill something up are long: one log in five. */
    w->theme = (enum wild_theme)(seed % 30 < 24 ? seed % 8 : WILD_PENDING + seed % 30 - 24);
    w->verified = below(w, 16) == 0;
    w->event_target = UINT32_MAX;
    w->node_cnt = 3 + (uint32_t)below(w, 6);
    w->zone_cnt = 1 + (uint32_t)below(w, 4);
    uint64_t primary = w->theme == WILD_PENDING || w->theme == WILD_FALLBACK || below(w, 8);
    uint64_t level =
        w->theme == WILD_UNBONDING || w->theme == WILD_CHAIN || w->theme == WILD_FAULTS || below(w, 4);
    if (w->theme == WILD_CROWD || w->theme == WILD_SWEEP || w->theme == WILD_FULL) level = below(w, 8) == 0;
    if (w->theme == WILD_CROWD) w->node_cnt = 18, w->zone_cnt = 2 + (uint32_t)below(w, 18);
    if (w->theme == WILD_SWEEP || w->theme == WILD_FULL) w->node_cnt = 2;
    uint64_t founders = w->theme >= WILD_PENDING ? 1 : below(w, FOUNDER_CNT + 1);
    uint64_t quorum = below(w, 4) ? 1 + below(w, 5) : 0;
    static const uint8_t percents[] = {67, 67, 68, 75, 99, 100};
    struct dsdn_ev_genesis_declared g = {
        .network_id = {(const uint8_t *)"wild", 4},
        .da_namespace = zero,
        .da_start_hash = zero,
        .version_major = 1,
        .quorum_members = sorted_people(w, QUORUM, (uint32_t)quorum),
        .quorum_threshold_pct = quorum ? percents[below(w, 6)] : 0,
        .chain_profile = DSDN_PROFILE_DEVNET,
        .feature_level = level != 0,
        .genesis_time = 1000000,
        .founder_keys = sorted_people(w, FOUNDERS, (uint32_t)founders),
        .founder_m = founders ? (uint8_t)(1 + below(w, founders < 3 ? founders : 3)) : 0,
        .tss_transcript = zero,
    };
    if (primary) {
        g.da_chain_id = (struct dsdn_view){(const uint8_t *)"mock", 4};
        g.da_start = 100;
        g.da_start_hash = thing(w, "header", 100);
    }
    genesis_parameters(w, &g);
    genesis_people(w, &g);
    if (dsdn_genesis_encode(&log->genesis, &g, &error)) {
        fprintf(stderr, "wild: seed %llu: %s\n", (unsigned long long)seed, error.message);
        abort();
    }
    log->seed = seed;
    log->verified = w->verified;
}

/* ---- embedded signatures ---- */

static void sign_at(struct wild *w, const uint8_t digest[32], const uint8_t *signer, uint8_t *signature)
{
    const struct dsdn_sign_key *key = person_of(signer);
    memset(signature, 7, 64);
    if (key) dsdn_sign(key, digest, signature);
    if (one_in(w, 24)) signature[below(w, 64)] ^= (uint8_t)(1u << below(w, 8));
}

/* Fills in every signature of a payload. */
static void sign_payload(struct wild *w, const struct draft *d, uint64_t nonce, uint8_t *payload,
                         uint32_t len)
{
    static const uint8_t zero[32];
    const struct dsdn_event_desc *desc = &dsdn_event_table.events[d->event];
    const uint8_t *author = d->author == NOBODY ? zero : id_of((uint32_t)d->author), *signer = NULL;
    union dsdn_decoded decoded;
    uint8_t digest[32];
    if (dsdn_event_decode(desc, d->version, payload, len, &decoded, NULL)) abort();
    for (const struct dsdn_field *f = desc->fields(); f->name; f++) {
        const uint8_t *at = NULL;
        if (f->kind == DSDN_K_id && strcmp(f->name, "node_id") == 0) signer = dsdn_field_pointer(f, &decoded);
        if (f->kind == DSDN_K_addr && strcmp(f->name, "b") == 0) signer = dsdn_field_pointer(f, &decoded);
        if (f->kind == DSDN_K_sig || f->kind == DSDN_K_opt_sig) at = dsdn_field_pointer(f, &decoded);
        bool approvals = f->kind == DSDN_K_list && strcmp(f->name, "approvals") == 0;
        if (!at && !approvals) continue;
        twin_embedded(twin_genesis(w->twin), author, nonce, desc->type, d->version, f->name, payload, len,
                      digest);
        if (at && signer) sign_at(w, digest, signer, payload + (at - payload));
        if (!approvals) continue;
        struct dsdn_list list;
        memcpy(&list, decoded.bytes + f->offset, sizeof list);
        for (uint32_t i = 0; i < list.count; i++)
            sign_at(w, digest, list.items + 96 * i, payload + (list.items - payload) + 96 * i + 32);
    }
}

/* ---- bundles ---- */

static uint64_t nonce_for(struct wild *w, int author)
{
    uint64_t *highest = &w->nonces[author], last = *highest;
    if (one_in(w, 40)) switch (below(w, 7)) {
        case 0: return last;                      /* DUPLICATE */
        case 1: return last > 64 ? last - 64 : 0; /* just STALE, or accepted long ago */
        case 2: return last > 63 ? last - 63 : 1; /* just not */
        case 3: return last + 65537;              /* LIMIT */
        case 4: return *highest = last + 65536;   /* just not */
        case 5: return *highest = last + 63 + below(w, 3);
        default: return last - (last > 5 ? 5 : 0);
        }
    return *highest = last + 1 + (one_in(w, 10) ? below(w, 3) : 0);
}

static struct played_bundle *bundle_for(struct wild *w, int author)
{
    struct played_batch *b = w->batch;
    static const uint8_t zero[32];
    const uint8_t *id = author == NOBODY ? zero : id_of((uint32_t)author);
    if (b->bundle_cnt && same(b->bundles[b->bundle_cnt - 1].author, id) && !one_in(w, 4))
        return &b->bundles[b->bundle_cnt - 1];
    uint8_t kind = author == NOBODY ? DSDN_BUNDLE_AUTHORITY : DSDN_BUNDLE_POOL;
    if (kind == DSDN_BUNDLE_POOL && head_number(w, "has_primary") && one_in(w, 8)) kind = DSDN_BUNDLE_DIRECT;
    struct played_bundle *bundle = played_bundle_add(b, kind);
    memcpy(bundle->author, id, 32);
    if (author == NOBODY) return bundle;
    bundle->nonce = nonce_for(w, author);
    if (one_in(w, 16)) bundle->valid_until = w->now - 1 + below(w, 3);
    return bundle;
}

static void remember(struct wild *w, const struct draft *d, const uint8_t *payload, uint32_t len)
{
    struct said_before *m = &w->memory[w->memory_cnt++ % WILD_MEMORY];
    if (len > sizeof m->payload) {
        w->memory_cnt--;
        return;
    }
    *m = (struct said_before){.event = d->event, .author = d->author, .version = d->version, .len = len};
    memcpy(m->payload, payload, len);
}

static bool payload_of(const struct draft *d, uint8_t *payload, uint32_t *len)
{
    return dsdn_event_encode(&dsdn_event_table.events[d->event], d->version, &d->d, payload, WILD_PAYLOAD,
                             len, NULL) == 0;
}

static void say(struct wild *w, const struct draft *d)
{
    static uint8_t payload[WILD_PAYLOAD];
    uint32_t len;
    if (!payload_of(d, payload, &len)) return; /* bent out of shape */
    struct played_bundle *bundle = bundle_for(w, d->author);
    sign_payload(w, d, bundle->nonce, payload, len);
    played_event_add(bundle, dsdn_event_table.events[d->event].type, d->version, payload, len);
    remember(w, d, payload, len);
    w->event_cnt++;
}

/* Says something again, to the letter or nearly. */
static void say_again(struct wild *w)
{
    uint32_t known = w->memory_cnt < WILD_MEMORY ? w->memory_cnt : WILD_MEMORY;
    if (!known) return;
    const struct said_before *m = &w->memory[below(w, known)];
    uint8_t payload[sizeof m->payload];
    memcpy(payload, m->payload, m->len);
    struct draft d = {.event = m->event, .author = m->author, .version = m->version};
    uint32_t len = m->len;
    if (one_in(w, 3) && len) { /* one byte is another, where it still decodes */
        payload[below(w, len)] ^= (uint8_t)(1u << below(w, 8));
        if (dsdn_event_decode(&dsdn_event_table.events[d.event], d.version, payload, len, &d.d, NULL)) return;
    }
    struct played_bundle *bundle = bundle_for(w, d.author);
    sign_payload(w, &d, bundle->nonce, payload, len);
    played_event_add(bundle, dsdn_event_table.events[d.event].type, d.version, payload, len);
    w->event_cnt++;
}

/* ---- batches ---- */

/* A time near which something happens, or a little later than the last one. */
static uint64_t next_time(struct wild *w)
{
    static const uint64_t steps[] = {0, 0, 1, 1, 500, 999, 1000, 1001, 5000, 60000};
    uint64_t now = head_number(w, "time_ms"), at = 0;
    const struct fact *row;
    switch (below(w, 8)) {
    case 0:
    case 1:
    case 2:
        if ((row = some(w, "deadline")) && row->key.bytes[0] != 1) at = dsdn_load64_be(row->key.bytes + 1);
        break;
    case 3:
        if ((row = some(w, "node")) && below(w, 2))
            at = get(row, below(w, 2) ? "tls_not_after" : "binding_expiry");
        else if (row)
            at = (get(row, "last_seen_ms") > get(row, "status_ms") ? get(row, "last_seen_ms")
                                                                   : get(row, "status_ms")) +
                 (uint64_t)twin_parameter(w->twin, "liveness_timeout_ms");
        break;
    case 4:
        if ((row = some(w, "node")))
            at = get(row, "last_seen_ms") + (uint64_t)twin_parameter(w->twin, "heartbeat_min_interval_ms");
        break;
    case 5: at = head_number(w, "next_from"); break;
    default: break;
    }
    at += below(w, 3) - 1;
    if (at >= now && at - now < 1000000) return at;
    return now + steps[below(w, w->theme == WILD_UNBONDING ? 4 : 10)];
}

static void next_origin(struct wild *w, struct played_batch *b)
{
    static const uint64_t steps[] = {0, 0, 0, 1, 1, 2, 5};
    const struct fact *row;
    const struct fact *head = facts_table(twin_facts(w->twin), "head")->rows[0];
    uint64_t height = get(head, "origin_height"), next = height + steps[below(w, 7)];
    if (one_in(w, 6) && (row = some(w, one_in(w, 2) ? "pending_param" : "upgrade"))) {
        uint64_t there = dsdn_load64_be(row->key.bytes) - below(w, 2);
        if (there > height && there - height < 1000) next = there;
    }
    b->origin.height = next;
    if (next == height) {
        b->origin.time_ms = get(head, "sequence") ? get(head, "origin_time") : b->time_ms - below(w, 2);
        memcpy(b->origin.hash, get_bytes(head, "origin_hash"), 32);
    } else {
        uint64_t age = one_in(w, 3) ? below(w, 1500) : 0;
        b->origin.time_ms = b->time_ms - age;
        memcpy(b->origin.hash, thing(w, "header", next), 32);
    }
    b->cursor = (struct dsdn_cursor){next, DSDN_CURSOR_END};
    if (w->quiet || (one_in(w, 4) && get(head, "cursor_height")))
        b->cursor = (struct dsdn_cursor){get(head, "cursor_height"), (uint32_t)get(head, "cursor_index")};
    else if (one_in(w, 8) && next > get(head, "cursor_height"))
        b->cursor.blob_index = (uint32_t)below(w, 3);
}

/* Something that makes a batch invalid. */
static void spoil(struct wild *w, struct played_batch *b)
{
    switch (below(w, 7)) {
    case 0: b->time_ms = head_number(w, "time_ms") - 1; break;
    case 1: b->origin.height--; break;
    case 2: b->origin.hash[3] ^= 1; break;
    case 3: b->cursor.height = b->origin.height + 1; break;
    case 4: b->publisher = BY_STRANGER; break;
    case 5: b->publisher = BY_NEXT; break;
    default: b->origin.time_ms = b->time_ms + 1;
    }
}

static bool takeover(struct wild *w, struct played_batch *b)
{
    uint64_t odds = w->theme == WILD_COMMITTEE ? 12 : 120;
    if (!one_in(w, odds)) return false;
    struct draft d;
    wild_takeover(w, &d);
    if (!one_in(w, 12)) /* it takes no direct bundles */
        b->cursor =
            (struct dsdn_cursor){head_number(w, "cursor_height"), (uint32_t)head_number(w, "cursor_index")};
    b->publisher = (enum publisher)(one_in(w, 4) ? BY_TAKEOVER + below(w, 3) : BY_TAKEOVER);
    say(w, &d);
    return true;
}

static int direct_first(const void *a, const void *b)
{
    const struct played_bundle *x = a, *y = b;
    return (x->kind != DSDN_BUNDLE_DIRECT) - (y->kind != DSDN_BUNDLE_DIRECT);
}

/* Direct bundles go to the front; all others keep their order. */
static void order_bundles(struct played_batch *b)
{
    for (uint32_t i = 1; i < b->bundle_cnt; i++) {
        struct played_bundle moved = b->bundles[i];
        uint32_t at = i;
        for (; at && direct_first(&b->bundles[at - 1], &moved) > 0; at--) b->bundles[at] = b->bundles[at - 1];
        b->bundles[at] = moved;
    }
}

bool wild_next(struct wild *w, struct played_batch *b)
{
    struct draft d;
    bool apart = false, scripted = true;
    if (w->event_cnt >= w->event_target) return false;
    if (w->refused > 8) return false; /* a version that no program knows is in force: the end */
    w->batch = b;
    w->room_used = 0;
    b->time_ms = w->now = next_time(w);
    if (head_number(w, "has_primary")) next_origin(w, b);
    b->publisher = BY_AUTHORITY;
    if (head_number(w, "next_epoch") && one_in(w, 2) && b->time_ms >= head_number(w, "next_from"))
        b->publisher = BY_NEXT;
    if (w->quiet) {
        w->quiet = false;
        return true;
    }
    if (takeover(w, b)) return true;
    uint64_t events = one_in(w, 12) ? 0 : 2 + below(w, 9);
    for (uint32_t i = 0; i < (scripted ? 24 : events); i++) {
        w->room_used = 0;
        scripted = scripted && wild_script(w, &d, &apart);
        if (!scripted && w->event_target == UINT32_MAX)
            w->event_target = w->event_cnt + 40 + (uint32_t)below(w, 70);
        if (scripted && apart && i) break; /* the next batch begins with it */
        if (!scripted && one_in(w, 8)) {
            say_again(w);
            continue;
        }
        if (!scripted) wild_draft(w, &d);
        say(w, &d);
        if (scripted) w->phase_at++;
    }
    order_bundles(b);
    if (!scripted && one_in(w, 30)) spoil(w, b);
    return true;
}

void wild_judged(struct wild *w, enum played played)
{
    /* Too many deadlines were due, perhaps: then only an empty batch may come. */
    w->quiet = played == INVALID;
    w->refused = played == INVALID ? w->refused + 1 : 0;
}
