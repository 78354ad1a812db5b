/* fixture_ask.c: what a story lets the state tell it: which nodes placement chooses, from whom a chunk is
 * copied. */
#include "statemachine/fixture_parser.h"

#include <stdlib.h>

/* The state after a batch, of an engine of its own: stories are short. */
static int replay_to(const struct dsdn_story *s, uint32_t batch, uint32_t line, struct dsdn_engine **engine,
                     struct dsdn_error *error)
{
    struct dsdn_prepared prepared = {0};
    struct dsdn_error why = DSDN_ERROR_INIT;
    uint32_t *chain, cnt;
    int rc = dsdn_story_chain(s, batch, &chain, &cnt, error);
    if (rc) return rc;
    rc = dsdn_story_begin(s, NULL, engine, &why);
    for (uint32_t i = 0; !rc && i < cnt; i++)
        rc = dsdn_story_deliver(*engine, &prepared, &s->batches[chain[i]].bytes,
                                &s->batches[chain[i]].certificate, &why);
    dsdn_prepared_free(&prepared);
    free(chain);
    return rc ? dsdn_story_fail(s, line, rc == DSDN_E_NO_MEMORY ? rc : DSDN_E_MALFORMED, error,
                                "the batches before it are not what the story says: %s", why.message)
              : DSDN_OK;
}

int dsdn_story_ask(const struct dsdn_story *s, uint32_t batch, uint64_t now, uint32_t line,
                   const char *question, const uint8_t about[32], uint8_t (*answers)[32], uint32_t most,
                   uint32_t *cnt, struct dsdn_error *error)
{
    struct dsdn_engine *engine = NULL;
    *cnt = 0;
    if (!s->catalogue->answer)
        return dsdn_story_fail(s, line, DSDN_E_MALFORMED, error, "the catalogue answers no questions");
    int rc = replay_to(s, batch, line, &engine, error);
    if (!rc) *cnt = s->catalogue->answer(dsdn_engine_state(engine), now, question, about, answers, most);
    dsdn_engine_free(engine);
    return rc;
}

/* plan %chunk NAME..., source %chunk NAME: names for the keys that the state answers with, after the newest
 * batch and a second later. */
static int name_answers(struct dsdn_parser *p, const char *question, struct dsdn_word rest,
                        struct dsdn_error *error)
{
    struct dsdn_word about, name;
    uint8_t hash[32], answers[16][32];
    uint32_t cnt = 0;
    int rc = dsdn_story_batch_end(p->s, &p->draft, error);
    if (rc) return rc;
    if (!dsdn_parser_word(&rest, &about) || !dsdn_story_hash32(p->s, about, hash))
        return dsdn_parser_fail(p, error, "of which chunk", about);
    uint64_t now =
        p->s->tip == DSDN_STORY_NONE ? DSDN_STORY_BEGIN_MS : p->s->batches[p->s->tip].header.time_ms;
    rc = dsdn_story_ask(p->s, p->s->tip, now + 1000, p->line, question, hash, answers, 16, &cnt, error);
    uint32_t named = 0;
    for (; !rc && dsdn_parser_word(&rest, &name); named++) {
        if (named >= cnt) return dsdn_parser_fail(p, error, "the state names no more nodes", name);
        rc = dsdn_story_alias(p->s, name, answers[named], p->line, error);
    }
    if (!rc && !named) return dsdn_parser_fail(p, error, "give the nodes names", about);
    return rc;
}

int dsdn_parser_read_plan(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    return name_answers(p, "plan", rest, error);
}

int dsdn_parser_read_source(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error)
{
    return name_answers(p, "source", rest, error);
}
