/* declare_reducers.h: the dispatch table of a catalogue.  Include it in one .c file, after the event list,
 * the table lists and, for every event, `dsdn_outcome PREFIX_reduce_ID(struct dsdn_context *, const struct
 * PREFIX_ev_ID *)` are declared, with DSDN_EVENTS_DEF and DSDN_EVENTS_PREFIX defined as for declare_events.h,
 * and DSDN_TABLE_NUMBER(name) giving the number of a table.  Makes `static const struct dsdn_reducer
 * PREFIX_reducers[]`.  An event without a reducer does not link. */

#include "statemachine/catalogue.h"

#define DSDN_EV(kind, name) DSDN_PASTE(DSDN_EVENTS_PREFIX, kind, name)

#define RECORD(name, doc)
#define END_RECORD(name)
#define FIELD(kind, name, max, doc)
#define FIELD_SINCE(since, kind, name, max, doc)
#define LIST(record, name, max, doc)

/* Strict decoding and key hashes; then decoding and reducing.  The compiler drops what is not used of the
 * first. */
#define EVENT(type, ver, id, title, family, author, author_doc, since_v, doc)                                \
    static bool DSDN_PASTE(prepare_, id, _op)(struct dsdn_op *op, uint64_t seed)                             \
    {                                                                                                        \
        struct DSDN_EV(_ev_, id) e;                                                                          \
        if (!DSDN_EV(_decode_, id)(op->payload, op->payload + op->len, op->version, &e)) return false;       \
        uint32_t n = 0;                                                                                      \
        (void)seed;
#define TOUCH(table_name, field)                                                                             \
        op->table[n] = (uint8_t)DSDN_TABLE_NUMBER(table_name);                                               \
        op->hash[n++] = dsdn_key_hash(seed, e.field, 32);
#define TOUCH2(table_name, field, other)                                                                     \
        op->table[n] = (uint8_t)DSDN_TABLE_NUMBER(table_name);                                               \
        op->hash[n++] = dsdn_key_hash_pair(seed, e.field, e.other);
#define INSERTS(table, rows)
#define SIGNED_BY(field, signer)
#define END_EVENT(id)                                                                                        \
        op->touches = (uint8_t)n;                                                                            \
        return true;                                                                                         \
    }                                                                                                        \
    static dsdn_outcome DSDN_PASTE(apply_, id, _op)(struct dsdn_context * c, const uint8_t *payload,         \
                                                    uint32_t len, uint8_t version)                           \
    {                                                                                                        \
        struct DSDN_EV(_ev_, id) e;                                                                          \
        if (!DSDN_EV(_decode_, id)(payload, payload + len, version, &e))                                     \
            return DSDN_OUTCOME(DSDN_OUTCOME_CONFLICT, 0); /* cannot be: prepare decoded the same bytes */   \
        return DSDN_EV(_reduce_, id)(c, &e);                                                                 \
    }
#include DSDN_EVENTS_DEF
#undef EVENT
#undef TOUCH
#undef TOUCH2
#undef INSERTS
#undef SIGNED_BY
#undef END_EVENT

