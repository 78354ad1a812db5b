/* archive.h: one file that holds the span [first, first + count) of a canonical log: what an auditor passes
 * around.
 *
 * docs/formats/archive.md has every byte.  In short: a file header with the canonical genesis bytes;
 * sections, each a 68-byte header and one independent zstd frame; a seek table; a footer.
 *
 *     header | section | section | ... | seek table | footer
 *
 * A section of kind FRAME holds several batches; the other kinds hold one opaque blob under a key.  Every
 * section carries a CRC32C and the hash chain over everything before it, compressed bytes included
 * (protocol.md, section 12); the footer ends the chain.  An archive without a footer is *unfinished*: its
 * writer can be resumed, a reader refuses it unless it is told to recover.
 *
 * Bytes depend only on the order of the calls that add something (never on when sync was called, nor on
 * crashes and resumptions in between) and on the version of libzstd; the content hash in the footer does not
 * depend on libzstd.  Integers are little-endian.  Nothing here is thread safe; different archives are
 * independent. */
#ifndef DSDN_LOG_ARCHIVE_H
#define DSDN_LOG_ARCHIVE_H

#include "log/base.h"
#include "log/error.h"
#include "log/io.h"
#include "log/source.h"

#define DSDN_ARCHIVE_MAGIC       "DSDNARC1" /* the first 8 bytes of the file */
#define DSDN_ARCHIVE_VERSION     1u
#define DSDN_ARCHIVE_CONTENT_MAX 4194304u                        /* uncompressed bytes of one section */
#define DSDN_ARCHIVE_BATCH_MAX   (DSDN_ARCHIVE_CONTENT_MAX - 4u) /* a batch and its length fill one frame */
#define DSDN_ARCHIVE_GENESIS_MAX 4194304u

/* What a section holds, and what its key means.  Kinds 5 to 15 are reserved for blobs of later versions: a
 * reader that does not know them checks them and steps over them. */
enum dsdn_archive_kind {
    DSDN_ARCHIVE_FRAME = 1,       /* batches; key: sequence of the first */
    DSDN_ARCHIVE_CERTIFICATE = 2, /* a certificate (batch.h); key: sequence it is about */
    DSDN_ARCHIVE_LOSER = 3,       /* a rival batch that lost; key: its sequence */
    DSDN_ARCHIVE_PROOF = 4,       /* DA completeness or absence proof; key: height */
    DSDN_ARCHIVE_BLOB_LAST = 15,
    DSDN_ARCHIVE_TABLE = 16 /* the seek table */
};

/* What is known of an archive.  Totals of an unfinished or streamed one are those of the part read so far. */
struct dsdn_archive_info {
    uint8_t genesis[32]; /* genesis hash; the canonical bytes are in struct dsdn_source */
    uint64_t first;      /* first sequence */
    uint8_t prev[32];    /* batch hash before the first batch; the genesis hash when first is 0 */
    bool finished;       /* has a footer, and the footer was read */
    uint64_t batches, events;
    uint64_t bytes;      /* of all batches, uncompressed, without their length fields */
    uint64_t frames;     /* sections of kind FRAME */
    uint64_t sections;   /* of all kinds, the seek table included */
    uint8_t last[32];    /* batch hash of the last batch; prev when there is none */
    uint8_t content[32]; /* content hash: the same whatever libzstd wrote (finished only) */
    uint8_t hash[32];    /* archive hash: names these very bytes (finished only) */
    uint64_t len;        /* length of the whole part of the file */
    uint64_t dropped;    /* bytes behind it that are torn or unknown (recover mode) */
};

/* ---- writing ---- */

struct dsdn_archive_writer;

struct dsdn_archive_options {
    struct dsdn_view genesis; /* canonical bytes of GenesisDeclared; 1 to DSDN_ARCHIVE_GENESIS_MAX */
    uint64_t first;           /* first sequence of the span */
    uint8_t prev[32];         /* hash of batch first - 1; ignored when first is 0 */
    bool unchecked;           /* store batches as they come (tests, evidence): see dsdn_archive_append */
};

/* What dsdn_archive_resume found. */
struct dsdn_archive_resumed {
    uint64_t next;    /* the sequence to go on with */
    uint64_t kept;    /* bytes of the file that are whole and stay */
    uint64_t dropped; /* bytes cut off behind them: a torn section, or an incomplete group */
};

/* dsdn_archive_create starts an unfinished archive at path, durable when it returns.  The file is locked
 * against a second writer.  io must outlive the writer.  EXISTS when path is taken; LOCKED, USAGE, TOO_LARGE,
 * IO, NO_SPACE, NO_MEMORY; then no file is left behind, unless removing it failed too. */
int dsdn_archive_create(const struct dsdn_io *io, const char *path,
                        const struct dsdn_archive_options *options, struct dsdn_archive_writer **out,
                        struct dsdn_error *error);

/* dsdn_archive_resume opens an unfinished archive, checks all of it, cuts off what is torn and makes the
 * writer stand as it stood right after batch report->next - 1 was appended: go on with everything that came
 * after that batch, blobs included, and the finished file is byte for byte the one that an uninterrupted
 * writer makes. EXISTS when it is finished; TRUNCATED when not even the file header is whole (remove the file
 * and start again); MALFORMED or CHECKSUM when damage lies so far before the end that no crash of a writer
 * explains it (the file is left as it is; recover mode reads what stands before the damage).  report may be
 * NULL. */
