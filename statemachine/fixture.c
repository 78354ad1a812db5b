#include "statemachine/fixture.h"

#include "log/io.h"
#include "statemachine/fixture_story.h"
#include "statemachine/replay.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- comparing texts ---- */

static size_t line_len(const char *at, const char *end)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    return (size_t)((stop ? stop : end) - at);
}

static void put_lines(struct dsdn_text *report, char mark, const char *at, const char *end, unsigned cnt)
{
    while (cnt-- && at < end) {
        size_t n = line_len(at, end);
        dsdn_text_format(report, "%c%.*s\n", mark, (int)n, at);
        at += n + (at + n < end);
    }
}

/* Equal, or the first line that differs in the report, with three lines from there. */
static int compare(const struct dsdn_story *s, const char *way, const char *expected, size_t expected_len,
                   const struct dsdn_text *got, struct dsdn_text *report, struct dsdn_error *error)
{
    const char *a = expected, *a_end = a + expected_len, *b = got->bytes, *b_end = b + got->len;
    unsigned line = 1;
    for (;; line++) {
        size_t n = line_len(a, a_end), m = line_len(b, b_end);
        if (n != m || memcmp(a, b, n) != 0 || (a + n == a_end) != (b + m == b_end)) break;
        if (a + n == a_end) return DSDN_OK;
        a += n + 1;
        b += m + 1;
    }
    if (report) {
        dsdn_text_format(report, "--- " DSDN_FIXTURE_EXPECT "\n+++ %s\n@@ line %u @@\n", way, line);
        put_lines(report, '-', a, a_end, 3);
        put_lines(report, '+', b, b_end, 3);
    }
    dsdn_fail(error, DSDN_E_ROOT, "%s: line %u of " DSDN_FIXTURE_EXPECT " differs", way, line);
    dsdn_error_at(error, s->path, DSDN_NO_OFFSET);
    return DSDN_E_ROOT;
}

/* ---- a folder for checkpoints ---- */

static int scratch_make(char path[4096], struct dsdn_error *error)
{
    const char *base = getenv("TMPDIR");
    if ((size_t)snprintf(path, 4096, "%s/dsdn-fixture-XXXXXX", base && *base ? base : "/tmp") >= 4096)
        return dsdn_fail(error, DSDN_E_USAGE, "TMPDIR is too long");
    return mkdtemp(path) ? DSDN_OK
                         : dsdn_fail(error, DSDN_E_IO, "cannot make a folder for checkpoints (%s)", path);
}

static void scratch_remove(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char file[4096 + 256];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.') unlink(file);
    }
    if (folder) closedir(folder);
    rmdir(path);
}

/* ---- the ways ---- */

/* Plays with options; compares with the expected text, or keeps it in *keep. */
static int play_way(const struct dsdn_story *s, const char *way, const struct dsdn_play_options *options,
                    const char *expected, size_t len, struct dsdn_roots *roots,
                    struct dsdn_fixture_result *result, struct dsdn_text *report, struct dsdn_error *error)
{
    struct dsdn_text text;
    dsdn_text_init(&text, DSDN_FIXTURE_MAX, 0);
    struct dsdn_fixture_result once = {0};
    int rc = dsdn_story_play(s, options, &text, roots, &once, error);
    if (!rc)
        rc = compare(s, way, expected, len, &text, report, error);
    else if (report)
        dsdn_text_format(report, "+++ %s\n", way);
    dsdn_text_free(&text);
    once.ways = result->ways + 1;
    *result = once;
    return rc;
}

static bool has_takeover(const struct dsdn_story *s)
{
    for (uint32_t i = s->tip; i != DSDN_STORY_NONE; i = s->batches[i].parent)
        if (dsdn_zero32(s->batches[i].header.publisher)) return true;
    return false;
}

