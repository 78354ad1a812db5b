#include "bench/workload.h"

#include "log/random_event.h"
#include "log/store.h"
#include "roles/generator/generator.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

double workload_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- samples ---- */

void samples_add(struct samples *s, double value)
{
    if (s->cnt < sizeof s->at / sizeof *s->at) s->at[s->cnt++] = value;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const struct samples *s, double q)
{
    struct samples sorted = *s;
    if (!s->cnt) return 0;
    qsort(sorted.at, sorted.cnt, sizeof *sorted.at, compare);
    double place = q * (s->cnt - 1);
    uint32_t low = (uint32_t)place, high = low + 1 < s->cnt ? low + 1 : low;
    return sorted.at[low] + (place - low) * (sorted.at[high] - sorted.at[low]);
}

double samples_best(const struct samples *s)
{
    return quantile(s, 0);
}
double samples_most(const struct samples *s)
{
    return quantile(s, 1);
}
double samples_median(const struct samples *s)
{
    return quantile(s, 0.5);
}

/* ---- records of the neutral bench file, made up ---- */

static uint8_t *put_id(uint8_t *p, uint64_t seed, uint64_t kind, uint64_t number)
{
    struct dsdn_random r;
    dsdn_random_seed(&r, seed ^ kind << 56 ^ number);
    dsdn_random_fill(&r, p, 32);
    return p + 32;
}

static uint8_t *put_text(uint8_t *p, struct dsdn_random *r)
{
    uint16_t len = (uint16_t)(16 + dsdn_random_below(r, 33));
    dsdn_store16(p, len);
    for (uint16_t i = 0; i < len; i++) p[2 + i] = (uint8_t)('a' + (dsdn_random_next(r) >> 60));
    return p + 2 + len;
}

struct maker {
    const struct workload *w;
    struct dsdn_random random;
    uint64_t nodes, chunks; /* how many exist */
};

static uint8_t pick_type(struct maker *m)
{
    uint64_t dice = dsdn_random_below(&m->random, 100), declare = m->w->chunk_percent;
    if (!m->nodes) return 1;
    if (!m->chunks) return 2;
    if (declare && m->chunks < m->w->chunks) return dice < declare ? 2 : 3;
    if (declare) return 3;
    return dice < 5 ? 1 : dice < 30 ? 2 : dice < 75 ? 3 : dice < 90 ? 4 : dice < 95 ? 5 : 6;
}

/* Half of the chunks that are picked are recent ones. */
static uint64_t pick_chunk(struct maker *m)
{
    uint64_t recent = m->chunks < 1000 ? m->chunks : 1000;
    if (dsdn_random_next(&m->random) >> 63) return m->chunks - 1 - dsdn_random_below(&m->random, recent);
    return dsdn_random_below(&m->random, m->chunks);
}

/* Writes one record (bench_file.h) and returns its end. */
static uint8_t *put_record(struct maker *m, uint64_t ordinal, uint8_t *out)
{
    struct dsdn_random *r = &m->random;
    uint64_t seed = m->w->seed, number;
    uint8_t type = pick_type(m), *p = out + 24;
    memset(out, 0, 24);
    out[4] = type;
    out[5] = 1;
    dsdn_store64(out + 8, ordinal);
    dsdn_store64(out + 16, 1700000000000u + 25 * ordinal);
    switch (type) {
    case 1:
        number = m->nodes < m->w->nodes ? m->nodes++ : dsdn_random_below(r, m->nodes);
        p = put_id(p, seed, 1, number);
        dsdn_random_fill(r, p, 12);
        p = put_text(p + 12, r);
        break;
    case 2:
        number = m->chunks < m->w->chunks ? m->chunks++ : dsdn_random_below(r, m->chunks);
        p = put_id(p, seed, 2, number);
        p = put_id(p, seed, 3, dsdn_random_below(r, 5000));
        dsdn_random_fill(r, p, 10);
        p = put_text(p + 10, r);
        break;
    case 3:
    case 4:
        p = put_id(p, seed, 2, pick_chunk(m));
        p = put_id(p, seed, 1, dsdn_random_below(r, m->nodes));
        memset(p, 0, 4);
        dsdn_random_fill(r, p + 4, 32);
        p += 36;
        break;
    case 5:
        p = put_id(p, seed, 2, pick_chunk(m));
        dsdn_random_fill(r, p, 68);
        p += 68;
        break;
    default:
        p = put_id(p, seed, 1, dsdn_random_below(r, m->nodes));
        dsdn_store64(p, dsdn_random_below(r, 1000000));
        dsdn_random_fill(r, p + 8, 32);
        p += 40;
    }
    dsdn_store32(out, (uint32_t)(p - out - 4));
    return p;
}

enum { RECORD_MAX = 256 };

