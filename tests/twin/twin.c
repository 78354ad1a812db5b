/* twin.c: what happens to a batch around its events: docs/formats/state.md, "Applying a batch". */
#include "tests/twin/rules.h"

#include "log/events.h"
#include "log/genesis.h"

#include <stdlib.h>

static const uint8_t nobody[32];

static const struct {
    const char *event;
    rule *decide;
} rules[] = {
    {"CheckpointDeclared", checkpoint_declared},
    {"ParamChanged", param_changed},
    {"WalletAffinityDeclared", wallet_affinity_declared},
    {"AuthorityReplaced", authority_replaced},
    {"NodeRegistered", node_registered},
    {"NodeUpdated", node_updated},
    {"OperatorBound", operator_bound},
    {"NodeTlsRotated", node_tls_rotated},
    {"NodeHeartbeat", node_heartbeat},
    {"NodeStatusSet", node_status_set},
    {"NodeDeregistered", node_deregistered},
    {"ObjectDeclared", object_declared},
    {"ChunkDeclared", chunk_declared},
    {"ReplicaAssigned", replica_assigned},
    {"ReplicaAdded", replica_added},
    {"ReplicaRemoved", replica_removed},
    {"DeleteRequested", delete_requested},
    {"ReplicaMissingReported", replica_missing_reported},
    {"ReplicaHealed", replica_healed},
    {"HealAssigned", heal_assigned},
    {"FallbackActivated", fallback_activated},
    {"FallbackDeactivated", fallback_deactivated},
    {"ReconciliationStarted", reconciliation_started},
    {"ReconciliationCompleted", reconciliation_completed},
    {"QuorumValidatorSetDeclared", quorum_validator_set_declared},
    {"CommitteeFormed", committee_formed},
    {"CommitteeHandoffStarted", committee_handoff_started},
    {"CommitteeHandoffCompleted", committee_handoff_completed},
    {"Transfer", transfer},
    {"StakeDeposited", stake_deposited},
    {"StakeWithdrawRequested", stake_withdraw_requested},
    {"SlashEvidenceSubmitted", slash_evidence_submitted},
    {"AuditRecordPosted", audit_record_posted},
    {"WormSegmentSealed", worm_segment_sealed},
    {"UpgradeScheduled", upgrade_scheduled},
    {"UpgradeCancelled", upgrade_cancelled},
};

static effect *const effects[] = {
    [BAN_END] = ban_end,
    [ASSIGNMENT_END] = assignment_end,
    [UNBONDING_END] = unbonding_end,
    [COOLDOWN_END] = cooldown_end,
    [REPLICA_SWEEP] = replica_sweep,
    [VALIDATOR_EPOCH] = validator_epoch,
    [TRANSFER_LINK_END] = transfer_link_end,
    [COMMITTEE_END] = committee_end,
};

struct fact *head(struct twin *t)
{
    static const struct key zero = {{0}, 1};
    return facts_make(&t->facts, "head", &zero);
}

int64_t twin_parameter(struct twin *t, const char *name)
{
    struct key k = {.len = 0};
    key_text(&k, name, (uint32_t)strlen(name), 48);
    const struct fact *row = facts_find(&t->facts, "parameter", &k);
    if (row) return (int64_t)get(row, "value");
    const struct dsdn_parameter_desc *known = dsdn_parameter_find(name, strlen(name));
    return known ? known->value : 0;
}

/* ---- deadlines ---- */

static struct key deadline_key(unsigned clock, uint64_t due, uint16_t kind, const void *subject, uint32_t len)
{
    struct key k = {.len = 0};
    key_number(&k, clock, 1);
    key_number(&k, due, 8);
    key_number(&k, kind, 2);
    key_text(&k, subject, len, 72);
    return k;
}

void deadline_set(struct twin *t, unsigned clock, uint64_t due, enum deadline_kind kind, const void *subject,
                  uint32_t len)
{
    struct key k = deadline_key(clock, due, (uint16_t)kind, subject, len);
    facts_make(&t->facts, "deadline", &k);
}

void deadline_drop(struct twin *t, unsigned clock, uint64_t due, enum deadline_kind kind, const void *subject,
                   uint32_t len)
{
    struct key k = deadline_key(clock, due, (uint16_t)kind, subject, len);
    struct fact *row = facts_find(&t->facts, "deadline", &k);
    if (row) facts_drop(&t->facts, "deadline", row);
}

