/* chain.c: reducers.md, "Accounts and stake". */
#include "tests/twin/rules.h"

#include <stdlib.h>

__extension__ typedef unsigned __int128 wide;
enum { UNBONDING_ENTRIES = 16, VALIDATORS = 4096 };

static uint64_t product(uint64_t a, uint64_t b, uint64_t divisor)
{
    return (uint64_t)((wide)a * b / divisor);
}

static uint64_t product_sum(uint64_t start, uint64_t seconds) /* start + seconds in ms */
{
    wide sum = (wide)start + (wide)seconds * 1000;
    return sum > UINT64_MAX ? UINT64_MAX : (uint64_t)sum;
}

static struct fact *account_of(struct twin *t, const uint8_t *address)
{
    struct key k = key_of(address, 32);
    return facts_make(&t->facts, "account", &k);
}

static struct fact *supply(struct twin *t)
{
    static const struct key zero = {{0}, 1};
    return facts_make(&t->facts, "supply", &zero);
}

static struct fact *stake_row(struct twin *t, const uint8_t *beneficiary, const uint8_t *staker)
{
    return facts_by_pair(&t->facts, "stake", beneficiary, staker);
}

/* Keys of stakes and of their entries begin with beneficiary and staker. */
static bool is_entry_of(const struct fact *entry, const struct fact *stake)
{
    return memcmp(entry->key.bytes, stake->key.bytes, 64) == 0;
}

static uint64_t unbonding_of(struct twin *t, const struct fact *stake, uint32_t *entries)
{
    const struct fact_table *table = facts_table(&t->facts, "unbonding");
    uint64_t sum = 0;
    *entries = 0;
    for (uint32_t i = 0; i < table->cnt; i++)
        if (is_entry_of(table->rows[i], stake)) {
            sum += get(table->rows[i], "amount");
            ++*entries;
        }
    return sum;
}

static uint64_t column_sum(struct twin *t, const char *table, const char *column)
{
    const struct fact_table *rows = facts_table(&t->facts, table);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < rows->cnt; i++) sum += get(rows->rows[i], column);
    return sum;
}

void settle_chain(struct twin *t)
{
    if (!judged(t)) return;
    const struct fact_table *stakes = facts_table(&t->facts, "stake");
    for (uint32_t i = 0; i < stakes->cnt; i++) {
        uint32_t entries;
        set(stakes->rows[i], "unbonding", unbonding_of(t, stakes->rows[i], &entries));
        set(stakes->rows[i], "unbonding_cnt", entries);
    }
    set(supply(t), "balances", column_sum(t, "account", "balance"));
    set(supply(t), "staked", column_sum(t, "stake", "amount"));
    set(supply(t), "unbonding", column_sum(t, "unbonding", "amount"));
}

void genesis_chain(struct twin *t)
{
    if (!judged(t)) return;
    uint64_t issued = 0;
    for (uint32_t i = 0; i < count(t, "allocations"); i++) {
        struct said item;
        said_item(&t->said, "allocations", i, &item);
        if (said_field(&item, "amount")->at[0] != 0) continue;
        struct fact *account = account_of(t, said_bytes(&item, "account"));
        uint64_t units = said_number(&item, "amount");
        issued += units;
        set(account, "balance", units);
        set(account, "pool", said_number(&item, "pool"));
        if (said_number(&item, "vest_start") == 0) continue;
        set(account, "vest_total", units);
        set(account, "vest_start", said_number(&item, "vest_start"));
        set(account, "vest_cliff_s", said_number(&item, "vest_cliff_s"));
        set(account, "vest_len_s", said_number(&item, "vest_len_s"));
    }
    for (uint32_t i = 0; i < count(t, "validators"); i++) {
        struct said item;
        said_item(&t->said, "validators", i, &item);
        uint64_t units = said_number(&item, "stake");
        if (said_field(&item, "stake")->at[0] != 0 || units == 0) continue;
        const uint8_t *id = said_bytes(&item, "id");
        struct key k = key_pair(id, id);
        struct fact *stake = facts_make(&t->facts, "stake", &k);
        set(stake, "amount", units);
        set(stake, "role", 2);
        account_of(t, id);
        issued += units;
    }
    set(supply(t), "issued", issued);
}

/* ---- accounts ---- */