/* Writes a whole bench file to fd. */
static int make_file(const struct workload *w, int fd, uint8_t header[NEUTRAL_FILE_HEADER],
                     struct dsdn_error *error)
{
    struct maker m = {.w = w};
    uint64_t offset = NEUTRAL_FILE_HEADER;
    size_t cap = (size_t)RECORD_MAX * 4096;
    uint8_t *buffer = malloc(cap), *p = buffer;
    if (!buffer) return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory to make up a log");
    dsdn_random_seed(&m.random, w->seed);
    int rc = DSDN_OK;
    for (uint64_t i = 0; !rc && i < w->events; i++) {
        p = put_record(&m, i, p);
        if (i + 1 < w->events && cap - (size_t)(p - buffer) >= RECORD_MAX) continue;
        rc =
            dsdn_io_write_at(&dsdn_io_system, fd, buffer, (size_t)(p - buffer), offset, "made-up log", error);
        offset += (size_t)(p - buffer);
        p = buffer;
    }
    free(buffer);
    memset(header, 0, NEUTRAL_FILE_HEADER);
    memcpy(header, "DSDNBEV1", 8);
    dsdn_store32(header + 8, 1);
    dsdn_store32(header + 12, NEUTRAL_FILE_HEADER);
    dsdn_store64(header + 16, w->events);
    dsdn_store64(header + 24, w->seed);
    dsdn_store64(header + 32, offset - NEUTRAL_FILE_HEADER);
    dsdn_store32(header + 40, w->nodes);
    dsdn_store32(header + 44, w->chunks);
    return rc ? rc
              : dsdn_io_write_at(&dsdn_io_system, fd, header, NEUTRAL_FILE_HEADER, 0, "made-up log", error);
}

/* ---- from records to a log directory ---- */

struct author {
    struct dsdn_sign_key key;
    uint64_t nonce;
};

struct sink {
    struct dsdn_store *store;
    const struct dsdn_genesis *genesis;
    const struct dsdn_sign_key *key;
    struct dsdn_batch_builder *builder;
    struct author *authors;
    uint32_t author_cnt, turn;
    uint8_t prev[32]; /* hash of the newest batch that was signed anew */
};

static int store_batch(struct sink *s, const struct dsdn_view *batch, uint64_t sequence, uint32_t events,
                       struct dsdn_error *error)
{
    uint8_t hash[32];
    dsdn_batch_hash(batch->bytes, hash);
    memcpy(s->prev, hash, 32);
    return dsdn_store_append(s->store, batch->bytes, batch->len, sequence, hash, events, 0, error);
}

/* Every event of the bundle becomes a bundle of the next author. */
static int sign_bundle(struct sink *s, const uint8_t *base, const struct dsdn_bundle *from,
                       struct dsdn_error *error)
{
    const uint8_t *at = from->events, *end = at + from->events_len;
    int rc = DSDN_OK;
    for (uint32_t i = 0; !rc && i < from->event_count; i++) {
        struct author *a = &s->authors[s->turn++ % s->author_cnt];
        struct dsdn_frame frame = {0};
        rc = dsdn_frame_next(base, &at, end, &frame, error);
        if (!rc)
            rc = dsdn_batch_builder_begin(s->builder, DSDN_BUNDLE_POOL, a->key.public_key, ++a->nonce, 0,
                                          error);
        if (!rc)
            rc = dsdn_batch_builder_event(s->builder, frame.type, frame.version, frame.payload, frame.len,
                                          error);
        if (!rc) rc = dsdn_batch_builder_end(s->builder, s->genesis->hash, &a->key, error);
    }
    return rc;
}

static int take_batch(void *self, const struct dsdn_view *batch, uint64_t sequence, uint32_t events,
                      struct dsdn_error *error)
{
    struct sink *s = self;
    struct dsdn_batch b;
    struct dsdn_bundle bundle;
    if (!s->author_cnt) return store_batch(s, batch, sequence, events, error);
    int rc = dsdn_batch_decode(batch->bytes, batch->len, &b, error);
    if (rc) return rc;
    const uint8_t *at = b.body;
    dsdn_batch_builder_reset(s->builder);
    rc = dsdn_bundle_next(batch->bytes, &at, b.body + b.header.body_len, &bundle, error);
    if (!rc) rc = sign_bundle(s, batch->bytes, &bundle, error);
    memcpy(b.header.prev, s->prev, 32);
    struct dsdn_view again;
    if (!rc) rc = dsdn_batch_builder_finish(s->builder, &b.header, s->key, &again, error);
    return rc ? rc : store_batch(s, &again, sequence, events, error);
}

static int make_authors(struct sink *s, const struct workload *w, struct dsdn_error *error)
{
    s->author_cnt = w ? w->authors : 0;
    if (!s->author_cnt) return DSDN_OK;
    s->authors = calloc(s->author_cnt, sizeof *s->authors);
    s->builder = dsdn_batch_builder_new();
    if (!s->authors || !s->builder)
        return dsdn_fail(error, DSDN_E_NO_MEMORY, "no memory for %u authors", s->author_cnt);
    for (uint32_t i = 0; i < s->author_cnt; i++) {
        uint8_t seed[32];
        put_id(seed, w->seed, 9, i);
        dsdn_sign_key_from_seed(&s->authors[i].key, seed);
    }
    return DSDN_OK;
}

