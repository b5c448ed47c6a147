/*
 * doctor: each check looks at one thing and says in one line what it found, and what mends it.
 * Internal to the command's files.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "backend.h"

enum doctor_verdict { DOCTOR_FINE, DOCTOR_WARNING, DOCTOR_WRONG };

struct doctor {
    bool json;
    struct json_object *findings; /* [{check, result, detail, mend}] */
    int wrong;
};

/* check: a stable word, for scripts. mend: a sentence with the command; NULL when it is fine. */
void doctor_find(struct doctor *d, enum doctor_verdict verdict, const char *check, const char *mend,
                 const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Programs, keys, ssh's configuration, keyring, our own configuration. */
void doctor_check_here(struct doctor *d);
/* Server, engine and everything it looks at, clock, login, whether sessions can be reached. */
void doctor_check_server(struct doctor *d, struct backend *b);

#endif
