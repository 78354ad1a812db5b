/* The reducers of replicas: assignment by plan, proof, health, removal; the sweep of a node that is not
 * Active any more; rows that nobody verified. */
#include "roles_util.h"

static const char *const zones[NODES] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};

/* Nodes first to last - 1, each in a zone of its own. */
static void active_nodes(struct world *w, int first, int last)
{
    for (int i = first; i < last; i++) active_node(w, i, zones[i]);
}

static dsdn_outcome assign_zoned(struct world *w, uint32_t chunk, int node)
{
    return assign(w, chunk, node, zones[node], w->time_ms + 1000000);
}

static const struct dsdn_row_replica *replica_row(struct world *w, uint32_t chunk, int node)
{
    uint8_t key[64];
    memcpy(key, chunk_ids[chunk], 32);
    memcpy(key + 32, w->node[node].key.public_key, 32);
    uint32_t row = dsdn_replica_find(state(w), key);
    return row == DSDN_NO_ROW ? NULL : dsdn_replica_at(state(w), row);
}

static void test_assignment(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    uint64_t soon = w->time_ms + 1000;
    expect_unmet(assign(w, 0, 0, "a", soon), CHUNK_UNKNOWN);
    declare(w, 2, 3);
    expect_unmet(assign(w, 0, 0, "a", soon), NODE_UNKNOWN);
    struct dsdn_ev_node_registered r = registration(w, 0, "a");
    expect_result(enter(w, 0, &r), OK);
    expect_unmet(assign(w, 0, 0, "a", soon), NODE_STATUS);
    expect_result(status(w, 0, DSDN_NODE_ACTIVE, 0), OK);
    expect_unmet(assign(w, 0, 0, "b", soon), ZONE_MISMATCH);
    expect_unmet(assign(w, 0, 0, "aa", soon), ZONE_MISMATCH);
    expect_unmet(assign(w, 0, 0, "", soon), ZONE_MISMATCH);
    expect_unmet(assign(w, 0, 0, "a", w->time_ms), DEADLINE_PAST);
    uint64_t ordinal = dsdn_head(state(w))->event_count;
    expect_result(assign(w, 0, 0, "a", soon), OK);
    assert_int_equal(replica_row(w, 0, 0)->assigned_ordinal, ordinal);
    assert_int_equal(replica_row(w, 0, 0)->state_ordinal, ordinal);
    expect_result(assign(w, 0, 0, "a", soon), NO_EFFECT);
    expect_result(assign(w, 0, 0, "a", soon + 1), CONFLICT);

    /* Another node of the zone, while there is another zone. */
    active_node(w, 1, "a");
    active_node(w, 2, "b");
    active_node(w, 3, "c");
    expect_unmet(assign(w, 0, 1, "a", soon), ZONE_TAKEN);
    int chosen = planned(w, 0, 0), other = 5 - chosen; /* nodes 2 and 3 */
    expect_unmet(assign(w, 0, other, zones[other - 1], soon), NOT_PLANNED);
    expect_result(assign(w, 0, chosen, zones[chosen - 1], soon + 5000), OK);
    expect_unmet(assign(w, 0, other, zones[other - 1], soon), REPLICAS_ENOUGH);
    r = registration(w, 4, "d"), r.role = 4, r.node_class = -1;
    expect_result(enter(w, 4, &r), OK);
    expect_result(status(w, 4, DSDN_NODE_ACTIVE, 0), OK);
    expect_unmet(assign(w, 0, 4, "d", soon), NODE_ROLE);

    /* The first deadline passes: the assignment is as if it had never been. */
    assert_int_equal(node_row(w, 0)->used_bytes, 4097);
    pass(w, 1000);
    assert_int_equal(node_row(w, 0)->used_bytes, 0);
    assert_int_equal(node_row(w, 0)->replica_cnt, 0);
    assert_int_equal(chunk_row(w, 0)->holders_cnt, 1);
    check_books(w);

    r = registration(w, 5, "e"), r.tls_not_after = w->time_ms + 10;
    expect_result(enter(w, 5, &r), OK);
    expect_result(status(w, 5, DSDN_NODE_ACTIVE, 0), OK);
    r = registration(w, 6, "f"), r.binding_expiry = w->time_ms + 10;
    expect_result(enter(w, 6, &r), OK);
    expect_result(status(w, 6, DSDN_NODE_ACTIVE, 0), OK);
    pass(w, 10);
    expect_unmet(assign(w, 1, 5, "e", w->time_ms + 10), TLS_EXPIRED);
    expect_unmet(assign(w, 1, 6, "f", w->time_ms + 10), BINDING_EXPIRED);
    struct dsdn_ev_node_deregistered d = {w->node[5].key.public_key};
    expect_result(play(w, &w->operator[0], dsdn_EVENT_node_deregistered, &d), OK);
    expect_unmet(assign(w, 1, 5, "e", w->time_ms + 10), NODE_CLOSED);
    struct dsdn_ev_delete_requested gone = {chunk_ids[1], 1, 0};
    expect_result(play(w, &w->owner[0], dsdn_EVENT_delete_requested, &gone), OK);
    expect_unmet(assign(w, 1, 0, "a", w->time_ms + 10), DELETE_REQUESTED);
    world_free(w);

    /* A zone holds a chunk twice only when there is no other. */
    w = world_new(false);
    declare(w, 3, 1);
    active_node(w, 0, "a");
    active_node(w, 1, "a");
    active_node(w, 2, "b");
    for (int i = 0; i < 3; i++) {
        int node = planned(w, 0, 0);
        expect_result(assign(w, 0, node, node < 2 ? "a" : "b", w->time_ms + 1000), OK);
    }
    world_free(w);
}

