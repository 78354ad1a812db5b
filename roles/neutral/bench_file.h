/* bench_file.h: the neutral bench file (ev.bin) as batches, and back, byte for byte.
 *
 * File: 64-byte header "DSDNBEV1", then records u32 length, u8 type 1..6, u8 version 1, u16 flags 0, u64
 * sequence (0, 1, 2, ...), u64 timestamp ms, body.  Everything a record holds besides zero fields and its
 * sequence becomes a field of the event; anything else is refused, so nothing is lost. */
#ifndef DSDN_ROLES_BENCH_FILE_H
#define DSDN_ROLES_BENCH_FILE_H

#include "log/batch.h"
#include "log/genesis.h"
#include "roles/neutral/neutral.h"

#define NEUTRAL_FILE_HEADER 64u
#define NEUTRAL_NETWORK     "neutral-bench" /* network_id of every genesis made here */

/* neutral_genesis makes the genesis of an imported file: its authority key is derived from the file's seed,
 * so the same file gives the same log; the file's header is kept in the genesis profile. */
int neutral_genesis(const uint8_t header[NEUTRAL_FILE_HEADER], struct dsdn_genesis *genesis,
                    struct dsdn_sign_key *key, struct dsdn_error *error);

/* One batch, ready to be stored: valid during the call. */
typedef int (*neutral_batch_fn)(void *self, const struct dsdn_view *batch, uint64_t sequence, uint32_t events,
                                struct dsdn_error *error);

/* neutral_import reads the records behind the header from fd and hands out signed batches of events_per_batch
 * events. MALFORMED with the offset in the file for anything the format does not allow. */
int neutral_import(int fd, const char *path, const uint8_t header[NEUTRAL_FILE_HEADER],
                   const struct dsdn_genesis *genesis, const struct dsdn_sign_key *key,
                   uint32_t events_per_batch, neutral_batch_fn batch, void *self, struct dsdn_error *error);

/* neutral_export_record writes the file record of one event (its payload canonical) to out and returns its
 * length with the length prefix.  out has room for NEUTRAL_RECORD_MAX bytes. */
#define NEUTRAL_RECORD_MAX 65700u
uint32_t neutral_export_record(uint16_t type, uint64_t ordinal, const uint8_t *payload, uint32_t len,
                               uint8_t *out);

/* neutral_export_header gives back the header of the imported file; NOT_FOUND when this genesis is not of an
 * import. */
int neutral_export_header(const struct dsdn_genesis *genesis, uint8_t header[NEUTRAL_FILE_HEADER],
                          struct dsdn_error *error);

#endif
