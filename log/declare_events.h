/* declare_events.h: turns an event list into code.  Include it after defining
 *
 *     DSDN_EVENTS_DEF     "log/events.def": the list
 *     DSDN_EVENTS_PREFIX  dsdn: what the generated names begin with
 *     DSDN_EVENTS_DEFINE  only in the one .c file that holds the descriptor tables
 *
 * It makes, for every RECORD and EVENT of the list, `struct PREFIX_rec_NAME` / `struct PREFIX_ev_NAME`, and
 * the inline decoders PREFIX_get_NAME / PREFIX_decode_NAME; the enum PREFIX_EVENT_NAME (dense index); and
 * with DSDN_EVENTS_DEFINE `const struct dsdn_event_table PREFIX_event_table`.
 *
 * The list is written with
 *     RECORD(name, doc) FIELD... END_RECORD(name)
 *     EVENT(type, version, id, Name, family, author, author_doc, since, doc)
 *         FIELD(kind, name, argument, doc)
 *         FIELD_SINCE(version, kind, name, argument, doc)   appended by a later version of the event
 *         LIST(record, name, max, doc)
 *         TOUCH(table, field) TOUCH2(table, field, field)   a row this event will read or write, by its key
 *         INSERTS(table, rows)                              how many rows of a table its reducer may add
 *         SIGNED_BY(field, signer)                          embedded signature `field` is by key field `signer`; it
 *                                                           is checked before reducing, beside other batches
 *     END_EVENT(id)
 *
 * No include guard: one translation unit may declare two catalogues. */

#include "log/event.h"

#ifndef DSDN_PASTE
#define DSDN_PASTE_(a, b, c) a##b##c
#define DSDN_PASTE(a, b, c)  DSDN_PASTE_(a, b, c)
#define DSDN_STRING_(a)      #a
#define DSDN_STRING(a)       DSDN_STRING_(a)
#endif
#define DSDN_EV(kind, name) DSDN_PASTE(DSDN_EVENTS_PREFIX, kind, name)

/* Pass 1: structs. */
#define RECORD(name, doc)                                                        struct DSDN_EV(_rec_, name) {
#define END_RECORD(name)                                                          };
#define EVENT(type, version, id, title, family, author, author_doc, since_v, doc) struct DSDN_EV(_ev_, id) {
#define FIELD(kind, name, max, doc)                                               DSDN_C_##kind name;
#define FIELD_SINCE(since, kind, name, max, doc)                                  DSDN_C_##kind name;
#define LIST(record, name, max, doc)                                              struct dsdn_list name;
#define TOUCH(table, field)
#define TOUCH2(table, field, other)
#define INSERTS(table, rows)
#define SIGNED_BY(field, signer)
#define END_EVENT(id)                                                             };
#include DSDN_EVENTS_DEF
#undef RECORD
#undef END_RECORD
#undef EVENT
#undef FIELD
#undef FIELD_SINCE
#undef LIST
#undef END_EVENT

/* Pass 2: dense indexes. */
enum {
#define RECORD(name, doc)
#define END_RECORD(name)
#define EVENT(type, version, id, title, family, author, author_doc, since_v, doc) DSDN_EV(_EVENT_, id),
#define FIELD(kind, name, max, doc)
#define FIELD_SINCE(since, kind, name, max, doc)
#define LIST(record, name, max, doc)
#define END_EVENT(id)
#include DSDN_EVENTS_DEF
    DSDN_EV(_EVENT_, CNT)
};
#undef RECORD
#undef END_RECORD
#undef EVENT
#undef FIELD
#undef FIELD_SINCE
#undef LIST
#undef END_EVENT

/* Pass 3: decoders. */
#define RECORD(name, doc)                                                                                    \
    static inline const uint8_t *DSDN_EV(_get_, name)(const uint8_t *p, const uint8_t *end,                  \
                                                      struct DSDN_EV(_rec_, name) * e)                       \
    {
#define END_RECORD(name)                                                                                     \
        return p;                                                                                            \
    }
