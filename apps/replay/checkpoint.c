/* checkpoint.c: `checkpoint create | import | list | info`. */
#include "apps/replay/commands.h"
#include "apps/replay/output.h"
#include "apps/replay/session.h"

#include "log/json.h"
#include "statemachine/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DOCUMENT_MAX ((size_t)1 << 20)

/* ---- showing --------------------------------------------------------------------------------- */

static void put_hex(struct dsdn_text *t, const char *key, const uint8_t hash[32])
{
    dsdn_text_key(t, key);
    dsdn_text_hex(t, hash, 32);
}

static void put_u64(struct dsdn_text *t, const char *key, uint64_t value)
{
    dsdn_text_key(t, key);
    dsdn_text_u64(t, value);
}

static void write_json(struct dsdn_text *t, const char *path, const struct dsdn_checkpoint_info *info)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < info->table_cnt; i++) rows += info->tables[i].rows;
    dsdn_text_open(t, '{');
    dsdn_text_key(t, "file");
    dsdn_text_string(t, path);
    dsdn_text_key(t, "seq");
    if (info->sequence)
        dsdn_text_u64(t, info->sequence - 1);
    else
        dsdn_text_null(t);
    put_hex(t, "root", info->roots.state);
    put_hex(t, "genesis", info->genesis);
    put_hex(t, "batch_hash", info->batch_hash);
    put_hex(t, "transcript", info->transcript);
    put_u64(t, "events", info->event_count);
    put_u64(t, "time_ms", info->time_ms);
    put_u64(t, "rows", rows);
    put_u64(t, "bytes", info->bytes);
    put_hex(t, "sha256", info->file_hash);
    dsdn_text_close(t, '}');
    dsdn_text_line(t);
}

static void write_lines(struct dsdn_text *t, const char *path, const struct dsdn_checkpoint_info *info)
{
    static const struct {
        const char *name;
        size_t offset;
    } hashes[] = {{"root:", offsetof(struct dsdn_checkpoint_info, roots.state)},
                  {"genesis:", offsetof(struct dsdn_checkpoint_info, genesis)},
                  {"batch hash:", offsetof(struct dsdn_checkpoint_info, batch_hash)},
                  {"transcript:", offsetof(struct dsdn_checkpoint_info, transcript)},
                  {"sha256:", offsetof(struct dsdn_checkpoint_info, file_hash)}};
    uint64_t rows = 0;
    for (uint32_t i = 0; i < info->table_cnt; i++) rows += info->tables[i].rows;
    dsdn_text_format(t, "%-12s %s\n", "file:", path);
    if (info->sequence)
        dsdn_text_format(t, "%-12s %llu\n", "after batch:", (unsigned long long)info->sequence - 1);
    else
        dsdn_text_format(t, "%-12s none (genesis)\n", "after batch:");
    dsdn_text_format(t, "%-12s %llu\n", "events:", (unsigned long long)info->event_count);
    dsdn_text_format(t, "%-12s %llu in %u tables\n", "rows:", (unsigned long long)rows, info->table_cnt);
    dsdn_text_format(t, "%-12s %llu\n", "bytes:", (unsigned long long)info->bytes);
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        char hex[65];
        dsdn_hex_encode((const uint8_t *)info + hashes[i].offset, 32, hex);
        dsdn_text_format(t, "%-12s %s\n", hashes[i].name, hex);
    }
}

static int show(const struct options *o, const char *path, const struct dsdn_checkpoint_info *info,
                struct dsdn_error *error)
{
    struct dsdn_text text;
    dsdn_text_init(&text, DOCUMENT_MAX, 0);
    if (o->json)
        write_json(&text, path, info);
    else
        write_lines(&text, path, info);
    int rc = dsdn_text_status(&text, error);
    if (!rc && fwrite(text.bytes, 1, text.len, stdout) != text.len)
        rc = dsdn_fail_errno(error, errno, "cannot write to standard output");
    dsdn_text_free(&text);
    return rc;
}

static int info(const struct options *o, struct dsdn_error *error)
{
    struct dsdn_checkpoint_info found;
    int rc = dsdn_checkpoint_info(&dsdn_io_system, o->arguments[1], &found, error);
    return rc ? rc : show(o, o->arguments[1], &found, error);
}

/* ---- create ---------------------------------------------------------------------------------- */