/* Touched tables and reservations, one constant array per event, ended by 0xFF. */
#define EVENT(type, ver, id, title, family, author, author_doc, since_v, doc)                                \
    enum { DSDN_PASTE(touches_of_, id, _) = 0
#define TOUCH(table, field)         +1
#define TOUCH2(table, field, other) +1
#define INSERTS(table, rows)
#define SIGNED_BY(field, signer)
#define END_EVENT(id) };
#include DSDN_EVENTS_DEF
#undef EVENT
#undef TOUCH
#undef TOUCH2
#undef INSERTS
#undef SIGNED_BY
#undef END_EVENT

#define EVENT(type, ver, id, title, family, author, author_doc, since_v, doc)                                \
    enum { DSDN_PASTE(inserts_of_, id, _) = 0
#define TOUCH(table, field)
#define TOUCH2(table, field, other)
#define INSERTS(table, rows) +1
#define SIGNED_BY(field, signer)
#define END_EVENT(id) };
#include DSDN_EVENTS_DEF
#undef EVENT
#undef INSERTS
#undef SIGNED_BY
#undef END_EVENT

#define EVENT(type, ver, id, title, family, author, author_doc, since_v, doc)                                \
    static const struct dsdn_insert DSDN_PASTE(insert_rows_, id, _)[] = {
#define INSERTS(table, rows) {(uint8_t)DSDN_TABLE_NUMBER(table), (rows)},
#define SIGNED_BY(field, signer)
#define END_EVENT(id) {0, 0}};
#include DSDN_EVENTS_DEF
#undef EVENT
#undef TOUCH
#undef TOUCH2
#undef INSERTS
#undef SIGNED_BY
#undef END_EVENT

#define EVENT(type, ver, id, title, family, author, author_doc, since_v, doc)                                \
    _Static_assert(DSDN_PASTE(touches_of_, id, _) <= DSDN_EVENT_KEYS_MAX, "too many TOUCH lines");           \
    _Static_assert(DSDN_PASTE(inserts_of_, id, _) <= 255, "too many INSERTS lines");
#define TOUCH(table, field)
#define TOUCH2(table, field, other)
#define INSERTS(table, rows)
#define SIGNED_BY(field, signer)
#define END_EVENT(id)
#include DSDN_EVENTS_DEF
#undef EVENT
#undef SIGNED_BY
#undef END_EVENT

/* Where the signature of a SIGNED_BY line stands.  One line an event. */
#define EVENT(type, ver, id, title, family, author, author_doc, since_v, doc)                                \
    enum { DSDN_PASTE(signed_of_, id, _) = 0
#define SIGNED_BY(field, signer) +1
#define END_EVENT(id) };
#include DSDN_EVENTS_DEF
#undef EVENT
#undef SIGNED_BY
#undef END_EVENT

#define EVENT(type, ver, id, title, family, author, author_doc, since_v, doc)                                \
    static inline bool DSDN_PASTE(embedded_, id, _op)(const uint8_t *payload, uint32_t len, uint8_t version, \
                                                      struct dsdn_embedded *out)                             \
    {                                                                                                        \
        struct DSDN_EV(_ev_, id) e;                                                                          \
        if (!DSDN_PASTE(signed_of_, id, _) ||                                                                \
            !DSDN_EV(_decode_, id)(payload, payload + len, version, &e))                                     \
            return false;
#define SIGNED_BY(field_name, signer)                                                                        \
        *out = (struct dsdn_embedded){#field_name, e.signer, e.field_name};
#define END_EVENT(id)                                                                                        \
        (void)out;                                                                                           \
        return true;                                                                                         \
    }                                                                                                        \
    _Static_assert(DSDN_PASTE(signed_of_, id, _) <= 1, "one SIGNED_BY line at most");
#include DSDN_EVENTS_DEF
#undef EVENT
#undef SIGNED_BY
#undef END_EVENT
#define SIGNED_BY(field, signer)
#define END_EVENT(id)

#define EVENT(type, ver, id, title, family, author, author_doc, since_v, doc)                                \
    {DSDN_PASTE(prepare_, id, _op), DSDN_PASTE(apply_, id, _op),                                             \
     DSDN_PASTE(inserts_of_, id, _), DSDN_PASTE(insert_rows_, id, _),                                        \
     DSDN_PASTE(signed_of_, id, _) ? DSDN_PASTE(embedded_, id, _op) : NULL},
static const struct dsdn_reducer DSDN_PASTE(DSDN_EVENTS_PREFIX, _, reducers)[] = {
#include DSDN_EVENTS_DEF
};
#undef EVENT
#undef RECORD
#undef END_RECORD
#undef FIELD
#undef FIELD_SINCE
#undef LIST
#undef TOUCH
#undef TOUCH2
#undef INSERTS
#undef SIGNED_BY
#undef END_EVENT
#undef DSDN_EV