static int replay_way(const struct dsdn_story *s, const struct dsdn_roots *wanted, struct dsdn_error *error)
{
    struct dsdn_engine *engine = NULL;
    struct dsdn_source *source = NULL;
    struct dsdn_replay_result result;
    struct dsdn_roots roots;
    struct dsdn_replay_options options = {.jobs = 2,
                                          .checks =
                                              DSDN_CHECK_BODY | DSDN_CHECK_EVENT_IDS | DSDN_CHECK_SIGNATURES,
                                          .end = UINT64_MAX};
    int rc = dsdn_story_source(s, &source, error);
    if (!rc) rc = dsdn_story_begin(s, NULL, &engine, error);
    if (!rc) rc = dsdn_replay(engine, source, &options, &result, error);
    if (!rc) rc = dsdn_engine_root(engine, 2, &roots, error);
    if (!rc && !dsdn_equal32(roots.state, wanted->state)) {
        rc = dsdn_fail(error, DSDN_E_ROOT, "replayed: the root differs");
        dsdn_error_at(error, s->path, DSDN_NO_OFFSET);
    }
    dsdn_source_close(source);
    dsdn_engine_free(engine);
    return rc;
}

static int check_ways(const struct dsdn_story *s, const char *expected, size_t len, const char *scratch,
                      struct dsdn_text *report, struct dsdn_fixture_result *result, struct dsdn_error *error)
{
    const struct {
        const char *name;
        struct dsdn_play_options options;
    } ways[] = {
        {"straight", {.seed = 0}},
        {"doubled", {.seed = 0, .twice = true}},
        {"reseeded", {.seed = 0x9E3779B97F4A7C15ull, .rows = 3000}},
        {"stopped", {.seed = 1, .directory = scratch}},
    };
    struct dsdn_roots roots;
    int rc = DSDN_OK;
    for (size_t i = 0; !rc && i < sizeof ways / sizeof *ways; i++)
        rc = play_way(s, ways[i].name, &ways[i].options, expected, len, &roots, result, report, error);
    if (!rc && !has_takeover(s)) {
        rc = replay_way(s, &roots, error);
        result->ways++;
    }
    for (int how = DSDN_RECUT_SPLIT; !rc && s->recut && how <= DSDN_RECUT_REPEATED; how++) {
        rc = dsdn_story_recut(s, (enum dsdn_recut)how, &roots, error);
        result->ways++;
    }
    return rc;
}

static int expect_path(const char *directory, char path[4096], struct dsdn_error *error)
{
    if ((size_t)snprintf(path, 4096, "%s/" DSDN_FIXTURE_EXPECT, directory) >= 4096)
        return dsdn_fail(error, DSDN_E_USAGE, "the path of the fixture is too long");
    return DSDN_OK;
}

int dsdn_fixture_check(const struct dsdn_catalogue *catalogue, const char *directory,
                       struct dsdn_text *report, struct dsdn_fixture_result *result, struct dsdn_error *error)
{
    struct dsdn_story s;
    char path[4096], scratch[4096];
    uint8_t *expected = NULL;
    size_t len = 0;
    *result = (struct dsdn_fixture_result){0};
    int rc = dsdn_story_open(&s, catalogue, directory, error);
    if (!rc) rc = expect_path(directory, path, error);
    if (!rc) rc = dsdn_io_read_file(&dsdn_io_system, path, DSDN_FIXTURE_MAX, &expected, &len, error);
    if (!rc) {
        rc = scratch_make(scratch, error);
        if (!rc) {
            rc = check_ways(&s, (const char *)expected, len, scratch, report, result, error);
            scratch_remove(scratch);
        }
    }
    free(expected);
    dsdn_story_close(&s);
    return rc;
}

int dsdn_fixture_record(const struct dsdn_catalogue *catalogue, const char *directory, bool replace,
                        struct dsdn_error *error)
{
    static const struct dsdn_play_options straight = {.seed = 0};
    struct dsdn_story s;
    struct dsdn_text text;
    char path[4096];
    dsdn_text_init(&text, DSDN_FIXTURE_MAX, 0);
    int rc = dsdn_story_open(&s, catalogue, directory, error);
    if (!rc) rc = expect_path(directory, path, error);
    if (!rc && !replace && access(path, F_OK) == 0)
        rc = dsdn_fail_at(error, DSDN_E_EXISTS, path, DSDN_NO_OFFSET, "recorded before; `bless` replaces it");
    if (!rc) rc = dsdn_story_play(&s, &straight, &text, NULL, NULL, error);
    if (!rc) rc = dsdn_io_write_file(&dsdn_io_system, path, text.bytes, text.len, error);
    dsdn_text_free(&text);
    dsdn_story_close(&s);
    return rc;
}