static int create(const struct options *o, struct dsdn_error *error)
{
    struct input input;
    struct session session = {0};
    struct dsdn_checkpoint_info made;
    if (!o->output || !o->at)
        return dsdn_fail(error, DSDN_E_USAGE, "checkpoint create wants --at seq:N|tip and -o FILE");
    int rc = output_taken(o->output, o->force, error);
    if (!rc) rc = session_open(&session, &input, o, "replaying", error);
    if (rc) return rc;
    struct dsdn_view genesis = {input.genesis.bytes, input.genesis.len};
    rc = dsdn_checkpoint_write(session.engine, genesis, options_jobs(o) > 1 ? 2 : 1, &dsdn_io_system,
                               o->output, &made, error);
    if (!rc) rc = show(o, o->output, &made, error);
    session_end(&session);
    input_close(&input);
    return rc;
}

/* ---- in a log directory ---------------------------------------------------------------------- */

/* Does the chain of the log go through the checkpoint's batch?  NOT_FOUND when the log does not hold that
 * batch. */
static int compare_chain(struct dsdn_store *store, const struct dsdn_checkpoint_info *c,
                         struct dsdn_error *error)
{
    struct dsdn_position position;
    if (!c->sequence) return DSDN_OK; /* the state of genesis: the hash of genesis was compared */
    int rc = dsdn_store_position(store, c->sequence - 1, &position, error);
    if (rc) return rc;
    if (dsdn_equal32(position.hash, c->batch_hash)) return DSDN_OK;
    dsdn_fail(error, DSDN_E_CHAIN, "the log holds another batch where the checkpoint was made");
    return dsdn_error_in(error, c->sequence - 1), DSDN_E_CHAIN;
}

static int copy_file(const char *from, const char *to, uint64_t bytes, struct dsdn_error *error)
{
    struct output out;
    static uint8_t piece[1 << 16];
    int fd;
    int rc = dsdn_io_open(&dsdn_io_system, from, O_RDONLY, 0, &fd, error);
    if (rc) return rc;
    rc = output_open(&out, to, true, error);
    if (!rc) {
        for (uint64_t at = 0; !rc && at < bytes; at += sizeof piece) {
            size_t len = bytes - at < sizeof piece ? (size_t)(bytes - at) : sizeof piece;
            rc = dsdn_io_read_at(&dsdn_io_system, fd, piece, len, at, from, error);
            if (!rc) rc = output_write(&out, piece, len, error);
        }
        rc = output_close(&out, rc, error);
    }
    close(fd);
    return rc;
}

/* The file into DIR/checkpoints, its row into the index.  The row says whether the root can be trusted. */
static int adopt(const struct options *o, struct dsdn_store *store, const struct dsdn_checkpoint_info *c,
                 bool verified, struct dsdn_error *error)
{
    char path[OUTPUT_PATH_MAX];
    struct dsdn_checkpoint_row row = {.sequence = c->sequence - 1, .bytes = c->bytes, .verified = verified};
    struct dsdn_index *index = dsdn_store_index(store);
    if (!index) return dsdn_fail(error, DSDN_E_IO, "the log directory has no index to put it into");
    snprintf(row.name, sizeof row.name, "%012llu.checkpoint", (unsigned long long)c->sequence - 1);
    memcpy(row.root, c->roots.state, 32);
    memcpy(row.sha256, c->file_hash, 32);
    if ((size_t)snprintf(path, sizeof path, "%s/checkpoints", o->arguments[2]) >= sizeof path - 64)
        return dsdn_fail(error, DSDN_E_USAGE, "the directory's name is too long");
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return dsdn_fail_errno(error, errno, "cannot make %.200s", path);
    size_t len = strlen(path);
    snprintf(path + len, sizeof path - len, "/%s", row.name);
    int rc = copy_file(o->arguments[1], path, c->bytes, error);
    if (!rc) rc = dsdn_index_put_checkpoint(index, &row, error);
    return rc ? rc : dsdn_index_sync(index, error);
}

