/* story_other.c: audit logs, quorum sets, committees, attested roots, upgrades. */
#include "roles/generator/model.h"

/* ---- audit logs ---- */

static bool put_entry(struct generator *g, struct author *author)
{
    uint8_t ref[32], body[32], head[32] = {0};
    uint32_t row = dsdn_audit_chain_find(world(g), author->key.public_key);
    uint64_t number = g->fact_cnt++;
    if (row != DSDN_NO_ROW) memcpy(head, dsdn_audit_chain_at(world(g), row)->head, 32);
    content_hash("dsdn/generate/ref/1", g->options.seed, number, ref);
    content_hash("dsdn/generate/entry/1", g->options.seed, number, body);
    struct dsdn_ev_audit_record_posted e = {
        .log_type = (uint16_t)(1 + below(g, 10)),
        .ref = ref,
        .seq = row == DSDN_NO_ROW ? 0 : dsdn_audit_chain_at(world(g), row)->next_seq,
        .prev = head,
        .body_hash = body};
    return put(g, author, dsdn_EVENT_audit_record_posted, &e);
}

/* A node or validator mirrors entries of its log, and may seal them. */
void story_audit(struct generator *g)
{
    struct node *n = below(g, 8) ? active_node(g) : NULL;
    struct author *author = n ? &n->author : &g->validators[below(g, VALIDATOR_CNT)];
    for (uint32_t i = 1; i < g->run_len; i++)
        if (!put_entry(g, author)) return;
    if (below(g, 2)) return;
    const struct dsdn_state *s = world(g);
    uint32_t row = dsdn_audit_chain_find(s, author->key.public_key);
    const struct dsdn_row_audit_chain *chain = row == DSDN_NO_ROW ? NULL : dsdn_audit_chain_at(s, row);
    if (!chain || chain->next_seq == chain->sealed) return;
    uint8_t root[32];
    memcpy(root, chain->head, 32);
    struct dsdn_ev_worm_segment_sealed e = {chain->segments, chain->sealed, chain->next_seq - 1, root};
    put(g, author, dsdn_EVENT_worm_segment_sealed, &e);
}

/* ---- who decides ---- */

/* The validators of the genesis declare themselves anew; three of four agree. */
void story_quorum(struct generator *g)
{
    uint8_t bytes[96 * SEAL_MAX];
    uint32_t one = below(g, VALIDATOR_CNT);
    const struct author *others[2];
    struct seal seals[SEAL_MAX];
    for (uint32_t i = 1; i < 3; i++) others[i - 1] = &g->validators[(one + i) % VALIDATOR_CNT];
    struct dsdn_ev_quorum_validator_set_declared e = {
        .set_id = dsdn_head(world(g))->quorum_set + 1,
        .members = g->genesis.event.quorum_members,
        .threshold_pct = (uint8_t)(67 + below(g, 9)), /* three of four, whichever */
        .approvals = approvals_make(others, 2, bytes, seals)};
    put_sealed(g, &g->validators[one], dsdn_EVENT_quorum_validator_set_declared, &e, "approvals", seals, 2);
}

/* A committee is formed and takes over: from the next batch on its key signs. */
void story_committee(struct generator *g)
{
    enum { SEATS = 4, SEAT_LEN = 3 * 32 + 2 };
    uint8_t members[SEATS * SEAT_LEN], seed[32], *at = members;
    struct dsdn_sign_key next, seat;
    uint64_t epoch = g->authority_epoch + 1, start = g->time_ms;
    generator_key(g->options.seed, KEY_GROUP, (uint32_t)epoch, &next);
    content_hash("dsdn/generate/seed/1", g->options.seed, epoch, seed);
    for (uint32_t i = 0; i < SEATS; i++, at += SEAT_LEN) {
        generator_key(g->options.seed, KEY_SEAT, (uint32_t)epoch * SEATS + i, &seat);
        memcpy(at, seat.public_key, 32);
        memcpy(at + 32, g->validators[i].key.public_key, 32);
        content_hash("dsdn/generate/share/1", g->options.seed, epoch * SEATS + i, at + 64);
        dsdn_store16(at + 96, (uint16_t)(i + 1));
    }
    struct dsdn_ev_committee_formed formed = {.epoch = epoch,
                                              .members = {members, SEATS, sizeof members},
                                              .threshold = 3,
                                              .group_public = next.public_key,
                                              .epoch_start = start,
                                              .duration_s = 86400,
                                              .method = 1,
                                              .seed = seed};
    struct dsdn_ev_committee_handoff_started started = {epoch - 1, epoch, start,
                                                        start + (uint64_t)DSDN_SETTING(world(g), handoff_ms)};
    if (!put(g, NULL, dsdn_EVENT_committee_formed, &formed) ||
        !put(g, NULL, dsdn_EVENT_committee_handoff_started, &started) ||
        dsdn_head(world(g))->next_epoch != epoch) /* a new batch began in between: another time */
        return;
    writer_flush(g);
    g->authority = next;
    g->authority_epoch = epoch;
    struct dsdn_ev_committee_handoff_completed completed = {epoch};
    put(g, NULL, dsdn_EVENT_committee_handoff_completed, &completed);
}

/* ---- attested roots and upgrades ---- */

void story_checkpoint(struct generator *g)
{
    if (!g->root_fresh) return;
    g->root_fresh = false;
    struct dsdn_ev_checkpoint_declared e = {g->root_sequence, g->root};
    if (!put(g, NULL, dsdn_EVENT_checkpoint_declared, &e) || !speaks(g)) return;
    for (uint32_t i = 0; i < VALIDATOR_CNT; i++)
        if (!put(g, &g->validators[i], dsdn_EVENT_checkpoint_declared, &e)) return;
}

/* Versions are scheduled far ahead and withdrawn again, so that no program ever has to know them. */
void story_upgrade(struct generator *g)
{
    enum { VERSIONS = 2 };
    uint32_t cnt = g->run_len < VERSIONS ? g->run_len : VERSIONS, first = g->upgrade_cnt;
    struct author *one = &g->founders[below(g, FOUNDER_CNT)];
    const struct author *other = &g->founders[(uint32_t)(one - g->founders + 1) % FOUNDER_CNT];
    uint8_t bytes[96 * SEAL_MAX], migration[32];
    struct seal seals[SEAL_MAX];
    uint64_t height = g->sequence + 1000000000u; /* without a primary: a batch sequence */
    g->upgrade_cnt += cnt;
    for (uint32_t i = 0; i < 2 * cnt; i++) {
        uint32_t number = first + i % cnt;
        struct dsdn_list approvals = approvals_make(&other, 1, bytes, seals);
        content_hash("dsdn/generate/migration/1", g->options.seed, number, migration);
        struct dsdn_ev_upgrade_scheduled schedule = {.major = 2,
                                                     .minor = (uint16_t)(number >> 16),
                                                     .patch = (uint16_t)number,
                                                     .height = height + i % cnt,
                                                     .migration = migration,
                                                     .approvals = approvals};
        struct dsdn_ev_upgrade_cancelled cancel = {.major = schedule.major,
                                                   .minor = schedule.minor,
                                                   .patch = schedule.patch,
                                                   .height = schedule.height,
                                                   .approvals = approvals};
        bool put_it = i < cnt
                          ? put_sealed(g, one, dsdn_EVENT_upgrade_scheduled, &schedule, "approvals", seals, 1)
                          : put_sealed(g, one, dsdn_EVENT_upgrade_cancelled, &cancel, "approvals", seals, 1);
        if (!put_it) return;
    }
}