#define EVENT(type, ver, id, title, family, author, author_doc, since_v, doc)                                \
    static inline bool DSDN_EV(_decode_, id)(const uint8_t *p, const uint8_t *end, uint8_t version,          \
                                             struct DSDN_EV(_ev_, id) * e)                                   \
    {                                                                                                        \
        (void)version;
#define FIELD(kind, name, max, doc)                                                                          \
        if (!(p = dsdn_get_##kind(p, end, &e->name, (max)))) return 0;
#define FIELD_SINCE(since, kind, name, max, doc)                                                             \
        if (version < (since)) /* absent: zero, and -1 for opt_u8 */                                         \
            memset(&e->name, DSDN_K_##kind == DSDN_K_opt_u8 ? 0xff : 0, sizeof e->name);                     \
        else if (!(p = dsdn_get_##kind(p, end, &e->name, (max)))) return 0;
#define LIST(record, name, max, doc)                                                                         \
        {                                                                                                    \
            struct DSDN_EV(_rec_, record) item;                                                              \
            if (!(p = dsdn_varint_get(p, end, &e->name.count)) || e->name.count > (max)) return 0;           \
            e->name.items = p;                                                                               \
            for (uint32_t i = 0; i < e->name.count; i++)                                                     \
                if (!(p = DSDN_EV(_get_, record)(p, end, &item))) return 0;                                  \
            e->name.len = (uint32_t)(p - e->name.items);                                                     \
        }
#define END_EVENT(id)                                                                                        \
        return p == end;                                                                                     \
    }
#include DSDN_EVENTS_DEF
#undef RECORD
#undef END_RECORD
#undef EVENT
#undef FIELD
#undef FIELD_SINCE
#undef LIST
#undef END_EVENT

extern const struct dsdn_event_table DSDN_EV(_event_, table);

#ifdef DSDN_EVENTS_DEFINE
/* Pass 4: decoders behind one signature, and field tables.  A table is local to a function so that `self` can
 * name the struct whose offsets it holds. */
#define DSDN_FIELDS_BEGIN(kind, name)                                                                        \
    static const struct dsdn_field *DSDN_PASTE(fields, kind, name)(void)                                     \
    {                                                                                                        \
        typedef struct DSDN_EV(kind, name) self;                                                             \
        static const struct dsdn_field list[] = {
#define DSDN_FIELDS_END                                                                                      \
            {NULL, DSDN_K_u8, 0, 0, 0, NULL, NULL}};                                                         \
        return list;                                                                                         \
    }
#define RECORD(name, doc)                                                                                    \
    static const uint8_t *DSDN_PASTE(get_, name, _any)(const uint8_t *p, const uint8_t *end, void *e)        \
    {                                                                                                        \
        return DSDN_EV(_get_, name)(p, end, e);                                                              \
    }                                                                                                        \
    static const char DSDN_PASTE(doc_, name, _rec)[] = doc;                                                  \
    DSDN_FIELDS_BEGIN(_rec_, name)
#define END_RECORD(name)                                                                                     \
    DSDN_FIELDS_END                                                                                          \
    static const struct dsdn_record_desc DSDN_PASTE(record_, name, _desc) = {                                \
        #name, DSDN_PASTE(fields, _rec_, name), sizeof(struct DSDN_EV(_rec_, name)),                         \
        DSDN_PASTE(get_, name, _any), DSDN_PASTE(doc_, name, _rec)};
#define EVENT(type, ver, id, title, family, author, author_doc, since_v, doc)                                \
    static bool DSDN_PASTE(decode_, id, _any)(const uint8_t *p, const uint8_t *end, uint8_t version,         \
                                              void *e)                                                       \
    {                                                                                                        \
        return DSDN_EV(_decode_, id)(p, end, version, e);                                                    \
    }                                                                                                        \
    _Static_assert(sizeof(struct DSDN_EV(_ev_, id)) <= DSDN_EVENT_STRUCT_MAX, "event struct too large");     \
    _Static_assert((type) >> 8 < DSDN_TYPE_SLOTS / 64 && ((type)&0xff) < 64, "type outside the slot table"); \
    DSDN_FIELDS_BEGIN(_ev_, id)
#define FIELD(kind, name, max, doc) {#name, DSDN_K_##kind, offsetof(self, name), 1, (max), NULL, doc},
#define FIELD_SINCE(since, kind, name, max, doc)                                                             \
    {#name, DSDN_K_##kind, offsetof(self, name), (since), (max), NULL, doc},
#define LIST(record, name, max, doc)                                                                         \
    {#name, DSDN_K_list, offsetof(self, name), 1, (max), &DSDN_PASTE(record_, record, _desc), doc},
#define END_EVENT(id) DSDN_FIELDS_END
#include DSDN_EVENTS_DEF
#undef RECORD
#undef END_RECORD
#undef EVENT
#undef FIELD
#undef FIELD_SINCE
#undef LIST
#undef TOUCH
#undef TOUCH2
#undef INSERTS
#undef SIGNED_BY
#undef END_EVENT

/* Pass 5: the tables themselves. */
#define RECORD(name, doc)
#define END_RECORD(name)
#define FIELD(kind, name, max, doc)
#define FIELD_SINCE(since, kind, name, max, doc)
#define LIST(record, name, max, doc)
#define EVENT(type, ver, id, title, family, author, author_doc, since_v, doc)                                \
    {(type), (ver), (author), (since_v), #title, #id, #family, author_doc, doc,                              \
     DSDN_PASTE(fields, _ev_, id), sizeof(struct DSDN_EV(_ev_, id)), DSDN_PASTE(decode_, id, _any), ""
#define TOUCH(table, field)         "uses `" #table "` at `" #field "`; "
#define TOUCH2(table, field, other) "uses `" #table "` at (`" #field "`, `" #other "`); "
#define INSERTS(table, rows)        "may add " #rows " to `" #table "`; "
#define SIGNED_BY(field, signer)    "`" #field "` is verified ahead under `" #signer "`; "
#define END_EVENT(id)               },
static const struct dsdn_event_desc DSDN_EV(_event_, list)[] = {
#include DSDN_EVENTS_DEF
};
#undef EVENT
#undef TOUCH
#undef TOUCH2
#undef INSERTS
#undef SIGNED_BY
#undef END_EVENT
#define TOUCH(table, field)
#define TOUCH2(table, field, other)
#define INSERTS(table, rows)
#define SIGNED_BY(field, signer)
#define END_EVENT(id)
#define EVENT(type, ver, id, title, family, author, author_doc, since_v, doc)                                \
    [DSDN_TYPE_SLOT(type)] = DSDN_EV(_EVENT_, id) + 1,
static const uint16_t DSDN_EV(_event_, slots)[DSDN_TYPE_SLOTS] = {
#include DSDN_EVENTS_DEF
};
const struct dsdn_event_table DSDN_EV(_event_, table) = {
    DSDN_STRING(DSDN_EVENTS_PREFIX), DSDN_EV(_event_, list), DSDN_EV(_EVENT_, CNT), DSDN_EV(_event_, slots)};
#undef RECORD
#undef END_RECORD
#undef EVENT
#undef FIELD
#undef FIELD_SINCE
#undef LIST
#undef END_EVENT
#undef DSDN_FIELDS_BEGIN
#undef DSDN_FIELDS_END
#endif

#undef TOUCH
#undef TOUCH2
#undef INSERTS
#undef SIGNED_BY
#undef DSDN_EV
