/* fixture.h: golden fixtures: a story in a readable form, played, compared with what was recorded, and played
 * again in every way that must not matter (docs/fixtures.md says how to write one).
 *
 * A fixture is a folder with story.txt, which a person writes, and expect.txt, which `record` and `bless`
 * write and a person reviews.  The story says what becomes of every event and batch; expect.txt holds what
 * follows: hashes of the bytes, outcomes, row-change hashes, roots, and every row at the end.
 *
 * Batches of a story are real bytes signed with real keys; a key is derived from its name, so a story is
 * self-contained. */
#ifndef DSDN_STATEMACHINE_FIXTURE_H
#define DSDN_STATEMACHINE_FIXTURE_H

#include "log/json.h"
#include "log/source.h"
#include "statemachine/catalogue.h"

#define DSDN_FIXTURE_STORY  "story.txt"
#define DSDN_FIXTURE_EXPECT "expect.txt"
#define DSDN_FIXTURE_MAX    1048576u /* bytes of either file */

/* What a check did, for its report. */
struct dsdn_fixture_result {
    uint32_t batches; /* applied, those rolled back later included */
    uint32_t refused; /* refused, as the story says */
    uint32_t events;  /* of the applied batches */
    uint32_t ways;    /* how often the story was played */
};

/* dsdn_fixture_check plays the story of `directory` and compares:
 *   straight      with expect.txt, and every outcome with the story;
 *   doubled       every batch delivered twice: the second time it is refused and nothing moves;
 *   stopped       a checkpoint after every batch, restored from its file; a rollback restores the fork's
 * checkpoint; reseeded      other hash seed, larger tables; replayed      the chain that stands at the end,
 * alone, through dsdn_replay on two threads; split, merged the bundles of that chain in other batches:
 * outcomes and role roots (without `system`) are the same; repeated      each batch followed by one with its
 * signed bundles again: none has an effect. The last three are left out where the story says `recut no`,
 * `replayed` where a takeover certificate is needed.
 *
 * 0 when all agree.  TRANSCRIPT or ROOT (exit 3) names the way and the first line that differs, and *report
 * gets the lines in the form of a diff; MALFORMED with the line of story.txt when it is not a story;
 * NOT_FOUND, IO, NO_MEMORY. */
int dsdn_fixture_check(const struct dsdn_catalogue *catalogue, const char *directory,
                       struct dsdn_text *report, struct dsdn_fixture_result *result,
                       struct dsdn_error *error);

/* dsdn_fixture_record plays the story straight and writes expect.txt.  EXISTS when there is one and `replace`
 * is false; nothing is written when an outcome is not what the story says. */
int dsdn_fixture_record(const struct dsdn_catalogue *catalogue, const char *directory, bool replace,
                        struct dsdn_error *error);

/* dsdn_fixture_source_open makes a source of kind "fixture" from the chain that stands at the end of the
 * story: batches that were refused or rolled back are not in it. */
int dsdn_fixture_source_open(const struct dsdn_catalogue *catalogue, const char *directory,
                             struct dsdn_source **source, struct dsdn_error *error);

#endif
