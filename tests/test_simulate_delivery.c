/* A deterministic simulator of delivery.  Each seed makes a world: a log with rivals, certificates, an
 * outage, origins that freeze, jump ahead or step back, a hand-off, changing parameters, and hostile copies,
 * spread over a primary, a quorum and an emergency source.  Followers read it in different orders, twice,
 * with restarts; each must end on the chain and with the finality that an oracle reads from the full set of
 * facts, and never undo what was settled. DSDN_SEEDS=n plays n seeds; DSDN_SEED=k plays only that one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "log/hash.h"
#include "log/sequencer.h"
#include "tests/stamp.h" /* what is tested here is delivery; test_sequencer.c uses Ed25519 */

enum { BATCHES = 96, BLOBS = 400, CHAIN = 64, BODY = 128, BLOCK_MS = 60000, LAG = 8, WINDOW = 6, WIDE = 11 };
enum { PRIMARY, QUORUM, EMERGENCY, SOURCES };

/* What a body says to the model state: 'X' invalid, 'H' announces epoch 1, 'W' widens the fork window, 'T'
 * takeover */
struct made {
    uint8_t bytes[DSDN_BATCH_FIXED_LEN + BODY], hash[32];
    struct dsdn_header header;
    int parent; /* -1: genesis */
    char flag;
};

struct blob {
    uint32_t source;
    uint64_t height, index;
    int batch; /* what it honestly carries; -1 for hostile blobs */
    enum dsdn_carrier carrier;
    uint8_t bytes[512];
    size_t len;
};

struct world {
    struct made made[BATCHES];
    int made_cnt, blob_cnt;
    struct blob blob[BLOBS];
    uint64_t last; /* the primary's last height */
    uint64_t index[512];
};

static struct dsdn_sign_key authority[2], stranger, member, store;
static const uint8_t genesis[32] = {'g', 'e', 'n'};
static uint64_t state;

