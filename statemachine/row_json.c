#include "statemachine/row_json.h"

/* Columns as bytes: what an encoded value, or a key, has of each kind. */
enum form { NUMBER, DECIMAL, SIGNED, HEX, TEXT, BYTES, REF, OPT_REF, REFS };
static const struct {
    uint8_t form, width;
} kinds[] = {
    [DSDN_COLUMN_u8] = {NUMBER, 1},       [DSDN_COLUMN_u16] = {NUMBER, 2},
    [DSDN_COLUMN_u32] = {NUMBER, 4},      [DSDN_COLUMN_u64] = {DECIMAL, 8},
    [DSDN_COLUMN_i64] = {SIGNED, 8},      [DSDN_COLUMN_time] = {DECIMAL, 8},
    [DSDN_COLUMN_height] = {DECIMAL, 8},  [DSDN_COLUMN_id] = {HEX, 32},
    [DSDN_COLUMN_hash] = {HEX, 32},       [DSDN_COLUMN_addr] = {HEX, 32},
    [DSDN_COLUMN_ns] = {HEX, 29},         [DSDN_COLUMN_str] = {TEXT, 0},
    [DSDN_COLUMN_bytes] = {BYTES, 0},     [DSDN_COLUMN_ref] = {REF, 0},
    [DSDN_COLUMN_opt_ref] = {OPT_REF, 0}, [DSDN_COLUMN_refs] = {REFS, 0},
};

/* ---- keys ---- */

static uint64_t big_endian(const uint8_t *p, uint32_t width)
{
    uint64_t v = 0;
    while (width--) v = v << 8 | *p++;
    return v;
}

/* Length of a zero-padded text, or UINT32_MAX when the bytes are none. */
static uint32_t text_len(const uint8_t *p, uint32_t width)
{
    uint32_t len = width;
    while (len && p[len - 1] == 0) len--;
    return dsdn_text_valid(p, len) ? len : UINT32_MAX;
}

static void put_hex(struct dsdn_text *text, const uint8_t *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) dsdn_text_format(text, "%02x", bytes[i]);
}

static bool plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~:", c));
}

static void key_column_text(struct dsdn_text *text, const struct dsdn_column *c, const uint8_t *p)
{
    uint32_t len;
    switch (kinds[c->kind].form) {
    case NUMBER:
    case DECIMAL: dsdn_text_format(text, "%llu", (unsigned long long)big_endian(p, c->max)); break;
    case TEXT:
        len = text_len(p, c->max);
        if (len != UINT32_MAX) {
            for (uint32_t i = 0; i < len; i++) dsdn_text_format(text, plain(p[i]) ? "%c" : "%%%02X", p[i]);
            break;
        }
        __attribute__((fallthrough));
    default: put_hex(text, p, c->max);
    }
}

void dsdn_key_text(struct dsdn_text *text, const struct dsdn_table_desc *desc, const uint8_t *key)
{
    const uint8_t *p = key;
    for (const struct dsdn_column *c = desc->columns(); c->name && c->key; p += c->max, c++) {
        if (p != key) dsdn_text_put(text, "/", 1);
        key_column_text(text, c, p);
    }
}

static bool parse_number(const char *text, size_t len, uint32_t width, uint8_t *out)
{
    uint64_t v = 0, limit = width == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * width) - 1;
    if (len == 0 || (len > 1 && text[0] == '0')) return false;
    for (size_t i = 0; i < len; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (text[i] < '0' || text[i] > '9' || v > (limit - digit) / 10) return false;
        v = v * 10 + digit;
    }
    for (uint32_t i = width; i-- > 0; v >>= 8) out[i] = (uint8_t)v;
    return true;
}

static bool parse_text(const char *text, size_t len, uint32_t width, uint8_t *out)
{
    memset(out, 0, width);
    uint32_t used = 0;
    for (size_t i = 0; i < len; used++) {
        if (used == width) return false;
        if (text[i] != '%')
            out[used] = (uint8_t)text[i++];
        else {
            if (len - i < 3 || !dsdn_hex_decode(text + i + 1, 1, out + used)) return false;
            i += 3;
        }
    }
    return true;
}

int dsdn_key_parse(const struct dsdn_table_desc *desc, const char *text, uint8_t out[DSDN_KEY_MAX],
                   struct dsdn_error *error)
{
    const char *at = text;
    for (const struct dsdn_column *c = desc->columns(); c->name && c->key; c++) {
        size_t len = strcspn(at, "/");
        bool last = !c[1].name || !c[1].key, good;
        switch (kinds[c->kind].form) {
        case NUMBER:
        case DECIMAL: good = parse_number(at, len, c->max, out); break;
        case TEXT:
            good = len == 2u * c->max ? dsdn_hex_decode(at, c->max, out) : parse_text(at, len, c->max, out);
            if (len == 2u * c->max && !good) good = parse_text(at, len, c->max, out);
            break;
        default: good = len == 2u * c->max && dsdn_hex_decode(at, c->max, out);
        }
        if (!good)
            return dsdn_fail(error, DSDN_E_USAGE, "key of %s: \"%.*s\" is not a valid %s", desc->name,
                             (int)(len < 160 ? len : 160), at, c->name);
        at += len;
        if ((*at == '/') == last)
            return dsdn_fail(error, DSDN_E_USAGE, "key of %s: %s after %s", desc->name,
                             last ? "nothing may follow" : "more columns are needed", c->name);
        at += !last;
        out += c->max;
    }
    return DSDN_OK;
}

