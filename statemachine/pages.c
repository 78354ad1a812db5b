#include "statemachine/pages.h"

#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)1 << 21)
#define PAGE      ((size_t)4096)

/* Maps `size` bytes (whole pages) at a multiple of HUGE_PAGE: maps more and gives the ends back. */
static uint8_t *map(size_t size)
{
    uint8_t *all = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) return NULL;
    size_t before = -(uintptr_t)all & (HUGE_PAGE - 1);
    if (before) munmap(all, before);
    munmap(all + before + size, HUGE_PAGE - before);
    madvise(all + before, size, MADV_HUGEPAGE); /* a wish: without it the same bytes, only slower */
    return all + before;
}

bool dsdn_pages_grow(struct dsdn_pages *p, size_t size)
{
    if (size <= p->size) return true;
    if (size > SIZE_MAX - 2 * HUGE_PAGE) return false;
    if (size < DSDN_PAGES_MAPPED) {
        uint8_t *bytes = realloc(p->bytes, size);
        if (!bytes) return false;
        memset(bytes + p->size, 0, size - p->size);
        *p = (struct dsdn_pages){bytes, size};
        return true;
    }
    size = (size + PAGE - 1) & ~(PAGE - 1);
    uint8_t *bytes = map(size);
    if (!bytes) return false;
    if (p->size < DSDN_PAGES_MAPPED) {
        if (p->size) memcpy(bytes, p->bytes, p->size);
        free(p->bytes);
    } else if (mremap(p->bytes, p->size, size, MREMAP_MAYMOVE | MREMAP_FIXED, bytes) == MAP_FAILED) {
        munmap(bytes, size);
        return false;
    }
    *p = (struct dsdn_pages){bytes, size};
    return true;
}

void dsdn_pages_free(struct dsdn_pages *p)
{
    if (p->size < DSDN_PAGES_MAPPED)
        free(p->bytes);
    else
        munmap(p->bytes, p->size);
    *p = (struct dsdn_pages){NULL, 0};
}
