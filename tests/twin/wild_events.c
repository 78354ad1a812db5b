/* wild_events.c: one event each: sensible, and then perhaps bent. */
#include "tests/twin/wild.h"

#include "log/events.h"
#include "log/genesis.h"
#include "log/hash.h"

#include <stdlib.h>

#define EVENT_OF(d, name) ((struct dsdn_ev_##name *)(void *)(d)->d.bytes)

static const uint64_t chunk_max = 1ull << 26;
static const uint64_t far = 1000000000000;

/* ---- pieces ---- */

static struct dsdn_view text(struct wild *w, const char *string)
{
    size_t len = strlen(string);
    char *copy = room(w, len + 1);
    memcpy(copy, string, len);
    return (struct dsdn_view){(const uint8_t *)copy, (uint32_t)len};
}

static const uint8_t *random_hash(struct wild *w)
{
    uint8_t *h = room(w, 32);
    dsdn_random_fill(&w->random, h, 32);
    return h;
}

static uint32_t a_wallet(struct wild *w)
{
    return one_in(w, 12) ? VALIDATORS + (uint32_t)below(w, VALIDATOR_CNT)
                         : WALLETS + (uint32_t)below(w, WALLET_CNT);
}
static uint32_t a_node(struct wild *w)
{
    return one_in(w, 20) ? VALIDATORS + (uint32_t)below(w, VALIDATOR_CNT)
                         : NODES + (uint32_t)below(w, w->node_cnt);
}
/* The operator a node begins with. */
static uint32_t operator_of(uint32_t node)
{
    return WALLETS + node % WALLET_CNT;
}
/* A person by id, or a wallet for somebody unknown. */
static int who(const uint8_t *id)
{
    for (uint32_t i = 0; i < PEOPLE; i++)
        if (same(id_of(i), id)) return (int)i;
    return WALLETS;
}
static uint64_t parameter(struct wild *w, const char *name)
{
    return (uint64_t)twin_parameter(w->twin, name);
}
static struct fact *node_row(struct wild *w, const uint8_t *id)
{
    return facts_by_id(twin_facts(w->twin), "node", id);
}
static const uint8_t *row_id(struct wild *w, const uint8_t *bytes)
{
    return memcpy(room(w, 32), bytes, 32);
}
/* A node that is there, if any is. */
static const uint8_t *some_node(struct wild *w)
{
    const struct fact *row = one_in(w, 24) ? NULL : some(w, "node");
    return row ? row_id(w, row->key.bytes) : id_of(a_node(w));
}
static const uint8_t *some_chunk(struct wild *w)
{
    const struct fact *row = one_in(w, 24) ? NULL : some(w, "chunk");
    return row ? row_id(w, row->key.bytes) : thing(w, "chunk", below(w, 14));
}
static int operator_now(struct wild *w, const uint8_t *node)
{
    const struct fact *row = node_row(w, node);
    return row && !one_in(w, 12) ? who(get_bytes(row, "operator")) : (int)a_wallet(w);
}
static struct dsdn_view zone_name(struct wild *w, const uint8_t *padded)
{
    uint32_t len = 0;
    while (len < 32 && padded[len]) len++;
    uint8_t *copy = room(w, 32);
    memcpy(copy, padded, len);
    return (struct dsdn_view){copy, len};
}
static struct dsdn_view some_zone(struct wild *w)
{
    char name[3] = {'z', (char)('a' + below(w, w->zone_cnt)), 0};
    return text(w, name);
}
/* A number at an edge of `edge`: it, one below, one above; or something else. */
static uint64_t near(struct wild *w, uint64_t edge)
{
    switch (below(w, 8)) {
    case 0: return edge ? edge - 1 : 0;
    case 1: return edge + 1;
    case 2: return below(w, 20);
    default: return edge;
    }
}
/* A time after now, mostly far after it. */
static uint64_t expiry(struct wild *w)
{
    switch (below(w, 10)) {
    case 0: return w->now;
    case 1: return w->now + 1;
    case 2: return w->now + 1 + below(w, 5000);
    case 3: return w->now + 60000;
    default: return far + below(w, 3);
    }
}

/* ---- approvals ---- */

static int id_order(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

/* Approvals by members of a table, and the author: enough of them, mostly. */
static struct dsdn_list agreed(struct wild *w, int *author, const char *table, uint64_t needed)
{
    uint8_t(*ids)[32] = room(w, 64 * 32), *records = room(w, 64 * 96);
    const struct fact_table *rows = facts_table(twin_facts(w->twin), table);
    bool founders = strcmp(table, "founder") == 0;
    uint32_t n = 0, cnt;
    for (uint32_t i = 0; i < rows->cnt && n < 32; i++) {
        if (!founders &&
            __builtin_bswap32(dsdn_load32(rows->rows[i]->key.bytes)) != head_number(w, "quorum_set"))
            continue;
        memcpy(ids[n++], founders ? rows->rows[i]->key.bytes : get_bytes(rows->rows[i], "member"), 32);
    }
    *author = n && !one_in(w, 24) ? who(ids[below(w, n)]) : (int)a_wallet(w);
    cnt = needed ? (uint32_t)needed - 1 : 0;
    if (one_in(w, 12)) cnt = (uint32_t)below(w, 4);
    for (uint32_t i = n; i > 1; i--) { /* shuffled, the author to the end */
        uint8_t swap[32];
        uint32_t k = (uint32_t)below(w, i);
        memcpy(swap, ids[i - 1], 32);
        memcpy(ids[i - 1], ids[k], 32);
        memcpy(ids[k], swap, 32);
    }
    for (uint32_t i = 0; i + 1 < n; i++)
        if (same(ids[i], id_of((uint32_t)*author))) {
            memcpy(ids[i], ids[n - 1], 32);
            memcpy(ids[n - 1], id_of((uint32_t)*author), 32);
        }
    if (cnt > n) cnt = n;
    if (one_in(w, 24) && cnt < 60)
        memcpy(ids[cnt++], id_of((uint32_t)below(w, PEOPLE)), 32); /* a foreign one */
    if (!one_in(w, 24)) qsort(ids, cnt, 32, id_order);
    for (uint32_t i = 0; i < cnt; i++) {
        memcpy(records + 96 * i, ids[i], 32);
        memset(records + 96 * i + 32, 0, 64);
    }
    return (struct dsdn_list){records, cnt, 96 * cnt};
}

static struct dsdn_list founders_agree(struct wild *w, int *author)
{
    return agreed(w, author, "founder", head_number(w, "founder_m"));
}

static struct dsdn_list quorum_agrees(struct wild *w, int *author)
{
    const struct fact_table *rows = facts_table(twin_facts(w->twin), "quorum_member");
    uint64_t n = 0, percent = head_number(w, "quorum_pct");
    for (uint32_t i = 0; i < rows->cnt; i++)
        n += __builtin_bswap32(dsdn_load32(rows->rows[i]->key.bytes)) == head_number(w, "quorum_set");
    return agreed(w, author, "quorum_member", percent == 67 ? (2 * n + 2) / 3 : (n * percent + 99) / 100);
}

/* ---- system ---- */

static void make_checkpoint_declared(struct wild *w, struct draft *d)
{
    struct dsdn_ev_checkpoint_declared *e = EVENT_OF(d, checkpoint_declared);
    uint64_t every = parameter(w, "attest_every"), sequence = head_number(w, "sequence");
    if (!one_in(w, 3)) d->author = (int)(VALIDATORS + below(w, 3));
    e->sequence = one_in(w, 8) ? sequence : below(w, sequence / every + 1) * every;
    e->root = thing(w, "root", one_in(w, 6));
}

static void make_param_changed(struct wild *w, struct draft *d)
{
    struct dsdn_ev_param_changed *e = EVENT_OF(d, param_changed);
    const struct dsdn_parameter_desc *p = &dsdn_parameters[below(w, DSDN_PARAMETER_CNT)];
    e->approvals = founders_agree(w, &d->author);
    const char *name = p->name;
    int64_t least = p->least, most = p->most;
    if (one_in(w, 4)) { /* op:ADDRESS */
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        char *op = room(w, 64);
        const uint8_t *wallet = id_of(a_wallet(w));
        memcpy(op, "op:", 3);
        for (unsigned i = 0; i < 43; i++) {
            unsigned sum = 0;
            for (unsigned k = 6 * i; k < 6 * i + 6; k++)
                sum = sum * 2 + (k < 256 ? wallet[k / 8] >> (7 - k % 8) & 1u : 0);
            op[3 + i] = digits[sum];
        }
        op[46] = 0;
        if (one_in(w, 8)) op[45] = (char)(op[45] + 1); /* bits behind the address, or no digit */
        if (one_in(w, 16)) op[10] = '+';
        name = op;
        least = 0;
        most = 1;
    }
    if (one_in(w, 24)) name = "no_such_parameter";
    e->key = text(w, name);
    e->old_value = twin_parameter(w->twin, name);
    int64_t choices[] = {least,
                         most,
                         least - (least > INT64_MIN),
                         most < INT64_MAX ? most + 1 : most,
                         e->old_value,
                         e->old_value + 1,
                         least + (int64_t)below(w, 5000)};
    e->new_value = choices[below(w, 7)];
    if (least == 0 && most == 1 && !one_in(w, 4)) e->new_value = !e->old_value;
    if (one_in(w, 16)) e->old_value++;
    e->effective = w->batch->origin.height + (one_in(w, 12) ? UINT64_MAX : below(w, 4));
}

static struct dsdn_list members_of_committee(struct wild *w)
{
    uint32_t n = 1 + (uint32_t)below(w, 5), first = (uint32_t)below(w, 3);
    uint8_t *records = room(w, 98u * n);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(records + 98 * i, id_of(SEATS + first + i), 32);
        memcpy(records + 98 * i + 32, id_of(VALIDATORS + i), 32);
        memset(records + 98 * i + 64, (int)i, 32);
        dsdn_store16(records + 98 * i + 96, (uint16_t)(i + 1));
    }
    if (one_in(w, 16)) memset(records, 0, 32);
    if (one_in(w, 16)) memcpy(records + 98 * (n - 1), id_of(SEATS + first), 32);
    if (one_in(w, 16)) dsdn_store16(records + 98 * (n - 1) + 96, (uint16_t)below(w, 2));
    return (struct dsdn_list){records, n, 98 * n};
}

