#include "engine/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

#define FAULTS_MAX 16
#define VERBS_MAX 32
#define PORTS_MAX 16

struct object {
    enum engine_kind kind;
    struct engine_container c; /* name, labels; of a container everything */
    char *subnet;              /* network */
    char *network;             /* container */
    char *volume;
    char *image;
    struct str archive; /* volume */
    int peer;           /* container: our end of its newest stream */
};

struct fault {
    const char *verb;
    int code;
    int left;
    bool after;
};

struct engine_memory {
    pthread_mutex_t lock;
    struct engine_info info;
    struct object **objects;
    size_t len, cap;
    struct strv images; /* references */
    struct engine_image *image_data;
    struct fault faults[FAULTS_MAX];
    struct {
        const char *verb;
        int calls;
    } verbs[VERBS_MAX];
    int taken[PORTS_MAX];
    size_t n_taken;
    bool ignore_limits;
    unsigned next_id;
};

/* --- calls and faults ---------------------------------------------------------------------- */

static void count(struct engine_memory *m, const char *verb)
{
    size_t i = 0;
    while (i < VERBS_MAX && m->verbs[i].verb && strcmp(m->verbs[i].verb, verb) != 0)
        i++;
    BUG_ON(i == VERBS_MAX);
    m->verbs[i].verb = verb;
    m->verbs[i].calls++;
}

/* Locks. A fault that strikes before the effect is returned at once (unlocked); one that strikes
 * after it is left in *late for leave. */
static int enter(struct engine_memory *m, const char *verb, int *late, struct err *err)
{
    pthread_mutex_lock(&m->lock);
    count(m, verb);
    *late = 0;
    for (size_t i = 0; i < FAULTS_MAX; i++) {
        struct fault *f = &m->faults[i];
        if (!f->left || strcmp(f->verb, verb) != 0)
            continue;
        f->left--;
        if (f->after) {
            *late = f->code;
            return 0;
        }
        pthread_mutex_unlock(&m->lock);
        return err_set(err, f->code, "%s: fault", verb);
    }
    return 0;
}

static int leave(struct engine_memory *m, int rc, int late, struct err *err)
{
    pthread_mutex_unlock(&m->lock);
    return rc == 0 && late ? err_set(err, late, "the answer was lost") : rc;
}

/* --- objects ------------------------------------------------------------------------------- */

static struct object *find(struct engine_memory *m, enum engine_kind kind, const char *name)
{
    for (size_t i = 0; i < m->len; i++) {
        struct object *o = m->objects[i];
        if (o->kind == kind && (strcmp(o->c.name, name) == 0 ||
                                (kind == ENGINE_CONTAINERS && strcmp(o->c.id, name) == 0)))
            return o;
    }
    return NULL;
}

static struct object *add(struct engine_memory *m, enum engine_kind kind, const char *name,
                          const struct strv *labels)
{
    struct object *o = xcalloc(1, sizeof *o);
    o->kind = kind;
    o->c.name = xstrdup(name);
    o->c.error = xstrdup("");
    o->c.userns_mode = xstrdup("");
    o->archive = (struct str)STR_INIT;
    o->peer = -1;
    for (size_t i = 0; labels && i < labels->len; i++)
        strv_push(&o->c.labels, labels->v[i]);
    VEC_GROW(m->objects, m->len, m->cap); /* NOLINT(bugprone-sizeof-expression): of pointers */
    m->objects[m->len++] = o;
    return o;
}

static void object_free(struct object *o)
{
    engine_container_release(&o->c);
    free(o->subnet);
    free(o->network);
    free(o->volume);
    free(o->image);
    str_release(&o->archive);
    if (o->peer >= 0)
        close(o->peer);
    free(o);
}

static void drop(struct engine_memory *m, struct object *o)
{
    for (size_t i = 0; i < m->len; i++)
        if (m->objects[i] == o)
            m->objects[i] = m->objects[--m->len];
    object_free(o);
}

static int no_container(const char *name, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "no such container: %s", name);
}

static size_t image_index(const struct engine_memory *m, const char *ref)
{
    size_t i = 0;
    while (i < m->images.len && strcmp(m->images.v[i], ref) != 0)
        i++;
    return i;
}

/* enter for what needs a container that is there. */
static int enter_container(struct engine_memory *m, const char *verb, const char *name,
                           struct object **o, int *late, struct err *err)
{
    int rc = enter(m, verb, late, err);
    if (rc < 0)
        return rc;
    *o = find(m, ENGINE_CONTAINERS, name);
    return *o ? 0 : leave(m, no_container(name, err), 0, err);
}

