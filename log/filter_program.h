/* filter_program.h: a compiled filter: between filter.c, which makes it, and filter_match.c, which runs it.
 *
 * A program is a row of tests.  Each says where to go on when it holds and when it does not, so that && ||
 * and ! cost nothing and evaluation stops as early as it can. */
#ifndef DSDN_LOG_FILTER_PROGRAM_H
#define DSDN_LOG_FILTER_PROGRAM_H

#include "log/filter.h"
#include "log/kind.h"

enum subject { ON_SEQ, ON_INDEX, ON_TIME, ON_AUTHOR, ON_OUTCOME, ON_CODE, ON_EVENT, ON_PAYLOAD };
enum operator{ OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_GLOB };
enum { ACCEPT = -1, REJECT = -2 };

struct value {
    const char *text; /* in the filter's own copy */
    uint32_t len;
    bool quoted, is_null, is_number, negative;
    uint64_t bits; /* of a number: two's complement */
};

struct test {
    enum subject subject;
    enum operator op;
    int16_t yes, no; /* next test, ACCEPT or REJECT */
    struct value value;
    bool *hits;                       /* ON_EVENT: by event, the answer */
    const struct dsdn_field **fields; /* ON_PAYLOAD: by event, what to compare, or NULL */
};

struct dsdn_filter {
    const struct dsdn_event_table *table;
    struct dsdn_filter_names names;
    int16_t entry;
    uint16_t test_cnt;
    struct test tests[DSDN_FILTER_TESTS_MAX];
    char text[DSDN_FILTER_TEXT_MAX + 1]; /* values, decoded; never longer than the expression */
};

#endif