static void make_authority_replaced(struct wild *w, struct draft *d)
{
    struct dsdn_ev_authority_replaced *e = EVENT_OF(d, authority_replaced);
    const uint8_t *key =
        one_in(w, 16) ? (const uint8_t *)room(w, 32) : id_of((uint32_t)below(w, AUTHORITY_CNT));
    if (one_in(w, 2)) {
        e->publisher = key;
        return;
    }
    e->committee = members_of_committee(w);
    e->threshold = (uint16_t)(2 * e->committee.count / 3 + 1);
    e->group_public = key;
}

static void make_committee_formed(struct wild *w, struct draft *d)
{
    struct dsdn_ev_committee_formed *e = EVENT_OF(d, committee_formed);
    e->epoch = head_number(w, "authority_epoch") + 1;
    e->members = members_of_committee(w);
    e->threshold = (uint16_t)(2 * e->members.count / 3 + 1);
    e->group_public = id_of((uint32_t)below(w, AUTHORITY_CNT));
    e->epoch_start = w->now;
    e->duration_s = (uint32_t)below(w, 12);
    e->method = 1;
    e->seed = thing(w, "seed", below(w, 2));
}

static void make_committee_handoff_started(struct wild *w, struct draft *d)
{
    struct dsdn_ev_committee_handoff_started *e = EVENT_OF(d, committee_handoff_started);
    e->from_epoch = head_number(w, "authority_epoch");
    e->to_epoch = e->from_epoch + 1;
    e->start = w->now + (one_in(w, 3) ? below(w, 2000) : 0);
    if (one_in(w, 12)) e->start = w->now - 1;
    if (one_in(w, 24)) e->start = UINT64_MAX - below(w, 3);
    uint64_t end = e->start + parameter(w, "handoff_ms");
    e->end = end < e->start ? UINT64_MAX : end;
    if (one_in(w, 12)) e->end++;
}

static void make_committee_handoff_completed(struct wild *w, struct draft *d)
{
    EVENT_OF(d, committee_handoff_completed)->to_epoch = head_number(w, "authority_epoch");
}

static void make_quorum_validator_set_declared(struct wild *w, struct draft *d)
{
    struct dsdn_ev_quorum_validator_set_declared *e = EVENT_OF(d, quorum_validator_set_declared);
    static const uint8_t percents[] = {67, 67, 67, 66, 100, 101, 80, 68};
    uint32_t n = one_in(w, 10) ? 0 : 1 + (uint32_t)below(w, 4), first = (uint32_t)below(w, QUORUM_CNT - 4);
    uint8_t *ids = room(w, 32 * 8);
    if (head_number(w, "quorum_pct") && facts_table(twin_facts(w->twin), "quorum_member")->cnt)
        e->approvals = quorum_agrees(w, &d->author);
    else
        e->approvals = founders_agree(w, &d->author);
    for (uint32_t i = 0; i < n; i++) memcpy(ids + 32 * i, id_of(QUORUM + first + i), 32);
    qsort(ids, n, 32, id_order);
    e->members = (struct dsdn_list){ids, n, 32 * n};
    e->set_id = (uint32_t)head_number(w, "quorum_set") + !one_in(w, 5);
    e->threshold_pct = percents[below(w, 8)];
    if (one_in(w, 4)) { /* the present set again */
        const struct fact_table *rows = facts_table(twin_facts(w->twin), "quorum_member");
        e->set_id = (uint32_t)head_number(w, "quorum_set");
        e->threshold_pct = (uint8_t)head_number(w, "quorum_pct");
        for (uint32_t i = n = 0; i < rows->cnt && n < 8; i++)
            if (__builtin_bswap32(dsdn_load32(rows->rows[i]->key.bytes)) == e->set_id)
                memcpy(ids + 32 * n++, get_bytes(rows->rows[i], "member"), 32);
        e->members = (struct dsdn_list){ids, n, 32 * n};
    }
}

static void make_upgrade_scheduled(struct wild *w, struct draft *d)
{
    struct dsdn_ev_upgrade_scheduled *e = EVENT_OF(d, upgrade_scheduled);
    uint64_t height = head_number(w, "has_primary") ? w->batch->origin.height : head_number(w, "sequence");
    uint64_t step = below(w, 30);
    e->approvals = founders_agree(w, &d->author);
    e->major = 1;
    e->minor = (uint16_t)(height / 4 + step + !one_in(w, 8));
    e->height = height + (one_in(w, 5) ? 0 : 4 * step + below(w, 4));
    if (one_in(w, 24)) e->major = 10; /* no program knows it */
    e->migration = thing(w, "migration", one_in(w, 8));
}

static void make_upgrade_cancelled(struct wild *w, struct draft *d)
{
    struct dsdn_ev_upgrade_cancelled *e = EVENT_OF(d, upgrade_cancelled);
    const struct fact *row = some(w, "upgrade");
    e->approvals = founders_agree(w, &d->author);
    if (!row) return;
    uint64_t version = dsdn_load64_be(row->key.bytes + 8);
    e->height = dsdn_load64_be(row->key.bytes);
    e->major = (uint16_t)(version >> 32);
    e->minor = (uint16_t)(version >> 16);
    e->patch = (uint16_t)(version + one_in(w, 8));
}

/* ---- nodes ---- */

static void fill_registration(struct wild *w, struct draft *d, uint32_t number)
{
    struct dsdn_ev_node_registered *e = EVENT_OF(d, node_registered);
    char zone[3] = {'z', (char)('a' + number % w->zone_cnt), 0};
    d->author = (int)operator_of(number);
    e->node_id = id_of(number);
    e->operator= id_of(operator_of(number));
    e->role = number == NODES + 4 ? 2 : 1;
    e->node_class = e->role == 1 ? number % 7 == 3 : -1;
    e->zone = text(w, zone);
    e->address = text(w, "a:1");
    e->capacity_gb = w->theme == WILD_FULL ? 1 : 3;
    e->tls_fingerprint = thing(w, "tls", number);
    e->tls_not_after = far;
    e->binding_expiry = far;
    e->label = text(w, "n");
}

