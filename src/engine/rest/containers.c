/* A container's life. */
#include <time.h>

#include "base/url.h"
#include "engine/rest/json.h"
#include "engine/rest/rest_internal.h"

#define REMOVAL_POLLS 200
#define REMOVAL_POLL_NS 50000000L

int rest_container_create(void *self, const struct engine_container_spec *spec,
                          char id[ENGINE_ID_MAX + 1], struct err *err)
{
    struct rest *r = self;
    const struct rest_dialect *d;
    int rc = rest_dialect(r, &d, err);
    if (rc < 0)
        return rc;
    cleanup_json struct json_object *body = rest_json_container(spec, d->podman);
    cleanup_str struct str path = STR_INIT;
    str_adds(&path, "/containers/create?");
    cleanup_str struct str query = STR_INIT;
    http_form_add(&query, "name", spec->name);
    str_adds(&path, query.p);
    const char *what = "make the container";
    cleanup_json struct json_object *answer = NULL;
    rc = rest_call(
        r, &(struct rest_call){.what = what, .method = "POST", .path = path.p, .json = body},
        &answer, NULL, err);
    if (rc < 0)
        return rc;
    struct err read = ERR_INIT;
    if (rest_read_id(answer, id, &read) < 0)
        return rest_answer_error(what, &read, err);
    return 0;
}

int rest_container_inspect(void *self, const char *name, struct engine_container *out,
                           struct err *err)
{
    struct rest *r = self;
    const struct rest_dialect *d;
    int rc = rest_dialect(r, &d, err);
    if (rc < 0)
        return rc;
    cleanup_str struct str path = STR_INIT;
    rest_add_path(&path, "containers", name, "/json");
    const char *what = "look at the container";
    cleanup_json struct json_object *answer = NULL;
    rc = rest_call(r, &(struct rest_call){.what = what, .method = "GET", .path = path.p}, &answer,
                   NULL, err);
    if (rc < 0)
        return rc;
    struct err read = ERR_INIT;
    if (rest_read_container(answer, &d->default_caps, out, &read) < 0)
        return rest_answer_error(what, &read, err);
    return 0;
}

int rest_container_start(void *self, const char *name, struct err *err)
{
    cleanup_str struct str path = STR_INIT;
    rest_add_path(&path, "containers", name, "/start");
    return rest_call(
        self, &(struct rest_call){.what = "start the container", .method = "POST", .path = path.p},
        NULL, NULL, err);
}

int rest_container_stop(void *self, const char *name, int grace_s, struct err *err)
{
    cleanup_str struct str path = STR_INIT;
    rest_add_path(&path, "containers", name, "/stop");
    str_addf(&path, "?t=%d", grace_s);
    return rest_call(self,
                     &(struct rest_call){.what = "stop the container",
                                         .method = "POST",
                                         .path = path.p,
                                         .extra_ms = grace_s * 1000},
                     NULL, NULL, err);
}

int rest_container_kill(void *self, const char *name, const char *signal, struct err *err)
{
    cleanup_str struct str path = STR_INIT, query = STR_INIT;
    rest_add_path(&path, "containers", name, "/kill?");
    http_form_add(&query, "signal", signal);
    str_adds(&path, query.p);
    return rest_call(
        self, &(struct rest_call){.what = "kill the container", .method = "POST", .path = path.p},
        NULL, NULL, err);
}

/* Is it gone, whatever the DELETE said? Somebody else's removal may still be at work. */
static bool is_gone(struct rest *r, const char *name, bool wait)
{
    for (int i = 0; i < (wait ? REMOVAL_POLLS : 1); i++) {
        cleanup_engine_container struct engine_container c = {0};
        int rc = rest_container_inspect(r, name, &c, NULL);
        if (rc == ERR_NOT_FOUND)
            return true;
        if (rc < 0)
            return false;
        if (wait)
            nanosleep(&(struct timespec){0, REMOVAL_POLL_NS}, NULL);
    }
    return false;
}

int rest_container_remove(void *self, const char *name, struct err *err)
{
    struct rest *r = self;
    const struct rest_dialect *d;
    int rc = rest_dialect(r, &d, err);
    if (rc < 0)
        return rc;
    /* Podman's forced removal of a running container now and then leaves its bridge behind; after a
     * stop it does not. */
    if (d->podman && rest_container_stop(r, name, 0, NULL) == ERR_NOT_FOUND)
        return 0;
    cleanup_str struct str path = STR_INIT;
    rest_add_path(&path, "containers", name, "?force=1&v=1");
    struct err local = ERR_INIT;
    rc = rest_call(
        r, &(struct rest_call){.what = "remove the container", .method = "DELETE", .path = path.p},
        NULL, NULL, &local);
    if (rc == 0 || rc == ERR_NOT_FOUND)
        return 0;
    /* Podman also answers 500 "device or resource busy" for a container that it did remove. */
    if (rc != ERR_UNAVAILABLE && is_gone(r, name, rc == ERR_CONFLICT))
        return 0;
    return err_set(err, rc, "%s", local.msg);
}

int rest_archive_put(void *self, const char *name, const char *dir, const void *tar, size_t n,
                     struct err *err)
{
    if (n > ENGINE_ARCHIVE_MAX)
        return err_set(err, ERR_LIMIT, "the archive is larger than %lu bytes", ENGINE_ARCHIVE_MAX);
    cleanup_str struct str path = STR_INIT, query = STR_INIT;
    rest_add_path(&path, "containers", name, "/archive?");
    http_form_add(&query, "path", dir);
    str_adds(&path, query.p);
    return rest_call(self,
                     &(struct rest_call){.what = "put files into the container",
                                         .method = "PUT",
                                         .path = path.p,
                                         .tar = tar,
                                         .tar_len = n},
                     NULL, NULL, err);
}
