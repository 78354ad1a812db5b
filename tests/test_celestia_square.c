/* link: --wrap=malloc --wrap=calloc --wrap=realloc --wrap=mmap --wrap=mremap */
/* Leopard parity, extended squares, the layout of blocks, DAHs and row sets. */
#include "tests/celestia_json.h"
#include "tests/fail_nth.h"

#include "adapters/celestia/commitment.h"
#include "adapters/celestia/layout.h"
#include "adapters/celestia/leopard.h"
#include "adapters/celestia/square.h"

/* ---- Leopard ------------------------------------------------------------------------------------- */

static void encode(const uint8_t *data, uint8_t *parity, uint32_t k, size_t len)
{
    const uint8_t *in[DSDN_LEOPARD_K_MAX];
    uint8_t *out[DSDN_LEOPARD_K_MAX];
    for (uint32_t i = 0; i < k; i++) {
        in[i] = data + i * len;
        out[i] = parity + i * len;
    }
    struct dsdn_leopard *leopard = dsdn_leopard_new(k);
    assert_non_null(leopard);
    dsdn_leopard_encode(leopard, in, out, len);
    dsdn_leopard_free(leopard);
}

static void leopard_vectors(void **state)
{
    (void)state;
    glob_t files = vector_glob("reed_solomon*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *json = vector_load(files.gl_pathv[f]), *row;
        size_t i;
        json_array_foreach(json_at(json, "rows"), i, row)
        {
            bool whole;
            uint32_t k = (uint32_t)json_integer_value(json_at(row, "k"));
            struct dsdn_view data = vector_joined(json_at(row, "data_base64"), DSDN_SHARE_LEN, &whole);
            assert_true(whole && data.len == k * DSDN_SHARE_LEN);
            struct dsdn_view parity = vector_joined(json_at(row, "parity_base64"), DSDN_SHARE_LEN, &whole);
            uint8_t *got = malloc(data.len);
            encode(data.bytes, got, k, DSDN_SHARE_LEN);
            expect_equal(parity, got, data.len);
            free(got);
            view_free(data);
            view_free(parity);
        }
        json_decref(json);
    }
    globfree(&files);
}

/* The field, said again in the slowest way: polynomials, and elements written in the Cantor basis. */
static const uint16_t basis8[8] = {1, 214, 152, 146, 86, 200, 88, 230};
static const uint16_t basis16[16] = {0x0001, 0xacca, 0x3c0e, 0x163e, 0xc582, 0xed2e, 0x914c, 0x4012,
                                     0x6c98, 0x10d8, 0x6a72, 0xb900, 0xfdb8, 0xfb34, 0xff38, 0x991e};
static bool wide;
static uint16_t written[1 << 16]; /* of a polynomial, in the basis */

static uint32_t polynomial_of(uint32_t element)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 16; i++)
        if (element >> i & 1) sum ^= wide ? basis16[i] : basis8[i];
    return sum;
}

static void field_choose(bool is_wide)
{
    wide = is_wide;
    for (uint32_t e = 0; e < (wide ? 1u << 16 : 1u << 8); e++) written[polynomial_of(e)] = (uint16_t)e;
}

static uint32_t times(uint32_t a, uint32_t b)
{
    uint32_t x = polynomial_of(a), y = polynomial_of(b), sum = 0;
    for (; y; y >>= 1) {
        if (y & 1) sum ^= x;
        x <<= 1;
        if (x >> (wide ? 16 : 8)) x ^= wide ? 0x1002d : 0x11d;
    }
    return written[sum];
}

static uint32_t inverse(uint32_t a)
{
    uint32_t power = a, result = written[1];
    for (uint32_t i = 1; i < (wide ? 16 : 8); i++) { /* a^(2^bits - 2) */
        power = times(power, power);
        result = times(result, power);
    }
    return result;
}

static uint32_t symbol(const uint8_t *share, uint32_t at)
{
    return wide ? (uint32_t)share[at] | (uint32_t)share[at + 32] << 8 : share[at];
}

/* The code is: data share j is the value at the point k + j of a polynomial of degree below k, parity share i
 * its value at the point i.  Interpolation after Lagrange must find the same. */
static void leopard_is_interpolation(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {2, 4, 8, 32, 128, 256, 512};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        enum { LEN = 128 };
        static uint8_t data[DSDN_LEOPARD_K_MAX * LEN], parity[DSDN_LEOPARD_K_MAX * LEN];
        static uint32_t weight[DSDN_LEOPARD_K_MAX];
        uint32_t k = sizes[s];
        field_choose(k > 128);
        number_fill(data, (size_t)k * LEN);
        encode(data, parity, k, LEN);
        /* the points are all of k .. 2k - 1: the product of the differences is the same for every j */
        uint32_t product = 1;
        for (uint32_t m = 1; m < k; m++) product = times(product, m);
        uint32_t scale = inverse(product);
        uint32_t tried[] = {0, 1, k / 2, k - 1};
        for (size_t t = 0; t < 4; t++) {
            uint32_t i = tried[t], all = 1;
            for (uint32_t j = 0; j < k; j++) all = times(all, i ^ (k + j));
            for (uint32_t j = 0; j < k; j++) weight[j] = times(times(all, scale), inverse(i ^ (k + j)));
            for (uint32_t at = 0; at < LEN; at += 85) {
                uint32_t sum = 0;
                for (uint32_t j = 0; j < k; j++) sum ^= times(symbol(data + j * LEN, at % 96), weight[j]);
                assert_int_equal(sum, symbol(parity + i * LEN, at % 96));
            }
        }
    }
}