static void make_node_registered(struct wild *w, struct draft *d)
{
    struct dsdn_ev_node_registered *e = EVENT_OF(d, node_registered);
    uint32_t number = a_node(w);
    for (unsigned i = 0; i < 3; i++) { /* one that can register, if there is one */
        const struct fact *row = node_row(w, id_of(number));
        if (!row || get(row, "status") == 4) break;
        number = a_node(w);
    }
    fill_registration(w, d, number);
    d->version = (uint8_t)(1 + !one_in(w, 6));
    if (one_in(w, 6)) {
        e->role = (uint8_t)below(w, 5);
        e->node_class = e->role == 1 ? (int16_t)below(w, 2) : -1;
    }
    if (one_in(w, 8)) e->zone = some_zone(w);
    if (one_in(w, 4)) e->capacity_gb = (uint32_t)below(w, 4);
    if (one_in(w, 4)) e->tls_not_after = expiry(w);
    if (one_in(w, 4)) e->binding_expiry = expiry(w);
    if (one_in(w, 24)) e->zone.len = 0;
}

static void make_node_updated(struct wild *w, struct draft *d)
{
    struct dsdn_ev_node_updated *e = EVENT_OF(d, node_updated);
    e->node_id = some_node(w);
    d->author = operator_now(w, e->node_id);
    const struct fact *row = node_row(w, e->node_id);
    e->zone = row && one_in(w, 2) ? zone_name(w, get_bytes(row, "zone")) : some_zone(w);
    e->address = text(w, one_in(w, 3) ? "b:2" : "a:1");
    e->capacity_gb = row && one_in(w, 2) ? (uint32_t)get(row, "capacity_gb") : (uint32_t)below(w, 4);
    if (one_in(w, 24)) e->zone.len = 0;
}

static void make_operator_bound(struct wild *w, struct draft *d)
{
    struct dsdn_ev_operator_bound *e = EVENT_OF(d, operator_bound);
    e->node_id = some_node(w);
    const struct fact *row = node_row(w, e->node_id);
    d->author = (int)a_wallet(w);
    e->expiry = expiry(w);
    if (row && one_in(w, 4)) {
        d->author = who(get_bytes(row, "operator"));
        e->expiry = get(row, "binding_expiry");
    }
    e->operator= id_of((uint32_t)d->author);
}

static void make_node_tls_rotated(struct wild *w, struct draft *d)
{
    struct dsdn_ev_node_tls_rotated *e = EVENT_OF(d, node_tls_rotated);
    e->node_id = some_node(w);
    d->author = who(e->node_id);
    const struct fact *row = node_row(w, e->node_id);
    e->tls_fingerprint = row && one_in(w, 2) ? row_id(w, get_bytes(row, "tls_fingerprint")) : random_hash(w);
    e->tls_not_after = row && one_in(w, 2) ? get(row, "tls_not_after") : expiry(w);
}

static void make_node_heartbeat(struct wild *w, struct draft *d)
{
    struct dsdn_ev_node_heartbeat *e = EVENT_OF(d, node_heartbeat);
    e->node_id = some_node(w);
    d->author = who(e->node_id);
    e->applied_seq = head_number(w, "sequence");
    e->applied_root = random_hash(w);
}

static void make_node_status_set(struct wild *w, struct draft *d)
{
    struct dsdn_ev_node_status_set *e = EVENT_OF(d, node_status_set);
    e->node_id = some_node(w);
    const struct fact *row = node_row(w, e->node_id);
    e->status = (uint8_t)below(w, 4);
    if (one_in(w, 2)) e->status = 1;
    if (row && one_in(w, 8)) e->status = (uint8_t)(get(row, "status") % 4);
    e->reason = (uint16_t)below(w, 3);
    e->until =
        e->status == 3 && !one_in(w, 3) ? w->now + below(w, 3) * (one_in(w, 2) ? 1 : 500) : one_in(w, 16);
    if (one_in(w, 2)) e->approvals = founders_agree(w, &d->author);
    if (one_in(w, 24)) d->author = NOBODY;
}

static void make_node_deregistered(struct wild *w, struct draft *d)
{
    struct dsdn_ev_node_deregistered *e = EVENT_OF(d, node_deregistered);
    e->node_id = some_node(w);
    d->author = operator_now(w, e->node_id);
}

/* ---- objects and replicas ---- */

static const uint8_t *tree_leaf(const uint8_t chunk[32], uint64_t leaf, uint8_t out[32])
{
    uint8_t message[40];
    memcpy(message, chunk, 32);
    dsdn_store64(message + 32, leaf);
    dsdn_tagged("leaf", message, sizeof message, out);
    return out;
}

static void tree_root(const uint8_t chunk[32], uint64_t from, uint64_t cnt, uint8_t root[32])
{
    uint8_t node[65] = {1};
    uint64_t left = 1;
    if (cnt == 1) {
        tree_leaf(chunk, from, root);
        return;
    }
    while (left * 2 < cnt) left *= 2;
    tree_root(chunk, from, left, node + 1);
    tree_root(chunk, from + left, cnt - left, node + 33);
    dsdn_sha256(node, sizeof node, root);
}

void wild_tree(const uint8_t chunk[32], uint64_t leaves, uint8_t root[32])
{
    tree_root(chunk, 0, leaves, root);
}

static uint32_t tree_path(const uint8_t chunk[32], uint64_t leaf, uint64_t from, uint64_t cnt, uint8_t *path)
{
    uint64_t left = 1;
    if (cnt == 1) {
        tree_leaf(chunk, from, path);
        return 1;
    }
    while (left * 2 < cnt) left *= 2;
    bool low = leaf < from + left;
    uint32_t len = low ? tree_path(chunk, leaf, from, left, path)
                       : tree_path(chunk, leaf, from + left, cnt - left, path);
    tree_root(chunk, low ? from + left : from, low ? cnt - left : left, path + 32 * len);
    return len + 1;
}

uint32_t wild_path(const uint8_t chunk[32], uint64_t leaf, uint64_t leaves, uint8_t *path)
{
    return tree_path(chunk, leaf, 0, leaves, path);
}

static uint64_t leaves_of_row(const struct fact *chunk)
{
    return (get(chunk, "size") + get(chunk, "leaf_size") - 1) / get(chunk, "leaf_size");
}

static void make_object_declared(struct wild *w, struct draft *d)
{
    struct dsdn_ev_object_declared *e = EVENT_OF(d, object_declared);
    uint64_t number = below(w, 6);
    e->object = thing(w, "object", number);
    d->author = (int)a_wallet(w);
    e->owner = id_of((uint32_t)d->author);
    e->chunk_count = (uint32_t)(1 + below(w, 4));
    e->size = near(w, e->chunk_count * (one_in(w, 4) ? chunk_max : 3000));
    if (one_in(w, 10)) e->chunk_count = 0, e->size = one_in(w, 2);
    e->rf = (uint8_t)(1 + below(w, 4));
    if (one_in(w, 12)) e->rf = (uint8_t)(16 * below(w, 2) + below(w, 2));
    e->visibility = (uint8_t)below(w, 2);
    e->enc = (uint8_t)below(w, 3);
    if (one_in(w, 2)) e->manifest = thing(w, "manifest", one_in(w, 8));
}

