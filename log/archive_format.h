/* archive_format.h: what the writer and the readers of archives share; archive.h is the interface.
 *
 * The bytes are in docs/formats/archive.md.  A *walk* reads an archive from its first byte to its footer and
 * checks all of it; the stream source, dsdn_archive_check, recovery and resumption are this one walk with
 * different ends. */
#ifndef DSDN_LOG_ARCHIVE_FORMAT_H
#define DSDN_LOG_ARCHIVE_FORMAT_H

#include "log/archive.h"
#include "log/batch.h"
#include "log/hash.h"

#define DSDN_ARCHIVE_TAG          "dsdn/archive/1"
#define DSDN_ARCHIVE_HEADER_LEN   96u /* then the genesis bytes */
#define DSDN_ARCHIVE_SECTION_LEN  68u /* then the stored bytes */
#define DSDN_ARCHIVE_ENTRY_LEN    32u
#define DSDN_ARCHIVE_FOOTER_LEN   188u
#define DSDN_ARCHIVE_FOOTER_MAGIC "DSDNEND1"
#define DSDN_ARCHIVE_STORED_MAX                                                                              \
    (DSDN_ARCHIVE_CONTENT_MAX + (DSDN_ARCHIVE_CONTENT_MAX >> 8)) /* ZSTD_compressBound */
#define DSDN_ARCHIVE_WINDOW_MAX 8388608u
#define DSDN_ARCHIVE_FRAMES_MAX (UINT32_MAX / DSDN_ARCHIVE_ENTRY_LEN) /* the seek table is one section */

/* A closed group is at most this long before it is forced to disk; it bounds what a crash can tear. */
#define DSDN_ARCHIVE_UNSYNCED_MAX 33554432u
/* Damage further than this from the end (and the seek table) is damage, not a torn write: what may be
 * unsynced, and one group of a frame and its blobs. */
#define DSDN_ARCHIVE_TORN_MAX (2ull * DSDN_ARCHIVE_UNSYNCED_MAX)

enum dsdn_archive_coding { DSDN_ARCHIVE_RAW = 0, DSDN_ARCHIVE_ZSTD = 1 };

struct dsdn_archive_section {
    uint8_t kind, coding;
    uint32_t follow; /* FRAME: blob sections right behind it that belong to it */
    uint32_t stored_len, content_len;
    uint64_t key;
    uint32_t count, events;
    uint8_t chain[32]; /* hash of everything before this section */
    uint32_t crc;
};

struct dsdn_archive_entry {
    uint64_t offset, first, first_event;
    uint32_t stored_len, count;
};

struct dsdn_archive_footer {
    uint64_t table_offset, frames, sections, batches, events, bytes;
    uint8_t last[32], content[32], chain[32], hash[32];
};

/* Everything that a prefix of an archive sums up to.  Plain memory: copied to step back. */
struct dsdn_archive_state {
    uint64_t offset; /* where the next section goes */
    uint64_t first;
    uint64_t frames, sections, batches, events, bytes;
    uint64_t table_offset; /* 0 until the seek table was added */
    uint32_t follow;       /* blob sections still due behind the last frame */
    uint8_t last[32], chain[32];
    struct dsdn_sha256 content; /* running content hash */
    struct dsdn_sha256 table;   /* running hash of the seek table that the frames ask for */
};

/* Batches of a frame's content. */
struct dsdn_archive_batches {
    uint32_t count, events;
    uint64_t bytes;
    const uint8_t *last; /* the last one */
};

struct dsdn_archive_walk {
    /* Reads exactly len bytes at offset (a stream ignores it: it is where it is), or TRUNCATED. */
    int (*read)(struct dsdn_archive_walk *w, void *bytes, size_t len, uint64_t offset,
                struct dsdn_error *error);
    const struct dsdn_io *io;
    int fd;
    const char *path; /* borrowed */
    struct dsdn_archive_info info;
    struct dsdn_buffer header; /* file header and genesis bytes */
    struct dsdn_archive_state state;
    struct dsdn_archive_section section; /* what dsdn_archive_walk_next stands on */
    struct dsdn_buffer stored;           /* its header and stored bytes */
    struct dsdn_buffer content;          /* its uncompressed bytes; empty for the seek table */
    void *dctx;
};

/* File header.  encode fills header->len bytes including genesis; decode checks the first 96 bytes apart from
 * the checksum and says how many genesis bytes follow; check wants all of them. */
int dsdn_archive_header_encode(const struct dsdn_archive_options *options, struct dsdn_buffer *header,
                               struct dsdn_error *error);
