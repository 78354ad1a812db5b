#include "log/archive_format.h"

#include <inttypes.h>
#include <zstd.h>

static int file_read(struct dsdn_archive_walk *w, void *bytes, size_t len, uint64_t offset,
                     struct dsdn_error *error)
{
    return dsdn_io_read_at(w->io, w->fd, bytes, len, offset, w->path, error);
}

void dsdn_archive_walk_file(struct dsdn_archive_walk *w, const struct dsdn_io *io, int fd, const char *path)
{
    *w = (struct dsdn_archive_walk){.read = file_read, .io = io, .fd = fd, .path = path};
}

void dsdn_archive_walk_free(struct dsdn_archive_walk *w)
{
    dsdn_buffer_free(&w->header);
    dsdn_buffer_free(&w->stored);
    dsdn_buffer_free(&w->content);
    ZSTD_freeDCtx(w->dctx);
    w->dctx = NULL;
}

int dsdn_archive_walk_start(struct dsdn_archive_walk *w, struct dsdn_error *error)
{
    if (!w->dctx && !(w->dctx = ZSTD_createDCtx()))
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for libzstd");
    uint32_t genesis_len;
    int rc = dsdn_buffer_reserve(&w->header, DSDN_ARCHIVE_HEADER_LEN, error);
    if (!rc) rc = w->read(w, w->header.bytes, DSDN_ARCHIVE_HEADER_LEN, 0, error);
    if (!rc) rc = dsdn_archive_header_decode(w->header.bytes, &w->info, &genesis_len, w->path, error);
    if (!rc) rc = dsdn_buffer_reserve(&w->header, DSDN_ARCHIVE_HEADER_LEN + (size_t)genesis_len, error);
    if (!rc)
        rc = w->read(w, w->header.bytes + DSDN_ARCHIVE_HEADER_LEN, genesis_len, DSDN_ARCHIVE_HEADER_LEN,
                     error);
    if (rc) return rc;
    w->header.len = DSDN_ARCHIVE_HEADER_LEN + (size_t)genesis_len;
    rc = dsdn_archive_header_check(&w->header, &w->info, w->path, error);
    if (rc) return rc;
    dsdn_archive_state_start(&w->state, &w->info, &w->header);
    dsdn_archive_state_info(&w->state, NULL, &w->info);
    return DSDN_OK;
}

/* The footer repeats what the walk has summed up, so it must be byte for byte what the writer would write
 * here. */