static void make_chunk_declared(struct wild *w, struct draft *d)
{
    struct dsdn_ev_chunk_declared *e = EVENT_OF(d, chunk_declared);
    const struct fact *object = some(w, "object");
    e->chunk = thing(w, "chunk", below(w, 14));
    e->object = object && !one_in(w, 16) ? row_id(w, object->key.bytes) : thing(w, "object", below(w, 8));
    d->author = object ? who(get_bytes(object, "owner")) : (int)a_wallet(w);
    e->index = object ? (uint32_t)near(w, below(w, get(object, "chunk_count") + 1)) : 0;
    static const uint32_t leaf_sizes[] = {1024, 1024, 1024, 2048, 4096, 1 << 26, 512, 3000};
    e->leaf_size = leaf_sizes[below(w, 8)];
    uint64_t leaves = one_in(w, 8) ? 1 + below(w, 64) : 1 + below(w, 6);
    e->size = (leaves - 1) * e->leaf_size + 1 + below(w, e->leaf_size);
    if (one_in(w, 2)) e->size = leaves * e->leaf_size;
    if (e->size > chunk_max && !one_in(w, 4)) e->size = chunk_max, e->leaf_size = 1 << 26;
    if (one_in(w, 24)) e->size = 0;
    leaves = e->size ? (e->size + e->leaf_size - 1) / e->leaf_size : 1;
    uint8_t *root = room(w, 32);
    wild_tree(e->chunk, leaves, root);
    e->leaf_root = root;
    if (one_in(w, 4)) {
        uint8_t *ec = room(w, 3);
        for (unsigned i = 0; i < 3; i++) ec[i] = (uint8_t)below(w, 4);
        e->ec = (struct dsdn_list){ec, 1, 3};
    }
}

static void make_delete_requested(struct wild *w, struct draft *d)
{
    struct dsdn_ev_delete_requested *e = EVENT_OF(d, delete_requested);
    e->kind = !one_in(w, 3);
    e->target = e->kind ? some_chunk(w) : thing(w, "object", below(w, 6));
    const struct fact *chunk = e->kind ? facts_by_id(twin_facts(w->twin), "chunk", e->target) : NULL;
    const struct fact *object =
        facts_by_id(twin_facts(w->twin), "object", chunk ? get_bytes(chunk, "object") : e->target);
    d->author = object ? who(get_bytes(object, "owner")) : (int)a_wallet(w);
    e->reason = (uint8_t)below(w, 3);
}

static uint64_t assignment_deadline(struct wild *w)
{
    switch (below(w, 12)) {
    case 0: return w->now;
    case 1: return w->now + 1;
    case 2: return UINT64_MAX;
    default: return w->now + 1000 + below(w, 2) * 100000;
    }
}

/* A chunk that wants nodes and has a plan, if a few tries find one. */
static const uint8_t *planned(struct wild *w, const uint8_t **node, uint32_t which)
{
    uint8_t nodes[16][32];
    const uint8_t *chunk = some_chunk(w);
    for (unsigned i = 0; i < 4; i++, chunk = some_chunk(w)) {
        uint32_t cnt = twin_planned(w->twin, w->now, chunk, nodes);
        if (!cnt) continue;
        *node = row_id(w, nodes[which == UINT32_MAX ? below(w, cnt) : which < cnt ? which : cnt - 1]);
        return chunk;
    }
    *node = some_node(w);
    return chunk;
}

static void fill_assignment(struct wild *w, struct draft *d, const uint8_t *chunk, const uint8_t *node)
{
    struct dsdn_ev_replica_assigned *e = EVENT_OF(d, replica_assigned);
    const struct fact *row = node_row(w, node);
    e->chunk = chunk;
    e->node = node;
    e->zone = row ? zone_name(w, get_bytes(row, "zone")) : some_zone(w);
    e->deadline = w->now + 100000;
}

static void make_replica_assigned(struct wild *w, struct draft *d)
{
    const uint8_t *node, *chunk = planned(w, &node, UINT32_MAX);
    if (one_in(w, 4)) node = some_node(w);
    const struct fact *holder = one_in(w, 6) ? some(w, "replica") : NULL;
    if (holder) { /* its zone again, if a few tries find it */
        const struct fact *its = node_row(w, holder->key.bytes + 32);
        chunk = row_id(w, holder->key.bytes);
        for (unsigned i = 0; i < 6; i++) {
            node = some_node(w);
            const struct fact *row = node_row(w, node);
            if (row && row != its && same(get_bytes(row, "zone"), get_bytes(its, "zone"))) break;
        }
    }
    fill_assignment(w, d, chunk, node);
    struct dsdn_ev_replica_assigned *e = EVENT_OF(d, replica_assigned);
    const struct fact *replica = some(w, "replica");
    e->deadline = assignment_deadline(w);
    if (replica && one_in(w, 8)) { /* once more */
        fill_assignment(w, d, row_id(w, replica->key.bytes), row_id(w, replica->key.bytes + 32));
        e->deadline = get(replica, "deadline_ms") + one_in(w, 3);
    }
    if (one_in(w, 24)) e->zone = some_zone(w);
}

static void make_heal_assigned(struct wild *w, struct draft *d)
{
    struct dsdn_ev_heal_assigned *e = EVENT_OF(d, heal_assigned);
    const struct fact *replica = some(w, "replica");
    uint8_t *from = room(w, 32);
    e->chunk = planned(w, &e->to, UINT32_MAX);
    if (replica && one_in(w, 3)) e->chunk = row_id(w, replica->key.bytes);
    e->from = twin_source(w->twin, e->chunk, from) ? from : some_node(w);
    e->deadline = assignment_deadline(w);
    if (replica && one_in(w, 6)) { /* a holder that is not the source, or a repetition */
        e->chunk = row_id(w, replica->key.bytes);
        if (one_in(w, 2)) {
            e->from = row_id(w, replica->key.bytes + 32);
        } else {
            e->to = row_id(w, replica->key.bytes + 32);
            e->from = twin_source(w->twin, e->chunk, from) ? from : some_node(w);
            e->deadline = get(replica, "deadline_ms");
        }
    }
}

/* A replica in a state, if a few tries find one. */
static const struct fact *replica_in(struct wild *w, uint64_t state)
{
    const struct fact *replica = some(w, "replica");
    for (unsigned i = 0; i < 5 && replica && get(replica, "state") != state; i++)
        replica = some(w, "replica");
    return replica;
}

static void make_replica_added(struct wild *w, struct draft *d)
{
    struct dsdn_ev_replica_added *e = EVENT_OF(d, replica_added);
    const struct fact *replica = replica_in(w, 0);
    e->chunk = replica && !one_in(w, 16) ? row_id(w, replica->key.bytes) : some_chunk(w);
    e->node = replica ? row_id(w, replica->key.bytes + 32) : some_node(w);
    e->leaf_root = random_hash(w);
    d->author = who(e->node);
    const struct fact *chunk = facts_by_id(twin_facts(w->twin), "chunk", e->chunk);
    if (!chunk) return;
    e->leaf_root = row_id(w, get_bytes(chunk, "leaf_root"));
    uint64_t leaves = leaves_of_row(chunk), leaf = 0;
    if (replica) {
        uint8_t message[96], hash[32];
        memcpy(message, get_bytes(replica, "origin_hash"), 32);
        memcpy(message + 32, e->chunk, 32);
        memcpy(message + 64, e->node, 32);
        dsdn_tagged("dsdn/leaf/1", message, sizeof message, hash);
        leaf = dsdn_load64(hash) % leaves;
    }
    if (one_in(w, 16)) leaf = near(w, leaf);
    e->proof_leaf = (uint32_t)leaf;
    if (leaf >= leaves) leaf = 0;
    uint8_t *path = room(w, 32 * 70);
    uint32_t len = wild_path(e->chunk, leaf, leaves, path);
    if (one_in(w, 12)) path[below(w, 32u * len)] ^= 1;
    if (one_in(w, 24)) len--;
    if (one_in(w, 24)) memset(path + 32 * len++, 0, 32);
    e->proof_path = (struct dsdn_list){path, len, 32 * len};
}

static void about_replica(struct wild *w, struct draft *d, const struct fact *replica, const uint8_t **chunk,
                          const uint8_t **node)
{
    *chunk = replica && !one_in(w, 24) ? row_id(w, replica->key.bytes) : some_chunk(w);
    *node = replica && !one_in(w, 24) ? row_id(w, replica->key.bytes + 32) : some_node(w);
    if (one_in(w, 3)) d->author = who(*node);
}

static void make_replica_removed(struct wild *w, struct draft *d)
{
    struct dsdn_ev_replica_removed *e = EVENT_OF(d, replica_removed);
    const struct fact *replica = some(w, "replica");
    about_replica(w, d, replica, &e->chunk, &e->node);
    const struct fact *node = node_row(w, e->node);
    e->reason = (uint8_t)below(w, 4);
    if (one_in(w, 3)) e->reason = 1;
    if (replica && get(replica, "state") == 2 && one_in(w, 2)) e->reason = 2;
    if (node && get(node, "status") == 4) e->reason = 3;
}