/* One chunk of a big object, and its assignment to node 0. */
static dsdn_outcome big_chunk(struct world *w, uint32_t i, uint64_t size)
{
    static const uint8_t big_object[32] = {0xAA};
    static uint8_t id[20][32];
    if (!i) {
        struct dsdn_ev_object_declared o = object_event(w, 1);
        o.object = big_object, o.size = 20ull * DSDN_CHUNK_MAX, o.chunk_count = 20;
        expect_result(play(w, &w->owner[0], dsdn_EVENT_object_declared, &o), OK);
    }
    id[i][0] = 0xAB, id[i][1] = (uint8_t)i;
    struct dsdn_ev_chunk_declared k = {.chunk = id[i],
                                       .object = big_object,
                                       .index = i,
                                       .size = size,
                                       .leaf_size = 1 << 20,
                                       .leaf_root = tree_root};
    expect_result(play(w, &w->owner[0], dsdn_EVENT_chunk_declared, &k), OK);
    struct dsdn_ev_replica_assigned e = {id[i], w->node[0].key.public_key, text("a"), w->time_ms + DAY_MS};
    return play(w, NULL, dsdn_EVENT_replica_assigned, &e);
}

/* 1 GiB of capacity, 64 MiB a chunk: sixteen fit, and from then on the ring does not know the node. */
/* Three replicas and three nodes in two zones: all three are planned, but the empty zone comes first. */
static void test_zone_order(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    uint64_t soon = w->time_ms + 1000;
    active_node(w, 0, "a");
    active_node(w, 1, "a");
    declare(w, 3, 1);
    expect_result(assign(w, 0, 0, "a", soon), OK);
    active_node(w, 2, "b");
    expect_unmet(assign(w, 0, 1, "a", soon), ZONE_TAKEN);
    expect_result(assign(w, 0, 2, "b", soon), OK);
    expect_result(assign(w, 0, 1, "a", soon), OK);
    world_free(w);
}

static void test_room(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    active_node(w, 0, "a");
    for (uint32_t i = 0; i < 16; i++) {
        assert_int_equal(node_row(w, 0)->on_ring, 1);
        expect_result(big_chunk(w, i, DSDN_CHUNK_MAX), OK);
    }
    assert_int_equal(node_row(w, 0)->on_ring, 0);
    expect_unmet(big_chunk(w, 16, 1), CAPACITY_FULL);
    struct dsdn_ev_node_updated u = {w->node[0].key.public_key, text("a"), text("h:1"), 2};
    expect_result(play(w, &w->operator[0], dsdn_EVENT_node_updated, &u), OK);
    assert_int_equal(node_row(w, 0)->on_ring, 1);
    pass(w, DAY_MS); /* nobody kept these assignments */
    check_books(w);
    assert_int_equal(node_row(w, 0)->used_bytes, 0);
    world_free(w);

    /* Room for a byte is no room for a chunk: the node is not planned, although it would fit. */
    w = world_new(false);
    active_node(w, 0, "a");
    for (uint32_t i = 0; i < 15; i++) expect_result(big_chunk(w, i, DSDN_CHUNK_MAX), OK);
    expect_result(big_chunk(w, 15, 1), OK);
    assert_int_equal(node_row(w, 0)->on_ring, 0);
    expect_unmet(big_chunk(w, 16, DSDN_CHUNK_MAX - 1), NOT_PLANNED);
    expect_unmet(big_chunk(w, 17, DSDN_CHUNK_MAX), CAPACITY_FULL);
    pass(w, DAY_MS);
    assert_int_equal(node_row(w, 0)->on_ring, 1); /* room again */
    check_books(w);
    world_free(w);
}