int dsdn_archive_resume(const struct dsdn_io *io, const char *path, bool unchecked,
                        struct dsdn_archive_writer **out, struct dsdn_archive_resumed *report,
                        struct dsdn_error *error);

/* dsdn_archive_append adds the next batch.  It must decode, carry the archive's genesis hash, the next
 * sequence and the hash of its predecessor, and its bundles must fill its body: MALFORMED, TRUNCATED, FORMAT,
 * WRONG_GENESIS, CHAIN, TOO_LARGE otherwise, and the writer stands as before.  Signatures and body hash are
 * not checked.  A writer made `unchecked` asks only for DSDN_BATCH_FIXED_LEN <= len <=
 * DSDN_ARCHIVE_BATCH_MAX. IO, NO_SPACE and NO_MEMORY end the writer: later calls repeat the error; close it
 * and resume the file. */
int dsdn_archive_append(struct dsdn_archive_writer *w, const uint8_t *batch, size_t len,
                        struct dsdn_error *error);

/* dsdn_archive_append_blob adds 1 to DSDN_ARCHIVE_CONTENT_MAX opaque bytes under a key.  kind is CERTIFICATE,
 * LOSER or PROOF.  Give what belongs to a batch before the batch: it becomes durable with it.  Errors as
 * above; USAGE. */
int dsdn_archive_append_blob(struct dsdn_archive_writer *w, enum dsdn_archive_kind kind, uint64_t key,
                             const uint8_t *bytes, size_t len, struct dsdn_error *error);

/* dsdn_archive_sync makes all whole sections durable.  *next (may be NULL) gets the first sequence that is
 * *not* acknowledged: batches below it survive any crash.  Batches of the open frame (less than 1 MiB of
 * them) are not, because cutting a frame here would make the bytes depend on timing. */
int dsdn_archive_sync(struct dsdn_archive_writer *w, uint64_t *next, struct dsdn_error *error);

/* dsdn_archive_finish writes what is pending, the seek table and the footer, and makes file and directory
 * durable. An archive of no batches is allowed.  *info may be NULL.  Only dsdn_archive_writer_close may
 * follow. */
int dsdn_archive_finish(struct dsdn_archive_writer *w, struct dsdn_archive_info *info,
                        struct dsdn_error *error);

/* dsdn_archive_writer_close frees the writer.  Without a finish before it the file stays unfinished. */
void dsdn_archive_writer_close(struct dsdn_archive_writer *w);

/* ---- reading ---- */

#define DSDN_ARCHIVE_RECOVER 1u /* open an unfinished or damaged archive up to its first bad section */

/* dsdn_archive_open opens an archive as a source of kind "archive": header, footer and seek table are checked
 * here, each frame (checksum, zstd bounds, lengths) when it is read; nothing is allocated from a length that
 * was not checked. The records' batches live in the caller's buffer.  TRUNCATED when there is no footer. With
 * DSDN_ARCHIVE_RECOVER such a file is read once from end to end instead, and the source holds what stands
 * before the first bad section, with `unverified` saying so.  io must outlive the source. */
int dsdn_archive_open(const struct dsdn_io *io, const char *path, unsigned flags, struct dsdn_source **out,
                      struct dsdn_error *error);

/* dsdn_archive_open_stream reads an archive forward from fd (a pipe, standard input), which stays the
 * caller's.  Kind "stream".  `next` verifies checksums and the hash chain on the way; at the end it also
 * verifies seek table, totals, content hash and footer, and that nothing follows, before it returns AGAIN:
 * until then the tail is not known to be whole.  `seek` goes forward only (NOT_FOUND otherwise).  After an
 * error every call repeats it.  name is for messages and is copied. */
int dsdn_archive_open_stream(int fd, const char *name, struct dsdn_source **out, struct dsdn_error *error);

/* dsdn_archive_info describes a source of this module; valid as long as the source. */
const struct dsdn_archive_info *dsdn_archive_info(const struct dsdn_source *source);

/* dsdn_archive_check reads the whole file again and checks everything the container promises: all checksums,
 * the hash chain, every zstd frame, seek table, totals, last batch hash, content hash, archive hash, no byte
 * behind the footer.  It does not look at batch chain, body hashes or signatures.  TRUNCATED for an
 * unfinished archive, USAGE for a stream (which checks itself).  The position of `next` does not move. */
int dsdn_archive_check(struct dsdn_source *source, struct dsdn_error *error);

struct dsdn_archive_blob {
    uint8_t kind; /* enum dsdn_archive_kind, 2..15 */
    uint64_t key;
    const uint8_t *bytes; /* into the caller's buffer */
    size_t len;
    uint64_t offset; /* of the section in the file */
};

/* dsdn_archive_blob_next steps through the blobs in file order.  *cursor starts at 0 and belongs to one walk;
 * kinds is a mask of 1 << kind.  AGAIN at the end (*cursor stays), USAGE for a stream, else the errors of a
 * damaged file. */
int dsdn_archive_blob_next(struct dsdn_source *source, uint64_t *cursor, unsigned kinds,
                           struct dsdn_buffer *buffer, struct dsdn_archive_blob *blob,
                           struct dsdn_error *error);

#endif
