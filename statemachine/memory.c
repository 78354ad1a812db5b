#include "statemachine/memory.h"

#include <sys/mman.h>

#define HUGE_PAGE (2u << 20)

int dsdn_pages_grow(void **pages, size_t *len, size_t want, const char *what, struct dsdn_error *error)
{
    size_t unit = want >= HUGE_PAGE ? HUGE_PAGE : 4096;
    size_t rounded = (want + unit - 1) / unit * unit;
    if (rounded <= *len) return DSDN_OK;
    void *p = *len ? mremap(*pages, *len, rounded, MREMAP_MAYMOVE)
                   : mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %zu bytes of %s", rounded, what);
    if (rounded >= HUGE_PAGE) madvise(p, rounded, MADV_HUGEPAGE); /* advice: failing costs speed only */
    *pages = p;
    *len = rounded;
    return DSDN_OK;
}

void dsdn_pages_free(void **pages, size_t *len)
{
    if (*len) munmap(*pages, *len);
    *pages = NULL;
    *len = 0;
}
