/* view_chunks.c: views that begin with chunks: placement, short, heal, deletion. */
#include "apps/replay/view.h"

#include "roles/coordinator/placement.h"
#include "roles/coordinator/queries.h"

#include <stdlib.h>

#define RF_DEFAULT 3u /* requirement COORD-4 */

static const char *rule_name(uint8_t rule)
{
    static const char *const names[] = {"?", "ring", "zone", "again"};
    return rule < sizeof names / sizeof names[0] ? names[rule] : "?";
}

/* The hash and the replicas of HASH[/RF]. */
static int read_hash(const char *key, uint8_t hash[32], uint32_t *rf, struct dsdn_error *error)
{
    char digits[65], *end;
    const char *slash = strchr(key, '/');
    size_t len = slash ? (size_t)(slash - key) : strlen(key);
    *rf = RF_DEFAULT;
    if (slash) {
        unsigned long number = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end || number < 1 || number > DSDN_RF_MAX)
            return dsdn_fail(error, DSDN_E_USAGE, "--key HASH/RF wants 1 to %u replicas, not \"%.40s\"",
                             DSDN_RF_MAX, slash + 1);
        *rf = (uint32_t)number;
    }
    snprintf(digits, sizeof digits, "%.*s", len < 64 ? (int)len : 64, key);
    return options_hex32("key", len > 64 ? key : digits, hash, error);
}

int view_placement(struct view_list *v, const char *key, struct dsdn_error *error)
{
    struct dsdn_placement plan;
    uint8_t hash[32];
    uint32_t rf;
    int rc = read_hash(key, hash, &rf, error);
    if (rc) return rc;
    dsdn_placement_of(v->s, v->time_ms, hash, rf, &plan);
    for (uint32_t i = 0; !rc && i < plan.cnt; i++) {
        view_hex32(v, hash);
        view_number(v, i);
        view_node(v, plan.node[i]);
        view_zone(v, dsdn_node_at(v->s, plan.node[i])->zone);
        view_text(v, rule_name(plan.rule[i]));
        rc = view_row(v, error);
    }
    return rc;
}

static int short_one(struct view_list *v, uint32_t chunk, struct dsdn_error *error)
{
    struct dsdn_heal heal;
    if (!dsdn_heal_plan(v->s, v->time_ms, chunk, &heal)) return DSDN_OK;
    view_hex32(v, dsdn_chunk_at(v->s, chunk)->chunk);
    view_hex32(v, dsdn_object_at(v->s, dsdn_chunk_at(v->s, chunk)->object)->object);
    view_number(v, heal.rf);
    view_number(v, heal.live);
    view_number(v, heal.assigned);
    view_number(v, heal.suspect);
    return view_row(v, error);
}

int view_short(struct view_list *v, const char *key, struct dsdn_error *error)
{
    return view_each(v, dsdn_TABLE_chunk, key, short_one, error);
}

/* One row a replica that is wanted: those behind the last target have nobody to hold them. */
static int heal_one(struct view_list *v, uint32_t chunk, struct dsdn_error *error)
{
    struct dsdn_heal heal;
    uint32_t want = dsdn_placement_want(v->s, chunk);
    int rc = DSDN_OK;
    if (!dsdn_heal_plan(v->s, v->time_ms, chunk, &heal)) return rc;
    for (uint32_t i = 0; !rc && i < want; i++) {
        view_hex32(v, dsdn_chunk_at(v->s, chunk)->chunk);
        view_number(v, i);
        view_node(v, heal.source);
        if (i < heal.targets.cnt) {
            view_node(v, heal.targets.node[i]);
            view_zone(v, dsdn_node_at(v->s, heal.targets.node[i])->zone);
            view_text(v, rule_name(heal.targets.rule[i]));
        } else {
            view_null(v);
            view_null(v);
            view_null(v);
        }
        rc = view_row(v, error);
    }
    return rc;
}

int view_heal(struct view_list *v, const char *key, struct dsdn_error *error)
{
    return view_each(v, dsdn_TABLE_chunk, key, heal_one, error);
}

/* ---- deletion ---- */

static int request_one(struct view_list *v, uint32_t request, struct dsdn_error *error)
{
    static const char *const states[] = {"assigned", "live", "suspect"};
    const struct dsdn_row_delete_request *d = dsdn_delete_request_at(v->s, request);
    uint8_t kind = d->kind[0];
    uint32_t row = kind ? dsdn_chunk_find(v->s, d->target) : dsdn_object_find(v->s, d->target);
    struct dsdn_deletion_cursor cursor;
    struct dsdn_replica_left left;
    int rc = DSDN_OK;
    if (row == DSDN_NO_ROW) return rc; /* rows of a checkpoint that contradict each other */
    dsdn_query_deletion(&cursor, v->s, kind, row);
    while (!rc && dsdn_query_deletion_next(&cursor, &left)) {
        uint8_t state = dsdn_replica_at(v->s, left.replica)->state;
        view_text(v, kind ? "chunk" : "object");
        view_hex32(v, d->target);
        view_number(v, d->ordinal);
        view_hex32(v, dsdn_chunk_at(v->s, left.chunk)->chunk);
        view_node(v, left.node);
        view_text(v, state < 3 ? states[state] : "?");
        rc = view_row(v, error);
    }
    return rc;
}

int view_deletion(struct view_list *v, const char *key, struct dsdn_error *error)
{
    uint8_t request[33] = {0};
    if (!key) return view_each(v, dsdn_TABLE_delete_request, NULL, request_one, error);
    int rc = options_hex32("key", key, request + 1, error);
    if (rc) return rc;
    for (; request[0] < 2; request[0]++) {
        uint32_t row = dsdn_delete_request_find(v->s, request);
        if (row != DSDN_NO_ROW) return request_one(v, row, error);
    }
    return dsdn_fail(error, DSDN_E_NOT_FOUND, "nobody asked to delete an object or chunk %s", key);
}
