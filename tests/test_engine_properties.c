/* Properties of the engine over random logs of every catalogue, and a model of the neutral one that agrees
 * with it. */
#include "tests/random_log.h"

#include "roles/dsdn.h"
#include "roles/neutral/neutral.h"
#include "statemachine/replay.h"

/* Three kinds of logs: of random events of two catalogues, and the generator's. */
enum kind { NEUTRAL, DSDN, GENERATED, KINDS };

/* Makes a log of a kind and opens its engine. */
static void log_make(struct log *l, struct random_log *r, enum kind kind, uint64_t seed, size_t units,
                     const struct dsdn_engine_options *engine)
{
    struct log_options options = {.catalogue = kind == NEUTRAL ? &neutral_catalogue : &dsdn_catalogue};
    if (engine) options.engine = *engine;
    if (kind == GENERATED) {
        random_log_generate(r, options.catalogue, seed, units * 3);
        options.genesis = &r->genesis;
    }
    log_open(l, &options);
    if (kind != GENERATED) random_log_make(r, options.catalogue, l->genesis.hash, seed, units);
}

/* ---- a source in memory ---- */

struct batches {
    struct dsdn_source source; /* first */
    struct dsdn_view *list;    /* owned */
    size_t cnt, at;
};

static int batches_next(struct dsdn_source *s, struct dsdn_buffer *buffer, struct dsdn_record *record,
                        struct dsdn_error *error)
{
    struct batches *b = (struct batches *)s;
    if (b->at == b->cnt) return dsdn_fail(error, DSDN_E_AGAIN, "the end");
    const struct dsdn_view *v = &b->list[b->at];
    int rc = dsdn_buffer_reserve(buffer, v->len, error);
    if (rc) return rc;
    memcpy(buffer->bytes, v->bytes, v->len);
    *record = (struct dsdn_record){.sequence = b->at,
                                   .batch = buffer->bytes,
                                   .len = v->len,
                                   .file = "memory",
                                   .offset = b->at * 1000}; /* of no meaning, but its own */
    b->at++;
    return DSDN_OK;
}

static const struct dsdn_source_ops batches_ops = {batches_next, NULL, NULL};

static void batches_add(struct batches *b, const struct log *l)
{
    uint8_t *copy = malloc(l->batch_len);
    b->list = realloc(b->list, (b->cnt + 1) * sizeof *b->list);
    assert_true(copy && b->list);
    memcpy(copy, l->batch, l->batch_len);
    b->list[b->cnt++] = (struct dsdn_view){copy, l->batch_len};
}

static void batches_free(struct batches *b)
{
    while (b->cnt) free((void *)(uintptr_t)b->list[--b->cnt].bytes);
    free(b->list);
}

/* ---- ways to cut the same events into batches ---- */

enum cut { CUT_EVENT, CUT_UNIT, CUT_TIME };

/* Applies all units; with CUT_EVENT every event of the authority is a batch of its own, with CUT_TIME a batch
 * holds everything of one time.  into may be NULL. */
static void apply_cut(struct log *l, const struct random_log *r, enum cut cut, struct batches *into)
{
    for (size_t i = 0; i < r->cnt; i++) {
        const struct unit *u = &r->units[i];
        bool split = cut == CUT_EVENT && random_log_divisible(u);
        for (uint32_t e = 0; e < (split ? u->event_cnt : 1); e++) {
            l->next.time_ms = u->time_ms;
            random_log_bundle(l, r, u, split ? e : 0, split ? e + 1 : u->event_cnt);
            if (cut == CUT_TIME && i + 1 < r->cnt && r->units[i + 1].time_ms == u->time_ms) continue;
            log_apply(l);
            if (into) batches_add(into, l);
        }
    }
}

static void roots_of(struct log *l, struct dsdn_roots *roots)
{
    log_must(l, dsdn_engine_root(l->engine, 1, roots, &l->error));
}

static void check_same_state(const struct dsdn_roots *a, const struct dsdn_roots *b, bool system_too)
{
    assert_int_equal(a->role_cnt, b->role_cnt);
    for (uint32_t i = 0; i < a->role_cnt; i++)
        if (system_too || a->roles[i].role != 0) assert_memory_equal(a->roles[i].root, b->roles[i].root, 32);
    if (system_too) assert_memory_equal(a->state, b->state, 32);
}

/* ---- determinism ---- */