static int walk_footer(struct dsdn_archive_walk *w, struct dsdn_error *error)
{
    uint64_t at = w->state.offset;
    uint8_t *bytes = w->stored.bytes, expected[DSDN_ARCHIVE_FOOTER_LEN];
    struct dsdn_archive_footer footer, ours;
    int rc = w->read(w, bytes + DSDN_ARCHIVE_SECTION_LEN, DSDN_ARCHIVE_FOOTER_LEN - DSDN_ARCHIVE_SECTION_LEN,
                     at + DSDN_ARCHIVE_SECTION_LEN, error);
    if (!rc) rc = dsdn_archive_footer_decode(bytes, &footer, w->path, at, error);
    if (rc) return rc;
    dsdn_archive_footer_encode(&w->state, &ours, expected);
    static const struct {
        uint8_t from, len;
        const char *name;
    } fields[] = {
        {8, 8, "offset of the seek table"}, {16, 8, "number of frames"}, {24, 8, "number of sections"},
        {32, 8, "number of batches"},       {40, 8, "number of events"}, {48, 8, "number of bytes"},
        {56, 32, "last batch hash"},        {88, 32, "content hash"},    {120, 32, "last chain hash"}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (memcmp(bytes + fields[i].from, expected + fields[i].from, fields[i].len) != 0)
            return dsdn_fail_at(error, DSDN_E_CHAIN, w->path, at + fields[i].from,
                                "the footer's %s is not that of the sections", fields[i].name);
    dsdn_archive_state_info(&w->state, &footer, &w->info);
    return DSDN_E_AGAIN;
}

/* What must hold between a good section and those before it. */
static int check_place(const struct dsdn_archive_walk *w, struct dsdn_error *error)
{
    const struct dsdn_archive_section *s = &w->section;
    const struct dsdn_archive_state *state = &w->state;
    if (!dsdn_equal32(s->chain, state->chain))
        return dsdn_fail(error, DSDN_E_CHAIN, "a section does not continue the archive's hash chain");
    if (state->follow && (s->kind == DSDN_ARCHIVE_FRAME || s->kind == DSDN_ARCHIVE_TABLE))
        return dsdn_fail(error, DSDN_E_MALFORMED, "%" PRIu32 " blob sections of the last frame are missing",
                         state->follow);
    if (s->kind == DSDN_ARCHIVE_FRAME && s->key != state->first + state->batches)
        return dsdn_fail(error, DSDN_E_CHAIN,
                         "a frame begins with batch %" PRIu64 " where %" PRIu64 " is due", s->key,
                         state->first + state->batches);
    if (s->kind != DSDN_ARCHIVE_TABLE) return DSDN_OK;
    uint8_t want[32], have[32];
    struct dsdn_sha256 table = state->table;
    dsdn_sha256_final(&table, want);
    dsdn_sha256(w->stored.bytes + DSDN_ARCHIVE_SECTION_LEN, s->stored_len, have);
    if (!dsdn_equal32(want, have))
        return dsdn_fail(error, DSDN_E_CHAIN, "the seek table is not that of the frames before it");
    return DSDN_OK;
}

int dsdn_archive_walk_next(struct dsdn_archive_walk *w, struct dsdn_archive_entry *entry,
                           struct dsdn_error *error)
{
    uint64_t at = w->state.offset;
    struct dsdn_archive_section *s = &w->section;
    int rc = dsdn_buffer_reserve(&w->stored, DSDN_ARCHIVE_FOOTER_LEN, error);
    if (!rc) rc = w->read(w, w->stored.bytes, DSDN_ARCHIVE_SECTION_LEN, at, error);
    if (rc) return rc;
    bool footer = memcmp(w->stored.bytes, DSDN_ARCHIVE_FOOTER_MAGIC, 8) == 0;
    if (footer != (w->state.table_offset != 0))
        return dsdn_fail_at(error, DSDN_E_MALFORMED, w->path, at,
                            footer ? "a footer without a seek table before it"
                                   : "something other than a footer follows the seek table");
    if (footer) return walk_footer(w, error);

    rc = dsdn_archive_section_decode(w->stored.bytes, s, w->path, at, error);
    if (rc) return rc;
    if (s->kind == DSDN_ARCHIVE_TABLE && s->count != w->state.frames)
        return dsdn_fail_at(error, DSDN_E_MALFORMED, w->path, at,
                            "a seek table of %" PRIu32 " entries for %" PRIu64 " frames", s->count,
                            w->state.frames);
    rc = dsdn_buffer_reserve(&w->stored, DSDN_ARCHIVE_SECTION_LEN + (size_t)s->stored_len, error);
    if (!rc)
        rc = w->read(w, w->stored.bytes + DSDN_ARCHIVE_SECTION_LEN, s->stored_len,
                     at + DSDN_ARCHIVE_SECTION_LEN, error);
    if (!rc) rc = dsdn_archive_section_check(w->stored.bytes, s, w->path, at, error);
    if (rc) return rc;
    rc = check_place(w, error);
    if (rc) return dsdn_error_at(error, w->path, at), rc;

    struct dsdn_archive_batches batches = {0};
    w->content.len = 0;
    if (s->kind != DSDN_ARCHIVE_TABLE) {
        rc = dsdn_archive_section_content(w->dctx, w->stored.bytes, s, &w->content, w->path, at, error);
        if (rc) return rc;
    }
    if (s->kind == DSDN_ARCHIVE_FRAME && (!dsdn_archive_batches(w->content.bytes, w->content.len, &batches) ||
                                          batches.count != s->count || batches.events != s->events))
        return dsdn_fail_at(error, DSDN_E_MALFORMED, w->path, at,
                            "a frame does not hold the %" PRIu32 " batches and %" PRIu32
                            " events of its header",
                            s->count, s->events);
    dsdn_archive_state_add(&w->state, s, w->stored.bytes, w->content.bytes, &batches, entry);
    dsdn_archive_state_info(&w->state, NULL, &w->info);
    return DSDN_OK;
}