static void make_replica_missing_reported(struct wild *w, struct draft *d)
{
    struct dsdn_ev_replica_missing_reported *e = EVENT_OF(d, replica_missing_reported);
    about_replica(w, d, replica_in(w, 1), &e->chunk, &e->node);
    if (d->author != NOBODY) d->author = who(some_node(w));
    e->observed = w->now;
}

static void make_replica_healed(struct wild *w, struct draft *d)
{
    struct dsdn_ev_replica_healed *e = EVENT_OF(d, replica_healed);
    about_replica(w, d, replica_in(w, one_in(w, 2) ? 2 : 0), &e->chunk, &e->node);
}

/* ---- fallback ---- */

static const uint8_t *an_activation(struct wild *w)
{
    const struct fact_table *rows = facts_table(twin_facts(w->twin), "fallback");
    for (uint32_t i = 0; i < rows->cnt; i++)
        if (get(rows->rows[i], "state") && !one_in(w, 4)) return row_id(w, rows->rows[i]->key.bytes);
    return thing(w, "activation", below(w, 5));
}

static void make_fallback_activated(struct wild *w, struct draft *d)
{
    struct dsdn_ev_fallback_activated *e = EVENT_OF(d, fallback_activated);
    e->layer = (uint8_t)(one_in(w, 12) ? 0 : 1 + below(w, 2));
    if (e->layer == 2 && one_in(w, 2))
        e->approvals = founders_agree(w, &d->author);
    else
        e->approvals = quorum_agrees(w, &d->author);
    e->activation_id = thing(w, "activation", below(w, 5));
    e->reason = text(w, "why");
    e->celestia_last_height = 100;
    e->activated_at = 5000;
}

static void make_fallback_deactivated(struct wild *w, struct draft *d)
{
    struct dsdn_ev_fallback_deactivated *e = EVENT_OF(d, fallback_deactivated);
    e->approvals = one_in(w, 2) ? founders_agree(w, &d->author) : quorum_agrees(w, &d->author);
    e->activation_id = an_activation(w);
    e->celestia_recovery_height = near(w, 100);
    e->deactivated_at = near(w, 5000);
    e->blobs_reconciled = 7;
}

static void make_reconciliation_started(struct wild *w, struct draft *d)
{
    struct dsdn_ev_reconciliation_started *e = EVENT_OF(d, reconciliation_started);
    e->activation_id = an_activation(w);
    e->pending_count = one_in(w, 8) ? UINT64_MAX : 5;
    e->started_at = 6000;
}

static void make_reconciliation_completed(struct wild *w, struct draft *d)
{
    struct dsdn_ev_reconciliation_completed *e = EVENT_OF(d, reconciliation_completed);
    e->activation_id = an_activation(w);
    e->reconciled_count = near(w, 3);
    e->failed_count = one_in(w, 8) ? UINT64_MAX - below(w, 4) : near(w, 2);
    e->completed_at = 7000;
}

/* ---- accounts and stake ---- */

static uint64_t spendable(struct wild *w, int author)
{
    return author < 0 ? 0 : twin_spendable(w->twin, w->now, id_of((uint32_t)author));
}

static void make_transfer(struct wild *w, struct draft *d)
{
    struct dsdn_ev_transfer *e = EVENT_OF(d, transfer);
    uint64_t fee = parameter(w, "transfer_fee");
    d->author = (int)a_wallet(w);
    e->to = id_of(a_wallet(w));
    uint64_t all = spendable(w, d->author);
    switch (below(w, 6)) {
    case 0: e->amount.units = near(w, all > fee ? all - fee : all); break;
    case 1: e->amount.units = UINT64_MAX - below(w, 3); break;
    case 2: e->amount.units = below(w, 10); break;
    default: e->amount.units = near(w, parameter(w, "affinity_transfer_min"));
    }
    e->max_fee.units = near(w, fee);
    if (one_in(w, 24)) e->amount.asset = 1;
    if (one_in(w, 24)) e->max_fee.asset = 1;
    if (one_in(w, 4)) e->memo_hash = random_hash(w);
}

static void make_wallet_affinity_declared(struct wild *w, struct draft *d)
{
    struct dsdn_ev_wallet_affinity_declared *e = EVENT_OF(d, wallet_affinity_declared);
    const struct fact *link = some(w, "transfer_link");
    e->kind = (uint8_t)below(w, 3);
    e->a = id_of(a_wallet(w));
    e->b = id_of(a_wallet(w));
    if (e->kind == 1) {
        e->a = some_node(w);
        e->b = some_node(w);
    }
    if (e->kind == 2 && link && !one_in(w, 4)) {
        bool other = one_in(w, 2);
        e->a = row_id(w, link->key.bytes + (other ? 32 : 0));
        e->b = row_id(w, link->key.bytes + (other ? 0 : 32));
    }
    d->author = one_in(w, 3) ? NOBODY : who(e->a);
    e->evidence = thing(w, "evidence", 0);
    if (e->kind == 0 ? !one_in(w, 12) : one_in(w, 16)) e->b_sig = room(w, 64);
    if (e->b_sig) memset((uint8_t *)(uintptr_t)e->b_sig, 0, 64);
}

static void make_stake_deposited(struct wild *w, struct draft *d)
{
    struct dsdn_ev_stake_deposited *e = EVENT_OF(d, stake_deposited);
    uint32_t node = one_in(w, 3) ? VALIDATORS + (uint32_t)below(w, VALIDATOR_CNT) : a_node(w);
    e->beneficiary = id_of(node);
    const struct fact *row = facts_by_id(twin_facts(w->twin), "stake", e->beneficiary);
    e->role = node >= NODES && node != NODES + 4 ? 1 : 2;
    if (row) e->role = (uint8_t)get(row, "role");
    const struct fact *registered = node_row(w, e->beneficiary);
    d->author = e->role == 2 ? (int)node : (int)operator_of(node);
    if (row && get(row, "amount")) d->author = who(get_bytes(row, "staker"));
    if (registered && one_in(w, 2)) d->author = who(get_bytes(registered, "operator"));
    if (one_in(w, 12)) d->author = (int)a_wallet(w);
    e->staker = id_of((uint32_t)d->author);
    uint64_t least = parameter(w, e->role == 1 ? "stake_min_reguler" : "stake_min_validator");
    e->amount.units = near(w, least);
    if (one_in(w, 8)) e->amount.units = near(w, spendable(w, d->author));
    if (one_in(w, 24)) e->amount.asset = 1;
    if (one_in(w, 24)) e->role = (uint8_t)below(w, 3);
}

static void make_stake_withdraw_requested(struct wild *w, struct draft *d)
{
    struct dsdn_ev_stake_withdraw_requested *e = EVENT_OF(d, stake_withdraw_requested);
    const struct fact *row = some(w, "stake");
    e->beneficiary = row && !one_in(w, 16) ? row_id(w, row->key.bytes) : id_of(a_node(w));
    d->author = row ? who(get_bytes(row, "staker")) : (int)a_wallet(w);
    uint64_t amount = row ? get(row, "amount") : 0, least = parameter(w, "stake_min_reguler");
    if (row && get(row, "role") == 2) least = parameter(w, "stake_min_validator");
    e->amount.units = near(w, one_in(w, 3) ? amount : amount > least ? amount - least : 1);
    if (one_in(w, 3)) e->amount.units = 1 + below(w, 3);
    if (one_in(w, 24)) e->amount.asset = 1;
}

