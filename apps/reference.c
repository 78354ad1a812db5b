/* reference.c: prints the reference documents of docs/reference/ from the tables that the programs themselves
 * run on, so that a document cannot say something else than the code.  scripts/reference writes the files;
 * the test check_reference fails when one of them is not what this program prints.
 *
 *     dsdn-reference NAME     one document on standard output
 *     dsdn-reference          the names, one a line */
#include "log/genesis.h"
#include "log/kind.h"
#include "roles/dsdn.h"
#include "roles/neutral/neutral.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static const struct dsdn_catalogue *const catalogues[] = {&dsdn_catalogue, &neutral_catalogue};
enum { CATALOGUE_CNT = sizeof catalogues / sizeof catalogues[0] };

/* ---- Markdown -------------------------------------------------------------------------------- */

/* Text that must stay what it is in a cell of a table. */
static void text(const char *s)
{
    for (; *s; s++) {
        if (*s == '|' || *s == '<' || *s == '*') putchar('\\');
        putchar(*s);
    }
}

static void title(const char *name, const char *about)
{
    printf("# %s\n\n%s\n\nMade by `scripts/reference` from the program's own tables. Do not edit.\n", name,
           about);
}

/* ---- events ---------------------------------------------------------------------------------- */

/* What the argument of a field is called with its kind: str(48), choice(0..3). */
static void field_kind(const struct dsdn_field *f)
{
    const char *name = dsdn_kinds[f->kind].name;
    switch (f->kind) {
    case DSDN_K_choice:
    case DSDN_K_opt_u8: printf("%s(0..%u)", name, f->max); break;
    case DSDN_K_str:
    case DSDN_K_bytes:
    case DSDN_K_set_id:
    case DSDN_K_list_hash: printf("%s(%u)", name, f->max); break;
    case DSDN_K_list: printf("list(%s, %u)", f->record->name, f->max); break;
    default: fputs(name, stdout); break;
    }
}

static void fields(const struct dsdn_field *f)
{
    puts("| field | kind | from version | meaning |\n| --- | --- | --- | --- |");
    for (; f->name; f++) {
        printf("| %s | ", f->name);
        field_kind(f);
        printf(" | %u | ", f->since);
        text(f->doc);
        puts(" |");
    }
}

static const char *author_class(uint8_t author)
{
    switch (author) {
    case DSDN_AUTHOR_AUTHORITY: return "0";
    case DSDN_AUTHOR_SIGNED: return "1 or 2";
    case DSDN_AUTHOR_EITHER: return "0, 1 or 2";
    default: return "never in a bundle";
    }
}

static void event(const struct dsdn_event_desc *e)
{
    printf("\n### %s\n\n", e->name);
    text(e->doc);
    printf(
        "\n\nType 0x%04x, version %u, family %s, from protocol version %u.%u.%u. Bundle kind: %s. Author: ",
        e->type, e->version, e->family, (unsigned)(e->since >> 32), (unsigned)(e->since >> 16 & 0xffff),
        (unsigned)(e->since & 0xffff), author_class(e->author));
    text(e->author_doc);
    puts(".\n");
    fields(e->fields());
    size_t len = strlen(e->rows);
    if (len > 2) printf("\nRows: %.*s.\n", (int)(len - 2), e->rows); /* without the last "; " */
}

/* Records in the order of their first use, each once. */
static void records(const struct dsdn_event_table *t)
{
    const struct dsdn_record_desc *seen[64];
    size_t cnt = 0;
    for (uint32_t i = 0; i < t->event_cnt; i++)
        for (const struct dsdn_field *f = t->events[i].fields(); f->name; f++) {
            size_t k = 0;
            while (k < cnt && seen[k] != f->record) k++;
            if (!f->record || k < cnt || cnt == sizeof seen / sizeof seen[0]) continue;
            seen[cnt++] = f->record;
            printf("\n### Record %s\n\n", f->record->name);
            text(f->record->doc);
            puts(".\n");
            fields(f->record->fields());
        }
}

