#include "statemachine/memory.h"

#include <sys/mman.h>

#define HUGE_PAGE  ((size_t)2 << 20)
#define RANGE_FROM ((size_t)1 << 20)
#define RANGE      ((size_t)32 << 30)

static void *map(size_t len, int flags)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* A new range for at least `want` bytes, aligned so that the first huge page can be one.  Advice: failing
 * costs speed. */
static bool make_range(struct dsdn_pages *p, size_t want)
{
    size_t range = want < RANGE_FROM ? want : want < RANGE / 2 ? RANGE : want * 2;
    uint8_t *start = range == want ? NULL : map(range + HUGE_PAGE, MAP_NORESERVE);
    if (start) {
        size_t skip = (HUGE_PAGE - ((uintptr_t)start & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1);
        if (skip) munmap(start, skip);
        munmap(start + skip + range, HUGE_PAGE - skip);
        start += skip;
        madvise(start, range, MADV_HUGEPAGE);
    } else {
        range = want;
        start = map(range, 0);
    }
    *p = (struct dsdn_pages){start, want, range};
    return start != NULL;
}

int dsdn_pages_grow(struct dsdn_pages *p, size_t want, const char *what, struct dsdn_error *error)
{
    if (want <= p->len) return DSDN_OK;
    want = (want + 4095) & ~(size_t)4095;
    if (want <= p->range) {
        p->len = want;
        return DSDN_OK;
    }
    if (p->len && (want < RANGE_FROM || p->len >= RANGE_FROM)) { /* no range yet, or it is full */
        void *moved = mremap(p->start, p->range, want, MREMAP_MAYMOVE);
        if (moved == MAP_FAILED)
            return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %zu bytes of %s", want, what);
        *p = (struct dsdn_pages){moved, want, want};
        return DSDN_OK;
    }
    struct dsdn_pages grown;
    if (!make_range(&grown, want))
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %zu bytes of %s", want, what);
    /* Pages move, bytes do not: a copy would touch them all again, and a whole huge page with them. */
    if (p->len &&
        mremap(p->start, p->range, p->range, MREMAP_MAYMOVE | MREMAP_FIXED, grown.start) == MAP_FAILED) {
        dsdn_pages_free(&grown);
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %zu bytes of %s", want, what);
    }
    *p = grown;
    return DSDN_OK;
}

void dsdn_pages_free(struct dsdn_pages *p)
{
    if (p->range) munmap(p->start, p->range);
    *p = (struct dsdn_pages){0};
}