static struct dsdn_view corruption_evidence(struct wild *w, const uint8_t *target)
{
    const struct fact *chunk = some(w, "chunk");
    uint8_t *e = room(w, 132 + 32 * 70), message[100], digest[32];
    memset(e, 3, 132);
    if (chunk) memcpy(e, chunk->key.bytes, 32);
    if (one_in(w, 24)) e[5] ^= 1;
    uint64_t leaves = chunk ? leaves_of_row(chunk) : 1, leaf = below(w, leaves);
    dsdn_store32(e + 32, (uint32_t)leaf);
    memcpy(e + 36, random_hash(w), 32);
    uint32_t len = chunk ? wild_path(chunk->key.bytes, leaf, leaves, e + 132) : 1;
    if (one_in(w, 12)) memcpy(e + 36, e + 132, 32); /* served as it should be */
    if (one_in(w, 24)) e[140] ^= 1;
    memcpy(message, twin_genesis(w->twin), 32);
    memcpy(message + 32, e, 68);
    dsdn_tagged("dsdn/served/1", message, sizeof message, digest);
    const struct dsdn_sign_key *key = person_of(target);
    if (key) dsdn_sign(key, digest, e + 68);
    if (one_in(w, 16)) e[80] ^= 1;
    return (struct dsdn_view){e, 132 + 32 * (one_in(w, 24) ? 0 : len) + one_in(w, 24)};
}

static struct dsdn_view double_evidence(struct wild *w, const uint8_t *target)
{
    uint8_t *e = room(w, 208), digest[32];
    dsdn_store32(e, (uint32_t)below(w, 2));
    dsdn_store64(e + 4, below(w, 3));
    memset(e + 12, 1, 32);
    memset(e + 108, one_in(w, 16) ? 1 : 2, 32);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *vote = e + 12 + 96 * i;
        const struct dsdn_sign_key *key = person_of(target);
        dsdn_certificate_message(twin_genesis(w->twin), dsdn_load32(e), dsdn_load64(e + 4), vote, digest);
        memset(vote + 32, 0, 64);
        if (key) dsdn_sign(key, digest, vote + 32);
        if (one_in(w, 32)) vote[50] ^= 1;
    }
    return (struct dsdn_view){e, 204 - one_in(w, 24)};
}

static void make_slash_evidence_submitted(struct wild *w, struct draft *d)
{
    struct dsdn_ev_slash_evidence_submitted *e = EVENT_OF(d, slash_evidence_submitted);
    static const uint8_t kinds[] = {1, 1, 1, 2, 2, 2, 2, 3, 3, 5, 5, 0, 4};
    const struct fact *row = some(w, "validator");
    e->kind = kinds[below(w, 12 + one_in(w, 4))];
    if (e->kind == 0 && !one_in(w, 3)) e->kind = 2;
    d->author = (int)a_wallet(w);
    e->target = some_node(w);
    for (unsigned i = 0; i < 4 && e->kind == 3; i++) {
        const struct fact *node = node_row(w, e->target);
        if (node && get(node, "fault3_ms")) break;
        e->target = some_node(w);
    }
    if (e->kind == 2) e->evidence = corruption_evidence(w, e->target);
    if (e->kind != 5) {
        if (e->kind != 2 && one_in(w, 24)) e->evidence = text(w, "x");
        return;
    }
    if (row && !one_in(w, 8)) e->target = row_id(w, row->key.bytes);
    e->evidence = double_evidence(w, e->target);
}

/* ---- audit ---- */

static int an_auditor(struct wild *w)
{
    switch (below(w, 5)) {
    case 0: return (int)(VALIDATORS + below(w, 3));
    case 1: return (int)(SEATS + below(w, 3));
    case 2: return (int)a_wallet(w);
    default: return who(some_node(w));
    }
}

static void make_audit_record_posted(struct wild *w, struct draft *d)
{
    struct dsdn_ev_audit_record_posted *e = EVENT_OF(d, audit_record_posted);
    const struct fact *row = some(w, "audit_chain");
    d->author = an_auditor(w);
    if (row && one_in(w, 2)) d->author = who(row->key.bytes);
    row = facts_by_id(twin_facts(w->twin), "audit_chain", id_of((uint32_t)d->author));
    e->log_type = (uint16_t)(one_in(w, 12) ? 11 * below(w, 2) : 1 + below(w, 10));
    e->ref = thing(w, "ref", 0);
    e->seq = row ? get(row, "next_seq") : 0;
    if (one_in(w, 8)) e->seq += below(w, 3) - 1;
    e->prev = row && !one_in(w, 12) ? row_id(w, get_bytes(row, "head")) : memset(room(w, 32), 0, 32);
    e->body_hash = thing(w, "body", below(w, 2));
}

static void make_worm_segment_sealed(struct wild *w, struct draft *d)
{
    struct dsdn_ev_worm_segment_sealed *e = EVENT_OF(d, worm_segment_sealed);
    const struct fact *row = one_in(w, 12) ? NULL : some(w, "audit_chain");
    d->author = row ? who(row->key.bytes) : an_auditor(w);
    e->root = random_hash(w);
    if (!row) return;
    e->segment = near(w, get(row, "segments"));
    e->first = get(row, "sealed");
    e->last = get(row, "next_seq") - 1;
    if (one_in(w, 12)) e->first++;
    if (one_in(w, 12)) e->last--;
    if (!one_in(w, 12)) e->root = row_id(w, get_bytes(row, "head"));
    if (get(row, "segments") && one_in(w, 6)) { /* the newest segment again */
        e->segment = get(row, "segments") - 1;
        e->last = get(row, "sealed") - 1;
        e->root = row_id(w, get_bytes(row, "sealed_root"));
    }
}

/* ---- choosing ---- */

typedef void maker(struct wild *w, struct draft *d);
struct making {
    int event;
    maker *make;
    uint8_t version;
    uint8_t family; /* of themes; below */
};
enum { NODE = 1, STORE = 2, CHAIN = 4, FAULT = 8, SYSTEM = 16, SEATED = 32, FALL = 64 };
#define MAKING(name, version, family)                                                                        \
    {                                                                                                        \
        dsdn_EVENT_##name, make_##name, version, family                                                      \
    }

static const struct making makings[] = {
    MAKING(checkpoint_declared, 1, SYSTEM),
    MAKING(param_changed, 1, SYSTEM),
    MAKING(wallet_affinity_declared, 1, CHAIN),
    MAKING(authority_replaced, 1, SEATED),
    MAKING(node_registered, 2, NODE | FAULT),
    MAKING(node_updated, 1, NODE),
    MAKING(operator_bound, 1, NODE),
    MAKING(node_tls_rotated, 1, NODE),
    MAKING(node_heartbeat, 1, NODE),
    MAKING(node_status_set, 1, NODE | FAULT),
    MAKING(node_deregistered, 1, NODE),
    MAKING(object_declared, 1, STORE),
    MAKING(chunk_declared, 1, STORE),
    MAKING(replica_assigned, 1, STORE),
    MAKING(replica_added, 1, STORE),
    MAKING(replica_added, 1, STORE), /* twice: few assignments live long enough */
    MAKING(replica_removed, 1, STORE),
    MAKING(delete_requested, 1, 0),
    MAKING(replica_missing_reported, 1, STORE),
    MAKING(replica_healed, 1, STORE),
    MAKING(heal_assigned, 1, STORE),
    MAKING(fallback_activated, 1, FALL),
    MAKING(fallback_deactivated, 1, FALL),
    MAKING(reconciliation_started, 1, FALL),
    MAKING(reconciliation_completed, 1, FALL),
    MAKING(quorum_validator_set_declared, 1, SYSTEM | SEATED),
    MAKING(committee_formed, 1, SEATED),
    MAKING(committee_handoff_started, 1, SEATED),
    MAKING(committee_handoff_completed, 1, SEATED),
    MAKING(transfer, 1, CHAIN),
    MAKING(stake_deposited, 1, CHAIN | FAULT),
    MAKING(stake_withdraw_requested, 1, CHAIN),
    MAKING(slash_evidence_submitted, 1, FAULT | FAULT),
    MAKING(audit_record_posted, 1, FALL),
    MAKING(worm_segment_sealed, 1, FALL),
    MAKING(upgrade_scheduled, 1, SYSTEM),
    MAKING(upgrade_cancelled, 1, SYSTEM),
};
enum { MAKINGS = sizeof makings / sizeof *makings };