static void print_events(void)
{
    title("Events", "Every event of every catalogue. docs/formats/wire.md has the bytes of each kind, "
                    "docs/formats/reducers.md what the events\nof the dsdn catalogue do.");
    for (size_t c = 0; c < CATALOGUE_CNT; c++) {
        const struct dsdn_event_table *t = catalogues[c]->events;
        printf("\n## Catalogue %s\n\n| type | event | version | family | author |\n| --- | --- | --- | --- | "
               "--- |\n",
               catalogues[c]->name);
        for (uint32_t i = 0; i < t->event_cnt; i++) {
            const struct dsdn_event_desc *e = &t->events[i];
            printf("| 0x%04x | %s | %u | %s | ", e->type, e->name, e->version, e->family);
            text(e->author_doc);
            puts(" |");
        }
        for (uint32_t i = 0; i < t->event_cnt; i++) event(&t->events[i]);
        records(t);
    }
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* The tables of a catalogue by their number in the state: the system's first. */
static const struct dsdn_table_desc *table_at(const struct dsdn_catalogue *c, uint32_t number)
{
    return number < DSDN_SYSTEM_TABLES ? &dsdn_sys_tables[number] : &c->tables[number - DSDN_SYSTEM_TABLES];
}

struct width {
    uint32_t least, most;
};

/* Bytes of a column in the encoding that is hashed: references are keys. */
static struct width column_width(const struct dsdn_catalogue *c, const struct dsdn_column *column)
{
    uint32_t key = table_at(c, column->target)->key_len;
    switch (column->kind) {
    case DSDN_COLUMN_u8: return (struct width){1, 1};
    case DSDN_COLUMN_u16: return (struct width){2, 2};
    case DSDN_COLUMN_u32: return (struct width){4, 4};
    case DSDN_COLUMN_u64:
    case DSDN_COLUMN_i64:
    case DSDN_COLUMN_time:
    case DSDN_COLUMN_height: return (struct width){8, 8};
    case DSDN_COLUMN_id:
    case DSDN_COLUMN_hash:
    case DSDN_COLUMN_addr: return (struct width){32, 32};
    case DSDN_COLUMN_ns: return (struct width){29, 29};
    case DSDN_COLUMN_str:
    case DSDN_COLUMN_bytes: return (struct width){1, 1u + column->max};
    case DSDN_COLUMN_ref: return (struct width){key, key};
    case DSDN_COLUMN_opt_ref: return (struct width){1, 1 + key};
    default: return (struct width){1, 1 + column->max * key}; /* refs */
    }
}

static void column_kind(const struct dsdn_catalogue *c, const struct dsdn_column *column)
{
    static const char *const names[] = {
        [DSDN_COLUMN_u8] = "u8",      [DSDN_COLUMN_u16] = "u16",         [DSDN_COLUMN_u32] = "u32",
        [DSDN_COLUMN_u64] = "u64",    [DSDN_COLUMN_i64] = "i64",         [DSDN_COLUMN_id] = "id",
        [DSDN_COLUMN_hash] = "hash",  [DSDN_COLUMN_addr] = "addr",       [DSDN_COLUMN_ns] = "ns",
        [DSDN_COLUMN_str] = "str",    [DSDN_COLUMN_time] = "time",       [DSDN_COLUMN_height] = "height",
        [DSDN_COLUMN_ref] = "ref",    [DSDN_COLUMN_opt_ref] = "opt_ref", [DSDN_COLUMN_refs] = "refs",
        [DSDN_COLUMN_bytes] = "bytes"};
    const char *name = names[column->kind], *target = table_at(c, column->target)->name;
    switch (column->kind) {
    case DSDN_COLUMN_str:
    case DSDN_COLUMN_bytes: printf("%s(%u)", name, column->max); break;
    case DSDN_COLUMN_ref:
    case DSDN_COLUMN_opt_ref: printf("%s(%s)", name, target); break;
    case DSDN_COLUMN_refs: printf("%s(%s, %u)", name, target, column->max); break;
    default: fputs(name, stdout); break;
    }
}

static void table(const struct dsdn_catalogue *c, const struct dsdn_table_desc *t)
{
    struct width value = {0, 0};
    const struct dsdn_column *columns = t->columns();
    printf("\n### %s\n\n", t->name);
    text(t->doc);
    puts("\n\n| column | kind | part of | bytes | meaning |\n| --- | --- | --- | --- | --- |");
    for (const struct dsdn_column *column = columns; column->name; column++) {
        struct width w = column->key ? (struct width){column->max, column->max} : column_width(c, column);
        printf("| %s | ", column->name);
        column_kind(c, column);
        printf(" | %s | ", column->key ? "key" : "value");
        if (w.least == w.most)
            printf("%u | ", w.least);
        else
            printf("%u..%u | ", w.least, w.most);
        text(column->doc);
        puts(" |");
        if (!column->key) value = (struct width){value.least + w.least, value.most + w.most};
    }
    printf("\nTable id 0x%04x, role %u %s. Key: %u bytes. Value: ", t->id, t->role, t->role_name, t->key_len);
    if (value.least == value.most)
        printf("%u bytes.", value.least);
    else
        printf("%u to %u bytes.", value.least, value.most);
    for (const struct dsdn_index_desc *index = t->indexes; index->name; index++) {
        printf(" Ordered index %s:", index->name);
        for (uint32_t i = 0; i < index->column_cnt; i++)
            printf("%s %s", i ? "," : "", columns[index->columns[i]].name);
        putchar('.');
    }
    putchar('\n');
}

static uint32_t index_cnt(const struct dsdn_table_desc *t)
{
    uint32_t cnt = 0;
    while (t->indexes[cnt].name) cnt++;
    return cnt;
}

/* Bytes of memory: statemachine/table.c (slots of 8 bytes, 2 to 8 a row; one bit of liveness), ordered.c
 * (nodes of 1 KiB with 36 to 84 entries), tree_layout.h. */
static void memory(const struct dsdn_catalogue *c, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        const struct dsdn_table_desc *t = table_at(c, i);
        uint32_t indexes = index_cnt(t), least = t->row_size + 16 + 12 * indexes,
                 most = t->row_size + 64 + 30 * indexes;
        printf("| %s | %u | 16..64 | ", t->name, t->row_size);
        if (indexes)
            printf("%u..%u", 12 * indexes, 30 * indexes);
        else
            putchar('0');
        printf(" | %u..%u | %u..%u |\n", least, most, least + 138, most + 173);
    }
}