static int replay(struct log *l, struct batches *b, unsigned jobs, uint64_t root_every,
                  struct dsdn_roots *roots)
{
    /* Batches of a generated log are cut again here, by somebody who has not its authority's key. */
    uint32_t signatures =
        dsdn_equal32(dsdn_head(log_state(l))->authority, l->authority.public_key) ? DSDN_CHECK_SIGNATURES : 0;
    struct dsdn_replay_options options = {.jobs = jobs,
                                          .checks = DSDN_CHECK_BODY | DSDN_CHECK_EVENT_IDS | signatures,
                                          .end = UINT64_MAX,
                                          .root_every = root_every};
    struct dsdn_replay_result result;
    b->at = 0;
    b->source = (struct dsdn_source){.ops = &batches_ops, .kind = "memory", .count = b->cnt};
    int rc = dsdn_replay(l->engine, &b->source, &options, &result, &l->error);
    if (!rc) assert_int_equal(result.batches, b->cnt);
    roots_of(l, roots);
    return rc;
}

/* Hash seed, room, threads, intermediate roots and fingerprints change nothing. */
static void test_deterministic(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (uint64_t seed = 1; seed <= 4; seed++) {
            struct log l;
            struct random_log r;
            struct batches b = {.list = NULL};
            struct dsdn_roots expected, got;
            log_make(&l, &r, (enum kind)kind, seed, 120, NULL);
            apply_cut(&l, &r, CUT_TIME, &b);
            roots_of(&l, &expected);
            for (unsigned i = 0; i < 8; i++) {
                struct log again;
                struct dsdn_engine_options engine = {
                    .hash_seed = i * 0x9e3779b97f4a7c15u, .initial_rows = i % 3 * 700, .fingerprint = i == 5};
                log_open(&again, &(struct log_options){
                                     .catalogue = l.catalogue, .engine = engine, .genesis = &l.genesis});
                log_must(&again, replay(&again, &b, 1 + i % 4, i / 4 * 3, &got));
                check_same_state(&expected, &got, true);
                log_close(&again);
            }
            log_close(&l);
            random_log_free(&r);
            batches_free(&b);
        }
}

/* The first bad batch is reported, whatever the number of threads, and what stands before it is applied. */
static void test_replay_stops_at_the_same_batch(void **state)
{
    (void)state;
    struct log l;
    struct random_log r;
    struct batches b = {.list = NULL};
    log_make(&l, &r, NEUTRAL, 9, 60, NULL);
    apply_cut(&l, &r, CUT_UNIT, &b);
    log_close(&l);
    ((uint8_t *)(uintptr_t)b.list[31].bytes)[DSDN_HEADER_LEN] ^= 1;       /* a signature */
    ((uint8_t *)(uintptr_t)b.list[40].bytes)[b.list[40].len - 1] ^= 0x80; /* a body */
    struct dsdn_roots first, got;
    for (unsigned jobs = 1; jobs <= 4; jobs++) {
        log_open(&l, &(struct log_options){.catalogue = &neutral_catalogue});
        assert_int_equal(replay(&l, &b, jobs, 0, &got), DSDN_E_SIGNATURE);
        assert_int_equal(l.error.sequence, 31);
        assert_int_equal(dsdn_head(log_state(&l))->sequence, 31);
        if (jobs == 1) first = got;
        check_same_state(&first, &got, true);
        log_close(&l);
    }
    random_log_free(&r);
    batches_free(&b);
}

/* What is wrong with a batch of the log. */
enum fault { NO_FAULT, MAGIC, PAYLOAD, BODY, SIGNATURE };

static void spoil(struct batches *b, size_t at, enum fault fault)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)b->list[at].bytes;
    switch (fault) {
    case NO_FAULT: break;
    case MAGIC: bytes[0] ^= 1; break;
    case PAYLOAD: bytes[DSDN_HEADER_LEN + 64 + DSDN_BUNDLE_LEN + 3] ^= 0x7f; break; /* length of the first payload */
    case BODY: bytes[193] ^= 1; break;                                              /* hash of it */
    case SIGNATURE: bytes[DSDN_HEADER_LEN] ^= 1; break;
    }
}

/* Of several faults the one reported does not depend on threads, nor on where it stands in a group of batches that one
 * thread takes; it names the record. */
