/* hash.h: SHA-256 with domain tags, many messages at once, and CRC32C.
 *
 * H(tag, m) = SHA-256(u8 len(tag) || tag || m)   (protocol.md, section 1).
 * SHA-256 is FIPS 180-4; CRC32C is the Castagnoli polynomial of RFC 3720, appendix B.4 (reflected 0x82F63B78,
 * initial value and final xor 0xFFFFFFFF).  One message goes through OpenSSL; many independent messages go
 * through interleaved SHA-NI kernels where the processor has them and through OpenSSL where it has not: same
 * bytes either way.  The choice is made once per process and can be forced for tests. */
#ifndef DSDN_LOG_HASH_H
#define DSDN_LOG_HASH_H

#include "log/base.h"

#define DSDN_HASH_LEN 32u

/* A running SHA-256.  Plain memory, no allocation: may live on the stack and be copied. */
struct dsdn_sha256 {
    _Alignas(16) uint8_t opaque[128];
};

void dsdn_sha256_init(struct dsdn_sha256 *s);
void dsdn_sha256_update(struct dsdn_sha256 *s, const void *bytes, size_t len);
void dsdn_sha256_final(struct dsdn_sha256 *s, uint8_t out[32]);

/* dsdn_sha256 hashes one message. */
void dsdn_sha256(const void *bytes, size_t len, uint8_t out[32]);

/* dsdn_tag_init starts H(tag, ...): init, then u8 strlen(tag) and tag.  tag is at most 255 bytes. */
void dsdn_tag_init(struct dsdn_sha256 *s, const char *tag);

/* dsdn_tagged is H(tag, bytes). */
void dsdn_tagged(const char *tag, const void *bytes, size_t len, uint8_t out[32]);

/* One message of a group: head then body are hashed as one string; either may be empty.  out may not overlap
 * the inputs of other messages of the same call. */
struct dsdn_sha256_job {
    const uint8_t *head;
    const uint8_t *body;
    size_t head_len, body_len;
    uint8_t *out;
};

/* dsdn_sha256_many hashes cnt independent messages of any lengths, four at a time.  Lengths may differ; it
 * pays most when neighbours have similar lengths. */
void dsdn_sha256_many(const struct dsdn_sha256_job *jobs, size_t cnt);

/* dsdn_sha256_nodes hashes cnt tree nodes: out[i] = SHA-256(prefix || in[i] (64 bytes)), that is 65-byte
 * messages.  in[i] points at 64 readable bytes (left || right).  This is the inner loop of the state root. */
void dsdn_sha256_nodes(uint8_t prefix, const uint8_t *const *in, uint8_t *const *out, size_t cnt);

/* dsdn_sha256_counted hashes cnt messages that share the first len - 4 bytes and end in the little-endian u32
 * first, first+1, ...; len is at most 55 (one block), so one block function per message.  The 32-byte results
 * are XORed into sum; when out is not NULL they are also written there, 32 bytes each, in order. */
void dsdn_sha256_counted(const uint8_t *message, uint32_t len, uint32_t first, uint32_t cnt, uint8_t sum[32],
                         uint8_t *out);

/* dsdn_crc32c continues a CRC32C: pass 0 first, then the previous result. */
uint32_t dsdn_crc32c(uint32_t crc, const void *bytes, size_t len);

enum dsdn_hash_backend { DSDN_HASH_AUTO = 0, DSDN_HASH_PORTABLE = 1 };

/* dsdn_hash_force makes later calls use the portable paths (tests and benches compare them); AUTO undoes it.
 * Not thread safe: call it before threads start. */
void dsdn_hash_force(enum dsdn_hash_backend backend);

/* dsdn_hash_backend_name names what AUTO chose: "sha-ni" or "openssl". */
const char *dsdn_hash_backend_name(void);

#endif