/* Any length and any place of the shares give the same bytes. */
static void leopard_pieces(void **state)
{
    (void)state;
    enum { LEN = 64 * 61 }; /* no multiple of what is worked on at a time */
    static uint8_t data[64 * LEN], parity[64 * LEN], piece[64 * 64], piece_parity[64 * 64];
    number_fill(data, sizeof data);
    encode(data, parity, 64, LEN);
    for (size_t at = 0; at < LEN; at += 64 * 4) {
        for (size_t i = 0; i < 64; i++) memcpy(piece + i * 64, data + i * LEN + at, 64);
        encode(piece, piece_parity, 64, 64);
        for (size_t i = 0; i < 64; i++) assert_memory_equal(piece_parity + i * 64, parity + i * LEN + at, 64);
    }
    assert_null(dsdn_leopard_new(0));
    assert_null(dsdn_leopard_new(3));
    assert_null(dsdn_leopard_new(1024));
}

/* ---- squares ------------------------------------------------------------------------------------- */

static void expect_root(const json_t *json, const uint8_t root[32])
{
    struct dsdn_view want = vector_hex(json_at(json, "data_root_hex"));
    expect_equal(want, root, 32);
    view_free(want);
}

/* Roots of the file, where it has them. */
static void expect_dah(const json_t *json, const struct dsdn_dah *got)
{
    struct dsdn_view rows, columns;
    struct dsdn_dah want = read_dah(json, "row_roots_base64", "column_roots_base64", &rows, &columns);
    if (want.row_cnt) {
        assert_int_equal(want.row_cnt, got->row_cnt);
        expect_equal(rows, got->row_roots, got->row_cnt * sizeof *got->row_roots);
        expect_equal(columns, got->column_roots, got->column_cnt * sizeof *got->column_roots);
    }
    view_free(rows);
    view_free(columns);
}

static void check_square(const json_t *json, const uint8_t *shares, uint32_t k)
{
    struct dsdn_square square;
    struct dsdn_error error = DSDN_ERROR_INIT;
    assert_int_equal(dsdn_square_extend(shares, k, &square, &error), 0);
    expect_root(json, square.data_root);
    struct dsdn_dah dah = dsdn_square_dah(&square);
    assert_int_equal(dsdn_dah_check(&dah, &error), 0);
    expect_dah(json, &dah);
    struct dsdn_nmt_node *tree = malloc(DSDN_NMT_TREE_LEN(2 * k) * sizeof *tree);
    for (uint32_t row = 0; row < 2 * k; row++) {
        assert_int_equal(dsdn_square_row_tree(&square, row, tree, &error), 0);
        assert_memory_equal(tree + DSDN_NMT_TREE_LEN(2 * k) - 1, square.roots + row, sizeof *tree);
    }
    free(tree);
    dsdn_square_free(&square);
}

static void square_vectors(void **state)
{
    (void)state;
    glob_t files = vector_glob("squares/*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        bool whole;
        json_t *json = vector_load(files.gl_pathv[f]);
        struct dsdn_view shares = vector_joined(json_at(json, "shares_base64"), DSDN_SHARE_LEN, &whole);
        uint32_t k = (uint32_t)json_integer_value(json_at(json, "square_size"));
        assert_true(whole && shares.len == (size_t)k * k * DSDN_SHARE_LEN);
        check_square(json, shares.bytes, k);
        view_free(shares);
        json_decref(json);
    }
    globfree(&files);
}

/* A captured extended square, all four quadrants, and its DAH. */
static void extended_square_vectors(void **state)
{
    (void)state;
    glob_t files = vector_glob("*samples/eds*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        bool whole;
        char path[4096];
        struct dsdn_square square;
        struct dsdn_view rows, columns;
        uint8_t root[32];
        json_t *json = vector_load(files.gl_pathv[f]);
        struct dsdn_view eds = vector_joined(json_at(json, "data_square"), DSDN_SHARE_LEN, &whole);
        assert_true(whole);
        uint32_t k = 1;
        while ((size_t)4 * k * k * DSDN_SHARE_LEN < eds.len) k *= 2;
        uint8_t *data = malloc((size_t)k * k * DSDN_SHARE_LEN);
        for (uint32_t row = 0; row < k; row++)
            memcpy(data + (size_t)row * k * DSDN_SHARE_LEN, eds.bytes + (size_t)row * 2 * k * DSDN_SHARE_LEN,
                   k * DSDN_SHARE_LEN);
        assert_int_equal(dsdn_square_extend(data, k, &square, NULL), 0);
        expect_equal(eds, square.shares, (size_t)4 * k * k * DSDN_SHARE_LEN);
        char *slash = strrchr(files.gl_pathv[f], '/');
        snprintf(path, sizeof path, "%.*s/dah%s", (int)(slash - files.gl_pathv[f]), files.gl_pathv[f],
                 slash + 4);
        json_t *dah_json = vector_load(path);
        struct dsdn_dah dah = read_dah(dah_json, "row_roots", "column_roots", &rows, &columns);
        assert_int_equal(dsdn_dah_check(&dah, NULL), 0);
        dsdn_dah_root(&dah, root);
        assert_memory_equal(root, square.data_root, 32);
        expect_equal(rows, square.roots, 2 * k * sizeof *square.roots);
        expect_equal(columns, square.roots + 2 * k, 2 * k * sizeof *square.roots);
        view_free(rows);
        view_free(columns);
        view_free(eds);
        free(data);
        dsdn_square_free(&square);
        json_decref(dah_json);
        json_decref(json);
    }
    globfree(&files);
}