int dsdn_archive_header_decode(const uint8_t *bytes, struct dsdn_archive_info *info, uint32_t *genesis_len,
                               const char *path, struct dsdn_error *error);
int dsdn_archive_header_check(const struct dsdn_buffer *header, const struct dsdn_archive_info *info,
                              const char *path, struct dsdn_error *error);

/* Sections.  encode also computes the checksum over the stored bytes that already stand behind the header.
 * decode checks kind, coding and every bound; check compares the checksum; content decompresses. */
void dsdn_archive_section_encode(struct dsdn_archive_section *section, uint8_t *bytes);
int dsdn_archive_section_decode(const uint8_t *bytes, struct dsdn_archive_section *section, const char *path,
                                uint64_t offset, struct dsdn_error *error);
int dsdn_archive_section_check(const uint8_t *bytes, const struct dsdn_archive_section *section,
                               const char *path, uint64_t offset, struct dsdn_error *error);
int dsdn_archive_section_content(void *dctx, const uint8_t *bytes, const struct dsdn_archive_section *section,
                                 struct dsdn_buffer *content, const char *path, uint64_t offset,
                                 struct dsdn_error *error);

void dsdn_archive_entry_encode(const struct dsdn_archive_entry *entry, uint8_t bytes[DSDN_ARCHIVE_ENTRY_LEN]);
void dsdn_archive_entry_decode(const uint8_t bytes[DSDN_ARCHIVE_ENTRY_LEN], struct dsdn_archive_entry *entry);

/* Footer: encode takes everything but hash from the state and fills *footer. */
void dsdn_archive_footer_encode(const struct dsdn_archive_state *state, struct dsdn_archive_footer *footer,
                                uint8_t bytes[DSDN_ARCHIVE_FOOTER_LEN]);
int dsdn_archive_footer_decode(const uint8_t bytes[DSDN_ARCHIVE_FOOTER_LEN],
                               struct dsdn_archive_footer *footer, const char *path, uint64_t offset,
                               struct dsdn_error *error);

/* dsdn_archive_events adds up the event counts of a batch's bundles as far as they fit its body; *whole says
 * whether they fill it.  len is at least DSDN_BATCH_FIXED_LEN. */
uint32_t dsdn_archive_events(const uint8_t *batch, size_t len, bool *whole);

/* dsdn_archive_batches walks the {u32 len, batch} of a frame's content.  false: lengths do not add up. */
bool dsdn_archive_batches(const uint8_t *content, size_t len, struct dsdn_archive_batches *out);

/* dsdn_archive_state_start stands behind the file header; _add adds a section whose header, stored bytes and
 * content are known to be right.  batches is needed for frames only; entry, when not NULL, gets a frame's
 * seek table entry. */
void dsdn_archive_state_start(struct dsdn_archive_state *state, const struct dsdn_archive_info *info,
                              const struct dsdn_buffer *header);
void dsdn_archive_state_add(struct dsdn_archive_state *state, const struct dsdn_archive_section *section,
                            const uint8_t *bytes, const uint8_t *content,
                            const struct dsdn_archive_batches *batches, struct dsdn_archive_entry *entry);

/* Info from a state; finished only when footer is not NULL. */
void dsdn_archive_state_info(const struct dsdn_archive_state *state, const struct dsdn_archive_footer *footer,
                             struct dsdn_archive_info *info);

/* dsdn_archive_walk_file sets up a walk over an open file; the caller closes it. */
void dsdn_archive_walk_file(struct dsdn_archive_walk *w, const struct dsdn_io *io, int fd, const char *path);
/* dsdn_archive_walk_start reads the file header. */
int dsdn_archive_walk_start(struct dsdn_archive_walk *w, struct dsdn_error *error);
/* dsdn_archive_walk_next reads and checks one section.  AGAIN: it was the footer, all totals are right and
 * info.finished is set.  On any other error the state still stands before the bad section.  *entry (may be
 * NULL) is set for frames. */
int dsdn_archive_walk_next(struct dsdn_archive_walk *w, struct dsdn_archive_entry *entry,
                           struct dsdn_error *error);
void dsdn_archive_walk_free(struct dsdn_archive_walk *w);

/* dsdn_archive_stream_info is dsdn_archive_info of a stream. */
const struct dsdn_archive_info *dsdn_archive_stream_info(const struct dsdn_source *source);

/* dsdn_archive_damaged says whether a code speaks of the bytes of a file rather than of the system that reads
 * it. */
bool dsdn_archive_damaged(int code);

#endif