/* Rows as only a checkpoint that nobody verified can have them: any outcome will do, nothing breaks. */
static void test_made_up_rows(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    declare(w, 2, 3);
    active_nodes(w, 0, 6);
    w->made_up = true;
    uint32_t chunk = dsdn_chunk_find(state(w), chunk_ids[0]);
    struct dsdn_row_chunk *k = dsdn_chunk_edit(state(w), chunk), saved = *k;

    /* A status that there is not. */
    dsdn_node_edit(state(w), dsdn_node_find(state(w), w->node[5].key.public_key))->status = 200;
    expect_unmet(status(w, 5, DSDN_NODE_ACTIVE, 0), STATUS_TRANSITION);

    /* A replication factor above what a row has room for, and no room left. */
    dsdn_object_edit(state(w), k->object)->rf = 255;
    k->holders_cnt = DSDN_HOLDER_MAX;
    memset(k->holders, 0, sizeof k->holders); /* node 0, in zone a */
    expect_unmet(assign(w, 0, 1, "b", w->time_ms + DAY_MS), REPLICAS_ENOUGH);
    assert_int_equal(dsdn_chunk_at(state(w), chunk)->holders_cnt, DSDN_HOLDER_MAX);
    *dsdn_chunk_edit(state(w), chunk) = saved;

    /* A replica in no state there is, of a chunk without room. */
    expect_result(assign(w, 0, 1, "b", w->time_ms + DAY_MS), OK);
    uint8_t key[64];
    memcpy(key, chunk_ids[0], 32);
    memcpy(key + 32, w->node[1].key.public_key, 32);
    dsdn_replica_edit(state(w), dsdn_replica_find(state(w), key))->state = 9;
    dsdn_chunk_edit(state(w), chunk)->holders_cnt = DSDN_HOLDER_MAX;
    struct dsdn_ev_replica_healed healed = {chunk_ids[0], w->node[1].key.public_key};
    expect_result(play(w, NULL, dsdn_EVENT_replica_healed, &healed), LIMIT);
    *dsdn_chunk_edit(state(w), chunk) = saved;

    /* A chunk without bytes, or without leaves. */
    expect_result(assign(w, 0, 2, "c", w->time_ms + DAY_MS), OK);
    struct dsdn_ev_replica_added added = {.chunk = chunk_ids[0],
                                          .node = w->node[2].key.public_key,
                                          .leaf_root = saved.leaf_root,
                                          .proof_path = {saved.leaf_root, 1, 32}};
    dsdn_chunk_edit(state(w), chunk)->size = 0;
    expect_unmet(play(w, &w->node[2], dsdn_EVENT_replica_added, &added), PROOF_PATH);
    dsdn_chunk_edit(state(w), chunk)->size = saved.size;
    dsdn_chunk_edit(state(w), chunk)->leaf_size = 0;
    expect_unmet(play(w, &w->node[2], dsdn_EVENT_replica_added, &added), PROOF_PATH);

    /* A deadline of a replica whose chunk and node there are not. */
    struct dsdn_context c = {.state = state(w)};
    memset(key, 0xEE, sizeof key);
    must(dsdn_table_reserve(&state(w)->tables[dsdn_TABLE_replica], 1, &error));
    must(dsdn_table_reserve(&state(w)->tables[dsdn_sys_TABLE_deadline], 1, &error));
    dsdn_replica_edit(state(w), dsdn_replica_insert(state(w), key))->heal_from = DSDN_NO_ROW;
    dsdn_deadline_set(&c, DSDN_CLOCK_TIME, w->time_ms, DSDN_DEADLINE_ASSIGNMENT_END, key, sizeof key);
    dsdn_state_settle(state(w));
    pass(w, 1);
    assert_int_not_equal(dsdn_replica_find(state(w), key), DSDN_NO_ROW);

    /* A live replica of a node that there is not is no source. */
    memcpy(key, chunk_ids[1], 32);
    must(dsdn_table_reserve(&state(w)->tables[dsdn_TABLE_replica], 40, &error));
    dsdn_replica_edit(state(w), dsdn_replica_insert(state(w), key))->state = DSDN_REPLICA_LIVE;
    dsdn_state_settle(state(w));
    struct dsdn_ev_heal_assigned heals = {chunk_ids[1], key + 32, w->node[2].key.public_key,
                                          w->time_ms + DAY_MS};
    expect_unmet(play(w, NULL, dsdn_EVENT_heal_assigned, &heals), SOURCE_NOT_PLANNED);

    /* A node whose replicas have no chunks: the sweep leaves them and ends. */
    memcpy(key + 32, w->node[3].key.public_key, 32);
    for (uint8_t i = 0; i < 34; i++) {
        memset(key, i, 32); /* the first one has the key that stands for "from the first" */
        dsdn_replica_insert(state(w), key);
    }
    dsdn_state_settle(state(w));
    dsdn_node_edit(state(w), dsdn_node_find(state(w), key + 32))->replica_cnt = 34;
    expect_result(status(w, 3, DSDN_NODE_QUARANTINED, 0), OK);
    pass(w, 1);
    assert_int_equal(node_row(w, 3)->replica_cnt, 34);

    /* A request that is there although its chunk says nothing of it. */
    uint8_t request[33] = {1};
    memcpy(request + 1, chunk_ids[1], 32);
    must(dsdn_table_reserve(&state(w)->tables[dsdn_TABLE_delete_request], 1, &error));
    dsdn_delete_request_insert(state(w), request);
    uint32_t requests = state(w)->tables[dsdn_TABLE_delete_request].live_cnt;
    struct dsdn_ev_delete_requested gone = {chunk_ids[1], 1, 4};
    expect_result(play(w, &w->owner[0], dsdn_EVENT_delete_requested, &gone), OK);
    assert_int_equal(state(w)->tables[dsdn_TABLE_delete_request].live_cnt, requests);
    world_free(w);
}