/* fd stands anywhere; w is NULL for a file that was given. */
static int import(int fd, const char *path, const struct workload *w, const char *dir,
                  struct dsdn_error *error)
{
    uint8_t header[NEUTRAL_FILE_HEADER];
    struct dsdn_genesis genesis;
    struct dsdn_sign_key key;
    struct dsdn_store_options options = {.write = true};
    int rc = dsdn_io_read_at(&dsdn_io_system, fd, header, sizeof header, 0, path, error);
    if (!rc && lseek(fd, NEUTRAL_FILE_HEADER, SEEK_SET) < 0)
        rc = dsdn_fail(error, DSDN_E_IO, "cannot read %s from its start", path);
    if (!rc) rc = neutral_genesis(header, &genesis, &key, error);
    if (rc) return rc;
    struct sink s = {.genesis = &genesis, .key = &key};
    memcpy(s.prev, genesis.hash, 32);
    rc = dsdn_store_create(dir, &options, (struct dsdn_view){genesis.bytes, genesis.len}, genesis.hash, NULL,
                           error);
    if (!rc) rc = dsdn_store_open(dir, &options, &s.store, NULL, error);
    if (!rc) rc = make_authors(&s, w, error);
    if (!rc) rc = neutral_import(fd, path, header, &genesis, &key, WORKLOAD_PER_BATCH, take_batch, &s, error);
    if (!rc) rc = dsdn_store_sync(s.store, error);
    dsdn_store_close(s.store);
    dsdn_batch_builder_free(s.builder);
    free(s.authors);
    dsdn_genesis_free(&genesis);
    return rc;
}

int workload_import(const char *file, const char *dir, struct dsdn_error *error)
{
    int fd = -1, rc = dsdn_io_open(&dsdn_io_system, file, O_RDONLY, 0, &fd, error);
    if (rc) return rc;
    rc = import(fd, file, NULL, dir, error);
    close(fd);
    return rc;
}

int workload_create(const struct workload *w, const char *dir, struct dsdn_error *error)
{
    uint8_t header[NEUTRAL_FILE_HEADER];
    int fd = memfd_create("workload", MFD_CLOEXEC);
    if (fd < 0) return dsdn_fail(error, DSDN_E_IO, "no memory file to make up a log");
    int rc = make_file(w, fd, header, error);
    if (!rc) rc = import(fd, "made-up log", w, dir, error);
    close(fd);
    return rc;
}

/* ---- the network's own events ---- */

static int take_generated(void *self, const struct dsdn_generated_batch *batch, struct dsdn_error *error)
{
    return store_batch(self, &(struct dsdn_view){batch->bytes, batch->len}, batch->sequence, batch->events,
                       error);
}

int workload_network(uint64_t seed, uint64_t events, uint32_t signed_percent, const char *dir,
                     struct dsdn_error *error)
{
    struct dsdn_genesis genesis;
    struct sink s = {.store = NULL};
    struct dsdn_store_options options = {.write = true};
    struct dsdn_generator_options generator = {
        .seed = seed, .events = events, .signed_percent = signed_percent, .emit = take_generated, .self = &s};
    int rc = dsdn_generator_genesis(seed, &genesis, error);
    if (rc) return rc;
    rc = dsdn_store_create(dir, &options, (struct dsdn_view){genesis.bytes, genesis.len}, genesis.hash, NULL,
                           error);
    if (!rc) rc = dsdn_store_open(dir, &options, &s.store, NULL, error);
    if (!rc) rc = dsdn_generate(&generator, error);
    if (!rc) rc = dsdn_store_sync(s.store, error);
    dsdn_store_close(s.store);
    dsdn_genesis_free(&genesis);
    return rc;
}

/* ---- scratch directories ---- */

char *workload_directory(void)
{
    const char *base = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/dsdn-bench-XXXXXX", base && *base ? base : "/tmp") < 0) return NULL;
    if (mkdtemp(path)) return path;
    free(path);
    return NULL;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

void workload_remove(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the catalogue ---- */

const struct dsdn_catalogue *workload_catalogue(void)
{
    enum { EVENTS_MAX = 16 };
    static struct dsdn_event_desc descs[EVENTS_MAX];
    static struct dsdn_event_table table;
    static struct dsdn_catalogue catalogue;
    if (!catalogue.name) {
        table = *neutral_catalogue.events;
        if (table.event_cnt > EVENTS_MAX) abort();
        for (uint32_t i = 0; i < table.event_cnt; i++) {
            descs[i] = table.events[i];
            descs[i].author = DSDN_AUTHOR_EITHER;
        }
        table.events = descs;
        catalogue = neutral_catalogue;
        catalogue.events = &table;
    }
    return &catalogue;
}
