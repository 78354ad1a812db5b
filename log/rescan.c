#include "log/rescan.h"

void dsdn_rescan_mark(struct dsdn_rescan *r, uint64_t sequence, uint64_t height)
{
    uint32_t at = 0, end;
    while (at < r->count && r->marks[at].sequence < sequence) at++;
    if (at > 0 && r->marks[at - 1].height <= height) return;
    if (at < r->count && r->marks[at].sequence == sequence && r->marks[at].height <= height) return;
    /* The new mark covers those behind it that are not lower: [at, end). */
    for (end = at; end < r->count && r->marks[end].height >= height; end++) {
    }
    if (end == at && r->count == DSDN_RESCAN_MARKS) {
        /* Full: let the last two become one, and then the new one may fit, or be covered by that. */
        r->marks[r->count - 2].height = r->marks[r->count - 1].height;
        r->count--;
        dsdn_rescan_mark(r, sequence, height);
        return;
    }
    memmove(&r->marks[at + 1], &r->marks[end], (r->count - end) * sizeof(r->marks[0]));
    r->count = r->count - (end - at) + 1;
    r->marks[at] = (struct dsdn_rescan_mark){sequence, height};
}

uint64_t dsdn_rescan_from(const struct dsdn_rescan *r, uint64_t next)
{
    uint64_t from = DSDN_RESCAN_NONE;
    for (uint32_t i = 0; i < r->count && r->marks[i].sequence <= next; i++) from = r->marks[i].height;
    return from;
}

void dsdn_rescan_clear(struct dsdn_rescan *r, uint64_t next)
{
    uint32_t gone = 0;
    while (gone < r->count && r->marks[gone].sequence <= next) gone++;
    r->count -= gone;
    memmove(&r->marks[0], &r->marks[gone], r->count * sizeof(r->marks[0]));
}
