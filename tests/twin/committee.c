/* committee.c: authority, committees, hand-off, fallback: reducers.md, "System" and "Fallback". */
#include "tests/twin/rules.h"

static const uint8_t nobody[32];

static struct key epoch_key(uint64_t epoch)
{
    struct key k = {.len = 0};
    key_number(&k, epoch, 8);
    return k;
}

static struct fact *committee_of(struct twin *t, uint64_t epoch)
{
    struct key k = epoch_key(epoch);
    return facts_find(&t->facts, "committee", &k);
}

static void members_go(struct twin *t, uint64_t epoch)
{
    struct fact_table *members = facts_table(&t->facts, "committee_member");
    for (uint32_t i = members->cnt; i--;)
        if (dsdn_load64_be(members->rows[i]->key.bytes) == epoch)
            facts_drop(&t->facts, "committee_member", members->rows[i]);
}

static void committee_goes(struct twin *t, uint64_t epoch)
{
    struct fact *row = committee_of(t, epoch);
    members_go(t, epoch);
    if (row) facts_drop(&t->facts, "committee", row);
}

static void members_come(struct twin *t, const char *list, uint64_t epoch)
{
    for (uint32_t i = 0; i < count(t, list); i++) {
        struct said item;
        struct key k = epoch_key(epoch);
        said_item(&t->said, list, i, &item);
        key_number(&k, i, 2);
        struct fact *row = facts_make(&t->facts, "committee_member", &k);
        put_bytes(row, "coordinator_id", said_bytes(&item, "coordinator_id"), 32);
        put_bytes(row, "validator_id", said_bytes(&item, "validator_id"), 32);
        put_bytes(row, "share_public", said_bytes(&item, "share_public"), 32);
        set(row, "share_index", said_number(&item, "share_index"));
    }
}

/* coordinator_ids are distinct and not zero, share indexes distinct and not 0. */
static bool seats_fine(struct twin *t, const char *list)
{
    for (uint32_t i = 0; i < count(t, list); i++) {
        struct said a, b;
        said_item(&t->said, list, i, &a);
        if (same(said_bytes(&a, "coordinator_id"), nobody) || said_number(&a, "share_index") == 0)
            return false;
        for (uint32_t k = 0; k < i; k++) {
            said_item(&t->said, list, k, &b);
            if (same(said_bytes(&a, "coordinator_id"), said_bytes(&b, "coordinator_id"))) return false;
            if (said_number(&a, "share_index") == said_number(&b, "share_index")) return false;
        }
    }
    return true;
}

static void no_next(struct twin *t)
{
    put_bytes(head(t), "next_authority", nobody, 32);
    set(head(t), "next_epoch", 0);
    set(head(t), "next_from", 0);
}

verdict authority_replaced(struct twin *t)
{
    uint32_t n = count(t, "committee");
    bool publisher = given(t, "publisher"), group = given(t, "group_public");
    if (n ? !group || publisher : group || !publisher) return unmet("AUTHORITY_SHAPE");
    const uint8_t *key = n ? bytes(t, "group_public") : bytes(t, "publisher");
    if (same(key, nobody) || !seats_fine(t, "committee")) return unmet("AUTHORITY_SHAPE");
    if (number(t, "threshold") != (n ? 2 * n / 3 + 1 : 0)) return unmet("AUTHORITY_THRESHOLD");
    if (same(key, get_bytes(head(t), "authority"))) return NO_EFFECT;
    uint64_t e = get(head(t), "authority_epoch") + 1;
    committee_goes(t, e - 1);
    committee_goes(t, e);
    if (n) {
        struct key k = epoch_key(e);
        members_come(t, "committee", e);
        struct fact *row = facts_make(&t->facts, "committee", &k);
        put_bytes(row, "group_public", key, 32);
        set(row, "threshold", number(t, "threshold"));
        set(row, "state", 1);
        set(row, "method", 3);
        set(row, "epoch_start", t->now);
        set(row, "handoff_start", t->now);
    }
    put_bytes(head(t), "authority", key, 32);
    set(head(t), "authority_epoch", e);
    no_next(t);
    return OK;
}

