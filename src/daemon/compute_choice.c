#include "daemon/compute_choice.h"

#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "compute/container/container.h"
#include "compute/local/local.h"
#include "engine/rest.h"

#define ENGINE_RETRY_MS 500

void compute_choice_release(struct compute_choice *choice)
{
    free(choice->socket);
    free(choice->agent);
    free(choice->profile_path);
    *choice = (struct compute_choice){0};
}

const char *compute_choice_name(const struct compute_choice *choice)
{
    return choice->local ? "local" : "container";
}

static int agent_path(char **out, struct err *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return err_errno(err, "/proc/self/exe");
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    *out = xasprintf("%.*s/steadystate-agent", (int)(slash - self), self);
    return 0;
}

/* "container" was asked for and no engine was named: it may still be starting. */
static int wait_for_engine(char **socket, struct err *err)
{
    const struct timespec pause = {.tv_nsec = ENGINE_RETRY_MS * 1000000L};
    int64_t until = clock_mono_ms(&clock_real) + COMPUTE_ENGINE_WAIT_MS;
    for (bool told = false;; told = true) {
        struct err why = ERR_INIT;
        int rc = engine_find(NULL, socket, &why);
        if (rc != ERR_NOT_FOUND || clock_mono_ms(&clock_real) >= until)
            return rc ? err_set(err, rc, "%s", why.msg) : 0;
        if (!told)
            log_warn("waiting for a container engine: %s", why.msg);
        nanosleep(&pause, NULL);
    }
}

static int choose_engine(const struct config *config, struct compute_choice *out, struct err *err)
{
    if (config->engine || config->provider == CONFIG_PROVIDER_AUTO)
        return engine_find(config->engine, &out->socket, err);
    return wait_for_engine(&out->socket, err);
}

int compute_choose(const struct config *config, struct compute_choice *out, struct err *err)
{
    *out = (struct compute_choice){.local = config->provider == CONFIG_PROVIDER_LOCAL};
    /* Neither engine limits a volume on common file systems, and a limit that does not hold is
     * worse than none. */
    if (config->session_disk)
        return err_set(
            err, ERR_UNSUPPORTED,
            "STEADYSTATE_SESSION_DISK: no engine here can limit a session's disk; unset it");
    int rc = agent_path(&out->agent, err);
    if (rc || out->local)
        return rc;
    struct err why = ERR_INIT;
    rc = choose_engine(config, out, &why);
    if (rc == ERR_NOT_FOUND && config->provider == CONFIG_PROVIDER_AUTO && !config->engine) {
        log_warn("no container engine answers, sessions are local: %s", why.msg);
        out->local = true;
        return 0;
    }
    if (rc)
        return err_set(err, rc, "%s", why.msg);
    out->profile_path = path_join(config->state_dir, "session-seccomp.json");
    return 0;
}

int compute_ssh_user(const struct config *config, const struct compute_choice *choice, char **out,
                     struct err *err)
{
    if (!choice->local || geteuid() == 0) {
        *out = xstrdup(choice->local ? config->local_user : config->ssh_user);
        return 0;
    }
    const struct passwd *pw = getpwuid(geteuid());
    if (!pw)
        return err_set(err, ERR_NOT_FOUND, "uid %u has no account", (unsigned)geteuid());
    *out = xstrdup(pw->pw_name);
    return 0;
}

static int open_local(const struct config *config, const struct compute_choice *choice,
                      const char *server_id, struct provider *out, struct err *err)
{
    const struct local_options options = {.server_id = server_id,
                                          .session_root = config->session_root,
                                          .agent = choice->agent,
                                          .user = config->local_user};
    return local_provider_new(&options, out, err);
}

static int open_container(const struct config *config, const struct compute_choice *choice,
                          const char *server_id, struct provider *out, struct err *err)
{
    struct err guard_err = ERR_INIT;
    bool guarded =
        container_guard(config->allowed_hosts.v, config->allowed_hosts.len, &guard_err) == 0;
    if (!guarded)
        log_warn("what sessions reach on this host is not filtered: %s", guard_err.msg);
    const struct engine_rest_options rest = {.socket = choice->socket};
    struct engine engine = {0};
    int rc = engine_rest_new(&rest, &engine, err);
    if (rc)
        return rc;
    const struct container_options options = {.server_id = server_id,
                                              .image = config->session_image,
                                              .ssh_user = config->ssh_user,
                                              .require_userns = config->require_userns,
                                              .profile_path = choice->profile_path,
                                              .guarded = guarded};
    return container_provider_new(&engine, &options, out, err);
}

int compute_open(const struct config *config, const struct compute_choice *choice,
                 const char *server_id, struct provider *out, struct err *err)
{
    return choice->local ? open_local(config, choice, server_id, out, err)
                         : open_container(config, choice, server_id, out, err);
}