static bool deadline_due(struct twin *t, const struct fact *row, const struct dsdn_header *b)
{
    bool primary = get(head(t), "has_primary");
    uint64_t due = dsdn_load64_be(row->key.bytes + 1);
    switch (row->key.bytes[0]) {
    case CLOCK_OBJECTION:
        if (!primary) return due <= b->time_ms;
        return due <= b->origin.time_ms && b->cursor.height == b->origin.height &&
               b->cursor.blob_index == DSDN_CURSOR_END;
    case CLOCK_HEIGHT: return primary && due <= b->origin.height;
    default: return due <= b->time_ms;
    }
}

static void drain(struct twin *t, const struct dsdn_header *b, uint64_t budget)
{
    for (uint8_t clock = 0; clock < 3; clock++)
        while (t->fired < budget) {
            struct fact_table *deadlines = facts_table(&t->facts, "deadline");
            struct fact *first = NULL;
            for (uint32_t i = 0; i < deadlines->cnt && !first; i++)
                if (deadlines->rows[i]->key.bytes[0] == clock) first = deadlines->rows[i];
            if (!first || !deadline_due(t, first, b)) break;
            struct key k = first->key;
            facts_drop(&t->facts, "deadline", first);
            unsigned kind = k.bytes[9] * 256u + k.bytes[10];
            if (kind >= BAN_END && kind <= COMMITTEE_END) effects[kind](t, k.bytes + 11);
            settle(t);
            t->fired++;
        }
}

/* ---- validity ---- */

static bool takeover_valid(struct twin *t, const struct dsdn_batch *batch, const struct dsdn_certificate *c)
{
    uint8_t members[32 * DSDN_QUORUM_MEMBER_MAX];
    uint32_t n = 0, set = (uint32_t)get(head(t), "quorum_set");
    const uint8_t *at = batch->body, *end = at + batch->header.body_len;
    struct dsdn_bundle bundle;
    struct dsdn_frame frame;
    if (!c || c->set_id != set || batch->header.bundle_count != 1) return false;
    if (batch->header.committee_epoch != get(head(t), "authority_epoch")) return false;
    if (batch->header.cursor.height != get(head(t), "cursor_height") ||
        batch->header.cursor.blob_index != get(head(t), "cursor_index"))
        return false;
    if (dsdn_bundle_next(batch->bytes, &at, end, &bundle, NULL)) return false;
    if (bundle.kind != DSDN_BUNDLE_AUTHORITY || bundle.event_count != 1) return false;
    at = bundle.events;
    if (dsdn_frame_next(batch->bytes, &at, end, &frame, NULL) || frame.type != 0x0006) return false;
    const struct fact_table *table = facts_table(&t->facts, "quorum_member");
    for (uint32_t i = 0; i < table->cnt; i++)
        if (__builtin_bswap32(dsdn_load32(table->rows[i]->key.bytes)) == set)
            memcpy(members + 32 * n++, get_bytes(table->rows[i], "member"), 32);
    return dsdn_certificate_verify(c, members, n, (uint8_t)get(head(t), "quorum_pct"), t->genesis,
                                   batch->header.sequence, batch->hash, t->keys, NULL) == 0;
}

/* The batch is the first of the next epoch. */
static bool next_epoch(struct twin *t, const struct dsdn_header *b)
{
    const struct fact *h = head(t);
    if (same(get_bytes(h, "next_authority"), nobody)) return false;
    return b->committee_epoch == get(h, "next_epoch") && same(b->publisher, get_bytes(h, "next_authority")) &&
           b->time_ms >= get(h, "next_from");
}

static bool upgrade_reached(struct twin *t, const struct fact *row, const struct dsdn_header *b)
{
    uint64_t height = dsdn_load64_be(row->key.bytes);
    return height <= (get(head(t), "has_primary") ? b->origin.height : b->sequence);
}

static uint64_t version_for(struct twin *t, const struct dsdn_header *b)
{
    uint64_t version = get(head(t), "version");
    const struct fact_table *upgrades = facts_table(&t->facts, "upgrade");
    for (uint32_t i = 0; i < upgrades->cnt; i++) {
        uint64_t its = dsdn_load64_be(upgrades->rows[i]->key.bytes + 8);
        if (upgrade_reached(t, upgrades->rows[i], b) && its > version) version = its;
    }
    return version;
}

