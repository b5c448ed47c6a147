/* Who may come into a session, as the directories of the tests answer. */
#ifndef TESTS_FAKE_PEOPLE_H
#define TESTS_FAKE_PEOPLE_H

#include <string.h>

#include "base/mem.h"
#include "session/session.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static inline void fake_person(struct session_people *people, const char *provider,
                               const char *login, const char *subject, const char *rule)
{
    strv_push(&session_people_add(people, provider, login, subject, rule)->keys, KEY);
}

/* The creator, and each allowed "provider:login". */
static inline void fake_people(struct session_people *people, const struct session_people_query *q)
{
    fake_person(people, q->creator->provider, q->creator->login, q->creator->subject, "creator");
    for (size_t i = 0; i < q->n_allowed; i++) {
        cleanup_free char *name = xstrdup(q->allowed[i]);
        char *colon = strchr(name, ':');
        *colon = '\0';
        fake_person(people, name, colon + 1, NULL, "allowed");
    }
}

#endif