static uint64_t rnd(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

static bool one_in(uint64_t n)
{
    return rnd(n) == 0;
}

/* ---- making a world ---- */

static int make(struct world *w, int parent, uint64_t origin, uint64_t time_ms, char flag, int epoch)
{
    if (w->made_cnt == BATCHES) return -1;
    struct made *m = &w->made[w->made_cnt];
    const struct made *p = parent < 0 ? NULL : &w->made[parent];
    memset(m, 0, sizeof *m);
    uint8_t *body = m->bytes + DSDN_BATCH_FIXED_LEN, digest[32];
    body[0] = (uint8_t)flag;
    dsdn_store64(body + 1, state); /* siblings differ */
    body[9] = (uint8_t)w->made_cnt;
    m->parent = parent;
    m->flag = flag;
    m->header = (struct dsdn_header){.sequence = p ? p->header.sequence + 1 : 0,
                                     .committee_epoch = (uint64_t)epoch,
                                     .time_ms = time_ms,
                                     .origin = {.height = origin, .time_ms = origin * BLOCK_MS},
                                     .bundle_count = 1,
                                     .body_len = BODY};
    memcpy(m->header.genesis, genesis, 32);
    memcpy(m->header.prev, p ? p->hash : genesis, 32);
    if (flag != 'T') memcpy(m->header.publisher, authority[epoch].public_key, 32);
    dsdn_body_hash(body, BODY, m->header.body_hash);
    dsdn_header_encode(&m->header, m->bytes);
    dsdn_batch_hash(m->bytes, m->hash);
    dsdn_batch_message(m->bytes, digest);
    if (flag != 'T') dsdn_sign(&authority[epoch], digest, m->bytes + DSDN_HEADER_LEN);
    return w->made_cnt++;
}

static struct blob *put(struct world *w, uint32_t source, uint64_t height, int batch,
                        enum dsdn_carrier carrier)
{
    if (w->blob_cnt == BLOBS || batch < 0 || height >= 500) return NULL;
    struct blob *b = &w->blob[w->blob_cnt++];
    const struct made *m = &w->made[batch];
    *b = (struct blob){
        .source = source, .height = height, .index = w->index[height]++, .batch = batch, .carrier = carrier};
    if (carrier != DSDN_CARRIER_BARE) {
        uint8_t digest[32], signature[64];
        const uint8_t *signatures[1] = {signature};
        uint32_t set = carrier == DSDN_CARRIER_QUORUM ? 1 : 2;
        dsdn_certificate_message(genesis, set, m->header.sequence, m->hash, digest);
        dsdn_sign(set == 1 ? &member : &store, digest, signature);
        memcpy(b->bytes, "DSDC", 4);
        b->len = 4 + dsdn_certificate_encode(set, signatures, 1, b->bytes + 4, sizeof b->bytes - 4);
    }
    memcpy(b->bytes + b->len, m->bytes, sizeof m->bytes);
    b->len += sizeof m->bytes;
    if (height + WIDE + 3 > w->last) w->last = height + WIDE + 3;
    if (m->header.origin.height + 1 > w->last) w->last = m->header.origin.height + 1;
    return b;
}

/* A copy with something wrong, or a blob of somebody else; carries nothing. */
static void put_hostile(struct world *w)
{
    int victim = (int)rnd((uint64_t)w->made_cnt);
    uint64_t kind = rnd(9);
    struct blob *b = put(w, one_in(4) ? QUORUM : PRIMARY, 1 + rnd(50), victim,
                         kind == 0 ? DSDN_CARRIER_QUORUM : DSDN_CARRIER_BARE);
    if (!b) return;
    uint8_t digest[32];
    b->batch = -1;
    switch (kind) {
    case 0: b->bytes[4 + 7 + 3] ^= 1; break;                   /* certificate signature */
    case 1: b->bytes[DSDN_HEADER_LEN] ^= 1; break;             /* batch signature */
    case 2: b->bytes[DSDN_BATCH_FIXED_LEN + 20] ^= 1; break;   /* body */
    case 3: b->bytes[10] ^= 1; break;                          /* genesis */
    case 4: b->len -= 1 + rnd(b->len - 1); break;              /* cut */
    case 5: memcpy(b->bytes, "DSDD", 4); break;                /* a direct bundle */
    case 6: dsdn_store64(b->bytes + 37, 5000 + rnd(9)); break; /* far ahead */
    case 7:
        for (size_t i = 4; i < b->len; i++) b->bytes[i] = (uint8_t)rnd(256);
        break;
    default: /* a stranger's key */
        memcpy(b->bytes + 153, stranger.public_key, 32);
        dsdn_batch_message(b->bytes, digest);
        dsdn_sign(&stranger, digest, b->bytes + DSDN_HEADER_LEN);
    }
}

static void put_somewhere(struct world *w, int batch, uint64_t from, uint64_t span)
{
    if (batch < 0) return;
    enum dsdn_carrier carrier = one_in(3)   ? DSDN_CARRIER_QUORUM
                                : one_in(8) ? DSDN_CARRIER_EMERGENCY
                                            : DSDN_CARRIER_BARE;
    if (w->made[batch].flag == 'T') carrier = DSDN_CARRIER_QUORUM;
    put(w, PRIMARY, from + rnd(span), batch, carrier);
}

struct rules {
    uint64_t epoch, origin, time_ms, window;
    bool announced;
};
static const char *broken(const struct rules *r, const struct dsdn_header *h, char flag);
static void obey(struct rules *r, const struct dsdn_header *h, char flag);

static void make_world(struct world *w)
{
    memset(w, 0, sizeof *w);
    uint64_t h = 3, outage = 5 + rnd(30), back = outage + rnd(25), length = 5 + rnd(9);
    int tip = -1, epoch = 0, lacking[CHAIN], lacking_cnt = 0;
    struct rules rules = {.window = WINDOW};
    for (uint64_t i = 0; i < length; i++) {
        uint64_t low = tip < 0 ? 0 : w->made[tip].header.origin.height;
        uint64_t low_time = tip < 0 ? 0 : w->made[tip].header.time_ms;
        uint64_t origin = h - 1 - rnd(3);
        if (one_in(10)) origin = low;                 /* frozen */
        if (one_in(25)) origin = h + rnd(4);          /* ahead of its own inclusion */
        if (origin < low && !one_in(3)) origin = low; /* else it steps back: invalid */
        uint64_t time_ms = (origin + rnd(3)) * BLOCK_MS;
        if (one_in(12)) time_ms += 4 * BLOCK_MS; /* clock ahead */
        if (time_ms < low_time) time_ms = low_time;
        char flag = one_in(14) ? 'X' : one_in(8) ? 'H' : one_in(8) ? 'W' : '.';
        if (rules.announced && one_in(3)) epoch = 1;
        int batch = make(w, tip, origin, time_ms, flag, epoch);
        if (batch < 0) break;
        if (h >= outage && h < back) {
            put(w, one_in(3) ? EMERGENCY : QUORUM, h, batch,
                w->blob_cnt && w->blob[w->blob_cnt - 1].source == EMERGENCY ? DSDN_CARRIER_QUORUM
                                                                            : DSDN_CARRIER_EMERGENCY);
            put(w, QUORUM, h + 1, batch, DSDN_CARRIER_QUORUM);
            lacking[lacking_cnt++] = batch;
        } else {
            put(w, PRIMARY, h, batch, DSDN_CARRIER_BARE);
            if (one_in(4)) put_somewhere(w, batch, h + 1, 10);
        }
        if (one_in(3)) { /* a rival, perhaps with a short history of its own; another operator, or the new
                            group */
            int rival = make(w, tip, origin + rnd(2), time_ms + BLOCK_MS,
                             one_in(5)   ? 'X'
                             : one_in(9) ? 'T'
                                         : '.',
                             rules.announced && one_in(2) ? 1 : epoch);
            uint64_t span = 1 + rnd(12);
            for (int depth = 0; rival >= 0 && depth < 4; depth++) {
                put_somewhere(w, rival, h > 2 ? h - 2 : 1, span);
                if (one_in(3)) put_somewhere(w, rival, h + WINDOW, 8); /* a late certificate, or a copy */
                if (one_in(6)) put(w, QUORUM, h, rival, DSDN_CARRIER_QUORUM);
                if (one_in(2)) break;
                rival = make(w, rival, w->made[rival].header.origin.height + rnd(3),
                             w->made[rival].header.time_ms, '.', (int)w->made[rival].header.committee_epoch);
            }
        }
        if (!broken(&rules, &w->made[batch].header,
                    flag)) { /* the authority goes on from its last valid batch */
            obey(&rules, &w->made[batch].header, flag);
            tip = batch;
        }
        h += 1 + rnd(3);
    }
    if (back > h) back = h;
    for (int i = 0; i < lacking_cnt; i++) /* reconciliation, in order, now and then twice or incomplete */
        for (uint64_t n = one_in(12) ? 0 : one_in(5) ? 2 : 1; n--;)
            put(w, PRIMARY, back + (uint64_t)i / 3 + n, lacking[i], DSDN_CARRIER_QUORUM);
    for (uint64_t n = rnd(6); n--;) /* copies of honest blobs, anywhere later */
        put_somewhere(w, (int)rnd((uint64_t)w->made_cnt), h, 10);
    for (uint64_t n = rnd(12); n--;) put_hostile(w);
}

/* ---- the oracle ---- */

struct answer {
    int path[CHAIN], len;
    enum dsdn_finality finality[CHAIN];
};

struct position {
    uint64_t height, index;
};
static const struct position nowhere = {UINT64_MAX, 0};

static bool lower(struct position a, struct position b)
{
    return a.height < b.height || (a.height == b.height && a.index < b.index);
}

static struct position lowest(const struct world *w, int batch, bool quorum_only)
{
    const struct dsdn_header *h = &w->made[batch].header;
    struct position best = nowhere;
    for (int i = 0; i < w->blob_cnt; i++) {
        const struct blob *b = &w->blob[i];
        struct position at = {b->height, b->index};
        if (b->batch != batch || b->source != PRIMARY || b->height <= h->origin.height) continue;
        if (b->carrier == DSDN_CARRIER_BARE &&
            (b->height - h->origin.height > LAG || h->time_ms > b->height * BLOCK_MS + 120000))
            continue;
        if ((!quorum_only || b->carrier == DSDN_CARRIER_QUORUM) && lower(at, best)) best = at;
    }
    return best;
}

static bool certified(const struct world *w, int batch, enum dsdn_carrier carrier)
{
    for (int i = 0; i < w->blob_cnt; i++) {
        const struct blob *b = &w->blob[i];
        if (b->batch == batch && b->carrier == carrier &&
            (b->source != PRIMARY || b->height > w->made[batch].header.origin.height))
            return true;
    }
    return false;
}

/* The model of validity. */
static const char *broken(const struct rules *r, const struct dsdn_header *h, char flag)
{
    if (flag == 'X') return "bad events";
    if (h->origin.height < r->origin || h->time_ms < r->time_ms || h->time_ms < h->origin.time_ms)
        return "time";
    if (h->committee_epoch < r->epoch || (h->committee_epoch > 0 && !r->announced)) return "authority";
    return NULL;
}

static void obey(struct rules *r, const struct dsdn_header *h, char flag)
{
    r->epoch = h->committee_epoch;
    r->origin = h->origin.height;
    r->time_ms = h->time_ms;
    r->announced |= flag == 'H';
    if (flag == 'W') r->window = WIDE;
}

static void oracle(const struct world *w, struct answer *a)
{
    struct rules rules = {.window = WINDOW};
    uint64_t eff = 0;
    enum dsdn_finality finality = DSDN_FINALITY_SETTLED;
    a->len = 0;
    for (int parent = -1;;) {
        int child[BATCHES], cnt = 0, best = -1, quorum[BATCHES], emergency[BATCHES], quorums = 0,
                            emergencies = 0;
        uint64_t close = UINT64_MAX;
        struct position at = nowhere;
        for (int i = 0; i < w->made_cnt; i++)
            if (w->made[i].parent == parent && !broken(&rules, &w->made[i].header, w->made[i].flag))
                child[cnt++] = i;
        for (int i = 0; i < cnt; i++) {
            uint64_t h = lowest(w, child[i], false).height;
            if (h == UINT64_MAX || eff == UINT64_MAX) continue;
            if ((h > eff ? h : eff) + rules.window < close) close = (h > eff ? h : eff) + rules.window;
        }
        for (int i = 0; i < cnt; i++) {
            struct position cert = lowest(w, child[i], true);
            if (cert.height != UINT64_MAX && (cert.height > eff ? cert.height : eff) <= close &&
                lower(cert, at)) {
                at = cert;
                best = child[i];
            }
        }
        if (best < 0)
            for (int i = 0; i < cnt; i++)
                if (lower(lowest(w, child[i], false), at)) {
                    at = lowest(w, child[i], false);
                    best = child[i];
                }
        for (int i = 0; best < 0 && i < cnt; i++) {
            if (certified(w, child[i], DSDN_CARRIER_QUORUM))
                quorum[quorums++] = child[i];
            else if (certified(w, child[i], DSDN_CARRIER_EMERGENCY))
                emergency[emergencies++] = child[i];
        }
        if (best < 0 && quorums == 1) best = quorum[0];
        if (best < 0 && quorums == 0 && emergencies == 1) best = emergency[0];
        if (best < 0) return;
        uint64_t h = lowest(w, best, false).height;
        enum dsdn_finality own = h != UINT64_MAX                           ? DSDN_FINALITY_PRIMARY
                                 : certified(w, best, DSDN_CARRIER_QUORUM) ? DSDN_FINALITY_QUORUM
                                                                           : DSDN_FINALITY_EMERGENCY;
        if (own == DSDN_FINALITY_PRIMARY && close <= w->last) own = DSDN_FINALITY_SETTLED;
        finality = own < finality ? own : finality;
        if (h > eff) eff = h;
        a->finality[a->len] = finality;
        a->path[a->len++] = parent = best;
        obey(&rules, &w->made[best].header, w->made[best].flag);
    }
}

/* ---- a follower: the sequencer, a model of the state, a log, and what it has read ---- */

struct follower {
    struct dsdn_sequencer *s;
    struct dsdn_state_view view;
    const struct world *w;
    int chain[CHAIN], len;
    struct rules after[CHAIN + 1];
    bool delivered[BLOBS];
    uint64_t complete;       /* the primary was read up to here */
    uint64_t again[SOURCES]; /* RESCAN asked for */
    uint64_t settled;
    const char *trouble;
    uint64_t rollbacks;
};

static int find(const struct world *w, const uint8_t hash[32])
{
    for (int i = 0; i < w->made_cnt; i++)
        if (memcmp(w->made[i].hash, hash, 32) == 0) return i;
    return -1;
}

static void view_head(void *self, struct dsdn_head *head)
{
    const struct follower *f = self;
    *head = (struct dsdn_head){.next = (uint64_t)f->len};
    memcpy(head->hash, f->len ? f->w->made[f->chain[f->len - 1]].hash : genesis, 32);
}

static enum dsdn_right view_may(void *self, const uint8_t publisher[32], uint64_t epoch)
{
    const struct follower *f = self;
    if (epoch == 0)
        return memcmp(publisher, authority[0].public_key, 32) ? DSDN_RIGHT_UNKNOWN : DSDN_RIGHT_CURRENT;
    return f->after[f->len].announced && !memcmp(publisher, authority[1].public_key, 32)
               ? DSDN_RIGHT_ANNOUNCED
               : DSDN_RIGHT_UNKNOWN;
}

static bool view_set(void *self, uint64_t next, uint32_t id, struct dsdn_signer_set *set)
{
    struct follower *f = self;
    if (next > (uint64_t)f->len || next < f->settled)
        f->trouble = "a set was asked for outside the applied chain";
    set->kind = id == 1 ? DSDN_SET_QUORUM : DSDN_SET_EMERGENCY;
    set->members = id == 1 ? member.public_key : store.public_key;
    set->count = 1;
    set->percent = 67;
    return id == 1 || id == 2;
}

static void view_limits(void *self, struct dsdn_fork_limits *limits, uint32_t *batch_max)
{
    const struct follower *f = self;
    *limits = (struct dsdn_fork_limits){LAG, f->after[f->len].window};
    *batch_max = DSDN_BATCH_MAX;
}

static enum dsdn_judgement verdict_on(struct follower *f, const struct rules *rules,
                                      const struct dsdn_header *header, char flag, uint64_t *wait,
                                      struct dsdn_error *error)
{
    const char *why = broken(rules, header, flag);
    if (header->origin.height > f->complete) {
        *wait = header->origin.height;
        return DSDN_JUDGED_WAIT;
    }
    if (!why) return DSDN_JUDGED_VALID;
    dsdn_fail(error, DSDN_E_TIME, "%s", why);
    return DSDN_JUDGED_INVALID;
}

static enum dsdn_judgement view_judge(void *self, const struct dsdn_batch *batch, uint64_t *wait,
                                      struct dsdn_error *error)
{
    struct follower *f = self;
    const uint8_t *prev = f->len ? f->w->made[f->chain[f->len - 1]].hash : genesis;
    if (memcmp(batch->header.prev, prev, 32))
        f->trouble = "asked to judge a batch that is not a child of the head";
    return verdict_on(f, &f->after[f->len], &batch->header, (char)batch->body[0], wait, error);
}

static enum dsdn_judgement view_confirm(void *self, uint64_t sequence, uint64_t *wait,
                                        struct dsdn_error *error)
{
    struct follower *f = self;
    const struct made *m = &f->w->made[f->chain[sequence]];
    return verdict_on(f, &f->after[sequence], &m->header, m->flag, wait, error);
}

static struct dsdn_sequencer *start(struct follower *f, const struct dsdn_fork_root *root)
{
    struct dsdn_sequencer_config config = {.primary = true, .sources = SOURCES, .root = *root};
    memcpy(config.genesis, genesis, 32);
    f->view =
        (struct dsdn_state_view){f, view_head, view_may, view_set, view_limits, view_judge, view_confirm};
    return dsdn_sequencer_new(&config, &f->view, NULL);
}

static void open_follower(struct follower *f, const struct world *w)
{
    memset(f, 0, sizeof *f);
    f->w = w;
    f->after[0].window = WINDOW;
    for (int i = 0; i < SOURCES; i++) f->again[i] = UINT64_MAX;
    struct dsdn_fork_root root = {.limits = {LAG, WINDOW}};
    memcpy(root.hash, genesis, 32);
    f->s = start(f, &root);
}

static void act(struct follower *f)
{
    struct dsdn_action action;
    for (int turns = 0; !f->trouble && dsdn_sequencer_next(f->s, &action); turns++) {
        if (turns == 5000) f->trouble = "the sequencer finds no end of actions";
        if (action.kind == DSDN_ACTION_APPLY) {
            int batch = find(f->w, action.hash);
            if (batch < 0 || action.sequence != (uint64_t)f->len || f->len == CHAIN ||
                action.bytes.len != sizeof f->w->made[batch].bytes ||
                memcmp(action.bytes.bytes + DSDN_BATCH_FIXED_LEN,
                       f->w->made[batch].bytes + DSDN_BATCH_FIXED_LEN, BODY)) {
                f->trouble = "APPLY of something wrong";
                return;
            }
            if (one_in(5)) continue; /* the shell may be slow: the same action comes again */
            f->chain[f->len++] = batch;
            f->after[f->len] = f->after[f->len - 1];
            obey(&f->after[f->len], &f->w->made[batch].header, f->w->made[batch].flag);
        } else if (action.kind == DSDN_ACTION_ROLLBACK) {
            if (action.sequence < f->settled || action.sequence >= (uint64_t)f->len)
                f->trouble = "ROLLBACK below settled";
            f->len = (int)action.sequence;
            f->rollbacks++;
        } else if (action.kind == DSDN_ACTION_RESCAN && action.height < f->again[action.source]) {
            f->again[action.source] = action.height;
        } else if (action.kind == DSDN_ACTION_ALARM && action.code != DSDN_E_EQUIVOCATION) {
            f->trouble = "an alarm that should not be";
        }
        uint64_t settled = dsdn_sequencer_settled(f->s);
        if (settled < f->settled || settled > (uint64_t)f->len)
            f->trouble = "settled moved back, or ahead of the head";
        f->settled = settled;
    }
}

static void feed(struct follower *f, int i)
{
    const struct blob *b = &f->w->blob[i];
    struct dsdn_place place = {b->source, b->height, (uint32_t)b->index, b->height * BLOCK_MS};
    enum dsdn_verdict verdict = dsdn_sequencer_blob(f->s, &place, b->bytes, b->len, NULL);
    if (b->batch < 0 && (verdict == DSDN_BLOB_ACCEPTED || verdict == DSDN_BLOB_HELD) && b->bytes[3] != 'C')
        f->trouble = "a hostile blob was taken";
    f->delivered[i] = true;
}

/* Carry out RESCANs until there are none. */
static void settle_down(struct follower *f)
{
    act(f);
    for (int turns = 0; !f->trouble; turns++) {
        bool more = false;
        for (uint32_t source = 0; source < SOURCES; source++) {
            uint64_t from = f->again[source];
            if (from == UINT64_MAX) continue;
            more = true;
            f->again[source] = UINT64_MAX;
            for (int i = 0; i < f->w->blob_cnt; i++)
                if (f->delivered[i] && f->w->blob[i].source == source && f->w->blob[i].height >= from)
                    feed(f, i);
            if (source == PRIMARY && f->complete) dsdn_sequencer_complete(f->s, PRIMARY, f->complete);
            act(f);
        }
        if (!more) return;
        if (turns == 300) f->trouble = "rescans without end";
    }
}

/* Kill and start again from what a log directory keeps: chain, settled point, inclusions. */
static void restart(struct follower *f)
{
    struct dsdn_fork_root root;
    struct dsdn_applied_facts facts[CHAIN];
    dsdn_sequencer_root(f->s, &root);
    for (uint64_t q = root.next; q < (uint64_t)f->len; q++)
        if (!dsdn_sequencer_facts(f->s, q, &facts[q])) f->trouble = "an applied batch is not known";
    dsdn_sequencer_free(f->s);
    f->s = start(f, &root);
    for (uint64_t q = root.next; !f->trouble && q < (uint64_t)f->len; q++)
        if (dsdn_sequencer_restore(f->s, f->w->made[f->chain[q]].bytes, DSDN_BATCH_FIXED_LEN, &facts[q],
                                   NULL))
            f->trouble = "restore failed";
    act(f);
    for (uint32_t source = 0; source < SOURCES; source++)
        f->again[source] = source ? 0 : root.origin_height + 1;
    settle_down(f);
}

static void read_primary(struct follower *f, uint64_t height)
{
    for (int i = 0; i < f->w->blob_cnt; i++)
        if (f->w->blob[i].source == PRIMARY && f->w->blob[i].height == height) {
            feed(f, i);
            if (one_in(3)) act(f);
        }
    f->complete = height;
    if (f->again[PRIMARY] == UINT64_MAX) dsdn_sequencer_complete(f->s, PRIMARY, height);
    settle_down(f);
}

static void read_fallback(struct follower *f, uint64_t from, uint64_t to, bool backwards)
{
    for (int n = 0; n < f->w->blob_cnt; n++) {
        int i = backwards ? f->w->blob_cnt - 1 - n : n;
        if (f->w->blob[i].source == PRIMARY || f->w->blob[i].height < from || f->w->blob[i].height >= to)
            continue;
        feed(f, i);
        if (one_in(2)) feed(f, i);
        if (one_in(3)) act(f);
    }
    settle_down(f);
}

static void follow(struct follower *f, int how)
{
    const struct world *w = f->w;
    if (how == 0) { /* live throughout, with restarts */
        for (uint64_t h = 1; h <= w->last && !f->trouble; h++) {
            read_primary(f, h);
            read_fallback(f, h, h + 1, false);
            if (one_in(40)) restart(f);
        }
    } else if (how == 1) { /* the primary after recovery, the rest as an afterthought */
        for (uint64_t h = 1; h <= w->last && !f->trouble; h++) read_primary(f, h);
        read_fallback(f, 0, UINT64_MAX, true);
    } else if (how == 2) { /* fallback, then the primary */
        read_fallback(f, 0, UINT64_MAX, one_in(2));
        if (one_in(2)) restart(f);
        for (uint64_t h = 1; h <= w->last && !f->trouble; h++) read_primary(f, h);
    } else { /* everything in any order */
        int order[BLOBS];
        for (int i = 0; i < w->blob_cnt; i++) order[i] = i;
        for (int i = w->blob_cnt; i-- > 1;) {
            int j = (int)rnd((uint64_t)i + 1), keep = order[i];
            order[i] = order[j];
            order[j] = keep;
        }
        for (int i = 0; i < w->blob_cnt; i++) {
            feed(f, order[i]);
            if (one_in(3)) feed(f, order[(int)rnd((uint64_t)i + 1)]);
            if (one_in(4)) settle_down(f);
        }
        f->complete = w->last;
        dsdn_sequencer_complete(f->s, PRIMARY, w->last);
        settle_down(f);
    }
}

static const char *examine(const struct follower *f, const struct answer *want)
{
    struct dsdn_sequencer_stats stats;
    dsdn_sequencer_stats(f->s, &stats);
    if (f->trouble) return f->trouble;
    if (f->len != want->len || memcmp(f->chain, want->path, sizeof(int) * (size_t)f->len))
        return "another chain";
    for (int i = 0; i < f->len; i++)
        if (dsdn_sequencer_finality(f->s, (uint64_t)i) != want->finality[i]) return "another finality";
    if (stats.held_batches_peak > DSDN_SEQUENCER_BATCHES || stats.held_bytes_peak > DSDN_SEQUENCER_BYTES)
        return "more held than allowed";
    return NULL;
}

static void test_followers_agree(void **unused)
{
    (void)unused;
    static struct world w;
    static struct follower f;
    const char *only = getenv("DSDN_SEED"), *text = getenv("DSDN_SEEDS");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1, seeds = only   ? 1
                                                                  : text ? strtoull(text, NULL, 10)
                                                                         : 3000;
    uint64_t batches = 0, settled = 0, rollbacks = 0, blobs = 0;
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        struct answer want;
        state = seed * 0x9e3779b97f4a7c15u | 1;
        make_world(&w);
        oracle(&w, &want);
        batches += (uint64_t)want.len;
        blobs += (uint64_t)w.blob_cnt;
        for (int i = 0; i < want.len; i++) settled += want.finality[i] == DSDN_FINALITY_SETTLED;
        for (int how = 0; how < 4; how++) {
            open_follower(&f, &w);
            follow(&f, how);
            const char *wrong = examine(&f, &want);
            if (wrong) {
                fprintf(stderr, "seed %llu follower %d: %s (%d batches, want %d)\n", (unsigned long long)seed,
                        how, wrong, f.len, want.len);
                for (int i = 0; i < f.len || i < want.len; i++)
                    fprintf(stderr, "  %d: %d %d  want %d %d\n", i, i < f.len ? f.chain[i] : -1,
                            (int)dsdn_sequencer_finality(f.s, (uint64_t)i), i < want.len ? want.path[i] : -1,
                            i < want.len ? (int)want.finality[i] : -1);
                fail_msg("replay it with DSDN_SEED=%llu", (unsigned long long)seed);
            }
            rollbacks += f.rollbacks;
            dsdn_sequencer_free(f.s);
        }
    }
    print_message("%llu seeds: %llu blobs, %llu batches, %llu settled, %llu rollbacks\n",
                  (unsigned long long)seeds, (unsigned long long)blobs, (unsigned long long)batches,
                  (unsigned long long)settled, (unsigned long long)rollbacks);
    if (seeds >= 100) assert_true(batches > 4 * seeds && settled > 2 * seeds && rollbacks > seeds / 4);
}

int main(void)
{
    uint8_t seed[32] = {0};
    struct dsdn_sign_key *keys[] = {&authority[0], &authority[1], &stranger, &member, &store};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        seed[0] = (uint8_t)(i + 1);
        dsdn_sign_key_from_seed(keys[i], seed);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_followers_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
