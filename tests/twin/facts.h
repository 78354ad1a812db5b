/* facts.h: a store of facts, as simple as can be: tables by name, rows in order of their keys, values by
 * name.
 *
 * A value is a number or a string of bytes; a set of keys is its members one behind the other, ascending; a
 * value that nobody set is 0, or empty.  Nothing is kept twice and nothing is indexed: whoever wants to know
 * something looks through the rows.  Running out of memory ends the program: this serves tests only. */
#ifndef DSDN_TESTS_TWIN_FACTS_H
#define DSDN_TESTS_TWIN_FACTS_H

#include "log/base.h"

enum { FACT_KEY_MAX = 96, FACT_VALUES = 28, FACT_TABLES = 40 };

/* The bytes of a key, built up piece by piece. */
struct key {
    uint8_t bytes[FACT_KEY_MAX];
    uint32_t len;
};

struct value {
    const char *name; /* of static storage */
    uint64_t number;
    uint8_t *bytes; /* owned; NULL for a number */
    uint32_t len;
};

struct fact {
    struct key key;
    struct value values[FACT_VALUES];
    uint32_t value_cnt;
};

struct fact_table {
    const char *name;
    struct fact **rows; /* in order of their keys */
    uint32_t cnt, cap;
};

struct facts {
    struct fact_table tables[FACT_TABLES];
    uint32_t table_cnt;
};

void facts_free(struct facts *f);

/* key_of is a key of these bytes; key_number and key_bytes append to it, key_text pads with zero bytes. */
struct key key_of(const void *bytes, uint32_t len);
struct key key_pair(const uint8_t a[32], const uint8_t b[32]);
void key_number(struct key *k, uint64_t number, uint32_t width);
void key_bytes(struct key *k, const void *bytes, uint32_t len);
void key_text(struct key *k, const void *text, uint32_t len, uint32_t width);

/* The table of a name, empty when nothing was put there. */
struct fact_table *facts_table(struct facts *f, const char *table);
/* The row of a key, or NULL. */
struct fact *facts_find(struct facts *f, const char *table, const struct key *k);
struct fact *facts_by_id(struct facts *f, const char *table, const uint8_t id[32]);
struct fact *facts_by_pair(struct facts *f, const char *table, const uint8_t a[32], const uint8_t b[32]);
/* The row of a key, made if need be. */
struct fact *facts_make(struct facts *f, const char *table, const struct key *k);
void facts_drop(struct facts *f, const char *table, struct fact *row);

/* Values of a row. */
uint64_t get(const struct fact *row, const char *name);
void set(struct fact *row, const char *name, uint64_t number);
/* At least 32 bytes: zeros when the value is shorter. */
const uint8_t *get_bytes(const struct fact *row, const char *name);
uint32_t get_len(const struct fact *row, const char *name);
void put_bytes(struct fact *row, const char *name, const void *bytes, uint32_t len);
/* Every value is unset. */
void fact_clear(struct fact *row);
const struct value *fact_value(const struct fact *row, const char *name);

/* Sets of 32-byte keys. */
void set_empty(struct fact *row, const char *name);
void set_append(struct fact *row, const char *name, const uint8_t member[32]); /* in ascending order */
uint32_t set_count(const struct fact *row, const char *name);

static inline bool same(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, 32) == 0;
}

#endif