static bool formed_the_same(struct twin *t, const struct fact *row, uint64_t epoch)
{
    if (!same(get_bytes(row, "group_public"), bytes(t, "group_public")) ||
        get(row, "threshold") != number(t, "threshold") ||
        get(row, "epoch_start") != number(t, "epoch_start") ||
        get(row, "duration_s") != number(t, "duration_s") || !same(get_bytes(row, "seed"), bytes(t, "seed")))
        return false;
    uint32_t n = 0;
    const struct fact_table *members = facts_table(&t->facts, "committee_member");
    for (uint32_t i = 0; i < members->cnt; i++) n += dsdn_load64_be(members->rows[i]->key.bytes) == epoch;
    if (n != count(t, "members")) return false;
    for (uint32_t i = 0; i < n; i++) {
        struct said item;
        struct key k = epoch_key(epoch);
        key_number(&k, i, 2);
        said_item(&t->said, "members", i, &item);
        const struct fact *seat = facts_find(&t->facts, "committee_member", &k);
        if (!seat || !same(get_bytes(seat, "coordinator_id"), said_bytes(&item, "coordinator_id")) ||
            !same(get_bytes(seat, "validator_id"), said_bytes(&item, "validator_id")) ||
            !same(get_bytes(seat, "share_public"), said_bytes(&item, "share_public")) ||
            get(seat, "share_index") != said_number(&item, "share_index"))
            return false;
    }
    return true;
}

verdict committee_formed(struct twin *t)
{
    uint64_t epoch = number(t, "epoch");
    uint32_t n = count(t, "members");
    if (epoch != get(head(t), "authority_epoch") + 1) return unmet("COMMITTEE_EPOCH");
    if (number(t, "method") != 1) return unmet("COMMITTEE_METHOD");
    if (number(t, "duration_s") == 0) return unmet("COMMITTEE_DURATION");
    if (n == 0 || same(bytes(t, "group_public"), nobody) || !seats_fine(t, "members"))
        return unmet("AUTHORITY_SHAPE");
    if (number(t, "threshold") != 2 * n / 3 + 1) return unmet("AUTHORITY_THRESHOLD");
    struct fact *row = committee_of(t, epoch);
    if (row && formed_the_same(t, row, epoch)) return NO_EFFECT;
    if (row && get(row, "state") == 2 && get(row, "handoff_end") > t->now) return unmet("HANDOFF_OPEN");
    struct key k = epoch_key(epoch);
    committee_goes(t, epoch);
    row = facts_make(&t->facts, "committee", &k);
    put_bytes(row, "group_public", bytes(t, "group_public"), 32);
    set(row, "threshold", number(t, "threshold"));
    set(row, "method", 1);
    set(row, "epoch_start", number(t, "epoch_start"));
    set(row, "duration_s", number(t, "duration_s"));
    put_bytes(row, "seed", bytes(t, "seed"), 32);
    members_come(t, "members", epoch);
    no_next(t);
    return OK;
}

verdict committee_handoff_started(struct twin *t)
{
    uint64_t from = number(t, "from_epoch"), to = number(t, "to_epoch");
    uint64_t start = number(t, "start"), end = number(t, "end");
    if (from != get(head(t), "authority_epoch") || to != from + 1) return unmet("COMMITTEE_EPOCH");
    struct fact *row = committee_of(t, to);
    if (!row) return unmet("COMMITTEE_UNKNOWN");
    if (get(row, "state") == 2)
        return get(row, "handoff_start") == start && get(row, "handoff_end") == end ? NO_EFFECT
                                                                                    : unmet("HANDOFF_OPEN");
    if (start < t->now || end != later(start, setting(t, "handoff_ms"))) return unmet("HANDOFF_TIMES");
    set(row, "state", 2);
    set(row, "handoff_start", start);
    set(row, "handoff_end", end);
    put_bytes(head(t), "next_authority", get_bytes(row, "group_public"), 32);
    set(head(t), "next_epoch", to);
    set(head(t), "next_from", start);
    return OK;
}

void committee_takes_over(struct twin *t)
{
    uint64_t epoch = get(head(t), "next_epoch");
    put_bytes(head(t), "authority", get_bytes(head(t), "next_authority"), 32);
    set(head(t), "authority_epoch", epoch);
    no_next(t);
    struct fact *new = committee_of(t, epoch), *old = committee_of(t, epoch - 1);
    if (new) set(new, "state", 1);
    if (old) set(old, "state", 3);
}

verdict committee_handoff_completed(struct twin *t)
{
    uint64_t to = number(t, "to_epoch");
    if (to != get(head(t), "authority_epoch")) return unmet("COMMITTEE_EPOCH");
    struct fact *row = committee_of(t, to);
    if (!row) return unmet("COMMITTEE_UNKNOWN");
    if (get(row, "completed") != 0) return NO_EFFECT;
    set(row, "completed", 1);
    if (committee_of(t, to - 1)) {
        struct key subject = epoch_key(to - 1);
        uint64_t end = get(row, "handoff_end");
        deadline_set(t, CLOCK_TIME, end > t->now ? end : t->now, COMMITTEE_END, subject.bytes, 8);
    }
    return OK;
}