static void print_tables(void)
{
    title("Tables", "Every table of every catalogue. docs/formats/state.md has the bytes of each kind.");
    puts("\n## Role system, in every catalogue");
    for (uint32_t i = 0; i < DSDN_SYSTEM_TABLES; i++) table(&dsdn_catalogue, &dsdn_sys_tables[i]);
    for (size_t c = 0; c < CATALOGUE_CNT; c++) {
        printf("\n## Catalogue %s\n", catalogues[c]->name);
        for (uint32_t i = 0; i < catalogues[c]->table_cnt; i++)
            table(catalogues[c], &catalogues[c]->tables[i]);
    }
    puts("\n## Memory\n\n"
         "Bytes of memory per live row on x86-64. Slots find a row by its key; there are 2 to 8 of 8 bytes "
         "for each row, because\n"
         "they grow fourfold when half of them are taken. Room for rows grows by half and is not touched "
         "before it is used.\n"
         "Trees exist from the first root on, as does the list of changed rows (4 bytes, in the last "
         "column).\n\n"
         "| table | row | slots | ordered indexes | without roots | with roots |\n| --- | --- | --- | --- | "
         "--- | --- |");
    memory(&dsdn_catalogue, 0, DSDN_SYSTEM_TABLES);
    for (size_t c = 0; c < CATALOGUE_CNT; c++) {
        if (catalogues[c] != &dsdn_catalogue) printf("| *catalogue %s* | | | | | |\n", catalogues[c]->name);
        memory(catalogues[c], DSDN_SYSTEM_TABLES, DSDN_SYSTEM_TABLES + catalogues[c]->table_cnt);
    }
}

/* ---- errors, outcomes, parameters ------------------------------------------------------------ */

