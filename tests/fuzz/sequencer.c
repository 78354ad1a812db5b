/* The sequencer, fed by a script.  Input: a list of operations, each a byte and its arguments:
 * make a batch on top of another one and deliver it, deliver a known one again elsewhere, report heights as
 * complete, deliver raw bytes.  The state is a model that applies what it is told to. */
#include "tests/fuzz/fuzz.h"

#include "log/sequencer.h"

enum { MADE_MAX = 40, MEMBERS = 3, ACTIONS_MAX = 20000, BLOB_MAX = 1024, START = 10, SOURCES = 2 };

static struct dsdn_sign_key authority, announced, members[MEMBERS], store;
static uint8_t member_ids[MEMBERS * 32];
static const uint8_t genesis[32] = {9, 9, 9};

struct blob {
    uint8_t bytes[BLOB_MAX];
    size_t len;
    uint8_t hash[32];
    uint64_t sequence;
};

struct model {
    struct dsdn_header headers[MADE_MAX + 1]; /* of the applied chain */
    uint8_t hashes[MADE_MAX + 1][32];
    uint64_t next, complete;
    struct blob made[MADE_MAX];
    unsigned cnt;
};

static void view_head(void *self, struct dsdn_head *head)
{
    const struct model *m = self;
    *head = (struct dsdn_head){.next = m->next, .origin = {.height = START}};
    memcpy(head->hash, m->next ? m->hashes[m->next - 1] : genesis, 32);
    if (!m->next) return;
    const struct dsdn_header *h = &m->headers[m->next - 1];
    head->time_ms = h->time_ms;
    head->origin = h->origin;
    head->cursor = h->cursor;
}

static enum dsdn_right view_may(void *self, const uint8_t publisher[32], uint64_t committee_epoch)
{
    (void)self, (void)committee_epoch;
    if (dsdn_equal32(publisher, authority.public_key)) return DSDN_RIGHT_CURRENT;
    return dsdn_equal32(publisher, announced.public_key) ? DSDN_RIGHT_ANNOUNCED : DSDN_RIGHT_UNKNOWN;
}

static bool view_set(void *self, uint64_t next, uint32_t set_id, struct dsdn_signer_set *set)
{
    const struct model *m = self;
    CHECK(next <= m->next);
    if (set_id == 0) *set = (struct dsdn_signer_set){DSDN_SET_QUORUM, member_ids, MEMBERS, 67};
    if (set_id == 1) *set = (struct dsdn_signer_set){DSDN_SET_EMERGENCY, store.public_key, 1, 67};
    return set_id <= 1;
}

static void view_limits(void *self, struct dsdn_fork_limits *limits, uint32_t *batch_max)
{
    (void)self;
    *limits = (struct dsdn_fork_limits){.origin_lag_max = 60, .fork_window = 20};
    *batch_max = BLOB_MAX;
}

static enum dsdn_judgement judge_header(const struct model *m, const struct dsdn_header *h,
                                        uint64_t *wait_height)
{
    if (h->time_ms % 16 == 15) return DSDN_JUDGED_INVALID;
    *wait_height = h->origin.height;
    return h->origin.height > m->complete ? DSDN_JUDGED_WAIT : DSDN_JUDGED_VALID;
}

static enum dsdn_judgement view_judge(void *self, const struct dsdn_batch *batch, uint64_t *wait_height,
                                      struct dsdn_error *error)
{
    const struct model *m = self;
    CHECK(batch->header.sequence == m->next);
    CHECK(dsdn_equal32(batch->header.prev, m->next ? m->hashes[m->next - 1] : genesis));
    (void)dsdn_fail(error, DSDN_E_TIME, "the model says so");
    return judge_header(m, &batch->header, wait_height);
}

static enum dsdn_judgement view_confirm(void *self, uint64_t sequence, uint64_t *wait_height,
                                        struct dsdn_error *error)
{
    const struct model *m = self;
    CHECK(sequence < m->next);
    (void)dsdn_fail(error, DSDN_E_TIME, "the model says so");
    return judge_header(m, &m->headers[sequence], wait_height);
}