static void test_proof(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    declare(w, 2, 3);
    active_nodes(w, 0, 6);
    expect_unmet(add(w, 3, 0), CHUNK_UNKNOWN);
    expect_unmet(add(w, 0, 9), NODE_UNKNOWN);
    expect_unmet(add(w, 0, 0), REPLICA_UNKNOWN);
    int a = planned(w, 0, 0), b = planned(w, 0, 1);
    expect_unmet(assign_zoned(w, 0, not_planned(w, 0)), NOT_PLANNED);
    expect_result(assign_zoned(w, 0, b), OK); /* in any order: the plan without it is the rest */
    assert_int_equal(planned(w, 0, 0), a);
    expect_result(assign_zoned(w, 0, a), OK);

    static const uint8_t origin[32];
    const uint8_t *id = w->node[a].key.public_key;
    uint8_t path[128];
    uint32_t leaf = dsdn_leaf_draw(origin, chunk_ids[0], id, 5), cnt = tree_path(leaf, path),
             other = (leaf + 1) % 5;
    struct dsdn_ev_replica_added e = {chunk_ids[0], id, tree_root, leaf, {path, cnt, 32 * cnt}};
    const int added = dsdn_EVENT_replica_added;
    expect_result(play(w, &w->node[b], added, &e), NOT_AUTHORISED);
    e.leaf_root = fingerprint;
    expect_result(play(w, &w->node[a], added, &e), CONFLICT);
    e.leaf_root = tree_root, path[0] ^= 1;
    expect_unmet(play(w, &w->node[a], added, &e), PROOF_PATH);
    cnt = tree_path(other, path), e.proof_leaf = other,
    e.proof_path = (struct dsdn_list){path, cnt, 32 * cnt};
    expect_unmet(play(w, &w->node[a], added, &e), PROOF_LEAF);
    expect_unmet(healed(w, &w->node[a], 0, a), PROOF_NEEDED);
    expect_unmet(missing(w, NULL, 0, a), REPLICA_STATE);

    /* In the batch of its quarantine the replica is there, but it is too late to bring it to life. */
    struct dsdn_ev_node_status_set quarantine = {.node_id = id, .status = DSDN_NODE_QUARANTINED};
    ahead(w, NULL, dsdn_EVENT_node_status_set, &quarantine);
    expect_unmet(add(w, 0, a), NODE_STATUS);
    pass(w, 1);
    expect_unmet(add(w, 0, a), REPLICA_UNKNOWN); /* the sweep let go of it */
    expect_result(status(w, a, DSDN_NODE_ACTIVE, 0), OK);
    expect_result(assign_zoned(w, 0, a), OK); /* the ring is as before, so is the plan */

    uint64_t ordinal = dsdn_head(state(w))->event_count;
    pass(w, 5);
    expect_result(add(w, 0, a), OK);
    assert_int_equal(replica_row(w, 0, a)->state_ordinal, ordinal);
    assert_int_equal(replica_row(w, 0, a)->assigned_ordinal, ordinal - 1);
    assert_int_equal(replica_row(w, 0, a)->since_ms, w->time_ms);
    expect_result(add(w, 0, a), NO_EFFECT);
    expect_result(healed(w, NULL, 0, b), OK); /* the authority looked for itself */
    assert_int_equal(chunk_row(w, 0)->live_cnt, 2);
    assert_int_equal(deadlines(w), 0);
    world_free(w);
}

