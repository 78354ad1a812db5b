/* system.c: genesis, who agrees, parameters, checkpoints, upgrades: reducers.md, "Founders" and "System". */
#include "tests/twin/rules.h"

#include "log/genesis.h"

static const uint8_t nobody[32];

/* ---- genesis ---- */

void genesis_state(struct twin *t)
{
    struct fact *h = head(t);
    put_bytes(h, "batch_hash", t->genesis, 32);
    put_bytes(h, "genesis", t->genesis, 32);
    put_bytes(h, "transcript", t->genesis, 32);
    set(h, "time_ms", number(t, "genesis_time"));
    set(h, "origin_height", number(t, "da_start"));
    put_bytes(h, "origin_hash", bytes(t, "da_start_hash"), 32);
    set(h, "version",
        number(t, "version_major") << 32 | number(t, "version_minor") << 16 | number(t, "version_patch"));
    set(h, "has_primary", length(t, "da_chain_id") != 0);
    put_bytes(h, "authority", given(t, "coordinator") ? bytes(t, "coordinator") : bytes(t, "group_public"),
              32);
    set(h, "founder_m", number(t, "founder_m"));
    set(h, "quorum_pct", number(t, "quorum_threshold_pct"));
    set(h, "feature_level", number(t, "feature_level"));
    for (uint32_t i = 0; i < count(t, "params"); i++) {
        struct said item;
        struct key k = {.len = 0};
        said_item(&t->said, "params", i, &item);
        const struct said_field *name = said_field(&item, "key");
        key_text(&k, name->at, name->len, 48);
        set(facts_make(&t->facts, "parameter", &k), "value", said_number(&item, "value"));
    }
    for (unsigned emergency = 0; emergency < 2; emergency++) {
        const char *list = emergency ? "emergency_members" : "quorum_members";
        for (uint32_t i = 0; i < count(t, list); i++) {
            struct key k = {.len = 0};
            key_number(&k, emergency ? 0xFFFFFFFF : 0, 4);
            key_number(&k, i, 2);
            put_bytes(facts_make(&t->facts, "quorum_member", &k), "member", bytes(t, list) + 32 * i, 32);
        }
    }
    for (uint32_t i = 0; i < count(t, "founder_keys"); i++) {
        struct key k = key_of(bytes(t, "founder_keys") + 32 * i, 32);
        set(facts_make(&t->facts, "founder", &k), "position", i);
    }
    for (uint32_t i = 0; i < count(t, "validators"); i++) {
        struct said item;
        said_item(&t->said, "validators", i, &item);
        struct key k = key_of(said_bytes(&item, "id"), 32);
        struct fact *row = facts_make(&t->facts, "validator", &k);
        const struct said_field *name = said_field(&item, "name");
        set(row, "stake", said_number(&item, "stake"));
        put_bytes(row, "name", name->at, name->len);
        set(row, "status", 1);
        set(row, "since_ms", number(t, "genesis_time"));
    }
    for (uint32_t i = 0; i < count(t, "committee"); i++) {
        struct said item;
        struct key k = {.len = 0};
        said_item(&t->said, "committee", i, &item);
        key_number(&k, 0, 8);
        key_number(&k, i, 2);
        struct fact *row = facts_make(&t->facts, "committee_member", &k);
        put_bytes(row, "coordinator_id", said_bytes(&item, "coordinator_id"), 32);
        put_bytes(row, "validator_id", said_bytes(&item, "validator_id"), 32);
        put_bytes(row, "share_public", said_bytes(&item, "share_public"), 32);
        set(row, "share_index", said_number(&item, "share_index"));
    }
    if (count(t, "committee")) {
        struct key k = {.len = 0};
        key_number(&k, 0, 8);
        struct fact *row = facts_make(&t->facts, "committee", &k);
        put_bytes(row, "group_public", bytes(t, "group_public"), 32);
        set(row, "threshold", number(t, "committee_threshold"));
        set(row, "state", 1);
    }
}

/* ---- who agrees ---- */

bool is_founder(struct twin *t, const uint8_t key[32])
{
    return facts_by_id(&t->facts, "founder", key) != NULL;
}

