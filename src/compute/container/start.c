#include <string.h>
#include <time.h>

#include "compute/container/internal.h"

#define SETTLE_POLLS 300 /* after an answer that did not come */
#define SETTLE_POLL_NS 100000000L

struct start {
    struct container_provider *cp;
    const struct engine_ops *ops;
    void *engine;
    const struct session_spec *spec;
    const struct provider_progress *progress;
    struct engine_info info;
    struct container_plan plan;
    /* for the rollback: made by this call */
    bool made_network;
    bool made_volume;
    bool made_container;
};

static void report(const struct start *s, const char *stage, const char *message)
{
    if (s->progress && s->progress->report)
        s->progress->report(s->progress->payload, stage, -1, message);
}

/* Codes of provider.h have a meaning of their own: an error of a step that cannot mean it becomes
 * plain failure. */
static int plain(struct err *err)
{
    if (err->code == ERR_NOT_FOUND || err->code == ERR_EXISTS || err->code == ERR_CONFLICT ||
        err->code == ERR_UNSUPPORTED)
        err->code = ERR_FAILED;
    return err->code;
}

/* A create without the image and one without the network are refused alike. */
static int create_refused(const struct start *s, const struct err *why, struct err *err)
{
    cleanup_engine_image struct engine_image image = {0};
    struct err look = ERR_INIT;
    if (why->code == ERR_NOT_FOUND &&
        s->ops->image_inspect(s->engine, s->spec->image, &image, &look) == ERR_NOT_FOUND)
        return err_set(err, ERR_NOT_FOUND, "the engine has no image %s: build it with `make image`",
                       s->spec->image);
    err_set(err, why->code, "%s", why->msg);
    return plain(err);
}

/* A container has its image's labels too. Asked for the image itself, Podman works out how large it
 * is, which takes longer than all other questions together. */
static int check_image(const struct start *s, const struct engine_container *c, struct err *err)
{
    const char *user = engine_label(&c->labels, LABEL_IMAGE_USER);
    if (!user)
        return err_set(err, ERR_INVALID, "%s is no session image: build it with `make image`",
                       s->spec->image);
    if (strcmp(user, s->spec->ssh_user) != 0)
        return err_set(err, ERR_INVALID,
                       "%s was built for the SSH user '%s', not '%s': `make image SSH_USER=%s`",
                       s->spec->image, user, s->spec->ssh_user, s->spec->ssh_user);
    return 0;
}

/* Is there an object of this session with its name? */
static int exists(const struct start *s, enum engine_kind kind, bool *found, struct err *err)
{
    cleanup_engine_list struct engine_list list = {0};
    int rc = s->ops->list(s->engine, kind, s->plan.labels.v[0], &list, err);
    if (rc < 0)
        return rc;
    *found = false;
    for (size_t i = 0; i < list.len; i++)
        *found = *found || strcmp(list.v[i].name, s->plan.names.name) == 0;
    return 0;
}

static int make_network(struct start *s, struct err *err)
{
    struct engine_network network = {
        .name = s->plan.names.name,
        .subnet = s->spec->subnet,
        .bridge = s->plan.names.bridge,
        .labels = &s->plan.labels,
    };
    struct err local = ERR_INIT;
    int rc = s->ops->network_create(s->engine, &network, &local);
    if (rc == 0) {
        s->made_network = true;
        return 0;
    }
    bool found = false;
    if (rc == ERR_EXISTS || rc == ERR_TIMEOUT) {
        int look = exists(s, ENGINE_NETWORKS, &found, err);
        if (look < 0)
            return look;
        /* Made by us after all, though nobody said so. */
        s->made_network = found && rc == ERR_TIMEOUT;
    }
    if (found)
        return 0;
    err_set(err, rc, "%s", local.msg);
    return rc == ERR_CONFLICT ? rc : plain(err); /* the subnet: the next one may do */
}

static int make_volume(struct start *s, struct err *err)
{
    /* A create answers alike for a new one and for one that holds somebody's work. */
    bool found = false;
    int rc = exists(s, ENGINE_VOLUMES, &found, err);
    if (rc < 0 || found)
        return rc;
    s->made_volume = true;
    rc = s->ops->volume_create(s->engine, s->plan.names.name, &s->plan.labels, err);
    return rc < 0 ? plain(err) : 0;
}