/* Chunk 0 with rf live replicas; the nodes that hold them. */
static void placed(struct world *w, uint8_t rf, int nodes[])
{
    declare(w, rf, 3);
    active_nodes(w, 0, 6);
    for (int i = 0; i < rf; i++) {
        nodes[i] = planned(w, 0, 0);
        expect_result(assign_zoned(w, 0, nodes[i]), OK);
        expect_result(add(w, 0, nodes[i]), OK);
    }
}

/* Not without a reason that the rows bear out. */
static void test_removal(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    int at[3];
    placed(w, 2, at);
    for (int author = 0; author < 2; author++) {
        struct person *by = author ? &w->node[at[0]] : NULL;
        expect_unmet(removed(w, by, 0, at[0], 0), DELETE_NOT_REQUESTED);
        expect_unmet(removed(w, by, 0, at[0], 1), REPLICA_NOT_SURPLUS);
        expect_unmet(removed(w, by, 0, at[0], 2), REPLICA_NOT_SUSPECT);
        expect_unmet(removed(w, by, 0, at[0], 3), NODE_NOT_CLOSED);
    }
    expect_result(removed(w, &w->node[at[1]], 0, at[0], 1), NOT_AUTHORISED);

    /* Missing, replaced, back: one too many. */
    expect_result(missing(w, NULL, 0, at[0]), OK);
    at[2] = planned(w, 0, 0);
    expect_result(heal(w, 0, at[1], at[2]), OK);
    expect_unmet(removed(w, NULL, 0, at[2], 1), REPLICA_STATE);
    expect_result(add(w, 0, at[2]), OK);
    expect_result(status(w, at[0], DSDN_NODE_QUARANTINED, 0), OK);
    pass(w, 1);
    expect_unmet(healed(w, NULL, 0, at[0]), NODE_STATUS);
    expect_result(status(w, at[0], DSDN_NODE_ACTIVE, 0), OK);
    expect_result(healed(w, NULL, 0, at[0]), OK);
    assert_int_equal(chunk_row(w, 0)->live_cnt, 3);
    expect_result(removed(w, &w->node[at[0]], 0, at[0], 1), OK);
    expect_unmet(removed(w, NULL, 0, at[1], 1), REPLICA_NOT_SURPLUS);
    expect_result(missing(w, NULL, 0, at[1]), OK);
    expect_result(removed(w, NULL, 0, at[1], 2), OK);
    assert_int_equal(chunk_row(w, 0)->holders_cnt + chunk_row(w, 0)->suspects_cnt, 1);

    /* A holder leaves; in the same batch its replica is still there, then the sweep closes it. */
    struct dsdn_ev_node_deregistered d = {w->node[at[2]].key.public_key};
    struct dsdn_ev_node_registered r = registration(w, at[2], "c");
    ahead(w, &w->operator[0], dsdn_EVENT_node_deregistered, &d);
    expect_unmet(enter(w, at[2], &r), NODE_HOLDS_REPLICAS);
    pass(w, 1);
    expect_result(enter(w, at[2], &r), OK);
    assert_int_equal(chunk_row(w, 0)->holders_cnt, 0);
    assert_int_equal(chunk_row(w, 0)->live_cnt, 0);
    world_free(w);

    w = world_new(false); /* the authority may be quicker than the sweep */
    placed(w, 1, at);
    d.node_id = w->node[at[0]].key.public_key;
    ahead(w, &w->operator[0], dsdn_EVENT_node_deregistered, &d);
    expect_result(removed(w, NULL, 0, at[0], 3), OK);
    pass(w, 1);
    assert_int_equal(deadlines(w), 0);

    /* Deletion reaches replicas in every state. */
    int live = planned(w, 1, 0);
    expect_result(assign_zoned(w, 1, live), OK);
    expect_result(add(w, 1, live), OK);
    int suspect = planned(w, 2, 0);
    expect_result(assign_zoned(w, 2, suspect), OK);
    expect_result(add(w, 2, suspect), OK);
    expect_result(missing(w, NULL, 2, suspect), OK);
    int assigned = planned(w, 2, 0);
    expect_result(assign_zoned(w, 2, assigned), OK);
    struct dsdn_ev_delete_requested gone = {object_id, 0, 0};
    expect_result(play(w, &w->owner[0], dsdn_EVENT_delete_requested, &gone), OK);
    expect_unmet(add(w, 2, assigned), DELETE_REQUESTED);
    expect_unmet(healed(w, NULL, 2, suspect), DELETE_REQUESTED);
    expect_result(removed(w, &w->node[live], 1, live, 0), OK);
    expect_result(removed(w, NULL, 2, assigned, 0), OK);
    expect_result(removed(w, NULL, 2, suspect, 0), OK);
    expect_unmet(removed(w, NULL, 1, live, 0), REPLICA_UNKNOWN);
    assert_int_equal(state(w)->tables[dsdn_TABLE_replica].live_cnt, 0);
    assert_int_equal(deadlines(w), 0);
    world_free(w);
}