void committee_end(struct twin *t, const uint8_t *subject)
{
    uint64_t epoch = dsdn_load64_be(subject);
    if (epoch < get(head(t), "authority_epoch")) committee_goes(t, epoch);
}

/* ---- fallback ---- */

static struct fact *activation(struct twin *t)
{
    return facts_by_id(&t->facts, "fallback", bytes(t, "activation_id"));
}

verdict fallback_activated(struct twin *t)
{
    uint64_t layer = number(t, "layer");
    if (layer == 0) return unmet("FALLBACK_LAYER");
    verdict agreed = layer == 1 ? quorum_agrees(t) : quorum_or_founders_agree(t);
    if (agreed) return agreed;
    if (!get(head(t), "has_primary")) return unmet("NO_PRIMARY");
    struct fact *row = activation(t);
    if (row)
        return get(row, "layer") == layer && get(row, "last_height") == number(t, "celestia_last_height") &&
                       get(row, "activated_at") == number(t, "activated_at") && text_is(t, "reason", row)
                   ? NO_EFFECT
                   : CONFLICT;
    const struct fact_table *all = facts_table(&t->facts, "fallback");
    for (uint32_t i = 0; i < all->cnt; i++)
        if (get(all->rows[i], "state") != 0) return unmet("FALLBACK_OPEN");
    struct key k = key_of(bytes(t, "activation_id"), 32);
    row = facts_make(&t->facts, "fallback", &k);
    set(row, "state", 1);
    set(row, "layer", layer);
    set(row, "last_height", number(t, "celestia_last_height"));
    set(row, "activated_at", number(t, "activated_at"));
    set(row, "activated_ms", t->now);
    put_text(t, "reason", row);
    return OK;
}

verdict fallback_deactivated(struct twin *t)
{
    verdict agreed = quorum_or_founders_agree(t);
    if (agreed) return agreed;
    uint64_t recovery = number(t, "celestia_recovery_height"), blobs = number(t, "blobs_reconciled");
    uint64_t at = number(t, "deactivated_at");
    struct fact *row = activation(t);
    if (!row) return unmet("FALLBACK_UNKNOWN");
    if (get(row, "state") == 0)
        return get(row, "recovery_height") == recovery && get(row, "blobs_reconciled") == blobs &&
                       get(row, "deactivated_at") == at
                   ? NO_EFFECT
                   : CONFLICT;
    if (recovery < get(row, "last_height") || at < get(row, "activated_at")) return unmet("FALLBACK_ORDER");
    set(row, "state", 0);
    set(row, "recovery_height", recovery);
    set(row, "blobs_reconciled", blobs);
    set(row, "deactivated_at", at);
    return OK;
}

verdict reconciliation_started(struct twin *t)
{
    uint64_t pending = number(t, "pending_count"), at = number(t, "started_at");
    struct fact *row = activation(t);
    if (!row) return unmet("FALLBACK_UNKNOWN");
    if (get(row, "state") == 0) return unmet("FALLBACK_CLOSED");
    if (get(row, "state") == 2)
        return get(row, "pending_cnt") == pending && get(row, "started_at") == at ? NO_EFFECT : CONFLICT;
    set(row, "state", 2);
    set(row, "rounds", get(row, "rounds") + 1);
    set(row, "pending_cnt", pending);
    set(row, "started_at", at);
    set(row, "reconciled_cnt", 0);
    set(row, "failed_cnt", 0);
    set(row, "completed_at", 0);
    return OK;
}

verdict reconciliation_completed(struct twin *t)
{
    uint64_t good = number(t, "reconciled_count"), bad = number(t, "failed_count");
    uint64_t at = number(t, "completed_at");
    struct fact *row = activation(t);
    if (!row) return unmet("FALLBACK_UNKNOWN");
    if (get(row, "state") == 0) return unmet("FALLBACK_CLOSED");
    if (get(row, "state") == 1) return unmet("RECONCILIATION_NOT_STARTED");
    if (get(row, "state") == 3)
        return get(row, "reconciled_cnt") == good && get(row, "failed_cnt") == bad &&
                       get(row, "completed_at") == at
                   ? NO_EFFECT
                   : CONFLICT;
    if (good + bad < good || good + bad > get(row, "pending_cnt")) return unmet("RECONCILIATION_COUNT");
    set(row, "state", 3);
    set(row, "reconciled_cnt", good);
    set(row, "failed_cnt", bad);
    set(row, "completed_at", at);
    return OK;
}