/* Carries out whatever is asked, and looks at it. */
static void act(struct dsdn_sequencer *s, struct model *m)
{
    struct dsdn_action a;
    unsigned steps = 0;
    while (dsdn_sequencer_next(s, &a)) {
        CHECK(++steps < ACTIONS_MAX);
        if (a.kind == DSDN_ACTION_APPLY) {
            struct dsdn_batch b;
            struct dsdn_error error = DSDN_ERROR_INIT;
            CHECK_OK(dsdn_batch_decode(a.bytes.bytes, a.bytes.len, &b, &error), &error);
            CHECK(a.sequence == m->next && b.header.sequence == m->next && dsdn_equal32(b.hash, a.hash));
            CHECK(dsdn_equal32(b.header.prev, m->next ? m->hashes[m->next - 1] : genesis));
            CHECK(m->next <= MADE_MAX);
            m->headers[m->next] = b.header;
            memcpy(m->hashes[m->next++], b.hash, 32);
        } else if (a.kind == DSDN_ACTION_ROLLBACK) {
            CHECK(a.sequence < m->next && a.sequence >= dsdn_sequencer_settled(s));
            m->next = a.sequence;
        } else if (a.kind == DSDN_ACTION_EVIDENCE) {
            CHECK(a.bytes.len >= DSDN_BATCH_FIXED_LEN);
            CHECK(a.evidence == DSDN_EVIDENCE_INVALID || a.second.len >= DSDN_BATCH_FIXED_LEN);
        } else if (a.kind == DSDN_ACTION_RESCAN)
            CHECK(a.source < SOURCES);
    }
    struct dsdn_sequencer_stats stats;
    dsdn_sequencer_stats(s, &stats);
    CHECK(stats.held_batches <= DSDN_SEQUENCER_BATCHES && stats.held_bytes <= DSDN_SEQUENCER_BYTES);
    CHECK(dsdn_sequencer_settled(s) <= m->next);
}

static struct dsdn_place take_place(struct input *in)
{
    struct dsdn_place place = {.source = take8(in) % SOURCES};
    place.height = START + take8(in) % 64;
    place.blob_index = take8(in) % 8;
    place.header_time_ms = place.height * 1000;
    return place;
}

/* A batch on top of another one; options: bit 0 a bad signature, 1 a quorum certificate, 2 an emergency
 * attestation, 3 by the announced key, 4 by a key without rights, 5 another body than the header's. */
static void make(struct model *m, struct input *in)
{
    if (m->cnt == MADE_MAX) return;
    struct blob *out = &m->made[m->cnt];
    uint8_t parent = take8(in), options = take8(in), time = take8(in), height = take8(in),
            body[DSDN_BUNDLE_LEN + 4] = {0};
    uint8_t message[32], signatures[MEMBERS][64];
    const struct blob *on = m->cnt && parent % (m->cnt + 1) ? &m->made[parent % (m->cnt + 1) - 1] : NULL;
    const struct dsdn_sign_key *key = options & 8 ? &announced : options & 16 ? &members[0] : &authority;
    struct dsdn_header h = {.sequence = on ? on->sequence + 1 : 0,
                            .time_ms = START * 1000 + time * 256u + height,
                            .origin = {.height = START + height % 64}};
    memcpy(h.genesis, genesis, 32);
    memcpy(h.prev, on ? on->hash : genesis, 32);
    memcpy(h.publisher, key->public_key, 32);
    if (options & 32) {
        body[1] = 1;
        dsdn_store16(body + 50, 1);
        dsdn_store32(body + 52, 4);
        h.bundle_count = 1;
        h.body_len = sizeof body;
    }
    dsdn_body_hash(body, h.body_len, h.body_hash);
    if (options & 64) h.body_hash[0] ^= 1;
    uint8_t batch[DSDN_BATCH_FIXED_LEN + sizeof body];
    dsdn_header_encode(&h, batch);
    dsdn_batch_hash(batch, out->hash);
    dsdn_batch_message(batch, message);
    dsdn_sign(key, message, batch + DSDN_HEADER_LEN);
    if (options & 1) batch[DSDN_HEADER_LEN] ^= 1;
    memcpy(batch + DSDN_BATCH_FIXED_LEN, body, h.body_len);
    out->sequence = h.sequence;
    out->len = 0;
    if (options & 6) {
        bool quorum = options & 2;
        const uint8_t *list[MEMBERS] = {signatures[0], signatures[1], options & 128 ? signatures[2] : NULL};
        dsdn_certificate_message(genesis, quorum ? 0 : 1, h.sequence, out->hash, message);
        for (int i = 0; i < (quorum ? MEMBERS : 1); i++)
            dsdn_sign(quorum ? &members[i] : &store, message, signatures[i]);
        memcpy(out->bytes, "DSDC", 4);
        out->len =
            4 + dsdn_certificate_encode(quorum ? 0 : 1, list, quorum ? MEMBERS : 1, out->bytes + 4, 512);
    }
    memcpy(out->bytes + out->len, batch, DSDN_BATCH_FIXED_LEN + h.body_len);
    out->len += DSDN_BATCH_FIXED_LEN + h.body_len;
    m->cnt++;
}