static void test_health(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    int at[3];
    placed(w, 3, at);
    int reporter = 0;
    while (reporter == at[0]) reporter++;
    expect_result(missing(w, &w->owner[0], 0, at[0]), NOT_AUTHORISED);
    struct dsdn_ev_node_registered r = registration(w, 8, "z");
    expect_result(enter(w, 8, &r), OK); /* Pending: no reporter */
    expect_result(missing(w, &w->node[8], 0, at[0]), NOT_AUTHORISED);
    expect_result(missing(w, &w->node[reporter], 0, at[0]), OK);
    assert_int_equal(replica_row(w, 0, at[0])->state_ordinal, dsdn_head(state(w))->event_count - 1);
    expect_result(missing(w, NULL, 0, at[0]), NO_EFFECT);
    expect_unmet(add(w, 0, at[0]), REPLICA_STATE);
    expect_result(healed(w, &w->node[at[1]], 0, at[0]), NOT_AUTHORISED);
    expect_result(healed(w, &w->node[at[0]], 0, at[0]), OK);
    expect_result(healed(w, &w->node[at[0]], 0, at[0]), NO_EFFECT);

    world_free(w);
}

/* Heals copy from the one source to the planned node. */
static void test_heal(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    int at[3], source = 0;
    placed(w, 3, at);
    for (int i = 1; i < 3; i++) { /* the lowest hash, by hand */
        uint8_t message[64], hash[2][32];
        for (int k = 0; k < 2; k++) {
            memcpy(message, chunk_ids[0], 32);
            memcpy(message + 32, w->node[at[k ? i : source]].key.public_key, 32);
            dsdn_tagged("dsdn/heal/1", message, sizeof message, hash[k]);
        }
        if (memcmp(hash[1], hash[0], 32) < 0) source = i;
    }
    int from = at[source], live = at[(source + 1) % 3], lost = at[(source + 2) % 3];
    int spare = not_planned(w, 0);
    expect_unmet(heal(w, 0, from, spare), REPLICAS_ENOUGH);
    expect_result(missing(w, NULL, 0, lost), OK);
    int to = planned(w, 0, 0), wrong = not_planned(w, 0);
    expect_unmet(heal(w, 3, from, to), CHUNK_UNKNOWN);
    expect_unmet(heal(w, 0, from, 9), NODE_UNKNOWN);
    expect_unmet(heal(w, 0, lost, to), SOURCE_NOT_LIVE);
    expect_unmet(heal(w, 0, wrong, to), SOURCE_NOT_LIVE);
    expect_unmet(heal(w, 0, live, to), SOURCE_NOT_PLANNED);
    expect_unmet(heal(w, 0, from, wrong), NOT_PLANNED);
    expect_result(heal(w, 0, from, to), OK);
    assert_memory_equal(dsdn_node_at(state(w), replica_row(w, 0, to)->heal_from)->id,
                        w->node[from].key.public_key, 32);
    expect_result(heal(w, 0, from, to), NO_EFFECT);
    expect_result(assign_zoned(w, 0, to), CONFLICT); /* without a source it is another assignment */
    expect_unmet(add(w, 0, lost), REPLICA_STATE);
    expect_result(add(w, 0, to), OK);

    /* rf is a promise for the live ones: a fourth holder is none too many when it comes back. */
    expect_result(healed(w, NULL, 0, lost), OK);
    assert_int_equal(chunk_row(w, 0)->holders_cnt, 4);
    assert_int_equal(chunk_row(w, 0)->live_cnt, 4);
    world_free(w);
}

/* ---- the sweep ---- */

/* Node 0 alone on the ring, with cnt replicas of chunks of their own, all assigned. */
static struct world *loaded(uint32_t cnt, uint8_t rf, int64_t deadline_budget)
{
    struct world *w = world_with((struct world_options){.parameter = {"deadline_budget", deadline_budget}});
    declare(w, rf, cnt);
    active_node(w, 0, zones[0]);
    for (uint32_t i = 0; i < cnt; i++) expect_result(assign_zoned(w, i, 0), OK);
    return w;
}

