/* hash_shani.h: the interleaved SHA-NI kernels behind hash.h.  Private to hash.c; call them only on an x86-64
 * processor that has SHA, SSSE3 and SSE4.1 (dsdn_hash_backend_name says "sha-ni").
 *
 * One SHA-256 is a chain of dependent instructions and leaves the unit idle half of the time; several
 * independent ones fill it.  Each function computes exactly what the function of hash.h with the same last
 * word computes. */
#ifndef DSDN_LOG_HASH_SHANI_H
#define DSDN_LOG_HASH_SHANI_H

#include "log/hash.h"

#if defined(__x86_64__)
#define DSDN_HAVE_SHANI 1
void dsdn_shani_many(const struct dsdn_sha256_job *jobs, size_t cnt);
void dsdn_shani_nodes(uint8_t prefix, const uint8_t *const *in, uint8_t *const *out, size_t cnt);
void dsdn_shani_counted(const uint8_t *message, uint32_t len, uint32_t first, uint32_t cnt, uint8_t sum[32],
                        uint8_t *out);
#else
#define DSDN_HAVE_SHANI 0
#endif

#endif
