#include "apps/replay/events.h"

#include <time.h>

void event_show(struct shown *e, const struct dsdn_catalogue *catalogue, const struct dsdn_prepared *batch,
                uint32_t op, uint64_t first)
{
    static const uint8_t nobody[32];
    const struct dsdn_op *o = &batch->ops[op];
    *e = (struct shown){.catalogue = catalogue, .batch = batch, .ordinal = first + op};
    dsdn_prepared_position(batch, op, &e->bundle, &e->index);
    const struct dsdn_bundle *bundle = &batch->bundles[e->bundle].bundle;
    e->desc = &catalogue->events->events[o->event];
    e->seen = (struct dsdn_filter_event){
        .seq = batch->batch.header.sequence,
        .index = op,
        .time_ms = batch->batch.header.time_ms,
        .event = o->event,
        .version = o->version,
        .len = o->len,
        .payload = o->payload,
        .author = bundle->kind == DSDN_BUNDLE_AUTHORITY ? nobody : bundle->author,
        .outcome = DSDN_OUTCOME_NUMBER(batch->outcomes[op]),
        .code = DSDN_OUTCOME_CODE(batch->outcomes[op]),
    };
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_decimal(struct dsdn_text *t, const char *key, uint64_t value)
{
    dsdn_text_key(t, key);
    dsdn_text_decimal(t, value, false);
}

static void put_number(struct dsdn_text *t, const char *key, uint64_t value)
{
    dsdn_text_key(t, key);
    dsdn_text_u64(t, value);
}

static void put_string(struct dsdn_text *t, const char *key, const char *value)
{
    dsdn_text_key(t, key);
    dsdn_text_string(t, value);
}

int event_json(struct dsdn_text *t, const struct shown *e, struct dsdn_error *error)
{
    put_decimal(t, "seq", e->seen.seq);
    put_number(t, "bundle", e->bundle);
    put_number(t, "event", e->index);
    put_number(t, "index", e->seen.index);
    put_decimal(t, "ordinal", e->ordinal);
    put_decimal(t, "time_ms", e->seen.time_ms);
    put_string(t, "type", e->desc->name);
    put_string(t, "family", e->desc->family);
    put_number(t, "version", e->seen.version);
    dsdn_text_key(t, "author");
    if (dsdn_zero32(e->seen.author))
        dsdn_text_string(t, "authority");
    else
        dsdn_text_hex(t, e->seen.author, 32);
    put_string(t, "outcome", dsdn_outcome_name((uint8_t)e->seen.outcome));
    dsdn_text_key(t, "code");
    if (e->seen.code)
        dsdn_text_string(t, dsdn_code_name(e->catalogue, e->seen.code));
    else
        dsdn_text_null(t);
    dsdn_text_key(t, "payload");
    return dsdn_json_write_payload(t, e->desc, e->seen.version, e->seen.payload, e->seen.len, error);
}

/* ---- cells ----------------------------------------------------------------------------------- */

const struct field event_table_fields[EVENT_TABLE_FIELDS] = {
    {"place", FIELD_TEXT, false, 16},  {"time", FIELD_TEXT, false, 24},    {"type", FIELD_TEXT, false, 24},
    {"author", FIELD_TEXT, false, 16}, {"outcome", FIELD_TEXT, false, 24}, {"payload", FIELD_TEXT, false, 0},
};

const struct field event_fields[EVENT_FIELDS] = {
    {"seq", FIELD_LONG, true, 0},     {"bundle", FIELD_NUMBER, true, 0},  {"event", FIELD_NUMBER, true, 0},
    {"index", FIELD_NUMBER, false, 0}, {"ordinal", FIELD_LONG, false, 0}, {"time_ms", FIELD_LONG, false, 0},
    {"type", FIELD_TEXT, false, 0},   {"family", FIELD_TEXT, false, 0},   {"version", FIELD_NUMBER, false, 0},
    {"author", FIELD_TEXT, false, 0}, {"outcome", FIELD_TEXT, false, 0},  {"code", FIELD_TEXT, false, 0},
    {"payload", FIELD_TEXT, false, 0},
};

static void format_time(uint64_t ms, char *out, size_t cap)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char text[40];
    if (ms / 1000 > 253402300799u || !gmtime_r(&seconds, &tm) ||
        !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm))
        snprintf(out, cap, "%llums", (unsigned long long)ms);
    else
        snprintf(out, cap, "%s.%03uZ", text, (unsigned)(ms % 1000));
}

static struct dsdn_cell number(uint64_t value)
{
    return (struct dsdn_cell){.kind = DSDN_CELL_NUMBER, .number = value};
}

static struct dsdn_cell string(struct dsdn_text *text, const char *value)
{
    struct dsdn_cell cell = {.kind = DSDN_CELL_TEXT, .at = text->len, .len = strlen(value)};
    dsdn_text_put(text, value, cell.len);
    return cell;
}

static int payload(struct dsdn_text *text, const struct shown *e, struct dsdn_cell *cell,
                   struct dsdn_error *error)
{
    *cell = (struct dsdn_cell){.kind = DSDN_CELL_JSON, .at = text->len};
    text->comma = text->after_key = false; /* a document of its own */
    int rc = dsdn_json_write_payload(text, e->desc, e->seen.version, e->seen.payload, e->seen.len, error);
    cell->len = text->len - cell->at;
    return rc;
}

static struct dsdn_cell author(struct dsdn_text *text, const struct shown *e)
{
    char hex[65];
    if (dsdn_zero32(e->seen.author)) return string(text, "authority");
    dsdn_hex_encode(e->seen.author, 32, hex);
    struct dsdn_cell cell = string(text, hex);
    cell.kind = DSDN_CELL_HEX;
    return cell;
}

static int cells_for_people(struct dsdn_text *text, const struct shown *e, struct dsdn_cell *cells,
                            struct dsdn_error *error)
{
    char word[128];
    snprintf(word, sizeof word, "%llu.%u.%u", (unsigned long long)e->seen.seq, e->bundle, e->index);
    cells[0] = string(text, word);
    format_time(e->seen.time_ms, word, sizeof word);
    cells[1] = string(text, word);
    cells[2] = string(text, e->desc->name);
    cells[3] = author(text, e);
    snprintf(word, sizeof word, "%s%s%s", dsdn_outcome_name((uint8_t)e->seen.outcome), e->seen.code ? ":" : "",
             e->seen.code ? dsdn_code_name(e->catalogue, e->seen.code) : "");
    cells[4] = string(text, word);
    return payload(text, e, &cells[5], error);
}

int event_cells(struct dsdn_text *text, const struct shown *e, bool people, struct dsdn_cell *cells,
                struct dsdn_error *error)
{
    dsdn_text_clear(text);
    if (people) return cells_for_people(text, e, cells, error);
    cells[0] = number(e->seen.seq);
    cells[1] = number(e->bundle);
    cells[2] = number(e->index);
    cells[3] = number(e->seen.index);
    cells[4] = number(e->ordinal);
    cells[5] = number(e->seen.time_ms);
    cells[6] = string(text, e->desc->name);
    cells[7] = string(text, e->desc->family);
    cells[8] = number(e->seen.version);
    cells[9] = author(text, e);
    cells[10] = string(text, dsdn_outcome_name((uint8_t)e->seen.outcome));
    cells[11] = e->seen.code ? string(text, dsdn_code_name(e->catalogue, e->seen.code)) : (struct dsdn_cell){0};
    return payload(text, e, &cells[12], error);
}