/* Thirty-two replicas a sweep: the number of deadlines that it takes to let go of cnt assigned ones. */
static void test_sweep_steps(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t replicas, sweeps;
    } cases[] = {{0, 0}, {1, 1}, {31, 1}, {32, 1}, {33, 2}, {64, 2}, {65, 3}};
    for (uint32_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        bool live = i % 2; /* as suspects they stay, but no sweep meets one twice */
        uint32_t cnt = cases[i / 2].replicas, left = live ? 0 : cnt, sweeps = 0;
        struct world *w = loaded(cnt, 1, 1);
        for (uint32_t k = 0; live && k < cnt; k++) expect_result(healed(w, NULL, k, 0), OK);
        expect_result(status(w, 0, DSDN_NODE_BANNED, 0), OK);
        assert_int_equal(deadlines(w), left + (cnt != 0));
        for (; deadlines(w); sweeps++) {
            pass(w, 1);
            check_books(w);
            left -= left < 32 ? left : 32;
            assert_int_equal(node_row(w, 0)->replica_cnt, live ? cnt : left);
        }
        assert_int_equal(sweeps, cases[i / 2].sweeps);
        for (uint32_t k = 0; k < cnt; k++) assert_int_equal(chunk_row(w, k)->suspects_cnt, live);
        world_free(w);
    }
}

/* Every state: assigned ones are dropped, live ones become suspect, suspect ones stay; of a node that left
 * all go. */
static void test_sweep_states(void **unused)
{
    (void)unused;
    enum { ALL = 70 };
    for (int leaves = 0; leaves < 2; leaves++) {
        struct world *w = loaded(ALL, 1, 20000);
        for (uint32_t i = 0; i < ALL; i++) {
            if (i % 3) expect_result(healed(w, NULL, i, 0), OK);
            if (i % 3 == 2) expect_result(missing(w, NULL, i, 0), OK);
        }
        struct dsdn_ev_node_deregistered d = {w->node[0].key.public_key};
        if (leaves)
            expect_result(play(w, &w->operator[0], dsdn_EVENT_node_deregistered, &d), OK);
        else
            expect_result(status(w, 0, DSDN_NODE_QUARANTINED, 0), OK);
        pass(w, 0);
        assert_int_equal(node_row(w, 0)->replica_cnt,
                         ALL); /* not before time moves on, however batches are cut */
        uint64_t ordinal = dsdn_head(state(w))->event_count;
        pass(w, 7);
        check_books(w);
        assert_int_equal(deadlines(w), 0);
        for (uint32_t i = 0; i < ALL; i++) {
            const struct dsdn_row_replica *r = replica_row(w, i, 0);
            assert_int_equal(chunk_row(w, i)->holders_cnt + chunk_row(w, i)->live_cnt, 0);
            assert_int_equal(r != NULL, !leaves && i % 3 != 0);
            if (!r) continue;
            assert_int_equal(r->state, DSDN_REPLICA_SUSPECT);
            assert_int_equal(r->state_ordinal == ordinal, i % 3 == 1);
            assert_int_equal(r->since_ms == w->time_ms, i % 3 == 1);
        }
        if (!leaves) { /* it comes back with what it has */
            expect_result(status(w, 0, DSDN_NODE_ACTIVE, 0), OK);
            expect_result(healed(w, &w->node[0], 1, 0), OK);
            expect_result(healed(w, &w->node[0], 2, 0), OK);
            expect_result(status(w, 0, DSDN_NODE_QUARANTINED, 0), OK);
            pass(w, 1);
            assert_int_not_equal(node_row(w, 0)->replica_cnt, 0); /* suspects stay until it leaves */
            expect_result(play(w, &w->operator[0], dsdn_EVENT_node_deregistered, &d), OK);
            pass(w, 1);
            check_books(w);
        }
        assert_int_equal(node_row(w, 0)->replica_cnt, 0);
        assert_int_equal(state(w)->tables[dsdn_TABLE_replica].live_cnt, 0);
        world_free(w);
    }
}