static uint64_t locked(const struct fact *account, uint64_t now)
{
    uint64_t total = get(account, "vest_total"), start = get(account, "vest_start");
    if (total == 0 || now >= product_sum(start, get(account, "vest_len_s"))) return 0;
    if (now < product_sum(start, get(account, "vest_cliff_s")) || now < start) return total;
    wide length = (wide)get(account, "vest_len_s") * 1000;
    return total - (uint64_t)((wide)total * (now - start) / length);
}

uint64_t twin_spendable(struct twin *t, uint64_t now, const uint8_t account[32])
{
    const struct fact *row = facts_by_id(&t->facts, "account", account);
    if (!row) return 0;
    uint64_t balance = get(row, "balance"), kept = locked(row, now);
    return balance > kept ? balance - kept : 0;
}

void pay_fee(struct twin *t, const uint8_t account[32], uint64_t fee)
{
    uint64_t most = twin_spendable(t, t->now, account);
    if (fee > most) fee = most;
    if (fee == 0) return;
    set(account_of(t, account), "balance", get(account_of(t, account), "balance") - fee);
    set(supply(t), "treasury", get(supply(t), "treasury") + fee);
    settle_chain(t);
}

verdict transfer(struct twin *t)
{
    uint64_t units = number(t, "amount"), fee = setting(t, "transfer_fee");
    const uint8_t *to = bytes(t, "to");
    if (asset(t, "amount") != 0 || asset(t, "max_fee") != 0) return unmet("ASSET_UNKNOWN");
    if (units == 0) return unmet("AMOUNT_ZERO");
    if (same(to, t->author)) return unmet("TRANSFER_SELF");
    if (fee > number(t, "max_fee")) return unmet("FEE_ABOVE_MAX");
    if (!facts_by_id(&t->facts, "account", t->author) || units + fee < units ||
        units + fee > twin_spendable(t, t->now, t->author))
        return unmet("BALANCE_TOO_LOW");
    struct fact *payer = account_of(t, t->author), *receiver = account_of(t, to);
    set(payer, "balance", get(payer, "balance") - units - fee);
    set(receiver, "balance", get(receiver, "balance") + units);
    set(supply(t), "treasury", get(supply(t), "treasury") + fee);
    if (units < setting(t, "affinity_transfer_min")) return OK;
    struct key link = key_pair(t->author, to);
    uint64_t window = setting(t, "affinity_window_ms");
    struct fact *old = facts_find(&t->facts, "transfer_link", &link);
    if (old)
        deadline_drop(t, CLOCK_TIME, later(get(old, "last_ms"), window), TRANSFER_LINK_END, link.bytes, 64);
    set(facts_make(&t->facts, "transfer_link", &link), "last_ms", t->now);
    deadline_set(t, CLOCK_TIME, later(t->now, window), TRANSFER_LINK_END, link.bytes, 64);
    return OK;
}

void transfer_link_end(struct twin *t, const uint8_t *subject)
{
    struct fact *link = facts_by_pair(&t->facts, "transfer_link", subject, subject + 32);
    if (link && later(get(link, "last_ms"), setting(t, "affinity_window_ms")) <= t->now)
        facts_drop(&t->facts, "transfer_link", link);
}

verdict wallet_affinity_declared(struct twin *t)
{
    const uint8_t *a = bytes(t, "a"), *b = bytes(t, "b");
    uint64_t kind = number(t, "kind");
    if (t->from_authority ? kind == 0 : !same(t->author, a)) return NOT_AUTHORISED;
    if (same(a, b)) return unmet("AFFINITY_SELF");
    if (kind == 0 && (!given(t, "b_sig") || !embedded_verifies(t, "b_sig", b, bytes(t, "b_sig"))))
        return BAD_SIGNATURE;
    if (kind != 0 && given(t, "b_sig")) return unmet("SIGNATURE_UNEXPECTED");
    struct key k = memcmp(a, b, 32) < 0 ? key_pair(a, b) : key_pair(b, a);
    struct fact *row = facts_find(&t->facts, "affinity", &k);
    if (row && get(row, "kinds") >> kind & 1) return NO_EFFECT;
    if (kind == 1) {
        const struct fact *node_a = node_of(t, a), *node_b = node_of(t, b);
        if (!node_a || !node_b) return unmet("NODE_UNKNOWN");
        if (!same(get_bytes(node_a, "operator"), get_bytes(node_b, "operator")))
            return unmet("AFFINITY_UNPROVEN");
    }
    if (kind == 2 && !facts_by_pair(&t->facts, "transfer_link", a, b) &&
        !facts_by_pair(&t->facts, "transfer_link", b, a))
        return unmet("AFFINITY_UNPROVEN");
    row = facts_make(&t->facts, "affinity", &k);
    set(row, "kinds", get(row, "kinds") | 1ull << kind);
    set(row, "since_ms", t->now);
    return OK;
}

