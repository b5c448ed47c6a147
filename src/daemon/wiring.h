/* The api process: everything that main.c makes and in which order it is ended. */
#ifndef DAEMON_WIRING_H
#define DAEMON_WIRING_H

#include "api/api.h"
#include "auth/own_names.h"
#include "auth/users.h"
#include "auth/vault.h"
#include "base/work.h"
#include "daemon/compute_choice.h"
#include "daemon/config.h"
#include "daemon/keeper_process.h"
#include "directory/directory.h"
#include "keeper/stub.h"

struct wiring {
    struct loop *loop;
    struct work_pool *pool;
    struct work_pool *fetchers; /* what jobs of the pool wait for */
    struct store *store;
    struct users *users;
    struct own_names *names;
    struct vault *vault;
    struct auth_providers *providers;
    struct keeper_stub *stub;
    struct directory *directory;
    struct session_directory session_directory;
    struct sessions *sessions;
    struct str tls_cert, tls_key;
    struct api *api;
    bool keeper_lost;
};

/* Makes everything up to the listening socket; nothing is served before the loop runs. keeper's
 * descriptor is taken. Starts no thread. */
int wiring_open(struct wiring *w, const struct config *config, const struct compute_choice *choice,
                const char *server_id, struct keeper_process *keeper, struct err *err);
/* In the one order that lets every callback still find what it needs. */
void wiring_close(struct wiring *w);

/* The server's id, made at the first start. Opens the store and closes it again: no connection may
 * cross a fork. */
int wiring_server_id(const struct config *config, char **out, struct err *err);

#endif