static void test_replay_reports_the_first_fault(void **state)
{
    (void)state;
    static const struct {
        struct {
            size_t at;
            enum fault fault;
        } faults[3];
        uint64_t sequence;
        int code;
    } cases[] = {
        {{{12, SIGNATURE}, {12, BODY}}, 12, DSDN_E_BODY_HASH},
        {{{13, BODY}, {14, SIGNATURE}, {15, MAGIC}}, 13, DSDN_E_BODY_HASH},
        {{{14, BODY}, {13, SIGNATURE}, {15, PAYLOAD}}, 13, DSDN_E_SIGNATURE},
        {{{15, BODY}, {15, SIGNATURE}, {15, PAYLOAD}}, 15, DSDN_E_MALFORMED},
        {{{16, SIGNATURE}, {15, MAGIC}, {17, BODY}}, 15, DSDN_E_FORMAT},
    };
    struct log l;
    struct random_log r;
    struct batches b = {.list = NULL};
    struct dsdn_roots roots;
    log_make(&l, &r, NEUTRAL, 9, 60, NULL);
    apply_cut(&l, &r, CUT_UNIT, &b);
    log_close(&l);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int k = 0; k < 3; k++) spoil(&b, cases[i].faults[k].at, cases[i].faults[k].fault);
        for (unsigned jobs = 1; jobs <= 4; jobs++) {
            log_open(&l, &(struct log_options){.catalogue = &neutral_catalogue});
            int rc = replay(&l, &b, jobs, 0, &roots);
            if (rc != cases[i].code || l.error.sequence != cases[i].sequence || strcmp(l.error.file, "memory") != 0 ||
                l.error.offset != cases[i].sequence * 1000)
                fail_msg("case %zu, %u threads: %s of batch %llu at %s:%llu", i, jobs, dsdn_error_name(rc),
                         (unsigned long long)l.error.sequence, l.error.file, (unsigned long long)l.error.offset);
            assert_int_equal(dsdn_head(log_state(&l))->sequence, cases[i].sequence);
            log_close(&l);
        }
        for (int k = 0; k < 3; k++) spoil(&b, cases[i].faults[k].at, cases[i].faults[k].fault);
    }
    random_log_free(&r);
    batches_free(&b);
}

/* ---- cuts ---- */

/* Rows of roles do not depend on how events were cut into batches (protocol.md, section 11). */
static void test_cuts(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (uint64_t seed = 1; seed <= 8; seed++) {
            struct dsdn_roots roots[3];
            uint64_t batches[3], applied[3];
            for (int cut = CUT_EVENT; cut <= CUT_TIME; cut++) {
                struct log l;
                struct random_log r;
                log_make(&l, &r, (enum kind)kind, seed, 150, NULL);
                apply_cut(&l, &r, (enum cut)cut, NULL);
                roots_of(&l, &roots[cut]);
                batches[cut] = dsdn_head(log_state(&l))->sequence;
                applied[cut] = dsdn_engine_applied(l.engine);
                random_log_free(&r);
                log_close(&l);
            }
            assert_true(batches[CUT_EVENT] > batches[CUT_UNIT] && batches[CUT_UNIT] > batches[CUT_TIME]);
            assert_true(applied[0] > (kind == DSDN ? 0 : 50));
            for (int cut = 1; cut < 3; cut++) {
                assert_int_equal(applied[cut], applied[0]);
                check_same_state(&roots[0], &roots[cut], false);
                assert_memory_not_equal(roots[0].state, roots[cut].state, 32); /* the head counts batches */
            }
        }
}

/* ---- what refusals leave ---- */

/* Applies [from, to) of a unit as a batch.  Unless something in it was OK, rows are what they were. */
static bool apply_watched(struct log *l, const struct random_log *r, const struct unit *u, uint32_t from,
                          uint32_t to)
{
    bool ok = false;
    l->next.time_ms = u->time_ms;
    log_apply(l); /* an empty batch: what was due is gone */
    struct snapshot before = snapshot_take(log_state(l)), after;
    l->next.time_ms = u->time_ms;
    random_log_bundle(l, r, u, from, to);
    log_apply(l);
    after = snapshot_take(log_state(l));
    for (uint32_t i = 0; i < l->prepared.op_cnt; i++)
        ok |= DSDN_OUTCOME_NUMBER(l->prepared.outcomes[i]) == DSDN_OUTCOME_OK;
    if (!ok && !snapshot_same(&before, &after, SNAPSHOT_FACTS))
        fail_msg("%s: %s, and rows changed", l->catalogue->events->events[l->prepared.ops[0].event].name,
                 dsdn_outcome_name(DSDN_OUTCOME_NUMBER(l->prepared.outcomes[0])));
    snapshot_free(&before);
    snapshot_free(&after);
    return ok;
}

