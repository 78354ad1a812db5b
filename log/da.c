#include "log/da.h"

static const struct {
    const char *name, *text;
} answers[DSDN_DA_ANSWER_CNT] = {
#define X(number, name, text) [number] = {#name, text},
    DSDN_DA_ANSWER_LIST(X)
#undef X
};

const char *dsdn_da_answer_name(enum dsdn_da_answer answer)
{
    return (unsigned)answer < DSDN_DA_ANSWER_CNT ? answers[answer].name : "?";
}

const char *dsdn_da_answer_text(enum dsdn_da_answer answer)
{
    return (unsigned)answer < DSDN_DA_ANSWER_CNT ? answers[answer].text : "?";
}