/* Waits until the container is there (or in state `want`, if that is not ENGINE_OTHER). */
static int settle(const struct start *s, enum engine_state want, const struct err *why,
                  struct err *err)
{
    for (int i = 0; i < SETTLE_POLLS; i++) {
        cleanup_engine_container struct engine_container c = {0};
        int rc = s->ops->container_inspect(s->engine, s->plan.names.name, &c, NULL);
        if (rc == 0 && (want == ENGINE_OTHER || c.state == want))
            return 0;
        if (rc == 0 && want == ENGINE_RUNNING && c.state == ENGINE_EXITED)
            return 0; /* it ran: what it said comes through the attachment */
        if (rc < 0 && rc != ERR_TIMEOUT && rc != ERR_NOT_FOUND)
            break;
        nanosleep(&(struct timespec){0, SETTLE_POLL_NS}, NULL);
    }
    return err_set(err, why->code, "%s", why->msg);
}

static int make_container(struct start *s, struct err *err)
{
    char id[ENGINE_ID_MAX + 1];
    struct err local = ERR_INIT;
    s->made_container = true;
    int rc = s->ops->container_create(s->engine, &s->plan.spec, id, &local);
    const char *path = s->info.seccomp_path ? s->plan.spec.seccomp : NULL;
    if (rc < 0 && path && strstr(local.msg, path)) {
        /* The engine's host has other files than we see, as when this runs in a container. Its own
         * profile and the one that the agent loads remain. */
        atomic_store(&s->cp->profile_unseen, true);
        s->plan.spec.seccomp = NULL;
        err_clear(&local);
        rc = s->ops->container_create(s->engine, &s->plan.spec, id, &local);
    }
    if (rc == ERR_TIMEOUT)
        return settle(s, ENGINE_OTHER, &local, err);
    if (rc == ERR_EXISTS)
        s->made_container = false; /* somebody was faster: not ours to remove */
    return rc < 0 ? create_refused(s, &local, err) : 0;
}

static int put_files(const struct start *s, struct err *err)
{
    cleanup_str_secret struct str tar = STR_INIT;
    int rc = container_make_files(s->spec, &tar, err);
    if (rc < 0)
        return rc;
    struct err first = ERR_INIT;
    rc = s->ops->archive_put(s->engine, s->plan.names.name, "/session", tar.p, tar.len, &first);
    /* Podman with much to do loses the process that unpacks for it ("broken pipe"). Nothing reads
     * these files yet, so they can be put there twice. */
    if (rc == ERR_FAILED)
        rc = s->ops->archive_put(s->engine, s->plan.names.name, "/session", tar.p, tar.len, err);
    else if (rc < 0)
        err_set(err, rc, "%s", first.msg);
    return rc < 0 ? plain(err) : 0;
}

static int start_failed(const struct start *s, const struct err *why, struct err *err)
{
    if (why->code == ERR_EXISTS)
        return err_set(err, ERR_EXISTS, "port %d of %s is taken on the engine's host",
                       s->spec->ssh_port, s->spec->ssh_bind);
    err_set(err, why->code, "%s", why->msg);
    return plain(err);
}

/* Attached first, so that nothing that the agent says is missed and it finds its stdin open. Podman
 * does most of a start then, so both fail alike. */
static int run(const struct start *s, struct provider_conn *out, struct err *err)
{
    struct err local = ERR_INIT;
    int rc = s->ops->attach(s->engine, s->plan.names.name, &out->fd, &local);
    if (rc < 0)
        return start_failed(s, &local, err);
    out->wire = CHANNEL_MUX;
    rc = s->ops->container_start(s->engine, s->plan.names.name, &local);
    if (rc == ERR_TIMEOUT)
        return settle(s, ENGINE_RUNNING, &local, err);
    return rc < 0 ? start_failed(s, &local, err) : 0;
}

/* The container as it is: verified, then run. */
static int verify_and_run(const struct start *s, bool files, struct provider_conn *out,
                          struct err *err)
{
    cleanup_engine_container struct engine_container c = {0};
    int rc = s->ops->container_inspect(s->engine, s->plan.names.name, &c, err);
    if (rc < 0)
        return plain(err);
    if (files && (rc = check_image(s, &c, err)) < 0)
        return rc;
    if ((rc = container_verify(&c, &s->plan, err)) < 0)
        return rc;
    if (files && (rc = put_files(s, err)) < 0)
        return rc;
    if ((rc = run(s, out, err)) < 0 || !s->plan.spec.userns_size)
        return rc;
    cleanup_engine_container struct engine_container now = {0};
    rc = s->ops->container_inspect(s->engine, s->plan.names.name, &now, err);
    return rc < 0 ? plain(err) : container_verify_running(&now, &s->plan, err);
}

