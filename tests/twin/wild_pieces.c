/* wild_pieces.c: ids, names, numbers, times and approvals of wild events. */
#include "tests/twin/wild_pieces.h"

/* ---- pieces ---- */

struct dsdn_view text(struct wild *w, const char *string)
{
    size_t len = strlen(string);
    char *copy = room(w, len + 1);
    memcpy(copy, string, len);
    return (struct dsdn_view){(const uint8_t *)copy, (uint32_t)len};
}

const uint8_t *random_hash(struct wild *w)
{
    uint8_t *h = room(w, 32);
    dsdn_random_fill(&w->random, h, 32);
    return h;
}

uint32_t a_wallet(struct wild *w)
{
    return one_in(w, 12) ? VALIDATORS + (uint32_t)below(w, VALIDATOR_CNT)
                         : WALLETS + (uint32_t)below(w, WALLET_CNT);
}
uint32_t a_node(struct wild *w)
{
    return one_in(w, 20) ? VALIDATORS + (uint32_t)below(w, VALIDATOR_CNT)
                         : NODES + (uint32_t)below(w, w->node_cnt);
}
/* The operator a node begins with. */
uint32_t operator_of(uint32_t node)
{
    return WALLETS + node % WALLET_CNT;
}
/* A person by id, or a wallet for somebody unknown. */
int who(const uint8_t *id)
{
    for (uint32_t i = 0; i < PEOPLE; i++)
        if (same(id_of(i), id)) return (int)i;
    return WALLETS;
}
uint64_t parameter(struct wild *w, const char *name)
{
    return (uint64_t)twin_parameter(w->twin, name);
}
struct fact *node_row(struct wild *w, const uint8_t *id)
{
    return facts_by_id(twin_facts(w->twin), "node", id);
}
const uint8_t *row_id(struct wild *w, const uint8_t *bytes)
{
    return memcpy(room(w, 32), bytes, 32);
}
/* A node that is there, if any is. */
const uint8_t *some_node(struct wild *w)
{
    const struct fact *row = one_in(w, 24) ? NULL : some(w, "node");
    return row ? row_id(w, row->key.bytes) : id_of(a_node(w));
}
const uint8_t *some_chunk(struct wild *w)
{
    const struct fact *row = one_in(w, 24) ? NULL : some(w, "chunk");
    return row ? row_id(w, row->key.bytes) : thing(w, "chunk", below(w, 14));
}
int operator_now(struct wild *w, const uint8_t *node)
{
    const struct fact *row = node_row(w, node);
    return row && !one_in(w, 12) ? who(get_bytes(row, "operator")) : (int)a_wallet(w);
}
struct dsdn_view padded_name(struct wild *w, const uint8_t *padded)
{
    uint32_t len = 0;
    while (len < 32 && padded[len]) len++;
    uint8_t *copy = room(w, 32);
    memcpy(copy, padded, len);
    return (struct dsdn_view){copy, len};
}
struct dsdn_view some_zone(struct wild *w)
{
    char name[3] = {'z', (char)('a' + below(w, w->zone_cnt)), 0};
    return text(w, name);
}
/* A number at an edge of `edge`: it, one below, one above; or something else. */
uint64_t near(struct wild *w, uint64_t edge)
{
    switch (below(w, 8)) {
    case 0: return edge ? edge - 1 : 0;
    case 1: return edge + 1;
    case 2: return below(w, 20);
    default: return edge;
    }
}
/* A time after now, mostly far after it. */
uint64_t expiry(struct wild *w)
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
    if (!one_in(w, 24)) sort_ids(ids, cnt);
    for (uint32_t i = 0; i < cnt; i++) {
        memcpy(records + 96 * i, ids[i], 32);
        memset(records + 96 * i + 32, 0, 64);
    }
    return (struct dsdn_list){records, cnt, 96 * cnt};
}

struct dsdn_list founders_say(struct wild *w, int *author)
{
    return agreed(w, author, "founder", head_number(w, "founder_m"));
}

struct dsdn_list quorum_says(struct wild *w, int *author)
{
    const struct fact_table *rows = facts_table(twin_facts(w->twin), "quorum_member");
    uint64_t n = 0, percent = head_number(w, "quorum_pct");
    for (uint32_t i = 0; i < rows->cnt; i++)
        n += __builtin_bswap32(dsdn_load32(rows->rows[i]->key.bytes)) == head_number(w, "quorum_set");
    return agreed(w, author, "quorum_member", percent == 67 ? (2 * n + 2) / 3 : (n * percent + 99) / 100);
}