/* Active again before the sweep: nothing happens.  A node never Active has nothing to let go of. */
static void test_sweep_not_needed(void **unused)
{
    (void)unused;
    struct world *w = loaded(3, 1, 20000);
    struct dsdn_ev_node_status_set e = {.node_id = w->node[0].key.public_key,
                                        .status = DSDN_NODE_QUARANTINED};
    ahead(w, NULL, dsdn_EVENT_node_status_set, &e);
    expect_result(status(w, 0, DSDN_NODE_ACTIVE, 0), OK);
    assert_int_equal(deadlines(w), 4);
    pass(w, 1);
    assert_int_equal(deadlines(w), 3);
    assert_int_equal(node_row(w, 0)->replica_cnt, 3);
    struct dsdn_ev_node_registered r = registration(w, 1, "b");
    expect_result(enter(w, 1, &r), OK);
    expect_result(status(w, 1, DSDN_NODE_QUARANTINED, 0), OK);
    assert_int_equal(deadlines(w), 3);
    uint8_t stranger[72] = {9};
    struct dsdn_context c = {.state = state(w), .time_ms = w->time_ms};
    dsdn_fire_replica_sweep(&c, stranger);
    world_free(w);
}

/* Eight replicas may be suspect at once; the ninth report is refused, and the ninth that a sweep finds is
 * closed. */
static void test_suspect_limit(void **unused)
{
    (void)unused;
    struct world *w = world_new(false);
    declare(w, 16, 1);
    for (int i = 0; i < 9; i++) {
        char zone[2] = {(char)('a' + i), 0};
        active_node(w, i, zone);
        expect_result(assign(w, 0, i, zone, w->time_ms + 1000), OK);
        expect_result(add(w, 0, i), OK);
    }
    for (int i = 0; i < 8; i++) expect_result(missing(w, NULL, 0, i), OK);
    expect_result(missing(w, NULL, 0, 8), LIMIT);
    expect_result(status(w, 8, DSDN_NODE_QUARANTINED, 0), OK);
    pass(w, 1);
    check_books(w);
    assert_null(replica_row(w, 0, 8));
    expect_result(removed(w, NULL, 0, 0, 2), OK); /* a place is free: now a sweep finds room */
    expect_result(assign(w, 0, 0, "a", w->time_ms + 1000), OK);
    expect_result(add(w, 0, 0), OK);
    expect_result(status(w, 0, DSDN_NODE_QUARANTINED, 0), OK);
    pass(w, 1);
    assert_int_equal(replica_row(w, 0, 0)->state, DSDN_REPLICA_SUSPECT);
    assert_int_equal(chunk_row(w, 0)->suspects_cnt, DSDN_SUSPECT_MAX);
    world_free(w);
}

/* Another origin hash draws another leaf: on a network with a primary the assignment's header decides. */
static void test_leaf_of_origin(void **unused)
{
    (void)unused;
    struct world *w = world_new(true);
    declare(w, 2, 1);
    active_node(w, 0, "a");
    uint8_t origin[32], path[128];
    uint64_t height = 0;
    const uint8_t *id = w->node[0].key.public_key;
    static const uint8_t zero[32];
    for (height = 101;; height++) { /* one where it differs from the leaf of no origin */
        dsdn_tagged("test", &height, 8, origin);
        if (dsdn_leaf_draw(origin, chunk_ids[0], id, 5) != dsdn_leaf_draw(zero, chunk_ids[0], id, 5)) break;
    }
    w->height = height;
    expect_result(assign(w, 0, 0, "a", w->time_ms + 1000), OK);
    w->height++;
    expect_unmet(add(w, 0, 0), PROOF_LEAF);
    uint32_t leaf = dsdn_leaf_draw(origin, chunk_ids[0], id, 5), cnt = tree_path(leaf, path);
    struct dsdn_ev_replica_added e = {chunk_ids[0], id, tree_root, leaf, {path, cnt, 32 * cnt}};
    expect_result(play(w, &w->node[0], dsdn_EVENT_replica_added, &e), OK);
    world_free(w);
}
static void test_codes(void **unused)
{
    (void)unused;
    check_codes_reached(35, 35);
    check_codes_reached(40, 95);
    check_codes_reached(12, 12);
    check_codes_reached(16, 16);
}

int main(void)
{
    if (dsdn_sign_self_test(&error)) return 1;
    tree_make();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assignment),    cmocka_unit_test(test_room),
        cmocka_unit_test(test_zone_order),
        cmocka_unit_test(test_made_up_rows),  cmocka_unit_test(test_proof),
        cmocka_unit_test(test_removal),       cmocka_unit_test(test_health),
        cmocka_unit_test(test_heal),          cmocka_unit_test(test_sweep_steps),
        cmocka_unit_test(test_sweep_states),  cmocka_unit_test(test_sweep_not_needed),
        cmocka_unit_test(test_suspect_limit), cmocka_unit_test(test_leaf_of_origin),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
