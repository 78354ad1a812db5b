/* event.h: descriptors of events: what a catalogue knows about each event it declares.
 *
 * A catalogue declares its events once, in a .def file (see log/events.def, and roles/neutral/events.def for
 * a second one).  log/declare_events.h turns that file into structs, decoders and the tables below;
 * everything else (JSON, docs, generator, filter, fuzz targets) walks these tables. */
#ifndef DSDN_LOG_EVENT_H
#define DSDN_LOG_EVENT_H

#include "log/codec.h"
#include "log/error.h"

#define DSDN_EVENT_STRUCT_MAX 1024u /* no decoded event struct is larger: decode buffers live on the stack */

struct dsdn_record_desc;

struct dsdn_field {
    const char *name;
    enum dsdn_kind kind;
    uint16_t offset; /* in the event's struct */
    uint8_t since;   /* event version that introduced it: 1 = always there */
    uint32_t max;    /* argument of the kind: longest length, largest count, largest choice */
    const struct dsdn_record_desc *record; /* of DSDN_K_list */
    const char *doc;
};

/* A named group of fields that lists hold; it decodes and encodes like an event without a frame. */
struct dsdn_record_desc {
    const char *name;
    const struct dsdn_field *(*fields)(void); /* ends with a field whose name is NULL */
    uint16_t struct_size;
    const uint8_t *(*decode)(const uint8_t *p, const uint8_t *end, void *record);
    const char *doc;
};

/* Who may put an event into a bundle, as far as the bundle itself tells: the engine checks it before the
 * reducer (outcome NOT_AUTHORISED); anything finer (owner, operator, member) is the reducer's. */
enum dsdn_author {
    DSDN_AUTHOR_AUTHORITY = 1,
    DSDN_AUTHOR_SIGNED = 2,
    DSDN_AUTHOR_EITHER = 3,
    DSDN_AUTHOR_NONE = 4
};

#define DSDN_EVENT_KEYS_MAX 3u

struct dsdn_event_desc {
    uint16_t type;
    uint8_t version;        /* newest; every version from 1 on decodes and is upcast to the newest struct */
    uint8_t author;         /* enum dsdn_author */
    uint64_t since;         /* first protocol version that enables it, packed by DSDN_PROTOCOL */
    const char *name;       /* "NodeRegistered" */
    const char *id;         /* "node_registered" */
    const char *family;     /* "node" */
    const char *author_doc; /* "operator, counter-signed by the node" */
    const char *doc;
    const struct dsdn_field *(*fields)(void); /* ends with a field whose name is NULL */
    uint16_t struct_size;
    bool (*decode)(const uint8_t *p, const uint8_t *end, uint8_t version, void *event);
    const char *rows; /* for the reference docs: which rows it uses and may add */
};

/* Protocol versions as one number, ordered like the version. */
#define DSDN_PROTOCOL(major, minor, patch)                                                                   \
    ((uint64_t)(major) << 32 | (uint64_t)(minor) << 16 | (uint64_t)(patch))

/* Types index a two-level table: 32 families of 64. */
#define DSDN_TYPE_SLOTS      2048u
#define DSDN_TYPE_SLOT(type) (((uint32_t)(type) >> 8) << 6 | ((uint32_t)(type)&63u))

struct dsdn_event_table {
    const char *name; /* of the catalogue */
    const struct dsdn_event_desc *events;
    uint32_t event_cnt;
    const uint16_t *by_slot; /* DSDN_TYPE_SLOTS entries: index + 1, or 0 */
};

/* dsdn_event_find returns the index of a type, or -1. */
static inline int dsdn_event_find(const struct dsdn_event_table *t, uint16_t type)
{
    if (type >> 8 >= DSDN_TYPE_SLOTS / 64 || (type & 0xff) >= 64) return -1;
    return (int)t->by_slot[DSDN_TYPE_SLOT(type)] - 1;
}

/* dsdn_event_named returns the index of a CamelCase or snake_case name, or -1. */
int dsdn_event_named(const struct dsdn_event_table *t, const char *name);

/* dsdn_event_decode decodes a payload of any version 1..newest into *event (struct_size bytes, at most
 * DSDN_EVENT_STRUCT_MAX), upcast to the newest version.  MALFORMED when it is not canonical. */
int dsdn_event_decode(const struct dsdn_event_desc *desc, uint8_t version, const uint8_t *payload,
                      uint32_t len, void *event, struct dsdn_error *error);

/* dsdn_event_encode writes the canonical payload of *event as `version`.  Fields of later versions are
 * dropped. Checks bounds as the decoder does.  *len is the length; TOO_LARGE when cap is too small. */
int dsdn_event_encode(const struct dsdn_event_desc *desc, uint8_t version, const void *event, uint8_t *out,
                      size_t cap, uint32_t *len, struct dsdn_error *error);

/* dsdn_fields_encode is the same for the fields of an event or record; returns the end, or NULL when
 * something is out of bounds or does not fit (*bad names the field). */
uint8_t *dsdn_fields_encode(const struct dsdn_field *fields, uint8_t version, const void *from, uint8_t *out,
                            const uint8_t *end, const char **bad);

#endif