/* ---- rows ---- */

static void key_column_json(struct dsdn_text *text, const struct dsdn_column *c, const uint8_t *p)
{
    uint32_t len;
    switch (kinds[c->kind].form) {
    case NUMBER: dsdn_text_u64(text, big_endian(p, c->max)); break;
    case DECIMAL: dsdn_text_decimal(text, big_endian(p, c->max), false); break;
    case TEXT:
        len = text_len(p, c->max);
        if (len != UINT32_MAX) {
            dsdn_text_bytes(text, p, len);
            break;
        }
        __attribute__((fallthrough));
    default: dsdn_text_hex(text, p, c->max);
    }
}

/* A key is at most DSDN_KEY_MAX bytes, three characters each, and a separator a column. */
static void reference_json(struct dsdn_text *text, const struct dsdn_table_desc *target, const uint8_t *key)
{
    struct dsdn_text inner;
    dsdn_text_init(&inner, 4 * DSDN_KEY_MAX, 0);
    dsdn_key_text(&inner, target, key);
    if (inner.failed)
        text->failed = inner.failed;
    else
        dsdn_text_bytes(text, (const uint8_t *)inner.bytes, inner.len);
    dsdn_text_free(&inner);
}

/* How many bytes the column has at p, or 0 when it is not there whole. */
static size_t column_len(const struct dsdn_table_desc *const *tables, const struct dsdn_column *c,
                         const uint8_t *p, const uint8_t *end)
{
    size_t left = (size_t)(end - p), len = kinds[c->kind].width;
    switch (kinds[c->kind].form) {
    case TEXT:
    case BYTES: len = left && *p <= c->max ? 1u + *p : 0; break;
    case REF: len = tables[c->target]->key_len; break;
    case OPT_REF: len = left && *p <= 1 ? 1 + *p * (size_t)tables[c->target]->key_len : 0; break;
    case REFS: len = left && *p <= c->max ? 1 + *p * (size_t)tables[c->target]->key_len : 0; break;
    default: break;
    }
    return len <= left ? len : 0;
}

static void column_json(struct dsdn_text *text, const struct dsdn_table_desc *const *tables,
                        const struct dsdn_column *c, const uint8_t *p)
{
    const struct dsdn_table_desc *target = tables[c->target];
    uint64_t number = 0;
    if (kinds[c->kind].width <= 8) memcpy(&number, p, kinds[c->kind].width);
    switch (kinds[c->kind].form) {
    case NUMBER: dsdn_text_u64(text, number); break;
    case DECIMAL: dsdn_text_decimal(text, number, false); break;
    case SIGNED: dsdn_text_decimal(text, number, true); break;
    case HEX: dsdn_text_hex(text, p, kinds[c->kind].width); break;
    case TEXT: dsdn_text_bytes(text, p + 1, *p); break;
    case BYTES: dsdn_text_hex(text, p + 1, *p); break;
    case REF: reference_json(text, target, p); break;
    case OPT_REF:
        if (*p)
            reference_json(text, target, p + 1);
        else
            dsdn_text_null(text);
        break;
    default:
        dsdn_text_open(text, '[');
        for (uint32_t i = 0; i < *p; i++) reference_json(text, target, p + 1 + i * (size_t)target->key_len);
        dsdn_text_close(text, ']');
    }
}

int dsdn_value_json(struct dsdn_text *text, const struct dsdn_table_desc *const *tables, uint32_t table,
                    const uint8_t *key, const uint8_t *value, size_t len, struct dsdn_error *error)
{
    const struct dsdn_table_desc *desc = tables[table];
    const struct dsdn_column *columns = desc->columns();
    const uint8_t *p = value, *end = value + len;
    for (const struct dsdn_column *c = columns; c->name; c++) {
        if (c->key) continue;
        size_t used = column_len(tables, c, p, end);
        if (!used)
            return dsdn_fail(error, DSDN_E_MALFORMED, "not a value of table %s: column %s", desc->name,
                             c->name);
        p += used;
    }
    if (p != end)
        return dsdn_fail(error, DSDN_E_MALFORMED, "not a value of table %s: bytes follow", desc->name);
    dsdn_text_open(text, '{');
    p = value;
    for (const struct dsdn_column *c = columns; c->name; c++) {
        dsdn_text_key(text, c->name);
        if (c->key) {
            key_column_json(text, c, key);
            key += c->max;
        } else {
            column_json(text, tables, c, p);
            p += column_len(tables, c, p, end);
        }
    }
    dsdn_text_close(text, '}');
    return DSDN_OK;
}

