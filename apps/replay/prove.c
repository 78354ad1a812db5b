/* prove.c: `prove`: a proof of one row, or of its absence, and its check. */
#include "apps/replay/commands.h"
#include "apps/replay/output.h"
#include "apps/replay/session.h"

#include "statemachine/proof.h"
#include "statemachine/row_json.h"
#include "roles/dsdn.h"
#include "roles/neutral/neutral.h"

#include <errno.h>
#include <stdlib.h>

#define DOCUMENT_MAX ((size_t)1 << 20)

/* ---- what a proof says ----------------------------------------------------------------------- */

/* All tables that a catalogue has, by number. */
struct tables {
    const struct dsdn_table_desc *list[DSDN_STATE_TABLES_MAX];
    uint32_t cnt;
};

static void tables_of(struct tables *t, const struct dsdn_catalogue *catalogue)
{
    t->cnt = 0;
    for (uint32_t i = 0; i < DSDN_SYSTEM_TABLES; i++) t->list[t->cnt++] = &dsdn_sys_tables[i];
    for (uint32_t i = 0; i < catalogue->table_cnt && t->cnt < DSDN_STATE_TABLES_MAX; i++)
        t->list[t->cnt++] = &catalogue->tables[i];
}

static int table_by_id(const struct tables *t, uint16_t id, uint16_t role)
{
    for (uint32_t i = 0; i < t->cnt; i++)
        if (t->list[i]->id == id && t->list[i]->role == role) return (int)i;
    return -1;
}

static void put_hex(struct dsdn_text *t, const char *key, const uint8_t *bytes, size_t len)
{
    dsdn_text_key(t, key);
    dsdn_text_hex(t, bytes, len);
}

/* One JSON object on stdout.  A proof does not name its network's catalogue; the tables of either are told
 * apart by id. */
static int show(const struct dsdn_proof *p, struct dsdn_error *error)
{
    static const struct dsdn_catalogue *const catalogues[] = {&dsdn_catalogue, &neutral_catalogue};
    struct tables tables;
    struct dsdn_text text, *t = &text;
    int number = -1, rc = DSDN_OK;
    for (size_t i = 0; i < 2 && number < 0; i++) {
        tables_of(&tables, catalogues[i]);
        number = table_by_id(&tables, p->table, p->role);
        if (number >= 0 && tables.list[number]->key_len != p->key_len) number = -1;
    }
    dsdn_text_init(t, DOCUMENT_MAX, 0);
    dsdn_text_open(t, '{');
    put_hex(t, "root", p->root, 32);
    put_hex(t, "genesis", p->head.genesis, 32);
    dsdn_text_key(t, "seq");
    if (p->head.sequence)
        dsdn_text_u64(t, p->head.sequence - 1);
    else
        dsdn_text_null(t);
    dsdn_text_key(t, "time_ms");
    dsdn_text_u64(t, p->head.time_ms);
    dsdn_text_key(t, "table");
    if (number >= 0)
        dsdn_text_string(t, tables.list[number]->name);
    else
        dsdn_text_u64(t, p->table);
    dsdn_text_key(t, "present");
    dsdn_text_bool(t, p->present);
    put_hex(t, "key", p->key, p->key_len);
    dsdn_text_key(t, "row");
    if (p->present && number >= 0)
        rc = dsdn_value_json(t, tables.list, (uint32_t)number, p->key, p->value, p->value_len, error);
    else
        dsdn_text_null(t);
    dsdn_text_close(t, '}');
    dsdn_text_line(t);
    if (!rc) rc = dsdn_text_status(t, error);
    if (!rc && fwrite(t->bytes, 1, t->len, stdout) != t->len)
        rc = dsdn_fail_errno(error, errno, "cannot write to standard output");
    dsdn_text_free(t);
    return rc;
}

/* ---- check ----------------------------------------------------------------------------------- */

static int check(const struct options *o, struct dsdn_error *error)
{
    uint8_t root[32], *bytes;
    size_t len;
    struct dsdn_proof proof;
    if (!o->root || o->argument_cnt || o->output || o->table || o->key || o->at)
        return dsdn_fail(error, DSDN_E_USAGE, "prove --check FILE goes with --root HEX and nothing else");
    int rc = options_hex32("root", o->root, root, error);
    if (!rc) rc = dsdn_io_read_file(&dsdn_io_system, o->check, DSDN_PROOF_MAX, &bytes, &len, error);
    if (rc) return rc;
    rc = dsdn_proof_check(bytes, len, root, &proof, error);
    if (rc)
        dsdn_error_at(error, o->check, DSDN_NO_OFFSET);
    else
        rc = show(&proof, error);
    free(bytes);
    return rc;
}

/* ---- make ------------------------------------------------------------------------------------ */

static int make(const struct options *o, struct dsdn_error *error)
{
    struct input input;
    struct session session = {0};
    struct dsdn_buffer bytes = {0};
    struct dsdn_proof proof;
    struct output out;
    uint8_t key[DSDN_KEY_MAX];
    uint32_t table = 0;
    if (!o->argument_cnt || !o->table || !o->key || !o->output)
        return dsdn_fail(error, DSDN_E_USAGE,
                         "prove wants SOURCE, --table, --key and -o FILE (or --check FILE --root HEX)");
    int rc = output_taken(o->output, o->force, error);
    if (!rc) rc = session_open(&session, &input, o, "replaying", error);
    if (rc) return rc;
    rc = session_row(&session, o, &table, key, error);
    if (!rc) rc = dsdn_proof_make(session.engine, table, key, options_jobs(o) > 1 ? 2 : 1, &bytes, error);
    if (!rc) rc = dsdn_proof_check(bytes.bytes, bytes.len, NULL, &proof, error);
    if (!rc) rc = output_open(&out, o->output, o->force, error);
    if (!rc) {
        rc = output_write(&out, bytes.bytes, bytes.len, error);
        rc = output_close(&out, rc, error);
    }
    if (!rc && strcmp(o->output, "-") != 0) rc = show(&proof, error);
    dsdn_buffer_free(&bytes);
    session_end(&session);
    input_close(&input);
    return rc;
}

int command_prove(const struct options *options, struct dsdn_error *error)
{
    return options->check ? check(options, error) : make(options, error);
}
