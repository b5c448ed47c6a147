#include "compute/container/container.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/fd.h"
#include "compute/container/internal.h"
#include "sandbox/sandbox.h"

#define NOFILE_MAX 16384
#define NPROC_MAX 32768
#define INFO_AGE_MS 600000

/* An engine without CAP_SYS_RESOURCE cannot give more than it has; it runs on this machine, so our
 * own limit tells. */
static int limit_of(__rlimit_resource_t resource, int max)
{
    struct rlimit r;
    if (getrlimit(resource, &r) < 0 || r.rlim_max == RLIM_INFINITY || r.rlim_max > (rlim_t)max)
        return max;
    return (int)r.rlim_max;
}

static void add_warnings(const struct container_provider *cp, const struct engine_info *info,
                         struct provider_info *out)
{
    if (!info->userns && !info->userns_option)
        strv_push(&out->warnings, "sessions have no user namespace: dockerd without userns-remap");
    if (!cp->guarded)
        strv_push(&out->warnings,
                  "sessions reach services of the engine's host that listen on all addresses");
    if (info->seccomp_path && (!cp->profile_path || atomic_load(&cp->profile_unseen)))
        strv_push(&out->warnings,
                  "the engine's own seccomp profile is used until a session's agent "
                  "has loaded ours");
}

static void warn_of_image(const struct container_provider *cp, const struct container_image *look,
                          struct provider_info *out)
{
    if (look->rc == ERR_NOT_FOUND)
        strv_pushf(&out->warnings, "the engine has no image %s: build it with `make image`",
                   cp->image);
    if (look->rc < 0)
        return;
    const char *user = engine_label(&look->image.labels, LABEL_IMAGE_USER);
    if (!user || strcmp(user, cp->ssh_user) != 0)
        strv_pushf(&out->warnings, "the image %s was not built for the SSH user %s", cp->image,
                   cp->ssh_user);
}

/* Asking Podman takes it a second or more (it runs its package manager), so the answer is kept
 * while the engine keeps answering pings. */
int container_engine_info(struct container_provider *cp, struct engine_info *out, struct err *err)
{
    int64_t now = clock_mono_ms(&clock_real);
    pthread_mutex_lock(&cp->lock);
    bool known = cp->info_known && now - cp->info_at < INFO_AGE_MS;
    *out = cp->info;
    pthread_mutex_unlock(&cp->lock);
    if (known)
        return 0;
    int rc = cp->engine.ops->info(cp->engine.self, out, err);
    pthread_mutex_lock(&cp->lock);
    cp->info_known = rc == 0;
    cp->info_at = now;
    if (rc == 0)
        cp->info = *out;
    pthread_mutex_unlock(&cp->lock);
    return rc;
}

/* Another engine may answer at the socket next time. */
static void forget_info(struct container_provider *cp)
{
    pthread_mutex_lock(&cp->lock);
    cp->info_known = false;
    pthread_mutex_unlock(&cp->lock);
}

static int container_info(void *self, struct provider_info *out, struct err *err)
{
    (void)err;
    struct container_provider *cp = self;
    memset(out, 0, sizeof *out);
    struct engine_info info;
    struct container_image image = {0};
    struct err local = ERR_INIT, image_err = ERR_INIT;
    memcpy(out->engine, "none", 5);
    const struct engine_info *known = NULL;
    if (cp->engine.ops->ping(cp->engine.self, &local) < 0)
        forget_info(cp);
    else if (container_engine_info(cp, &info, &local) == 0) {
        known = &info;
        memcpy(out->engine, info.name, sizeof info.name);
        memcpy(out->version, info.version, sizeof out->version);
        out->rootless = info.rootless;
        out->userns = info.userns || info.userns_option;
        out->cgroup_version = info.cgroup_version;
        out->ok = container_check_engine(cp, &info, false, &local) == 0;
        add_warnings(cp, &info, out);
        image.rc =
            cp->engine.ops->image_inspect(cp->engine.self, cp->image, &image.image, &image_err);
        warn_of_image(cp, &image, out);
    }
    container_checks(cp, known, &image, &local, &out->checks);
    engine_image_release(&image.image);
    memcpy(out->detail, local.msg, sizeof out->detail);
    return 0;
}

int container_attach(void *self, const char *session_id, struct provider_conn *out, struct err *err)
{
    struct container_provider *cp = self;
    struct container_names names;
    container_names_of(session_id, &names);
    *out = (struct provider_conn)PROVIDER_CONN_INIT;
    cleanup_strv struct strv argv = STRV_INIT;
    strv_pushl(&argv, CONTAINER_AGENT, "ctl", NULL);
    struct engine_exec exec = {.argv = &argv, .user = "0:0", .want_stdin = true};
    char id[ENGINE_ID_MAX + 1];
    struct err local = ERR_INIT;
    int rc = cp->engine.ops->exec(cp->engine.self, names.name, &exec, &out->fd, id, &local);
    if (rc == ERR_CONFLICT)
        rc = ERR_NOT_FOUND;
    if (rc < 0)
        return err_set(err, rc, "%s", local.msg);
    out->wire = CHANNEL_MUX;
    return 0;
}

static int container_stop(void *self, const char *session_id, int grace_ms, struct err *err)
{
    struct container_provider *cp = self;
    struct container_names names;
    container_names_of(session_id, &names);
    struct err local = ERR_INIT;
    int rc = cp->engine.ops->container_stop(cp->engine.self, names.name, (grace_ms + 999) / 1000,
                                            &local);
    if (rc < 0 && rc != ERR_NOT_FOUND)
        return err_set(err, rc, "%s", local.msg);
    return 0;
}