bool twin_valid(struct twin *t, const struct dsdn_batch *batch, const struct dsdn_certificate *certificate)
{
    const struct dsdn_header *b = &batch->header;
    const struct fact *h = head(t);
    bool primary = get(h, "has_primary");
    if (!same(b->genesis, t->genesis) || b->sequence != get(h, "sequence") ||
        !same(b->prev, get_bytes(h, "batch_hash")))
        return false;
    if (batch->len > setting(t, "batch_max")) return false;
    if (version_for(t, b) > t->known_version) return false;
    if (same(b->publisher, nobody)) {
        if (!takeover_valid(t, batch, certificate)) return false;
    } else if (!next_epoch(t, b) && (!same(b->publisher, get_bytes(h, "authority")) ||
                                     b->committee_epoch != get(h, "authority_epoch")))
        return false;
    uint64_t height = get(h, "origin_height"), cursor = get(h, "cursor_height");
    uint64_t index = get(h, "cursor_index");
    if (!primary && (b->origin.height || b->origin.time_ms || !same(b->origin.hash, nobody) ||
                     b->cursor.height || b->cursor.blob_index))
        return false;
    if (primary) {
        if (b->origin.height < height) return false;
        if (b->origin.height == height && !same(b->origin.hash, get_bytes(h, "origin_hash"))) return false;
        if (b->origin.height == height && b->sequence && b->origin.time_ms != get(h, "origin_time"))
            return false;
        if (b->cursor.height > b->origin.height || b->cursor.height < cursor ||
            (b->cursor.height == cursor && b->cursor.blob_index < index))
            return false;
    }
    if (b->time_ms < get(h, "time_ms") || b->time_ms < b->origin.time_ms) return false;
    const uint8_t *at = batch->body, *end = at + b->body_len;
    bool others = false;
    while (at < end) {
        struct dsdn_bundle bundle;
        if (dsdn_bundle_next(batch->bytes, &at, end, &bundle, NULL)) return false;
        if (bundle.kind == DSDN_BUNDLE_DIRECT && (others || !primary)) return false;
        if (bundle.kind != DSDN_BUNDLE_DIRECT) others = true;
        const uint8_t *event = bundle.events;
        for (uint32_t i = 0; i < bundle.event_count; i++) {
            struct dsdn_frame frame;
            if (dsdn_frame_next(batch->bytes, &event, at, &frame, NULL)) return false;
            if (frame.type == 0x0006 && bundle.kind == DSDN_BUNDLE_AUTHORITY && !same(b->publisher, nobody))
                return false;
        }
    }
    if (same(b->publisher, nobody)) return true; /* a takeover ends any silence */
    struct dsdn_header unmoved = *b;
    unmoved.cursor = (struct dsdn_cursor){cursor, (uint32_t)index};
    uint64_t due = 0;
    const struct fact_table *deadlines = facts_table(&t->facts, "deadline");
    for (uint32_t i = 0; i < deadlines->cnt; i++) due += deadline_due(t, deadlines->rows[i], &unmoved);
    if (due > setting(t, "deadline_budget") &&
        (b->bundle_count || b->cursor.height != cursor || b->cursor.blob_index != index))
        return false;
    return true;
}

/* ---- bundles ---- */

static verdict nonce(struct twin *t, const struct dsdn_bundle *bundle)
{
    struct key k = key_of(bundle->author, 32);
    const struct fact *row = facts_find(&t->facts, "nonce", &k);
    uint64_t highest = row ? get(row, "highest") : 0, window = row ? get(row, "window") : 0;
    uint64_t n = bundle->nonce;
    if (n > highest && n - highest > 65536) return LIMIT;
    if (n <= highest && highest - n >= 64) return STALE;
    if (n <= highest && window >> (highest - n) & 1) return DUPLICATE;
    if (bundle->valid_until && t->now > bundle->valid_until) return EXPIRED;
    if (n > highest) {
        window = n - highest >= 64 ? 0 : window << (n - highest);
        highest = n;
    }
    struct fact *new = facts_make(&t->facts, "nonce", &k);
    set(new, "highest", highest);
    set(new, "window", window | 1ull << (highest - n));
    return OK;
}

static verdict decide(struct twin *t)
{
    uint8_t family = (uint8_t)(t->event->type >> 8);
    if (t->event->author == DSDN_AUTHOR_NONE) return NOT_AUTHORISED;
    if (t->event->author == DSDN_AUTHOR_AUTHORITY && !t->from_authority) return NOT_AUTHORISED;
    if (t->event->author == DSDN_AUTHOR_SIGNED && t->from_authority) return NOT_AUTHORISED;
    if ((family == 0x08 || family == 0x0C) && get(head(t), "feature_level") < 1) return DISABLED;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].event, t->event->name) == 0) return rules[i].decide(t);
    return DISABLED;
}