bool is_active_validator(struct twin *t, const uint8_t key[32])
{
    const struct fact *row = facts_by_id(&t->facts, "validator", key);
    return row && get(row, "status") == 1;
}

static bool in_present_set(struct twin *t, const struct fact *member)
{
    return __builtin_bswap32(dsdn_load32(member->key.bytes)) == get(head(t), "quorum_set");
}

uint32_t quorum_size(struct twin *t)
{
    const struct fact_table *members = facts_table(&t->facts, "quorum_member");
    uint32_t n = 0;
    for (uint32_t i = 0; i < members->cnt; i++) n += in_present_set(t, members->rows[i]);
    return n;
}

static bool is_quorum_member(struct twin *t, const uint8_t key[32])
{
    const struct fact_table *members = facts_table(&t->facts, "quorum_member");
    for (uint32_t i = 0; i < members->cnt; i++)
        if (in_present_set(t, members->rows[i]) && same(get_bytes(members->rows[i], "member"), key))
            return true;
    return false;
}

static verdict agree(struct twin *t, bool (*belongs)(struct twin *, const uint8_t *), uint64_t needed)
{
    if (!belongs(t, t->author)) return NOT_AUTHORISED;
    uint8_t before[32];
    for (uint32_t i = 0; i < count(t, "approvals"); i++) {
        struct said approval;
        said_item(&t->said, "approvals", i, &approval);
        const uint8_t *id = said_bytes(&approval, "id");
        if (i && memcmp(id, before, 32) <= 0) return NOT_AUTHORISED;
        if (same(id, t->author) || !belongs(t, id)) return NOT_AUTHORISED;
        if (!embedded_verifies(t, "approvals", id, said_bytes(&approval, "signature"))) return BAD_SIGNATURE;
        memcpy(before, id, 32);
    }
    return 1 + count(t, "approvals") >= needed ? OK : NOT_AUTHORISED;
}

verdict founders_agree(struct twin *t)
{
    return agree(t, is_founder, get(head(t), "founder_m"));
}

verdict quorum_agrees(struct twin *t)
{
    uint64_t n = quorum_size(t), percent = get(head(t), "quorum_pct");
    uint64_t needed = percent == 67 ? (2 * n + 2) / 3 : (n * percent + 99) / 100;
    if (n == 0) return NOT_AUTHORISED;
    return agree(t, is_quorum_member, needed);
}

verdict quorum_or_founders_agree(struct twin *t)
{
    return is_founder(t, t->author) ? founders_agree(t) : quorum_agrees(t);
}

/* ---- events ---- */

verdict checkpoint_declared(struct twin *t)
{
    uint64_t sequence = number(t, "sequence");
    if (!t->from_authority && !is_active_validator(t, t->author)) return NOT_AUTHORISED;
    if (sequence % setting(t, "attest_every") != 0) return unmet("SEQUENCE_STEP");
    if (sequence >= get(head(t), "sequence")) return unmet("SEQUENCE_AHEAD");
    struct key k = {.len = 0};
    key_number(&k, sequence, 8);
    key_bytes(&k, t->author, 32);
    const struct fact *row = facts_find(&t->facts, "attestation", &k);
    if (row) return same(get_bytes(row, "root"), bytes(t, "root")) ? NO_EFFECT : CONFLICT;
    put_bytes(facts_make(&t->facts, "attestation", &k), "root", bytes(t, "root"), 32);
    return OK;
}