/* --- the vtable ---------------------------------------------------------------------------- */

static int mem_ping(void *self, struct err *err)
{
    int late, rc = enter(self, "ping", &late, err);
    return rc < 0 ? rc : leave(self, 0, late, err);
}

static int mem_info(void *self, struct engine_info *out, struct err *err)
{
    struct engine_memory *m = self;
    int late, rc = enter(m, "info", &late, err);
    if (rc < 0)
        return rc;
    *out = m->info;
    return leave(m, 0, late, err);
}

static int mem_image_inspect(void *self, const char *ref, struct engine_image *out, struct err *err)
{
    struct engine_memory *m = self;
    int late, rc = enter(m, "image_inspect", &late, err);
    if (rc < 0)
        return rc;
    memset(out, 0, sizeof *out);
    size_t i = image_index(m, ref);
    if (i == m->images.len)
        return leave(m, err_set(err, ERR_NOT_FOUND, "no such image: %s", ref), 0, err);
    memcpy(out->id, m->image_data[i].id, sizeof out->id);
    for (size_t k = 0; k < m->image_data[i].labels.len; k++)
        strv_push(&out->labels, m->image_data[i].labels.v[k]);
    return leave(m, 0, late, err);
}

static int mem_network_create(void *self, const struct engine_network *network, struct err *err)
{
    struct engine_memory *m = self;
    int late, rc = enter(m, "network_create", &late, err);
    if (rc < 0)
        return rc;
    if (find(m, ENGINE_NETWORKS, network->name))
        return leave(m, err_set(err, ERR_EXISTS, "network exists: %s", network->name), 0, err);
    for (size_t i = 0; i < m->len; i++)
        if (m->objects[i]->subnet && strcmp(m->objects[i]->subnet, network->subnet) == 0)
            return leave(m, err_set(err, ERR_CONFLICT, "subnet %s overlaps", network->subnet), 0,
                         err);
    add(m, ENGINE_NETWORKS, network->name, network->labels)->subnet = xstrdup(network->subnet);
    return leave(m, 0, late, err);
}

/* Does a container use it? */
static bool in_use(const struct engine_memory *m, const struct object *o)
{
    for (size_t i = 0; i < m->len; i++) {
        const struct object *c = m->objects[i];
        const char *used = o->kind == ENGINE_VOLUMES ? c->volume : c->network;
        if (c->kind == ENGINE_CONTAINERS && used && strcmp(used, o->c.name) == 0)
            return true;
    }
    return false;
}

static int remove_named(struct engine_memory *m, enum engine_kind kind, const char *verb,
                        const char *name, struct err *err)
{
    int late, rc = enter(m, verb, &late, err);
    if (rc < 0)
        return rc;
    struct object *o = find(m, kind, name);
    if (o && in_use(m, o))
        return leave(m, err_set(err, ERR_CONFLICT, "%s is in use", name), 0, err);
    if (o)
        drop(m, o);
    return leave(m, 0, late, err);
}

static int mem_network_remove(void *self, const char *name, struct err *err)
{
    return remove_named(self, ENGINE_NETWORKS, "network_remove", name, err);
}

static int mem_volume_create(void *self, const char *name, const struct strv *labels,
                             struct err *err)
{
    struct engine_memory *m = self;
    int late, rc = enter(m, "volume_create", &late, err);
    if (rc < 0)
        return rc;
    if (!find(m, ENGINE_VOLUMES, name))
        add(m, ENGINE_VOLUMES, name, labels);
    return leave(m, 0, late, err);
}

static int mem_volume_remove(void *self, const char *name, struct err *err)
{
    return remove_named(self, ENGINE_VOLUMES, "volume_remove", name, err);
}

static void fill_container(struct engine_memory *m, struct object *o,
                           const struct engine_container_spec *spec)
{
    snprintf(o->c.id, sizeof o->c.id, "%064x", ++m->next_id);
    o->c.state = ENGINE_CREATED;
    o->c.host_port = spec->host_port;
    o->c.memory = m->ignore_limits ? 0 : spec->memory;
    o->c.nano_cpus = m->ignore_limits ? 0 : (int64_t)spec->cpus_milli * 1000000;
    o->c.pids = m->ignore_limits ? 0 : spec->pids;
    o->c.read_only = spec->read_only;
    o->c.no_new_privileges = true;
    if (m->info.userns_option && spec->userns_size) {
        free(o->c.userns_mode);
        o->c.userns_mode = xstrdup("private");
    }
    for (const char *const *c = spec->cap_add; c && *c; c++)
        strv_pushf(&o->c.caps, "CAP_%s", *c);
    o->network = spec->network ? xstrdup(spec->network) : NULL;
    o->volume = spec->volume ? xstrdup(spec->volume) : NULL;
    o->image = xstrdup(spec->image);
}

