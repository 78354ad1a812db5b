/* report.c: what a run has shown, as the JSON object that scripts rely on (docs/man/dsdn-replay.1) and
 * as lines. */
#include "apps/replay/run.h"

#include "log/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#define REPORT_MAX ((size_t)64 << 20)

/* ---- roles ----------------------------------------------------------------------------------- */

static bool listed(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (;;) {
        size_t item = strcspn(list, ",");
        if (item == len && memcmp(list, name, len) == 0) return true;
        if (!list[item]) return false;
        list += item + 1;
    }
}

static bool wanted(const struct run *run, const char *role)
{
    return !run->options->roles || listed(run->options->roles, role);
}

int report_roles(const struct run *run, struct dsdn_error *error)
{
    const char *list = run->options->roles;
    const struct dsdn_catalogue *catalogue = run->input.catalogue;
    while (list) {
        char name[64], known[256] = "system";
        size_t item = strcspn(list, ","), len = strlen(known);
        bool found = item == 6 && memcmp(list, "system", 6) == 0;
        for (uint32_t i = 0; i < catalogue->table_cnt; i++) {
            const char *role = catalogue->tables[i].role_name;
            found |= strlen(role) == item && memcmp(list, role, item) == 0;
            if (!strstr(known, role) && len + strlen(role) + 3 < sizeof known)
                len += (size_t)snprintf(known + len, sizeof known - len, ", %s", role);
        }
        snprintf(name, sizeof name, "%.*s", item < 63 ? (int)item : 63, list);
        if (!found) return dsdn_fail(error, DSDN_E_USAGE, "no role \"%s\"; this network has %s", name, known);
        list = list[item] ? list + item + 1 : NULL;
    }
    return DSDN_OK;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static uint64_t elapsed_ms(const struct run *run)
{
    return (clock_ns() - run->begun) / 1000000 + run->seconds_before_ms;
}

static uint64_t per_second(uint64_t events, uint64_t ms)
{
    return (uint64_t)((double)events * 1000.0 / (double)(ms ? ms : 1));
}

static uint64_t peak_rss(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static int tally_order(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    return x->outcome != y->outcome ? (int)x->outcome - (int)y->outcome : (int)x->code - (int)y->code;
}

/* Outcomes of the span: those of the state less those from before it.  OK is left out. */
static void rejected(const struct run *run, struct tallies *out)
{
    out->cnt = 0;
    if (!run->started) return;
    tallies_read(out, dsdn_engine_state(run->session.engine));
    uint32_t kept = 0;
    for (uint32_t i = 0; i < out->cnt; i++) {
        struct tally t = out->list[i];
        for (uint32_t k = 0; k < run->before.cnt; k++) {
            const struct tally *b = &run->before.list[k];
            if (b->outcome == t.outcome && b->code == t.code) t.count -= b->count;
        }
        if (t.outcome != DSDN_OUTCOME_OK && t.count) out->list[kept++] = t;
    }
    out->cnt = kept;
    qsort(out->list, kept, sizeof out->list[0], tally_order);
}

static void tally_name(const struct run *run, const struct tally *t, char *out, size_t cap)
{
    if (t->code)
        snprintf(out, cap, "%s:%s", dsdn_outcome_name(t->outcome),
                 dsdn_code_name(run->input.catalogue, t->code));
    else
        snprintf(out, cap, "%s", dsdn_outcome_name(t->outcome));
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_u64(struct dsdn_text *t, const char *key, uint64_t value)
{
    dsdn_text_key(t, key);
    dsdn_text_u64(t, value);
}

static void put_hex(struct dsdn_text *t, const char *key, const uint8_t hash[32], bool known)
{
    dsdn_text_key(t, key);
    if (known)
        dsdn_text_hex(t, hash, 32);
    else
        dsdn_text_null(t);
}

static void put_span(struct dsdn_text *t, const struct run *run)
{
    dsdn_text_key(t, "first_seq");
    if (run->batches)
        dsdn_text_u64(t, run->first);
    else
        dsdn_text_null(t);
    dsdn_text_key(t, "last_seq");
    if (run->batches)
        dsdn_text_u64(t, run->next - 1);
    else
        dsdn_text_null(t);
    put_u64(t, "batches", run->batches);
    put_u64(t, "events", run->events);
}

static void put_rejected(struct dsdn_text *t, const struct run *run)
{
    static struct tallies list; /* 64 KiB: too much for the stack; there is one report */
    rejected(run, &list);
    dsdn_text_key(t, "rejected");
    dsdn_text_open(t, '{');
    for (uint32_t i = 0; i < list.cnt; i++) {
        char name[96];
        tally_name(run, &list.list[i], name, sizeof name);
        put_u64(t, name, list.list[i].count);
    }
    dsdn_text_close(t, '}');
}

static void put_roots(struct dsdn_text *t, const struct run *run)
{
    put_hex(t, "root", run->roots.state, run->has_roots);
    dsdn_text_key(t, "roles");
    dsdn_text_open(t, '{');
    for (uint32_t i = 0; run->has_roots && i < run->roots.role_cnt; i++)
        if (wanted(run, run->roots.roles[i].name))
            put_hex(t, run->roots.roles[i].name, run->roots.roles[i].root, true);
    dsdn_text_close(t, '}');
    put_hex(t, "transcript",
            run->has_roots ? dsdn_head(dsdn_engine_state(run->session.engine))->transcript : NULL,
            run->has_roots);
    if (run->options->root_every) {
        dsdn_text_key(t, "roots");
        dsdn_text_open(t, '[');
        for (size_t i = 0; i < run->rooted_cnt; i++) {
            dsdn_text_open(t, '{');
            put_u64(t, "seq", run->rooted[i].sequence);
            put_hex(t, "root", run->rooted[i].root, true);
            dsdn_text_close(t, '}');
        }
        dsdn_text_close(t, ']');
    }
    if (run->has_digest) put_hex(t, "digest", run->digest, true);
    if (run->options->fingerprint) put_hex(t, "fingerprint", run->fingerprint, run->batches > 0);
    if (run->checks & DSDN_CHECK_EVENT_IDS) put_hex(t, "event_id_sum", run->event_id_sum, true);
}

/* Heights whose namespace data is proved complete, those of earlier runs with the same --state among them. */
static uint64_t proved_heights(const struct run *run)
{
    const struct da_facts *da = run->input.da;
    return da && da->complete != DSDN_HEIGHT_NONE ? da->complete + 1 - da->start : 0;
}

static void put_as_of(struct dsdn_text *t, const struct da_facts *da)
{
    dsdn_text_key(t, "as_of");
    if (!da || da->complete == DSDN_HEIGHT_NONE) {
        dsdn_text_null(t);
        return;
    }
    dsdn_text_open(t, '{');
    put_u64(t, "height", da->complete);
    dsdn_text_key(t, "time");
    if (da->time_ms)
        dsdn_text_u64(t, da->time_ms);
    else
        dsdn_text_null(t);
    put_u64(t, "included", da->included);
    put_u64(t, "settled", da->settled);
    dsdn_text_close(t, '}');
}

static const char *anchor_source(const struct run *run)
{
    const struct da_facts *da = run->input.da;
    if (da && !da->anchored) return run->input.kind == INPUT_DA ? "node" : "archive";
    if (da) return da->source == DSDN_ANCHOR_PRIOR ? "prior" : "pinned";
    return run->options->genesis || run->has_expected ? "pinned" : NULL;
}

/* What the verdict rests on. */
static void put_anchor(struct dsdn_text *t, const struct run *run)
{
    const struct da_facts *da = run->input.da;
    const char *source = anchor_source(run);
    dsdn_text_key(t, "anchor");
    dsdn_text_open(t, '{');
    put_hex(t, "genesis", run->input.genesis.hash, run->input.genesis.bytes != NULL);
    dsdn_text_key(t, "header");
    if (da && da->header_height) {
        dsdn_text_open(t, '{');
        put_u64(t, "height", da->header_height);
        put_hex(t, "hash", da->header_hash, true);
        dsdn_text_close(t, '}');
    } else {
        dsdn_text_null(t);
    }
    /* That of a resumed run is its own progress. */
    put_hex(t, "checkpoint", run->session.root, run->session.checkpoint[0] && !run->options->resume);
    dsdn_text_key(t, "source");
    if (source)
        dsdn_text_string(t, source);
    else
        dsdn_text_null(t);
    dsdn_text_close(t, '}');
}

static void put_verified(struct dsdn_text *t, const struct run *run)
{
    dsdn_text_key(t, "verified");
    dsdn_text_open(t, '{');
    put_u64(t, "da", proved_heights(run));
    put_u64(t, "chain", run->batches);
    put_u64(t, "signatures", run->signatures);
    put_u64(t, "attestations", run->attestations);
    dsdn_text_close(t, '}');
    dsdn_text_key(t, "unverified");
    dsdn_text_open(t, '[');
    for (uint32_t i = 0; i < run->gap_cnt; i++) {
        dsdn_text_open(t, '{');
        put_u64(t, "from", run->gaps[i].from);
        put_u64(t, "to", run->gaps[i].to);
        dsdn_text_key(t, "why");
        dsdn_text_string(t, run->gaps[i].why);
        dsdn_text_close(t, '}');
    }
    dsdn_text_close(t, ']');
    dsdn_text_key(t, "findings");
    dsdn_text_open(t, '[');
    for (size_t i = 0; i < run->finding_cnt; i++) finding_write(t, &run->findings[i]);
    dsdn_text_close(t, ']');
    dsdn_text_key(t, "assurance");
    dsdn_text_string(t, assurance_name(run_assurance(run)));
    put_as_of(t, run->input.da);
    put_anchor(t, run);
}

static void put_network(struct dsdn_text *t, const struct run *run)
{
    const struct dsdn_genesis *g = &run->input.genesis;
    dsdn_text_key(t, "network");
    if (g->bytes)
        dsdn_text_bytes(t, g->event.network_id.bytes, g->event.network_id.len);
    else
        dsdn_text_null(t);
    put_hex(t, "genesis", g->hash, g->bytes != NULL);
}

static int print(const struct dsdn_text *text, struct dsdn_error *error)
{
    int rc = dsdn_text_status(text, error);
    if (rc) return rc;
    if (fwrite(text->bytes, 1, text->len, stdout) == text->len && fflush(stdout) == 0) return DSDN_OK;
    return dsdn_fail_errno(error, errno, "cannot write to standard output");
}

int report_json(struct run *run, int rc, const struct dsdn_error *failure, struct dsdn_error *error)
{
    struct dsdn_text text, *t = &text;
    uint64_t ms = elapsed_ms(run);
    dsdn_text_init(t, REPORT_MAX, 0);
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "ok");
    dsdn_text_bool(t, !rc);
    dsdn_text_key(t, "complete");
    dsdn_text_bool(t, !rc && !run->gap_cnt);
    put_network(t, run);
    put_span(t, run);
    put_rejected(t, run);
    put_roots(t, run);
    put_verified(t, run);
    dsdn_text_key(t, "seconds");
    dsdn_text_milli(t, ms);
    put_u64(t, "events_per_second", per_second(run->events, ms));
    put_u64(t, "bytes", run->bytes);
    put_u64(t, "peak_rss_bytes", peak_rss());
    if (run->resume[0]) {
        dsdn_text_key(t, "resume");
        dsdn_text_string(t, run->resume);
    }
    dsdn_text_key(t, "error");
    if (rc)
        finding_write(t, failure);
    else
        dsdn_text_null(t);
    dsdn_text_close(t, '}');
    dsdn_text_line(t);
    int failed = print(t, error);
    dsdn_text_free(t);
    return failed;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void line_hex(struct dsdn_text *t, const char *key, const uint8_t hash[32])
{
    char hex[65];
    dsdn_hex_encode(hash, 32, hex);
    dsdn_text_format(t, "%-13s %s\n", key, hex);
}

static void lines_rejected(struct dsdn_text *t, const struct run *run)
{
    static struct tallies list;
    uint64_t sum = 0;
    rejected(run, &list);
    for (uint32_t i = 0; i < list.cnt; i++) sum += list.list[i].count;
    dsdn_text_format(t, "%-13s %llu", "rejected:", (unsigned long long)sum);
    for (uint32_t i = 0; i < list.cnt; i++) {
        char name[96];
        tally_name(run, &list.list[i], name, sizeof name);
        dsdn_text_format(t, "%s%s %llu", i ? ", " : " (", name, (unsigned long long)list.list[i].count);
    }
    dsdn_text_format(t, "%s\n", list.cnt ? ")" : "");
}

static void lines_roots(struct dsdn_text *t, const struct run *run, bool whole)
{
    for (size_t i = 0; run->options->root_every && i < run->rooted_cnt; i++) {
        char key[40];
        snprintf(key, sizeof key, "root@%llu:", (unsigned long long)run->rooted[i].sequence);
        line_hex(t, key, run->rooted[i].root);
    }
    if (!run->has_roots) return;
    for (uint32_t i = 0; i < run->roots.role_cnt; i++) {
        char key[80];
        if (!wanted(run, run->roots.roles[i].name)) continue;
        snprintf(key, sizeof key, "%s:", run->roots.roles[i].name);
        line_hex(t, key, run->roots.roles[i].root);
    }
    line_hex(t, "transcript:", dsdn_head(dsdn_engine_state(run->session.engine))->transcript);
    if (run->has_digest) line_hex(t, "digest:", run->digest);
    if (run->options->fingerprint && run->batches) line_hex(t, "fingerprint:", run->fingerprint);
    if (run->checks & DSDN_CHECK_EVENT_IDS) line_hex(t, "event ids:", run->event_id_sum);
    /* Of a run that stopped early nobody may take the root for the result. */
    if (whole) line_hex(t, "root:", run->roots.state);
}

static void lines_primary(struct dsdn_text *t, const struct run *run)
{
    const struct da_facts *da = run->input.da;
    char hex[65];
    if (!da || da->complete == DSDN_HEIGHT_NONE) return;
    dsdn_text_format(t, "%-13s heights %llu..%llu complete, %llu batches included, %llu settled\n",
                     "primary:", (unsigned long long)da->start, (unsigned long long)da->complete,
                     (unsigned long long)da->included, (unsigned long long)da->settled);
    if (!da->header_height) return;
    dsdn_hex_encode(da->header_hash, 32, hex);
    dsdn_text_format(t, "%-13s height %llu, %s (%s)\n", "anchor:", (unsigned long long)da->header_height, hex,
                     anchor_source(run));
}

int report_text(struct run *run, bool whole, struct dsdn_error *error)
{
    struct dsdn_text text, *t = &text;
    uint64_t ms = elapsed_ms(run), mib10 = run->bytes * 10 >> 20;
    if (!run->started) return DSDN_OK;
    dsdn_text_init(t, REPORT_MAX, 0);
    dsdn_text_format(t, "%-13s %.*s\n", "network:", (int)run->input.genesis.event.network_id.len,
                     (const char *)run->input.genesis.event.network_id.bytes);
    line_hex(t, "genesis:", run->input.genesis.hash);
    if (run->batches)
        dsdn_text_format(t, "%-13s %llu (%llu..%llu)\n", "batches:", (unsigned long long)run->batches,
                         (unsigned long long)run->first, (unsigned long long)run->next - 1);
    else
        dsdn_text_format(t, "%-13s 0\n", "batches:");
    dsdn_text_format(t, "%-13s %llu\n", "events:", (unsigned long long)run->events);
    lines_rejected(t, run);
    if (run->checks & DSDN_CHECK_SIGNATURES || run_proved(run))
        dsdn_text_format(t, "%-13s %llu signatures, %llu declared roots\n",
                         "verified:", (unsigned long long)run->signatures,
                         (unsigned long long)run->attestations);
    lines_primary(t, run);
    for (uint32_t i = 0; i < run->gap_cnt; i++)
        dsdn_text_format(t, "%-13s %llu..%llu: %s\n", "unverified:", (unsigned long long)run->gaps[i].from,
                         (unsigned long long)run->gaps[i].to, run->gaps[i].why);
    dsdn_text_format(t, "%-13s %s\n", "assurance:", assurance_name(run_assurance(run)));
    dsdn_text_format(t, "%-13s %llu.%03llu s, %llu events/s, %llu.%llu MiB\n",
                     "time:", (unsigned long long)ms / 1000, (unsigned long long)ms % 1000,
                     (unsigned long long)per_second(run->events, ms), (unsigned long long)mib10 / 10,
                     (unsigned long long)mib10 % 10);
    lines_roots(t, run, whole);
    int rc = print(t, error);
    dsdn_text_free(t);
    return rc;
}