static int make_all(struct start *s, struct provider_conn *out, struct err *err)
{
    int rc;
    report(s, "network", "making the session's network");
    if ((rc = make_network(s, err)) < 0 || (rc = make_volume(s, err)) < 0)
        return rc;
    report(s, "container", "starting the session's container");
    if ((rc = make_container(s, err)) < 0)
        return rc;
    return verify_and_run(s, true, out, err);
}

/*
 * A container that ended is replaced, not started: Podman 4.3 that is asked before its own delayed
 * cleanup has run gives it a second address and leaves the published port pointing at the first.
 * Nothing is lost with it: what is worth keeping lies in the volume, and the port is in the spec.
 */
static int make_again(struct start *s, struct provider_conn *out, struct err *err)
{
    int rc = s->ops->container_remove(s->engine, s->plan.names.name, err);
    if (rc < 0)
        return plain(err);
    rc = make_container(s, err);
    return rc < 0 ? rc : verify_and_run(s, false, out, err);
}

/* Takes over what is there already. */
static int resume(struct start *s, const struct engine_container *c, struct provider_conn *out,
                  struct err *err)
{
    const char *server = engine_label(&c->labels, LABEL_SERVER);
    const char *hash = engine_label(&c->labels, LABEL_SPEC);
    if (!server || strcmp(server, s->cp->server_id) != 0)
        return err_set(err, ERR_FAILED, "container %s belongs to another server", c->name);
    if (!hash || strcmp(hash, s->plan.hash) != 0)
        return err_set(err, ERR_FAILED, "container %s was made from another specification",
                       c->name);
    if (c->state == ENGINE_RUNNING)
        return container_attach(s->cp, s->spec->id, out, err);
    if (c->state == ENGINE_OTHER)
        return err_set(err, ERR_FAILED, "container %s is in a state that nobody here gave it",
                       c->name);
    report(s, "container", "starting the session's container again");
    int rc = make_network(s, err);
    if (rc < 0)
        return rc;
    if (c->state == ENGINE_EXITED)
        return make_again(s, out, err);
    return verify_and_run(s, c->state == ENGINE_CREATED, out, err);
}

static void rollback(const struct start *s)
{
    const char *name = s->plan.names.name;
    if (s->made_container)
        s->ops->container_remove(s->engine, name, NULL);
    if (s->made_network)
        container_network_remove(s->cp, &s->plan.names, NULL);
    if (s->made_volume)
        s->ops->volume_remove(s->engine, name, NULL);
}

static int start_checked(struct start *s, struct provider_conn *out, struct err *err)
{
    int rc = container_engine_info(s->cp, &s->info, err);
    if (rc == 0)
        rc = container_check_engine(s->cp, &s->info, s->spec->require_userns, err);
    if (rc < 0)
        return rc;
    if (s->spec->disk)
        return err_set(err, ERR_UNSUPPORTED,
                       "a session's disk cannot be limited on this engine: unset "
                       "STEADYSTATE_SESSION_DISK");
    container_plan_make(s->cp, s->spec, &s->info, &s->plan);
    cleanup_engine_container struct engine_container c = {0};
    struct err local = ERR_INIT;
    rc = s->ops->container_inspect(s->engine, s->plan.names.name, &c, &local);
    if (rc == 0)
        return resume(s, &c, out, err);
    if (rc != ERR_NOT_FOUND)
        return err_set(err, rc, "%s", local.msg);
    return make_all(s, out, err);
}

int container_start(void *self, const struct session_spec *spec,
                    const struct provider_progress *progress, struct provider_conn *out,
                    struct err *err)
{
    struct container_provider *cp = self;
    struct err local = ERR_INIT;
    struct start s = {
        .cp = cp,
        .ops = cp->engine.ops,
        .engine = cp->engine.self,
        .spec = spec,
        .progress = progress,
    };
    *out = (struct provider_conn)PROVIDER_CONN_INIT;
    int rc = start_checked(&s, out, &local);
    if (rc < 0) {
        provider_conn_release(out);
        rollback(&s);
        err_set(err, local.code, "%s", local.msg);
    }
    container_plan_release(&s.plan);
    return rc;
}