static const uint8_t favourites[WILD_THEMES] = {
    [WILD_MIXED] = 0,        [WILD_NODES] = NODE,      [WILD_STORAGE] = STORE,    [WILD_CHAIN] = CHAIN,
    [WILD_FAULTS] = FAULT,   [WILD_SYSTEM] = SYSTEM,   [WILD_COMMITTEE] = SEATED, [WILD_FALLBACK] = FALL,
    [WILD_PENDING] = SYSTEM, [WILD_UPGRADES] = SYSTEM, [WILD_UNBONDING] = CHAIN,  [WILD_CROWD] = STORE,
    [WILD_SWEEP] = NODE,     [WILD_FULL] = STORE,
};

static void begin(struct wild *w, struct draft *d, const struct making *m)
{
    memset(d, 0, sizeof *d);
    d->event = m->event;
    d->version = m->version;
    d->author = NOBODY;
    /* Fields that nobody fills are zero bytes, not nothing. */
    for (const struct dsdn_field *f = dsdn_event_table.events[m->event].fields(); f->name; f++)
        if (f->kind == DSDN_K_id || f->kind == DSDN_K_hash || f->kind == DSDN_K_addr ||
            f->kind == DSDN_K_sig) {
            const uint8_t *zero = memset(room(w, 64), 0, 64);
            memcpy(d->d.bytes + f->offset, &zero, sizeof zero);
        } else if (f->kind == DSDN_K_opt_u8) {
            int16_t absent = -1;
            memcpy(d->d.bytes + f->offset, &absent, sizeof absent);
        }
}

/* One field is another. */
static void bend(struct wild *w, struct draft *d)
{
    static const uint8_t widths[DSDN_KIND_CNT] = {
        [DSDN_K_u8] = 1,  [DSDN_K_choice] = 1, [DSDN_K_u16] = 2,  [DSDN_K_u32] = 4,
        [DSDN_K_u64] = 8, [DSDN_K_i64] = 8,    [DSDN_K_time] = 8, [DSDN_K_height] = 8,
    };
    const struct dsdn_field *fields = dsdn_event_table.events[d->event].fields(), *f;
    uint32_t cnt = 0;
    while (fields[cnt].name) cnt++;
    f = &fields[below(w, cnt)];
    uint8_t *at = d->d.bytes + f->offset;
    if (widths[f->kind]) {
        uint64_t number = 0;
        memcpy(&number, at, widths[f->kind]);
        uint64_t others[] = {number - 1, number + 1,  0,
                             UINT64_MAX, below(w, 5), number ^ 1ull << below(w, 64)};
        number = others[below(w, 6)];
        if (f->kind == DSDN_K_choice) number = below(w, f->max + 1u);
        memcpy(at, &number, widths[f->kind]);
    } else if (f->kind == DSDN_K_id || f->kind == DSDN_K_hash || f->kind == DSDN_K_addr) {
        const uint8_t *others[] = {id_of((uint32_t)below(w, PEOPLE)),
                                   memset(room(w, 32), 0, 32),
                                   some_node(w),
                                   some_chunk(w),
                                   thing(w, "object", below(w, 6)),
                                   random_hash(w)};
        memcpy(at, &others[below(w, 6)], sizeof *others);
    } else if (f->kind == DSDN_K_opt_id || f->kind == DSDN_K_opt_hash) {
        const uint8_t *other = one_in(w, 2) ? NULL : id_of((uint32_t)below(w, PEOPLE));
        memcpy(at, &other, sizeof other);
    } else if (f->kind == DSDN_K_opt_u8) {
        int16_t other = (int16_t)((int)below(w, f->max + 2u) - 1);
        memcpy(at, &other, sizeof other);
    } else if (f->kind == DSDN_K_amt) {
        struct dsdn_amount amount;
        memcpy(&amount, at, sizeof amount);
        if (one_in(w, 4))
            amount.asset++;
        else
            amount.units = near(w, amount.units);
        memcpy(at, &amount, sizeof amount);
    } else if (f->kind == DSDN_K_str) {
        struct dsdn_view other = one_in(w, 2) ? text(w, "") : text(w, "other");
        memcpy(at, &other, sizeof other);
    }
}

void wild_draft(struct wild *w, struct draft *d)
{
    const struct making *m;
    do m = &makings[below(w, MAKINGS)];
    while ((!(m->family & favourites[w->theme]) && favourites[w->theme] && !one_in(w, 8)) ||
           (m->event == dsdn_EVENT_authority_replaced && !one_in(w, 32))); /* only a takeover may say so */
    begin(w, d, m);
    m->make(w, d);
    if (one_in(w, 8)) bend(w, d);
    if (one_in(w, 32)) d->author = one_in(w, 2) ? NOBODY : (int)below(w, PEOPLE);
}

/* ---- scripts: what a theme begins with ---- */

typedef bool scene(struct wild *w, struct draft *d, uint32_t i);

static bool begin_event(struct wild *w, struct draft *d, int event)
{
    for (uint32_t i = 0; i < MAKINGS; i++)
        if (makings[i].event == event) begin(w, d, &makings[i]);
    return true;
}

void wild_takeover(struct wild *w, struct draft *d)
{
    begin_event(w, d, dsdn_EVENT_authority_replaced);
    make_authority_replaced(w, d);
    if (one_in(w, 8)) bend(w, d);
}

static bool scene_fund(struct wild *w, struct draft *d, uint32_t i)
{
    begin_event(w, d, dsdn_EVENT_stake_deposited);
    struct dsdn_ev_stake_deposited *e = EVENT_OF(d, stake_deposited);
    d->author = i == 4 ? NODES + 4 : (int)operator_of(NODES + i);
    e->staker = id_of((uint32_t)d->author);
    e->beneficiary = id_of(NODES + i);
    e->role = i == 4 ? 2 : 1;
    e->amount.units = w->theme == WILD_UNBONDING ? 50000 : i == 4 ? 5000 : 2000;
    return head_number(w, "feature_level") != 0;
}

static bool scene_register(struct wild *w, struct draft *d, uint32_t i)
{
    begin_event(w, d, dsdn_EVENT_node_registered);
    fill_registration(w, d, NODES + i);
    return true;
}

static bool scene_activate(struct wild *w, struct draft *d, uint32_t i)
{
    begin_event(w, d, dsdn_EVENT_node_status_set);
    EVENT_OF(d, node_status_set)->node_id = id_of(NODES + i);
    EVENT_OF(d, node_status_set)->status = 1;
    return head_number(w, "feature_level") == 0;
}

static uint32_t script_chunks(const struct wild *w)
{
    return w->theme == WILD_SWEEP ? 40 : w->theme == WILD_FULL ? 17 : w->theme == WILD_CROWD ? 1 : 3;
}

static bool scene_object(struct wild *w, struct draft *d, uint32_t i)
{
    begin_event(w, d, dsdn_EVENT_object_declared);
    struct dsdn_ev_object_declared *e = EVENT_OF(d, object_declared);
    d->author = WALLETS;
    e->object = thing(w, "object", i);
    e->owner = id_of(WALLETS);
    e->chunk_count = script_chunks(w);
    e->size = e->chunk_count * chunk_max;
    e->rf = w->theme == WILD_CROWD ? 16 : w->theme == WILD_STORAGE ? (uint8_t)(1 + below(w, 4)) : 2;
    return true;
}

static bool scene_chunk(struct wild *w, struct draft *d, uint32_t i)
{
    begin_event(w, d, dsdn_EVENT_chunk_declared);
    struct dsdn_ev_chunk_declared *e = EVENT_OF(d, chunk_declared);
    uint64_t leaves = w->theme == WILD_FULL ? 1 : 1 + below(w, 5);
    uint8_t *root = room(w, 32);
    d->author = WALLETS;
    e->chunk = thing(w, "chunk", i);
    e->object = thing(w, "object", 0);
    e->index = i;
    e->leaf_size = w->theme == WILD_FULL ? 1 << 26 : 1024;
    e->size = leaves * e->leaf_size;
    wild_tree(e->chunk, leaves, root);
    e->leaf_root = root;
    return true;
}

/* Node i % rf of the plan of chunk i / rf. */
static bool scene_assign(struct wild *w, struct draft *d, uint32_t i)
{
    uint32_t rf = w->theme == WILD_CROWD ? 16 : 2;
    uint8_t nodes[16][32];
    begin_event(w, d, dsdn_EVENT_replica_assigned);
    const uint8_t *chunk = thing(w, "chunk", i / rf);
    uint32_t cnt = twin_planned(w->twin, w->now, chunk, nodes);
    fill_assignment(w, d, chunk, cnt ? row_id(w, nodes[i % rf % cnt]) : id_of(NODES + i % rf));
    return true;
}