static bool bundle_apply(struct twin *t, const struct dsdn_batch *batch, const struct dsdn_bundle *bundle,
                         verdict *verdicts, uint32_t *cnt, uint32_t cap)
{
    const uint8_t *at = bundle->events, *end = at + bundle->events_len;
    t->from_authority = bundle->kind == DSDN_BUNDLE_AUTHORITY;
    verdict refused = t->from_authority ? OK : nonce(t, bundle);
    for (uint32_t i = 0; i < bundle->event_count; i++, t->ordinal++) {
        struct dsdn_frame frame;
        if (*cnt == cap || dsdn_frame_next(batch->bytes, &at, end, &frame, NULL)) return false;
        int index = dsdn_event_find(&dsdn_event_table, frame.type);
        if (index < 0) return false;
        t->author = bundle->author;
        t->nonce = bundle->nonce;
        t->event = &dsdn_event_table.events[index];
        t->version = frame.version;
        t->payload = frame.payload;
        t->len = frame.len;
        if (said_walk(t->event->fields(), frame.version, frame.payload, at, &t->said) != at) return false;
        verdicts[*cnt] = refused ? refused : decide(t);
        if (verdicts[(*cnt)++] == OK) settle(t);
    }
    return true;
}

/* Bundles of the direct kind, or all others. */
static bool bundles(struct twin *t, const struct dsdn_batch *batch, bool direct, verdict *verdicts,
                    uint32_t *cnt, uint32_t cap)
{
    const uint8_t *at = batch->body, *end = at + batch->header.body_len;
    while (at < end) {
        struct dsdn_bundle bundle;
        if (dsdn_bundle_next(batch->bytes, &at, end, &bundle, NULL)) return false;
        if ((bundle.kind == DSDN_BUNDLE_DIRECT) == direct &&
            !bundle_apply(t, batch, &bundle, verdicts, cnt, cap))
            return false;
    }
    return true;
}

/* ---- a batch ---- */

static void schedules(struct twin *t, const struct dsdn_header *b)
{
    struct fact_table *table;
    while ((table = facts_table(&t->facts, "upgrade"))->cnt && upgrade_reached(t, table->rows[0], b)) {
        uint64_t version = dsdn_load64_be(table->rows[0]->key.bytes + 8);
        if (version > get(head(t), "version")) set(head(t), "version", version);
        facts_drop(&t->facts, "upgrade", table->rows[0]);
    }
    if (!get(head(t), "has_primary")) return;
    while ((table = facts_table(&t->facts, "pending_param"))->cnt &&
           dsdn_load64_be(table->rows[0]->key.bytes) <= b->origin.height) {
        const struct value *name = fact_value(table->rows[0], "name");
        struct key k = {.len = 0};
        key_text(&k, name->bytes, name->len, 48);
        set(facts_make(&t->facts, "parameter", &k), "value", get(table->rows[0], "value"));
        facts_drop(&t->facts, "pending_param", table->rows[0]);
    }
}

/* Outcomes are counted, and what was not OK goes into the transcript. */
static void note(struct twin *t, const struct dsdn_batch *batch, uint64_t first, const verdict *verdicts,
                 uint32_t cnt)
{
    struct dsdn_sha256 h;
    uint8_t transcript[32], entry[11];
    dsdn_tag_init(&h, "dsdn/outcomes/1");
    dsdn_sha256_update(&h, get_bytes(head(t), "transcript"), 32);
    dsdn_sha256_update(&h, batch->hash, 32);
    for (uint32_t i = 0; i < cnt; i++) {
        uint8_t outcome = (uint8_t)verdicts[i];
        uint16_t code = (uint16_t)(verdicts[i] >> 8);
        struct key k = {.len = 0};
        key_number(&k, outcome, 1);
        key_number(&k, code, 2);
        struct fact *row = facts_make(&t->facts, "outcome_count", &k);
        set(row, "count", get(row, "count") + 1);
        dsdn_store64(entry, first + i);
        entry[8] = outcome;
        dsdn_store16(entry + 9, code);
        if (outcome != OK) dsdn_sha256_update(&h, entry, sizeof entry);
    }
    dsdn_sha256_final(&h, transcript);
    put_bytes(head(t), "transcript", transcript, 32);
}