verdict param_changed(struct twin *t)
{
    verdict agreed = founders_agree(t);
    if (agreed) return agreed;
    if (!get(head(t), "has_primary")) return unmet("NO_PRIMARY");
    const uint8_t *name = bytes(t, "key");
    uint32_t len = length(t, "key");
    const struct dsdn_parameter_desc *known = dsdn_parameter_find(name, len);
    if (!known && !is_operator_parameter(name, len)) return unmet("PARAMETER_UNKNOWN");
    uint64_t effective = number(t, "effective");
    if (effective < t->origin.height) return unmet("HEIGHT_PAST");
    int64_t value = (int64_t)number(t, "new_value");
    if (value < (known ? known->least : 0) || value > (known ? known->most : 1))
        return unmet("PARAMETER_RANGE");
    uint32_t order = 0;
    struct key k;
    for (;; order++) {
        k = (struct key){.len = 0};
        key_number(&k, effective, 8);
        key_number(&k, order, 4);
        const struct fact *row = facts_find(&t->facts, "pending_param", &k);
        if (!row) break;
        const struct value *its = fact_value(row, "name");
        if (its->len != len || memcmp(its->bytes, name, len) != 0) continue;
        return (int64_t)get(row, "value") == value ? NO_EFFECT : CONFLICT;
    }
    char text[49] = {0};
    memcpy(text, name, len);
    int64_t present = twin_parameter(t, text);
    if ((int64_t)number(t, "old_value") != present) return unmet("PARAMETER_OLD_VALUE");
    if (value == present) return NO_EFFECT;
    if (order >= 64) return LIMIT;
    struct fact *row = facts_make(&t->facts, "pending_param", &k);
    put_bytes(row, "name", name, len);
    set(row, "value", (uint64_t)value);
    return OK;
}

static uint64_t version_said(struct twin *t)
{
    return number(t, "major") << 32 | number(t, "minor") << 16 | number(t, "patch");
}

static struct key upgrade_key(struct twin *t)
{
    struct key k = {.len = 0};
    key_number(&k, number(t, "height"), 8);
    key_number(&k, version_said(t), 8);
    return k;
}

verdict upgrade_scheduled(struct twin *t)
{
    verdict agreed = founders_agree(t);
    if (agreed) return agreed;
    uint64_t version = version_said(t), height = number(t, "height");
    if (version <= get(head(t), "version")) return unmet("VERSION_NOT_NEWER");
    if (height <= (get(head(t), "has_primary") ? t->origin.height : get(head(t), "sequence")))
        return unmet("HEIGHT_PAST");
    struct key k = upgrade_key(t);
    const struct fact *row = facts_find(&t->facts, "upgrade", &k);
    if (row) return same(get_bytes(row, "migration"), bytes(t, "migration")) ? NO_EFFECT : CONFLICT;
    const struct fact_table *upgrades = facts_table(&t->facts, "upgrade");
    for (uint32_t i = 0; i < upgrades->cnt; i++) {
        uint64_t its_height = dsdn_load64_be(upgrades->rows[i]->key.bytes);
        uint64_t its_version = dsdn_load64_be(upgrades->rows[i]->key.bytes + 8);
        if (height > its_height && version > its_version) continue;
        if (height < its_height && version < its_version) continue;
        return unmet("UPGRADE_ORDER");
    }
    if (upgrades->cnt >= 16) return LIMIT;
    put_bytes(facts_make(&t->facts, "upgrade", &k), "migration", bytes(t, "migration"), 32);
    return OK;
}

verdict upgrade_cancelled(struct twin *t)
{
    verdict agreed = founders_agree(t);
    if (agreed) return agreed;
    struct key k = upgrade_key(t);
    struct fact *row = facts_find(&t->facts, "upgrade", &k);
    if (!row) return unmet("UPGRADE_UNKNOWN");
    facts_drop(&t->facts, "upgrade", row);
    return OK;
}

