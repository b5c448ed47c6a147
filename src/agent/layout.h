/*
 * Where things lie in a session: the session directory (docs/architecture.md), the same for both
 * providers, and the few places outside it.
 */
#ifndef AGENT_LAYOUT_H
#define AGENT_LAYOUT_H

#include <stdbool.h>

#include "base/err.h"

#define LAYOUT_CONTAINER_ROOT "/session"
#define LAYOUT_CONTAINER_CTL "/run/steadystate/ctl.sock"

struct layout {
    bool local;
    char *root; /* absolute */
    char *spec;
    char *accounts; /* who has which uid */
    char *canonical;
    char *repo;
    char *ssh; /* directory */
    char *sshd_config;
    char *host_key;
    char *authorized_keys;
    char *sshd_log;
    char *bin;  /* directory */
    char *home; /* directory of homes */
    char *extrausers;
    char *sync_log;
    char *activity_log;
    char *info; /* session-info.json */
    char *sock; /* agent.sock */
    char *ctl;  /* ctl.sock */
    char *scratch;
    char *programs;    /* directory that holds steadystate-agent */
    bool below_sticky; /* below a directory like /tmp */
};

/* root must be absolute. */
int layout_init(struct layout *l, const char *root, bool local, struct err *err);
void layout_release(struct layout *l);

/* Makes every directory, with owner and mode; what is there already is kept. */
int layout_make(const struct layout *l, struct err *err);
/* Keys are taken only from below directories that nobody but root and this account can change;
 * ERR_DENIED names the first that others can. Sets below_sticky. */
int layout_check_parents(struct layout *l, struct err *err);
/* bin/: links to the programs. cli may be absent. */
int layout_make_bin(const struct layout *l, struct err *err);

#endif
