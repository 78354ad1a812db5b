/* fixture_parser.h: what the files that read a story share. */
#ifndef DSDN_STATEMACHINE_FIXTURE_PARSER_H
#define DSDN_STATEMACHINE_FIXTURE_PARSER_H

#include "statemachine/fixture_story.h"

struct dsdn_parser {
    struct dsdn_story *s;
    const char *at, *end;
    uint32_t line, read; /* first line of what is being read; lines read */
    bool title, why, founded;
    struct dsdn_story_network network;
    struct dsdn_story_draft draft;
    struct {
        const struct dsdn_event_desc *desc;
        struct dsdn_word json;
    } defaults[16]; /* fields that events have unless they say otherwise */
    uint32_t default_cnt;
};

struct dsdn_directive {
    const char *name;
    int (*read)(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error);
};

/* key=value; set returns false when the value is none.  Ends with a NULL name. */
struct dsdn_attribute {
    const char *name;
    bool (*set)(struct dsdn_parser *p, struct dsdn_word value);
};

/* The lines before the first batch (fixture_network.c), and those that make batches (fixture_steps.c). */
extern const struct dsdn_directive dsdn_parser_network[];
extern const struct dsdn_directive dsdn_parser_steps[];

int dsdn_parser_fail(const struct dsdn_parser *p, struct dsdn_error *error, const char *what,
                     struct dsdn_word w);
/* dsdn_parser_word takes the next word off the line; false (and an empty word) at its end. */
bool dsdn_parser_word(struct dsdn_word *line, struct dsdn_word *word);
int dsdn_parser_attributes(struct dsdn_parser *p, struct dsdn_word line, const struct dsdn_attribute *known,
                           struct dsdn_error *error);
/* dsdn_parser_key finds a key by name, or returns NONE. */
uint32_t dsdn_parser_key(const struct dsdn_parser *p, struct dsdn_word name);

/* dsdn_parser_name_set copies a name (DSDN_STORY_NAME_MAX + 1 bytes); dsdn_parser_number32 reads a number
 * below 2^32 - 1. */
bool dsdn_parser_name_set(char *out, struct dsdn_word w);
bool dsdn_parser_number32(struct dsdn_word w, uint32_t *number);

/* The lines inside a batch (fixture_events.c). */
int dsdn_parser_read_bundle(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error);
int dsdn_parser_read_authority(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error);
int dsdn_parser_read_again(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error);
int dsdn_parser_read_event(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error);
int dsdn_parser_read_defaults(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error);
int dsdn_parser_read_frame(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error);

/* The lines that ask the state (fixture_ask.c). */
int dsdn_parser_read_plan(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error);
int dsdn_parser_read_source(struct dsdn_parser *p, struct dsdn_word rest, struct dsdn_error *error);

#endif