static void test_refusals_change_nothing(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        uint64_t refused = 0, applied = 0;
        struct log l;
        struct random_log r;
        log_make(&l, &r, (enum kind)kind, 50, 150, NULL);
        for (size_t i = 0; i < r.cnt; i++) {
            const struct unit *u = &r.units[i];
            uint32_t step = random_log_divisible(u) ? 1 : u->event_cnt;
            for (uint32_t e = 0; e < u->event_cnt; e += step)
                for (int times = 0; times < 2; times++) { /* the second time it can mostly only be refused */
                    bool ok = apply_watched(&l, &r, u, e, e + step);
                    refused += !ok;
                    applied += ok;
                }
        }
        assert_true(refused > 100 && applied > (kind == DSDN ? 0 : 50));
        random_log_free(&r);
        log_close(&l);
    }
}

/* A batch that was applied is refused when it comes again, and so is every earlier one. */
static void test_twice(void **state)
{
    (void)state;
    struct log l;
    struct random_log r;
    struct batches b = {.list = NULL};
    struct dsdn_roots before, after;
    log_make(&l, &r, GENERATED, 3, 40, NULL);
    apply_cut(&l, &r, CUT_UNIT, &b);
    roots_of(&l, &before);
    for (size_t i = 0; i < b.cnt; i++) {
        log_must(&l, dsdn_prepare(&l.prepared, l.catalogue, dsdn_engine_seed(l.engine), b.list[i].bytes,
                                  b.list[i].len, &l.error));
        assert_int_equal(log_judge(&l), DSDN_E_CHAIN);
    }
    roots_of(&l, &after);
    check_same_state(&before, &after, true);
    random_log_free(&r);
    batches_free(&b);
    log_close(&l);
}

/* ---- the neutral catalogue against a model ---- */

enum { MODEL_MAX = 2000, MODEL_REPLICAS = 10 };
__extension__ typedef __int128 wide;

struct model_node {
    uint8_t id[32], address[48];
    uint64_t capacity, registered, address_len;
    uint32_t zone;
    int64_t stake;
};

struct model_chunk {
    uint8_t id[32], uploader[32], replicas[MODEL_REPLICAS][32];
    uint64_t size, declared;
    uint8_t rf, policy;
    bool deleted;
    int replica_cnt;
};

struct model {
    struct model_node nodes[MODEL_MAX];
    struct model_chunk chunks[MODEL_MAX];
    int node_cnt, chunk_cnt;
};

static struct model_node *model_node(struct model *m, const uint8_t *id)
{
    for (int i = 0; i < m->node_cnt; i++)
        if (memcmp(m->nodes[i].id, id, 32) == 0) return &m->nodes[i];
    return NULL;
}

static struct model_chunk *model_chunk(struct model *m, const uint8_t *id)
{
    for (int i = 0; i < m->chunk_cnt; i++)
        if (memcmp(m->chunks[i].id, id, 32) == 0) return &m->chunks[i];
    return NULL;
}

static int model_replica(const struct model_chunk *chunk, const uint8_t *node)
{
    for (int i = 0; i < chunk->replica_cnt; i++)
        if (memcmp(chunk->replicas[i], node, 32) == 0) return i;
    return -1;
}

/* What a live chunk and a known node are asked of; 0, or the code of the refusal. */
static uint16_t model_pair(struct model *m, const uint8_t *chunk_id, const uint8_t *node_id, bool adding)
{
    struct model_chunk *chunk = model_chunk(m, chunk_id);
    if (!chunk) return NEUTRAL_CODE_UNKNOWN;
    if (chunk->deleted) return NEUTRAL_CODE_NOT_LIVE;
    if (adding && chunk->replica_cnt == MODEL_REPLICAS) return NEUTRAL_CODE_FULL;
    return model_node(m, node_id) ? 0 : NEUTRAL_CODE_UNKNOWN;
}

