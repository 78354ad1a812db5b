/* shrink.c: the smallest log that still shows a difference, and logs as text. */
#include "tests/twin/player.h"

#include "log/events.h"
#include "log/json.h"

#include <stdio.h>
#include <stdlib.h>

bool played_differs(const struct played_log *log, void *report_out)
{
    struct player *p = player_new(log, NULL);
    bool differs = false;
    for (uint32_t i = 0; i < log->batch_cnt && !differs; i++)
        differs = player_batch(p, &log->batches[i]) == DIFFERENT;
    if (differs && report_out) snprintf(report_out, 4096, "%s", player_report(p));
    player_free(p);
    return differs;
}

/* Leaves batches [from, from + cnt) out when the log stays wrong; for good then. */
static bool without_batches(struct played_log *log, uint32_t from, uint32_t cnt, log_predicate *wrong,
                            void *self)
{
    struct played_batch *out = malloc(cnt * sizeof *out);
    if (!out) abort();
    uint32_t behind = log->batch_cnt - from - cnt;
    memcpy(out, log->batches + from, cnt * sizeof *out);
    memmove(log->batches + from, log->batches + from + cnt, behind * sizeof *out);
    log->batch_cnt -= cnt;
    bool still = wrong(log, self);
    if (still) {
        for (uint32_t i = 0; i < cnt; i++) played_batch_free(&out[i]);
    } else {
        memmove(log->batches + from + cnt, log->batches + from, behind * sizeof *out);
        memcpy(log->batches + from, out, cnt * sizeof *out);
        log->batch_cnt += cnt;
    }
    free(out);
    return still;
}

static bool without_bundle(struct played_log *log, struct played_batch *b, uint32_t at, log_predicate *wrong,
                           void *self)
{
    struct played_bundle out = b->bundles[at];
    uint32_t behind = b->bundle_cnt - at - 1;
    memmove(b->bundles + at, b->bundles + at + 1, behind * sizeof out);
    b->bundle_cnt--;
    if (wrong(log, self)) {
        for (uint32_t i = 0; i < out.event_cnt; i++) free(out.events[i].payload);
        free(out.events);
        return true;
    }
    memmove(b->bundles + at + 1, b->bundles + at, behind * sizeof out);
    b->bundles[at] = out;
    b->bundle_cnt++;
    return false;
}

static bool without_event(struct played_log *log, struct played_bundle *b, uint32_t at, log_predicate *wrong,
                          void *self)
{
    struct played_event out = b->events[at];
    uint32_t behind = b->event_cnt - at - 1;
    if (b->event_cnt == 1) return false; /* a bundle holds one at least */
    memmove(b->events + at, b->events + at + 1, behind * sizeof out);
    b->event_cnt--;
    if (wrong(log, self)) {
        free(out.payload);
        return true;
    }
    memmove(b->events + at + 1, b->events + at, behind * sizeof out);
    b->events[at] = out;
    b->event_cnt++;
    return false;
}

void shrink(struct played_log *log, log_predicate *wrong, void *self)
{
    bool smaller = true;
    for (uint32_t piece = log->batch_cnt; piece; piece /= 2) /* from the end: what comes later matters less */
        for (uint32_t end = log->batch_cnt; end >= piece; end -= piece)
            without_batches(log, end - piece, piece, wrong, self);
    while (smaller) {
        smaller = false;
        for (uint32_t i = log->batch_cnt; i--;) {
            if (without_batches(log, i, 1, wrong, self)) {
                smaller = true;
                continue;
            }
            struct played_batch *batch = &log->batches[i];
            for (uint32_t b = batch->bundle_cnt; b--;) {
                if (without_bundle(log, batch, b, wrong, self)) {
                    smaller = true;
                    continue;
                }
                for (uint32_t e = batch->bundles[b].event_cnt; e--;)
                    smaller |= without_event(log, &batch->bundles[b], e, wrong, self);
            }
        }
    }
}

static void print_event(const struct played_event *e)
{
    struct dsdn_text text;
    struct dsdn_error error = DSDN_ERROR_INIT;
    int index = dsdn_event_find(&dsdn_event_table, e->type);
    dsdn_text_init(&text, 1 << 20, 0);
    if (index >= 0 && dsdn_json_write_event(&text, &dsdn_event_table.events[index], e->version, e->payload,
                                            e->len, &error) == 0)
        printf("    %.*s\n", (int)text.len, text.bytes);
    else
        printf("    type %04x, %u bytes\n", e->type, e->len);
    dsdn_text_free(&text);
}

void played_print(const struct played_log *log)
{
    for (uint32_t i = 0; i < log->batch_cnt; i++) {
        const struct played_batch *b = &log->batches[i];
        printf("batch %u: time %llu, origin %llu at %llu, cursor %llu:%u, publisher %d\n", i,
               (unsigned long long)b->time_ms, (unsigned long long)b->origin.height,
               (unsigned long long)b->origin.time_ms, (unsigned long long)b->cursor.height,
               b->cursor.blob_index, (int)b->publisher);
        for (uint32_t k = 0; k < b->bundle_cnt; k++) {
            char author[65];
            dsdn_hex_encode(b->bundles[k].author, 32, author);
            printf("  bundle of kind %u, author %s, nonce %llu, valid until %llu\n", b->bundles[k].kind,
                   author, (unsigned long long)b->bundles[k].nonce,
                   (unsigned long long)b->bundles[k].valid_until);
            for (uint32_t e = 0; e < b->bundles[k].event_cnt; e++) print_event(&b->bundles[k].events[e]);
        }
    }
}