/* Who pays no fee for a direct bundle: whoever has a part in the network. */
static bool registered(struct twin *t, const uint8_t *author)
{
    const struct fact *node = node_of(t, author), *h = head(t);
    if (node && get(node, "status") != CLOSED) return true;
    if (facts_by_id(&t->facts, "validator", author) || is_founder(t, author)) return true;
    if (same(author, get_bytes(h, "authority"))) return true;
    if (get(h, "next_epoch") && same(author, get_bytes(h, "next_authority"))) return true;
    const struct fact_table *seats = facts_table(&t->facts, "committee_member");
    for (uint32_t i = 0; i < seats->cnt; i++)
        if (same(author, get_bytes(seats->rows[i], "coordinator_id"))) return true;
    const struct fact_table *members = facts_table(&t->facts, "quorum_member");
    for (uint32_t i = 0; i < members->cnt; i++) {
        uint32_t set = __builtin_bswap32(dsdn_load32(members->rows[i]->key.bytes));
        if ((set == get(h, "quorum_set") || set == UINT32_MAX) &&
            same(author, get_bytes(members->rows[i], "member")))
            return true;
    }
    return false;
}

/* The fees of direct bundles, as far as their authors can pay. */
static void charge(struct twin *t, const struct dsdn_batch *batch)
{
    enum { BLOB_FRONT = 36, STEP = 16384 }; /* magic and genesis before the bundle; the fee is for 16 KiB */
    const uint8_t *at = batch->body, *end = at + batch->header.body_len;
    while (at < end) {
        struct dsdn_bundle bundle;
        if (dsdn_bundle_next(batch->bytes, &at, end, &bundle, NULL)) return;
        if (bundle.kind != DSDN_BUNDLE_DIRECT || registered(t, bundle.author)) continue;
        uint64_t len = BLOB_FRONT + DSDN_BUNDLE_LEN + bundle.events_len;
        uint64_t fee = (len + STEP - 1) / STEP * setting(t, "direct_fee");
        pay_fee(t, bundle.author, fee);
    }
}

uint32_t twin_apply(struct twin *t, const struct dsdn_batch *batch, verdict *verdicts, uint32_t cap)
{
    const struct dsdn_header *b = &batch->header;
    uint64_t budget = setting(t, "deadline_budget"), first = get(head(t), "event_count");
    uint32_t cnt = 0;
    t->now = b->time_ms;
    t->origin = b->origin;
    t->ordinal = first;
    t->fired = 0;
    charge(t, batch);
    if (next_epoch(t, b)) committee_takes_over(t);
    schedules(t, b);
    if (!bundles(t, batch, true, verdicts, &cnt, cap)) return UINT32_MAX;
    drain(t, b, budget);
    if (!bundles(t, batch, false, verdicts, &cnt, cap)) return UINT32_MAX;
    note(t, batch, first, verdicts, cnt);
    struct fact *h = head(t);
    set(h, "sequence", get(h, "sequence") + 1);
    put_bytes(h, "batch_hash", batch->hash, 32);
    set(h, "time_ms", b->time_ms);
    set(h, "origin_height", b->origin.height);
    set(h, "origin_time", b->origin.time_ms);
    put_bytes(h, "origin_hash", b->origin.hash, 32);
    set(h, "cursor_height", b->cursor.height);
    set(h, "cursor_index", b->cursor.blob_index);
    set(h, "committee_epoch", b->committee_epoch);
    set(h, "event_count", first + cnt);
    return cnt;
}

/* ---- life of a twin ---- */

struct twin *twin_new(const uint8_t *genesis, size_t len, uint64_t version)
{
    struct twin *t = calloc(1, sizeof *t);
    int index = dsdn_event_find(&dsdn_event_table, 0x0001);
    if (!t || index < 0 || !(t->keys = dsdn_key_cache_new(256))) abort();
    t->known_version = version;
    t->event = &dsdn_event_table.events[index];
    dsdn_tagged("dsdn/genesis/1", genesis, len, t->genesis);
    if (said_walk(t->event->fields(), 1, genesis, genesis + len, &t->said) != genesis + len) abort();
    genesis_state(t);
    genesis_chain(t);
    settle(t);
    return t;
}

void twin_free(struct twin *t)
{
    if (!t) return;
    facts_free(&t->facts);
    dsdn_key_cache_free(t->keys);
    free(t);
}

struct facts *twin_facts(struct twin *t)
{
    return &t->facts;
}

const uint8_t *twin_genesis(const struct twin *t)
{
    return t->genesis;
}

uint32_t twin_fired(const struct twin *t)
{
    return t->fired;
}
