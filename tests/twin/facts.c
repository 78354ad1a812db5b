#include "tests/twin/facts.h"

#include <stdio.h>
#include <stdlib.h>

static void *must(void *p)
{
    if (p) return p;
    fprintf(stderr, "twin: no memory\n");
    abort();
}

static void check(bool fine, const char *what)
{
    if (fine) return;
    fprintf(stderr, "twin: %s\n", what);
    abort();
}

struct key key_of(const void *bytes, uint32_t len)
{
    struct key k = {.len = 0};
    key_bytes(&k, bytes, len);
    return k;
}

struct key key_pair(const uint8_t a[32], const uint8_t b[32])
{
    struct key k = key_of(a, 32);
    key_bytes(&k, b, 32);
    return k;
}

void key_bytes(struct key *k, const void *bytes, uint32_t len)
{
    check(len <= FACT_KEY_MAX - k->len, "key too long");
    if (len) memcpy(k->bytes + k->len, bytes, len);
    k->len += len;
}

void key_number(struct key *k, uint64_t number, uint32_t width)
{
    for (uint32_t i = width; i--;) {
        uint8_t byte = (uint8_t)(number >> 8 * i);
        key_bytes(k, &byte, 1);
    }
}

void key_text(struct key *k, const void *text, uint32_t len, uint32_t width)
{
    static const uint8_t zero[FACT_KEY_MAX];
    key_bytes(k, text, len);
    key_bytes(k, zero, width - len);
}

static int key_compare(const struct key *a, const struct key *b)
{
    int order = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

struct fact_table *facts_table(struct facts *f, const char *table)
{
    for (uint32_t i = 0; i < f->table_cnt; i++)
        if (f->tables[i].name == table || strcmp(f->tables[i].name, table) == 0) return &f->tables[i];
    check(f->table_cnt < FACT_TABLES, "too many tables");
    f->tables[f->table_cnt] = (struct fact_table){.name = table};
    return &f->tables[f->table_cnt++];
}

/* Where the key is, or belongs. */
static uint32_t place_of(const struct fact_table *t, const struct key *k)
{
    uint32_t low = 0, high = t->cnt;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (key_compare(&t->rows[middle]->key, k) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct fact *facts_find(struct facts *f, const char *table, const struct key *k)
{
    struct fact_table *t = facts_table(f, table);
    uint32_t at = place_of(t, k);
    return at < t->cnt && key_compare(&t->rows[at]->key, k) == 0 ? t->rows[at] : NULL;
}

struct fact *facts_by_id(struct facts *f, const char *table, const uint8_t id[32])
{
    struct key k = key_of(id, 32);
    return facts_find(f, table, &k);
}

struct fact *facts_by_pair(struct facts *f, const char *table, const uint8_t a[32], const uint8_t b[32])
{
    struct key k = key_pair(a, b);
    return facts_find(f, table, &k);
}

struct fact *facts_make(struct facts *f, const char *table, const struct key *k)
{
    struct fact *row = facts_find(f, table, k);
    if (row) return row;
    struct fact_table *t = facts_table(f, table);
    uint32_t at = place_of(t, k);
    if (t->cnt == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 8;
        t->rows = must(realloc(t->rows, t->cap * sizeof *t->rows));
    }
    row = must(calloc(1, sizeof *row));
    row->key = *k;
    memmove(t->rows + at + 1, t->rows + at, (t->cnt - at) * sizeof *t->rows);
    t->rows[at] = row;
    t->cnt++;
    return row;
}

void fact_clear(struct fact *row)
{
    for (uint32_t i = 0; i < row->value_cnt; i++) free(row->values[i].bytes);
    row->value_cnt = 0;
}

void facts_drop(struct facts *f, const char *table, struct fact *row)
{
    struct fact_table *t = facts_table(f, table);
    uint32_t at = place_of(t, &row->key);
    check(at < t->cnt && t->rows[at] == row, "dropping a row that is not there");
    t->cnt--;
    memmove(t->rows + at, t->rows + at + 1, (t->cnt - at) * sizeof *t->rows);
    fact_clear(row);
    free(row);
}

void facts_free(struct facts *f)
{
    for (uint32_t i = 0; i < f->table_cnt; i++) {
        struct fact_table *t = &f->tables[i];
        for (uint32_t row = 0; row < t->cnt; row++) {
            fact_clear(t->rows[row]);
            free(t->rows[row]);
        }
        free(t->rows);
    }
    *f = (struct facts){.table_cnt = 0};
}

const struct value *fact_value(const struct fact *row, const char *name)
{
    for (uint32_t i = 0; i < row->value_cnt; i++)
        if (row->values[i].name == name || strcmp(row->values[i].name, name) == 0) return &row->values[i];
    return NULL;
}

static struct value *value_of(struct fact *row, const char *name)
{
    const struct value *v = fact_value(row, name);
    if (v) return &row->values[v - row->values];
    check(row->value_cnt < FACT_VALUES, "too many values");
    row->values[row->value_cnt] = (struct value){.name = name};
    return &row->values[row->value_cnt++];
}

uint64_t get(const struct fact *row, const char *name)
{
    const struct value *v = fact_value(row, name);
    return v ? v->number : 0;
}

void set(struct fact *row, const char *name, uint64_t number)
{
    value_of(row, name)->number = number;
}

const uint8_t *get_bytes(const struct fact *row, const char *name)
{
    static const uint8_t zero[32];
    const struct value *v = fact_value(row, name);
    return v && v->len >= 32 ? v->bytes : zero;
}

uint32_t get_len(const struct fact *row, const char *name)
{
    const struct value *v = fact_value(row, name);
    return v ? v->len : 0;
}

void put_bytes(struct fact *row, const char *name, const void *bytes, uint32_t len)
{
    struct value *v = value_of(row, name);
    uint8_t *copy = must(malloc(len + 32u)); /* `bytes` may be this very value */
    if (len) memcpy(copy, bytes, len);
    free(v->bytes);
    v->bytes = copy;
    v->len = len;
}

void set_empty(struct fact *row, const char *name)
{
    struct value *v = value_of(row, name);
    v->len = 0;
}

void set_append(struct fact *row, const char *name, const uint8_t member[32])
{
    struct value *v = value_of(row, name);
    v->bytes = must(realloc(v->bytes, v->len + 32u));
    memcpy(v->bytes + v->len, member, 32);
    v->len += 32;
}

uint32_t set_count(const struct fact *row, const char *name)
{
    return get_len(row, name) / 32;
}