void dsdn_row_json(struct dsdn_text *text, const struct dsdn_state *s, uint32_t table, uint32_t row)
{
    const struct dsdn_table *t = &s->tables[table];
    const struct dsdn_table_desc *descs[DSDN_STATE_TABLES_MAX];
    const uint8_t *bytes = dsdn_row_at(t, row, t->desc->row_size);
    uint8_t value[DSDN_VALUE_MAX];
    for (uint32_t i = 0; i < s->table_cnt; i++) descs[i] = s->tables[i].desc;
    uint32_t len = t->desc->encode(s, bytes, value, NULL);
    dsdn_value_json(text, descs, table, bytes, value, len, NULL); /* what we encode ourselves parses */
}

/* ---- cells ---- */

static void key_cell(struct dsdn_text *text, const struct dsdn_column *c, const uint8_t *p,
                     struct dsdn_cell *cell)
{
    uint8_t form = kinds[c->kind].form;
    if (form == NUMBER || form == DECIMAL) {
        *cell = (struct dsdn_cell){.kind = DSDN_CELL_NUMBER, .number = big_endian(p, c->max)};
        return;
    }
    uint32_t len = form == TEXT ? text_len(p, c->max) : UINT32_MAX;
    cell->kind = len == UINT32_MAX ? DSDN_CELL_HEX : DSDN_CELL_TEXT;
    if (len == UINT32_MAX)
        put_hex(text, p, c->max);
    else
        dsdn_text_put(text, p, len);
}

static void cell_of(struct dsdn_text *text, const struct dsdn_table_desc *const *tables,
                    const struct dsdn_column *c, const uint8_t *p, struct dsdn_cell *cell)
{
    switch (kinds[c->kind].form) {
    case NUMBER:
    case DECIMAL:
    case SIGNED:
        cell->kind = kinds[c->kind].form == SIGNED ? DSDN_CELL_SIGNED : DSDN_CELL_NUMBER;
        memcpy(&cell->number, p, kinds[c->kind].width);
        break;
    case HEX:
        cell->kind = DSDN_CELL_HEX;
        put_hex(text, p, kinds[c->kind].width);
        break;
    case TEXT:
        cell->kind = DSDN_CELL_TEXT;
        dsdn_text_put(text, p + 1, *p);
        break;
    case BYTES:
        cell->kind = DSDN_CELL_HEX;
        put_hex(text, p + 1, *p);
        break;
    case REF:
        cell->kind = DSDN_CELL_TEXT;
        dsdn_key_text(text, tables[c->target], p);
        break;
    case OPT_REF:
        cell->kind = *p ? DSDN_CELL_TEXT : DSDN_CELL_NULL;
        if (*p) dsdn_key_text(text, tables[c->target], p + 1);
        break;
    default:
        cell->kind = DSDN_CELL_JSON;
        text->comma = text->after_key = false; /* a document of its own */
        column_json(text, tables, c, p);
    }
}

uint32_t dsdn_row_cells(struct dsdn_text *text, const struct dsdn_state *s, uint32_t table, uint32_t row,
                        struct dsdn_cell cells[DSDN_CELLS_MAX])
{
    const struct dsdn_table *t = &s->tables[table];
    const struct dsdn_table_desc *descs[DSDN_STATE_TABLES_MAX];
    const uint8_t *key = dsdn_row_at(t, row, t->desc->row_size);
    uint8_t value[DSDN_VALUE_MAX];
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < s->table_cnt; i++) descs[i] = s->tables[i].desc;
    const uint8_t *p = value, *end = value + t->desc->encode(s, key, value, NULL);
    dsdn_text_clear(text);
    for (const struct dsdn_column *c = t->desc->columns(); c->name && cnt < DSDN_CELLS_MAX; c++) {
        struct dsdn_cell *cell = &cells[cnt++];
        *cell = (struct dsdn_cell){.at = text->len};
        if (c->key) {
            key_cell(text, c, key, cell);
            key += c->max;
        } else {
            cell_of(text, descs, c, p, cell);
            p += column_len(descs, c, p, end);
        }
        cell->len = text->len - cell->at;
    }
    return cnt;
}

int dsdn_table_named(const struct dsdn_table_desc *const *tables, uint32_t table_cnt, const char *name)
{
    const char *dot = strchr(name, '.');
    int found = -1;
    for (uint32_t i = 0; i < table_cnt; i++) {
        const char *role = tables[i]->role_name;
        if (dot && (strncmp(name, role, (size_t)(dot - name)) != 0 || role[dot - name])) continue;
        if (strcmp(dot ? dot + 1 : name, tables[i]->name) != 0) continue;
        if (found >= 0) return -1; /* two roles have one: say which */
        found = (int)i;
    }
    return found;
}