static int import(const struct options *o, struct dsdn_error *error)
{
    struct dsdn_store_options writing = {.write = true};
    struct dsdn_store *store = NULL;
    struct dsdn_engine *engine = NULL;
    struct dsdn_genesis genesis = {0};
    struct dsdn_checkpoint_info found;
    uint8_t expected[32];
    if (o->argument_cnt < 3) return dsdn_fail(error, DSDN_E_USAGE, "checkpoint import wants FILE and DIR");
    int rc = o->expect_root ? options_hex32("expect-root", o->expect_root, expected, error) : DSDN_OK;
    if (!rc) rc = dsdn_store_open(o->arguments[2], &writing, &store, NULL, error);
    if (rc) return rc;
    struct dsdn_view bytes = dsdn_store_genesis(store);
    rc = dsdn_genesis_decode(&genesis, bytes.bytes, bytes.len, error);
    struct dsdn_checkpoint_options restore = {.expect_root = o->expect_root ? expected : NULL,
                                              .verify = true,
                                              .threads = options_jobs(o) > 16 ? 16 : options_jobs(o)};
    if (!rc)
        rc = dsdn_checkpoint_restore(input_catalogue(&genesis), &restore, &dsdn_io_system, o->arguments[1],
                                     &engine, &found, error);
    dsdn_engine_free(engine);
    if (!rc && !dsdn_equal32(found.genesis, genesis.hash))
        rc = dsdn_fail_at(error, DSDN_E_WRONG_GENESIS, o->arguments[1], DSDN_NO_OFFSET,
                          "the checkpoint belongs to another network");
    if (!rc && !found.sequence)
        rc = dsdn_fail(error, DSDN_E_USAGE,
                       "the checkpoint holds the state of genesis, which every log directory has");
    if (!rc) rc = compare_chain(store, &found, error);
    if (!rc) rc = adopt(o, store, &found, o->expect_root != NULL, error);
    if (!rc) rc = show(o, o->arguments[1], &found, error);
    if (!rc && !o->expect_root)
        rc = dsdn_fail(error, DSDN_E_UNVERIFIED,
                       "imported, but not tied to anything trusted: it is not used without --expect-root");
    dsdn_genesis_free(&genesis);
    dsdn_store_close(store);
    return rc;
}

static int list(const struct options *o, struct dsdn_error *error)
{
    struct dsdn_store *store;
    int rc = dsdn_store_open(o->arguments[1], NULL, &store, NULL, error);
    if (rc) return rc;
    struct dsdn_index *index = dsdn_store_index(store);
    struct dsdn_checkpoint_row row;
    struct dsdn_text text;
    dsdn_text_init(&text, DOCUMENT_MAX * 64, 0);
    if (!index) rc = dsdn_fail(error, DSDN_E_NOT_FOUND, "the log directory has no index");
    if (!rc && o->json) dsdn_text_open(&text, '[');
    for (uint64_t at = UINT64_MAX; !rc; at = row.sequence - 1) {
        int found = dsdn_index_checkpoint_at_or_below(index, at, &row, error);
        if (found == DSDN_E_NOT_FOUND) break;
        rc = found;
        if (rc) break;
        char hex[65];
        dsdn_hex_encode(row.root, 32, hex);
        if (o->json) {
            dsdn_text_open(&text, '{');
            put_u64(&text, "seq", row.sequence);
            put_hex(&text, "root", row.root);
            put_u64(&text, "bytes", row.bytes);
            dsdn_text_key(&text, "verified");
            dsdn_text_bool(&text, row.verified);
            dsdn_text_key(&text, "file");
            dsdn_text_string(&text, row.name);
            dsdn_text_close(&text, '}');
        } else {
            dsdn_text_format(&text, "%-12llu %s %-10s %s\n", (unsigned long long)row.sequence, hex,
                             row.verified ? "verified" : "unverified", row.name);
        }
        if (!row.sequence) break;
    }
    if (!rc && o->json) {
        dsdn_text_close(&text, ']');
        dsdn_text_line(&text);
    }
    if (!rc) rc = dsdn_text_status(&text, error);
    if (!rc && text.len && fwrite(text.bytes, 1, text.len, stdout) != text.len)
        rc = dsdn_fail_errno(error, errno, "cannot write to standard output");
    dsdn_text_free(&text);
    dsdn_store_close(store);
    return rc;
}

int command_checkpoint(const struct options *o, struct dsdn_error *error)
{
    static const struct {
        const char *name;
        unsigned arguments;
        int (*run)(const struct options *, struct dsdn_error *);
    } verbs[] = {{"create", 2, create}, {"import", 3, import}, {"list", 2, list}, {"info", 2, info}};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(o->arguments[0], verbs[i].name) != 0) continue;
        if (o->argument_cnt == verbs[i].arguments) return verbs[i].run(o, error);
        return dsdn_fail(error, DSDN_E_USAGE,
                         "checkpoint %s takes %u arguments; see `dsdn-replay help checkpoint`", verbs[i].name,
                         verbs[i].arguments - 1);
    }
    return dsdn_fail(error, DSDN_E_USAGE, "checkpoint create, import, list or info, not \"%.40s\"",
                     o->arguments[0]);
}