static void square_refusals(void **state)
{
    (void)state;
    static uint8_t shares[16 * DSDN_SHARE_LEN];
    struct dsdn_square square;
    struct dsdn_error error = DSDN_ERROR_INIT;
    for (uint32_t i = 0; i < 16; i++) user_namespace(shares + i * DSDN_SHARE_LEN, i);
    assert_int_equal(dsdn_square_extend(shares, 3, &square, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_square_extend(shares, 0, &square, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_square_extend(shares, 1024, &square, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_square_extend(shares, 4, &square, &error), 0);
    dsdn_square_free(&square);
    user_namespace(shares + 6 * DSDN_SHARE_LEN, 1); /* out of order in its row and column */
    assert_int_equal(dsdn_square_extend(shares, 4, &square, &error), DSDN_E_MALFORMED);
    assert_null(square.shares);
}

/* ---- layout -------------------------------------------------------------------------------------- */

enum { BLOBS = 4096, TXS = 512 };
static struct dsdn_layout_blob blobs[BLOBS];
static struct dsdn_layout_tx txs[TXS];

static void block_vectors(void **state)
{
    (void)state;
    glob_t files = vector_glob("blocks/*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        json_t *json = vector_load(files.gl_pathv[f]);
        const json_t *position;
        size_t tx_cnt, i;
        uint32_t used = 0, matched = 0;
        struct dsdn_layout layout;
        struct dsdn_error error = DSDN_ERROR_INIT;
        struct dsdn_view *views = vector_views(json_at(json, "txs_base64"), &tx_cnt);
        assert_true(tx_cnt <= TXS);
        for (i = 0; i < tx_cnt; i++) {
            assert_int_equal(dsdn_blob_tx_decode(views[i].bytes, views[i].len, blobs + used, BLOBS - used,
                                                 txs + i, &error),
                             0);
            used += txs[i].blob_cnt;
        }
        assert_int_equal(dsdn_layout_build(txs, tx_cnt, 512, &layout, &error), 0);
        assert_int_equal(layout.k, json_integer_value(json_at(json, "square_size")));
        check_square(json, layout.shares, layout.k);
        json_array_foreach(json_at(json, "blob_positions"), i, position)
        {
            struct dsdn_view ns = vector_hex(json_at(position, "namespace_hex"));
            uint32_t index = (uint32_t)json_integer_value(json_at(position, "first_share_ods"));
            for (uint32_t b = 0; b < used; b++) {
                if (blobs[b].index != index) continue;
                matched++;
                expect_equal(ns, blobs[b].ns, DSDN_NAMESPACE_LEN);
                assert_int_equal(blobs[b].share_cnt, json_integer_value(json_at(position, "shares")));
            }
            view_free(ns);
        }
        assert_int_equal(matched, json_array_size(json_at(json, "blob_positions")));
        assert_int_equal(matched, used);
        dsdn_layout_free(&layout);
        views_free(views, tx_cnt);
        json_decref(json);
    }
    globfree(&files);
}

static uint32_t load32_be(const uint8_t *p)
{
    return __builtin_bswap32(dsdn_load32(p));
}

/* Reads a sequence of compact shares back: its units one behind the other, each from its length on.  Every
 * reserved field must name the first unit that begins in its share. */
static size_t compact_read(const uint8_t *shares, size_t share_cnt, struct dsdn_view *units, uint8_t *string)
{
    size_t len = 0, cnt = 0, total = load32_be(shares + 30), start_of[64] = {0};
    for (size_t i = 0; i < share_cnt; i++) {
        const uint8_t *share = shares + i * DSDN_SHARE_LEN;
        size_t head = i ? 34 : 38;
        assert_int_equal(share[29], i == 0);
        start_of[i] = len;
        memcpy(string + len, share + head, DSDN_SHARE_LEN - head);
        len += DSDN_SHARE_LEN - head;
    }
    assert_true(total <= len && len - total < 478);
    for (size_t at = total; at < len; at++) assert_int_equal(string[at], 0);
    size_t next_share = 0;
    for (size_t at = 0; at < total;) {
        uint32_t unit_len;
        for (; next_share < share_cnt && start_of[next_share] <= at; next_share++) {
            const uint8_t *share = shares + next_share * DSDN_SHARE_LEN;
            size_t head = next_share ? 34 : 38, end = start_of[next_share] + DSDN_SHARE_LEN - head;
            uint32_t want = at < end ? (uint32_t)(head + at - start_of[next_share]) : 0;
            assert_int_equal(load32_be(share + (next_share ? 30 : 34)), want);
        }
        const uint8_t *p = dsdn_varint_get(string + at, string + total, &unit_len);
        assert_non_null(p);
        units[cnt++] = (struct dsdn_view){p, unit_len};
        at = (size_t)(p - string) + unit_len;
        assert_true(at <= total);
    }
    for (; next_share < share_cnt; next_share++)
        assert_int_equal(load32_be(shares + next_share * DSDN_SHARE_LEN + (next_share ? 30 : 34)), 0);
    return cnt;
}

static void compact_shares(void **state)
{
    (void)state;
    static uint8_t bytes[4096], string[64 * DSDN_SHARE_LEN];
    /* lengths around the ends of shares: a first share takes a unit of 472, two shares one of 950 */
    static const size_t lens[][4] = {{100},         {471, 100},     {472, 100},   {473, 5},
                                     {949, 100},    {950, 100},     {951, 100},   {1000, 100, 50},
                                     {127, 128, 1}, {4000},         {0, 0, 5, 1}, {472, 476, 476},
                                     {472, 475, 1}, {340, 340, 340}};
    number_fill(bytes, sizeof bytes);
    for (size_t c = 0; c < sizeof lens / sizeof lens[0]; c++) {
        struct dsdn_layout layout;
        struct dsdn_view units[64];
        size_t cnt = 0, share_cnt = 0;
        do {
            txs[cnt] = (struct dsdn_layout_tx){{bytes + c, lens[c][cnt]}, NULL, 0};
            cnt++;
        } while (cnt < 4 && (lens[c][cnt] || lens[c][cnt + (cnt < 3)]));
        assert_int_equal(dsdn_layout_build(txs, cnt, 512, &layout, NULL), 0);
        while (share_cnt < (size_t)layout.k * layout.k &&
               memcmp(layout.shares + share_cnt * DSDN_SHARE_LEN, dsdn_namespace_transactions, 29) == 0)
            share_cnt++;
        assert_int_equal(compact_read(layout.shares, share_cnt, units, string), cnt);
        for (size_t i = 0; i < cnt; i++) expect_equal(units[i], txs[i].tx.bytes, txs[i].tx.len);
        dsdn_layout_free(&layout);
    }
}

/* The places of a wrapped transaction's blobs, by a second reader. */
static void expect_wrapped(struct dsdn_view unit, const struct dsdn_layout_tx *tx)
{
    const uint8_t *p = unit.bytes, *end = p + unit.len;
    uint32_t value, len;
    assert_int_equal(*p++, 0x0a);
    p = dsdn_varint_get(p, end, &len);
    expect_equal((struct dsdn_view){p, len}, tx->tx.bytes, tx->tx.len);
    p += len;
    assert_int_equal(*p++, 0x12);
    p = dsdn_varint_get(p, end, &len);
    const uint8_t *indexes_end = p + len;
    for (uint32_t i = 0; i < tx->blob_cnt; i++) {
        p = dsdn_varint_get(p, indexes_end, &value);
        assert_non_null(p);
        assert_int_equal(value, tx->blobs[i].index);
    }
    assert_ptr_equal(p, indexes_end);
    assert_int_equal(end - p, 6);
    assert_memory_equal(p, "\x1a\x04INDX", 6);
}

/* Random blocks: every share is accounted for, in order, aligned, and the blobs come back. */
static void random_layouts(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 17], string[1 << 17], back[1 << 17];
    static const uint8_t signer[20] = {7, 7, 7};
    number_fill(bytes, sizeof bytes);
    for (uint32_t round = 0; round < 60; round++) {
        uint32_t plain = number(4), tx_cnt = plain + number(6), used = 0;
        for (uint32_t t = 0; t < tx_cnt; t++) {
            txs[t] = (struct dsdn_layout_tx){
                {bytes + t, 1 + number(700)}, blobs + used, t < plain ? 0 : 1 + number(3)};
            for (uint32_t i = 0; i < txs[t].blob_cnt; i++, used++) {
                blobs[used] =
                    (struct dsdn_layout_blob){.version = (uint8_t)number(3),
                                              .data = {bytes + used, 1 + number(number(4) ? 3000 : 100000)}};
                if (blobs[used].version) blobs[used].signer = (struct dsdn_view){signer, sizeof signer};
                user_namespace(blobs[used].ns, number(4));
            }
        }
        struct dsdn_layout layout;
        struct dsdn_error error = DSDN_ERROR_INIT;
        assert_int_equal(dsdn_layout_build(txs, tx_cnt, 64, &layout, &error), 0);
        size_t total = (size_t)layout.k * layout.k, at = 0;
        const uint8_t *shares = layout.shares;
        for (size_t i = 1; i < total; i++)
            assert_true(memcmp(shares + (i - 1) * DSDN_SHARE_LEN, shares + i * DSDN_SHARE_LEN, 29) <= 0);
        const uint8_t *const compact_ns[2] = {dsdn_namespace_transactions, dsdn_namespace_pay_for_blob};
        for (uint32_t kind = 0; kind < 2; kind++) {
            struct dsdn_view units[64];
            size_t first = at;
            while (at < total && memcmp(shares + at * DSDN_SHARE_LEN, compact_ns[kind], 29) == 0) at++;
            size_t want = kind ? tx_cnt - plain : plain;
            assert_int_equal(
                at > first ? compact_read(shares + first * DSDN_SHARE_LEN, at - first, units, string) : 0,
                want);
            for (size_t i = 0; i < want; i++) {
                if (kind)
                    expect_wrapped(units[i], txs + plain + i);
                else
                    expect_equal(units[i], txs[i].tx.bytes, txs[i].tx.len);
            }
        }
        struct dsdn_share_run run = {shares + at * DSDN_SHARE_LEN, (uint32_t)(total - at), (uint32_t)at};
        struct dsdn_blob_walk walk;
        struct dsdn_blob blob;
        uint32_t found = 0, last = 0, taken = 0;
        dsdn_blob_walk_start(&walk, &run, 1);
        while (dsdn_blob_walk_next(&walk, &blob)) {
            uint32_t b = 0;
            while (b < used && blobs[b].index != blob.index) b++;
            assert_true(b < used && blob.kind == DSDN_BLOB_DATA);
            assert_int_equal(blob.share_cnt, blobs[b].share_cnt);
            assert_int_equal(blob.version, blobs[b].version);
            assert_int_equal(blob.index % dsdn_subtree_width(blob.share_cnt), 0);
            dsdn_blob_copy(&blob, back);
            expect_equal(blobs[b].data, back, blob.len);
            if (found && !memcmp(blobs[b].ns, blobs[last].ns, 29)) assert_true(b > last); /* order is kept */
            taken += blob.share_cnt;
            last = b;
            /* up to the next start there is only padding of this blob, and of the tail */
            for (size_t next = blob.index + blob.share_cnt; next < total; next++) {
                const uint8_t *share = shares + next * DSDN_SHARE_LEN;
                uint8_t want[DSDN_SHARE_LEN];
                bool tail = memcmp(share, dsdn_namespace_tail_padding, 29) == 0;
                if (load32_be(share + 30)) break;
                dsdn_share_padding(tail ? dsdn_namespace_tail_padding : blobs[b].ns,
                                   tail ? 0 : blobs[b].version, want);
                assert_memory_equal(share, want, sizeof want);
            }
            found++;
        }
        assert_int_equal(found, used);
        assert_true(taken <= total - at);
        struct dsdn_square square;
        assert_int_equal(dsdn_square_extend(shares, layout.k, &square, &error), 0);
        dsdn_square_free(&square);
        dsdn_layout_free(&layout);
    }
}

/* The estimate decides the size: padding that the block does not need still counts. */
static void layout_sizes(void **state)
{
    (void)state;
    static uint8_t bytes[200000];
    struct dsdn_layout layout;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t first[DSDN_SHARE_LEN];
    assert_int_equal(dsdn_layout_build(NULL, 0, 1, &layout, &error), 0);
    dsdn_share_padding(dsdn_namespace_tail_padding, 0, first);
    assert_int_equal(layout.k, 1);
    assert_memory_equal(layout.shares, first, sizeof first);
    dsdn_layout_free(&layout);

    blobs[0] = (struct dsdn_layout_blob){.data = {bytes, 478 + 61 * 482}};
    user_namespace(blobs[0].ns, 1);
    txs[0] = (struct dsdn_layout_tx){{bytes, 100}, blobs, 1};
    assert_int_equal(dsdn_layout_build(txs, 1, 8, &layout, &error), 0); /* 1 + 62 */
    assert_int_equal(layout.k, 8);
    dsdn_layout_free(&layout);
    blobs[0].data.len = 478 + 63 * 482; /* 1 + 64: one too many */
    assert_int_equal(dsdn_layout_build(txs, 1, 8, &layout, &error), DSDN_E_TOO_LARGE);
    assert_int_equal(dsdn_layout_build(txs, 1, 16, &layout, &error), 0);
    dsdn_layout_free(&layout);

    /* a blob of 65 shares has width 2 and is placed at 2: reserved padding behind the transaction */
    blobs[0].data.len = 478 + 64 * 482;
    assert_int_equal(dsdn_layout_build(txs, 1, 16, &layout, &error), 0);
    assert_int_equal(blobs[0].index, 2);
    dsdn_share_padding(dsdn_namespace_reserved_padding, 0, first);
    assert_memory_equal(layout.shares + DSDN_SHARE_LEN, first, sizeof first);
    dsdn_layout_free(&layout);

    /* the wrapped transaction has 473 bytes with its true index, of one byte, and needs two shares with three
     */
    blobs[0].data.len = 1;
    txs[0].tx.len = 473 - 2 - 3 - 3 - 6;
    assert_int_equal(dsdn_layout_build(txs, 1, 16, &layout, &error), 0);
    assert_int_equal(blobs[0].index, 2);
    assert_memory_equal(layout.shares + DSDN_SHARE_LEN, first, sizeof first);
    assert_int_equal(load32_be(layout.shares + 30), 473);
    dsdn_layout_free(&layout);

    blobs[0].data.len = 0;
    assert_int_equal(dsdn_layout_build(txs, 1, 16, &layout, &error), DSDN_E_USAGE);
    blobs[0] = (struct dsdn_layout_blob){.version = 1, .data = {bytes, 1}}; /* without a signer */
    assert_int_equal(dsdn_layout_build(txs, 1, 16, &layout, &error), DSDN_E_USAGE);
    blobs[0].version = 0;
    txs[1] = (struct dsdn_layout_tx){{bytes, 100}, NULL, 0};
    assert_int_equal(dsdn_layout_build(txs, 2, 16, &layout, &error), DSDN_E_USAGE);
    assert_int_equal(dsdn_layout_build(txs, 1, 6, &layout, &error), DSDN_E_USAGE);
    assert_null(layout.shares);
}

static void blob_tx_forms(void **state)
{
    (void)state;
    /* {1: "t", 2: {1: 28 bytes, 2: "data", 3: 1, 5: "s"}, 3: "BLOB"} */
    uint8_t tx[64] = {0x0a, 1, 't', 0x12, 41, 0x0a, 28}, id_at = 7;
    uint32_t len = id_at + 28;
    struct dsdn_layout_tx got;
    struct dsdn_error error = DSDN_ERROR_INIT;
    static const uint8_t tail[] = {0x12, 4,   'd',  'a', 't', 'a', 0x18, 1,  0x2a,
                                   1,    's', 0x1a, 4,   'B', 'L', 'O',  'B'};
    memcpy(tx + len, tail, sizeof tail);
    len += sizeof tail;
    assert_int_equal(dsdn_blob_tx_decode(tx, len, blobs, 4, &got, &error), 0);
    assert_int_equal(got.blob_cnt, 1);
    expect_equal(got.tx, "t", 1);
    expect_equal(blobs[0].data, "data", 4);
    expect_equal(blobs[0].signer, "s", 1);
    assert_int_equal(blobs[0].version, 1);
    assert_int_equal(dsdn_blob_tx_decode(tx, len, blobs, 0, &got, &error), DSDN_E_TOO_LARGE);
    tx[len - 1] = 'X'; /* another type: an ordinary transaction */
    assert_int_equal(dsdn_blob_tx_decode(tx, len, blobs, 4, &got, &error), 0);
    assert_int_equal(got.blob_cnt, 0);
    expect_equal(got.tx, tx, len);
    tx[len - 1] = 'B';
    for (uint32_t cut = 0; cut < len; cut++) { /* no message at all, or one without the type */
        assert_int_equal(dsdn_blob_tx_decode(tx, cut, blobs, 4, &got, &error), 0);
        assert_int_equal(got.blob_cnt, 0);
    }
    tx[6] = 27; /* the namespace id is too short */
    assert_int_equal(dsdn_blob_tx_decode(tx, len, blobs, 4, &got, &error), DSDN_E_MALFORMED);
}

/* ---- DAHs and row sets ---------------------------------------------------------------------------- */

/* The rows that a whole DAH shows, said again: every root whose range contains ns. */
static void rows_of(const struct dsdn_dah *dah, const uint8_t *ns, uint32_t *first, uint32_t *cnt)
{
    *first = *cnt = 0;
    for (uint32_t i = 0; i < dah->row_cnt; i++)
        if (memcmp(dsdn_nmt_min(dah->row_roots + i), ns, 29) <= 0 &&
            memcmp(ns, dsdn_nmt_max(dah->row_roots + i), 29) <= 0 && !(*cnt)++)
            *first = i;
}

static void check_row_set(const struct dsdn_dah *dah, const uint8_t *ns, bool every_byte)
{
    static uint8_t bytes[DSDN_ROW_SET_LEN_MAX(DSDN_NMT_LEAVES_MAX)];
    uint8_t root[32], other[DSDN_NAMESPACE_LEN];
    size_t len;
    uint32_t first, cnt;
    struct dsdn_row_set set;
    struct dsdn_error error = DSDN_ERROR_INIT;
    dsdn_dah_root(dah, root);
    assert_int_equal(dsdn_row_set_make(dah, ns, bytes, DSDN_ROW_SET_LEN_MAX(dah->row_cnt), &len, &error), 0);
    assert_int_equal(dsdn_row_set_make(dah, ns, bytes, len - 1, &len, &error), DSDN_E_TOO_LARGE);
    assert_int_equal(dsdn_row_set_verify(bytes, len, ns, root, &set, &error), 0);
    rows_of(dah, ns, &first, &cnt);
    assert_int_equal(set.row_cnt, dah->row_cnt);
    assert_int_equal(set.end - set.first, cnt);
    if (cnt) {
        assert_int_equal(set.first, first);
        assert_memory_equal(set.roots, dah->row_roots + first, cnt * sizeof *set.roots);
    } else
        assert_null(set.roots);
    assert_true(dsdn_load16(bytes + 4) <= cnt + 2);
    for (size_t at = 0; every_byte && at < len; at++) {
        bytes[at] ^= (uint8_t)(1u << at % 8);
        assert_int_not_equal(dsdn_row_set_verify(bytes, len, ns, root, &set, &error), 0);
        bytes[at] ^= (uint8_t)(1u << at % 8);
    }
    for (size_t cut = 0; every_byte && cut < len; cut++)
        assert_int_equal(dsdn_row_set_verify(bytes, cut, ns, root, &set, &error), DSDN_E_MALFORMED);
    assert_int_equal(dsdn_row_set_verify(bytes, len + 1, ns, root, &set, &error), DSDN_E_MALFORMED);
    for (uint32_t i = 0; every_byte && i < 32; i++) {
        root[i] ^= 0x10;
        assert_int_equal(dsdn_row_set_verify(bytes, len, ns, root, &set, &error), DSDN_E_PROOF);
        root[i] ^= 0x10;
    }
    /* the set of one namespace says about another the truth or nothing */
    for (uint32_t i = 0; i < dah->row_cnt / 2; i++)
        for (int side = 0; side < 2; side++) {
            memcpy(other, dah->row_roots[i].bytes + side * 29, 29);
            if (dsdn_row_set_verify(bytes, len, other, root, &set, &error)) continue;
            rows_of(dah, other, &first, &cnt);
            assert_int_equal(set.end - set.first, cnt);
            if (cnt) assert_int_equal(set.first, first);
        }
}

/* Namespaces at, between and outside all ranges of a DAH. */
static void check_row_sets(const struct dsdn_dah *dah, bool every_byte)
{
    uint8_t ns[DSDN_NAMESPACE_LEN];
    memset(ns, 0, sizeof ns);
    check_row_set(dah, ns, every_byte);
    for (uint32_t i = 0; i < dah->row_cnt / 2; i++)
        for (int side = 0; side < 2; side++)
            for (int step = -1; step <= 1; step++) {
                memcpy(ns, dah->row_roots[i].bytes + side * 29, sizeof ns);
                ns[28] = (uint8_t)(ns[28] + step);
                if (memcmp(ns, dsdn_namespace_parity, sizeof ns) != 0) check_row_set(dah, ns, every_byte);
            }
}

static void row_set_vectors(void **state)
{
    (void)state;
    glob_t files = vector_glob("namespace_data/*.json");
    for (size_t f = 0; f < files.gl_pathc; f++) {
        struct dsdn_view rows, columns;
        json_t *json = vector_load(files.gl_pathv[f]), *c;
        struct dsdn_dah dah = read_dah(json, "row_roots_base64", "column_roots_base64", &rows, &columns);
        struct dsdn_error error = DSDN_ERROR_INIT;
        uint8_t root[32];
        size_t i;
        assert_int_equal(dsdn_dah_check(&dah, &error), 0);
        dsdn_dah_root(&dah, root);
        expect_root(json, root);
        json_array_foreach(json_at(json, "cases"), i, c)
        {
            uint32_t first, end;
            struct dsdn_view ns = vector_hex(json_at(c, "namespace_hex"));
            if (ns.len == DSDN_NAMESPACE_LEN && memcmp(ns.bytes, dsdn_namespace_parity, ns.len) != 0) {
                check_row_set(&dah, ns.bytes, false);
                dsdn_dah_rows(&dah, ns.bytes, &first, &end);
                if (json_is_true(json_at(c, "valid")))
                    assert_int_equal(end - first, json_array_size(json_at(c, "namespace_data")));
            }
            view_free(ns);
        }
        check_row_sets(&dah, f < 3);
        view_free(rows);
        view_free(columns);
        json_decref(json);
    }
    globfree(&files);
}

/* Rows in order with few namespaces, so that one often ends where the next begins. */
static void random_row_sets(void **state)
{
    (void)state;
    static struct dsdn_nmt_node roots[2 * 64];
    struct dsdn_error error = DSDN_ERROR_INIT;
    for (uint32_t round = 0; round < 40; round++) {
        uint32_t k = 1u << number(6), at = 5;
        struct dsdn_dah dah = {roots, roots + 2 * k, 2 * k, 2 * k};
        number_fill(roots, sizeof roots);
        for (uint32_t i = 0; i < 2 * k; i++) {
            memset(roots[i].bytes, i < k ? 0 : 0xff, 58);
            memset(roots[2 * k + i].bytes, 1, 58);
            if (i >= k) continue;
            roots[i].bytes[28] = (uint8_t)at;
            at += number(3);
            roots[i].bytes[57] = (uint8_t)at;
            at += number(2) * number(4);
        }
        assert_int_equal(dsdn_dah_check(&dah, &error), 0);
        check_row_sets(&dah, false);
    }
}

/* A set that leaves out a row that may hold the namespace proves nothing, though all its roots are real. */
static void row_set_omissions(void **state)
{
    (void)state;
    static struct dsdn_nmt_node roots[16];
    static uint8_t whole[4096], bytes[4096];
    struct dsdn_dah dah = {roots, roots + 8, 8, 8};
    struct dsdn_row_set set;
    struct dsdn_error error = DSDN_ERROR_INIT;
    uint8_t ns[DSDN_NAMESPACE_LEN] = {0}, near[DSDN_NAMESPACE_LEN] = {0}, root[32];
    size_t len;
    static const uint8_t ranges[4][2] = {{1, 3}, {3, 5}, {5, 5}, {5, 9}};
    for (uint32_t i = 0; i < 8; i++) {
        memset(roots[i].bytes, i < 4 ? 0 : 0xff, 58);
        if (i >= 4) continue;
        roots[i].bytes[28] = ranges[i][0];
        roots[i].bytes[57] = ranges[i][1];
    }
    dsdn_dah_root(&dah, root);
    ns[28] = 5; /* in rows 1 to 3 */
    assert_int_equal(dsdn_row_set_make(&dah, ns, whole, sizeof whole, &len, &error), 0);
    assert_int_equal(dsdn_row_set_verify(whole, len, ns, root, &set, &error), 0);
    assert_int_equal(set.first, 1);
    assert_int_equal(set.end, 4);
    /* sets of fewer rows, made for namespaces next to it, are under the same root */
    for (uint8_t other = 0; other <= 10; other++) {
        near[28] = other;
        assert_int_equal(dsdn_row_set_make(&dah, near, bytes, sizeof bytes, &len, &error), 0);
        int rc = dsdn_row_set_verify(bytes, len, ns, root, &set, &error);
        assert_int_equal(rc, other == 5 ? 0 : DSDN_E_PROOF);
    }

    /* rows out of order settle nothing, whatever root they are under */
    roots[2].bytes[28] = roots[2].bytes[57] = 4;
    dsdn_dah_root(&dah, root);
    ns[28] = 4;
    assert_int_equal(dsdn_row_set_make(&dah, ns, bytes, sizeof bytes, &len, &error), 0);
    assert_int_equal(dsdn_load16(bytes + 4), 3);
    assert_int_equal(dsdn_row_set_verify(bytes, len, ns, root, &set, &error), DSDN_E_PROOF);
}

static void dah_refusals(void **state)
{
    (void)state;
    static struct dsdn_nmt_node roots[16];
    struct dsdn_dah dah = {roots, roots + 8, 8, 8};
    struct dsdn_error error = DSDN_ERROR_INIT;
    for (uint32_t i = 4; i < 8; i++) memset(roots[i].bytes, 0xff, 58);
    assert_int_equal(dsdn_dah_check(&dah, &error), 0);
    static const uint32_t counts[][2] = {{0, 0}, {1, 1}, {3, 3}, {6, 6}, {8, 4}, {4, 8}, {2048, 2048}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct dsdn_dah bad = {roots, roots + 8, counts[i][0], counts[i][1]};
        assert_int_equal(dsdn_dah_check(&bad, &error), DSDN_E_MALFORMED);
    }
    static const uint32_t broken[] = {0, 3, 8, 15}; /* min above max */
    for (size_t i = 0; i < 4; i++) {
        roots[broken[i]].bytes[5] = 1;
        assert_int_equal(dsdn_dah_check(&dah, &error), DSDN_E_MALFORMED);
        roots[broken[i]].bytes[5] = 0;
    }
    roots[1].bytes[40] = 1; /* row 1 ends behind the beginning of row 2 */
    assert_int_equal(dsdn_dah_check(&dah, &error), DSDN_E_MALFORMED);
    roots[1].bytes[40] = 0;
    roots[4].bytes[28] = 0xfe; /* tail padding where parity belongs */
    assert_int_equal(dsdn_dah_check(&dah, &error), DSDN_E_MALFORMED);
}

/* ---- memory ---------------------------------------------------------------------------------------- */

static void every_allocation_fails(void **state)
{
    (void)state;
    static const uint8_t bytes[2000];
    static uint8_t out[4096];
    struct dsdn_layout layout = {0, NULL};
    struct dsdn_square square = {0};
    blobs[0] = (struct dsdn_layout_blob){.data = {bytes, sizeof bytes}};
    user_namespace(blobs[0].ns, 1);
    txs[0] = (struct dsdn_layout_tx){{bytes, 100}, blobs, 1};
    uint32_t failures = 0;
    for (unsigned n = 1;; n++) {
        size_t len;
        struct dsdn_error error = DSDN_ERROR_INIT;
        fail_nth(n);
        int rc = dsdn_layout_build(txs, 1, 8, &layout, &error);
        if (!rc) rc = dsdn_square_extend(layout.shares, layout.k, &square, &error);
        if (!rc) {
            struct dsdn_dah dah = dsdn_square_dah(&square);
            rc = dsdn_row_set_make(&dah, blobs[0].ns, out, sizeof out, &len, &error);
        }
        bool all = fail_nth(0);
        dsdn_layout_free(&layout);
        dsdn_square_free(&square);
        if (all) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, DSDN_E_NO_MEMORY);
        failures++;
    }
    assert_true(failures >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leopard_vectors),
        cmocka_unit_test(leopard_is_interpolation),
        cmocka_unit_test(leopard_pieces),
        cmocka_unit_test(square_vectors),
        cmocka_unit_test(extended_square_vectors),
        cmocka_unit_test(square_refusals),
        cmocka_unit_test(block_vectors),
        cmocka_unit_test(compact_shares),
        cmocka_unit_test(random_layouts),
        cmocka_unit_test(layout_sizes),
        cmocka_unit_test(blob_tx_forms),
        cmocka_unit_test(row_set_vectors),
        cmocka_unit_test(random_row_sets),
        cmocka_unit_test(row_set_omissions),
        cmocka_unit_test(dah_refusals),
        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
