#include "keyring.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libsecret/secret.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"

static const SecretSchema schema = {
    .name = "org.steadystate.Login",
    .flags = SECRET_SCHEMA_NONE,
    .attributes = {{"server", SECRET_SCHEMA_ATTRIBUTE_STRING}},
};

enum verb { STORE, LOOKUP, ERASE };

struct request {
    enum verb verb;
    const char *server, *login, *secret;
};

static bool has_bus(void)
{
    const char *address = getenv("DBUS_SESSION_BUS_ADDRESS"), *run = getenv("XDG_RUNTIME_DIR");
    if (address && *address)
        return true;
    cleanup_free char *bus = run && *run == '/' ? xasprintf("%s/bus", run) : NULL;
    return bus && access(bus, R_OK | W_OK) == 0;
}

static int answer(int fd, int code, const char *text)
{
    unsigned char head = (unsigned char)-code;
    if (fd_write_full(fd, &head, 1, NULL) || fd_write_full(fd, text, strlen(text), NULL))
        return 1;
    return 0;
}

/* The address of a libsecret function as its header declares it. */
#define LOAD(library, function) __typeof__(&(function)) function##_ = dlsym(library, #function)

static int do_store(void *library, const struct request *r, int out)
{
    LOAD(library, secret_password_store_sync);
    GError *error = NULL;
    if (!secret_password_store_sync_)
        return answer(out, ERR_UNAVAILABLE, "libsecret is too old");
    cleanup_free char *label = xasprintf("SteadyState login of %s at %s", r->login, r->server);
    if (secret_password_store_sync_(&schema, SECRET_COLLECTION_DEFAULT, label, r->secret, NULL,
                                    &error, "server", r->server, NULL))
        return answer(out, 0, "");
    return answer(out, ERR_UNAVAILABLE, error ? error->message : "the keyring refused");
}

static int do_lookup(void *library, const struct request *r, int out)
{
    LOAD(library, secret_password_lookup_sync);
    GError *error = NULL;
    if (!secret_password_lookup_sync_)
        return answer(out, ERR_UNAVAILABLE, "libsecret is too old");
    char *found = secret_password_lookup_sync_(&schema, NULL, &error, "server", r->server, NULL);
    if (found)
        return answer(out, 0, found);
    return error ? answer(out, ERR_UNAVAILABLE, error->message) : answer(out, ERR_NOT_FOUND, "");
}

static int do_erase(void *library, const struct request *r, int out)
{
    LOAD(library, secret_password_clear_sync);
    GError *error = NULL;
    if (!secret_password_clear_sync_)
        return answer(out, ERR_UNAVAILABLE, "libsecret is too old");
    secret_password_clear_sync_(&schema, NULL, &error, "server", r->server, NULL);
    return error ? answer(out, ERR_UNAVAILABLE, error->message) : answer(out, 0, "");
}

static int run_child(const struct request *r, int out)
{
    void *library = dlopen("libsecret-1.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return answer(out, ERR_UNAVAILABLE, "libsecret is not installed");
    switch (r->verb) {
    case STORE:
        return do_store(library, r, out);
    case LOOKUP:
        return do_lookup(library, r, out);
    case ERASE:
        return do_erase(library, r, out);
    }
    return 1;
}

/* Everything the child wrote before the deadline. */
static int collect(int fd, struct str *out, struct err *err)
{
    int64_t deadline = clock_mono_ms(&clock_real) + KEYRING_TIMEOUT_MS;
    for (;;) {
        int64_t left = deadline - clock_mono_ms(&clock_real);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return err_set(err, ERR_UNAVAILABLE, "the keyring does not answer");
        ssize_t got = read(fd, str_reserve(out, KEYRING_SECRET_MAX), KEYRING_SECRET_MAX);
        if (got == 0)
            return 0;
        if (got > 0)
            str_grew(out, (size_t)got);
        if ((got < 0 && errno != EINTR) || out->len > KEYRING_SECRET_MAX)
            return err_set(err, ERR_UNAVAILABLE, "the keyring's answer is unusable");
    }
}

static int ask(const struct request *r, struct str *secret, struct err *err)
{
    if (getenv("STEADYSTATE_NO_KEYRING"))
        return err_set(err, ERR_UNAVAILABLE, "STEADYSTATE_NO_KEYRING is set");
    if (!has_bus())
        return err_set(err, ERR_UNAVAILABLE, "no desktop session is running");
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        _exit(run_child(r, fds[1]));
    }
    close(fds[1]);
    cleanup_close int reader = fds[0];
    if (child < 0)
        return err_errno(err, "fork");
    int rc = collect(reader, secret, err);
    kill(child, SIGKILL);
    int status;
    proc_wait(child, &status, NULL);
    if (rc)
        return rc;
    if (secret->len == 0)
        return err_set(err, ERR_UNAVAILABLE, "the keyring's library failed");
    int code = -(int)(unsigned char)secret->p[0];
    str_consume(secret, 1);
    return code ? err_set(err, code, "%s", secret->p) : 0;
}

int keyring_store(const char *server, const char *login, const char *secret, struct err *err)
{
    const struct request r = {STORE, server, login ? login : "", secret};
    cleanup_str struct str none = STR_INIT;
    return ask(&r, &none, err);
}

int keyring_lookup(const char *server, char **secret, struct err *err)
{
    const struct request r = {LOOKUP, server, NULL, NULL};
    cleanup_str_secret struct str found = STR_INIT;
    int rc = ask(&r, &found, err);
    if (rc == 0)
        *secret = str_detach(&found);
    return rc;
}

int keyring_erase(const char *server, struct err *err)
{
    const struct request r = {ERASE, server, NULL, NULL};
    cleanup_str struct str none = STR_INIT;
    return ask(&r, &none, err);
}