verdict quorum_validator_set_declared(struct twin *t)
{
    struct fact *h = head(t);
    verdict agreed = quorum_size(t) == 0 ? founders_agree(t) : quorum_agrees(t);
    if (agreed) return agreed;
    uint64_t percent = number(t, "threshold_pct"), set_id = number(t, "set_id");
    uint32_t n = count(t, "members");
    const uint8_t *members = bytes(t, "members");
    if (percent < 67 || percent > 100) return unmet("QUORUM_THRESHOLD");
    if (n == 0) return unmet("QUORUM_EMPTY");
    if (set_id == get(h, "quorum_set")) {
        bool all = n == quorum_size(t) && percent == get(h, "quorum_pct");
        for (uint32_t i = 0; i < n && all; i++) all = is_quorum_member(t, members + 32 * i);
        return all ? NO_EFFECT : CONFLICT;
    }
    if (set_id != get(h, "quorum_set") + 1) return unmet("QUORUM_SET_ID");
    struct fact_table *table = facts_table(&t->facts, "quorum_member");
    for (uint32_t i = table->cnt; i--;)
        if (in_present_set(t, table->rows[i])) facts_drop(&t->facts, "quorum_member", table->rows[i]);
    for (uint32_t i = 0; i < n; i++) {
        struct key k = {.len = 0};
        key_number(&k, set_id, 4);
        key_number(&k, i, 2);
        put_bytes(facts_make(&t->facts, "quorum_member", &k), "member", members + 32 * i, 32);
    }
    set(h, "quorum_set", set_id);
    set(h, "quorum_pct", percent);
    return OK;
}

/* ---- audit ---- */

static bool auditor(struct twin *t)
{
    const struct fact *node = node_of(t, t->author);
    if (node && get(node, "status") != CLOSED) return true;
    if (is_active_validator(t, t->author)) return true;
    const struct fact_table *members = facts_table(&t->facts, "committee_member");
    for (uint32_t i = 0; i < members->cnt; i++)
        if (dsdn_load64_be(members->rows[i]->key.bytes) == get(head(t), "authority_epoch") &&
            same(get_bytes(members->rows[i], "coordinator_id"), t->author))
            return true;
    return false;
}

verdict audit_record_posted(struct twin *t)
{
    uint8_t text[32 + 8 + 2 + 32 + 32], new[32];
    if (!auditor(t)) return NOT_AUTHORISED;
    uint64_t log_type = number(t, "log_type"), seq = number(t, "seq");
    if (log_type < 1 || log_type > 10) return unmet("AUDIT_TYPE");
    memcpy(text, bytes(t, "prev"), 32);
    dsdn_store64(text + 32, seq);
    dsdn_store16(text + 40, (uint16_t)log_type);
    memcpy(text + 42, bytes(t, "ref"), 32);
    memcpy(text + 74, bytes(t, "body_hash"), 32);
    dsdn_tagged("dsdn/audit/1", text, sizeof text, new);
    struct fact *row = facts_by_id(&t->facts, "audit_chain", t->author);
    uint64_t next = row ? get(row, "next_seq") : 0;
    const uint8_t *last = row ? get_bytes(row, "head") : nobody;
    if (seq < next) return seq + 1 == next && same(new, last) ? NO_EFFECT : CONFLICT;
    if (seq != next) return unmet("AUDIT_SEQUENCE");
    if (!same(bytes(t, "prev"), last)) return unmet("AUDIT_PREVIOUS");
    struct key k = key_of(t->author, 32);
    row = facts_make(&t->facts, "audit_chain", &k);
    put_bytes(row, "head", new, 32);
    set(row, "next_seq", next + 1);
    return OK;
}

verdict worm_segment_sealed(struct twin *t)
{
    if (!auditor(t)) return NOT_AUTHORISED;
    struct fact *row = facts_by_id(&t->facts, "audit_chain", t->author);
    if (!row) return unmet("AUDIT_UNKNOWN");
    uint64_t segment = number(t, "segment"), segments = get(row, "segments"), last = number(t, "last");
    uint64_t sealed = get(row, "sealed");
    if (segment < segments)
        return segment + 1 == segments && last + 1 == sealed &&
                       same(bytes(t, "root"), get_bytes(row, "sealed_root"))
                   ? NO_EFFECT
                   : CONFLICT;
    if (segment != segments) return unmet("AUDIT_SEGMENT");
    if (number(t, "first") != sealed || last < sealed || last != get(row, "next_seq") - 1)
        return unmet("AUDIT_RANGE");
    if (!same(bytes(t, "root"), get_bytes(row, "head"))) return unmet("AUDIT_ROOT");
    set(row, "segments", segments + 1);
    set(row, "sealed", last + 1);
    put_bytes(row, "sealed_root", bytes(t, "root"), 32);
    return OK;
}
