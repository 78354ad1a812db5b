/* fail_nth.h: makes the n-th allocation of a piece of a test fail, and all after it.  Include it in one file
 * of a test whose first line is the `link:` comment with --wrap for malloc, calloc, realloc, mmap and mremap.
 */
#ifndef DSDN_TESTS_FAIL_NTH_H
#define DSDN_TESTS_FAIL_NTH_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <errno.h>
#include <sys/mman.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t cnt, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset);
void *__real_mremap(void *p, size_t old_len, size_t new_len, int flags, ...);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t cnt, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset);
void *__wrap_mremap(void *p, size_t old_len, size_t new_len, int flags, ...);

static unsigned fail_from; /* 0: no failure is due */
static unsigned fail_seen; /* allocations since fail_nth */

/* From now on the n-th allocation and all after it fail, so that a second way to get the memory fails too; 0:
 * none. Returns whether the failure asked for before did not come. */
static inline bool fail_nth(unsigned n)
{
    bool pending = fail_from != 0 && fail_seen < fail_from;
    fail_from = n;
    fail_seen = 0;
    return pending;
}

static bool fails_now(void)
{
    if (fail_from == 0 || ++fail_seen < fail_from) return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t cnt, size_t size)
{
    return fails_now() ? NULL : __real_calloc(cnt, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails_now() ? NULL : __real_realloc(p, size);
}

void *__wrap_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    return fails_now() ? MAP_FAILED : __real_mmap(at, len, protection, flags, fd, offset);
}

void *__wrap_mremap(void *p, size_t old_len, size_t new_len, int flags, ...)
{
    if (fails_now()) return MAP_FAILED;
    if (!(flags & MREMAP_FIXED)) return __real_mremap(p, old_len, new_len, flags);
    va_list arguments;
    va_start(arguments, flags);
    void *at = va_arg(arguments, void *);
    va_end(arguments);
    return __real_mremap(p, old_len, new_len, flags, at);
}

#endif