static dsdn_outcome model_apply(struct model *m, const struct random_event *event, uint64_t ordinal)
{
    union dsdn_decoded decoded;
    const void *fields = decoded.bytes;
    assert_int_equal(dsdn_event_decode(&neutral_event_table.events[event->event], event->version,
                                       event->payload, event->len, &decoded, NULL),
                     0);
    uint16_t code;
    switch (event->event) {
    case neutral_EVENT_node_registered: {
        const struct neutral_ev_node_registered *e = fields;
        struct model_node *node = model_node(m, e->node);
        if (!node) {
            node = &m->nodes[m->node_cnt++];
            memcpy(node->id, e->node, 32);
        }
        node->capacity = e->capacity;
        node->zone = e->zone;
        node->registered = ordinal;
        node->address_len = e->address.len;
        memcpy(node->address, e->address.bytes, e->address.len);
        return DSDN_OUTCOME_OK;
    }
    case neutral_EVENT_chunk_declared: {
        const struct neutral_ev_chunk_declared *e = fields;
        struct model_chunk *chunk = model_chunk(m, e->chunk);
        if (chunk && !chunk->deleted) return DSDN_OUTCOME_NO_EFFECT;
        if (!chunk) chunk = &m->chunks[m->chunk_cnt++];
        *chunk = (struct model_chunk){.size = e->size, .declared = ordinal, .rf = e->rf, .policy = e->policy};
        memcpy(chunk->id, e->chunk, 32);
        memcpy(chunk->uploader, e->uploader, 32);
        return DSDN_OUTCOME_OK;
    }
    case neutral_EVENT_replica_added: {
        const struct neutral_ev_replica_added *e = fields;
        if ((code = model_pair(m, e->chunk, e->node, true))) return DSDN_PRECONDITION(code);
        struct model_chunk *chunk = model_chunk(m, e->chunk);
        if (model_replica(chunk, e->node) >= 0) return DSDN_OUTCOME_NO_EFFECT;
        memcpy(chunk->replicas[chunk->replica_cnt++], e->node, 32);
        return DSDN_OUTCOME_OK;
    }
    case neutral_EVENT_replica_removed: {
        const struct neutral_ev_replica_removed *e = fields;
        if ((code = model_pair(m, e->chunk, e->node, false))) return DSDN_PRECONDITION(code);
        struct model_chunk *chunk = model_chunk(m, e->chunk);
        int at = model_replica(chunk, e->node);
        if (at < 0) return DSDN_OUTCOME_NO_EFFECT;
        for (chunk->replica_cnt--; at < chunk->replica_cnt; at++)
            memcpy(chunk->replicas[at], chunk->replicas[at + 1], 32);
        return DSDN_OUTCOME_OK;
    }
    case neutral_EVENT_delete_requested: {
        const struct neutral_ev_delete_requested *e = fields;
        struct model_chunk *chunk = model_chunk(m, e->chunk);
        if (!chunk) return DSDN_PRECONDITION(NEUTRAL_CODE_UNKNOWN);
        if (chunk->deleted) return DSDN_OUTCOME_NO_EFFECT;
        chunk->deleted = true;
        chunk->replica_cnt = 0;
        return DSDN_OUTCOME_OK;
    }
    default: {
        const struct neutral_ev_stake_updated *e = fields;
        struct model_node *node = model_node(m, e->node);
        if (!node) return DSDN_PRECONDITION(NEUTRAL_CODE_UNKNOWN);
        wide stake = (wide)node->stake + e->delta;
        if (stake < 0 || stake > INT64_MAX) return DSDN_PRECONDITION(NEUTRAL_CODE_BELOW_ZERO);
        node->stake = (int64_t)stake;
        return DSDN_OUTCOME_OK;
    }
    }
}