static void print_errors(void)
{
    static const char *const classes[] = {"success",
                                          "usage",
                                          "source unavailable, or input and output",
                                          "well-formed but false",
                                          "damaged bytes",
                                          "interrupted",
                                          "incomplete"};
    title("Errors",
          "What can go wrong with a call or a command. The exit status of a command is that of its error;\n"
          "`dsdn-replay explain NAME` prints the same.");
    puts("\n| exit status | meaning |\n| --- | --- |");
    for (int i = 0; i <= 6; i++) printf("| %d | %s |\n", i, classes[i]);
    puts("\n| code | name | exit | meaning | what to do |\n| --- | --- | --- | --- | --- |");
#define X(code, name, exit_status, meaning, advice)                                                          \
    printf("| %d | %s | %d | ", code, #name, exit_status);                                                   \
    text(meaning);                                                                                           \
    fputs(" | ", stdout);                                                                                    \
    text(advice);                                                                                            \
    puts(" |");
    DSDN_ERROR_LIST(X)
#undef X
}

static void print_outcomes(void)
{
    title(
        "Outcomes",
        "What becomes of an event of a valid batch. Number and code are part of the outcome transcript, so\n"
        "they keep their meaning for ever.");
    puts("\n| number | outcome | meaning |\n| --- | --- | --- |");
    for (uint8_t i = 0; i < DSDN_OUTCOME_CNT; i++) {
        printf("| %u | %s | ", i, dsdn_outcome_name(i));
        text(dsdn_outcome_doc(i));
        puts(" |");
    }
    for (size_t c = 0; c < CATALOGUE_CNT; c++) {
        printf("\n## Precondition codes of catalogue %s\n\nThey stand with outcome %u, PRECONDITION; every "
               "other outcome has "
               "code 0.\n\n| code | name | meaning |\n| --- | --- | --- |\n",
               catalogues[c]->name, DSDN_OUTCOME_PRECONDITION);
        for (const struct dsdn_code_name *code = catalogues[c]->codes; code && code->name; code++) {
            printf("| %u | %s | ", code->code, code->name);
            text(code->doc);
            puts(" |");
        }
        if (!catalogues[c]->deadlines) continue;
        printf("\n## Deadlines of catalogue %s\n\n| kind | name | what happens |\n| --- | --- | --- |\n",
               catalogues[c]->name);
        for (const struct dsdn_deadline_kind *kind = catalogues[c]->deadlines; kind->name; kind++) {
            printf("| %u | %s | ", kind->kind, kind->name);
            text(kind->doc);
            puts(" |");
        }
    }
}

static void print_parameters(void)
{
    title("Parameters",
          "Values that a genesis may set and a ParamChanged may schedule, within their range. A parameter "
          "that\n"
          "is not in table `parameter` has its default. The devnet column is what development networks\n"
          "declare; it is advice, not a default.");
    puts("\n| parameter | default | devnet | least | most | unit | meaning |\n| --- | --- | --- | --- | --- "
         "| --- | --- |");
    for (uint32_t i = 0; i < DSDN_PARAMETER_CNT; i++) {
        const struct dsdn_parameter_desc *p = &dsdn_parameters[i];
        printf("| %s | %" PRId64 " | %" PRId64 " | %" PRId64 " | %" PRId64 " | %s | ", p->name, p->value,
               p->devnet, p->least, p->most, p->unit);
        text(p->doc);
        puts(" |");
    }
}

/* ---- the program ----------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } documents[] = {{"events", print_events},
                     {"tables", print_tables},
                     {"errors", print_errors},
                     {"outcomes", print_outcomes},
                     {"parameters", print_parameters}};
    bool found = argc == 1;
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        if (argc == 1) puts(documents[i].name);
        if (argc != 2 || strcmp(argv[1], documents[i].name) != 0) continue;
        documents[i].print();
        found = true;
    }
    if (!found) {
        fputs("usage: dsdn-reference [events|tables|errors|outcomes|parameters]\n", stderr);
        return dsdn_error_exit(DSDN_E_USAGE);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "dsdn-reference: cannot write: %s\n", strerror(errno));
        return dsdn_error_exit(DSDN_E_IO);
    }
    return 0;
}