static int mem_container_create(void *self, const struct engine_container_spec *spec,
                                char id[ENGINE_ID_MAX + 1], struct err *err)
{
    struct engine_memory *m = self;
    int late, rc = enter(m, "container_create", &late, err);
    if (rc < 0)
        return rc;
    if (find(m, ENGINE_CONTAINERS, spec->name))
        return leave(m, err_set(err, ERR_EXISTS, "name in use: %s", spec->name), 0, err);
    const size_t image = image_index(m, spec->image);
    if (image == m->images.len)
        return leave(m, err_set(err, ERR_NOT_FOUND, "no such image: %s", spec->image), 0, err);
    if (spec->network && !find(m, ENGINE_NETWORKS, spec->network))
        return leave(m, err_set(err, ERR_NOT_FOUND, "no such network: %s", spec->network), 0, err);
    struct object *o = add(m, ENGINE_CONTAINERS, spec->name, spec->labels);
    const struct strv *more = &m->image_data[image].labels;
    for (size_t i = 0; i < more->len; i++)
        strv_push(&o->c.labels, more->v[i]);
    fill_container(m, o, spec);
    memcpy(id, o->c.id, sizeof o->c.id);
    return leave(m, 0, late, err);
}

static int mem_container_inspect(void *self, const char *name, struct engine_container *out,
                                 struct err *err)
{
    struct engine_memory *m = self;
    struct object *o;
    int late, rc = enter_container(m, "container_inspect", name, &o, &late, err);
    if (rc < 0)
        return rc;
    *out = o->c;
    out->name = xstrdup(o->c.name);
    out->error = xstrdup(o->c.error);
    out->userns_mode = xstrdup(o->c.userns_mode);
    out->labels = out->caps = (struct strv)STRV_INIT;
    for (size_t i = 0; i < o->c.labels.len; i++)
        strv_push(&out->labels, o->c.labels.v[i]);
    for (size_t i = 0; i < o->c.caps.len; i++)
        strv_push(&out->caps, o->c.caps.v[i]);
    return leave(m, 0, late, err);
}

static bool port_is_taken(const struct engine_memory *m, const struct object *o)
{
    for (size_t i = 0; i < m->n_taken; i++)
        if (m->taken[i] == o->c.host_port)
            return true;
    for (size_t i = 0; i < m->len; i++) {
        const struct object *c = m->objects[i];
        if (c != o && c->kind == ENGINE_CONTAINERS && c->c.state == ENGINE_RUNNING &&
            c->c.host_port && c->c.host_port == o->c.host_port)
            return true;
    }
    return false;
}

static int mem_container_start(void *self, const char *name, struct err *err)
{
    struct engine_memory *m = self;
    struct object *o;
    int late, rc = enter_container(m, "container_start", name, &o, &late, err);
    if (rc < 0)
        return rc;
    if (o->c.state != ENGINE_RUNNING && port_is_taken(m, o))
        return leave(m, err_set(err, ERR_EXISTS, "port %d is taken", o->c.host_port), 0, err);
    o->c.state = ENGINE_RUNNING;
    return leave(m, 0, late, err);
}

static void stop(struct object *o, int exit_code)
{
    o->c.state = ENGINE_EXITED;
    o->c.exit_code = exit_code;
    if (o->peer >= 0)
        close(steal_fd(&o->peer));
}

static int mem_container_stop(void *self, const char *name, int grace_s, struct err *err)
{
    (void)grace_s;
    struct engine_memory *m = self;
    struct object *o;
    int late, rc = enter_container(m, "container_stop", name, &o, &late, err);
    if (rc < 0)
        return rc;
    if (o->c.state == ENGINE_RUNNING)
        stop(o, 0);
    return leave(m, 0, late, err);
}