static void model_compare(struct model *m, const struct dsdn_state *s)
{
    assert_int_equal(s->tables[neutral_TABLE_node].live_cnt, m->node_cnt);
    assert_int_equal(s->tables[neutral_TABLE_chunk].live_cnt, m->chunk_cnt);
    for (int i = 0; i < m->node_cnt; i++) {
        const struct model_node *want = &m->nodes[i];
        uint32_t row = neutral_node_find(s, want->id);
        assert_int_not_equal(row, DSDN_NO_ROW);
        const struct neutral_row_node *got = neutral_node_at(s, row);
        assert_true(got->capacity == want->capacity && got->stake == want->stake &&
                    got->registered == want->registered && got->zone == want->zone &&
                    got->address_len == want->address_len);
        assert_memory_equal(got->address, want->address, want->address_len);
    }
    for (int i = 0; i < m->chunk_cnt; i++) {
        const struct model_chunk *want = &m->chunks[i];
        uint32_t row = neutral_chunk_find(s, want->id);
        assert_int_not_equal(row, DSDN_NO_ROW);
        const struct neutral_row_chunk *got = neutral_chunk_at(s, row);
        assert_memory_equal(got->uploader, want->uploader, 32);
        assert_true(got->size == want->size && got->declared == want->declared && got->rf == want->rf &&
                    got->policy == want->policy && got->deleted == want->deleted &&
                    got->replicas_cnt == want->replica_cnt);
        for (int k = 0; k < want->replica_cnt; k++)
            assert_true(model_replica(want, neutral_node_at(s, got->replicas[k])->id) >= 0);
    }
}

static void test_model(void **state)
{
    (void)state;
    static struct model model;
    uint64_t outcomes[DSDN_OUTCOME_CNT] = {0}, codes[NEUTRAL_CODE_BELOW_ZERO + 1] = {0};
    for (uint64_t seed = 1000; seed < 1200; seed++) {
        struct log l;
        struct random_log r;
        log_make(&l, &r, NEUTRAL, seed, 100, NULL);
        memset(&model, 0, sizeof model);
        for (size_t i = 0; i < r.cnt; i++) {
            struct unit *u = &r.units[i];
            uint64_t ordinal = dsdn_head(log_state(&l))->event_count;
            u->author = -1; /* the catalogue knows the authority alone */
            l.next.time_ms = u->time_ms;
            random_log_bundle(&l, &r, u, 0, u->event_cnt);
            log_apply(&l);
            for (uint32_t e = 0; e < u->event_cnt; e++) {
                dsdn_outcome want = model_apply(&model, &u->events[e], ordinal + e);
                assert_int_equal(l.prepared.outcomes[e], want);
                outcomes[DSDN_OUTCOME_NUMBER(want)]++;
                codes[DSDN_OUTCOME_CODE(want)]++;
            }
        }
        model_compare(&model, log_state(&l));
        random_log_free(&r);
        log_close(&l);
    }
    assert_true(outcomes[DSDN_OUTCOME_OK] > 10000 && outcomes[DSDN_OUTCOME_NO_EFFECT] > 1000);
    assert_true(codes[NEUTRAL_CODE_UNKNOWN] && codes[NEUTRAL_CODE_NOT_LIVE] &&
                codes[NEUTRAL_CODE_BELOW_ZERO]);
}

/* The eleventh replica: the random logs have too few nodes for it. */
static void test_ten_replicas(void **state)
{
    (void)state;
    struct log l;
    uint8_t chunk[32] = {1}, node[32] = {2}, zero[32] = {0};
    log_open(&l, &(struct log_options){.catalogue = &neutral_catalogue});
    log_bundle(&l, DSDN_BUNDLE_AUTHORITY, NULL, 0, 0);
    log_event(&l, neutral_EVENT_chunk_declared, 1,
              &(struct neutral_ev_chunk_declared){.chunk = chunk, .uploader = zero});
    for (node[1] = 0; node[1] <= MODEL_REPLICAS; node[1]++) {
        log_event(&l, neutral_EVENT_node_registered, 1, &(struct neutral_ev_node_registered){.node = node});
        log_event(&l, neutral_EVENT_replica_added, 1,
                  &(struct neutral_ev_replica_added){.chunk = chunk, .node = node, .proof = zero});
    }
    log_end(&l);
    log_apply(&l);
    for (uint32_t i = 0; i <= MODEL_REPLICAS; i++)
        assert_int_equal(l.prepared.outcomes[2 + 2 * i],
                         i < MODEL_REPLICAS ? DSDN_OUTCOME_OK : DSDN_PRECONDITION(NEUTRAL_CODE_FULL));
    log_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deterministic), cmocka_unit_test(test_replay_stops_at_the_same_batch),
        cmocka_unit_test(test_replay_reports_the_first_fault),
        cmocka_unit_test(test_cuts),          cmocka_unit_test(test_refusals_change_nothing),
        cmocka_unit_test(test_twice),         cmocka_unit_test(test_model),
        cmocka_unit_test(test_ten_replicas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