/* ---- stake ---- */

const uint8_t *owner_of(const struct fact *node)
{
    return get(node, "role") == 1 ? get_bytes(node, "operator") : node->key.bytes;
}

uint64_t stake_of(struct twin *t, const uint8_t id[32], const uint8_t owner[32], uint64_t role)
{
    const struct fact *row = stake_row(t, id, owner);
    return row && get(row, "role") == role ? get(row, "amount") : 0;
}

static bool anything_in(const struct fact *stake)
{
    return stake && (get(stake, "amount") > 0 || get(stake, "unbonding") > 0);
}

static void epoch_due(struct twin *t)
{
    uint64_t length = setting(t, "validator_epoch_ms");
    deadline_set(t, CLOCK_TIME, (t->now / length + 1) * length, VALIDATOR_EPOCH, "", 0);
}

static void epoch_due_if_validator(struct twin *t, const struct fact *stake)
{
    if (stake && get(stake, "role") == 2 && facts_by_id(&t->facts, "validator", stake->key.bytes))
        epoch_due(t);
}

verdict stake_deposited(struct twin *t)
{
    const uint8_t *staker = bytes(t, "staker"), *beneficiary = bytes(t, "beneficiary");
    uint64_t role = number(t, "role"), units = number(t, "amount");
    if (!same(t->author, staker)) return NOT_AUTHORISED;
    if (asset(t, "amount") != 0) return unmet("ASSET_UNKNOWN");
    if (role != 1 && role != 2) return unmet("STAKE_ROLE");
    if (units == 0) return unmet("AMOUNT_ZERO");
    struct fact *stake = stake_row(t, beneficiary, staker);
    if (role == 2 && !same(staker, beneficiary)) return unmet("STAKE_OWNER");
    if (anything_in(stake) && get(stake, "role") != role) return unmet("STAKE_ROLE");
    if (units > twin_spendable(t, t->now, t->author)) return unmet("BALANCE_TOO_LOW");
    struct fact *validator = facts_by_id(&t->facts, "validator", beneficiary);
    bool comes = role == 2 && !validator &&
                 (stake ? get(stake, "amount") : 0) + units >= setting(t, "stake_min_validator");
    if (comes && facts_table(&t->facts, "validator")->cnt >= VALIDATORS) return LIMIT;
    struct fact *account = account_of(t, t->author);
    set(account, "balance", get(account, "balance") - units);
    struct key k = key_pair(beneficiary, staker), id = key_of(beneficiary, 32);
    stake = facts_make(&t->facts, "stake", &k);
    set(stake, "role", role);
    set(stake, "amount", get(stake, "amount") + units);
    if (comes) set(facts_make(&t->facts, "validator", &id), "since_ms", t->now);
    if (role == 2) epoch_due(t);
    judge(t, node_of(t, beneficiary));
    return OK;
}

static struct key entry_key(const struct fact *stake, uint64_t due)
{
    struct key k = key_of(stake->key.bytes, 64);
    key_number(&k, due, 8);
    return k;
}

static void unbond(struct twin *t, struct fact *stake, uint64_t units)
{
    uint64_t due = later(t->now, setting(t, "unbonding_ms"));
    struct key k = entry_key(stake, due);
    set(stake, "amount", get(stake, "amount") - units);
    struct fact *entry = facts_make(&t->facts, "unbonding", &k);
    set(entry, "amount", get(entry, "amount") + units);
    deadline_set(t, CLOCK_OBJECTION, due, UNBONDING_END, k.bytes, k.len);
}

verdict stake_withdraw_requested(struct twin *t)
{
    const uint8_t *beneficiary = bytes(t, "beneficiary");
    uint64_t units = number(t, "amount");
    struct fact *stake = stake_row(t, beneficiary, t->author), *node = node_of(t, beneficiary);
    if (!stake || get(stake, "amount") == 0) return unmet("STAKE_UNKNOWN");
    if (asset(t, "amount") != 0) return unmet("ASSET_UNKNOWN");
    if (units == 0) return unmet("AMOUNT_ZERO");
    if (units > get(stake, "amount")) return unmet("STAKE_TOO_LOW");
    if (node && same(t->author, owner_of(node)) && get(node, "cooldown_until") > t->now)
        return unmet("NODE_COOLDOWN");
    struct key k = entry_key(stake, later(t->now, setting(t, "unbonding_ms")));
    if (!facts_find(&t->facts, "unbonding", &k) && get(stake, "unbonding_cnt") >= UNBONDING_ENTRIES)
        return LIMIT;
    unbond(t, stake, units);
    epoch_due_if_validator(t, stake);
    judge(t, node);
    return OK;
}

