/* codes.h: the precondition codes of the DSDN catalogue as constants: DSDN_CODE_NODE_UNKNOWN and so on
 * (codes.def). */
#ifndef DSDN_ROLES_CODES_H
#define DSDN_ROLES_CODES_H

enum dsdn_code {
#define CODE(number, name, doc) DSDN_CODE_##name = (number),
#include "roles/codes.def"
#undef CODE
};

#endif
