/* intake.h: bundles that come in, from a file or over HTTP, one behind the other (docs/publishing.md). */
#ifndef DSDN_APPS_COORDINATOR_INTAKE_H
#define DSDN_APPS_COORDINATOR_INTAKE_H

#include "apps/coordinator/coordinator.h"

/* intake_post answers a request with these bundles: status code, and a JSON object in t.  What it says is
 * accepted is durable. */
unsigned intake_post(struct coordinator *c, const uint8_t *bytes, size_t len, struct dsdn_text *t);

/* A file of bundles that is read as fast as the pool has room. */
struct intake {
    int fd; /* -1: none, or at its end */
    const char *name;
    uint8_t *bytes;
    size_t len, cap;
    bool ended;
    uint64_t accepted, known, refused;
    uint64_t offset; /* of bytes[0] in the file */
};

int intake_open(struct intake *in, const char *path, struct dsdn_error *error);
void intake_close(struct intake *in);

/* intake_read takes what there is and fits.  *more: it can go on at once.  Refused bundles are counted, and
 * printed up to a number; MALFORMED when the file cannot be read on. */
int intake_read(struct intake *in, struct coordinator *c, bool *more, struct dsdn_error *error);

#endif