void unbonding_end(struct twin *t, const uint8_t *subject)
{
    struct key k = key_of(subject, 72); /* beneficiary, staker, due */
    struct fact *entry = facts_find(&t->facts, "unbonding", &k);
    if (!entry) return;
    struct fact *account = account_of(t, subject + 32);
    set(account, "balance", get(account, "balance") + get(entry, "amount"));
    facts_drop(&t->facts, "unbonding", entry);
}

/* ---- validators ---- */

struct rank {
    uint64_t power;
    struct fact *validator;
};

static int rank_order(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->power != y->power) return x->power > y->power ? -1 : 1;
    return memcmp(x->validator->key.bytes, y->validator->key.bytes, 32);
}

void validator_epoch(struct twin *t, const uint8_t *subject)
{
    static struct rank ranks[VALIDATORS];
    struct fact_table *validators = facts_table(&t->facts, "validator");
    uint32_t n = 0;
    (void)subject;
    for (uint32_t i = validators->cnt; i--;) {
        struct fact *validator = validators->rows[i];
        const struct fact *stake = stake_row(t, validator->key.bytes, validator->key.bytes);
        uint64_t power = stake && get(stake, "role") == 2 ? get(stake, "amount") : 0;
        if (power < setting(t, "stake_min_validator"))
            facts_drop(&t->facts, "validator", validator);
        else
            ranks[n++] = (struct rank){power, validator};
    }
    qsort(ranks, n, sizeof *ranks, rank_order);
    for (uint32_t i = 0; i < n; i++) {
        struct fact *validator = ranks[i].validator;
        uint64_t status = i < setting(t, "max_validators");
        if (get(validator, "status") != status) set(validator, "since_ms", t->now);
        set(validator, "status", status);
        set(validator, "stake", ranks[i].power);
    }
}

/* ---- faults ---- */

struct accusation {
    uint8_t named[44]; /* what is named: makes the fault one of its kind */
    uint32_t named_len;
    const char *bps; /* parameter; NULL: nothing is slashed */
};

static verdict liveness(struct twin *t, struct accusation *a)
{
    if (length(t, "evidence")) return unmet("EVIDENCE_SHAPE");
    const struct fact *node = node_of(t, bytes(t, "target"));
    if (!node) return unmet("NODE_UNKNOWN");
    if (get(node, "status") != ACTIVE) return unmet("NODE_STATUS");
    uint64_t seen = get(node, "last_seen_ms"), since = get(node, "status_ms"),
             heard = seen > since ? seen : since;
    if (t->now - heard < setting(t, "liveness_timeout_ms")) return unmet("EVIDENCE_NOT_PROVEN");
    dsdn_store64(a->named, heard);
    a->named_len = 8;
    a->bps = "slash_liveness_bps";
    return OK;
}

static verdict corruption(struct twin *t, struct accusation *a)
{
    const uint8_t *e = bytes(t, "evidence"), *target = bytes(t, "target");
    uint32_t len = length(t, "evidence");
    enum { FRONT = 32 + 4 + 32 + 64 };
    if (len < FRONT + 32 || (len - FRONT) % 32 != 0 || (len - FRONT) / 32 > 64)
        return unmet("EVIDENCE_SHAPE");
    if (!node_of(t, target)) return unmet("NODE_UNKNOWN");
    const struct fact *chunk = chunk_of(t, e);
    if (!chunk) return unmet("CHUNK_UNKNOWN");
    uint8_t text[32 + 68], digest[32];
    memcpy(text, t->genesis, 32);
    memcpy(text + 32, e, 68);
    dsdn_tagged("dsdn/served/1", text, sizeof text, digest);
    if (!dsdn_verify(t->keys, target, digest, e + 68)) return BAD_SIGNATURE;
    if (!path_leads(e + FRONT, (len - FRONT) / 32, dsdn_load32(e + 32), leaves_of(chunk),
                    get_bytes(chunk, "leaf_root")) ||
        same(e + FRONT, e + 36))
        return unmet("EVIDENCE_NOT_PROVEN");
    memcpy(a->named, e, 36);
    a->named_len = 36;
    a->bps = "slash_corruption_bps";
    return OK;
}