static bool scene_heal(struct wild *w, struct draft *d, uint32_t i)
{
    const struct fact_table *replicas = facts_table(twin_facts(w->twin), "replica");
    begin_event(w, d, dsdn_EVENT_replica_healed);
    if (i >= replicas->cnt) return false;
    EVENT_OF(d, replica_healed)->chunk = row_id(w, replicas->rows[i]->key.bytes);
    EVENT_OF(d, replica_healed)->node = row_id(w, replicas->rows[i]->key.bytes + 32);
    return true;
}

static bool scene_missing(struct wild *w, struct draft *d, uint32_t i)
{
    const struct fact_table *replicas = facts_table(twin_facts(w->twin), "replica");
    begin_event(w, d, dsdn_EVENT_replica_missing_reported);
    if (i >= replicas->cnt) return false;
    EVENT_OF(d, replica_missing_reported)->chunk = row_id(w, replicas->rows[i]->key.bytes);
    EVENT_OF(d, replica_missing_reported)->node = row_id(w, replicas->rows[i]->key.bytes + 32);
    return true;
}

static bool scene_healed_suspects(struct wild *w, struct draft *d, uint32_t i)
{
    const struct fact_table *replicas = facts_table(twin_facts(w->twin), "replica");
    begin_event(w, d, dsdn_EVENT_replica_healed);
    for (uint32_t k = 0; k < replicas->cnt; k++) {
        if (get(replicas->rows[k], "state") != 2 || i--) continue;
        EVENT_OF(d, replica_healed)->chunk = row_id(w, replicas->rows[k]->key.bytes);
        EVENT_OF(d, replica_healed)->node = row_id(w, replicas->rows[k]->key.bytes + 32);
        return true;
    }
    return false;
}

static bool scene_leave(struct wild *w, struct draft *d, uint32_t i)
{
    begin_event(w, d, one_in(w, 2) ? dsdn_EVENT_node_deregistered : dsdn_EVENT_node_status_set);
    if (d->event == dsdn_EVENT_node_deregistered) {
        EVENT_OF(d, node_deregistered)->node_id = id_of(NODES + i);
        d->author = (int)operator_of(NODES + i);
    } else {
        EVENT_OF(d, node_status_set)->node_id = id_of(NODES + i);
        EVENT_OF(d, node_status_set)->status = 2;
    }
    return true;
}

/* Parameters op:... by the dozen, for one height. */
static bool scene_pending(struct wild *w, struct draft *d, uint32_t i)
{
    begin_event(w, d, dsdn_EVENT_param_changed);
    struct dsdn_ev_param_changed *e = EVENT_OF(d, param_changed);
    char name[47] = "op:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    name[20] = (char)('A' + i % 26);
    name[21] = (char)('A' + i / 26);
    d->author = FOUNDERS;
    e->key = text(w, name);
    e->new_value = 1;
    e->effective = 120;
    return true;
}

static bool scene_upgrade(struct wild *w, struct draft *d, uint32_t i)
{
    begin_event(w, d, dsdn_EVENT_upgrade_scheduled);
    struct dsdn_ev_upgrade_scheduled *e = EVENT_OF(d, upgrade_scheduled);
    d->author = FOUNDERS;
    e->major = 1;
    e->minor = (uint16_t)(i + 1);
    e->height = 130 + 3 * i;
    e->migration = thing(w, "migration", 0);
    return true;
}

static bool scene_withdraw(struct wild *w, struct draft *d, uint32_t i)
{
    begin_event(w, d, dsdn_EVENT_stake_withdraw_requested);
    struct dsdn_ev_stake_withdraw_requested *e = EVENT_OF(d, stake_withdraw_requested);
    e->beneficiary = id_of(NODES);
    d->author = (int)operator_of(NODES);
    e->amount.units = 1 + i;
    return true;
}

struct phase {
    scene *play;
    uint32_t
        cnt; /* 0: one for each node; UINT32_MAX: for each chunk; UINT32_MAX - 1: for each replica wanted */
    bool apart; /* in a batch of its own; with each_apart every event */
    bool each_apart;
};
enum { ALL_NODES = 0 };
static const uint32_t all_chunks = UINT32_MAX, all_replicas = UINT32_MAX - 1;

static const struct phase nodes_only[] = {
    {scene_fund, 0, 0, 0}, {scene_register, 0, 0, 0}, {scene_activate, 0, 0, 0}, {0}};
static const struct phase storage[] = {{scene_fund, 0, 0, 0},           {scene_register, 0, 0, 0},
                                       {scene_activate, 0, 0, 0},       {scene_object, 1, 1, 0},
                                       {scene_chunk, UINT32_MAX, 0, 0}, {scene_assign, UINT32_MAX - 1, 1, 0},
                                       {scene_heal, 4, 1, 0},           {0}};
static const struct phase crowd[] = {{scene_fund, 0, 0, 0},
                                     {scene_register, 0, 0, 0},
                                     {scene_activate, 0, 0, 0},
                                     {scene_object, 1, 1, 0},
                                     {scene_chunk, UINT32_MAX, 0, 0},
                                     {scene_assign, 16, 1, 0},
                                     {scene_heal, 16, 1, 0},
                                     {scene_missing, 1, 1, 0},
                                     {scene_assign, 1, 1, 0},
                                     {scene_healed_suspects, 1, 1, 0},
                                     {scene_missing, 12, 1, 0},
                                     {scene_healed_suspects, 6, 1, 0},
                                     {0}};
static const struct phase sweep[] = {
    {scene_fund, 0, 0, 0},   {scene_register, 0, 0, 0},       {scene_activate, 0, 0, 0},
    {scene_object, 1, 1, 0}, {scene_chunk, UINT32_MAX, 0, 0}, {scene_assign, UINT32_MAX - 1, 1, 0},
    {scene_heal, 50, 1, 0},  {scene_leave, 1, 1, 0},          {0}};
static const struct phase full[] = {{scene_fund, 0, 0, 0},
                                    {scene_register, 0, 0, 0},
                                    {scene_activate, 0, 0, 0},
                                    {scene_object, 1, 1, 0},
                                    {scene_chunk, UINT32_MAX, 0, 0},
                                    {scene_assign, UINT32_MAX - 1, 1, 0},
                                    {0}};
static const struct phase pending[] = {{scene_pending, 66, 0, 0}, {0}};
static const struct phase upgrades[] = {{scene_upgrade, 17, 0, 0}, {0}};
static const struct phase unbonding[] = {
    {scene_fund, 0, 0, 0}, {scene_register, 0, 0, 0}, {scene_withdraw, 40, 1, 1}, {0}};

static const struct phase *const scripts[WILD_THEMES] = {
    [WILD_MIXED] = nodes_only,  [WILD_NODES] = nodes_only,    [WILD_STORAGE] = storage,
    [WILD_CHAIN] = nodes_only,  [WILD_FAULTS] = storage,      [WILD_PENDING] = pending,
    [WILD_UPGRADES] = upgrades, [WILD_UNBONDING] = unbonding, [WILD_CROWD] = crowd,
    [WILD_SWEEP] = sweep,       [WILD_FULL] = full,
};

bool wild_script(struct wild *w, struct draft *d, bool *apart)
{
    for (;;) {
        const struct phase *phase = scripts[w->theme];
        if (!phase) return false;
        phase += w->phase;
        if (!phase->play) return false;
        uint32_t cnt = phase->cnt == ALL_NODES      ? w->node_cnt
                       : phase->cnt == all_chunks   ? script_chunks(w)
                       : phase->cnt == all_replicas ? 2 * script_chunks(w)
                                                    : phase->cnt;
        if (w->phase_at < cnt) {
            *apart = (phase->apart && w->phase_at == 0) || phase->each_apart;
            if (phase->play(w, d, w->phase_at)) return true;
            w->phase_at++; /* nothing to say here */
            continue;
        }
        w->phase++;
        w->phase_at = 0;
    }
}
