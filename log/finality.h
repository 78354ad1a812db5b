/* finality.h: how far beyond doubt a batch is (protocol.md, section 8).  Fork choice computes it, the index
 * keeps it; the numbers are those of the index's file (docs/formats/log-directory.md). */
#ifndef DSDN_LOG_FINALITY_H
#define DSDN_LOG_FINALITY_H

enum dsdn_finality {
    DSDN_FINALITY_NONE = 0,
    DSDN_FINALITY_EMERGENCY = 1, /* attested by the emergency set */
    DSDN_FINALITY_QUORUM = 2,    /* certified by a quorum set */
    DSDN_FINALITY_PRIMARY = 3,   /* included on the primary */
    DSDN_FINALITY_SETTLED = 4    /* no rival can win any more */
};

#endif