static verdict repetition(struct twin *t, struct accusation *a)
{
    if (length(t, "evidence")) return unmet("EVIDENCE_SHAPE");
    const struct fact *node = node_of(t, bytes(t, "target"));
    if (!node) return unmet("NODE_UNKNOWN");
    if (get(node, "status") == BANNED) return NO_EFFECT;
    uint64_t third = get(node, "fault3_ms");
    if (third == 0 || t->now - third > setting(t, "fault_window_ms")) return unmet("EVIDENCE_NOT_PROVEN");
    dsdn_store64(a->named, get(node, "fault1_ms"));
    a->named_len = 8;
    return OK;
}

static verdict double_sign(struct twin *t, struct accusation *a)
{
    const uint8_t *e = bytes(t, "evidence"), *target = bytes(t, "target");
    uint8_t digest[32];
    if (length(t, "evidence") != 12 + 2 * 96 || memcmp(e + 12, e + 12 + 96, 32) >= 0)
        return unmet("EVIDENCE_SHAPE");
    const struct fact *stake = stake_row(t, target, target);
    if (!facts_by_id(&t->facts, "validator", target) && !(stake && get(stake, "role") == 2))
        return unmet("VALIDATOR_UNKNOWN");
    for (const uint8_t *vote = e + 12; vote < e + 12 + 2 * 96; vote += 96) {
        uint8_t text[32 + 12 + 32]; /* genesis, set_id, sequence, batch hash */
        memcpy(text, t->genesis, 32);
        memcpy(text + 32, e, 12);
        memcpy(text + 44, vote, 32);
        dsdn_tagged("dsdn/qcert/1", text, sizeof text, digest);
        if (!dsdn_verify(t->keys, target, digest, vote + 32)) return BAD_SIGNATURE;
    }
    memcpy(a->named, e, 12);
    a->named_len = 12;
    a->bps = "slash_double_sign_bps";
    return OK;
}

/* Of `amount` of a row the share goes to the treasury. */
static uint64_t slash(struct twin *t, struct fact *row, uint64_t bps)
{
    uint64_t share = product(get(row, "amount"), bps, 10000);
    set(row, "amount", get(row, "amount") - share);
    set(supply(t), "treasury", get(supply(t), "treasury") + share);
    return share;
}

verdict slash_evidence_submitted(struct twin *t)
{
    uint64_t kind = number(t, "kind");
    const uint8_t *target = bytes(t, "target");
    struct accusation a = {.named_len = 0};
    verdict v = kind == 1   ? liveness(t, &a)
                : kind == 2 ? corruption(t, &a)
                : kind == 3 ? repetition(t, &a)
                : kind == 5 ? double_sign(t, &a)
                            : unmet("EVIDENCE_KIND");
    if (v) return v;
    uint8_t text[33 + sizeof a.named], id[32];
    memcpy(text, target, 32);
    text[32] = (uint8_t)kind;
    memcpy(text + 33, a.named, a.named_len);
    dsdn_tagged("dsdn/evidence/1", text, 33 + a.named_len, id);
    if (facts_by_id(&t->facts, "evidence", id)) return unmet("EVIDENCE_USED");
    struct fact *node = node_of(t, target);
    struct fact *stake = stake_row(t, target, node && kind != 5 ? owner_of(node) : target); /* accountable */
    if (a.bps && !anything_in(stake)) return unmet("STAKE_UNKNOWN");
    uint64_t slashed = 0;
    if (a.bps) {
        const struct fact_table *entries = facts_table(&t->facts, "unbonding");
        slashed = slash(t, stake, setting(t, a.bps));
        for (uint32_t i = 0; i < entries->cnt; i++)
            if (is_entry_of(entries->rows[i], stake))
                slashed += slash(t, entries->rows[i], setting(t, a.bps));
        if (node) fault(t, node);
    } else {
        repeated(t, node);
        if (stake && get(stake, "amount") > 0) unbond(t, stake, get(stake, "amount"));
    }
    epoch_due_if_validator(t, stake);
    struct key k = key_of(id, 32);
    struct fact *row = facts_make(&t->facts, "evidence", &k);
    put_bytes(row, "target", target, 32);
    set(row, "kind", kind);
    set(row, "slashed", slashed);
    set(row, "time_ms", t->now);
    set(row, "ordinal", t->ordinal);
    return OK;
}