static void deliver(struct dsdn_sequencer *s, const struct dsdn_place *place, const uint8_t *bytes,
                    size_t len)
{
    struct dsdn_error error = DSDN_ERROR_INIT;
    enum dsdn_verdict verdict = dsdn_sequencer_blob(s, place, bytes, len, &error);
    CHECK(verdict < DSDN_BLOB_VERDICTS);
}

static void step(struct dsdn_sequencer *s, struct model *m, struct input *in)
{
    uint8_t op = take8(in) % 4;
    struct dsdn_place place = take_place(in);
    unsigned before = m->cnt;
    if (op == 0) make(m, in);
    if (op == 0 && m->cnt > before) deliver(s, &place, m->made[before].bytes, m->made[before].len);
    if (op == 1 && m->cnt) {
        const struct blob *b = &m->made[take8(in) % m->cnt];
        deliver(s, &place, b->bytes, b->len);
    }
    if (op == 2) {
        if (place.source == DSDN_SOURCE_PRIMARY && place.height > m->complete) m->complete = place.height;
        dsdn_sequencer_complete(s, place.source, place.height);
    }
    if (op == 3) { /* raw bytes, or a made blob with some of its bytes changed */
        uint8_t copy[BLOB_MAX], which = take8(in), at = take8(in), len = take8(in) % 64;
        size_t total = len;
        if (m->cnt && which) {
            const struct blob *b = &m->made[which % m->cnt];
            memcpy(copy, b->bytes, b->len);
            total = b->len;
        } else
            at = 0;
        for (size_t i = 0; i < len && at + i < sizeof copy; i++) copy[at + i] = take8(in);
        if (at + (size_t)len > total) total = at + (size_t)len;
        deliver(s, &place, copy, total);
    }
    act(s, m);
}

static void keys(void)
{
    uint8_t seed[32] = {0};
    struct dsdn_sign_key *all[] = {&authority, &announced, &store, &members[0], &members[1], &members[2]};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        seed[0] = (uint8_t)(i + 1);
        dsdn_sign_key_from_seed(all[i], seed);
    }
    for (int i = 0; i < MEMBERS; i++) memcpy(member_ids + 32 * i, members[i].public_key, 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model m;
    struct input in = {data, size};
    if (!authority.public_key[0] && !authority.public_key[1]) keys();
    memset(&m, 0, sizeof m);
    m.complete = START;
    struct dsdn_state_view view = {.self = &m,
                                   .head = view_head,
                                   .may = view_may,
                                   .set = view_set,
                                   .limits = view_limits,
                                   .judge = view_judge,
                                   .confirm = view_confirm};
    struct dsdn_sequencer_config config = {.primary = !(take8(&in) & 1), .sources = SOURCES};
    config.root = (struct dsdn_fork_root){.eff = START, .origin_height = START, .limits = {60, 20}};
    memcpy(config.genesis, genesis, 32);
    memcpy(config.root.hash, genesis, 32);
    struct dsdn_error error = DSDN_ERROR_INIT;
    struct dsdn_sequencer *s = dsdn_sequencer_new(&config, &view, &error);
    CHECK(s);
    for (int ops = 0; in.left && ops < 60; ops++) step(s, &m, &in);
    dsdn_sequencer_free(s);
    return 0;
}