static int container_remove(void *self, const char *session_id, struct err *err)
{
    struct container_provider *cp = self;
    const struct engine_ops *ops = cp->engine.ops;
    struct container_names names;
    container_names_of(session_id, &names);
    int rc = ops->container_remove(cp->engine.self, names.name, err);
    if (rc < 0)
        return rc;
    if ((rc = container_network_remove(cp, &names, err)) < 0)
        return rc;
    return ops->volume_remove(cp->engine.self, names.name, err);
}

static struct provider_session *session_of(struct provider_sessions *out, const char *id)
{
    for (size_t i = 0; i < out->len; i++)
        if (strcmp(out->v[i].id, id) == 0)
            return &out->v[i];
    VEC_GROW(out->v, out->len, out->cap);
    struct provider_session *s = &out->v[out->len++];
    memset(s, 0, sizeof *s);
    memcpy(s->id, id, SESSION_ID_LEN + 1);
    return s;
}

static void add_container(struct provider_sessions *out, const struct engine_container *c)
{
    const char *id = engine_label(&c->labels, LABEL_SESSION);
    const char *hash = engine_label(&c->labels, LABEL_SPEC);
    if (!id || !session_id_is_valid(id))
        return;
    struct provider_session *s = session_of(out, id);
    s->running = c->state == ENGINE_RUNNING;
    if (hash && strlen(hash) == sizeof s->spec_hash - 1)
        memcpy(s->spec_hash, hash, sizeof s->spec_hash);
}

/* Podman lists nothing when one container of the machine, anybody's, has lost its network
 * namespace. Each of ours still answers for itself. */
static int look_at_each(const struct container_provider *cp, struct provider_sessions *out,
                        struct err *err)
{
    for (size_t i = 0; i < out->len; i++) {
        cleanup_engine_container struct engine_container c = {0};
        struct container_names names;
        struct err local = ERR_INIT;
        container_names_of(out->v[i].id, &names);
        int rc = cp->engine.ops->container_inspect(cp->engine.self, names.name, &c, &local);
        if (rc == 0)
            add_container(out, &c);
        else if (rc != ERR_NOT_FOUND)
            return err_set(err, rc, "%s", local.msg);
    }
    return 0;
}

static int list_all(const struct container_provider *cp, struct provider_sessions *out,
                    struct err *err)
{
    cleanup_free char *label = xasprintf(LABEL_SERVER "=%s", cp->server_id);
    bool each = false;
    for (int kind = ENGINE_CONTAINERS; kind <= ENGINE_VOLUMES; kind++) {
        struct err local = ERR_INIT;
        cleanup_engine_list struct engine_list list = {0};
        int rc =
            cp->engine.ops->list(cp->engine.self, (enum engine_kind)kind, label, &list, &local);
        if (rc == ERR_FAILED && kind == ENGINE_CONTAINERS)
            each = true;
        else if (rc < 0)
            return err_set(err, rc, "%s", local.msg);
        for (size_t i = 0; i < list.len; i++) {
            const char *id = engine_label(&list.v[i].labels, LABEL_SESSION);
            if (kind == ENGINE_CONTAINERS)
                add_container(out, &list.v[i]);
            else if (id && session_id_is_valid(id))
                (void)session_of(out, id);
        }
    }
    return each ? look_at_each(cp, out, err) : 0;
}

static int container_list(void *self, struct provider_sessions *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    int rc = list_all(self, out, err);
    if (rc < 0)
        provider_sessions_release(out);
    return rc;
}

static void container_free(void *self)
{
    struct container_provider *cp = self;
    engine_free(&cp->engine);
    pthread_mutex_destroy(&cp->lock);
    free(cp->server_id);
    free(cp->image);
    free(cp->ssh_user);
    free(cp->profile_path);
    free(cp->policy);
    free(cp);
}

static const struct provider_ops container_ops = {
    .name = "container",
    .info = container_info,
    .start = container_start,
    .attach = container_attach,
    .stop = container_stop,
    .remove = container_remove,
    .list = container_list,
    .free = container_free,
};

int container_provider_new(struct engine *engine, const struct container_options *options,
                           struct provider *out, struct err *err)
{
    struct container_provider *cp = xcalloc(1, sizeof *cp);
    cp->engine = *engine;
    pthread_mutex_init(&cp->lock, NULL);
    *engine = (struct engine){0};
    cp->server_id = xstrdup(options->server_id);
    cp->image = xstrdup(options->image);
    cp->ssh_user = xstrdup(options->ssh_user);
    cp->require_userns = options->require_userns;
    cp->guarded = options->guarded;
    cp->nofile = limit_of(RLIMIT_NOFILE, NOFILE_MAX);
    cp->nproc = limit_of(RLIMIT_NPROC, NPROC_MAX);
    struct str policy = STR_INIT;
    sandbox_policy_json(SANDBOX_SESSION, &policy);
    int rc = 0;
    if (options->profile_path) {
        cp->profile_path = xstrdup(options->profile_path);
        rc = fd_write_file(AT_FDCWD, cp->profile_path, policy.p, policy.len, 0644, err);
    }
    cp->policy = str_detach(&policy);
    if (rc < 0) {
        container_free(cp);
        return rc;
    }
    out->ops = &container_ops;
    out->self = cp;
    return 0;
}
