/* doctor.h: what `doctor` found out, line by line. */
#ifndef DSDN_APPS_REPLAY_DOCTOR_H
#define DSDN_APPS_REPLAY_DOCTOR_H

#include "apps/replay/celestia.h"

#include "adapters/celestia/rpc.h"

#define DOCTOR_ROWS_MAX 32u

enum doctor_status { DOCTOR_FINE, DOCTOR_NOTE, DOCTOR_WARNING, DOCTOR_FALSE, DOCTOR_UNREACHABLE };

struct doctor_row {
    const char *name;
    enum doctor_status status;
    char text[300];
};

struct doctor {
    struct celestia node;
    struct dsdn_rpc *rpc;
    struct dsdn_endpoint endpoint;
    struct doctor_row rows[DOCTOR_ROWS_MAX];
    uint32_t row_cnt;
    uint64_t head, tail;
    int64_t head_seconds;
    bool has_tail;
};

/* doctor_examine asks the node of an open endpoint, and looks around, for all rows. */
void doctor_examine(struct doctor *d);

#endif