static int mem_container_kill(void *self, const char *name, const char *signal, struct err *err)
{
    (void)signal;
    struct engine_memory *m = self;
    struct object *o;
    int late, rc = enter_container(m, "container_kill", name, &o, &late, err);
    if (rc < 0)
        return rc;
    if (o->c.state != ENGINE_RUNNING)
        return leave(m, err_set(err, ERR_CONFLICT, "%s does not run", name), 0, err);
    stop(o, 137);
    return leave(m, 0, late, err);
}

static int mem_container_remove(void *self, const char *name, struct err *err)
{
    struct engine_memory *m = self;
    int late, rc = enter(m, "container_remove", &late, err);
    if (rc < 0)
        return rc;
    struct object *o = find(m, ENGINE_CONTAINERS, name);
    if (o)
        drop(m, o);
    return leave(m, 0, late, err);
}

static int mem_archive_put(void *self, const char *name, const char *dir, const void *tar, size_t n,
                           struct err *err)
{
    (void)dir;
    struct engine_memory *m = self;
    struct object *o;
    int late, rc = enter_container(m, "archive_put", name, &o, &late, err);
    if (rc < 0)
        return rc;
    struct object *volume = o->volume ? find(m, ENGINE_VOLUMES, o->volume) : NULL;
    if (!volume)
        return leave(m, err_set(err, ERR_FAILED, "container rootfs is marked read-only"), 0, err);
    str_clear(&volume->archive);
    str_add(&volume->archive, tar, n);
    return leave(m, 0, late, err);
}

static int open_stream(struct object *o, int *fd, struct err *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return err_errno(err, "socketpair");
    if (o->peer >= 0)
        close(o->peer);
    o->peer = pair[1];
    *fd = pair[0];
    return 0;
}

static int mem_attach(void *self, const char *name, int *fd, struct err *err)
{
    struct engine_memory *m = self;
    *fd = -1;
    struct object *o;
    int late, rc = enter_container(m, "attach", name, &o, &late, err);
    return rc < 0 ? rc : leave(m, open_stream(o, fd, err), late, err);
}

static int mem_exec(void *self, const char *name, const struct engine_exec *exec, int *fd,
                    char id[ENGINE_ID_MAX + 1], struct err *err)
{
    (void)exec;
    struct engine_memory *m = self;
    *fd = -1;
    struct object *o;
    int late, rc = enter_container(m, "exec", name, &o, &late, err);
    if (rc < 0)
        return rc;
    if (o->c.state != ENGINE_RUNNING)
        return leave(m, err_set(err, ERR_CONFLICT, "%s does not run", name), 0, err);
    memcpy(id, o->c.id, sizeof o->c.id);
    return leave(m, open_stream(o, fd, err), late, err);
}

static int mem_exec_status(void *self, const char *id, int *exit_code, struct err *err)
{
    struct engine_memory *m = self;
    int late, rc = enter(m, "exec_status", &late, err);
    if (rc < 0)
        return rc;
    if (!find(m, ENGINE_CONTAINERS, id))
        return leave(m, err_set(err, ERR_NOT_FOUND, "no such exec"), 0, err);
    *exit_code = 0;
    return leave(m, 0, late, err);
}

static int mem_list(void *self, enum engine_kind kind, const char *label, struct engine_list *out,
                    struct err *err)
{
    struct engine_memory *m = self;
    memset(out, 0, sizeof *out);
    int late, rc = enter(m, "list", &late, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < m->len; i++) {
        const struct object *o = m->objects[i];
        if (o->kind != kind || !strv_has(&o->c.labels, label))
            continue;
        VEC_GROW(out->v, out->len, out->cap);
        struct engine_container *c = &out->v[out->len++];
        memset(c, 0, sizeof *c);
        memcpy(c->id, o->c.id, sizeof c->id);
        c->name = xstrdup(o->c.name);
        c->state = o->c.state;
        for (size_t k = 0; k < o->c.labels.len; k++)
            strv_push(&c->labels, o->c.labels.v[k]);
    }
    return leave(m, 0, late, err);
}

static void mem_free(void *self)
{
    struct engine_memory *m = self;
    while (m->len)
        drop(m, m->objects[0]);
    free(m->objects);
    for (size_t i = 0; i < m->images.len; i++)
        engine_image_release(&m->image_data[i]);
    free(m->image_data);
    strv_release(&m->images);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct engine_ops memory_ops = {
    .ping = mem_ping,
    .info = mem_info,
    .image_inspect = mem_image_inspect,
    .network_create = mem_network_create,
    .network_remove = mem_network_remove,
    .volume_create = mem_volume_create,
    .volume_remove = mem_volume_remove,
    .container_create = mem_container_create,
    .container_inspect = mem_container_inspect,
    .container_start = mem_container_start,
    .container_stop = mem_container_stop,
    .container_kill = mem_container_kill,
    .container_remove = mem_container_remove,
    .archive_put = mem_archive_put,
    .attach = mem_attach,
    .exec = mem_exec,
    .exec_status = mem_exec_status,
    .list = mem_list,
    .free = mem_free,
};

int engine_memory_new(struct engine *out, struct engine_memory **control, struct err *err)
{
    (void)err;
    struct engine_memory *m = xcalloc(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    m->info = (struct engine_info){
        .name = "podman",
        .version = "0",
        .runtime = "none",
        .userns_option = true,
        .limits = true,
        .seccomp_path = true,
        .cgroup_version = 2,
    };
    out->ops = &memory_ops;
    out->self = m;
    *control = m;
    return 0;
}

/* --- controls ------------------------------------------------------------------------------ */

void engine_memory_fault(struct engine_memory *m, const char *verb, int code, int count_,
                         bool after)
{
    pthread_mutex_lock(&m->lock);
    size_t i = 0;
    while (i < FAULTS_MAX && m->faults[i].left)
        i++;
    BUG_ON(i == FAULTS_MAX);
    m->faults[i] = (struct fault){verb, code, count_, after};
    pthread_mutex_unlock(&m->lock);
}

void engine_memory_set_info(struct engine_memory *m, const struct engine_info *info)
{
    pthread_mutex_lock(&m->lock);
    m->info = *info;
    pthread_mutex_unlock(&m->lock);
}

void engine_memory_add_image(struct engine_memory *m, const char *ref, const struct strv *labels)
{
    pthread_mutex_lock(&m->lock);
    strv_push(&m->images, ref);
    m->image_data = xreallocarray(m->image_data, m->images.len, sizeof *m->image_data);
    struct engine_image *image = &m->image_data[m->images.len - 1];
    memset(image, 0, sizeof *image);
    snprintf(image->id, sizeof image->id, "sha256:%064zx", m->images.len);
    for (size_t i = 0; labels && i < labels->len; i++)
        strv_push(&image->labels, labels->v[i]);
    pthread_mutex_unlock(&m->lock);
}

void engine_memory_ignore_limits(struct engine_memory *m, bool on)
{
    pthread_mutex_lock(&m->lock);
    m->ignore_limits = on;
    pthread_mutex_unlock(&m->lock);
}

void engine_memory_take_port(struct engine_memory *m, int port, bool taken)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->n_taken; i++)
        if (m->taken[i] == port)
            m->taken[i] = m->taken[--m->n_taken];
    BUG_ON(m->n_taken == PORTS_MAX);
    if (taken)
        m->taken[m->n_taken++] = port;
    pthread_mutex_unlock(&m->lock);
}

void engine_memory_exit(struct engine_memory *m, const char *name, int exit_code)
{
    pthread_mutex_lock(&m->lock);
    struct object *o = find(m, ENGINE_CONTAINERS, name);
    if (o)
        stop(o, exit_code);
    pthread_mutex_unlock(&m->lock);
}

int engine_memory_peer(struct engine_memory *m, const char *name)
{
    pthread_mutex_lock(&m->lock);
    struct object *o = find(m, ENGINE_CONTAINERS, name);
    int fd = o ? steal_fd(&o->peer) : -1;
    pthread_mutex_unlock(&m->lock);
    return fd;
}

const struct str *engine_memory_archive(struct engine_memory *m, const char *volume)
{
    pthread_mutex_lock(&m->lock);
    struct object *o = find(m, ENGINE_VOLUMES, volume);
    pthread_mutex_unlock(&m->lock);
    return o && o->archive.len ? &o->archive : NULL;
}

size_t engine_memory_count(struct engine_memory *m, enum engine_kind kind)
{
    size_t n = 0;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->len; i++)
        n += m->objects[i]->kind == kind;
    pthread_mutex_unlock(&m->lock);
    return n;
}

int engine_memory_calls(struct engine_memory *m, const char *verb)
{
    int calls = 0;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < VERBS_MAX && m->verbs[i].verb; i++)
        if (strcmp(m->verbs[i].verb, verb) == 0)
            calls = m->verbs[i].calls;
    pthread_mutex_unlock(&m->lock);
    return calls;
}
